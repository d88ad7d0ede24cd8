//! From what the user wrote to the Job that is sent. Pure: bytes and flags in, a JSON value out; no
//! field is lost on the way, because nothing is parsed into typed structs.

pub mod bundle;
pub mod check;
pub mod companions;
pub mod fields;
pub mod identity;
pub mod image;
pub mod likeness;
mod mentions;
pub mod names;
pub mod order;
pub mod overlay;
pub mod prepare;
pub mod private;
pub mod read;
mod references;
pub mod scope;
pub mod write;
pub mod xcom;

/// What kjo refuses before anything is sent: it would fail the same way again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What was tried, on what, and what is wrong.
    pub message: String,
    /// The place in the user's file, for the screen only: it may hold what is secret.
    pub excerpt: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal with advice.
    #[must_use]
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            excerpt: None,
            hint: Some(hint.into()),
        }
    }
}
