//! Reading manifests as kubectl reads them: bytes in, documents out. What `kubectl create -f` takes is
//! taken and means the same; what it would silently lose is refused, with the place in the file.
//!
//! The tree of a document keeps line and column of every field, so that what is found out later (a
//! field that no Job has) can still be shown where it stands.

mod flaw;
mod hints;
mod json;
mod list;
mod node;
mod scalar;
mod split;
mod text;
mod yaml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use self::{
    flaw::Flaw,
    node::{Mark, Node},
};
use super::Refusal;

/// One object of a file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The object, every field kept.
    pub value: Value,
    origin: Origin,
    tree: Arc<Node>,
}

/// Where an object was written.
#[derive(Debug, Clone)]
struct Origin {
    file: Arc<str>,
    text: Arc<str>,
    /// Counted from 1; empty documents count, as an editor shows them.
    document: usize,
    /// The file has no other.
    only: bool,
}

/// All objects of this file, Lists taken apart. `file` names it in messages.
///
/// # Errors
/// Text that kubectl does not read, or reads and loses a part of.
pub fn documents(file: &str, bytes: &[u8]) -> Result<Vec<Document>, Refusal> {
    let text: Arc<str> = text::decode(file, bytes)?.into();
    let parts = split::parts(&text);
    let origin = Origin {
        file: file.into(),
        text: Arc::clone(&text),
        document: 1,
        only: parts.as_ref().map_or(true, |parts| parts.len() < 2),
    };
    let parts = parts.map_err(|flaw| origin.syntax(&flaw))?;
    let mut found = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let origin = Origin {
            document: n + 1,
            ..origin.clone()
        };
        let tree = match part {
            split::Part::Json(tree) => Some(Arc::clone(tree)),
            split::Part::Yaml { text, line } => yaml::document(text, *line).map_err(|flaw| origin.syntax(&flaw))?,
        };
        for item in tree
            .map_or_else(|| Ok(Vec::new()), list::items)
            .map_err(|flaw| origin.fault(&flaw))?
        {
            found.push(Document {
                value: item.to_value(),
                origin: origin.clone(),
                tree: item,
            });
        }
    }
    Ok(found)
}

/// A YAML or JSON value that stands in no file of its own: the argument of a flag. `None` for nothing
/// but white space and comments.
///
/// # Errors
/// As for a file.
pub fn value(source: &str, text: &str) -> Result<Option<Value>, Refusal> {
    let bare = |text: Arc<str>| Origin {
        file: source.into(),
        text,
        document: 1,
        only: true,
    };
    let text = text::decode(source, text.as_bytes())?;
    let tree = yaml::document(&text, 1).map_err(|flaw| bare(text.as_str().into()).syntax(&flaw))?;
    Ok(tree.map(|tree| tree.to_value()))
}

impl Document {
    /// An object that kjo itself made of flags: it stands in no file.
    #[must_use]
    pub fn made(source: &str, value: Value) -> Self {
        Self {
            tree: Arc::new(Node::nowhere()),
            value,
            origin: Origin {
                file: source.into(),
                text: "".into(),
                document: 1,
                only: true,
            },
        }
    }

    /// The file it is from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.origin.file
    }

    /// The kind, where one is written.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.value.get("kind").and_then(Value::as_str)
    }

    /// The apiVersion, where one is written.
    #[must_use]
    pub fn api_version(&self) -> Option<&str> {
        self.value.get("apiVersion").and_then(Value::as_str)
    }

    /// `metadata.name`, else `metadata.generateName`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        ["/metadata/name", "/metadata/generateName"]
            .iter()
            .find_map(|at| self.value.pointer(at).and_then(Value::as_str))
            .filter(|name| !name.is_empty())
    }

    /// `Job/etl`, as kubectl writes it.
    #[must_use]
    pub fn title(&self) -> String {
        let name = self.name().unwrap_or("(no name)");
        match self.kind() {
            Some(kind) => format!("{kind}/{name}"),
            None if self.value.is_object() => "an object without a kind".to_owned(),
            None => "a document that is not an object".to_owned(),
        }
    }

    /// A refusal of what stands at this path (`spec`, `template`, `0`…), with its place in the file;
    /// of the nearest part of the path that is written, if it is not itself.
    #[must_use]
    pub fn refuse(&self, path: &[&str], what: &str, hint: impl Into<String>) -> Refusal {
        self.origin.at(self.tree.find(path), what, Some(hint.into()))
    }

    /// As [`Self::refuse`], with the mark under the name of the field and not under its value.
    #[must_use]
    pub fn refuse_key(&self, path: &[&str], what: &str, hint: impl Into<String>) -> Refusal {
        self.origin.at(self.tree.find_key(path), what, Some(hint.into()))
    }
}

impl Origin {
    /// The text is not what YAML or JSON allows.
    fn syntax(&self, flaw: &Flaw) -> Refusal {
        let name = if flaw.json { "JSON" } else { "YAML" };
        let document = self.counted();
        Refusal {
            message: format!(
                "{} is not valid {name}: {document}line {}, column {}: {}",
                self.file, flaw.at.line, flaw.at.column, flaw.what
            ),
            excerpt: text::excerpt(&self.text, flaw.at),
            hint: Some(
                flaw.hint
                    .clone()
                    .unwrap_or_else(|| "correct the file at this place".to_owned()),
            ),
        }
    }

    /// The text is in order, and says something that cannot be.
    fn fault(&self, flaw: &Flaw) -> Refusal {
        self.at(flaw.at, &flaw.what, flaw.hint.clone())
    }

    fn at(&self, at: Mark, what: &str, hint: Option<String>) -> Refusal {
        let document = self.counted();
        let place = if at == Mark::NOWHERE {
            String::new()
        } else {
            format!(", {document}line {}, column {}", at.line, at.column)
        };
        Refusal {
            message: format!("{}{place}: {what}", self.file),
            excerpt: text::excerpt(&self.text, at),
            hint,
        }
    }

    fn counted(&self) -> String {
        if self.only {
            String::new()
        } else {
            format!("document {}, ", self.document)
        }
    }
}

/// This word without quotes is text in YAML, and not a number, a truth or nothing.
pub(super) fn is_text(word: &str) -> bool {
    matches!(scalar::plain(word), scalar::Plain::Value(Value::String(_))) && word != "<<"
}
