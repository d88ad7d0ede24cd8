//! What was written of a log, as far back as a resumed stream can replay it.
//!
//! A resumed stream replays the lines whose stamp is not older than `since`, in the order of the
//! file. The memory holds the keys of those lines in the same order, and the one line that was cut,
//! and says of each replayed line whether it is new.

use std::collections::VecDeque;

use super::{
    hash::{Fingerprint, HASHED},
    stamp::Stamp,
};

/// Keys kept at most: 16 K lines in two seconds. Of a faster log the oldest are dropped, and a
/// replayed line with a stamp as old as theirs counts as known.
const CAPACITY: usize = 16 * 1024;

/// Lines of one log may go back in time by this much: a replay is over for good when a line is
/// newer than the newest known one by more.
const SLACK_SECONDS: i64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    stamp: Stamp,
    fingerprint: u64,
}

/// A line of which only the beginning was written when the stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Its stamp.
    pub stamp: Stamp,
    /// Content bytes already written.
    pub written: u64,
    /// Fingerprint of those bytes.
    pub fingerprint: u64,
    /// They were not passed on, and the rest of the line is not wanted either.
    pub unwanted: bool,
}

/// Lines that the cluster lost: written by the container between these two, not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Stamp of the last line before.
    pub from: Stamp,
    /// Stamp of the first line after.
    pub to: Stamp,
}

/// What a replayed line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Written before: skip it.
    Whole,
    /// Its first bytes were written before: skip so many, or all of it.
    Begun(u64),
    /// Never seen.
    New,
}

/// The keys of what was written, and the state of a replay.
#[derive(Debug, Default)]
pub struct Memory {
    keys: VecDeque<Key>,
    /// The newest stamp of the keys that were let go.
    dropped: Option<Stamp>,
    /// How many of them bear it: they are known by their number, for others that bear it are not.
    dropped_equal: u64,
    newest: Option<Stamp>,
    /// The stamp of the last line: well before the newest where the node's clock was set back.
    last: Option<Stamp>,
    cut: Option<Cut>,
    replay: Option<Replay>,
}

#[derive(Debug)]
struct Replay {
    /// Keys before this one have been met again, or were rotated away.
    next: usize,
    /// Keys from here on were added since the stream was opened.
    end: usize,
    /// Lines still to come of those that were let go and bear [`Memory::dropped`].
    equal_left: u64,
    /// A line matched.
    matched: bool,
    /// A new line came before the last known one was met.
    gap_told: bool,
    /// The newest stamp when the stream was opened: lines well after it are new for certain.
    newest: Stamp,
}

impl Memory {
    /// Whole second to resume from: the floored newest stamp minus one; where the node's clock was set
    /// back, the last line's. `None` before any line. The kubelet compares every line's own stamp, so what
    /// comes after such a line is not lost (k8s.io/cri-client pkg/logs).
    #[must_use]
    pub fn since(&self) -> Option<i64> {
        let (newest, last) = (self.newest?.seconds, self.last?.seconds);
        let set_back = newest - last > SLACK_SECONDS;
        Some(if set_back { last } else { newest } - 1)
    }

    /// A replay is going on: lines have to be held until they are known or new.
    #[must_use]
    pub fn replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// The log is known from its line with this stamp on; older lines that a replay brings count as known.
    pub fn begins_with(&mut self, stamp: Stamp) {
        self.dropped = self.dropped.max(Some(stamp));
    }

    /// A stream from [`Self::since`] begins.
    pub fn begin(&mut self) {
        self.replay = self.newest.map(|newest| Replay {
            next: 0,
            end: self.keys.len(),
            equal_left: self.dropped_equal,
            matched: false,
            gap_told: false,
            newest,
        });
    }

    /// A whole line was written.
    pub fn ended(&mut self, stamp: Stamp, fingerprint: u64) {
        self.cut = None;
        self.newest = self.newest.max(Some(stamp));
        self.last = Some(stamp);
        self.keys.push_back(Key { stamp, fingerprint });
        if self.replay.is_none() {
            self.forget();
        }
    }

    /// The stream ended within this line.
    pub fn was_cut(&mut self, cut: Cut) {
        self.newest = self.newest.max(Some(cut.stamp));
        self.last = Some(cut.stamp);
        self.cut = Some(cut);
    }

    /// The rest of the cut line is lost. True if a part of it was written, which stands as a line of its own.
    pub fn give_up_cut(&mut self) -> bool {
        self.cut.take().is_some_and(|cut| !cut.unwanted)
    }

    fn forget(&mut self) {
        let Some(since) = self.since() else { return };
        while let Some(oldest) = self.keys.front().copied() {
            if oldest.stamp.seconds >= since && self.keys.len() <= CAPACITY {
                break;
            }
            self.keys.pop_front();
            match Some(oldest.stamp).cmp(&self.dropped) {
                std::cmp::Ordering::Greater => {
                    self.dropped = Some(oldest.stamp);
                    self.dropped_equal = 1;
                }
                std::cmp::Ordering::Equal => self.dropped_equal += 1,
                std::cmp::Ordering::Less => {}
            }
        }
    }

    /// This beginning of a line, cut in transit, may belong to a line that is known: one of this
    /// stamp is still to come in the replay.
    #[must_use]
    pub fn may_be_known(&self, stamp: Stamp, begin: &[u8]) -> bool {
        let old = self.dropped.is_some_and(|dropped| stamp <= dropped);
        let in_cut = self
            .cut
            .is_some_and(|cut| cut.stamp == stamp && !continues(&cut, stamp, begin));
        old || in_cut || self.expected().any(|key| key.stamp == stamp)
    }

    fn expected(&self) -> impl Iterator<Item = &Key> {
        let (next, end) = self.replay.as_ref().map_or((0, 0), |r| (r.next, r.end));
        self.keys.iter().take(end).skip(next)
    }

    /// Judges a replayed line by its stamp and its beginning, up to [`HASHED`] bytes. The second
    /// value is a gap that this line proves.
    pub fn judge(&mut self, stamp: Stamp, content: &[u8]) -> (Known, Option<Gap>) {
        let key = Key {
            stamp,
            fingerprint: Fingerprint::of(content),
        };
        // Older than anything that is remembered, so it was passed on; no need to look through all of it.
        let unmatched = self.replay.as_ref().is_some_and(|replay| !replay.matched);
        if unmatched && self.dropped.is_some_and(|dropped| stamp < dropped) {
            return (Known::Whole, None);
        }
        // The kubelet replays all lines of a second, so these come before the ones that are remembered.
        if self.dropped == Some(stamp)
            && let Some(replay) = self.replay.as_mut().filter(|replay| replay.equal_left > 0)
        {
            replay.equal_left -= 1;
            return (Known::Whole, None);
        }
        let position = self.expected().position(|k| *k == key);
        let Some(replay) = self.replay.as_mut() else {
            return (Known::New, None);
        };
        if let Some(offset) = position {
            replay.matched = true;
            replay.next += offset + 1;
            if replay.next == replay.end && self.cut.is_none() {
                self.finish();
            }
            return (Known::Whole, None);
        }
        if let Some(cut) = self.cut
            && continues(&cut, stamp, content)
        {
            self.finish();
            let skipped = if cut.unwanted { u64::MAX } else { cut.written };
            return (Known::Begun(skipped), None);
        }
        if !replay.matched && self.dropped.is_some_and(|dropped| stamp <= dropped) {
            return (Known::Whole, None);
        }
        // The replay brings lines in the order of the file, so what comes before the last known
        // line was met is either new out of order or, far more likely, stands behind a rotation.
        let lost = !replay.gap_told && (replay.next < replay.end || self.cut.is_some());
        replay.gap_told |= lost;
        let newest = replay.newest;
        if stamp.seconds > newest.seconds + SLACK_SECONDS {
            self.finish();
        }
        (
            Known::New,
            lost.then_some(Gap {
                from: newest,
                to: stamp,
            }),
        )
    }

    fn finish(&mut self) {
        self.replay = None;
        self.forget();
    }
}

/// The replayed line begins with what was written of the cut one.
fn continues(cut: &Cut, stamp: Stamp, content: &[u8]) -> bool {
    let compared = usize::try_from(cut.written).unwrap_or(HASHED).min(HASHED);
    stamp == cut.stamp
        && content
            .get(..compared)
            .is_some_and(|begin| Fingerprint::of(begin) == cut.fingerprint)
}
