//! A Job that exists is looked for by its name or its run id, to be followed from where it stands.

use std::time::Duration;

use super::{Action, Cleanup, Input, Machine, Plan, Stage};
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
        Self(Seek::new(plan.connect_by(now), jitter))
    }

    pub(super) fn due(&self) -> (Duration, &'static str) {
        (self.0.due(), "read the Job")
    }
}

impl Machine {
    pub(super) fn attaching(&mut self, input: Input, now: Duration) -> Vec<Action> {
        let Plan { job, namespace, .. } = &self.plan;
        match input {
            Input::Found(Ok(found)) => match seek::newest(found.into_iter().map(|f| f.job).collect()) {
                Some(job) => self.attached(job, now),
                None => {
                    let verdict = seek::absent_id(&self.plan.identity.run_id, namespace);
                    self.not_attached(verdict)
                }
            },
            Input::Read(Ok(Some(job))) => self.attached(job, now),
            Input::Read(Ok(None)) => self.not_attached(seek::absent(job, namespace)),
            Input::Read(Err(failure)) | Input::Found(Err(failure)) if failure.may_heal() => {
                self.read_again(failure, now)
            }
            Input::Read(Err(failure)) | Input::Found(Err(failure)) => {
                let verdict = seek::unreadable(&self.sought(), namespace, &failure);
                self.not_attached(verdict)
            }
            Input::Due => self.attaching_due(now),
            // Nothing else was asked for yet.
            Input::Warning(_)
            | Input::MayPatch(_)
            | Input::FoundPods(_)
            | Input::Marked(_)
            | Input::Companion { .. }
            | Input::Released(_)
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
        self.plan.job.clone_from(&job.name);
        let notice = Notice::Attached { job: job.name.clone() };
        self.take_up(job, notice, now)
    }

    fn read_again(&mut self, failure: Failure, now: Duration) -> Vec<Action> {
        if let Stage::Attaching(Attaching(seek)) = &mut self.stage {
            seek.failed(failure, now);
        }
        Vec::new()
    }

    fn attaching_due(&mut self, now: Duration) -> Vec<Action> {
        let sought = self.sought();
        let Stage::Attaching(Attaching(seek)) = &mut self.stage else {
            return Vec::new();
        };
        if seek.again(now) {
            let by_name = !self.plan.job.is_empty();
            return vec![if by_name { Action::ReadJob } else { Action::FindJobs }];
        }
        let verdict = seek.over(&sought);
        self.not_attached(verdict)
    }

    /// What is looked for.
    fn sought(&self) -> String {
        match &self.plan {
            Plan { job, .. } if !job.is_empty() => format!("job/{job}"),
            plan => seek::of_run(&plan.identity.run_id),
        }
    }

    fn not_attached(&mut self, verdict: Verdict) -> Vec<Action> {
        self.finish(verdict, Cleanup::Nothing)
    }
}
