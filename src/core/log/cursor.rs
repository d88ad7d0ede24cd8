//! The place in one container's log: takes the bytes of any number of streams over the same log,
//! each resumed from [`Cursor::since`], and passes every byte of the container on exactly once.
//!
//! Lines are asked for with time stamps. A stamp and one space stand before the content; a stream
//! may break at any byte. What cannot be had any more is told as a [`Gap`].

use super::{
    hash::{Fingerprint, HASHED},
    memory::{Cut, Gap, Known, Memory},
    stamp::{MAX_LEN, Stamp},
};

/// Where the container's bytes go.
pub trait Sink {
    /// A piece of a line, its newline included where it has come; the first piece of a line bears its
    /// stamp.
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>);
    /// A line that bears no stamp: the kubelet speaking in the container's stead.
    fn diagnostic(&mut self, line: &[u8]);
}

/// The place in one container's log.
#[derive(Debug)]
pub struct Cursor {
    memory: Memory,
    line: Line,
    stream: Stream,
    /// The last line of an earlier stream, which had no newline and looked like a known one.
    suspect: Option<(Stamp, u64)>,
    /// The first line is known and not passed on: reading begins behind it.
    behind_first: bool,
    /// The next stream begins amid the log, with its last lines.
    amid: bool,
    first: Option<Stamp>,
    gap: Option<Gap>,
    lines: u64,
    bytes: u64,
    /// The last byte that was passed on was no newline.
    amid_line: bool,
}

/// The stream that is read now.
#[derive(Debug, Default)]
struct Stream {
    /// No line has come yet, and the stream was resumed.
    resumed_head: bool,
    /// It has brought a word of the kubelet.
    spoke: bool,
    whose: Whose,
}

/// Whose log a stream brings: it is asked for by names, and a container's next attempt has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Whose {
    /// The one that was asked for.
    #[default]
    Ours,
    /// If it does not go on where the last one ended, it is another log's.
    Doubted,
    /// Another log's: nothing of it is taken.
    Strangers,
}

/// A log of more bytes than this whose last line has no newline may be torn: containerd gathers what is written
/// in pieces of this size, and what programs write without a last newline is rarely longer.
const TORN_FROM: u64 = 16 * 1024;

/// What the bytes up to the next newline are.
#[derive(Debug)]
enum Line {
    /// The stamp, not yet whole.
    Head(Vec<u8>),
    /// Content that is passed on, after `skip` bytes that were written before.
    Content {
        stamp: Stamp,
        taken: u64,
        skip: u64,
        fingerprint: Fingerprint,
    },
    /// A replayed line that may be known: kept until that is clear.
    Held { stamp: Stamp, content: Vec<u8> },
    /// The rest of a line that is known, or of one whose beginning is not to be had.
    Skipped,
    /// The unstamped beginning of a resumed stream: the end of a line that is known, most likely.
    Tail(Vec<u8>),
    /// An unstamped line.
    Foreign(Vec<u8>),
}

/// Skips a line whatever its length, its newline included.
const WHOLE: u64 = u64::MAX;

/// What a kubelet writes into the stream when it cannot read the log (pkg/kubelet/kuberuntime,
/// k8s.io/cri-client pkg/logs).
const KUBELET_SAYS: [&[u8]; 4] = [
    b"unable to retrieve container logs for ",
    b"failed to ",
    b"rpc error: ",
    b"Internal error occurred: ",
];

/// Keeps the beginning: the kubelet's messages are short.
fn keep(line: &mut Vec<u8>, more: &[u8]) {
    let room = HASHED.saturating_sub(line.len()).min(more.len());
    line.extend_from_slice(more.get(..room).unwrap_or_default());
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            memory: Memory::default(),
            line: Line::Head(Vec::new()),
            stream: Stream::default(),
            suspect: None,
            behind_first: false,
            amid: false,
            first: None,
            gap: None,
            lines: 0,
            bytes: 0,
            amid_line: false,
        }
    }
}

impl Cursor {
    /// The second to ask the next stream from (`sinceTime`, whole seconds since 1970); `None` for
    /// the beginning of the log.
    #[must_use]
    pub fn since(&self) -> Option<i64> {
        self.memory.since()
    }

    /// Whole lines passed on.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Content bytes passed on, newlines included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was passed on stops amid a line, and is more than programs write without a newline.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.amid_line && self.bytes > TORN_FROM
    }

    /// The gap that was found since this was last asked.
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// The stamp of the first line that was passed on.
    #[must_use]
    pub fn first(&self) -> Option<Stamp> {
        self.first
    }

    /// The log's last line, which the next stream begins with, was written before anybody asked: what
    /// comes behind it is passed on.
    pub fn behind_first(&mut self, yes: bool) {
        self.behind_first = yes;
    }

    /// The next stream was asked for the log's last lines only: what stands before the first that it brings
    /// is not wanted later either.
    pub fn amid(&mut self, yes: bool) {
        self.amid = yes;
    }

    /// This stream has brought another log, and nothing of it was taken.
    #[must_use]
    pub fn stranger(&self) -> bool {
        self.stream.whose == Whose::Strangers
    }

    /// A stream begins that was asked for from [`Self::since`]. With `wary` one that does not go on where
    /// the last one ended is taken for another log, that of the container's next attempt.
    pub fn begin(&mut self, wary: bool) {
        self.memory.begin();
        self.line = Line::Head(Vec::new());
        self.stream = Stream {
            resumed_head: self.memory.replaying(),
            whose: if wary { Whose::Doubted } else { Whose::Ours },
            ..Stream::default()
        };
    }

    /// The last stream came as far as what is known already. One that did not has broken off, in however
    /// good order it ended.
    #[must_use]
    pub fn met(&self) -> bool {
        !self.memory.replaying()
    }

    /// In this stream the kubelet has spoken in the log's stead.
    #[must_use]
    pub fn spoke(&self) -> bool {
        self.stream.spoke
    }

    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while !chunk.is_empty() && !self.stranger() {
            chunk = match &mut self.line {
                Line::Head(_) => self.head(chunk),
                Line::Content { .. } => self.content(chunk, sink),
                Line::Held { .. } => self.held(chunk, sink),
                Line::Tail(line) => match memchr::memchr(b'\n', chunk) {
                    Some(end) => {
                        keep(line, chunk.get(..end).unwrap_or_default());
                        // An old line's end is known already; the kubelet's own words are not.
                        if KUBELET_SAYS.iter().any(|words| line.starts_with(words)) {
                            sink.diagnostic(line);
                            self.stream.spoke = true;
                        }
                        self.next_line(chunk, end)
                    }
                    None => {
                        keep(line, chunk);
                        &[]
                    }
                },
                Line::Skipped => match memchr::memchr(b'\n', chunk) {
                    Some(end) => self.next_line(chunk, end),
                    None => &[],
                },
                Line::Foreign(line) => match memchr::memchr(b'\n', chunk) {
                    Some(end) => {
                        keep(line, chunk.get(..end).unwrap_or_default());
                        // An empty line without a stamp is nobody's word.
                        if !line.is_empty() {
                            sink.diagnostic(line);
                            self.stream.spoke = true;
                        }
                        self.next_line(chunk, end)
                    }
                    None => {
                        keep(line, chunk);
                        &[]
                    }
                },
            };
        }
    }

    /// The stream has ended: `clean` when the server closed it in good order, so that a line
    /// without newline is whole as far as it goes.
    pub fn end(&mut self, clean: bool, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.line, Line::Head(Vec::new())) {
            Line::Head(_) | Line::Skipped => {}
            // A line of the container ends with a newline, or is the last and bears its stamp.
            Line::Tail(line) if !clean && !KUBELET_SAYS.iter().any(|words| line.starts_with(words)) => {}
            Line::Tail(line) | Line::Foreign(line) => {
                sink.diagnostic(&line);
                self.stream.spoke = true;
            }
            Line::Content {
                stamp,
                taken,
                skip,
                fingerprint,
            } => {
                // While bytes are still skipped the memory of the cut line is the better one.
                if taken > 0 && (skip == 0 || skip == WHOLE) {
                    self.memory.was_cut(Cut {
                        stamp,
                        written: taken,
                        fingerprint: fingerprint.value(),
                        unwanted: skip == WHOLE,
                    });
                }
            }
            Line::Held { stamp, content } => {
                // Cut in transit it may be the beginning of a known line; the next stream tells. What
                // ends twice at the same byte ends there.
                let fingerprint = Fingerprint::of(&content);
                let again = clean && self.suspect == Some((stamp, fingerprint));
                self.suspect = Some((stamp, fingerprint));
                if again || !self.memory.may_be_known(stamp, &content) {
                    self.judge(stamp, &content, sink);
                    self.end(clean, sink);
                }
            }
        }
    }

    fn next_line<'a>(&mut self, chunk: &'a [u8], end: usize) -> &'a [u8] {
        self.line = Line::Head(Vec::new());
        chunk.get(end + 1..).unwrap_or_default()
    }

    fn head<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let Line::Head(begun) = &mut self.line else {
            return chunk;
        };
        let room = (MAX_LEN + 1).saturating_sub(begun.len()).min(chunk.len());
        let (near, _) = chunk.split_at(room);
        let Some(end) = near.iter().position(|b| *b == b' ' || *b == b'\n') else {
            begun.extend_from_slice(near);
            if begun.len() > MAX_LEN {
                let begun = std::mem::take(begun);
                self.foreign(begun);
            }
            return chunk.get(room..).unwrap_or_default();
        };
        let (text, rest) = near.split_at(end);
        let at_space = rest.first() == Some(&b' ');
        let stamp = if begun.is_empty() {
            Stamp::parse(text)
        } else {
            begun.extend_from_slice(text);
            Stamp::parse(begun)
        };
        let Some(stamp) = stamp.filter(|_| at_space) else {
            let begun = if begun.is_empty() {
                text.to_vec()
            } else {
                std::mem::take(begun)
            };
            self.foreign(begun);
            return chunk.get(end..).unwrap_or_default();
        };
        self.stream.resumed_head = false;
        if self.stream.whose == Whose::Doubted && self.memory.since().is_none() {
            self.stream.whose = Whose::Strangers;
        }
        self.line = if self.memory.replaying() {
            Line::Held {
                stamp,
                content: Vec::new(),
            }
        } else {
            if std::mem::take(&mut self.amid) {
                self.memory.begins_with(stamp);
            }
            let skip = if std::mem::take(&mut self.behind_first) {
                WHOLE
            } else {
                self.first = self.first.or(Some(stamp));
                0
            };
            Line::Content {
                stamp,
                taken: 0,
                skip,
                fingerprint: Fingerprint::default(),
            }
        };
        chunk.get(end + 1..).unwrap_or_default()
    }

    /// Directly after a resume an unstamped line is the rest of a line that began before `since`,
    /// so of one that was written long ago; anywhere else it is the kubelet's.
    fn foreign(&mut self, begun: Vec<u8>) {
        self.line = if std::mem::take(&mut self.stream.resumed_head) {
            Line::Tail(begun)
        } else {
            Line::Foreign(begun)
        };
    }

    fn content<'a>(&mut self, chunk: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let Line::Content {
            stamp,
            taken,
            skip,
            fingerprint,
        } = &mut self.line
        else {
            return chunk;
        };
        let end = memchr::memchr(b'\n', chunk);
        let (piece, _) = chunk.split_at(end.unwrap_or(chunk.len()));
        let known = usize::try_from(*skip).unwrap_or(usize::MAX).min(piece.len());
        // With the newline, so that a sink sees a short line in one piece.
        let fresh = chunk.get(known..end.map_or(chunk.len(), |e| e + 1)).unwrap_or_default();
        fingerprint.update(piece);
        let begins = (*taken == 0 && *skip == 0).then_some(*stamp);
        let unwanted = *skip == WHOLE;
        *taken += piece.len() as u64;
        if !unwanted {
            *skip -= known as u64;
            if !fresh.is_empty() {
                sink.content(fresh, begins);
                self.bytes += fresh.len() as u64;
                self.amid_line = end.is_none();
            }
        }
        let Some(end) = end else { return &[] };
        let (stamp, fingerprint) = (*stamp, fingerprint.value());
        self.memory.ended(stamp, fingerprint);
        self.lines += u64::from(!unwanted);
        self.next_line(chunk, end)
    }

    fn held<'a>(&mut self, chunk: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let Line::Held { stamp, content } = &mut self.line else {
            return chunk;
        };
        let end = memchr::memchr(b'\n', chunk).unwrap_or(chunk.len());
        let room = HASHED.saturating_sub(content.len()).min(end);
        let (piece, rest) = chunk.split_at(room);
        content.extend_from_slice(piece);
        if rest.is_empty() && content.len() < HASHED {
            return rest;
        }
        let (stamp, content) = (*stamp, std::mem::take(content));
        self.judge(stamp, &content, sink);
        rest
    }

    /// Decides on a held line and goes on in its middle, the newline still to come.
    fn judge(&mut self, stamp: Stamp, content: &[u8], sink: &mut impl Sink) {
        let (known, gap) = self.memory.judge(stamp, content);
        if gap.is_some() && self.stream.whose == Whose::Doubted {
            self.stream.whose = Whose::Strangers;
            self.line = Line::Skipped;
            return;
        }
        if let Some(gap) = gap {
            self.gap = Some(gap);
            if self.memory.give_up_cut() {
                // The rest of the line is lost. Without this the next line would stand on its end.
                sink.content(b"\n", None);
                self.bytes += 1;
                self.lines += 1;
                self.amid_line = false;
            }
        }
        let skip = match known {
            Known::Whole => {
                self.line = Line::Skipped;
                return;
            }
            Known::Begun(written) => written,
            Known::New => 0,
        };
        self.line = Line::Content {
            stamp,
            taken: 0,
            skip,
            fingerprint: Fingerprint::default(),
        };
        if !content.is_empty() {
            self.content(content, sink);
        }
    }
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
