//! What the sandbox honours of Jobs and Pods. The rest of the API is refused by name: a Job that runs
//! here must mean the same on a cluster. All of JobSpec is honoured but `manualSelector`.

use serde_json::Value;

use super::{Kind, node::Node, pod::containers, refused::Errors};

/// Fields of a pod; `resources` and `securityContext` are accepted with a warning.
const POD: [&str; 20] = [
    "activeDeadlineSeconds",
    "automountServiceAccountToken",
    "containers",
    "dnsPolicy",
    "enableServiceLinks",
    "hostname",
    "imagePullSecrets",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "preemptionPolicy",
    "resources",
    "restartPolicy",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tolerations",
    // Zero, which is empty, is what every pod has.
    "priority",
];

/// Fields of a container.
const CONTAINER: [&str; 14] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "name",
    "ports",
    "resources",
    "restartPolicy",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "workingDir",
];

/// Sources of a variable.
const SOURCES: [&str; 3] = ["configMapKeyRef", "fieldRef", "secretKeyRef"];

/// Refuses what is not honoured. The warning that comes back names what is accepted but not applied.
pub(super) fn check(kind: Kind, root: &Node<'_>, errors: &mut Errors) -> Option<String> {
    let pod = match kind {
        Kind::Job => root.at("spec.template.spec"),
        Kind::Pod => root.at("spec"),
        Kind::ConfigMap | Kind::Secret | Kind::Namespace | Kind::Event => return None,
    };
    only(&POD, &pod, errors);
    for (field, honoured) in [
        ("schedulerName", &["default-scheduler"][..]),
        ("dnsPolicy", &["ClusterFirst", "Default"]),
        ("serviceAccountName", &["default"]),
        ("preemptionPolicy", &["PreemptLowerPriority"]),
        ("priority", &[]),
        ("automountServiceAccountToken", &[]),
    ] {
        only_as(honoured, &pod.at(field), errors);
    }
    if kind == Kind::Job {
        only_as(&[], &root.at("spec.manualSelector"), errors);
    }
    for container in containers(&pod) {
        only(&CONTAINER, &container, errors);
        let is_init = container.path.contains(".initContainers[");
        only_as(
            if is_init { &["Always"] } else { &[] },
            &container.at("restartPolicy"),
            errors,
        );
        for variable in container.at("env").items() {
            only(&SOURCES, &variable.at("valueFrom"), errors);
        }
    }
    let places = [vec![pod.clone()], containers(&pod)].concat();
    let unapplied: Vec<String> = ["resources", "securityContext"]
        .iter()
        .filter_map(|field| {
            let first = places
                .iter()
                .map(|place| place.at(field))
                .find(|node| !is_empty(node.value))?;
            Some(format!("{field} ({})", first.path))
        })
        .collect();
    let text = format!(
        "the sandbox does not apply {}: containers are processes of this machine",
        unapplied.join(", ")
    );
    (!unapplied.is_empty()).then_some(text)
}

fn only(honoured: &[&str], node: &Node<'_>, errors: &mut Errors) {
    for (field, value) in node.entries() {
        if !honoured.contains(&field) && !is_empty(value.value) {
            errors.not_honoured(&node.field(field));
        }
    }
}

/// Of this field, only some values are honoured.
fn only_as(honoured: &[&str], node: &Node<'_>, errors: &mut Errors) {
    if !is_empty(node.value) && !honoured.contains(&node.text()) {
        errors.not_honoured(node);
    }
}

/// Whether a value says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}
