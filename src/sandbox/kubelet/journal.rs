//! The log of one container attempt, as containerd writes it (pkg/cri/io/logger.go): lines, long ones
//! in fragments, each with its stamp; and as the kubelet rotates it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::watch;

/// Longest fragment in bytes (containerd's `max_container_log_line_size`).
const FRAGMENT: usize = 16 * 1024;
/// The kubelet looks this often whether a log has to be rotated (`containerLogMonitorInterval`), in seconds.
const LOOKS_EVERY: i64 = 10;
/// What a line of the log file holds besides its text: stamp, stream, tag, separators.
const OVERHEAD: usize = 46;

/// Which of a container's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of the log, or a fragment of one.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    /// The line goes on in the next fragment, or had no end.
    pub(super) partial: bool,
    /// Without its newline.
    pub(super) text: Bytes,
}

/// A log file. Readers that have opened it can read it to its end also after it was rotated.
pub(super) type File = Arc<Mutex<Vec<Entry>>>;

/// The log of one container attempt.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    state: Mutex<State>,
    /// Tells readers of changes.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    file: File,
    size: usize,
    /// When it was last looked whether the file is too large.
    looked: Option<Timestamp>,
    ended: bool,
}

impl Journal {
    /// An empty log that is rotated beyond `limit` bytes, and its writer.
    pub(super) fn new(limit: usize) -> (Self, Writer) {
        let shared = Shared {
            limit,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        };
        let journal = Self {
            shared: Arc::new(shared),
        };
        let writer = Writer {
            journal: journal.clone(),
            open: [BytesMut::new(), BytesMut::new()],
        };
        (journal, writer)
    }

    /// The current file, and whether the container has ended.
    pub(super) fn file(&self) -> (File, bool) {
        let state = lock(&self.shared.state);
        (Arc::clone(&state.file), state.ended)
    }

    /// Hears of every change from now on.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Begins a new file; the API can read only that one.
    pub(super) fn rotate(&self) {
        let mut state = lock(&self.shared.state);
        state.file = File::default();
        state.size = 0;
        drop(state);
        self.shared.changed.send_replace(());
    }

    fn append(&self, entry: Entry) {
        let mut state = lock(&self.shared.state);
        state.size += entry.text.len() + OVERHEAD;
        let now = entry.at.as_second();
        lock(&state.file).push(entry);
        let looked = state
            .looked
            .get_or_insert(Timestamp::from_second(now).unwrap_or_default());
        let due = now - looked.as_second() >= LOOKS_EVERY;
        if due {
            state.looked = Timestamp::from_second(now).ok();
        }
        let full = due && state.size > self.shared.limit;
        drop(state);
        if full {
            self.rotate();
        } else {
            self.shared.changed.send_replace(());
        }
    }
}

/// Writes a journal; its end is the end of the log.
#[derive(Debug)]
pub(super) struct Writer {
    journal: Journal,
    /// What was written of unfinished lines, by stream.
    open: [BytesMut; 2],
}

impl Writer {
    /// Takes what the container has written.
    pub(super) fn write(&mut self, at: Timestamp, source: Source, bytes: &[u8]) {
        let [out, err] = &mut self.open;
        let open = match source {
            Source::Stdout => out,
            Source::Stderr => err,
        };
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            open.extend_from_slice(line);
            if open.last() == Some(&b'\r') {
                open.truncate(open.len() - 1);
            }
            fragment(&self.journal, open, at, open.len());
            let text = open.split().freeze();
            self.journal.append(Entry {
                at,
                partial: false,
                text,
            });
        }
        open.extend_from_slice(rest);
        // A carriage return may yet turn out to belong to the line's end.
        let counted = open.len() - usize::from(open.last() == Some(&b'\r'));
        fragment(&self.journal, open, at, counted);
    }

    /// The container has closed its streams.
    pub(super) fn finish(&mut self, at: Timestamp) {
        for open in &mut self.open {
            fragment(&self.journal, open, at, open.len());
            if !open.is_empty() {
                let text = open.split().freeze();
                self.journal.append(Entry {
                    at,
                    partial: true,
                    text,
                });
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.journal.shared.state).ended = true;
        self.journal.shared.changed.send_replace(());
    }
}

/// Writes what of the first `counted` bytes is too long for one fragment.
fn fragment(journal: &Journal, open: &mut BytesMut, at: Timestamp, mut counted: usize) {
    while counted > FRAGMENT {
        let text = open.split_to(FRAGMENT).freeze();
        counted -= FRAGMENT;
        journal.append(Entry {
            at,
            partial: true,
            text,
        });
    }
}

/// No one leaves a log half changed: a panic elsewhere does not harm it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
