//! How a watch goes on after it has ended: from which version, and after what pause.

use std::time::Duration;

use super::{
    backoff::{Backoff, Jitter},
    failure::Failure,
};

/// A watch that brought neither event nor bookmark for this long is taken for dead. Bookmarks come
/// every minute (`allowWatchBookmarks`), so two were missed.
pub const DEAD_AFTER: Duration = Duration::from_secs(130);

/// Why a watch, or the list before it, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server closed it in good order, as it does every half hour or so.
    Closed,
    /// The version asked for is gone (410): only a fresh list can tell what happened meanwhile.
    Expired,
    /// Nothing came for [`DEAD_AFTER`].
    Silent,
    /// The request failed or the stream broke.
    Failed(Failure),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed it"),
            Self::Expired => f.write_str("its version is gone"),
            Self::Silent => f.write_str("nothing came of it"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// A watch that opens and breaks again without an event this often in a row does not work, whatever
/// the heads of its answers say.
const BROKEN: u32 = 2;

/// While watching is refused, lists are made after pauses from the first to the last of these: often
/// for a Job that is soon over, seldom for one that runs for hours.
const POLL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(90));
/// After so many lists the watch is tried again: a Role may have been mended.
const TRY_WATCH_EVERY: u32 = 10;

/// Where a watch stands.
#[derive(Debug)]
pub struct Resume {
    version: Option<String>,
    backoff: Backoff,
    /// Failures in a row.
    failures: u32,
    /// Streams in a row that opened, and failed before they brought anything.
    broken: u32,
    open: bool,
    told: bool,
    /// Watching is refused: lists made since then.
    polls: Option<u32>,
}

impl Resume {
    /// A watch that starts at this version, or with a list where there is none.
    #[must_use]
    pub fn new(version: Option<String>, jitter: Jitter) -> Self {
        Self {
            version,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10), jitter),
            failures: 0,
            broken: 0,
            open: false,
            told: false,
            polls: None,
        }
    }

    /// The version to watch from; `None` asks for a list first.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The next list stands for itself, and no watch follows it: watching is refused.
    #[must_use]
    pub fn polls(&self) -> bool {
        self.polls.is_some_and(|polls| !polls.is_multiple_of(TRY_WATCH_EVERY))
    }

    /// The watch itself was refused (403), while lists may be allowed. The pause before the next list, and
    /// whether that is to be told.
    pub fn refused(&mut self) -> (Duration, bool) {
        self.version = None;
        self.backoff.reset();
        // An API server that has just started knows no Roles yet, so one refusal is none.
        let polls = self.polls.map_or(0, |polls| polls + 1);
        self.polls = Some(polls);
        (pause_between(polls), polls == 1)
    }

    /// A list was made in place of a watch. The pause before the next.
    pub fn polled(&mut self) -> Duration {
        self.version = None;
        let polls = self.polls.get_or_insert(0);
        *polls += 1;
        pause_between(*polls)
    }

    /// The server has begun to answer. True if that ends an outage that was told.
    #[must_use]
    pub fn opened(&mut self) -> bool {
        self.open = true;
        self.polls = None;
        self.broken < BROKEN && self.works()
    }

    /// A list, an event or a bookmark brought this version: the connection works. True if that ends an
    /// outage that was told.
    #[must_use]
    pub fn seen(&mut self, version: &str) -> bool {
        self.backoff.reset();
        self.broken = 0;
        self.open = false;
        if !version.is_empty() {
            self.version = Some(version.to_owned());
        }
        self.works()
    }

    fn works(&mut self) -> bool {
        self.failures = 0;
        std::mem::take(&mut self.told)
    }

    /// The pause before the next request after this end, and the failure if it is to be told now: most
    /// heal at the first try, a refusal does not.
    pub fn after(&mut self, end: End) -> (Duration, Option<Failure>) {
        let failure = match end {
            // Not at once: a proxy that closes every watch must not make a hot loop of us.
            End::Closed => return (self.backoff.next(None), None),
            End::Expired => {
                self.version = None;
                return (self.backoff.next(None), None);
            }
            End::Silent => {
                // Only a list tells what a dead connection has kept back.
                self.version = None;
                Failure::Lost(format!(
                    "the watch brought nothing for {}",
                    super::duration::show(DEAD_AFTER)
                ))
            }
            End::Failed(failure) => failure,
        };
        self.failures += 1;
        self.broken += u32::from(std::mem::take(&mut self.open));
        let pause = if failure.is(403) {
            pause_between(self.failures)
        } else {
            self.backoff.next(failure.retry_after())
        };
        let tell = !self.told && (self.failures > 1 || self.broken >= BROKEN || failure.is(403));
        self.told |= tell;
        (pause, tell.then_some(failure))
    }
}

/// A tenth longer each time, from the first to the last of [`POLL`].
fn pause_between(polls: u32) -> Duration {
    let (first, last) = POLL;
    let grown = (0..polls.min(60)).fold(first, |pause, _| pause + pause / 10);
    grown.min(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::Status;

    fn resume() -> Resume {
        Resume::new(Some("7".to_owned()), Jitter::new(1))
    }

    fn lost() -> End {
        End::Failed(Failure::Lost("reset".to_owned()))
    }

    fn told(resume: &mut Resume, end: End) -> bool {
        resume.after(end).1.is_some()
    }

    #[test]
    fn what_was_told_once_is_taken_back_once() {
        let forbidden = || {
            End::Failed(Failure::Answered(Box::new(Status {
                code: 403,
                ..Status::default()
            })))
        };
        let mut resume = resume();
        assert!(told(&mut resume, forbidden()), "a refusal at once");
        assert!(!told(&mut resume, forbidden()), "and once");
        assert!(resume.opened(), "one success ends it, however short it was");
        assert!(!resume.opened() && !resume.seen("8"));
        assert!(!told(&mut resume, lost()), "the first failure may heal");
        assert!(told(&mut resume, lost()));
        assert!(resume.seen("9"));
    }

    #[test]
    fn streams_that_open_and_break_are_an_outage() {
        let mut resume = resume();
        for round in 0..20 {
            let back = resume.opened();
            let lost = told(&mut resume, lost());
            assert_eq!((back, lost), (false, round == 1), "round {round}");
        }
        assert!(resume.seen("8"), "an event ends it");
    }

    #[test]
    fn where_watching_is_refused_lists_are_made_seldom_enough() {
        let mut resume = resume();
        assert!(!resume.polls());
        let (mut passed, told) = resume.refused();
        assert!(
            !told && !resume.polls(),
            "it may be an API server that has just started"
        );
        let (pause, told) = resume.refused();
        assert!(told);
        passed += pause;
        let (mut lists, mut watches) = (0, 0);
        while passed < Duration::from_secs(3600) {
            assert_eq!(resume.version(), None, "a list comes first");
            lists += 1;
            passed += if resume.polls() {
                resume.polled()
            } else {
                watches += 1;
                let (pause, again) = resume.refused();
                assert!(!again, "told once");
                pause
            };
        }
        assert!(
            (50..100).contains(&lists) && watches > 4,
            "{lists} lists, {watches} watches"
        );
        assert!(!resume.opened(), "no outage was told");
        assert!(!resume.polls(), "it is allowed again");
    }

    #[test]
    fn a_silent_watch_is_listed_anew_and_told_if_it_stays_silent() {
        let mut resume = resume();
        assert!(!resume.opened() && !told(&mut resume, End::Silent));
        assert_eq!(resume.version(), None);
        assert!(!resume.seen("9"), "the list");
        assert!(!resume.opened() && !told(&mut resume, End::Silent));
        assert!(!resume.opened() && told(&mut resume, End::Silent));
    }
}
