//! Templates that nobody rendered, where braces mean nothing to Kubernetes. In arguments, values of
//! variables, annotations and data they may be meant.

use serde_json::Value;

use crate::spec::{Refusal, fields, read::Document};

/// Fields in which text with braces is no name and no text.
const MEANT: [&str; 9] = [
    "args",
    "command",
    "value",
    "annotations",
    "data",
    "stringData",
    "binaryData",
    "jsonPath",
    "message",
];

pub(super) fn rendered(document: &Document) -> Result<(), Refusal> {
    let mut path = Vec::new();
    if !find(&document.value, &mut path) {
        return Ok(());
    }
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    Err(document.refuse(
        &steps,
        &format!(
            "{} holds a template that was not rendered ({{{{ }}}})",
            fields::shown(&path)
        ),
        "render it first, for example with 'helm template … | kjo run -f -'; --skip-checks sends it as it is",
    ))
}

fn find(value: &Value, path: &mut Vec<String>) -> bool {
    match value {
        Value::String(text) => text
            .find("{{")
            .is_some_and(|at| text.get(at..).is_some_and(|t| t.contains("}}"))),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .any(|(n, item)| within(n.to_string(), item, path)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !MEANT.contains(&key.as_str()))
            .any(|(key, value)| within(key.clone(), value, path)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The path stays where something was found.
fn within(key: String, value: &Value, path: &mut Vec<String>) -> bool {
    path.push(key);
    let found = find(value, path);
    if !found {
        path.pop();
    }
    found
}
