//! Getting the Job made, exactly once. A create request whose answer is lost is asked after by name
//! and run id before it is ever sent again.

use std::time::Duration;

use super::{
    Action, Cleanup, Input, Machine, Plan, Stage,
    following::{Following, out_of_time},
    interrupted,
};
use crate::core::{
    backoff::{Backoff, Jitter},
    failure::{AfterCreate, Failure},
    job::JobView,
    notice::Notice,
    outcome::{Outcome, Signal, Verdict},
};

/// Longer than a connection takes to be given up.
const IN_FLIGHT: Duration = Duration::from_secs(11);

#[derive(Debug)]
pub(super) struct Creating {
    until: Duration,
    backoff: Backoff,
    /// A request that waits for its time.
    next: Option<(Duration, Request)>,
    doubt: Doubt,
    /// The time is over, and one last look is taken.
    last_look: bool,
    told: bool,
    last: Option<Failure>,
}

/// Whether a create request may have taken effect without our knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// None has.
    Never,
    /// It was so: a Job that exists now is most likely ours, made by a request that took its time.
    Once,
    /// One may have.
    Now,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Create,
    Read,
}

impl Request {
    fn action(self) -> Action {
        match self {
            Self::Create => Action::Create,
            Self::Read => Action::ReadJob,
        }
    }
}

impl Creating {
    pub(super) fn new(plan: &Plan, now: Duration, jitter: Jitter) -> Self {
        Self {
            until: (now + plan.connect_timeout).min(plan.timeout.unwrap_or(Duration::MAX)),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5), jitter),
            next: None,
            doubt: Doubt::Never,
            last_look: false,
            told: false,
            last: None,
        }
    }

    pub(super) fn due(&self) -> Option<(Duration, &'static str)> {
        let request = self.next.map(|(at, _)| (at, "create again"));
        [request, Some((self.limit(), "connect timeout"))]
            .into_iter()
            .flatten()
            .min()
    }

    /// A request waits for its answer.
    pub(super) fn in_flight(&self) -> bool {
        self.next.is_none()
    }

    /// When to give up. A request that is under way gets a little longer: it may just be making the
    /// Job, and no answer at all is the worst end.
    fn limit(&self) -> Duration {
        if self.next.is_none() {
            self.until + IN_FLIGHT
        } else {
            self.until
        }
    }
}

impl Machine {
    pub(super) fn creating(&mut self, input: Input, now: Duration) -> Vec<Action> {
        match input {
            Input::Created(Ok(job)) => self.made(job, now),
            Input::Created(Err(failure)) => match failure.after_create() {
                AfterCreate::SendAgain => self.later(Request::Create, failure, now),
                AfterCreate::ReadBack => {
                    self.uncertain();
                    self.later(Request::Read, failure, now)
                }
                AfterCreate::Exists => self.exists(&failure),
                AfterCreate::NotNow => self.not_created(Outcome::StartFailed, &failure),
                AfterCreate::Never => self.not_created(Outcome::Refused, &failure),
            },
            Input::Read(Ok(Some(job))) if job.run_id.as_deref() == Some(&self.plan.run_id) => self.made(job, now),
            Input::Read(Ok(Some(job))) => self.taken(job.run_id.as_deref()),
            Input::Read(Ok(None)) => {
                // It did not take effect, so it may be sent again.
                let Stage::Creating(creating) = &mut self.stage else {
                    return Vec::new();
                };
                creating.doubt = if creating.doubt == Doubt::Never {
                    Doubt::Never
                } else {
                    Doubt::Once
                };
                match self.stopped {
                    Some((signal, _)) => self.finish(interrupted(signal), Cleanup::Nothing),
                    None if creating.last_look => self.give_up_creating(false),
                    None => vec![Action::Create],
                }
            }
            Input::Read(Err(failure)) => self.later(Request::Read, failure, now),
            Input::Due => self.creating_due(now),
            // Nothing is watched yet.
            Input::Warning(_)
            | Input::Job(_)
            | Input::Pods(_)
            | Input::Listed(_)
            | Input::Log(..)
            | Input::Deleted(_)
            | Input::Events(_)
            | Input::Flushed(_) => Vec::new(),
            Input::Signal(_) => Vec::new(),
        }
    }

    fn uncertain(&mut self) {
        if let Stage::Creating(creating) = &mut self.stage {
            creating.doubt = Doubt::Now;
        }
    }

    fn made(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        let mut actions = vec![
            Action::Record(Box::new(job.clone())),
            Action::Say(Notice::Created { job: job.name.clone() }),
        ];
        let watches = [
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
        if let Some((signal, _)) = self.stopped {
            // The delete goes first; watching tells when the pods have ended.
            actions.extend(self.conclude(interrupted(signal), now));
            actions.extend(watches);
        } else {
            actions.extend(watches);
            // After a lost answer it may have finished by now, and a watch tells only what is new.
            actions.extend(self.job_is(job, now));
        }
        actions
    }

    /// Keeps a request for later, unless the time for creating is over.
    fn later(&mut self, request: Request, failure: Failure, now: Duration) -> Vec<Action> {
        let stopped = self.stopped;
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        if let Some((signal, _)) = stopped
            && creating.doubt != Doubt::Now
        {
            return self.finish(interrupted(signal), Cleanup::Nothing);
        }
        let pause = creating.backoff.next(failure.retry_after());
        creating.next = Some((now + pause, request));
        creating.last = Some(failure.clone());
        if std::mem::replace(&mut creating.told, true) {
            return Vec::new();
        }
        vec![Action::Say(Notice::CreateDelayed {
            failure,
            left: creating.until.saturating_sub(now),
        })]
    }

    fn creating_due(&mut self, now: Duration) -> Vec<Action> {
        let stopped = self.stopped;
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        let in_flight = creating.in_flight();
        if stopped.is_some_and(|(_, by)| now >= by) {
            return self.give_up_creating(in_flight);
        }
        if now >= creating.limit() {
            if creating.doubt == Doubt::Now && !creating.last_look {
                // Whether it exists can perhaps be told, even if it cannot be made.
                creating.last_look = true;
                creating.next = None;
                creating.until = now;
                return vec![Action::ReadJob];
            }
            return self.give_up_creating(in_flight);
        }
        match creating.next {
            Some((at, request)) if now >= at => {
                creating.next = None;
                vec![request.action()]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Before anything was sent the run is simply over; a create that is under way is waited for, so
    /// that what it makes can be deleted.
    pub(super) fn stop_creating(&mut self, signal: Signal) -> Vec<Action> {
        let verdict = interrupted(signal);
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        match creating.next {
            Some((_, Request::Create)) if creating.doubt != Doubt::Now => self.finish(verdict, Cleanup::Nothing),
            Some((_, request)) => {
                creating.next = None;
                vec![Action::Say(Notice::Stopping(signal)), request.action()]
            }
            None => vec![Action::Say(Notice::Stopping(signal))],
        }
    }

    /// The time is over, or the user leaves; a request that is `in_flight` may still take effect.
    pub(super) fn give_up_creating(&mut self, in_flight: bool) -> Vec<Action> {
        let Stage::Creating(creating) = &self.stage else {
            return Vec::new();
        };
        let uncertain = in_flight || creating.doubt == Doubt::Now;
        let why = creating
            .last
            .as_ref()
            .map_or_else(|| "no answer".to_owned(), ToString::to_string);
        let job = &self.plan.job;
        let look = format!(
            "look with 'kubectl get job {job} -n {}' and delete it if it is there",
            self.plan.namespace
        );
        if let Some((signal, _)) = self.stopped {
            let verdict = interrupted(signal);
            if !uncertain {
                return self.finish(verdict, Cleanup::Nothing);
            }
            return self.finish(
                verdict.with_hint(Some(look)),
                Cleanup::Failed("it cannot be told whether it was created".to_owned()),
            );
        }
        let verdict = if uncertain {
            Verdict::new(
                Outcome::Unknown,
                "CreateUnanswered",
                format!("it cannot be told whether job/{job} was created: {why}"),
            )
            .with_hint(Some(look))
        } else if let Some(limit) = self.plan.timeout.filter(|limit| *limit <= self.plan.connect_timeout) {
            out_of_time(job, limit)
        } else {
            Verdict::new(
                Outcome::StartFailed,
                "ServerUnavailable",
                format!("job/{job} could not be created: {why}"),
            )
            .with_hint(Some(
                "check that the server is up and reachable; --connect-timeout sets how long to try".to_owned(),
            ))
        };
        self.finish(verdict, Cleanup::Nothing)
    }

    fn not_created(&mut self, outcome: Outcome, failure: &Failure) -> Vec<Action> {
        let verdict = Verdict::new(
            outcome,
            failure
                .status()
                .map_or("Setup", |s| if s.reason.is_empty() { "Refused" } else { &s.reason }),
            format!("job/{} could not be created: {failure}", self.plan.job),
        )
        .with_hint(failure.hint(&self.plan.namespace));
        self.finish(verdict, Cleanup::Nothing)
    }

    /// 409: after a create that may have worked it is most likely ours, so it is read; otherwise the
    /// name is somebody else's.
    fn exists(&mut self, failure: &Failure) -> Vec<Action> {
        match &self.stage {
            Stage::Creating(creating) if creating.doubt != Doubt::Never => vec![Action::ReadJob],
            Stage::Creating(_) | Stage::Attaching(_) | Stage::Following(_) | Stage::Ending(_) | Stage::Over => {
                let mut verdict = Verdict::new(
                    Outcome::Refused,
                    "AlreadyExists",
                    format!("job/{} could not be created: {failure}", self.plan.job),
                );
                verdict.hint = Some(format!(
                    "delete it with 'kubectl delete job {} -n {}', or choose another --name or --run-id",
                    self.plan.job, self.plan.namespace
                ));
                self.finish(verdict, Cleanup::Nothing)
            }
        }
    }

    fn taken(&mut self, owner: Option<&str>) -> Vec<Action> {
        let owner = owner.map_or_else(|| "no run id".to_owned(), |id| format!("run id {id}"));
        let verdict = Verdict::new(
            Outcome::Refused,
            "AlreadyExists",
            format!(
                "job/{} exists and is not this run's: it bears {owner}, this run has {}",
                self.plan.job, self.plan.run_id
            ),
        )
        .with_hint(Some("choose another --name or --run-id".to_owned()));
        self.finish(verdict, Cleanup::Nothing)
    }
}
