//! Strategic merge, as `kubectl patch` does it: maps are merged, lists with a key are merged item by
//! item, others are replaced; `null` takes a field away, `$patch: delete` an item, `$patch: replace`
//! replaces instead of merging.
//!
//! New items come behind the others: the first container stays the main one. kubectl puts them before; a
//! `$setElementOrder` is heeded as there.

use serde_json::{Map, Value};

use super::order;
use crate::spec::{Refusal, fields};

const DIRECTIVE: &str = "$patch";
const RETAINED: &str = "$retainKeys";
const PRIMITIVES: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Merges a patch into a value of this type; a type that is not known is merged as a JSON merge patch.
pub(super) fn merge(target: &mut Value, patch: &Value, type_name: Option<&str>) -> Result<(), Refusal> {
    let (Some(into), Some(fields)) = (target.as_object_mut(), patch.as_object()) else {
        return Err(Refusal::new(
            "a patch is a map of the fields to change",
            if patch.is_array() {
                "this looks like a JSON patch (RFC 6902); kjo takes a strategic merge patch, for example \
                 {spec: {backoffLimit: 2}}"
            } else {
                "write it as a part of a Job, for example {spec: {backoffLimit: 2}}"
            },
        ));
    };
    same_object(into, fields)?;
    if fields.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
        return Err(Refusal::new(
            "the patch would delete the whole Job ($patch: delete)",
            "write $patch: delete in what is to go",
        ));
    }
    object(into, fields, type_name)
}

/// A patch may say which object it is for, and cannot make another of it.
fn same_object(job: &Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Refusal> {
    let no_metadata = Map::new();
    let metadata = |of: &Map<String, Value>| of.get("metadata").and_then(Value::as_object).cloned();
    let (job_metadata, patch_metadata) = (metadata(job), metadata(patch));
    let (job_metadata, patch_metadata) = (
        job_metadata.as_ref().unwrap_or(&no_metadata),
        patch_metadata.as_ref().unwrap_or(&no_metadata),
    );
    for (of, by, field, hint) in [
        (job, patch, "apiVersion", "leave it out: a patch is laid over the Job"),
        (job, patch, "kind", "leave it out: a patch is laid over the Job"),
        (
            job_metadata,
            patch_metadata,
            "name",
            "leave it out, and name the Job with --name",
        ),
        (
            job_metadata,
            patch_metadata,
            "namespace",
            "leave it out, and choose the namespace with -n",
        ),
    ] {
        if let Some(other) = by.get(field).filter(|other| of.get(field) != Some(other)) {
            let (other, known) = (shown(Some(other)), shown(of.get(field)));
            return Err(Refusal::new(
                format!("the patch is for {field} {other}, and the Job has {known}"),
                hint,
            ));
        }
    }
    Ok(())
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn object(target: &mut Map<String, Value>, patch: &Map<String, Value>, type_name: Option<&str>) -> Result<(), Refusal> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => target.clear(),
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(unknown_directive(other)),
    }
    if let Some(kept) = patch.get(RETAINED).and_then(Value::as_array) {
        target.retain(|key, _| kept.iter().any(|k| k.as_str() == Some(key)));
    }
    let before = ordered_lists(target, patch);
    for (key, change) in patch {
        if let Some(list) = key.strip_prefix(PRIMITIVES) {
            if let (Some(items), Some(gone)) = (target.get_mut(list).and_then(Value::as_array_mut), change.as_array()) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if key.starts_with(ORDER) || key == RETAINED || key == DIRECTIVE {
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
            // There is nothing to delete.
            (None, change) if change.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") => {}
            (_, change) => {
                target.insert(key.clone(), plain(change));
            }
        }
    }
    for (list, wanted, before) in before {
        let field = type_name.and_then(|name| fields::field(name, list));
        if let Some(items) = target.get_mut(list).and_then(Value::as_array_mut) {
            let by = field.and_then(|field| field.merge).unwrap_or_default();
            order::set(items, wanted, by, &before);
        }
    }
    Ok(())
}

/// The lists that the patch orders: how, and what they hold before it.
fn ordered_lists<'a>(
    target: &Map<String, Value>,
    patch: &'a Map<String, Value>,
) -> Vec<(&'a str, &'a [Value], Vec<Value>)> {
    let ordered = patch
        .iter()
        .filter_map(|(key, wanted)| Some((key.strip_prefix(ORDER)?, wanted.as_array()?)));
    ordered
        .map(|(list, wanted)| {
            let before = target.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
            (list, wanted.as_slice(), before)
        })
        .collect()
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
    for (n, change) in changes.iter().enumerate() {
        let Some(key) = change.get(by) else {
            if is_directive_only(change) {
                return Err(unknown_directive(&shown(change.get(DIRECTIVE))));
            }
            return Err(Refusal::new(
                format!("an item of the patch has no {by}, by which the items of its list are told apart"),
                format!("give each item its {by}"),
            ));
        };
        let adds = |change: &&Value| change.get(by) == Some(key) && change.get(DIRECTIVE).is_none();
        if changes.iter().skip(n).filter(adds).count() > 1 {
            return Err(Refusal::new(
                format!("two items of the patch have the {by} {}", shown(Some(key))),
                "leave one of the two out: they would become one item, and the first would be lost",
            ));
        }
        let position = items.iter().position(|item| item.get(by) == Some(key));
        match (change.get(DIRECTIVE).and_then(Value::as_str), position) {
            (Some("delete"), _) => items.retain(|item| item.get(by) != Some(key)),
            (Some("merge") | None, Some(at)) => {
                if let (Some(Value::Object(into)), Value::Object(change)) = (items.get_mut(at), change) {
                    object(into, change, type_name)?;
                }
            }
            (Some("merge") | None, None) => items.push(plain(change)),
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
        "use replace or delete; without $patch it is merged",
    )
}
