//! ConfigMaps, Secrets (without the rules of their types) and Events
//! (`pkg/apis/core/validation/validation.go` and `events.go`).

use serde_json::Value;

use super::{names, node::Node, refused::Errors};

pub(super) fn validate(root: &Node<'_>, errors: &mut Errors) {
    /// `MaxSecretSize`, in bytes.
    const LIMIT: usize = 1024 * 1024;
    let (data, binary, is_secret) = (root.at("data"), root.at("binaryData"), root.at("type").is_set());
    let mut size = 0;
    for map in [&data, &binary] {
        for (key, node) in map.entries() {
            errors.named(&node, key, names::config_key);
            if map.path == "data" && binary.field(key).is_set() {
                errors.invalid_as(&node, key, "duplicate of key present in binaryData");
            }
            let is_base64 = is_secret || map.path == "binaryData";
            size += if is_base64 {
                node.text().len() / 4 * 3
            } else {
                node.text().len()
            };
        }
    }
    if size > LIMIT {
        errors.too_long(if is_secret { &data } else { root }, LIMIT);
    }
}

pub(super) fn validate_update(root: &Node<'_>, old: &Value, errors: &mut Errors) {
    errors.immutable(&root.at("type"), &old["type"]);
    for field in ["immutable", "data", "binaryData"] {
        if old["immutable"] == true && *root.at(field).value != old[field] {
            errors.forbidden(&root.at(field), "field is immutable when `immutable` is set");
        }
    }
}

/// `legacyValidateEvent`, of events without `eventTime`: all that clients of `v1` write.
pub(super) fn validate_event(root: &Node<'_>, errors: &mut Errors) {
    let about = root.at("involvedObject.namespace");
    let namespace = root.at("metadata.namespace").text();
    if namespace != about.text() && (about.is_set() || namespace != "default") {
        errors.invalid_as(&about, about.text(), "does not match event.namespace");
    }
}
