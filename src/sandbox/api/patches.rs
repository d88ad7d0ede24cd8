//! The three kinds of patches (pure; k8s.io/apiserver pkg/endpoints/handlers/patch.go).

use serde_json::{Map, Value, json};

use crate::sandbox::{
    admit,
    refused::{Cause, Details, Refused},
};

/// A patch that could be read.
#[derive(Debug)]
pub(super) enum Patch {
    /// RFC 7386; also what of a strategic merge patch means the same.
    Merge(Value),
    /// RFC 6902.
    Operations(Vec<Map<String, Value>>),
}

impl Patch {
    /// Reads a body of this content type.
    ///
    /// # Errors
    /// 415 for another kind of patch, 400 for what is none, 422 for a strategic one that says more
    /// than a merge patch can.
    pub(super) fn read(content_type: &str, body: &[u8]) -> Result<Self, Refused> {
        let undecoded = |why: &dyn std::fmt::Display| Refused::bad_request(format!("error decoding patch: {why}"));
        let parsed = || -> Result<Value, Refused> {
            serde_json::from_slice(body).map_err(|e| {
                if e.is_eof() {
                    undecoded(&"unexpected end of JSON input")
                } else {
                    undecoded(&e)
                }
            })
        };
        let cannot = |value: &Value, go: &str| {
            let is = admit::json_type(value);
            undecoded(&format_args!("json: cannot unmarshal {is} into Go value of type {go}"))
        };
        let object = || {
            let patch = parsed()?;
            if patch.is_object() {
                Ok(patch)
            } else {
                Err(cannot(&patch, "map[string]interface {}"))
            }
        };
        match content_type {
            "application/merge-patch+json" => Ok(Self::Merge(object()?)),
            "application/strategic-merge-patch+json" => {
                let patch = object()?;
                match beyond_merge(&patch, &mut Vec::new()) {
                    Some(field) => Err(not_merged(field)),
                    None => Ok(Self::Merge(patch)),
                }
            }
            "application/json-patch+json" => {
                let list = parsed()?;
                serde_json::from_value(list.clone())
                    .map(Self::Operations)
                    .map_err(|_| cannot(&list, "[]handlers.jsonPatchOp"))
            }
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => Err(Refused::new(
                415,
                "UnsupportedMediaType",
                "the sandbox does not do server-side apply: use kubectl apply without --server-side",
            )),
            _ => Err(Refused::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")),
        }
    }

    /// Applies it.
    ///
    /// # Errors
    /// An operation that cannot be done; the object is then half changed.
    pub(super) fn apply(&self, object: &mut Value) -> Result<(), Refused> {
        match self {
            Self::Merge(patch) => {
                merge(object, patch);
                Ok(())
            }
            Self::Operations(operations) => operations
                .iter()
                // `errors.NewGenericServerResponse` of code 422 keeps the reason to itself.
                .try_for_each(|operation| operate(object, operation).ok_or_else(rejected)),
        }
    }
}

/// The first field for which a strategic merge patch is more than a merge patch: a list, which it
/// merges by keys, or a directive.
fn beyond_merge(patch: &Value, path: &mut Vec<String>) -> Option<String> {
    for (name, value) in patch.as_object()? {
        // A directive is about the list that it names.
        path.push(
            name.rsplit_once('/')
                .filter(|_| name.starts_with('$'))
                .map_or(name.as_str(), |(_, list)| list)
                .to_owned(),
        );
        if name.starts_with('$') || value.is_array() {
            return Some(path.join("."));
        }
        if let Some(found) = beyond_merge(value, path) {
            return Some(found);
        }
        path.pop();
    }
    None
}

fn not_merged(field: String) -> Refused {
    let message = "the sandbox does not merge lists strategically; delete the object and create it anew (kubectl \
                   replace --force), or send a merge patch";
    let mut refused = Refused::new(422, "Invalid", format!("{field}: Forbidden: {message}"));
    refused.details = Some(Box::new(Details {
        causes: vec![Cause {
            reason: "FieldValueForbidden".to_owned(),
            message: format!("Forbidden: {message}"),
            field,
        }],
        ..Details::default()
    }));
    refused
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        let Some(map) = target.as_object_mut() else {
            return;
        };
        if value.is_null() {
            map.remove(name);
        } else {
            merge(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Does one operation; nothing comes of one that cannot be done.
fn operate(object: &mut Value, operation: &Map<String, Value>) -> Option<()> {
    let text = |field: &str| operation.get(field).and_then(Value::as_str).unwrap_or_default();
    let (name, path, from) = (text("op"), text("path"), text("from"));
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match name {
        "add" => add(object, path, value()),
        "remove" => remove(object, path).map(drop),
        "replace" => {
            *object.pointer_mut(path)? = value();
            Some(())
        }
        "move" => {
            let moved = remove(object, from)?;
            add(object, path, moved)
        }
        "copy" => {
            let copied = object.pointer(from).cloned()?;
            add(object, path, copied)
        }
        "test" => (object.pointer(path).unwrap_or(&Value::Null) == &value()).then_some(()),
        _ => None,
    }
}

/// The place that holds what a path names, and its name there.
fn parent<'a>(object: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (holder, name) = path.rsplit_once('/')?;
    Some((object.pointer_mut(holder)?, name.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    let (holder, name) = parent(object, path)?;
    if let Some(map) = holder.as_object_mut() {
        map.insert(name, value);
        return Some(());
    }
    let list = holder.as_array_mut()?;
    let at = if name == "-" { list.len() } else { name.parse().ok()? };
    (at <= list.len()).then(|| list.insert(at, value))
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (holder, name) = parent(object, path)?;
    if let Some(map) = holder.as_object_mut() {
        return map.remove(&name);
    }
    let list = holder.as_array_mut()?;
    let at = name.parse().ok()?;
    (at < list.len()).then(|| list.remove(at))
}

fn rejected() -> Refused {
    let message = "the server rejected our request due to an error in our request";
    Refused {
        details: Some(Box::default()),
        ..Refused::new(422, "Invalid", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(object: &Value, list: &Value) -> Option<Value> {
        let patch = Patch::read("application/json-patch+json", list.to_string().as_bytes()).unwrap();
        let mut object = object.clone();
        patch.apply(&mut object).ok().map(|()| object)
    }

    /// Appendix A of RFC 6902, as far as it differs.
    #[test]
    fn operations_are_done_in_turn() {
        let object = json!({"a": {"b": [1, 2]}, "c": "d"});
        for (list, expected) in [
            (
                json!([{"op": "add", "path": "/a/b/1", "value": 9}]),
                Some(json!({"a": {"b": [1, 9, 2]}, "c": "d"})),
            ),
            (
                json!([{"op": "add", "path": "/a/b/-", "value": 9}]),
                Some(json!({"a": {"b": [1, 2, 9]}, "c": "d"})),
            ),
            (json!([{"op": "add", "path": "/a/b/3", "value": 9}]), None),
            (
                json!([{"op": "remove", "path": "/a/b/0"}]),
                Some(json!({"a": {"b": [2]}, "c": "d"})),
            ),
            (json!([{"op": "remove", "path": "/x"}]), None),
            (
                json!([{"op": "move", "from": "/c", "path": "/a/e"}]),
                Some(json!({"a": {"b": [1, 2], "e": "d"}})),
            ),
            (
                json!([{"op": "copy", "from": "/c", "path": "/a/b/0"}]),
                Some(json!({"a": {"b": ["d", 1, 2]}, "c": "d"})),
            ),
            (json!([{"op": "replace", "path": "/x", "value": 1}]), None),
            (
                json!([{"op": "test", "path": "/c", "value": "d"}, {"op": "remove", "path": "/c"}]),
                Some(json!({"a": {"b": [1, 2]}})),
            ),
            (
                json!([{"op": "test", "path": "/c", "value": "e"}, {"op": "remove", "path": "/c"}]),
                None,
            ),
            (
                json!([{"op": "add", "path": "/x~1y~0z", "value": 1}]),
                Some(json!({"a": {"b": [1, 2]}, "c": "d", "x/y~z": 1})),
            ),
            (json!([{"op": "invent", "path": "/c"}]), None),
        ] {
            assert_eq!(operations(&object, &list), expected, "{list}");
        }
    }

    #[test]
    fn a_strategic_patch_is_a_merge_patch_or_is_refused_by_its_field() {
        let read = |patch: &Value| Patch::read("application/strategic-merge-patch+json", patch.to_string().as_bytes());
        let mut object = json!({"metadata": {"labels": {"a": "b", "c": "d"}}});
        let patch = json!({"metadata": {"labels": {"a": null, "e": "f"}}, "spec": {"suspend": true}});
        read(&patch).unwrap().apply(&mut object).unwrap();
        assert_eq!(
            object,
            json!({"metadata": {"labels": {"c": "d", "e": "f"}}, "spec": {"suspend": true}})
        );
        for (patch, field) in [
            (
                json!({"spec": {"template": {"spec": {"containers": []}}}}),
                "spec.template.spec.containers",
            ),
            (
                json!({"metadata": {"labels": {"$patch": "replace"}}}),
                "metadata.labels.$patch",
            ),
        ] {
            let refused = read(&patch).unwrap_err();
            assert_eq!(
                (refused.code, refused.message.starts_with(field)),
                (422, true),
                "{refused:?}"
            );
        }
    }
}
