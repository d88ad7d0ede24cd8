//! The form of a log on stdout: as it came, or in whole lines with a prefix.

use bytes::Bytes;

use crate::core::log::{cursor::Sink, stamp::Stamp};

/// With prefixes only whole lines are written. A line longer than this is written in pieces, and
/// other streams wait for its end.
const WHOLE_LINE: usize = 64 * 1024;

/// What is at hand is gathered up to this before it is handed on: every hand-over wakes another thread.
const PLENTY: usize = 48 * 1024;

/// Gathers what a cursor passes on until it is written.
#[derive(Debug)]
pub(super) struct Lines {
    prefix: Option<Vec<u8>>,
    /// Every line bears its stamp.
    stamped: bool,
    ready: Vec<u8>,
    diagnostics: Vec<String>,
    /// The last byte handed out or gathered is not a newline.
    unfinished: bool,
    /// The line was ended for others to write: what comes of it stands on a line of its own.
    broken: bool,
}

impl Lines {
    pub(super) fn new(prefix: Option<Vec<u8>>, stamped: bool) -> Self {
        Self {
            prefix,
            stamped,
            ready: Vec::new(),
            diagnostics: Vec::new(),
            unfinished: false,
            broken: false,
        }
    }

    /// Others write now, in the middle of a line. What has to stand before that.
    pub(super) fn interrupted(&mut self) -> Option<Bytes> {
        self.prefix.as_ref()?;
        self.broken = true;
        self.unfinished = false;
        Some(Bytes::from_static(b"\n"))
    }

    /// No more will come: a prefixed last line gets the newline that it lacks.
    pub(super) fn close(&mut self) {
        if self.prefix.is_some() && self.unfinished {
            self.ready.push(b'\n');
        }
        self.unfinished = false;
    }

    /// There is enough to be worth a write of its own.
    pub(super) fn plenty(&self) -> bool {
        self.ready.len() >= PLENTY
    }

    /// What can be written now, and whether it leaves a line unfinished.
    pub(super) fn take(&mut self) -> Option<(Bytes, bool)> {
        let whole = memchr::memrchr(b'\n', &self.ready).map_or(0, |end| end + 1);
        // Only a line that is too long all by itself goes out in pieces.
        let hold_back = self.prefix.is_some() && self.unfinished && self.ready.len() - whole < WHOLE_LINE;
        let ready = if hold_back {
            let rest = self.ready.split_off(whole);
            std::mem::replace(&mut self.ready, rest)
        } else {
            std::mem::take(&mut self.ready)
        };
        if ready.is_empty() {
            return None;
        }
        let unfinished = ready.last() != Some(&b'\n');
        Some((Bytes::from(ready), unfinished))
    }

    pub(super) fn take_diagnostics(&mut self) -> Vec<String> {
        std::mem::take(&mut self.diagnostics)
    }
}

impl Sink for Lines {
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>) {
        if let (true, Some(prefix)) = (begins.is_some() || std::mem::take(&mut self.broken), &self.prefix) {
            self.ready.extend_from_slice(prefix);
        }
        if let Some(stamp) = begins.filter(|_| self.stamped) {
            self.ready.extend_from_slice(format!("{stamp} ").as_bytes());
        }
        self.ready.extend_from_slice(piece);
        self.unfinished = piece.last() != Some(&b'\n');
    }

    fn diagnostic(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        self.diagnostics
            .push(text.chars().filter(|c| !c.is_control()).take(500).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Option<Stamp> = Some(Stamp {
        seconds: 0,
        nanos: 5_000_000,
    });

    fn taken(lines: &mut Lines) -> Option<(String, bool)> {
        lines
            .take()
            .map(|(bytes, unfinished)| (String::from_utf8(bytes.to_vec()).unwrap(), unfinished))
    }

    #[test]
    fn a_single_log_is_passed_on_as_it_comes() {
        let mut lines = Lines::new(None, false);
        lines.content(b"a\n", AT);
        lines.content(b"half", AT);
        assert_eq!(taken(&mut lines), Some(("a\nhalf".into(), true)));
        assert_eq!(taken(&mut lines), None);
        lines.close();
        assert_eq!(taken(&mut lines), None, "no newline is added");
    }

    #[test]
    fn stamps_stand_before_lines_and_nowhere_else() {
        let mut lines = Lines::new(Some(b"> ".to_vec()), true);
        lines.content(b"ha", AT);
        lines.content(b"lf\n", None);
        let line = "> 1970-01-01T00:00:00.005000000Z half\n";
        assert_eq!(taken(&mut lines), Some((line.into(), false)));
    }

    #[test]
    fn prefixed_lines_are_whole() {
        let mut lines = Lines::new(Some(b"[p c] ".to_vec()), false);
        lines.content(b"a\n", AT);
        lines.content(b"ha", AT);
        assert_eq!(taken(&mut lines), Some(("[p c] a\n".into(), false)));
        assert_eq!(taken(&mut lines), None);
        lines.content(b"lf", None);
        lines.close();
        assert_eq!(taken(&mut lines), Some(("[p c] half\n".into(), false)));
        lines.close();
        assert_eq!(taken(&mut lines), None);
    }

    #[test]
    fn a_line_too_long_to_keep_goes_out_in_pieces() {
        let mut lines = Lines::new(Some(b"> ".to_vec()), false);
        lines.content(&vec![b'x'; WHOLE_LINE], AT);
        let (text, unfinished) = taken(&mut lines).unwrap();
        assert_eq!((text.len(), unfinished), (WHOLE_LINE + 2, true));
        lines.content(b"end\n", None);
        assert_eq!(taken(&mut lines), Some(("end\n".into(), false)));

        let whole = [vec![b'y'; WHOLE_LINE], b"\n".to_vec()].concat();
        lines.content(&whole, AT);
        lines.content(b"next", AT);
        assert!(
            matches!(taken(&mut lines), Some((text, false)) if text.ends_with("y\n")),
            "whole lines first"
        );
    }

    #[test]
    fn a_line_that_was_interrupted_goes_on_behind_a_prefix_of_its_own() {
        let mut lines = Lines::new(Some(b"> ".to_vec()), false);
        lines.content(&vec![b'x'; WHOLE_LINE], AT);
        assert!(taken(&mut lines).is_some());
        assert_eq!(lines.interrupted().as_deref(), Some(b"\n".as_slice()));
        lines.content(b"end\n", None);
        assert_eq!(taken(&mut lines), Some(("> end\n".into(), false)));

        let mut lines = Lines::new(None, false);
        lines.content(b"10%", AT);
        assert!(taken(&mut lines).is_some());
        assert_eq!(lines.interrupted(), None, "bytes are passed on as they came");
    }
}
