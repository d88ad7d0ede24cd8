//! Strategic merge, as `kubectl patch` does it: maps are merged, lists with a key are merged item by
//! item, others are replaced; `null` takes a field away, `$patch: delete` an item, `$patch: replace`
//! replaces instead of merging.

use serde_json::{Map, Value};

use super::upsert;
use crate::spec::{Refusal, fields};

const DIRECTIVE: &str = "$patch";
const RETAINED: &str = "$retainKeys";
const PRIMITIVES: &str = "$deleteFromPrimitiveList/";

/// Merges a patch into a value of this type; a type that is not known is merged as a JSON merge patch.
pub(super) fn merge(target: &mut Value, patch: &Value, type_name: Option<&str>) -> Result<(), Refusal> {
    let (Some(into), Some(fields)) = (target.as_object_mut(), patch.as_object()) else {
        return Err(Refusal::new(
            "a patch is a map of the fields to change",
            "write it as a part of a Job, for example {spec: {backoffLimit: 2}}",
        ));
    };
    object(into, fields, type_name)
}

fn object(target: &mut Map<String, Value>, patch: &Map<String, Value>, type_name: Option<&str>) -> Result<(), Refusal> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => target.clear(),
        Some("merge") | None => {}
        Some(other) => return Err(unknown_directive(other)),
    }
    if let Some(kept) = patch.get(RETAINED).and_then(Value::as_array) {
        target.retain(|key, _| kept.iter().any(|k| k.as_str() == Some(key)));
    }
    for (key, change) in patch {
        if let Some(list) = key.strip_prefix(PRIMITIVES) {
            if let (Some(items), Some(gone)) = (target.get_mut(list).and_then(Value::as_array_mut), change.as_array()) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if key.starts_with("$setElementOrder/") || key == RETAINED || key == DIRECTIVE {
            continue;
        }
        if change.is_null() {
            target.remove(key);
            continue;
        }
        let field = type_name.and_then(|name| fields::field(name, key));
        match (target.get_mut(key), change) {
            (Some(Value::Object(into)), Value::Object(change)) => object(into, change, inner(field))?,
            (Some(Value::Array(items)), Value::Array(changes)) if field.is_some_and(|f| f.merge.is_some()) => {
                let by = field.and_then(|f| f.merge).unwrap_or_default();
                list(items, changes, by, inner(field))?;
            }
            (_, Value::Array(changes)) => {
                let fresh = changes
                    .iter()
                    .filter(|c| c.get(DIRECTIVE).is_none())
                    .map(plain)
                    .collect();
                target.insert(key.clone(), Value::Array(fresh));
            }
            (_, change) => {
                target.insert(key.clone(), plain(change));
            }
        }
    }
    Ok(())
}

fn list(items: &mut Vec<Value>, changes: &[Value], by: &str, type_name: Option<&str>) -> Result<(), Refusal> {
    if by.is_empty() {
        for change in changes {
            if !items.contains(change) {
                items.push(change.clone());
            }
        }
        return Ok(());
    }
    if changes
        .iter()
        .any(|c| c.get(DIRECTIVE).and_then(Value::as_str) == Some("replace"))
    {
        *items = changes.iter().filter(|c| !is_directive_only(c)).map(plain).collect();
        return Ok(());
    }
    for change in changes {
        let Some(key) = change.get(by) else {
            return Err(Refusal::new(
                format!("an item of the patch has no {by}, by which the items of its list are told apart"),
                format!("give each item its {by}"),
            ));
        };
        let position = items.iter().position(|item| item.get(by) == Some(key));
        match (change.get(DIRECTIVE).and_then(Value::as_str), position) {
            (Some("delete"), _) => items.retain(|item| item.get(by) != Some(key)),
            (Some("merge") | None, Some(at)) => {
                if let (Some(Value::Object(into)), Value::Object(change)) = (items.get_mut(at), change) {
                    object(into, change, type_name)?;
                }
            }
            (Some("merge") | None, None) => upsert(items, by, plain(change)),
            (Some(other), _) => return Err(unknown_directive(other)),
        }
    }
    Ok(())
}

/// The type of a field's values, where they are objects.
fn inner(field: Option<&'static fields::Field>) -> Option<&'static str> {
    field?.holds.object()
}

/// A value of a patch as it stands where nothing was before: without directives and nulls.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_directive_only(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|fields| fields.keys().all(|key| key.starts_with('$')))
}

fn unknown_directive(directive: &str) -> Refusal {
    Refusal::new(
        format!("the patch has $patch: {directive}, which means nothing here"),
        "use merge, replace, or, in a list, delete",
    )
}
