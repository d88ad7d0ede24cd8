//! Whether `spec.successPolicy` is met (`success_policy.go`).

use k8s_openapi::api::batch::v1::{SuccessPolicy, SuccessPolicyRule};

use super::indexes::Indexes;

/// The message of the condition if a rule is met.
pub(super) fn met(policy: Option<&SuccessPolicy>, completions: i32, succeeded: &Indexes) -> Option<String> {
    if succeeded.is_empty() {
        return None;
    }
    let position = policy?
        .rules
        .iter()
        .position(|rule| meets(rule, completions, succeeded))?;
    Some(format!("Matched rules at index {position}"))
}

fn meets(rule: &SuccessPolicyRule, completions: i32, succeeded: &Indexes) -> bool {
    let Some(indexes) = &rule.succeeded_indexes else {
        return rule.succeeded_count.is_some_and(|count| succeeded.total() >= count);
    };
    let required = Indexes::parse(indexes, completions);
    let reached = required.shared(succeeded);
    !required.is_empty() && (reached == required.total() || rule.succeeded_count.is_some_and(|count| reached >= count))
}
