//! What is wrong with a text, and where: the parsers' own error, turned into a refusal by who knows
//! the file.

use super::node::Mark;

/// Something wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// Where, in the file.
    pub at: Mark,
    /// What.
    pub what: String,
    /// What to do about it, where more can be said than "correct it".
    pub hint: Option<String>,
    /// Found while reading JSON.
    pub json: bool,
}

impl Flaw {
    pub(super) fn new(at: Mark, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
            hint: None,
            json: false,
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(super) fn json(self) -> Self {
        Self { json: true, ..self }
    }
}
