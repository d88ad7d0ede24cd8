//! Reading and writing the metadata of untyped objects (pure).

use serde_json::{Value, json};

use super::{resource::Resource, store::Key};

/// A text field of the object's metadata; empty if it is not there.
#[must_use]
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Where the object is.
#[must_use]
pub fn key(resource: Resource, object: &Value) -> Key {
    let namespace = if resource.namespaced() {
        text(object, "namespace")
    } else {
        ""
    };
    Key::new(resource, namespace, text(object, "name"))
}

/// The object is being deleted.
#[must_use]
pub fn deleted(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// What holds the object back from going.
#[must_use]
pub fn finalizers(object: &Value) -> Vec<&str> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Adds or takes away a finalizer.
pub fn set_finalizer(object: &mut Value, finalizer: &str, there: bool) {
    let mut list: Vec<String> = finalizers(object).into_iter().map(str::to_owned).collect();
    list.retain(|f| f != finalizer);
    if there {
        list.push(finalizer.to_owned());
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if list.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), json!(list));
        }
    }
}

/// Nothing keeps the deleted object any more: no finalizer, no grace
/// (k8s.io/apiserver pkg/registry/generic/registry/store.go, `ShouldDeleteDuringUpdate`).
#[must_use]
pub fn may_go(object: &Value) -> bool {
    let grace = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let held_by_spec = object["kind"] == "Namespace"
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
    deleted(object) && grace.unwrap_or(0) == 0 && finalizers(object).is_empty() && !held_by_spec
}

/// UIDs of the object's owners.
pub fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

/// The UID of the owner that controls it.
#[must_use]
pub fn controller(object: &Value) -> Option<&str> {
    owners(object)
        .find(|owner| owner["controller"] == true)
        .and_then(|owner| owner["uid"].as_str())
}

/// An object as its type, or why it is none. Over its text: one way of reading these types is 200 KiB of program.
pub(in crate::sandbox) fn typed<T: serde::de::DeserializeOwned>(object: &Value) -> Result<T, String> {
    serde_json::from_slice(object.to_string().as_bytes()).map_err(|error| {
        let said = error.to_string();
        // The place is one in that text.
        said.rsplit_once(" at line ")
            .map_or(said.as_str(), |(why, _)| why)
            .to_owned()
    })
}
