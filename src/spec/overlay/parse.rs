//! The small languages of flags: `KEY=VALUE`, `configmap/NAME`, docker's `--mount`, environment files.

use serde_json::{Map, Value, json};

use crate::spec::{Refusal, names, read};

/// `KEY=VALUE`.
///
/// # Errors
/// No `=`, or nothing before it.
pub fn pair<'a>(flag: &str, argument: &'a str) -> Result<(&'a str, &'a str), Refusal> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        Some(_) | None => Err(Refusal::new(
            // The argument is not shown: with its name's variable unset, it is the value.
            format!("{flag} wants KEY=VALUE"),
            format!("write {flag} KEY=VALUE; is a variable unset?"),
        )),
    }
}

/// Where it is given, it is more than nothing.
///
/// # Errors
/// An empty text.
pub fn not_empty(flag: &str, value: Option<&str>) -> Result<(), Refusal> {
    match value {
        Some("") => Err(empty(flag)),
        Some(_) | None => Ok(()),
    }
}

fn empty(flag: &str) -> Refusal {
    Refusal::new(
        format!("{flag} is empty"),
        format!("leave {flag} out or give it a value; is a variable unset?"),
    )
}

/// A YAML or JSON value of the flag, which must not be empty.
///
/// # Errors
/// Text that is no YAML, or nothing.
pub fn yaml(flag: &str, argument: &str) -> Result<Value, Refusal> {
    read::value(flag, argument)?.ok_or_else(|| empty(flag))
}

/// A YAML or JSON map.
///
/// # Errors
/// Anything else.
pub fn map(flag: &str, argument: &str) -> Result<Value, Refusal> {
    let value = yaml(flag, argument)?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Refusal::new(
        format!("{flag} wants a map of fields, as YAML or JSON"),
        format!("for example {flag} '{{name: value}}'"),
    ))
}

/// A map, or a list of maps.
///
/// # Errors
/// Anything else.
pub fn maps(flag: &str, argument: &str) -> Result<Vec<Value>, Refusal> {
    match yaml(flag, argument)? {
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
        map @ Value::Object(_) => Ok(vec![map]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(Refusal::new(
            format!("{flag} wants a map of fields or a list of them, as YAML or JSON"),
            format!("for example {flag} '{{name: value}}'"),
        )),
    }
}

/// `configmap/NAME` or `secret/NAME`, as `kubectl set env --from` writes it: an item of envFrom.
///
/// # Errors
/// Another kind, or no name.
pub fn env_from(argument: &str) -> Result<Value, Refusal> {
    let (kind, name) = argument.split_once('/').unwrap_or((argument, ""));
    let field = match kind.to_ascii_lowercase().as_str() {
        "configmap" | "configmaps" | "cm" => "configMapRef",
        "secret" | "secrets" => "secretRef",
        _ => "",
    };
    if field.is_empty() || name.is_empty() {
        return Err(Refusal::new(
            format!("--env-from {argument} names no ConfigMap and no Secret"),
            "write --env-from configmap/NAME or --env-from secret/NAME",
        ));
    }
    Ok(json!({field: {"name": name}}))
}

/// `VARIABLE=NAME:KEY`: a variable from a key of a ConfigMap or Secret.
///
/// # Errors
/// One of the three is missing.
pub fn env_key(flag: &str, field: &str, argument: &str) -> Result<Value, Refusal> {
    let (variable, reference) = pair(flag, argument)?;
    match reference.split_once(':') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() => {
            Ok(json!({"name": variable, "valueFrom": {field: {"name": name, "key": key}}}))
        }
        Some(_) | None => Err(Refusal::new(
            format!("{flag} {argument} does not say which key"),
            format!("write {flag} VARIABLE=NAME:KEY"),
        )),
    }
}

/// A file of variables, as docker reads it: a `NAME=VALUE` or `NAME` a line, `#` before comments.
/// The name in `own` is asked for lines without a value, and left out where it has none.
///
/// # Errors
/// A line without a name.
pub fn env_file(
    file: &str,
    text: &str,
    own: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut found = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), own(line.trim_end())),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Refusal::new(
                format!("{file}, line {}: no name of a variable stands before the value", n + 1),
                "write NAME=VALUE in each line, without 'export' and without spaces around '='",
            ));
        }
        if let Some(value) = value {
            found.push((name.to_owned(), value));
        }
    }
    Ok(found)
}

/// `VARIABLE=FIELD`: a variable from a field of the pod (`spec.nodeName`), or from what the container may use
/// (`limits.cpu`).
///
/// # Errors
/// No name, or no field.
pub fn env_field(argument: &str) -> Result<Value, Refusal> {
    let (name, field) = pair("--env-field", argument)?;
    if field.is_empty() {
        return Err(Refusal::new(
            format!("--env-field {name}= names no field"),
            "write --env-field NODE=spec.nodeName or --env-field CPUS=limits.cpu",
        ));
    }
    let source = if field.starts_with("limits.") || field.starts_with("requests.") {
        json!({"resourceFieldRef": {"resource": field}})
    } else {
        json!({"fieldRef": {"fieldPath": field}})
    };
    Ok(json!({"name": name, "valueFrom": source}))
}

/// A size in memory or on disk, as Kubernetes writes quantities. What docker would write is refused: its `64m`
/// are 64 MiB, and Kubernetes' 0.064 bytes.
///
/// # Errors
/// No quantity, or one of docker's.
pub fn size<'a>(flag: &str, size: &'a str) -> Result<&'a str, Refusal> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = size.strip_prefix(digits).unwrap_or_default();
    let binary = match suffix.to_ascii_lowercase().as_str() {
        "b" => Some(""),
        "k" | "kb" => Some("Ki"),
        "m" | "mb" => Some("Mi"),
        "g" | "gb" => Some("Gi"),
        "t" | "tb" => Some("Ti"),
        _ => None,
    };
    // These are Kubernetes' own.
    let known = ["k", "M", "G", "T"].contains(&suffix);
    match binary {
        Some(binary) if !known => Err(Refusal::new(
            format!("{flag} {size}: docker writes sizes so, and Kubernetes reads that otherwise or not at all"),
            format!("write {digits}{binary} for what docker means by it"),
        )),
        _ if names::is_quantity(size) && !size.starts_with('-') => Ok(size),
        Some(_) | None => Err(Refusal::new(
            format!("{flag} {size:?} is no size"),
            format!("write {flag} 64Mi or {flag} 1Gi; is a variable unset?"),
        )),
    }
}

/// `IP=NAME[,NAME]`: a line of /etc/hosts.
///
/// # Errors
/// What stands before `=` is no address.
pub fn host_alias(argument: &str) -> Result<Value, Refusal> {
    let (ip, names) = pair("--host-alias", argument)?;
    if ip.parse::<std::net::IpAddr>().is_err() {
        let turned = names.parse::<std::net::IpAddr>().is_ok();
        return Err(Refusal::new(
            format!("--host-alias {argument}: {ip} is no IP address"),
            if turned {
                format!("write --host-alias {names}={ip}: the address comes first")
            } else {
                "write --host-alias IP=NAME[,NAME]: the address comes first".to_owned()
            },
        ));
    }
    let names: Vec<&str> = names.split(',').collect();
    Ok(json!({"ip": ip, "hostnames": names}))
}

/// A port: `8080`, `8080/UDP`, `http=8080`.
///
/// # Errors
/// No number.
pub fn port(argument: &str) -> Result<Value, Refusal> {
    let (name, rest) = match argument.split_once('=') {
        Some((name, rest)) => (Some(name), rest),
        None => (None, argument),
    };
    let (number, protocol) = match rest.split_once('/') {
        Some((number, protocol)) => (number, Some(protocol)),
        None => (rest, None),
    };
    let number: u16 = number.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
        Refusal::new(
            format!("--port {argument} is no port: must be between 1 and 65535, inclusive"),
            "write --port 8080, --port 53/UDP or --port http=8080",
        )
    })?;
    let mut port = Map::from_iter([("containerPort".to_owned(), json!(number))]);
    if let Some(name) = name {
        port.insert("name".to_owned(), json!(name));
    }
    if let Some(protocol) = protocol {
        port.insert("protocol".to_owned(), json!(protocol.to_ascii_uppercase()));
    }
    Ok(port.into())
}

/// A toleration: `KEY=VALUE:EFFECT`, `KEY:EFFECT`, `KEY`, or a map.
///
/// # Errors
/// A map that is none.
pub fn toleration(argument: &str) -> Result<Value, Refusal> {
    if argument.trim_start().starts_with('{') {
        return map("--toleration", argument);
    }
    let (taint, effect) = match argument.split_once(':') {
        Some((taint, effect)) => (taint, Some(effect)),
        None => (argument, None),
    };
    let mut toleration = match taint.split_once('=').filter(|(key, _)| !key.is_empty()) {
        Some((key, value)) => json!({"key": key, "operator": "Equal", "value": value}),
        None if taint.is_empty() || taint.starts_with('=') => {
            return Err(Refusal::new(
                "--toleration has no key",
                "write --toleration KEY=VALUE:EFFECT, KEY:EFFECT or KEY; is a variable unset?",
            ));
        }
        None => json!({"key": taint, "operator": "Exists"}),
    };
    if let Some(effect) = effect {
        toleration["effect"] = json!(effect);
    }
    Ok(toleration)
}

/// `UID` or `UID:GID`, as docker has it.
///
/// # Errors
/// Names: Kubernetes knows numbers only.
pub fn user(argument: &str) -> Result<(u32, Option<u32>), Refusal> {
    let number = |text: &str| text.parse::<u32>();
    let parsed = match argument.split_once(':') {
        Some((user, group)) => number(user).and_then(|u| Ok((u, Some(number(group)?)))),
        None => number(argument).map(|u| (u, None)),
    };
    parsed.map_err(|_| {
        Refusal::new(
            format!("--run-as {argument} is no number: Kubernetes knows users by number only"),
            "write --run-as UID or --run-as UID:GID",
        )
    })
}

/// docker's `--mount`: `type=pvc,source=data,target=/data,readonly`. The volume and its mount; the volume's name is
/// asked for by the place, where none is given.
///
/// # Errors
/// A key that means nothing, or one that is missing.
pub fn mount(argument: &str, free_name: impl FnOnce(&str) -> String) -> Result<(Value, Value), Refusal> {
    let wrong = |what: String| {
        Refusal::new(
            format!("--mount {argument}: {what}"),
            "write --mount type=pvc,source=NAME,target=/PATH[,readonly][,subpath=PATH]; types: emptydir, configmap, secret, pvc, hostpath",
        )
    };
    let mut given = std::collections::BTreeMap::new();
    for part in argument.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, "true"));
        let key = match key {
            "src" => "source",
            "dst" | "destination" => "target",
            "ro" => "readonly",
            "sub-path" | "volume-subpath" => "subpath",
            known @ ("type" | "source" | "target" | "readonly" | "subpath" | "name" | "medium" | "size" | "mode") => {
                known
            }
            other => return Err(wrong(format!("{other:?} means nothing here"))),
        };
        given.insert(key, value);
    }
    let need = |key: &str| {
        given
            .get(key)
            .copied()
            .filter(|v| !v.is_empty())
            .ok_or_else(|| wrong(format!("{key} is missing")))
    };
    let source = match need("type")? {
        "emptydir" | "tmpfs" => {
            let mut source = json!({});
            let memory = (given.get("type") == Some(&"tmpfs")).then_some("Memory");
            if let Some(medium) = given.get("medium").copied().or(memory) {
                source["medium"] = json!(medium);
            }
            if let Some(given) = given.get("size") {
                source["sizeLimit"] = json!(size("--mount size", given)?);
            }
            json!({"emptyDir": source})
        }
        "configmap" => json!({"configMap": {"name": need("source")?}}),
        "secret" => json!({"secret": {"secretName": need("source")?}}),
        "pvc" | "volume" => json!({"persistentVolumeClaim": {"claimName": need("source")?}}),
        "hostpath" | "bind" => json!({"hostPath": {"path": need("source")?}}),
        other => return Err(wrong(format!("{other:?} is no type"))),
    };
    let target = need("target")?;
    let name = given
        .get("name")
        .map_or_else(|| free_name(target), |name| (*name).to_owned());
    let mut volume = source;
    volume["name"] = json!(name);
    if let Some(mode) = given.get("mode") {
        let mode = u16::from_str_radix(mode.trim_start_matches("0o"), 8)
            .map_err(|_| wrong(format!("mode {mode} is no octal number")))?;
        for field in ["configMap", "secret"] {
            if let Some(source) = volume.get_mut(field) {
                source["defaultMode"] = json!(mode);
            }
        }
    }
    let mut mounted = json!({"name": name, "mountPath": target});
    if given.get("readonly").is_some_and(|v| *v != "false") {
        mounted["readOnly"] = json!(true);
    }
    if let Some(path) = given.get("subpath") {
        mounted["subPath"] = json!(path);
    }
    Ok((volume, mounted))
}
