//! Jobs: validation and what may change (`pkg/apis/batch/validation/validation.go`,
//! `pkg/registry/batch/job/strategy.go`).

use serde_json::Value;

use super::{
    defaults::{NAME_LABEL, OLD_NAME_LABEL, OLD_UID_LABEL, UID_LABEL},
    meta, names,
    node::Node,
    pod, policies,
    refused::Errors,
};

/// `maxParallelismForIndexedJob`, `maxFailedIndexesForIndexedJob` and `completionsSoftLimit`.
const MANY: i64 = 100_000;
/// `parallelismLimitForHighCompletions` and `maxFailedIndexesLimitForHighCompletions`.
const SOME: i64 = 10_000;

pub(super) fn validate(root: &Node<'_>, errors: &mut Errors) {
    let spec = root.at("spec");
    generated_selector(root, errors);
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.not_negative(&spec.at(field));
    }
    let per_index = spec.at("backoffLimitPerIndex");
    if spec.at("maxFailedIndexes").is_set() && !per_index.is_set() {
        errors.required(&per_index, "when maxFailedIndexes is specified");
    }
    managed_by(&spec.at("managedBy"), errors);
    completion_mode(&spec, errors);
    policies::validate(&spec, errors);
    let template = spec.at("template");
    // The server's paths leave `metadata` out.
    for (field, check) in [
        ("labels", meta::labels as fn(&_, &mut _)),
        ("annotations", meta::annotations),
    ] {
        let path = template.at(field).path;
        let value = template.at("metadata").at(field).value;
        check(&Node { path, value }, errors);
    }
    pod::spec(&template.at("spec"), errors);
    restart_policy(&spec, errors);
    let name = root.at("metadata.name");
    let completions = spec.at("completions").number().unwrap_or_default();
    let hostname = format!("{}-{}", name.text(), completions - 1);
    if is_indexed(&spec) && completions > 0 && !names::dns_label(&hostname).is_empty() {
        let detail = format!("will not able to create pod with invalid DNS label: {hostname}");
        errors.invalid(&name, &detail);
    }
}

pub(super) fn validate_update(spec: &Node<'_>, old: &Value, errors: &mut Errors) {
    let was = &old["spec"];
    let completions = spec.at("completions");
    if !is_indexed(spec) {
        errors.immutable(&completions, &was["completions"]);
    } else if completions.is_set()
        && *completions.value != was["completions"]
        && completions.value != spec.at("parallelism").value
    {
        errors.invalid(&completions, "can only be modified in tandem with spec.parallelism");
    }
    errors.immutable(&spec.at("selector"), &was["selector"]);
    let template = spec.at("template");
    if may_change_template(old) {
        let allowed = with_what_may_change(&was["template"]["spec"], template.at("spec").value);
        errors.immutable(&template.at("spec"), &allowed);
    } else {
        errors.immutable(&template, &was["template"]);
    }
    for field in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        errors.immutable(&spec.at(field), &was[field]);
    }
}

pub(super) fn is_indexed(spec: &Node<'_>) -> bool {
    spec.at("completionMode").text() == "Indexed"
}

/// `validateGeneratedSelector`: what the user has set of the generated labels must be right.
fn generated_selector(root: &Node<'_>, errors: &mut Errors) {
    let (uid, name) = (root.at("metadata.uid").text(), root.at("metadata.name").text());
    let expected = [
        (OLD_UID_LABEL, uid),
        (OLD_NAME_LABEL, name),
        (UID_LABEL, uid),
        (NAME_LABEL, name),
    ];
    let labels = root.at("spec.template.metadata.labels");
    let selector = root.at("spec.selector");
    if !selector.is_set() {
        errors.required(&selector, "");
        return errors.invalid(&labels, "`selector` does not match template `labels`");
    }
    for (key, value) in expected {
        let mut label = labels.field(key);
        label.path = format!("{}[{key}]", labels.path);
        if !label.is_set() {
            errors.required(&label, &format!("must be '{value}'"));
        } else if label.text() != value {
            errors.invalid_as(&label, labels.value, &format!("must be '{value}'"));
        }
    }
    let wanted = selector.at("matchLabels").entries();
    if selector.at("matchExpressions").is_set()
        || !wanted
            .iter()
            .all(|(key, value)| expected.contains(&(key, value.text())))
    {
        errors.invalid(&selector, "`selector` not auto-generated");
    }
    if wanted.iter().any(|(key, value)| labels.field(key).value != value.value) {
        errors.invalid(&labels, "`selector` does not match template `labels`");
    }
}

/// `IsDomainPrefixedPath`
fn managed_by(manager: &Node<'_>, errors: &mut Errors) {
    match manager.text().split_once('/') {
        _ if !manager.is_set() => {}
        _ if manager.text().is_empty() => errors.required(manager, ""),
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            errors.named(manager, host, names::dns_subdomain);
            errors.named(manager, path, names::http_path);
        }
        Some(_) | None => errors.invalid(manager, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    if manager.text().len() > 63 {
        errors.too_long(manager, 63);
    }
}

fn completion_mode(spec: &Node<'_>, errors: &mut Errors) {
    let [completions, parallelism, per_index, failed] =
        ["completions", "parallelism", "backoffLimitPerIndex", "maxFailedIndexes"].map(|field| spec.at(field));
    let mode = spec.at("completionMode");
    errors.one_of(&mode, &["NonIndexed", "Indexed"]);
    if mode.text() == "NonIndexed" {
        for limit in [per_index, failed].iter().filter(|limit| limit.is_set()) {
            errors.invalid(limit, "requires indexed completion mode");
        }
    } else if is_indexed(spec) {
        if !completions.is_set() {
            errors.required(&completions, "when completion mode is Indexed");
        }
        let mut limits = vec![
            (&parallelism, MANY, format!("{MANY} when completion mode is Indexed")),
            (
                &failed,
                completions.number().unwrap_or(i64::MAX),
                "completions".to_owned(),
            ),
            (&failed, MANY, MANY.to_string()),
        ];
        if completions.number() > Some(MANY) && per_index.is_set() {
            if !failed.is_set() {
                errors.required(&failed, &format!("must be specified when completions is above {MANY}"));
            }
            let detail = format!("{SOME} when completions are above {MANY} and used with backoff limit per index");
            limits.extend([(&parallelism, SOME, detail.clone()), (&failed, SOME, detail)]);
        }
        for (node, most, detail) in limits {
            if node.number() > Some(most) {
                errors.invalid(node, &format!("must be less than or equal to {detail}"));
            }
        }
    }
}

fn restart_policy(spec: &Node<'_>, errors: &mut Errors) {
    let policy = spec.at("template.spec.restartPolicy");
    match policy.text() {
        "Always" => errors.required(&policy, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.at("podFailurePolicy").is_set() => {
            errors.invalid(
                &policy,
                "only \"Never\" is supported when podFailurePolicy is specified",
            );
        }
        _ => errors.one_of(&policy, &["OnFailure", "Never"]),
    }
}

/// `shouldAllowMutablePodTemplate`: suspended, and no pod of it runs.
fn may_change_template(old: &Value) -> bool {
    let old = Node::root(old);
    let stopped = old
        .at("status.conditions")
        .items()
        .iter()
        .any(|condition| condition.at("type").text() == "Suspended" && condition.at("status").text() == "True");
    *old.at("spec.suspend").value == Value::Bool(true)
        && (!old.at("status.startTime").is_set() || stopped)
        && old.at("status.active").number().unwrap_or_default() == 0
}

/// The old pod with what a suspended Job may change taken from the new one: where its pods may run,
/// and their resources.
fn with_what_may_change(old: &Value, new: &Value) -> Value {
    let mut pod = old.clone();
    adopt(&mut pod, new, &["nodeSelector", "tolerations"]);
    for list in ["containers", "initContainers"] {
        let olds = pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        let news = new[list].as_array().into_iter().flatten();
        for (old, new) in olds.zip(news).filter(|(old, new)| old["name"] == new["name"]) {
            adopt(old, new, &["resources"]);
        }
    }
    pod
}

/// Makes fields what they are in another object.
pub(super) fn adopt(object: &mut Value, other: &Value, fields: &[&str]) {
    let Some(object) = object.as_object_mut() else { return };
    for field in fields {
        match other.get(field) {
            Some(value) => drop(object.insert((*field).to_owned(), value.clone())),
            None => drop(object.remove(*field)),
        }
    }
}
