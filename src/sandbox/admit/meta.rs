//! `metadata` (apimachinery `pkg/api/validation/objectmeta.go`, apiserver `pkg/registry/rest`).

use serde_json::Value;

use super::{
    Fresh, Kind, Refused, names,
    node::Node,
    refused::{Errors, quoted},
};

/// Puts an object where the request put it.
pub(super) fn place(object: &mut Value, namespace: Option<&str>) -> Result<(), Refused> {
    match (object["metadata"]["namespace"].as_str(), namespace) {
        (Some(given), Some(requested)) if given != requested => Err(Refused::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        )),
        (_, Some(requested)) => {
            object["metadata"]["namespace"] = requested.into();
            Ok(())
        }
        (_, None) => {
            remove(object, &["namespace"]);
            Ok(())
        }
    }
}

fn remove(object: &mut Value, fields: &[&str]) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

/// The fields of a new object that are the system's, and its name.
pub(super) fn fresh(object: &mut Value, fresh: &Fresh<'_>) {
    let system = [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "selfLink",
        "managedFields",
        "generation",
    ];
    remove(object, &system);
    let meta = &mut object["metadata"];
    meta["uid"] = fresh.uid.into();
    if let (None, Some(prefix)) = (meta.get("name"), meta.get("generateName").and_then(Value::as_str)) {
        // `names.SimpleNameGenerator`: 63 characters with the suffix.
        let short: String = prefix.chars().take(58).collect();
        meta["name"] = format!("{short}{}", fresh.suffix).into();
    }
}

/// What a change cannot change, and need not say (`rest.BeforeUpdate`).
pub(super) fn carry_over(object: &mut Value, old: &Value) {
    for (field, replaces) in [
        ("generation", true),
        ("creationTimestamp", true),
        ("deletionTimestamp", true),
        ("uid", false),
        ("resourceVersion", false),
        ("deletionGracePeriodSeconds", false),
    ] {
        if let Some(value) = old["metadata"].get(field)
            && (replaces || object["metadata"].get(field).is_none())
        {
            object["metadata"][field] = value.clone();
        }
    }
}

pub(super) fn validate(kind: Kind, meta: &Node<'_>, errors: &mut Errors) {
    const STANDARD_FINALIZERS: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let form: fn(&str) -> Vec<String> = match kind {
        Kind::Namespace | Kind::Service => names::dns_label,
        Kind::Job
        | Kind::Pod
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Event
        | Kind::CronJob
        | Kind::PersistentVolumeClaim
        | Kind::ServiceAccount => names::dns_subdomain,
    };
    let prefix = meta.at("generateName");
    for detail in form(&as_prefix(prefix.text())).iter().filter(|_| prefix.is_set()) {
        errors.invalid(&prefix, detail);
    }
    match meta.at("name").text() {
        "" => errors.required(&meta.at("name"), "name or generateName is required"),
        name => errors.named(&meta.at("name"), name, form),
    }
    labels(&meta.at("labels"), errors);
    annotations(&meta.at("annotations"), errors);
    let owners = meta.at("ownerReferences");
    for owner in owners.items() {
        for (field, what) in [("apiVersion", "version "), ("kind", ""), ("name", ""), ("uid", "")] {
            if !owner.field(field).is_set() {
                errors.invalid_as(&owners.field(field), "", &format!("{what}must not be empty"));
            }
        }
    }
    let finalizers = meta.at("finalizers");
    for finalizer in finalizers.items() {
        errors.named(&finalizers, finalizer.text(), names::qualified);
    }
    for finalizer in finalizers.items() {
        if !finalizer.text().contains('/') && !STANDARD_FINALIZERS.contains(&finalizer.text()) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&finalizer, detail);
        }
    }
}

/// What is checked besides when an object changes (`ValidateObjectMetaUpdate`).
pub(super) fn validate_update(root: &Node<'_>, old: &Value, errors: &mut Errors) {
    let (meta, old) = (root.at("metadata"), &old["metadata"]);
    for field in ["name", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        errors.immutable(&meta.at(field), &old[field]);
    }
    let known = Node::root(&old["finalizers"]).items();
    let mut added = meta.at("finalizers").items();
    added.retain(|new| !known.iter().any(|old| old.value == new.value));
    if !added.is_empty() && !old["deletionTimestamp"].is_null() {
        let added: Vec<String> = added.iter().map(|new| quoted(new.value)).collect();
        let detail = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        errors.forbidden(&meta.at("finalizers"), &detail);
    }
}

/// `maskTrailingDash`: the suffix will follow.
pub(super) fn as_prefix(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        Some(_) | None => prefix.to_owned(),
    }
}

pub(super) fn labels(labels: &Node<'_>, errors: &mut Errors) {
    for (key, value) in labels.entries() {
        errors.named(labels, key, names::qualified);
        errors.named(labels, value.text(), names::label_value);
    }
}

pub(super) fn annotations(annotations: &Node<'_>, errors: &mut Errors) {
    const LIMIT: usize = 256 * 1024;
    for (key, _) in annotations.entries() {
        errors.named(annotations, key, |key| names::qualified(&key.to_lowercase()));
    }
    let entries = annotations.entries();
    if entries
        .iter()
        .map(|(key, value)| key.len() + value.text().len())
        .sum::<usize>()
        > LIMIT
    {
        errors.too_long(annotations, LIMIT);
    }
}
