//! The status line: its words, and how it is drawn. indicatif lays it out; its bytes are gathered, so that
//! a frame is one write.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::line::clock;
use crate::core::progress::{Phase, Progress};

/// Left free at the end of the line, for the `^C` that a terminal writes there.
const SPARE: u16 = 3;
/// Cells of the bar.
const BAR: usize = 8;

/// One line, drawn or not.
#[derive(Debug)]
pub(super) struct StatusLine {
    pen: Pen,
    /// Cells of the line that is there.
    cells: usize,
}

impl StatusLine {
    pub(super) fn new(pen: Pen) -> Self {
        Self { pen, cells: 0 }
    }

    /// Columns that the line may fill.
    pub(super) fn width(&self) -> u16 {
        self.pen.width()
    }

    /// Draws it anew.
    pub(super) fn draw(&mut self, progress: &Progress, elapsed: Duration) {
        self.clear();
        let (clock, words) = (clock(elapsed), words(progress));
        let room = usize::from(self.width()).saturating_sub("kjo: [] ".len() + clock.len());
        let counted = progress.wanted.filter(|wanted| *wanted > 1);
        // Words come first: where they have no room beside a bar there is none.
        let wanted = counted.filter(|_| words.first().is_some_and(|word| word.len() + BAR < room));
        let room = room.saturating_sub(wanted.map_or(0, |_| BAR + 1));
        // One for each frame: every change of a bar that is being drawn is a frame of its own.
        let bar = ProgressBar::with_draw_target(wanted.map(u64::from), ProgressDrawTarget::hidden())
            .with_style(style(wanted.is_some()))
            .with_prefix(clock)
            .with_message(fitted(words, room))
            .with_position(wanted.map_or(0, |wanted| progress.succeeded.min(wanted)).into());
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(self.pen.clone())));
        bar.force_draw();
        bar.set_draw_target(ProgressDrawTarget::hidden());
        self.cells = self.pen.cells();
    }

    /// Takes it away, also where the terminal is narrower now and has wrapped it.
    pub(super) fn clear(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        if cells == 0 {
            return;
        }
        self.pen.write("\r\x1b[2K");
        let columns = usize::from(self.pen.columns()).max(1);
        for _ in 0..(cells - 1) / columns {
            self.pen.write("\x1b[A\x1b[2K");
        }
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
        Phase::Draining => "reading logs",
        Phase::Deleting => "deleting the Job",
    };
    let done = progress.succeeded;
    let mut words = match (progress.phase, progress.wanted) {
        (Phase::Creating | Phase::Looking, _) => return vec![phase.to_owned()],
        // Beside the bar.
        (_, Some(wanted)) if wanted > 1 => vec![format!("{done}/{wanted} {phase}")],
        (_, Some(wanted)) => vec![phase.to_owned(), format!("{done}/{wanted} done")],
        (_, None) => vec![phase.to_owned(), format!("{done} done")],
    };
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
    /// Cells of the line that was written last.
    cells: usize,
    /// A width to be used in place of the terminal's.
    columns: Option<u16>,
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
        pen.with(|ink| ink.columns = Some(columns));
        pen
    }

    fn columns(&self) -> u16 {
        self.with(|ink| ink.columns).unwrap_or_else(|| Term::stderr().size().1)
    }

    fn cells(&self) -> usize {
        self.with(|ink| ink.cells)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Ink) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TermLike for Pen {
    fn width(&self) -> u16 {
        self.columns().saturating_sub(SPARE).max(1)
    }

    // One line is drawn where the cursor is.
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

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // indicatif fills the line up with spaces, which wrap where the terminal is made narrower.
        let text = text.trim_end();
        if !text.is_empty() {
            // Where not even the beginning has room, nothing is better than two rows.
            let text = console::truncate_str(text, usize::from(self.width()), "");
            self.with(|ink| ink.cells = console::measure_text_width(&text));
            self.write(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
