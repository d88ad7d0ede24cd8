//! The pod of a Job: its containers, volumes and what they refer to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Faults, list, resources, text, whereabouts};
use crate::spec::{fields::FIELD_PATHS, names};

pub(super) fn check(pod: &Value, path: &str, faults: &mut Faults) {
    match text(pod, "restartPolicy") {
        Some("Never" | "OnFailure") => {}
        // An Always is a default that nobody has changed.
        None | Some("Always") => faults.add(
            format!("{path}.restartPolicy"),
            "Required value: valid values: \"OnFailure\", \"Never\"",
            "write restartPolicy: Never beside containers, or --restart-policy Never",
        ),
        Some(other) => faults.add(
            format!("{path}.restartPolicy"),
            format!("Unsupported value: {other:?}: supported values: \"OnFailure\", \"Never\""),
            "a Job ends, and so do its pods: write restartPolicy: Never",
        ),
    }
    whereabouts::check(pod, path, faults);
    let volumes = volumes(pod, path, faults);
    if list(pod, "containers").is_empty() {
        faults.add(
            format!("{path}.containers"),
            "Required value",
            "a pod has at least one container, with a name and an image",
        );
    }
    let mut known = BTreeSet::new();
    for field in ["initContainers", "containers"] {
        for (n, container) in list(pod, field).iter().enumerate() {
            let path = format!("{path}.{field}[{n}]");
            named(container, &path, &mut known, faults);
            image(container, &path, faults);
            environment(container, &path, faults);
            ports(container, &path, faults);
            mounts(container, &path, &volumes, faults);
            resources::check(container, &path, faults);
        }
    }
}

fn named<'a>(container: &'a Value, path: &str, known: &mut BTreeSet<&'a str>, faults: &mut Faults) {
    let path = format!("{path}.name");
    let Some(name) = text(container, "name").filter(|n| !n.is_empty()) else {
        return faults.add(path, "Required value", "give the container a name");
    };
    let wrong = names::dns_label(name);
    faults.invalid(&path, name, wrong, "use lower case letters, digits and '-'");
    if !known.insert(name) {
        faults.add(
            path,
            format!("Duplicate value: {name:?}"),
            "give each container a name of its own, init containers too",
        );
    }
}

fn image(container: &Value, path: &str, faults: &mut Faults) {
    let path = format!("{path}.image");
    match text(container, "image") {
        None | Some("") => faults.add(
            path,
            "Required value",
            "name the image of this container, in the manifest or with --image",
        ),
        Some(image) if image.trim() != image => faults.add(
            path,
            format!("Invalid value: {image:?}: must not have leading or trailing whitespace"),
            "take the white space out",
        ),
        Some(image) if image.contains(['{', '$']) => faults.add(
            path,
            format!("Invalid value: {image:?}: no image has such a name"),
            "is this a template whose values were not filled in?",
        ),
        Some(_) => {}
    }
}

fn environment(container: &Value, path: &str, faults: &mut Faults) {
    for (n, variable) in list(container, "env").iter().enumerate() {
        let path = format!("{path}.env[{n}]");
        match text(variable, "name") {
            None | Some("") => faults.add(format!("{path}.name"), "Required value", "give the variable a name"),
            Some(name) => {
                let wrong = names::env_name(name);
                faults.invalid(&format!("{path}.name"), name, wrong, "correct the name of the variable");
            }
        }
        from_field(variable, &path, faults);
        if text(variable, "value").is_some_and(|v| !v.is_empty())
            && variable.get("valueFrom").is_some_and(Value::is_object)
        {
            faults.add(
                format!("{path}.valueFrom"),
                "Invalid value: \"\": may not be specified when `value` is not empty",
                "leave out value or valueFrom",
            );
        }
    }
}

fn from_field(variable: &Value, path: &str, faults: &mut Faults) {
    let Some(field) = variable
        .pointer("/valueFrom/fieldRef/fieldPath")
        .and_then(Value::as_str)
    else {
        return;
    };
    // A newer server may know more; these are slips.
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or_default();
    let hint = if FIELD_PATHS.contains(&field) {
        return;
    } else if field.starts_with("limits.") || field.starts_with("requests.") {
        format!("it is of the container: valueFrom: {{resourceFieldRef: {{resource: {field}}}}}, or --env-field")
    } else if let Some(meant) = FIELD_PATHS.iter().find(|known| {
        known.eq_ignore_ascii_case(field)
            || field
                .rsplit('.')
                .next()
                .is_some_and(|f| f.eq_ignore_ascii_case(last(known)))
    }) {
        format!("did you mean {meant}?")
    } else {
        return;
    };
    faults.add(
        format!("{path}.valueFrom.fieldRef.fieldPath"),
        format!("Invalid value: {field:?}: error converting fieldPath: field label not supported: {field}"),
        hint,
    );
}

fn ports(container: &Value, path: &str, faults: &mut Faults) {
    let mut known = BTreeSet::new();
    for (n, port) in list(container, "ports").iter().enumerate() {
        let name = text(port, "name").unwrap_or_default();
        if !name.is_empty() {
            let path = format!("{path}.ports[{n}].name");
            let wrong = names::port_name(name);
            let hint = "a port has a short name: at most 15 lower case letters, digits and '-'";
            faults.invalid(&path, name, wrong, hint);
            if !known.insert(name) {
                let hint = "give each port a name of its own";
                faults.add(path, format!("Duplicate value: {name:?}"), hint);
            }
        }
        let path = format!("{path}.ports[{n}].containerPort");
        match port.get("containerPort").and_then(Value::as_i64) {
            None => faults.add(path, "Required value", "name the port, from 1 to 65535"),
            Some(1..=65535) => {}
            Some(number) => faults.add(
                path,
                format!("Invalid value: {number}: must be between 1 and 65535, inclusive"),
                "correct the port",
            ),
        }
    }
}

/// The names of the pod's volumes.
fn volumes<'a>(pod: &'a Value, path: &str, faults: &mut Faults) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (n, volume) in list(pod, "volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{n}]");
        let Some(name) = text(volume, "name").filter(|n| !n.is_empty()) else {
            faults.add(format!("{path}.name"), "Required value", "give the volume a name");
            continue;
        };
        let wrong = names::dns_label(name);
        faults.invalid(
            &format!("{path}.name"),
            name,
            wrong,
            "use lower case letters, digits and '-'",
        );
        if !known.insert(name) {
            faults.add(
                format!("{path}.name"),
                format!("Duplicate value: {name:?}"),
                "give each volume a name of its own",
            );
        }
        if let Some(size) = volume.pointer("/emptyDir/sizeLimit") {
            resources::quantity(size, "sizeLimit", &format!("{path}.emptyDir.sizeLimit"), faults);
        }
        let sources = volume
            .as_object()
            .map_or(0, |v| v.values().filter(|v| !v.is_null()).count() - 1);
        if sources > 1 {
            faults.add(
                path,
                "Forbidden: may not specify more than 1 volume type",
                "make a volume of each, or one projected volume",
            );
        }
    }
    known
}

fn mounts(container: &Value, path: &str, volumes: &BTreeSet<&str>, faults: &mut Faults) {
    let mut known = BTreeSet::new();
    for (n, mount) in list(container, "volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{n}]");
        match text(mount, "name") {
            None | Some("") => faults.add(format!("{path}.name"), "Required value", "name the volume to mount"),
            Some(name) if !volumes.contains(name) => faults.add(
                format!("{path}.name"),
                format!("Not found: {name:?}"),
                if volumes.is_empty() {
                    "the pod has no volumes; write it under volumes, beside containers".to_owned()
                } else {
                    let known: Vec<&str> = volumes.iter().copied().collect();
                    format!("the pod has the volumes {}", known.join(", "))
                },
            ),
            Some(_) => {}
        }
        match text(mount, "mountPath") {
            None | Some("") => faults.add(format!("{path}.mountPath"), "Required value", "say where it is mounted"),
            Some(at) if !known.insert(at) => faults.add(
                format!("{path}.mountPath"),
                format!("Invalid value: {at:?}: must be unique"),
                "mount each volume at a path of its own",
            ),
            Some(_) => {}
        }
    }
}
