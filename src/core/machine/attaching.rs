//! A Job that exists is looked for by its name, to be followed from where it stands.

use std::time::Duration;

use super::{Action, Cleanup, Input, Machine, Plan, Stage, following::Following};
use crate::core::{
    backoff::Jitter,
    failure::Failure,
    job::JobView,
    main_container,
    notice::Notice,
    outcome::{Outcome, Verdict},
    seek::{self, Seek},
};

#[derive(Debug)]
pub(super) struct Attaching(Seek);

impl Attaching {
    pub(super) fn new(plan: &Plan, now: Duration, jitter: Jitter) -> Self {
        let until = (now + plan.connect_timeout).min(plan.timeout.unwrap_or(Duration::MAX));
        Self(Seek::new(until, jitter))
    }

    pub(super) fn due(&self) -> (Duration, &'static str) {
        (self.0.due(), "read the Job")
    }
}

impl Machine {
    pub(super) fn attaching(&mut self, input: Input, now: Duration) -> Vec<Action> {
        let Plan { job, namespace, .. } = &self.plan;
        match input {
            Input::Read(Ok(Some(job))) => self.attached(job, now),
            Input::Read(Ok(None)) => self.not_attached(seek::absent(job, namespace)),
            Input::Read(Err(failure)) if failure.may_heal() => self.read_again(failure, now),
            Input::Read(Err(failure)) => {
                self.not_attached(seek::unreadable(&format!("job/{job}"), namespace, &failure))
            }
            Input::Due => self.attaching_due(now),
            // Nothing else was asked for yet.
            Input::Warning(_)
            | Input::Created(_)
            | Input::Job(_)
            | Input::Pods(_)
            | Input::Listed(_)
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
        actions.extend(self.pods.logs.of_job(&job));
        self.job = Some(job.clone());
        self.stage = Stage::Following(Box::new(Following::new(now)));
        // It may have finished long ago, and a watch tells only what is new.
        actions.extend(self.job_is(job, now));
        actions
    }

    fn read_again(&mut self, failure: Failure, now: Duration) -> Vec<Action> {
        if let Stage::Attaching(Attaching(seek)) = &mut self.stage {
            seek.failed(failure, now);
        }
        Vec::new()
    }

    fn attaching_due(&mut self, now: Duration) -> Vec<Action> {
        let Stage::Attaching(Attaching(seek)) = &mut self.stage else {
            return Vec::new();
        };
        if seek.again(now) {
            return vec![Action::ReadJob];
        }
        let verdict = seek.over(&format!("job/{}", self.plan.job));
        self.not_attached(verdict)
    }

    fn not_attached(&mut self, verdict: Verdict) -> Vec<Action> {
        self.finish(verdict, Cleanup::Nothing)
    }
}
