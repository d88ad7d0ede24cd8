//! What contradicts `--restricted`: fields of the manifest, or of other flags, that the Pod Security level
//! "restricted" refuses (policy/v1 Pod Security Standards) and that kjo does not overrule silently.

use serde_json::{Value, json};

use crate::spec::Refusal;

/// # Errors
/// A field that the level refuses, by its place.
pub fn check(job: &Value) -> Result<(), Refusal> {
    match contradiction(job) {
        None => Ok(()),
        Some(place) => Err(Refusal::new(
            format!("--restricted contradicts {place}: the Pod Security level \"restricted\" refuses it"),
            "take that out of the manifest or the flags, or leave --restricted out",
        )),
    }
}

fn contradiction(job: &Value) -> Option<String> {
    let root = "spec.template.spec";
    let pod = job.pointer("/spec/template/spec")?;
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.get(field) == Some(&json!(true)) {
            return Some(format!("{root}.{field}: true"));
        }
    }
    let list = |of: &Value, name: &str| of.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(place) = pod.get("securityContext").and_then(of_context) {
        return Some(format!("{root}.securityContext.{place}"));
    }
    for (n, volume) in list(pod, "volumes").iter().enumerate() {
        if volume.get("hostPath").is_some() {
            return Some(format!("{root}.volumes[{n}].hostPath"));
        }
    }
    for containers in ["initContainers", "containers"] {
        for (n, container) in list(pod, containers).iter().enumerate() {
            let at = format!("{root}.{containers}[{n}]");
            if let Some(place) = container.get("securityContext").and_then(of_context) {
                return Some(format!("{at}.securityContext.{place}"));
            }
            let host = |port: &Value| port.get("hostPort").and_then(Value::as_i64).is_some_and(|p| p != 0);
            if let Some(port) = list(container, "ports").iter().position(host) {
                return Some(format!("{at}.ports[{port}].hostPort"));
            }
        }
    }
    None
}

fn of_context(context: &Value) -> Option<String> {
    for (field, value) in [
        ("privileged", json!(true)),
        ("runAsNonRoot", json!(false)),
        ("runAsUser", json!(0)),
    ] {
        if context.get(field) == Some(&value) {
            return Some(format!("{field}: {value}"));
        }
    }
    if context.pointer("/seccompProfile/type") == Some(&json!("Unconfined")) {
        return Some("seccompProfile.type: Unconfined".to_owned());
    }
    let added = context.pointer("/capabilities/add").and_then(Value::as_array);
    let other = added.into_iter().flatten().find(|c| *c != &json!("NET_BIND_SERVICE"));
    other.map(|capability| format!("capabilities.add: {capability}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_level_refuses_is_named() {
        let of = |pod: Value| contradiction(&json!({"spec": {"template": {"spec": pod}}})).unwrap_or_default();
        assert_eq!(of(json!({"hostPID": true})), "spec.template.spec.hostPID: true");
        assert_eq!(
            of(json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]})),
            "spec.template.spec.volumes[0].hostPath"
        );
        let container = |context: Value| of(json!({"containers": [{"name": "a", "securityContext": context}]}));
        let at = "spec.template.spec.containers[0].securityContext";
        assert_eq!(container(json!({"privileged": true})), format!("{at}.privileged: true"));
        assert_eq!(container(json!({"runAsUser": 0})), format!("{at}.runAsUser: 0"));
        assert_eq!(
            container(json!({"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}})),
            format!("{at}.capabilities.add: \"NET_ADMIN\"")
        );
        assert_eq!(
            container(json!({"runAsUser": 1000, "capabilities": {"add": ["NET_BIND_SERVICE"]}})),
            ""
        );
        assert_eq!(
            of(json!({"initContainers": [{"ports": [{"hostPort": 80}]}]})),
            "spec.template.spec.initContainers[0].ports[0].hostPort"
        );
    }
}
