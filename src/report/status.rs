//! The status line: its words, and how it is drawn. indicatif lays it out; its bytes are gathered, so that
//! a frame is one write.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::line::clock;
use crate::core::progress::{Phase, Progress};

/// Left free at the end of the line, for the `^C` that a terminal writes there.
const SPARE: u16 = 3;
/// Cells of the bar.
const BAR: usize = 8;

/// One line, drawn or not.
#[derive(Debug)]
pub(super) struct StatusLine {
    all: MultiProgress,
    line: ProgressBar,
    pen: Pen,
    with_bar: Option<bool>,
}

impl StatusLine {
    pub(super) fn new(pen: Pen) -> Self {
        // Faster than it is ever drawn: when to draw is the caller's to say.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(pen.clone()), 255);
        let all = MultiProgress::with_draw_target(target);
        let line = all.add(ProgressBar::hidden());
        Self {
            all,
            line,
            pen,
            with_bar: None,
        }
    }

    /// Columns of the terminal that the line may fill.
    pub(super) fn width(&self) -> u16 {
        self.pen.width()
    }

    /// Draws it anew.
    pub(super) fn draw(&mut self, progress: &Progress, elapsed: Duration) {
        let wanted = progress.wanted.filter(|wanted| *wanted > 1);
        if self.with_bar.replace(wanted.is_some()) != Some(wanted.is_some()) {
            self.line.set_style(style(wanted.is_some()));
        }
        let clock = clock(elapsed);
        // `kjo: [0:12] ` and, where there is one, the bar and a space.
        let before = "kjo: [] ".len() + clock.len() + wanted.map_or(0, |_| BAR + 1);
        if let Some(wanted) = wanted {
            self.line.set_length(wanted.into());
            self.line.set_position(progress.succeeded.min(wanted).into());
        }
        self.line.set_prefix(clock);
        self.line.set_message(fitted(
            words(progress),
            usize::from(self.width()).saturating_sub(before),
        ));
        self.line.tick();
    }

    /// Takes it away.
    pub(super) fn clear(&self) {
        // The pen never fails.
        drop(self.all.clear());
    }
}

fn style(with_bar: bool) -> ProgressStyle {
    let template = if with_bar {
        "kjo: [{prefix}] {bar:8.green} {wide_msg}"
    } else {
        "kjo: [{prefix}] {wide_msg}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        // ASCII: a terminal may have any locale.
        .progress_chars("#-")
}

/// What is said, the most important first.
fn words(progress: &Progress) -> Vec<String> {
    let phase = match progress.phase {
        Phase::Creating => "creating the Job",
        Phase::Looking => "looking for the Job",
        Phase::Suspended => "suspended or queued",
        Phase::NoPod => "waiting for a pod",
        Phase::NoNode => "waiting for a node",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::OutOfReach => "API server out of reach",
        Phase::Draining => "reading the rest",
        Phase::Deleting => "deleting the Job",
    };
    let mut words = vec![phase.to_owned()];
    match progress.phase {
        Phase::Creating | Phase::Looking => return words,
        Phase::Suspended
        | Phase::NoPod
        | Phase::NoNode
        | Phase::Starting
        | Phase::Running
        | Phase::OutOfReach
        | Phase::Draining
        | Phase::Deleting => {}
    }
    words.push(match progress.wanted {
        Some(wanted) => format!("{} of {wanted} done", progress.succeeded),
        None => format!("{} done", progress.succeeded),
    });
    if progress.failed > 0 {
        words.push(format!("{} failed", progress.failed));
    }
    words.push(format!("{} active", progress.active));
    words.push(match progress.lines {
        1 => "1 line".to_owned(),
        n => format!("{n} lines"),
    });
    words
}

/// As many of them as there is room for; a word cut in two says nothing.
fn fitted(words: Vec<String>, room: usize) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && line.len() + 2 + word.len() > room {
            break;
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(&word);
    }
    line
}

/// A terminal to write to, whose bytes are kept until they are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Pen(Arc<Mutex<Ink>>);

#[derive(Debug, Default)]
struct Ink {
    bytes: String,
    /// Cells of the line that is there.
    drawn: usize,
    /// A width to be used in place of the terminal's.
    width: Option<u16>,
}

impl Pen {
    /// What was written since the last time.
    pub(super) fn take(&self) -> String {
        self.with(|ink| std::mem::take(&mut ink.bytes))
    }

    pub(super) fn write(&self, text: &str) {
        self.with(|ink| ink.bytes.push_str(text));
    }

    #[cfg(test)]
    pub(super) fn of_width(columns: u16) -> Self {
        let pen = Self::default();
        pen.with(|ink| ink.width = Some(columns));
        pen
    }

    fn columns(&self) -> u16 {
        let given = self.with(|ink| ink.width);
        given.unwrap_or_else(|| Term::stderr().size().1)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Ink) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TermLike for Pen {
    fn width(&self) -> u16 {
        self.columns().saturating_sub(SPARE).max(1)
    }

    // One line is drawn: the cursor never leaves it.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // indicatif fills the line up, which wraps where the terminal is made narrower.
        if text.trim_end().is_empty() {
            return Ok(());
        }
        self.with(|ink| {
            ink.drawn = console::measure_text_width(text);
            ink.bytes.push_str(text.trim_end());
        });
        Ok(())
    }

    /// Also where the terminal is narrower now and has wrapped the line.
    fn clear_line(&self) -> io::Result<()> {
        let columns = usize::from(self.columns()).max(1);
        self.with(|ink| {
            let wrapped = std::mem::take(&mut ink.drawn).saturating_sub(1) / columns;
            ink.bytes.push_str("\r\x1b[2K");
            for _ in 0..wrapped {
                ink.bytes.push_str("\x1b[A\x1b[2K");
            }
        });
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
