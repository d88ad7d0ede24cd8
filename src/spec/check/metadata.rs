//! Names, labels and annotations, and what a Job's spec may not bring.

use serde_json::Value;

use super::{Faults, rules, text};
use crate::spec::names;

/// The Job's own name is cut where it is too long; the form of its letters is checked.
pub(super) fn job(job: &Value, faults: &mut Faults) {
    let metadata = job.get("metadata");
    for field in ["name", "generateName"] {
        let name = metadata.and_then(|m| text(m, field)).unwrap_or_default();
        let base = name.trim_end_matches('-');
        if !base.is_empty() {
            let wrong = names::dns_subdomain(if field == "name" { name } else { base });
            faults.invalid(&format!("metadata.{field}"), name, wrong, hint_of_name(name));
        }
    }
    labels(metadata, "metadata", faults);
    let spec = job.get("spec").unwrap_or(&Value::Null);
    if spec.get("selector").is_some_and(|s| !s.is_null()) && spec.get("manualSelector") != Some(&true.into()) {
        faults.add(
            "spec.selector",
            "Invalid value: `selector` not auto-generated",
            "take selector out, and the labels controller-uid and job-name: they are of the Job this was copied from",
        );
    }
    for field in [
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        if let Some(number) = spec.get(field).and_then(Value::as_i64).filter(|n| *n < 0) {
            faults.add(
                format!("spec.{field}"),
                format!("Invalid value: {number}: must be greater than or equal to 0"),
                "leave the field out for its default",
            );
        }
    }
    rules::check(spec, faults);
}

fn hint_of_name(name: &str) -> &'static str {
    if name.contains(['$', '{', '%']) {
        "is this a template whose values were not filled in?"
    } else {
        "use lower case letters, digits and '-'"
    }
}

/// Keys and values of labels; keys of annotations.
pub(super) fn labels(metadata: Option<&Value>, path: &str, faults: &mut Faults) {
    let entries = |field: &str| {
        metadata
            .and_then(|m| m.get(field))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    for (key, value) in entries("labels") {
        let path = format!("{path}.labels");
        faults.invalid(
            &path,
            key,
            names::qualified(key),
            "shorten or correct the key of the label",
        );
        let value = value.as_str().unwrap_or_default();
        let hint = "a label holds at most 63 letters, digits, '-', '_' and '.'; put longer text into an annotation";
        faults.invalid(&path, value, names::label_value(value), hint);
    }
    for (key, _) in entries("annotations") {
        let wrong = names::qualified(&key.to_lowercase());
        faults.invalid(
            &format!("{path}.annotations"),
            key,
            wrong,
            "shorten or correct the key of the annotation",
        );
    }
}
