//! A look at every text of a document, in the order in which it is written.

use serde_json::Value;

use crate::spec::{Refusal, fields, read::Document};

/// Which texts are looked for.
pub(super) struct Texts {
    /// Whether this is one.
    pub(super) wrong: fn(&str) -> bool,
    /// Fields in which it may be meant.
    pub(super) left_out: &'static [&'static str],
}

/// Refuses a document that has one, at the place of the first: `what` says what it has there.
pub(super) fn refuse(document: &Document, texts: &Texts, what: &str, hint: &str) -> Result<(), Refusal> {
    let mut path = Vec::new();
    if !texts.find(&document.value, &mut path) {
        return Ok(());
    }
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    Err(document.refuse(&steps, &format!("{} {what}", fields::shown(&path)), hint))
}

impl Texts {
    /// The path stays where something was found.
    fn find(&self, value: &Value, path: &mut Vec<String>) -> bool {
        let mut within = |key: String, value: &Value| {
            path.push(key);
            let found = self.find(value, path);
            if !found {
                path.pop();
            }
            found
        };
        match value {
            Value::String(text) => (self.wrong)(text),
            Value::Array(items) => items.iter().enumerate().any(|(n, item)| within(n.to_string(), item)),
            Value::Object(fields) => fields
                .iter()
                .filter(|(key, _)| !self.left_out.contains(&key.as_str()))
                .any(|(key, value)| within(key.clone(), value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}
