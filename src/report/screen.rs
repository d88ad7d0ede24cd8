//! What is on the terminal: the status line goes before anything else is written, and comes back when
//! nothing was for a moment. The threads that write stdout and stderr share it; nobody else waits for it.

use std::{
    fs::File,
    io::IsTerminal as _,
    os::unix::fs::FileTypeExt as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ci::Fold,
    face::Face,
    status::{Pen, StatusLine},
    writer::write_all,
};
use crate::core::progress::Progress;

/// After log bytes the status line stays away for this long: beside a program that writes twice a second it
/// would only blink.
const AWAY: Duration = Duration::from_secs(1);
/// It is drawn no more often than this.
const DRAWN_EVERY: Duration = Duration::from_millis(100);
/// How often to look whether a line that stdout has left unfinished is still so.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// stderr, and what the terminal shows.
#[derive(Debug)]
pub(super) struct Screen(Mutex<State>);

#[derive(Debug)]
struct State {
    stderr: Option<File>,
    started: Instant,
    pen: Pen,
    /// None where there is to be none.
    status: Option<StatusLine>,
    progress: Option<Progress>,
    /// What the line says, if it is there.
    drawn: Option<Frame>,
    drawn_at: Option<Instant>,
    stdout: Stdout,
    /// stdout is being written to.
    flowing: bool,
    flowed_at: Option<Instant>,
    /// The last byte on stdout is not the end of a line.
    mid_line: bool,
    fold: Fold,
}

/// What can be seen of stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stdout {
    /// It ends in a file.
    Unseen,
    /// Whoever reads it may write to this terminal at once (`kjo … | tee`).
    Piped,
    /// It is a terminal, most likely this one.
    Terminal,
}

type Frame = (Progress, u64, u16);

impl Screen {
    /// A screen on this stderr, with a status line and a fold or without.
    pub(super) fn new(stderr: Option<File>, face: Face, started: Instant) -> Self {
        let pen = Pen::default();
        Self(Mutex::new(State {
            stderr,
            started,
            status: face.status_line.then(|| StatusLine::new(pen.clone())),
            pen,
            progress: None,
            drawn: None,
            drawn_at: None,
            stdout: Stdout::Unseen,
            flowing: false,
            flowed_at: None,
            mid_line: false,
            fold: Fold::new(face.folding()),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stdout is. It is only minded where there is a status line.
    pub(super) fn with_stdout(&self, file: &File) {
        let pipe = || {
            file.metadata()
                .is_ok_and(|m| m.file_type().is_fifo() || m.file_type().is_socket())
        };
        self.lock().stdout = if file.is_terminal() {
            Stdout::Terminal
        } else if pipe() {
            Stdout::Piped
        } else {
            Stdout::Unseen
        };
    }

    /// Writes log bytes to stdout, with no status line in their way.
    pub(super) fn stdout<T>(&self, bytes: &[u8], write: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        // Both meet in one log, and the program's lines must not disappear in the fold.
        state.unfold();
        if state.status.is_none() || state.stdout == Stdout::Unseen {
            drop(state);
            return write();
        }
        state.clear();
        state.out();
        state.flowing = true;
        // A pipe that nobody reads must not keep stderr; on one terminal the two stop together anyway, and
        // nothing may come between the pieces of a write.
        let result = if state.stdout == Stdout::Terminal {
            write()
        } else {
            drop(state);
            let result = write();
            state = self.lock();
            result
        };
        state.flowing = false;
        state.flowed_at = Some(Instant::now());
        state.mid_line = bytes.last().is_some_and(|last| *last != b'\n');
        result
    }

    /// Writes lines of kjo's own above the status line.
    pub(super) fn say(&self, lines: &str, starting: bool) {
        let mut state = self.lock();
        state.clear();
        if let Some(fold) = state.fold.before_line(starting, now()) {
            state.pen.write(&fold);
        }
        if state.mid_line && state.stdout == Stdout::Terminal {
            // What the program has begun goes on below.
            state.pen.write("\n");
            state.mid_line = false;
        }
        state.pen.write(lines);
        state.draw(Instant::now());
        state.out();
    }

    /// Where the run stands now; `None` takes the line away for good.
    pub(super) fn show(&self, progress: Option<Progress>) {
        let mut state = self.lock();
        state.progress = progress;
        if progress.is_none() {
            state.clear();
            state.out();
        }
    }

    /// Nothing follows, or it does not matter where it stands.
    pub(super) fn end(&self) {
        self.show(None);
        self.lock().unfold();
    }

    /// Draws the line if it is time to.
    pub(super) fn draw(&self) {
        let mut state = self.lock();
        state.draw(Instant::now());
        state.out();
    }

    /// How long until there may be something to draw; `None` where only news can change that.
    pub(super) fn due(&self) -> Option<Duration> {
        self.lock().due(Instant::now())
    }
}

/// GitLab wants it, in seconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}

impl State {
    fn unfold(&mut self) {
        if let Some(end) = self.fold.end(now()) {
            self.pen.write(&end);
            self.out();
        }
    }

    fn due(&self, now: Instant) -> Option<Duration> {
        let (progress, status) = (self.progress?, self.status.as_ref()?);
        if self.flowing || self.mid_line {
            return Some(LOOK_EVERY);
        }
        let since = |at: Option<Instant>, pause: Duration| {
            at.map_or(Duration::ZERO, |at| (at + pause).saturating_duration_since(now))
        };
        let may = since(self.flowed_at, AWAY).max(since(self.drawn_at, DRAWN_EVERY));
        if self.drawn == Some(self.frame(progress, status, now)) {
            let elapsed = now.saturating_duration_since(self.started);
            let second = Duration::from_secs(elapsed.as_secs() + 1).saturating_sub(elapsed);
            return Some(may.max(second));
        }
        Some(may)
    }

    fn frame(&self, progress: Progress, status: &StatusLine, now: Instant) -> Frame {
        let elapsed = now.saturating_duration_since(self.started).as_secs();
        (progress, elapsed, status.width())
    }

    fn draw(&mut self, now: Instant) {
        let recent = |at: Option<Instant>, pause| at.is_some_and(|at| now < at + pause);
        if self.flowing || self.mid_line || recent(self.flowed_at, AWAY) || recent(self.drawn_at, DRAWN_EVERY) {
            return;
        }
        let (Some(progress), Some(status)) = (self.progress, &self.status) else {
            return;
        };
        let frame = self.frame(progress, status, now);
        if self.drawn == Some(frame) {
            return;
        }
        if let Some(status) = &mut self.status {
            status.draw(&progress, Duration::from_secs(frame.1));
        }
        self.drawn = Some(frame);
        self.drawn_at = Some(now);
    }

    fn clear(&mut self) {
        self.drawn = None;
        if let Some(status) = &mut self.status {
            status.clear();
        }
    }

    fn out(&mut self) {
        let bytes = self.pen.take();
        if let (Some(file), false) = (&mut self.stderr, bytes.is_empty()) {
            // Where stderr is closed there is nobody left to tell.
            drop(write_all(file, bytes.as_bytes()));
        }
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
