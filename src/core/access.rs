//! What kjo needs to be allowed, and what becomes of a run without it. `manifests/rbac.yaml` grants
//! these and nothing else; a test holds the two together.

/// One permission of the Role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// For example `create`.
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// For example `pods/log`.
    pub resource: &'static str,
    /// Whether Jobs can be run at all without it.
    pub needed: bool,
    /// What is lost without it.
    pub without: &'static str,
}

impl Permission {
    /// The resource and, where there is one, the subresource.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Option<&'static str>) {
        match self.resource.split_once('/') {
            Some((resource, part)) => (resource, Some(part)),
            None => (self.resource, None),
        }
    }
}

const fn jobs(verb: &'static str, needed: bool, without: &'static str) -> Permission {
    Permission {
        verb,
        group: "batch",
        resource: "jobs",
        needed,
        without,
    }
}

const fn core(verb: &'static str, resource: &'static str, without: &'static str) -> Permission {
    Permission {
        verb,
        group: "",
        resource,
        needed: false,
        without,
    }
}

/// What some flags need beside: objects that are sent along with the Job (`manifests/roles.yaml`, kjo-companions).
pub const FOR_FLAGS: [Permission; 2] = [
    core(
        "create",
        "secrets",
        "--secret-env, --secret-file and Secrets beside the Job are refused; kjo-companions of manifests/roles.yaml has it",
    ),
    core(
        "create",
        "configmaps",
        "--script, --mount-file and ConfigMaps beside the Job are refused; kjo-companions of manifests/roles.yaml has it",
    ),
];

/// To mark a Job as delivered.
pub const PATCH_JOBS: Permission = ALL[5];

/// All of them, the needed ones first.
pub const ALL: [Permission; 11] = [
    jobs("create", true, "no Job can be made"),
    jobs(
        "get",
        true,
        "whether a lost request made its Job cannot be asked, nor whether a Job is gone: the outcome may stay \
         unknown (121); nothing can be attached to",
    ),
    jobs(
        "list",
        true,
        "after a broken connection the Job is not found again: the outcome may stay unknown (121)",
    ),
    jobs(
        "watch",
        false,
        "the Job is asked for every few seconds instead, and its end is seen later",
    ),
    jobs(
        "delete",
        false,
        "Jobs stay behind: finished ones until their TTL, others run on after Ctrl-C and --timeout",
    ),
    jobs(
        "patch",
        false,
        "a finished Job cannot be marked: with a run id only running Jobs are adopted, and an outcome that nobody \
         saw is passed over",
    ),
    core("list", "pods", "no logs and no exit codes: a failed Job is 123"),
    core(
        "watch",
        "pods",
        "pods are asked for every few seconds instead: logs come later, and short-lived pods may be missed",
    ),
    core(
        "get",
        "pods",
        "the logs of containers that restart within their pod are not shown",
    ),
    core("get", "pods/log", "no logs; outcome and exit code are not affected"),
    core(
        "list",
        "events",
        "why no pod comes into being, or does not start, is not told in the cluster's words",
    ),
];
