//! Items of a list: which of them are the same, and which of two flags would be lost to the other.

use serde_json::{Value, json};

use super::Change;
use crate::spec::Refusal;

/// By which fields items of a list are told apart, as the API server does (`x-kubernetes-list-map-keys`).
pub type Key = &'static [&'static str];

/// Two flags that give one item would lose the first of them.
pub(super) fn once_each(changes: &[Change]) -> Result<(), Refusal> {
    let mut known: Vec<(&str, Key, &Value, &str)> = Vec::new();
    for change in changes {
        let Change::Item {
            list,
            key,
            item,
            flag: Some(flag),
            ..
        } = change
        else {
            continue;
        };
        let same = |(other, _, known, _): &&(&str, Key, &Value, &str)| other == list && is_same(key, known, item);
        match known.iter().find(same) {
            Some((.., known, first)) if known != &item => {
                let fields: Vec<String> = key
                    .iter()
                    .filter_map(|field| Some(format!("{field} {}", plain(item.get(*field)?))))
                    .collect();
                return Err(Refusal::new(
                    format!(
                        "{first} and {flag} both give the item of {list} with {}",
                        fields.join(" and ")
                    ),
                    "leave one of the two out: the first would be lost",
                ));
            }
            Some(_) => {}
            None => known.push((list, key, item, flag)),
        }
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Replaces the item with the same key in its place, or puts this one behind all others. Of several with that
/// key the last would count, so none of them stays.
pub(super) fn upsert(items: &mut Vec<Value>, key: Key, item: Value) {
    match items.iter().position(|known| is_same(key, known, &item)) {
        Some(at) => {
            let mut n = 0;
            items.retain(|known| {
                n += 1;
                n - 1 <= at || !is_same(key, known, &item)
            });
            if let Some(known) = items.get_mut(at) {
                *known = item;
            }
        }
        None => items.push(item),
    }
}

/// Both have this key, and it is equal.
fn is_same(key: Key, one: &Value, other: &Value) -> bool {
    !key.is_empty()
        && key.iter().all(|field| {
            let (one, other) = (part_of_key(one, field), part_of_key(other, field));
            one.is_some() && one == other
        })
}

fn part_of_key(item: &Value, field: &str) -> Option<Value> {
    let value = item.get(field).filter(|value| !value.is_null());
    match field {
        // Its default.
        "protocol" => Some(value.cloned().unwrap_or_else(|| json!("TCP"))),
        // The kubelet mounts both, one over the other.
        "mountPath" => value.map(|path| path.as_str().map_or_else(|| path.clone(), |path| json!(trimmed(path)))),
        _ => value.cloned(),
    }
}

fn trimmed(path: &str) -> &str {
    let cut = path.trim_end_matches('/');
    if cut.is_empty() { path } else { cut }
}
