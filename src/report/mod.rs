//! Everything that kjo prints or writes down: container bytes on stdout, its own lines on stderr,
//! the result file.

mod adoption;
pub mod check;
mod ci;
pub mod document;
mod event;
mod face;
mod failure;
mod ledger;
mod line;
mod place;
mod redact;
pub mod result;
#[cfg(test)]
#[path = "../../tests/support/schema.rs"]
mod schema;
mod screen;
mod spool;
mod status;
mod text;
mod trace;
mod writer;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::{sync::oneshot, time::Instant};

use self::{event::Facts, line::When, screen::Screen};
use crate::{
    core::{
        exit,
        notice::Notice,
        outcome::{Outcome, Verdict},
        progress::Progress,
    },
    plane::Piece,
    spec::Refusal,
};

pub use ci::Runner;
pub use event::{EVENTS, markdown_table};
pub use face::{Face, Form, Volume};
pub use writer::product;

/// How long the end of a run waits for a stderr that nobody reads.
const STDERR_WITHIN: Duration = Duration::from_millis(300);

/// What kjo says, line by line on stderr. Saying never waits: a terminal or pipe that takes nothing
/// stops neither the logs nor a signal.
#[derive(Debug)]
pub struct Reporter {
    face: Face,
    started: Instant,
    lines: mpsc::Sender<Line>,
    screen: Arc<Screen>,
}

#[derive(Debug)]
enum Line {
    Text {
        text: String,
        /// It is about the start of the run.
        starting: bool,
    },
    Show(Option<Progress>),
    Flush(oneshot::Sender<()>),
}

impl Reporter {
    /// Writes to the process's stderr, with this face; `started` is the start of the program.
    #[must_use]
    pub fn stderr(face: Face, started: Instant) -> Self {
        let (lines, queue) = mpsc::channel();
        console::set_colors_enabled(face.color);
        let screen = Arc::new(Screen::new(writer::own_stderr(), face, started));
        writer::stderr(queue, Arc::clone(&screen));
        if face.volume == Volume::Verbose {
            trace::start(lines.clone(), face, started);
        }
        Self {
            face,
            started,
            lines,
            screen,
        }
    }

    /// Gathers what is said, for tests.
    #[must_use]
    pub fn gathered() -> (Self, Gathered) {
        let (lines, queue) = mpsc::channel();
        let started = Instant::now();
        let reporter = Self {
            face: Face::default(),
            started,
            lines,
            screen: Arc::new(Screen::new(None, Face::default(), started)),
        };
        (reporter, Gathered(queue))
    }

    /// Writes container bytes to the process's stdout; what it does not take at once is kept, up to so
    /// many bytes in a file beside what memory holds.
    pub fn stdout(&self, pieces: tokio::sync::mpsc::Receiver<Piece>, spooled: u64) {
        writer::stdout(pieces, spooled, Arc::clone(&self.screen));
    }

    /// Tells the user.
    pub fn say(&self, notice: &Notice) {
        if let Notice::Verdict(_) = notice {
            // The last word: nothing is under way any more.
            self.send(Line::Show(None));
        }
        let words = text::of(notice);
        self.tell(&event::of(notice), &words);
        if let Notice::Verdict(verdict) = notice
            && failed(verdict)
        {
            self.annotate(exit::code(verdict), &words);
        }
    }

    /// The last word once more, where a CI runner lifts it out of the log.
    fn annotate(&self, code: u8, words: &str) {
        if let (Some(runner), Form::Text) = (self.face.ci, self.face.form)
            && let Some(text) = ci::annotation(runner, code, words)
        {
            self.send(Line::Text { text, starting: false });
        }
    }

    /// Shows where the run stands.
    pub fn show(&self, progress: Progress) {
        if self.face.status_line {
            self.send(Line::Show(Some(progress)));
        }
    }

    /// Tells the user that nothing was tried, and why.
    pub fn refuse(&self, refusal: &Refusal) {
        // The excerpt is for the screen only, and JSON is for log files.
        let short = text::refusal(&Refusal {
            excerpt: None,
            ..refusal.clone()
        });
        let words = match self.face.form {
            Form::Text => &text::refusal(refusal),
            Form::Json => &short,
        };
        self.tell(&event::refused(), words);
        self.annotate(exit::REFUSED, &short);
    }

    fn tell(&self, facts: &Facts, words: &str) {
        if self.face.takes(facts) {
            self.send(Line::Text {
                text: line::of(self.face, facts, words, when(self.started)),
                starting: ci::starting(facts.event),
            });
        }
    }

    fn send(&self, line: Line) {
        // An error means that the writing end has gone with the process.
        drop(self.lines.send(line));
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

/// Says what is wrong with the arguments, before it is known how to speak.
pub fn refuse_arguments(said: &str) {
    if let Some(mut stderr) = writer::own_stderr() {
        // Where stderr is closed there is nobody left to tell.
        drop(writer::write_all(&mut stderr, text::framed(said).as_bytes()));
    }
}

/// A document as it is written and printed: for people too, with a last newline.
///
/// # Errors
/// None that a value can cause.
pub fn json(document: &Value) -> std::io::Result<Vec<u8>> {
    let text = serde_json::to_string_pretty(document)?;
    // It is printed in CI jobs too.
    Ok((ci::tamed_json(&text) + "\n").into_bytes())
}

/// Whether a run failed; one that was stopped, or left to itself, did not.
fn failed(verdict: &Verdict) -> bool {
    let stopped = matches!(verdict.outcome, Outcome::Interrupted(_) | Outcome::Detached(_));
    !stopped && exit::code(verdict) != exit::SUCCESS
}

/// A refusal from before there is anything that reports: one JSON object on stderr.
pub fn refuse_as_json(refusal: &Refusal) {
    use std::io::Write as _;
    let face = Face {
        form: Form::Json,
        ..Face::default()
    };
    let words = text::refusal(refusal);
    let line = line::of(face, &event::refused(), &words, when(Instant::now()));
    // A stderr that is closed is nobody's to be told of.
    drop(std::io::stderr().write_all(line.as_bytes()));
}

fn when(started: Instant) -> When {
    When {
        time: Timestamp::now(),
        elapsed: started.elapsed(),
    }
}

/// What a [`Reporter::gathered`] was told.
#[derive(Debug)]
pub struct Gathered(mpsc::Receiver<Line>);

impl Gathered {
    /// All lines said since the last call.
    pub fn take(&mut self) -> String {
        let mut text = String::new();
        while let Ok(line) = self.0.try_recv() {
            match line {
                Line::Text { text: line, .. } => text.push_str(&line),
                Line::Show(_) => {}
                Line::Flush(done) => drop(done.send(())),
            }
        }
        text
    }
}
