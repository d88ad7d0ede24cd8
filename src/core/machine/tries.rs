//! A request about the Job's end that is made again as long as that may help.

use std::time::Duration;

use crate::core::{
    backoff::{Backoff, Jitter},
    failure::Failure,
};

/// How long such a request is repeated.
const BUDGET: Duration = Duration::from_secs(30);

/// One is under way, or waits for its next try.
#[derive(Debug)]
pub(super) struct Tries {
    backoff: Backoff,
    next: Option<Duration>,
    by: Duration,
    last: Option<Failure>,
}

/// What the time asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Now {
    /// Its answer, or its time, is waited for.
    Wait,
    /// It is to be sent again.
    Again,
    /// It is over, for this reason.
    Over(String),
}

impl Tries {
    /// The first is sent at `now`; no later than `limit`, where there is one, all are over.
    pub(super) fn new(now: Duration, limit: Option<Duration>, jitter: Jitter) -> Self {
        let by = now + BUDGET;
        Self {
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5), jitter),
            next: None,
            by: limit.map_or(by, |limit| by.min(limit)),
            last: None,
        }
    }

    /// When to look at the clock.
    pub(super) fn due(&self) -> Duration {
        self.next.map_or(self.by, |next| next.min(self.by))
    }

    /// A try failed in a way that may heal.
    pub(super) fn failed(&mut self, failure: Failure, now: Duration) {
        self.next = Some(now + self.backoff.next(failure.retry_after()));
        self.last = Some(failure);
    }

    /// No later than this.
    pub(super) fn hurry(&mut self, limit: Duration) {
        self.by = limit.min(self.by);
    }

    /// What is to be done at `now`.
    pub(super) fn at(&mut self, now: Duration) -> Now {
        if now >= self.by {
            let last = self.last.as_ref().map(ToString::to_string);
            return Now::Over(last.unwrap_or_else(|| "the server did not answer in time".to_owned()));
        }
        if self.next.is_some_and(|at| now >= at) {
            self.next = None;
            return Now::Again;
        }
        Now::Wait
    }
}
