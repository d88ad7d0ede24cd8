//! Everything that kjo prints or writes down: container bytes on stdout, its own lines on stderr,
//! the result file.

pub mod check;
pub mod document;
mod failure;
mod ledger;
mod place;
mod redact;
pub mod result;
#[cfg(test)]
#[path = "../../tests/support/schema.rs"]
mod schema;
mod spool;
mod text;
mod writer;

use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use writer::{product, stdout};

use crate::{core::notice::Notice, spec::Refusal};

/// How long the end of a run waits for a stderr that nobody reads.
const STDERR_WITHIN: Duration = Duration::from_millis(300);

/// What kjo says, line by line on stderr. Saying never waits: a terminal or pipe that takes nothing
/// stops neither the logs nor a signal.
#[derive(Debug)]
pub struct Reporter {
    lines: mpsc::UnboundedSender<Line>,
}

#[derive(Debug)]
enum Line {
    Text(String),
    Flush(oneshot::Sender<()>),
}

impl Reporter {
    /// Writes to the process's stderr.
    #[must_use]
    pub fn stderr() -> Self {
        let (lines, queue) = mpsc::unbounded_channel();
        writer::stderr(queue);
        Self { lines }
    }

    /// Gathers what is said, for tests.
    #[must_use]
    pub fn gathered() -> (Self, Gathered) {
        let (lines, queue) = mpsc::unbounded_channel();
        (Self { lines }, Gathered(queue))
    }

    /// Tells the user.
    pub fn say(&self, notice: &Notice) {
        self.line(&text::of(notice));
    }

    /// Tells the user that nothing was tried, and why.
    pub fn refuse(&self, refusal: &Refusal) {
        self.line(&text::refusal(refusal));
    }

    fn line(&self, text: &str) {
        // An error means that the writing end has gone with the process.
        drop(self.lines.send(Line::Text(text::framed(text))));
    }

    /// Waits until everything said is out, but not for ever.
    pub async fn flush(&self) {
        let (done, out) = oneshot::channel();
        if self.lines.send(Line::Flush(done)).is_ok() {
            // Either way the run is over; what was not taken by now will not be.
            drop(tokio::time::timeout(STDERR_WITHIN, out).await);
        }
    }
}

/// A document as it is written and printed: for people too, with a last newline.
///
/// # Errors
/// None that a value can cause.
pub fn json(document: &Value) -> std::io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(document)?;
    text.push(b'\n');
    Ok(text)
}

/// What a [`Reporter::gathered`] was told.
#[derive(Debug)]
pub struct Gathered(mpsc::UnboundedReceiver<Line>);

impl Gathered {
    /// All lines said since the last call.
    pub fn take(&mut self) -> String {
        let mut text = String::new();
        while let Ok(line) = self.0.try_recv() {
            match line {
                Line::Text(line) => text.push_str(&line),
                Line::Flush(done) => drop(done.send(())),
            }
        }
        text
    }
}
