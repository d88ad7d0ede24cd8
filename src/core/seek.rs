//! Looking for a Job that should exist: what is asked again and for how long, and what to say if it is
//! not found. `attach` and `status` do this alike.

use std::time::Duration;

use super::{
    backoff::{Backoff, Jitter},
    failure::Failure,
    job::{JobView, RUN_ID},
    outcome::{Outcome, Verdict},
};

/// A question that is asked again as long as that may help, up to a limit.
#[derive(Debug)]
pub struct Seek {
    until: Duration,
    backoff: Backoff,
    next: Option<Duration>,
    last: Option<Failure>,
}

impl Seek {
    /// Asks until then.
    #[must_use]
    pub fn new(until: Duration, jitter: Jitter) -> Self {
        Self {
            until,
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5), jitter),
            next: None,
            last: None,
        }
    }

    /// When to look at the clock: for the next try, or because it is over.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.next.map_or(self.until, |at| at.min(self.until))
    }

    /// Whether it is over at `now`; if not, it is time to ask again.
    #[must_use]
    pub fn again(&mut self, now: Duration) -> bool {
        self.next = None;
        now < self.until
    }

    /// A try failed in a way that may heal.
    pub fn failed(&mut self, failure: Failure, now: Duration) {
        self.next = Some(now + self.backoff.next(failure.retry_after()));
        self.last = Some(failure);
    }

    /// The verdict when it is over; `what` could not be read.
    #[must_use]
    pub fn over(&self, what: &str) -> Verdict {
        self.undone(&format!("{what} could not be read"))
    }

    /// The verdict when it is over; `undone` says what was not done, to which object.
    #[must_use]
    pub fn undone(&self, undone: &str) -> Verdict {
        let why = self
            .last
            .as_ref()
            .map_or_else(|| "no answer".to_owned(), ToString::to_string);
        Verdict::new(Outcome::Unknown, "ServerUnavailable", format!("{undone}: {why}")).with_hint(Some(
            "check that the server is up and reachable; --connect-timeout sets how long to try".to_owned(),
        ))
    }
}

/// For messages: what is looked for by its run id.
#[must_use]
pub fn of_run(run_id: &str) -> String {
    format!("the Jobs of run id {run_id}")
}

/// The verdict when there is no such Job.
#[must_use]
pub fn absent(job: &str, namespace: &str) -> Verdict {
    Verdict::new(
        Outcome::Refused,
        "NotFound",
        format!("there is no job/{job} in namespace {namespace}"),
    )
    .with_hint(Some(format!(
        "see which there are with 'kubectl get jobs -n {namespace}'"
    )))
}

/// The verdict when no Job bears the run id.
#[must_use]
pub fn absent_id(run_id: &str, namespace: &str) -> Verdict {
    Verdict::new(
        Outcome::Refused,
        "NotFound",
        format!("there is no Job of run id {run_id} in namespace {namespace}"),
    )
    .with_hint(Some(format!(
        "see which there are with 'kubectl get jobs -n {namespace} -L {RUN_ID}'"
    )))
}

/// The Job of the highest generation; of two alike the younger.
#[must_use]
pub fn newest(jobs: Vec<JobView>) -> Option<JobView> {
    jobs.into_iter()
        .max_by(|a, b| (a.generation, a.created_at, &a.uid).cmp(&(b.generation, b.created_at, &b.uid)))
}

/// The verdict when reading is refused, and would be again.
#[must_use]
pub fn unreadable(what: &str, namespace: &str, failure: &Failure) -> Verdict {
    Verdict::new(
        Outcome::Refused,
        failure.status().map_or("Setup", |s| s.reason.as_str()),
        format!("{what} could not be read: {failure}"),
    )
    .with_hint(failure.hint(namespace))
}
