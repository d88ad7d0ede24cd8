//! Volumes and where they are mounted (`ValidateVolumes`, `ValidateVolumeMounts`), and which the sandbox
//! honours.

use super::{names, node::Node, pod::containers, refused::Errors};

/// Volumes that become folders.
const HONOURED: [&str; 6] = [
    "configMap",
    "downwardAPI",
    "emptyDir",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// Where there are none.
const WITHOUT: &str = "the sandbox has no volumes where bubblewrap is missing or --isolation none is given";
/// What is projected.
const PROJECTED: [&str; 3] = ["configMap", "downwardAPI", "secret"];
/// Fields of a mount.
const MOUNT: [&str; 5] = ["mountPath", "name", "readOnly", "subPath", "subPathExpr"];

/// The names of the pod's volumes.
pub(super) fn validate<'a>(pod: &Node<'a>, errors: &mut Errors) -> Vec<&'a str> {
    let mut known = Vec::new();
    for volume in pod.at("volumes").items() {
        // One without a type has become an emptyDir.
        let mut given = volume.entries().into_iter().filter(|(field, _)| *field != "name");
        if let Some((field, _)) = given.nth(1) {
            errors.forbidden(&volume.field(field), "may not specify more than 1 volume type");
        }
        let name = volume.at("name");
        errors.must_be_named(&name, names::dns_label);
        if known.contains(&name.text()) {
            errors.duplicate(&name);
        }
        known.push(name.text());
        for (field, of) in [
            ("secret.secretName", volume.at("secret")),
            ("configMap.name", volume.at("configMap")),
            ("persistentVolumeClaim.claimName", volume.at("persistentVolumeClaim")),
        ] {
            if of.is_set() && volume.at(field).text().is_empty() {
                errors.required(&volume.at(field), "");
            }
        }
    }
    known
}

/// What a container mounts of them.
pub(super) fn validate_mounts(container: &Node<'_>, volumes: &[&str], errors: &mut Errors) {
    let mut places = Vec::new();
    for mount in container.at("volumeMounts").items() {
        let (name, place) = (mount.at("name"), mount.at("mountPath"));
        // The server's paths of these two leave the index out.
        let [sub, sub_expr] = ["subPath", "subPathExpr"].map(|field| Node {
            path: format!("{}.{field}", container.at("volumeMounts").path),
            ..mount.at(field)
        });
        if name.text().is_empty() {
            errors.required(&name, "");
        }
        if !volumes.contains(&name.text()) {
            errors.not_found(&name);
        }
        if place.text().is_empty() {
            errors.required(&place, "");
        }
        if places.contains(&place.text()) {
            errors.invalid(&place, "must be unique");
        }
        places.push(place.text());
        for path in [&sub, &sub_expr] {
            if path.text().starts_with('/') {
                errors.invalid(path, "must be a relative path");
            }
            if path.text().split('/').any(|part| part == "..") {
                errors.invalid(path, "must not contain '..'");
            }
        }
        if sub.is_set() && sub_expr.is_set() {
            errors.invalid(&sub_expr, "subPathExpr and subPath are mutually exclusive");
        }
    }
}

/// Refuses what the sandbox does not honour: all of it where its containers are plain processes.
pub(super) fn honoured(pod: &Node<'_>, honoured: bool, errors: &mut Errors) {
    let volumes = pod.at("volumes");
    if !honoured {
        if !volumes.items().is_empty() {
            errors.forbidden(&volumes, WITHOUT);
        }
        return;
    }
    for volume in volumes.items() {
        only(&HONOURED, &volume, errors);
        only(&[], &volume.at("emptyDir"), errors);
        for source in volume.at("projected.sources").items() {
            only(&PROJECTED, &source, errors);
        }
        for own in [volume.at("downwardAPI")].into_iter().chain(
            volume
                .at("projected.sources")
                .items()
                .iter()
                .map(|source| source.at("downwardAPI")),
        ) {
            for item in own.at("items").items() {
                only(&["fieldRef", "mode", "path"], &item, errors);
            }
        }
    }
    for container in containers(pod) {
        for mount in container.at("volumeMounts").items() {
            only(&MOUNT, &mount, errors);
        }
    }
}

fn only(fields: &[&str], node: &Node<'_>, errors: &mut Errors) {
    for (field, value) in node.entries() {
        if field != "name" && !fields.contains(&field) && value.is_set() {
            errors.not_honoured(&node.field(field));
        }
    }
}
