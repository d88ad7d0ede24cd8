//! What the sandbox honours of Jobs and Pods. The rest of the API is refused by name: a Job that runs
//! here must mean the same on a cluster. All of JobSpec is honoured but `manualSelector`.

use serde_json::Value;

use super::{Honours, Kind, node::Node, pod::containers, refused::Errors, volumes};

/// Fields of a pod; `resources` and `securityContext` are accepted with a warning.
const POD: [&str; 21] = [
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
    "volumes",
    // Zero, which is empty, is what every pod has.
    "priority",
];

/// Fields of a container.
const CONTAINER: [&str; 15] = [
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
    "volumeMounts",
    "workingDir",
];

/// Fields of a PersistentVolumeClaim; its size is not watched.
const CLAIM: [&str; 5] = [
    "accessModes",
    "resources",
    "storageClassName",
    "volumeMode",
    "volumeName",
];

/// Sources of a variable.
const SOURCES: [&str; 3] = ["configMapKeyRef", "fieldRef", "secretKeyRef"];

/// Refuses what is not honoured. The warnings that come back name what is accepted but not applied.
pub(super) fn check(kind: Kind, root: &Node<'_>, honours: Honours, errors: &mut Errors) -> Vec<String> {
    let pod = match kind {
        Kind::Job => root.at("spec.template.spec"),
        Kind::CronJob => root.at("spec.jobTemplate.spec.template.spec"),
        Kind::Pod => root.at("spec"),
        Kind::PersistentVolumeClaim => {
            only(&CLAIM, &root.at("spec"), errors);
            only_as(&["Filesystem"], &root.at("spec.volumeMode"), errors);
            return Vec::new();
        }
        Kind::Service => return vec!["the sandbox keeps Services and routes nothing to them".to_owned()],
        Kind::ConfigMap | Kind::Secret | Kind::Namespace | Kind::Event | Kind::ServiceAccount => return Vec::new(),
    };
    volumes::honoured(&pod, honours.volumes, errors);
    only(&POD, &pod, errors);
    for (field, honoured) in [
        ("schedulerName", &["default-scheduler"][..]),
        ("dnsPolicy", &["ClusterFirst", "Default"]),
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
    let mut warnings = Vec::new();
    if !unapplied.is_empty() {
        warnings.push(format!(
            "the sandbox does not apply {}: containers are processes of this machine",
            unapplied.join(", ")
        ));
    }
    if kind == Kind::CronJob {
        warnings.push(
            "the sandbox keeps CronJobs and does not run them by the clock; kubectl create job --from=cronjob/NAME \
             makes a Job of one now"
                .to_owned(),
        );
    }
    warnings
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
