//! What a failed request means: whether it can have taken effect, whether waiting may heal it, and
//! what the user should do.

use std::time::Duration;

/// Why a request brought no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection was made: the request has not left this machine.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke or stayed silent: the request may have taken effect.
    #[error("{0}")]
    Lost(String),
    /// Credentials or the server's certificate are not good; trying again changes nothing.
    #[error("{0}")]
    Setup(String),
    /// The server answered with a `Status`.
    #[error("{0}")]
    Answered(Box<Status>),
}

/// An error answer of the API server (`meta/v1` Status, or what a proxy sent in its place).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, for example `AlreadyExists`; empty when a proxy answered.
    pub reason: String,
    /// The server's own words.
    pub message: String,
    /// `details.causes[].reason`, for example `NamespaceTerminating`.
    pub causes: Vec<String>,
    /// `details.kind` and `details.name` of what the answer is about.
    pub about: Option<(String, String)>,
    /// The Retry-After header.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.message.is_empty(), self.reason.is_empty()) {
            (false, _) => write!(f, "{} (HTTP {})", self.message, self.code),
            (true, false) => write!(f, "{} (HTTP {})", self.reason, self.code),
            (true, true) => write!(f, "HTTP {}", self.code),
        }
    }
}

/// What to do after a create request that brought no Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCreate {
    /// It has not taken effect: send it again.
    SendAgain,
    /// It may have taken effect: read the Job by its name before anything else.
    ReadBack,
    /// A Job of that name exists.
    Exists,
    /// Nothing runs now; it may work later.
    NotNow,
    /// It would be refused again.
    Never,
}

impl Failure {
    /// The server's answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Unreachable(_) | Self::Lost(_) | Self::Setup(_) => None,
        }
    }

    /// The server answered with this HTTP code.
    #[must_use]
    pub fn is(&self, code: u16) -> bool {
        self.status().is_some_and(|s| s.code == code)
    }

    /// How long the server asked us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.status().and_then(|s| s.retry_after)
    }

    /// Reading or deleting may work if it is tried again.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Setup(_) => false,
            // A conflict that is no failed precondition is two writers meeting: one of them comes again.
            Self::Answered(s) => matches!(s.code, 401 | 408 | 409 | 429) || s.code >= 500,
        }
    }

    /// The object does not have the UID that the request was bound to (apiserver, `Preconditions.Check`).
    #[must_use]
    pub fn is_precondition(&self) -> bool {
        self.status()
            .is_some_and(|s| s.code == 409 && s.message.contains("Precondition failed"))
    }

    /// A patch was bound to a UID that the object does not have: as a failed precondition, or as an attempt
    /// to change it (apiserver, `ValidateObjectMetaAccessorUpdate`).
    #[must_use]
    pub fn is_other_uid(&self) -> bool {
        let changed = |s: &Status| s.code == 422 && s.message.contains("metadata.uid");
        self.is_precondition() || self.status().is_some_and(changed)
    }

    /// What to do after this failure of a create request.
    #[must_use]
    pub fn after_create(&self) -> AfterCreate {
        let status = match self {
            Self::Unreachable(_) => return AfterCreate::SendAgain,
            Self::Lost(_) => return AfterCreate::ReadBack,
            Self::Setup(_) => return AfterCreate::Never,
            Self::Answered(status) => status,
        };
        match status.code {
            409 if status.reason == "AlreadyExists" => AfterCreate::Exists,
            409 | 429 => AfterCreate::SendAgain,
            403 if status.heals_with_time() => AfterCreate::NotNow,
            408 | 500..=599 => AfterCreate::ReadBack,
            _ => AfterCreate::Never,
        }
    }

    /// What the user can do about it, where kjo knows.
    #[must_use]
    pub fn hint(&self, namespace: &str) -> Option<String> {
        let status = self.status()?;
        match status.code {
            401 => Some("log in to the cluster again, or check the user of this context".to_owned()),
            403 if status.heals_with_time() => Some("try again later".to_owned()),
            403 => {
                let (verb, resource) = status.forbidden().unwrap_or(("create", "jobs"));
                Some(format!(
                    "ask for the Role of manifests/rbac.yaml in namespace {namespace}, or check with \
                     'kubectl auth can-i {verb} {resource} -n {namespace}'"
                ))
            }
            404 if status.about.as_ref().is_some_and(|(kind, _)| kind == "namespaces") => Some(format!(
                "create it with 'kubectl create namespace {namespace}', or choose another with -n"
            )),
            422 if status.message.contains("the sandbox does not honour") => Some(
                "run it on a cluster, or take the field away for the sandbox: --set FIELD=null; nothing was created"
                    .to_owned(),
            ),
            400 | 422 => Some("correct the manifest; nothing was created".to_owned()),
            _ => None,
        }
    }
}

impl Status {
    /// Verb and resource that are not allowed (apiserver, `responsewriters.Forbidden`: `User "x" cannot get
    /// resource "secrets" in …`).
    fn forbidden(&self) -> Option<(&str, &str)> {
        let (_, refused) = self.message.split_once(" cannot ")?;
        let (verb, rest) = refused.split_once(" resource \"")?;
        let (resource, _) = rest.split_once('"')?;
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'/');
        (word(verb) && word(resource)).then_some((verb, resource))
    }

    /// A refusal that is about the moment, not about the request: quota and dying namespaces.
    /// Both come as 403 (`plugin/pkg/admission/{resourcequota,namespace/lifecycle}`).
    fn heals_with_time(&self) -> bool {
        self.message.contains("exceeded quota") || self.causes.iter().any(|c| c == "NamespaceTerminating")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_of_a_refusal_names_what_was_refused() {
        let hint = |message: &str| answered(403, "Forbidden", message).hint("team").unwrap_or_default();
        let secrets = "secrets is forbidden: User \"robot\" cannot get resource \"secrets\" in API group \"\"";
        assert!(hint(secrets).contains("can-i get secrets -n team"), "{}", hint(secrets));
        let logs = "pods \"p\" is forbidden: User \"robot\" cannot get resource \"pods/log\" in API group \"\"";
        assert!(hint(logs).contains("can-i get pods/log -n team"), "{}", hint(logs));
        assert!(hint("a webhook says no").contains("can-i create jobs -n team"));
    }

    fn answered(code: u16, reason: &str, message: &str) -> Failure {
        Failure::Answered(Box::new(Status {
            code,
            reason: reason.into(),
            message: message.into(),
            ..Status::default()
        }))
    }

    #[test]
    fn a_conflict_is_another_job_only_if_the_uid_says_so() {
        let uid = "Operation cannot be fulfilled on jobs.batch \"x\": Precondition failed: UID in precondition: a, UID in object meta: b";
        assert!(answered(409, "Conflict", uid).is_precondition());
        let busy = answered(
            409,
            "Conflict",
            "the object has been modified; please apply your changes",
        );
        assert!(!busy.is_precondition() && busy.may_heal());
    }

    #[test]
    fn a_create_is_only_repeated_when_it_cannot_have_worked() {
        use AfterCreate::{Exists, Never, NotNow, ReadBack, SendAgain};
        for (failure, step) in [
            (Failure::Unreachable("refused".into()), SendAgain),
            (Failure::Lost("reset".into()), ReadBack),
            (Failure::Setup("unknown issuer".into()), Never),
            (answered(429, "TooManyRequests", ""), SendAgain),
            (
                answered(500, "InternalError", "etcdserver: request timed out"),
                ReadBack,
            ),
            (answered(503, "", ""), ReadBack),
            (answered(504, "Timeout", ""), ReadBack),
            (answered(409, "AlreadyExists", ""), Exists),
            (answered(403, "Forbidden", "exceeded quota: count/jobs.batch=1"), NotNow),
            (answered(403, "Forbidden", "cannot create resource"), Never),
            (answered(401, "Unauthorized", ""), Never),
            (answered(404, "NotFound", "namespaces \"x\" not found"), Never),
            (answered(422, "Invalid", ""), Never),
            (answered(400, "BadRequest", ""), Never),
        ] {
            assert_eq!(failure.after_create(), step, "{failure:?}");
        }
    }
}
