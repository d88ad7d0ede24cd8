//! A container's environment and command, from its pod, ConfigMaps and Secrets (pure): as
//! `makeEnvironmentVariables` of pkg/kubelet/kubelet_pods.go makes them.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::sandbox::{meta, resource::Resource};

/// The IP of the node, and of its pods.
pub(super) const IP: &str = "127.0.0.1";

/// Finds a ConfigMap or Secret of the pod's namespace by its name.
pub(super) type Find<'a> = dyn Fn(Resource, &str) -> Option<Arc<Value>> + 'a;

/// The variables that the container's spec asks for.
///
/// # Errors
/// What is missing; the message of a CreateContainerConfigError.
pub(super) fn variables(pod: &Value, container: &Value, find: &Find<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for from in container["envFrom"].as_array().into_iter().flatten() {
        let prefix = from["prefix"].as_str().unwrap_or_default();
        for (field, resource) in [("configMapRef", Resource::ConfigMaps), ("secretRef", Resource::Secrets)] {
            let reference = &from[field];
            if !reference.is_object() {
                continue;
            }
            let Some(object) = referred(resource, reference, find)? else {
                continue;
            };
            for (key, value) in object["data"].as_object().into_iter().flatten() {
                env.insert(format!("{prefix}{key}"), text(resource, value));
            }
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let plain = variable["value"].as_str().unwrap_or_default();
        let value = if plain.is_empty() {
            from_source(pod, &variable["valueFrom"], find)?
        } else {
            Some(expand(plain, &env))
        };
        if let (Some(name), Some(value)) = (variable["name"].as_str(), value) {
            env.insert(name.to_owned(), value);
        }
    }
    Ok(env)
}

/// Command and arguments, with the variables filled in.
pub(super) fn command(container: &Value, env: &BTreeMap<String, String>) -> (Vec<String>, Vec<String>) {
    let expanded = |list: &Value| {
        let list = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        list.map(|word| expand(word, env)).collect()
    };
    (expanded(&container["command"]), expanded(&container["args"]))
}

/// What every container is given besides: its host's name.
pub(super) fn hostname(pod: &Value) -> &str {
    let own = pod["spec"]["hostname"].as_str().filter(|name| !name.is_empty());
    let name = own.unwrap_or_else(|| meta::text(pod, "name"));
    // Linux allows no longer one.
    name.get(..63).unwrap_or(name).trim_end_matches(['-', '.'])
}

/// The value from a source; `None` for an optional one that is not there.
fn from_source(pod: &Value, source: &Value, find: &Find<'_>) -> Result<Option<String>, String> {
    if let Some(path) = source["fieldRef"]["fieldPath"].as_str() {
        return field(pod, path).map(Some);
    }
    if source["resourceFieldRef"].is_object() {
        return Err("the sandbox accounts for no resources: resourceFieldRef has no value".to_owned());
    }
    for (name, resource, kind) in [
        ("configMapKeyRef", Resource::ConfigMaps, "ConfigMap"),
        ("secretKeyRef", Resource::Secrets, "Secret"),
    ] {
        let reference = &source[name];
        let Some(key) = reference["key"].as_str() else {
            continue;
        };
        let Some(object) = referred(resource, reference, find)? else {
            return Ok(None);
        };
        return match object["data"].get(key) {
            Some(value) => Ok(Some(text(resource, value))),
            None if reference["optional"] == true => Ok(None),
            None => Err(format!(
                "couldn't find key {key} in {kind} {}/{}",
                meta::text(pod, "namespace"),
                reference["name"].as_str().unwrap_or_default()
            )),
        };
    }
    Ok(Some(String::new()))
}

fn referred(resource: Resource, reference: &Value, find: &Find<'_>) -> Result<Option<Arc<Value>>, String> {
    let name = reference["name"].as_str().unwrap_or_default();
    match find(resource, name) {
        Some(object) => Ok(Some(object)),
        None if reference["optional"] == true => Ok(None),
        None => Err(format!("{} {name:?} not found", resource.kind().to_ascii_lowercase())),
    }
}

/// A value of `data`: Secrets have theirs in base64.
fn text(resource: Resource, value: &Value) -> String {
    if resource == Resource::Secrets {
        let ByteString(bytes) = serde_json::from_value(value.clone()).unwrap_or_default();
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    value.as_str().unwrap_or_default().to_owned()
}

/// `podFieldSelectorRuntimeValue`, and pkg/fieldpath.
pub(super) fn field(pod: &Value, path: &str) -> Result<String, String> {
    let text = |pointer: &str| {
        let value = pod.pointer(pointer).and_then(Value::as_str);
        Ok(value.unwrap_or_default().to_owned())
    };
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return match map {
            "metadata.labels" | "metadata.annotations" => {
                let map = map.trim_start_matches("metadata.");
                Ok(pod["metadata"][map][key].as_str().unwrap_or_default().to_owned())
            }
            _ => Err(format!("fieldPath {path:?} does not support subscript")),
        };
    }
    match path {
        "metadata.name" => text("/metadata/name"),
        "metadata.namespace" => text("/metadata/namespace"),
        "metadata.uid" => text("/metadata/uid"),
        "spec.nodeName" => text("/spec/nodeName"),
        "spec.serviceAccountName" => text("/spec/serviceAccountName"),
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => Ok(IP.to_owned()),
        _ => Err(format!("unsupported fieldPath: {path}")),
    }
}

/// k8s.io/kubernetes third_party/forked/golang/expansion: `$(NAME)` is filled in if it is known, `$$`
/// stands for `$`.
pub(super) fn expand(input: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects(resource: Resource, name: &str) -> Option<Arc<Value>> {
        let data = match (resource, name) {
            (Resource::ConfigMaps, "cm") => json!({"a": "1", "b": "two"}),
            (Resource::Secrets, "s") => json!({"key": "aHVzaA==", "a": "Mg=="}),
            _ => return None,
        };
        Some(Arc::new(json!({"data": data})))
    }

    fn of(container: &Value) -> Result<Vec<(String, String)>, String> {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a/b": "label"}, "annotations": {"k": "note"}},
            "spec": {"nodeName": "sandbox", "serviceAccountName": "default"},
        });
        variables(&pod, container, &objects).map(|env| env.into_iter().collect())
    }

    /// The tests of the original (expand_test.go), and its oddities.
    #[test]
    fn references_are_filled_in() {
        let env: BTreeMap<String, String> = [
            ("VAR_A", "A"),
            ("VAR_B", "B"),
            ("VAR_REF", "$(VAR_A)"),
            ("VAR_EMPTY", ""),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        for (input, expected) in [
            ("$(VAR_A)", "A"),
            ("___$(VAR_B)___$(VAR_A)", "___B___A"),
            ("$(VAR_REF)", "$(VAR_A)"),
            ("$$(VAR_A)_$(VAR_A)", "$(VAR_A)_A"),
            ("$$$(VAR_A)", "$A"),
            ("$$$$(VAR_A)", "$$(VAR_A)"),
            ("foo$(VAR_EMPTY)bar", "foobar"),
            ("$(MISSING)", "$(MISSING)"),
            ("$()", "$()"),
            ("$(VAR_A", "$(VAR_A"),
            ("$VAR_A)", "$VAR_A)"),
            ("$", "$"),
            ("a$", "a$"),
            ("$$", "$"),
            ("\n$(VAR_A)é$é", "\nAé$é"),
            ("$((VAR_A))", "$((VAR_A))"),
            ("--$$$", "--$$"),
        ] {
            assert_eq!(expand(input, &env), expected, "{input:?}");
        }
    }

    #[test]
    fn later_sources_win_and_only_earlier_variables_are_known() {
        let env = of(&json!({
            "envFrom": [{"configMapRef": {"name": "cm"}}, {"prefix": "S_", "secretRef": {"name": "s"}},
                {"configMapRef": {"name": "gone", "optional": true}}],
            "env": [
                {"name": "X", "value": "$(a)$(LATER)"}, {"name": "b", "value": "3"}, {"name": "LATER", "value": "z"},
                {"name": "EMPTY"}, {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
                {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "no", "optional": true}}},
                {"name": "NEITHER", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": true}}},
            ],
        }));
        let expected = [
            ("EMPTY", ""),
            ("LATER", "z"),
            ("SECRET", "hush"),
            ("S_a", "2"),
            ("S_key", "hush"),
            ("X", "1$(LATER)"),
            ("a", "1"),
            ("b", "3"),
        ];
        assert_eq!(env.unwrap(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn the_pods_own_fields() {
        for (path, value) in [
            ("metadata.name", Ok("p")),
            ("metadata.namespace", Ok("ns")),
            ("metadata.uid", Ok("u")),
            ("metadata.labels['a/b']", Ok("label")),
            ("metadata.labels['none']", Ok("")),
            ("metadata.annotations['k']", Ok("note")),
            ("spec.nodeName", Ok("sandbox")),
            ("spec.serviceAccountName", Ok("default")),
            ("status.podIP", Ok(IP)),
            ("status.hostIPs", Ok(IP)),
            ("spec.x", Err("unsupported fieldPath: spec.x")),
        ] {
            let env = of(&json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}));
            let expected = value
                .map(|v| vec![("A".to_owned(), v.to_owned())])
                .map_err(str::to_owned);
            assert_eq!(env, expected, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_named_in_the_kubelets_words() {
        for (container, words) in [
            (
                json!({"envFrom": [{"configMapRef": {"name": "x"}}]}),
                "configmap \"x\" not found",
            ),
            (
                json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}]}),
                "secret \"x\" not found",
            ),
            (
                json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}]}),
                "couldn't find key k in ConfigMap ns/cm",
            ),
            (
                json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
                "couldn't find key k in Secret ns/s",
            ),
        ] {
            assert_eq!(of(&container), Err(words.to_owned()));
        }
    }

    #[test]
    fn a_host_name_has_at_most_63_characters() {
        let pod = |name: &str| json!({"metadata": {"name": name}});
        assert_eq!(hostname(&pod("p")), "p");
        assert_eq!(hostname(&pod(&format!("{}-x", "a".repeat(62)))), "a".repeat(62));
        assert_eq!(
            hostname(&json!({"metadata": {"name": "p"}, "spec": {"hostname": "h"}})),
            "h"
        );
    }
}
