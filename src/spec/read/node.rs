//! The tree of a document: values with the places where they were written. Branches are shared where
//! YAML aliases share them, and a tree's weight says what it comes to when they are written out.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::flaw::Flaw;

/// A document may be nested this deep, aliases written out: no object of Kubernetes comes near it.
pub(super) const MAX_DEPTH: usize = 250;
/// What a document may come to, aliases written out: one for a value, and one for each 32 bytes of it.
const MAX_WEIGHT: usize = 1_000_000;

/// A place in a file, counted from 1 in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub line: usize,
    pub column: usize,
}

impl Mark {
    /// Not from a file.
    pub(super) const NOWHERE: Self = Self { line: 0, column: 0 };
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub at: Mark,
    pub data: Data,
    weight: usize,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Data {
    Scalar(Value),
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// A field of a map.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    /// Where the key stands.
    pub at: Mark,
    pub value: Arc<Node>,
    /// It came from a merge key, so a field written here replaces it.
    pub merged: bool,
}

impl Node {
    pub(super) fn scalar(at: Mark, value: Value) -> Self {
        let length = value.as_str().map_or(0, str::len);
        Self {
            at,
            data: Data::Scalar(value),
            weight: 1 + length / 32,
            depth: 1,
        }
    }

    pub(super) fn nowhere() -> Self {
        Self::scalar(Mark::NOWHERE, Value::Null)
    }

    pub(super) fn list(at: Mark, items: Vec<Arc<Node>>) -> Result<Self, Flaw> {
        let (weight, depth) = bounded(at, items.iter().map(|item| (&**item, 0)))?;
        Ok(Self {
            at,
            data: Data::List(items),
            weight,
            depth,
        })
    }

    pub(super) fn map(at: Mark, entries: Vec<Entry>) -> Result<Self, Flaw> {
        let (weight, depth) = bounded(at, entries.iter().map(|e| (&*e.value, e.key.len() / 32)))?;
        Ok(Self {
            at,
            data: Data::Map(entries),
            weight,
            depth,
        })
    }

    /// The value, aliases written out.
    pub(super) fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => items.iter().map(|item| item.to_value()).collect(),
            Data::Map(entries) => entries
                .iter()
                .map(|e| (e.key.clone(), e.value.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|e| e.key == key),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }

    /// Where the value at this path stands, or the nearest part of the path that is there.
    pub(super) fn find(&self, path: &[&str]) -> Mark {
        self.step(path).map_or(self.at, |(next, _, rest)| next.find(rest))
    }

    /// Where the name of the field at this path stands, or as much of the path as is there.
    pub(super) fn find_key(&self, path: &[&str]) -> Mark {
        match self.step(path) {
            Some((_, key, [])) => key,
            Some((next, key, rest)) => match next.step(rest) {
                Some(_) => next.find_key(rest),
                None => key,
            },
            None => self.at,
        }
    }

    fn step<'a, 'b>(&self, path: &'a [&'b str]) -> Option<(&Node, Mark, &'a [&'b str])> {
        let (first, rest) = path.split_first()?;
        match &self.data {
            Data::Map(_) => self.get(first).map(|e| (&*e.value, e.at, rest)),
            Data::List(items) => {
                let item = items.get(first.parse::<usize>().ok()?)?;
                Some((item, item.at, rest))
            }
            Data::Scalar(_) => None,
        }
    }
}

fn bounded<'a>(at: Mark, children: impl Iterator<Item = (&'a Node, usize)>) -> Result<(usize, usize), Flaw> {
    let mut weight = 1_usize;
    let mut depth = 0;
    for (child, key) in children {
        weight = weight.saturating_add(child.weight).saturating_add(key);
        depth = depth.max(child.depth);
    }
    if weight > MAX_WEIGHT {
        return Err(
            Flaw::new(at, "with its aliases written out this is too much for one document")
                .hint("anchors that refer to each other multiply; write out what is meant"),
        );
    }
    if depth >= MAX_DEPTH {
        return Err(Flaw::new(at, format!("nested deeper than {MAX_DEPTH} levels"))
            .hint("no Kubernetes object is; is a bracket too many?"));
    }
    Ok((weight, depth + 1))
}
