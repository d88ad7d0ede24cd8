//! A value together with its path, so that what is wrong with it can be told.

use serde_json::Value;

/// A value in an object; null where there is none.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) path: String,
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self {
            path: String::new(),
            value,
        }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self {
            path: format!("{}{dot}{name}", self.path),
            value: &self.value[name],
        }
    }

    /// A field, or with dots a field of a field.
    pub(super) fn at(&self, fields: &str) -> Self {
        fields.split('.').fold(self.clone(), |node, name| node.field(name))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items
            .map(|(index, value)| self.inner(&index.to_string(), value))
            .collect()
    }

    /// The entries of a map.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        let entries = self.value.as_object().into_iter().flatten();
        entries
            .map(|(key, value)| (key.as_str(), self.inner(key, value)))
            .collect()
    }

    fn inner(&self, key: &str, value: &'a Value) -> Self {
        Self {
            path: format!("{}[{key}]", self.path),
            value,
        }
    }

    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }
}
