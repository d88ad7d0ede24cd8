//! Lists taken apart, as kubectl does: what has `items` is a list, whatever its kind.

use std::sync::Arc;

use serde_json::Value;

use super::{
    flaw::Flaw,
    node::{Data, Entry, Node},
};

/// The objects of a document: itself, or those of a list.
pub(super) fn items(tree: Arc<Node>) -> Result<Vec<Arc<Node>>, Flaw> {
    let Some(items) = tree.get("items") else {
        return Ok(vec![tree]);
    };
    nothing_lost(&tree)?;
    let members = match &items.value.data {
        Data::List(members) => members.as_slice(),
        Data::Scalar(Value::Null) => &[],
        Data::Scalar(_) | Data::Map(_) => {
            return Err(Flaw::new(items.value.at, "items is not a list")
                .hint("a List has its objects under items, each with a '-' before it"));
        }
    };
    members.iter().map(|member| whole(&tree, member)).collect()
}

fn whole(list: &Node, member: &Arc<Node>) -> Result<Arc<Node>, Flaw> {
    if !matches!(member.data, Data::Map(_)) {
        return Err(Flaw::new(member.at, "this item of the List is not an object")
            .hint("each item is a whole object with apiVersion and kind"));
    }
    if member.get("items").is_some() {
        return Err(Flaw::new(member.at, "a List in a List").hint("put the objects of both into one"));
    }
    typed(list, member)
}

/// An item of a JobList may leave out that it is a Job.
fn typed(list: &Node, member: &Arc<Node>) -> Result<Arc<Node>, Flaw> {
    let text = |node: &Node, key: &str| match node.get(key).map(|e| &e.value.data) {
        Some(Data::Scalar(Value::String(text))) => Some(text.clone()),
        _ => None,
    };
    let (kind, version) = (text(list, "kind"), text(list, "apiVersion"));
    let item_kind = kind
        .as_deref()
        .and_then(|kind| kind.strip_suffix("List"))
        .filter(|k| !k.is_empty());
    let (Some(item_kind), Some(version), Data::Map(entries)) = (item_kind, version, &member.data) else {
        return Ok(Arc::clone(member));
    };
    if text(member, "kind").is_some() || text(member, "apiVersion").is_some() {
        return Ok(Arc::clone(member));
    }
    let mut entries = entries.clone();
    for (key, value) in [("kind", item_kind), ("apiVersion", version.as_str())] {
        entries.retain(|e| e.key != key);
        entries.push(Entry {
            key: key.to_owned(),
            at: member.at,
            value: Arc::new(Node::scalar(member.at, value.into())),
            merged: false,
        });
    }
    Node::map(member.at, entries).map(Arc::new)
}

/// kubectl drops everything of a List but its items.
fn nothing_lost(list: &Node) -> Result<(), Flaw> {
    let Data::Map(entries) = &list.data else {
        return Ok(());
    };
    let lost = |entry: &Entry, name: &str| {
        Flaw::new(
            entry.at,
            format!("{name} of a List means nothing: kubectl would lose it"),
        )
        .hint("write it in each of the items")
    };
    for entry in entries {
        match (entry.key.as_str(), &entry.value.data) {
            ("apiVersion" | "kind" | "items", _) => {}
            // As `kubectl get -o yaml` writes them.
            ("metadata", Data::Map(fields)) => {
                let told = |e: &&Entry| {
                    !["resourceVersion", "selfLink", "continue", "remainingItemCount"].contains(&e.key.as_str())
                };
                if let Some(field) = fields.iter().find(told) {
                    return Err(lost(field, &format!("metadata.{}", field.key)));
                }
            }
            ("metadata", Data::Scalar(Value::Null)) => {}
            (name, _) => return Err(lost(entry, name)),
        }
    }
    Ok(())
}
