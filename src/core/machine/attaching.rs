//! A Job that exists is looked for by its name, to be followed from where it stands.

use std::time::Duration;

use super::{Action, Cleanup, Input, Machine, Plan, Stage, following::Following};
use crate::core::{
    backoff::{Backoff, Jitter},
    failure::Failure,
    job::JobView,
    main_container,
    notice::Notice,
    outcome::{Outcome, Verdict},
};

#[derive(Debug)]
pub(super) struct Attaching {
    until: Duration,
    backoff: Backoff,
    next: Option<Duration>,
    last: Option<Failure>,
}

impl Attaching {
    pub(super) fn new(plan: &Plan, now: Duration, jitter: Jitter) -> Self {
        Self {
            until: (now + plan.connect_timeout).min(plan.timeout.unwrap_or(Duration::MAX)),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5), jitter),
            next: None,
            last: None,
        }
    }

    pub(super) fn due(&self) -> (Duration, &'static str) {
        let next = self.next.map_or(self.until, |at| at.min(self.until));
        (next, "read the Job")
    }
}

impl Machine {
    pub(super) fn attaching(&mut self, input: Input, now: Duration) -> Vec<Action> {
        match input {
            Input::Read(Ok(Some(job))) => self.attached(job, now),
            Input::Read(Ok(None)) => self.not_attached(
                Verdict::new(
                    Outcome::Refused,
                    "NotFound",
                    format!("there is no job/{} in namespace {}", self.plan.job, self.plan.namespace),
                )
                .with_hint(Some(format!(
                    "see which there are with 'kubectl get jobs -n {}'",
                    self.plan.namespace
                ))),
            ),
            Input::Read(Err(failure)) if failure.may_heal() => self.read_again(failure, now),
            Input::Read(Err(failure)) => {
                let verdict = Verdict::new(
                    Outcome::Refused,
                    failure.status().map_or("Setup", |s| s.reason.as_str()),
                    format!("job/{} could not be read: {failure}", self.plan.job),
                );
                let hint = failure.hint(&self.plan.namespace);
                self.not_attached(verdict.with_hint(hint))
            }
            Input::Due => self.attaching_due(now),
            // Nothing else was asked for yet.
            Input::Warning(_)
            | Input::Created(_)
            | Input::Job(_)
            | Input::Pods(_)
            | Input::Log(..)
            | Input::Deleted(_)
            | Input::Events(_)
            | Input::Flushed(_)
            | Input::Signal(_) => Vec::new(),
        }
    }

    fn attached(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        if let Err((message, hint)) = main_container::check(
            self.plan.main_container.as_deref(),
            self.plan.main_decides,
            &job.declared,
            job.parallelism.into(),
            job.completions.map(i64::from),
        ) {
            return self.not_attached(Verdict::new(Outcome::Refused, "MainContainer", message).with_hint(Some(hint)));
        }
        let mut actions = vec![
            Action::Record(Box::new(job.clone())),
            Action::Say(Notice::Attached { job: job.name.clone() }),
            Action::WatchJob {
                version: job.resource_version.clone(),
            },
            Action::WatchPods {
                job_uid: job.uid.clone(),
            },
        ];
        self.pods.logs.of_job(&job);
        self.job = Some(job.clone());
        self.stage = Stage::Following(Box::new(Following::new(now)));
        // It may have finished long ago, and a watch tells only what is new.
        actions.extend(self.job_is(job, now));
        actions
    }

    fn read_again(&mut self, failure: Failure, now: Duration) -> Vec<Action> {
        let Stage::Attaching(attaching) = &mut self.stage else {
            return Vec::new();
        };
        attaching.next = Some(now + attaching.backoff.next(failure.retry_after()));
        attaching.last = Some(failure);
        Vec::new()
    }

    fn attaching_due(&mut self, now: Duration) -> Vec<Action> {
        let Stage::Attaching(attaching) = &mut self.stage else {
            return Vec::new();
        };
        if now < attaching.until {
            attaching.next = None;
            return vec![Action::ReadJob];
        }
        let why = attaching
            .last
            .as_ref()
            .map_or_else(|| "no answer".to_owned(), ToString::to_string);
        let verdict = Verdict::new(
            Outcome::Unknown,
            "ServerUnavailable",
            format!("job/{} could not be read: {why}", self.plan.job),
        )
        .with_hint(Some(
            "check that the server is up and reachable; --connect-timeout sets how long to try".to_owned(),
        ));
        self.not_attached(verdict)
    }

    fn not_attached(&mut self, verdict: Verdict) -> Vec<Action> {
        self.finish(verdict, Cleanup::Nothing)
    }
}
