//! Fields of a Job's spec that depend on each other.

use serde_json::Value;

use super::{Faults, list, text};

const INDEXED: &str = "requires indexed completion mode";

pub(super) fn check(spec: &Value, faults: &mut Faults) {
    let given = |field: &str| spec.get(field).filter(|value| !value.is_null());
    let indexed = text(spec, "completionMode") == Some("Indexed");
    if indexed && given("completions").is_none() {
        faults.add(
            "spec.completions",
            "Required value: when completion mode is Indexed",
            "say how many indexes there are, with completions or --completions",
        );
    }
    let hint = "write completionMode: Indexed and completions, or --indexed --completions N";
    for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        if let Some(value) = given(field).filter(|_| !indexed) {
            faults.add(
                format!("spec.{field}"),
                format!("Invalid value: {value}: {INDEXED}"),
                hint,
            );
        }
    }
    if given("successPolicy").is_some() && !indexed {
        faults.add("spec.successPolicy", format!("Invalid value: {INDEXED}"), hint);
    }
    let per_index = given("backoffLimitPerIndex").is_some();
    if given("maxFailedIndexes").is_some() && indexed && !per_index {
        faults.add(
            "spec.backoffLimitPerIndex",
            "Required value: when maxFailedIndexes is specified",
            "say how many tries each index has, with backoffLimitPerIndex or --backoff-limit-per-index",
        );
    }
    if let Some(policy) = given("podFailurePolicy") {
        for (n, rule) in list(policy, "rules").iter().enumerate() {
            if text(rule, "action") == Some("FailIndex") && !per_index {
                faults.add(
                    format!("spec.podFailurePolicy.rules[{n}].action"),
                    "Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
                    "write FailJob, or give each index tries of its own with --backoff-limit-per-index",
                );
            }
        }
        if spec.pointer("/template/spec/restartPolicy") == Some(&"OnFailure".into()) {
            faults.add(
                "spec.template.spec.restartPolicy",
                "Invalid value: \"OnFailure\": only \"Never\" is supported when podFailurePolicy is specified",
                "write restartPolicy: Never, or --restart-policy Never",
            );
        }
        if text(spec, "podReplacementPolicy") == Some("TerminatingOrFailed") {
            faults.add(
                "spec.podReplacementPolicy",
                "Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\"",
                "leave it out: with a podFailurePolicy pods are replaced when they have ended",
            );
        }
    }
}
