//! What contradicts `--restricted`: fields of the manifest, or of other flags, that the Pod Security level
//! "restricted" refuses (policy/v1 Pod Security Standards) and that kjo does not overrule silently.

use serde_json::{Value, json};

use crate::spec::Refusal;

/// Volumes that the level lets through; others are refused by their kind.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Kernel parameters that the level lets through.
const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];

/// The manifest and other flags, before `--restricted` lays over them what it wants.
///
/// # Errors
/// A field that the level refuses, by its place.
pub fn contradicted(job: &Value) -> Result<(), Refusal> {
    told(contradiction(job))
}

/// The whole Job.
///
/// # Errors
/// A field that the level refuses, or one that it wants and that is not there any more.
pub fn check(job: &Value) -> Result<(), Refusal> {
    told(contradiction(job).or_else(|| lacking(job)))
}

fn told(place: Option<String>) -> Result<(), Refusal> {
    match place {
        None => Ok(()),
        Some(place) => Err(Refusal::new(
            format!("--restricted contradicts {place}: the Pod Security level \"restricted\" refuses it"),
            "take that out of the manifest or the flags, or leave --restricted out",
        )),
    }
}

/// What the level wants of every container, and `--set` may have taken away or a container that it added has not.
fn lacking(job: &Value) -> Option<String> {
    let pod = job.pointer("/spec/template/spec")?;
    for containers in ["initContainers", "containers"] {
        let list = pod.get(containers).and_then(Value::as_array);
        for (n, container) in list.into_iter().flatten().enumerate() {
            let at = format!("spec.template.spec.{containers}[{n}].securityContext");
            let of = |of: &Value, path: &str| {
                of.get("securityContext")
                    .and_then(|context| context.pointer(path))
                    .cloned()
            };
            let own_or_pods = |path: &str| of(container, path).or_else(|| of(pod, path));
            if of(container, "/allowPrivilegeEscalation") != Some(json!(false)) {
                return Some(format!("{at} without allowPrivilegeEscalation: false"));
            }
            let dropped = of(container, "/capabilities/drop");
            if !dropped
                .as_ref()
                .and_then(Value::as_array)
                .is_some_and(|all| all.contains(&json!("ALL")))
            {
                return Some(format!("{at} without capabilities.drop: [ALL]"));
            }
            if own_or_pods("/runAsNonRoot") != Some(json!(true)) {
                return Some(format!("{at} without runAsNonRoot: true"));
            }
            if own_or_pods("/seccompProfile/type").is_none() {
                return Some(format!("{at} without a seccompProfile"));
            }
        }
    }
    None
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
        let kinds = volume.as_object().into_iter().flat_map(|volume| volume.keys());
        if let Some(kind) = kinds
            .into_iter()
            .find(|kind| *kind != "name" && !VOLUMES.contains(&kind.as_str()))
        {
            return Some(format!("{root}.volumes[{n}].{kind}"));
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
        ("allowPrivilegeEscalation", json!(true)),
        ("procMount", json!("Unmasked")),
    ] {
        if context.get(field) == Some(&value) {
            return Some(format!("{field}: {value}"));
        }
    }
    if context.pointer("/seccompProfile/type") == Some(&json!("Unconfined")) {
        return Some("seccompProfile.type: Unconfined".to_owned());
    }
    if context.pointer("/appArmorProfile/type") == Some(&json!("Unconfined")) {
        return Some("appArmorProfile.type: Unconfined".to_owned());
    }
    let selinux = |field: &str| {
        context
            .pointer(&format!("/seLinuxOptions/{field}"))
            .and_then(Value::as_str)
    };
    let types = [
        "",
        "container_t",
        "container_init_t",
        "container_kvm_t",
        "container_engine_t",
    ];
    if let Some(kind) = selinux("type").filter(|kind| !types.contains(kind)) {
        return Some(format!("seLinuxOptions.type: {kind}"));
    }
    if let Some(field) = ["user", "role"]
        .into_iter()
        .find(|field| selinux(field).is_some_and(|text| !text.is_empty()))
    {
        return Some(format!("seLinuxOptions.{field}"));
    }
    let sysctls = context.get("sysctls").and_then(Value::as_array);
    let names = sysctls
        .into_iter()
        .flatten()
        .filter_map(|sysctl| sysctl.get("name")?.as_str());
    if let Some(name) = names.into_iter().find(|name| !SYSCTLS.contains(name)) {
        return Some(format!("sysctls: {name}"));
    }
    let added = context.pointer("/capabilities/add").and_then(Value::as_array);
    let other = added.into_iter().flatten().find(|c| *c != &json!("NET_BIND_SERVICE"));
    other.map(|capability| format!("capabilities.add: {capability}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_level_wants_must_be_there_at_the_end() {
        let of = |context: Value| {
            let pod = json!({
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "initContainers": [],
                "containers": [{"name": "a", "securityContext": context}],
            });
            check(&json!({"spec": {"template": {"spec": pod}}})).map_err(|refusal| refusal.message)
        };
        let good = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(of(good.clone()), Ok(()));
        for (field, value) in [
            ("allowPrivilegeEscalation", json!(null)),
            ("allowPrivilegeEscalation", json!(true)),
            ("capabilities", json!({"drop": ["NET_RAW"]})),
            ("procMount", json!("Unmasked")),
            ("seLinuxOptions", json!({"type": "foo"})),
            ("appArmorProfile", json!({"type": "Unconfined"})),
        ] {
            let mut context = good.clone();
            context[field] = value;
            assert!(of(context).is_err(), "{field}");
        }
        let pod = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "securityContext": good}]}}}});
        assert!(check(&pod).is_err_and(|refusal| refusal.message.contains("runAsNonRoot")));
    }

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
