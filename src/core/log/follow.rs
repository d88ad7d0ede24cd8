//! What to do when a stream over a container's log has ended: open another, settle, or be done.
//!
//! A log is complete only when its container has terminated *and* a read after that has brought
//! nothing new. A stream that ends in good order proves nothing: API servers, proxies and rotation
//! end streams too.

use std::time::Duration;

use crate::core::{
    backoff::{Backoff, Jitter},
    failure::Failure,
};

/// A silent stream is reopened after this: half-open connections and lost file watches on the node
/// look the same as a container that has nothing to say.
pub const SILENT_AFTER: Duration = Duration::from_secs(300);

/// How long the pod's status may lag behind the end of its log stream before the stream is opened
/// again; longer each time that brings nothing, for a kubelet with a hundred pods takes a while to tell of an
/// end. News of the status cut the pause short.
const STATUS_LAG: [Duration; 4] = [
    Duration::from_millis(1500),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// How long a node may take to write what a container has left in its pipe: containerd reports the end
/// before its logger has copied the last of it to the file (pkg/cri/io, `redirectLogs`). The Job controller
/// takes a second to tell that the Job has ended (`syncJobBatchPeriod`), so nobody waits for this.
const WRITING_LAG: Duration = Duration::from_millis(500);

/// The same for a log that stops amid a line, as it does while a busy node has not written all of it.
const TORN_LAG: Duration = Duration::from_secs(3);

/// A log that is read in turn with others is read again after this, less than the half minute that is
/// promised.
const TURN_AFTER: Duration = Duration::from_secs(20);

/// Pauses before a stream that seems to be another attempt's is believed. The pod's status lags behind
/// the kubelet's by up to 10 s when the API server was away (pkg/kubelet/status, `syncPeriod`); a change
/// of it cuts a pause short.
const DOUBTS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(8)];

/// Vain tries in a row after which a log is given up: a quarter of a minute.
const PATIENCE: u32 = 6;
/// The same for a log of which nothing was ever read: seconds.
const PATIENCE_UNREAD: u32 = 3;

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server closed it in good order.
    Eof,
    /// Nothing came for [`SILENT_AFTER`].
    Silent,
    /// The stream broke, or could not be opened.
    Failed(Failure),
    /// It ended in good order without what is known to be there: the kubelet spoke in the log's stead,
    /// or a connection behind the API server broke.
    Vain,
    /// It brought another log, most likely that of the container's next attempt: a log is asked for by
    /// names only.
    Stranger,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Eof => f.write_str("the server closed it, which proves no end"),
            Self::Silent => f.write_str("nothing came of it"),
            Self::Failed(failure) => failure.fmt(f),
            Self::Vain => f.write_str("it ended without what is known to be there"),
            Self::Stranger => f.write_str("it brought the log of another attempt"),
        }
    }
}

/// What the pod's status says of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// Running, as far as is known.
    Running,
    /// Terminated: its log will not grow any more.
    Ended,
    /// The pod is gone, and the log with it.
    Gone,
}

/// What is to be read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// All of it.
    #[default]
    Beginning,
    /// The last so many lines, and what follows them.
    Tail(u64),
    /// What is written from now on.
    Now,
}

/// How to read a log, by what is known of its container now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// Whether it still grows.
    pub life: Life,
    /// It is the attempt before the current one (`previous=true`).
    pub previous: bool,
    /// Its stream may stay open; otherwise it is read in turn with others.
    pub followed: bool,
}

/// What is known of a log when no more is to be read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// The container had ended and a later read brought nothing new.
    Yes,
    /// Read to its end, which is amid a line: the node may have lost what its container wrote last.
    Torn,
    /// The API could not tell: the log went away before the last read.
    Unproven,
    /// The end is proven, the beginning is not: the log was first read long after the container's start,
    /// when the node may have rotated its first lines away.
    LateStart,
    /// The log may not be read.
    Denied,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Open a stream after this pause; `follow` keeps it open while the container runs. A pause is
    /// cut short when the container's life changes.
    Open {
        /// The pause.
        after: Duration,
        /// Ask the server to keep the stream open.
        follow: bool,
    },
    /// Read no more.
    Done(Complete),
}

/// Whether a stream is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is.
    Now,
    /// It will be, unless the status says something new before this has passed.
    After(Duration),
    /// There is no log to be had: that of a pod that is gone, or of an attempt whose name now means another.
    Never,
}

/// The state of following one log.
#[derive(Debug)]
pub struct Follow {
    backoff: Backoff,
    /// What the status said when the current stream was opened.
    opened_in: LogState,
    /// How long the log had been at rest then.
    rested: Duration,
    /// The kubelet may start the container again under the same name.
    restarts: bool,
    /// Streams opened.
    opened: u32,
    /// Of these, how many because the one before had broken.
    reconnects: u32,
    /// The last stream ended in good order while its container seemed to run.
    ended_early: bool,
    /// Ends in good order in a row that brought nothing, of a container that seems to run.
    ends: usize,
    /// Streams in a row that were taken for another attempt's.
    doubts: usize,
    /// The log may not be read, for this reason.
    denied: Option<Failure>,
    /// Something of it was read.
    read: bool,
    /// Tries in a row that were denied, or that only the kubelet's own words came of.
    vain: u32,
    /// Where what was read stops.
    stops: Stops,
}

/// Where a log stops, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stops {
    /// Where a program may have stopped writing.
    AnyPlace,
    /// Amid a line, as no program would.
    AmidLine,
}

impl Follow {
    /// Nothing read yet. `restarts` says that the container may run again under the same name.
    #[must_use]
    pub fn new(jitter: Jitter, restarts: bool) -> Self {
        Self {
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10), jitter),
            opened_in: LogState {
                life: Life::Running,
                previous: false,
                followed: true,
            },
            rested: Duration::ZERO,
            restarts,
            opened: 0,
            reconnects: 0,
            ended_early: false,
            doubts: 0,
            ends: 0,
            denied: None,
            read: false,
            vain: 0,
            stops: Stops::AnyPlace,
        }
    }

    /// Whether what was read of the log stops amid a line, as no program would; to be told before
    /// [`Self::ended`].
    pub fn torn(&mut self, torn: bool) {
        self.stops = if torn { Stops::AmidLine } else { Stops::AnyPlace };
    }

    /// For how long after its container's end a log may still grow.
    fn writing_lag(&self) -> Duration {
        match self.stops {
            Stops::AnyPlace => WRITING_LAG,
            Stops::AmidLine => TORN_LAG,
        }
    }

    /// Why the log may not be read at all, for example 403.
    #[must_use]
    pub fn denied(&self) -> Option<&Failure> {
        self.denied.as_ref()
    }

    /// A stream is to be opened while the status says this. `rested` is the time since the container was
    /// known to have ended, and since its log last brought a byte.
    #[must_use]
    pub fn opening(&mut self, state: LogState, rested: Duration) -> Opening {
        if state.life == Life::Gone {
            return Opening::Never;
        }
        // What is read for the first time is read at once, for it may go away.
        if state.life == Life::Ended && self.opened > 0 && rested < self.writing_lag() {
            return Opening::After(self.writing_lag().saturating_sub(rested));
        }
        // It runs on, so its stream was broken off, in however good order.
        let broken = std::mem::take(&mut self.ended_early) && state.life == Life::Running;
        self.reconnects += u32::from(broken);
        self.opened_in = state;
        self.rested = rested;
        self.opened += 1;
        Opening::Now
    }

    /// A stream that does not go on where the last one ended is to be taken for another attempt's.
    #[must_use]
    pub fn wary(&self) -> bool {
        self.restarts && self.opened > 1 && self.doubts < DOUBTS.len()
    }

    /// Streams opened because the one before had broken off.
    #[must_use]
    pub fn reconnects(&self) -> u32 {
        self.reconnects
    }

    /// The stream brought bytes: the next failure is a new outage.
    pub fn progressed(&mut self) {
        self.backoff.reset();
        self.vain = 0;
        self.doubts = 0;
        self.ends = 0;
        self.read = true;
        self.denied = None;
    }

    /// A stream has ended. `brought` says whether it brought a byte that was not known, `life` what
    /// the status says now.
    pub fn ended(&mut self, end: &End, brought: bool, life: Life) -> Next {
        let settled = self.opened_in.life >= Life::Ended && self.rested >= self.writing_lag() && !brought;
        if *end == End::Eof {
            // It could be read.
            self.denied = None;
        }
        self.reconnects += u32::from(match end {
            End::Failed(_) | End::Vain => true,
            // Most likely the container has ended, and its status is on the way.
            End::Eof | End::Silent | End::Stranger => false,
        });
        self.ended_early = *end == End::Eof && life == Life::Running && self.opened_in.followed;
        match (end, life) {
            (End::Eof, Life::Ended | Life::Gone) if settled && self.stops == Stops::AmidLine => {
                Next::Done(Complete::Torn)
            }
            (End::Eof, Life::Ended | Life::Gone) if settled => Next::Done(Complete::Yes),
            (_, Life::Gone) => Next::Done(Complete::Unproven),
            // The lag of the node's writing stands before the opening.
            (End::Eof | End::Silent, Life::Ended) => Next::Open {
                after: Duration::ZERO,
                follow: false,
            },
            (End::Eof, Life::Running) if !self.opened_in.followed => Next::Open {
                after: TURN_AFTER,
                follow: true,
            },
            (End::Eof, Life::Running) => Next::Open {
                after: self.lag(),
                follow: true,
            },
            (End::Stranger, Life::Running | Life::Ended) => {
                let [.., longest] = DOUBTS;
                let after = DOUBTS.get(self.doubts).copied().unwrap_or(longest);
                self.doubts += 1;
                Next::Open {
                    after,
                    follow: life == Life::Running,
                }
            }
            (End::Silent, Life::Running) => Next::Open {
                after: Duration::ZERO,
                follow: true,
            },
            (End::Failed(failure), Life::Running | Life::Ended) => self.failed(failure, life),
            (End::Vain, Life::Running | Life::Ended) => {
                self.vain += 1;
                if life == Life::Ended && self.vain >= PATIENCE {
                    return Next::Done(Complete::Unproven);
                }
                Next::Open {
                    after: self.patiently(),
                    follow: life == Life::Running,
                }
            }
        }
    }

    /// The pause after an end in good order of a container that seems to run.
    fn lag(&mut self) -> Duration {
        let [.., longest] = STATUS_LAG;
        let lag = STATUS_LAG.get(self.ends).copied().unwrap_or(longest);
        self.ends += 1;
        self.backoff.next(None).max(lag)
    }

    /// A moment, then one second, and twice as long each time.
    fn patiently(&self) -> Duration {
        match self.vain {
            0 | 1 => Duration::from_millis(200),
            tries => Duration::from_secs(1 << (tries - 2).min(5)),
        }
    }

    fn failed(&mut self, failure: &Failure, life: Life) -> Next {
        // No permission to read logs; or an API server that has just started and knows no Roles yet.
        if failure.is(403) {
            self.vain += 1;
            self.denied = Some(failure.clone());
            let patience = if self.read { PATIENCE } else { PATIENCE_UNREAD };
            if self.vain >= patience {
                return Next::Done(Complete::Denied);
            }
            return Next::Open {
                after: self.patiently(),
                follow: life == Life::Running,
            };
        }
        // 400 of an ended container: its log is not there any more. Of one that seems to run: it
        // "is waiting to start" again.
        if failure.is(400) && life == Life::Ended {
            return Next::Done(Complete::Unproven);
        }
        // 404 proves nothing: a kubelet that has just started answers so for pods that exist. That a
        // pod is gone its watch tells.
        Next::Open {
            after: self.backoff.next(failure.retry_after()),
            follow: life == Life::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::Status;

    fn follow() -> Follow {
        Follow::new(Jitter::new(1), false)
    }

    fn opening(follow: &mut Follow, life: Life) {
        assert_eq!(opening_after(follow, life, WRITING_LAG), Opening::Now);
    }

    fn opening_after(follow: &mut Follow, life: Life, rested: Duration) -> Opening {
        let state = LogState {
            life,
            previous: false,
            followed: true,
        };
        follow.opening(state, rested)
    }

    fn answered(code: u16) -> End {
        End::Failed(Failure::Answered(Box::new(Status {
            code,
            ..Status::default()
        })))
    }

    #[test]
    fn a_clean_end_of_a_running_container_is_no_end() {
        let mut f = follow();
        opening(&mut f, Life::Running);
        let Next::Open { after, follow: true } = f.ended(&End::Eof, true, Life::Running) else {
            panic!("gave up");
        };
        assert!(after >= STATUS_LAG[0], "the status gets time to catch up");
        assert_eq!(f.reconnects(), 0, "perhaps it is over");
        opening(&mut f, Life::Running);
        assert_eq!(f.reconnects(), 1, "it was not");
    }

    #[test]
    fn an_ended_container_is_read_until_nothing_new_comes() {
        let mut f = follow();
        opening(&mut f, Life::Running);
        let settle = Next::Open {
            after: Duration::ZERO,
            follow: false,
        };
        assert_eq!(f.ended(&End::Eof, true, Life::Ended), settle);
        opening(&mut f, Life::Ended);
        assert_eq!(
            f.ended(&End::Eof, true, Life::Ended),
            settle,
            "it brought something: once more"
        );
        opening(&mut f, Life::Ended);
        assert_eq!(f.ended(&End::Eof, false, Life::Ended), Next::Done(Complete::Yes));
    }

    #[test]
    fn a_log_that_stops_amid_a_line_is_waited_for_longer_and_then_called_torn() {
        let mut f = follow();
        opening(&mut f, Life::Running);
        f.torn(true);
        assert!(matches!(f.ended(&End::Eof, true, Life::Ended), Next::Open { .. }));
        let short = Opening::After(TORN_LAG.saturating_sub(WRITING_LAG));
        assert_eq!(opening_after(&mut f, Life::Ended, WRITING_LAG), short);
        // The rest of it comes late.
        assert_eq!(opening_after(&mut f, Life::Ended, TORN_LAG), Opening::Now);
        f.torn(false);
        assert!(matches!(f.ended(&End::Eof, true, Life::Ended), Next::Open { .. }));
        opening(&mut f, Life::Ended);
        assert_eq!(f.ended(&End::Eof, false, Life::Ended), Next::Done(Complete::Yes));
        // It does not.
        let mut f = follow();
        opening(&mut f, Life::Running);
        f.torn(true);
        assert!(matches!(f.ended(&End::Eof, true, Life::Ended), Next::Open { .. }));
        assert_eq!(opening_after(&mut f, Life::Ended, TORN_LAG), Opening::Now);
        assert_eq!(f.ended(&End::Eof, false, Life::Ended), Next::Done(Complete::Torn));
    }

    #[test]
    fn a_log_may_come_later_than_the_end_of_its_container() {
        let mut f = follow();
        // Seen ended at first sight: it is read at once, which proves nothing.
        assert_eq!(opening_after(&mut f, Life::Ended, Duration::ZERO), Opening::Now);
        assert!(matches!(f.ended(&End::Eof, false, Life::Ended), Next::Open { .. }));
        let half = WRITING_LAG / 2;
        assert_eq!(opening_after(&mut f, Life::Ended, half), Opening::After(half));
        opening(&mut f, Life::Ended);
        assert_eq!(f.ended(&End::Eof, false, Life::Ended), Next::Done(Complete::Yes));
        assert_eq!(opening_after(&mut f, Life::Gone, WRITING_LAG), Opening::Never);
    }

    #[test]
    fn what_cannot_be_read_is_not_called_complete() {
        for (end, life) in [
            (answered(404), Life::Gone),
            (answered(400), Life::Ended),
            (End::Eof, Life::Gone),
            (answered(500), Life::Gone),
        ] {
            let mut f = follow();
            opening(&mut f, Life::Running);
            assert_eq!(
                f.ended(&end, false, life),
                Next::Done(Complete::Unproven),
                "{end:?} {life:?}"
            );
        }
    }

    #[test]
    fn a_log_that_may_not_be_read_is_given_up_with_its_reason() {
        let tries = |f: &mut Follow| {
            (1..20).find(|_| f.ended(&answered(403), false, Life::Running) == Next::Done(Complete::Denied))
        };
        let mut f = follow();
        assert_eq!(tries(&mut f), Some(PATIENCE_UNREAD));
        assert!(f.denied().is_some());
        let mut f = follow();
        assert_ne!(
            f.ended(&answered(403), false, Life::Running),
            Next::Done(Complete::Denied)
        );
        f.progressed();
        assert_eq!(
            (tries(&mut f), f.denied().is_some()),
            (Some(PATIENCE), true),
            "what could be read once"
        );
    }

    #[test]
    fn a_log_in_whose_stead_the_kubelet_speaks_is_not_called_complete() {
        let mut f = follow();
        for _ in 1..PATIENCE {
            opening(&mut f, Life::Ended);
            let Next::Open { after, follow: false } = f.ended(&End::Vain, false, Life::Ended) else {
                panic!("gave up");
            };
            assert!(!after.is_zero());
        }
        assert_eq!(f.ended(&End::Vain, false, Life::Ended), Next::Done(Complete::Unproven));
    }

    #[test]
    fn what_may_heal_is_tried_again() {
        for end in [
            answered(400),
            answered(401),
            answered(404),
            answered(429),
            answered(500),
            End::Failed(Failure::Lost(String::new())),
        ] {
            let mut f = follow();
            opening(&mut f, Life::Running);
            assert!(
                matches!(f.ended(&end, false, Life::Running), Next::Open { follow: true, .. }),
                "{end:?}"
            );
        }
    }
}
