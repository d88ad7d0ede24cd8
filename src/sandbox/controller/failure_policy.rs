//! What `spec.podFailurePolicy` says of a failed pod (`pod_failure_policy.go`).

use k8s_openapi::api::{
    batch::v1::{PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule},
    core::v1::{ContainerStatus, Pod},
};

use super::pods;

/// What the first rule that matches says of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The Job fails, with this message.
    FailJob(String),
    /// The pod's index fails at once.
    FailIndex,
    /// The failure does not count.
    Ignore,
    /// It counts, as it does without a rule.
    Count,
}

/// The ruling on a failed pod. Without a policy, every failure counts.
pub(super) fn ruling(policy: Option<&PodFailurePolicy>, pod: &Pod) -> Ruling {
    let rules = policy.map(|policy| policy.rules.as_slice()).unwrap_or_default();
    for (position, rule) in rules.iter().enumerate() {
        let Some(why) = matches(rule, pod) else { continue };
        match rule.action.as_str() {
            "FailJob" => return Ruling::FailJob(format!("{why} matching FailJob rule at index {position}")),
            "FailIndex" => return Ruling::FailIndex,
            "Ignore" => return Ruling::Ignore,
            "Count" => return Ruling::Count,
            // An action of a later Kubernetes: as if the rule were not there.
            _ => {}
        }
    }
    Ruling::Count
}

/// How the pod matches the rule, in words.
fn matches(rule: &PodFailurePolicyRule, pod: &Pod) -> Option<String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = pods::name(pod);
    if let Some(requirement) = &rule.on_exit_codes {
        let mut statuses = pods::containers(pod).iter().chain(pods::init_containers(pod));
        let (container, code) = statuses.find_map(|status| matching_code(status, requirement))?;
        return Some(format!(
            "Container {container} for pod {namespace}/{name} failed with exit code {code}"
        ));
    }
    let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let condition = conditions.find(|condition| {
        let wanted = |status: &Option<String>| status.as_deref().unwrap_or("True") == condition.status;
        patterns.iter().any(|p| p.type_ == condition.type_ && wanted(&p.status))
    })?;
    Some(format!("Pod {namespace}/{name} has condition {}", condition.type_))
}

fn matching_code<'a>(
    status: &'a ContainerStatus,
    requirement: &PodFailurePolicyOnExitCodesRequirement,
) -> Option<(&'a str, i32)> {
    let code = status.state.as_ref()?.terminated.as_ref()?.exit_code;
    let named = requirement
        .container_name
        .as_ref()
        .is_none_or(|name| *name == status.name);
    let listed = requirement.values.contains(&code);
    let matching = match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    };
    (named && code != 0 && matching).then_some((status.name.as_str(), code))
}
