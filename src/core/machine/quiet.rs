//! How long the end of a run waits for logs and pods of which nothing comes: half a minute, but as long as
//! any outage may last while it is the API server that cannot be reached.

use std::time::Duration;

use crate::core::{failure::Failure, notice::Notice};

/// Draining ends when no log has brought a byte for this long.
pub(super) const QUIET: Duration = Duration::from_secs(30);

/// What has come, and what cannot.
#[derive(Debug)]
pub(super) struct Quiet {
    /// When something last came.
    heard: Duration,
    /// Since when the pods' watch is out of order.
    pods: Option<Duration>,
    /// Since when no log can be opened, and how often it was tried.
    logs: Option<(Duration, u32)>,
    /// When it was told that the API server is out of reach.
    told: Option<Duration>,
}

impl Quiet {
    /// Something came just now. `lost` says that the pods cannot be watched at present.
    pub(super) fn new(now: Duration, lost: bool) -> Self {
        Self {
            heard: now,
            pods: lost.then_some(now),
            logs: None,
            told: None,
        }
    }

    /// Until when something has to come.
    pub(super) fn until(&self, outage_budget: Duration) -> Duration {
        let since = self.pods.or(self.logs.map(|(since, _)| since));
        let patient = since.map(|since| since + outage_budget);
        patient.unwrap_or_default().max(self.heard + QUIET)
    }

    /// A log has brought something.
    pub(super) fn log_came(&mut self, now: Duration) -> Option<Notice> {
        self.heard = now;
        self.logs = None;
        self.back(now)
    }

    /// The pods are watched again.
    pub(super) fn pods_came(&mut self, now: Duration) -> Option<Notice> {
        if self.pods.take().is_some() {
            self.heard = now;
        }
        self.back(now)
    }

    /// A log could not be reached.
    pub(super) fn log_lost(&mut self, failure: &Failure, budget: Duration, now: Duration) -> Option<Notice> {
        let (since, tries) = self.logs.unwrap_or((now, 0));
        self.logs = Some((since, tries + 1));
        // The first failure heals most often.
        if tries == 0 {
            return None;
        }
        self.tell(failure, budget, now)
    }

    /// The pods could not be listed.
    pub(super) fn list_lost(&mut self, failure: &Failure, budget: Duration, now: Duration) -> Option<Notice> {
        let again = self.pods.is_some();
        self.pods = self.pods.or(Some(now));
        again.then(|| self.tell(failure, budget, now)).flatten()
    }

    /// The pods' watch is out of order.
    pub(super) fn pods_lost(&mut self, failure: &Failure, budget: Duration, now: Duration) -> Option<Notice> {
        self.pods = self.pods.or(Some(now));
        self.tell(failure, budget, now)
    }

    fn tell(&mut self, failure: &Failure, budget: Duration, now: Duration) -> Option<Notice> {
        if self.told.is_some() {
            return None;
        }
        self.told = Some(now);
        let failure = failure.clone();
        Some(Notice::ConnectionLost { failure, budget })
    }

    fn back(&mut self, now: Duration) -> Option<Notice> {
        if self.pods.is_some() || self.logs.is_some() {
            return None;
        }
        let since = self.told.take()?;
        Some(Notice::ConnectionBack {
            after: now.saturating_sub(since),
        })
    }
}
