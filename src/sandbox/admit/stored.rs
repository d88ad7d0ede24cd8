//! Kinds that are stored: CronJobs, PersistentVolumeClaims, Services. As much of their rules as keeps
//! out what no cluster takes.

use serde_json::Value;

use super::{meta, names, node::Node, pod, refused::Errors};

pub(super) fn validate_cron_job(root: &Node<'_>, errors: &mut Errors) {
    let spec = root.at("spec");
    let (schedule, name) = (spec.at("schedule"), root.at("metadata.name"));
    if schedule.text().is_empty() {
        errors.required(&schedule, "");
    } else if !schedule.text().starts_with('@') && schedule.text().split_whitespace().count() != 5 {
        let count = schedule.text().split_whitespace().count();
        let detail = format!("expected exactly 5 fields, found {count}: {:?}", [schedule.text()]);
        errors.invalid(&schedule, &detail);
    }
    // The controller appends a suffix of 11 characters.
    if name.text().len() > 52 {
        errors.invalid(&name, "must be no more than 52 characters");
    }
    errors.one_of(&spec.at("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    let template = spec.at("jobTemplate.spec.template");
    meta::labels(&template.at("metadata.labels"), errors);
    pod::spec(&template.at("spec"), errors);
    let policy = template.at("spec.restartPolicy");
    match policy.text() {
        "Always" => errors.required(&policy, "valid values: \"OnFailure\", \"Never\""),
        _ => errors.one_of(&policy, &["OnFailure", "Never"]),
    }
}

pub(super) fn validate_claim(root: &Node<'_>, errors: &mut Errors) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let spec = root.at("spec");
    let modes = spec.at("accessModes");
    if modes.items().is_empty() {
        errors.required(&modes, "at least 1 access mode is required");
    }
    for mode in modes.items() {
        errors.one_of(
            &Node {
                path: modes.path.clone(),
                ..mode
            },
            &MODES,
        );
    }
    let storage = spec.at("resources.requests.storage");
    if !storage.is_set() {
        // The server names the place so.
        let path = "spec.resources[storage]".to_owned();
        errors.required(&Node { path, ..storage }, "");
    }
}

/// A claim that is bound may only grow.
pub(super) fn validate_update(root: &Node<'_>, old: &Value, errors: &mut Errors) {
    let spec = root.at("spec");
    for field in ["accessModes", "storageClassName", "volumeMode", "volumeName"] {
        if *spec.at(field).value != old["spec"][field] {
            let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for \
                          bound claims";
            return errors.forbidden(&spec, detail);
        }
    }
}

pub(super) fn validate_service(root: &Node<'_>, errors: &mut Errors) {
    let spec = root.at("spec");
    let (kind, ports) = (spec.at("type"), spec.at("ports"));
    errors.one_of(&kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    let headless = spec.at("clusterIP").text() == "None";
    if ports.items().is_empty() && !headless && kind.text() != "ExternalName" {
        errors.required(&ports, "");
    }
    for port in ports.items() {
        for field in ["port", "targetPort"] {
            let number = port.at(field);
            let named = number.value.is_string();
            if !named && !number.number().is_some_and(|number| (1..=65535).contains(&number)) {
                errors.invalid(&number, "must be between 1 and 65535, inclusive");
            }
        }
        let name = port.at("name");
        match name.text() {
            "" if ports.items().len() > 1 => errors.required(&name, ""),
            "" => {}
            text => errors.named(&name, text, names::dns_label),
        }
    }
    meta::labels(&spec.at("selector"), errors);
}
