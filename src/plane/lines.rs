//! The form of a log on stdout: as it came, or in whole lines with a prefix.

use bytes::Bytes;

use super::ear::Ear;
use crate::core::log::{cursor::Sink, stamp::Stamp};

/// With prefixes only whole lines are written. A line longer than this is written in pieces, and
/// other streams wait for its end.
const WHOLE_LINE: usize = 64 * 1024;

/// What is at hand is gathered up to this before it is handed on: every hand-over wakes another thread.
const PLENTY: usize = 48 * 1024;

/// Gathers what a cursor passes on until it is written.
#[derive(Debug)]
pub(super) struct Lines {
    form: Form,
    /// What is listened for on the way.
    ear: Ear,
    /// So many of the ear's complaints were told.
    told: usize,
}

/// The lines as they are shown.
#[derive(Debug)]
struct Form {
    prefix: Option<Vec<u8>>,
    /// Every line bears its stamp.
    stamped: bool,
    ready: Vec<u8>,
    /// So much was handed on last: what comes next gets as much room at once, and does not grow towards it.
    last: usize,
    diagnostics: Vec<String>,
    /// The last byte handed out or gathered is not a newline.
    unfinished: bool,
    /// The line was ended for others to write: what comes of it stands on a line of its own.
    broken: bool,
}

impl Lines {
    pub(super) fn new(prefix: Option<Vec<u8>>, stamped: bool, ear: Ear) -> Self {
        Self {
            form: Form::new(prefix, stamped),
            ear,
            told: 0,
        }
    }

    /// Others write now, in the middle of a line. What has to stand before that.
    pub(super) fn interrupted(&mut self) -> Option<Bytes> {
        self.form.interrupted()
    }

    /// No more will come: a prefixed last line gets the newline that it lacks.
    pub(super) fn close(&mut self) {
        self.ear.close(&mut self.form);
        self.form.close();
    }

    /// There is enough to be worth a write of its own.
    pub(super) fn plenty(&self) -> bool {
        self.form.plenty()
    }

    /// What can be written now, and whether it leaves a line unfinished.
    pub(super) fn take(&mut self) -> Option<(Bytes, bool)> {
        self.form.take()
    }

    pub(super) fn take_diagnostics(&mut self) -> Vec<String> {
        std::mem::take(&mut self.form.diagnostics)
    }

    /// What is wrong with marker lines, each told once.
    pub(super) fn take_wrong(&mut self) -> Vec<String> {
        let wrong = self.ear.wrong(self.told);
        self.told += wrong.len();
        wrong
    }
}

impl Sink for Lines {
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>) {
        self.ear.content(piece, begins, &mut self.form);
    }

    fn diagnostic(&mut self, line: &[u8]) {
        self.form.diagnostic(line);
    }
}

impl Form {
    fn new(prefix: Option<Vec<u8>>, stamped: bool) -> Self {
        Self {
            prefix,
            stamped,
            ready: Vec::new(),
            last: 0,
            diagnostics: Vec::new(),
            unfinished: false,
            broken: false,
        }
    }

    fn interrupted(&mut self) -> Option<Bytes> {
        self.prefix.as_ref()?;
        self.broken = true;
        self.unfinished = false;
        Some(Bytes::from_static(b"\n"))
    }

    fn close(&mut self) {
        if self.prefix.is_some() && self.unfinished {
            self.ready.push(b'\n');
        }
        self.unfinished = false;
    }

    fn plenty(&self) -> bool {
        self.ready.len() >= PLENTY
    }

    fn take(&mut self) -> Option<(Bytes, bool)> {
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
        self.last = ready.len();
        Some((Bytes::from(ready), unfinished))
    }
}

impl Sink for Form {
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>) {
        if self.ready.capacity() == 0 {
            self.ready.reserve_exact(piece.len().max(self.last));
        }
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
    use crate::{
        core::{
            log::follow::{Life, LogState, Start},
            machine::{LogSource, StreamId},
            xcom::{file::Source, handed::Wanted, markers::Markers},
        },
        plane::Ears,
    };

    const AT: Option<Stamp> = Some(Stamp {
        seconds: 0,
        nanos: 5_000_000,
    });

    fn plain(prefix: Option<Vec<u8>>, stamped: bool) -> Lines {
        Lines::new(prefix, stamped, Ears::default().listen(&source("main")))
    }

    fn source(container: &str) -> LogSource {
        LogSource {
            stream: StreamId(0),
            pod: "p".into(),
            pod_uid: "u".into(),
            container: container.into(),
            container_id: "c".into(),
            state: LogState {
                life: Life::Running,
                previous: false,
                followed: true,
            },
            start: Start::Beginning,
            restarts: false,
            started_at: None,
            late: false,
            prefixed: false,
        }
    }

    fn taken(lines: &mut Lines) -> Option<(String, bool)> {
        lines
            .take()
            .map(|(bytes, unfinished)| (String::from_utf8(bytes.to_vec()).unwrap(), unfinished))
    }

    #[test]
    fn a_single_log_is_passed_on_as_it_comes() {
        let mut lines = plain(None, false);
        lines.content(b"a\n", AT);
        lines.content(b"half", AT);
        assert_eq!(taken(&mut lines), Some(("a\nhalf".into(), true)));
        assert_eq!(taken(&mut lines), None);
        lines.close();
        assert_eq!(taken(&mut lines), None, "no newline is added");
    }

    #[test]
    fn stamps_stand_before_lines_and_nowhere_else() {
        let mut lines = plain(Some(b"> ".to_vec()), true);
        lines.content(b"ha", AT);
        lines.content(b"lf\n", None);
        let line = "> 1970-01-01T00:00:00.005000000Z half\n";
        assert_eq!(taken(&mut lines), Some((line.into(), false)));
    }

    #[test]
    fn prefixed_lines_are_whole() {
        let mut lines = plain(Some(b"[p c] ".to_vec()), false);
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
        let mut lines = plain(Some(b"> ".to_vec()), false);
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
        let mut lines = plain(Some(b"> ".to_vec()), false);
        lines.content(&vec![b'x'; WHOLE_LINE], AT);
        assert!(taken(&mut lines).is_some());
        assert_eq!(lines.interrupted().as_deref(), Some(b"\n".as_slice()));
        lines.content(b"end\n", None);
        assert_eq!(taken(&mut lines), Some(("> end\n".into(), false)));

        let mut lines = plain(None, false);
        lines.content(b"10%", AT);
        assert!(taken(&mut lines).is_some());
        assert_eq!(lines.interrupted(), None, "bytes are passed on as they came");
    }

    #[test]
    fn markers_of_the_main_container_and_the_sidecars_log_are_kept_back() {
        let ears = Ears::new(Wanted {
            markers: Markers::Hide,
            file: Some(Source::Sidecar),
            main: "main".into(),
        });
        let lines = |container: &str| Lines::new(Some(b"> ".to_vec()), true, ears.listen(&source(container)));
        let (mut main, mut other, mut sidecar) = (lines("main"), lines("other"), lines("kjo-xcom"));
        for lines in [&mut main, &mut other, &mut sidecar] {
            lines.content(b"::kube_api:xcom=[1]\n", AT);
            lines.content(b"::kube", AT);
        }
        assert_eq!(taken(&mut main), None);
        assert_eq!(main.take_wrong().len(), 1);
        assert_eq!(main.take_wrong(), Vec::<String>::new(), "told once");
        main.close();
        let half = "> 1970-01-01T00:00:00.005000000Z ::kube\n";
        assert_eq!(
            taken(&mut main),
            Some((half.into(), false)),
            "no marker, so it is shown"
        );
        assert!(taken(&mut other).unwrap().0.contains("::kube_api:xcom=[1]"));
        sidecar.close();
        assert_eq!(taken(&mut sidecar), None);
        assert_eq!(sidecar.take_wrong(), Vec::<String>::new());
    }
}
