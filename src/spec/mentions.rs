//! Names that were changed and still stand somewhere: in arguments, in variables, in data. They may
//! mean the object, and nobody but the author knows.

use serde_json::Value;

use super::companions::{Companion, Renamed};

/// One warning for each renamed object that is mentioned.
pub(super) fn of(job: &Value, companions: &[Companion], renamed: &Renamed) -> Vec<String> {
    let mut warnings = Vec::new();
    for ((kind, old), new) in renamed {
        let mut places = Vec::new();
        let pod = job.pointer("/spec/template/spec");
        for containers in ["initContainers", "containers"] {
            for container in list(pod, containers) {
                let name = container.get("name").and_then(Value::as_str).unwrap_or("(no name)");
                for field in ["command", "args"] {
                    if list(Some(container), field).any(|word| mentions(word, old)) {
                        places.push(format!("the {field} of container {name}"));
                    }
                }
                for env in list(Some(container), "env") {
                    if env.get("value").is_some_and(|value| mentions(value, old)) {
                        let variable = env.get("name").and_then(Value::as_str).unwrap_or("(no name)");
                        places.push(format!("the value of {variable}"));
                    }
                }
            }
        }
        for companion in companions {
            let kind_and_name = format!("{}/{}", companion.kind, companion.name);
            if anywhere(&companion.object, old) {
                places.push(kind_and_name);
            }
        }
        if !places.is_empty() {
            warnings.push(format!(
                "{}/{old} is named {new} in this run; its old name still stands in {}",
                kind.name(),
                places.join(", ")
            ));
        }
    }
    warnings
}

/// In what is the author's: not in names and labels, which kjo has set.
fn anywhere(object: &Value, name: &str) -> bool {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, _)| !["metadata", "apiVersion", "kind"].contains(&field.as_str()))
        .any(|(_, value)| mentions(value, name))
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => stands_in(text, name),
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The name, not as a part of a longer one.
fn stands_in(text: &str, name: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    text.match_indices(name).any(|(at, found)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let behind = text.get(at + found.len()..).and_then(|t| t.chars().next());
        !part(before) && !part(behind)
    })
}

fn list<'a>(value: Option<&'a Value>, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .and_then(|v| v.get(field))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
