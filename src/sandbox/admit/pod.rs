//! Pods and pod templates (`pkg/apis/core/validation/validation.go`). Tolerations and ports are not
//! looked at: no node is tainted here, and nothing is reached through a port.

use serde_json::Value;

use super::{
    job::adopt,
    meta::{self, as_prefix},
    names,
    node::Node,
    refused::Errors,
    volumes,
};
use crate::spec::fields::FIELD_PATHS;

/// What `fieldRef` knows but a variable cannot have.
const OTHER_FIELD_PATHS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];

pub(super) fn validate(pod: &Node<'_>, errors: &mut Errors) {
    spec(pod, errors);
    for image in containers(pod).iter().map(|container| container.at("image")) {
        if image.text().trim() != image.text() {
            errors.invalid(&image, "must not have leading or trailing whitespace");
        }
    }
}

/// Every container, in the order of `ValidatePodSpec`.
pub(super) fn containers<'a>(pod: &Node<'a>) -> Vec<Node<'a>> {
    [pod.at("containers").items(), pod.at("initContainers").items()].concat()
}

/// `ValidatePodSpec`
pub(super) fn spec(pod: &Node<'_>, errors: &mut Errors) {
    if !pod.at("containers").is_set() {
        errors.required(&pod.at("containers"), "");
    }
    let mut known = Vec::new();
    let volumes = volumes::validate(pod, errors);
    for container in containers(pod) {
        validate_container(&container, errors);
        volumes::validate_mounts(&container, &volumes, errors);
        let name = container.at("name");
        if known.contains(&name.text()) {
            errors.duplicate(&name);
        }
        known.push(name.text());
        errors.one_of(&container.at("restartPolicy"), &["Always", "Never", "OnFailure"]);
    }
    errors.one_of(&pod.at("restartPolicy"), &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(&pod.at("dnsPolicy"), &policies);
    meta::labels(&pod.at("nodeSelector"), errors);
    let (node, hostname, deadline) = (pod.at("nodeName"), pod.at("hostname"), pod.at("activeDeadlineSeconds"));
    if node.is_set() {
        errors.named(&node, node.text(), names::dns_subdomain);
    }
    let most = i64::from(i32::MAX);
    if deadline.number().is_some_and(|seconds| !(1..=most).contains(&seconds)) {
        errors.invalid(&deadline, &format!("must be between 1 and {most}, inclusive"));
    }
    if hostname.is_set() {
        errors.named(&hostname, hostname.text(), names::dns_label);
    }
}

fn validate_container(container: &Node<'_>, errors: &mut Errors) {
    errors.must_be_named(&container.at("name"), names::dns_label);
    if !container.at("image").is_set() {
        errors.required(&container.at("image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    errors.one_of(&container.at("terminationMessagePolicy"), &policies);
    for variable in container.at("env").items() {
        env(&variable, errors);
    }
    env_from(&container.at("envFrom"), errors);
    errors.one_of(&container.at("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
}

/// Sources that the sandbox does not honour are counted, but not looked into.
fn env(variable: &Node<'_>, errors: &mut Errors) {
    errors.must_be_named(&variable.at("name"), names::env_name);
    let source = variable.at("valueFrom");
    if !source.is_set() {
        return;
    }
    if source.at("fieldRef").is_set() {
        field_ref(&source.at("fieldRef"), errors);
    }
    for reference in ["configMapKeyRef", "secretKeyRef"].map(|field| source.at(field)) {
        if reference.is_set() {
            errors.named(&reference.at("name"), reference.at("name").text(), names::dns_subdomain);
            errors.must_be_named(&reference.at("key"), names::config_key);
        }
    }
    let detail = match source.entries().len() {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if variable.at("value").is_set() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.invalid_as(&source, "", detail);
}

/// `validateObjectFieldSelector`
fn field_ref(field: &Node<'_>, errors: &mut Errors) {
    let path = field.at("fieldPath");
    let given = path.text();
    let version = field.at("apiVersion").text();
    let subscripted = given.strip_suffix("']").and_then(|given| given.split_once("['"));
    let why = match subscripted.filter(|(map, _)| !map.is_empty()) {
        _ if given.is_empty() => return errors.required(&path, ""),
        _ if version != "v1" => format!("unsupported pod version: {version}"),
        Some(("metadata.annotations", key)) => return errors.named(field, &key.to_lowercase(), names::qualified),
        Some(("metadata.labels", key)) => return errors.named(field, key, names::qualified),
        Some(_) => format!("field label does not support subscript: {given}"),
        None if OTHER_FIELD_PATHS.contains(&given) => return errors.one_of(&path, &FIELD_PATHS),
        None if FIELD_PATHS.contains(&given) => return,
        None => format!("field label not supported: {given}"),
    };
    errors.invalid(&path, &format!("error converting fieldPath: {why}"));
}

/// A list with an entry of no source, or of two, is wrong as a whole.
fn env_from(list: &Node<'_>, errors: &mut Errors) {
    for source in list.items() {
        let prefix = source.at("prefix");
        errors.named(&prefix, prefix.text(), names::env_name);
        let mut references = vec![source.at("configMapRef"), source.at("secretRef")];
        references.retain(Node::is_set);
        for reference in &references {
            errors.must_be_named(&reference.at("name"), |name| names::dns_subdomain(&as_prefix(name)));
        }
        match references.len() {
            0 => errors.invalid_as(list, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid_as(list, "", "may not have more than one field specified at a time"),
        }
    }
}

/// What of a pod may change (`ValidatePodUpdate`). The server ends the last message with a difference
/// of its own types, which is left out.
pub(super) fn validate_update(pod: &Node<'_>, old: &Value, errors: &mut Errors) {
    let was = Node::root(old);
    for list in ["containers", "initContainers"] {
        if pod.at(list).items().len() != was.at(list).items().len() {
            return errors.forbidden(&pod.at(list), "pod updates may not add or remove containers");
        }
    }
    let limit = pod.at("activeDeadlineSeconds");
    match (limit.number(), was.at("activeDeadlineSeconds").number()) {
        (Some(new), Some(old)) if new > old => {
            return errors.invalid(&limit, "must be less than or equal to previous value");
        }
        (None, Some(_)) => errors.invalid(&limit, "must not update from a positive integer to nil value"),
        (Some(_) | None, Some(_) | None) => {}
    }
    let tolerations = pod.at("tolerations");
    let added: Vec<&Value> = tolerations.items().iter().map(|toleration| toleration.value).collect();
    if !was
        .at("tolerations")
        .items()
        .iter()
        .all(|toleration| added.contains(&toleration.value))
    {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden(&tolerations, detail);
    }
    let mut rest = pod.value.clone();
    adopt(&mut rest, old, &["activeDeadlineSeconds", "tolerations"]);
    for list in ["containers", "initContainers"] {
        let news = rest.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (new, old) in news.zip(was.at(list).items()) {
            adopt(new, old.value, &["image"]);
        }
    }
    if rest != *old {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,\
                      `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions \
                      to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                      previously negative)";
        errors.forbidden(pod, detail);
    }
}
