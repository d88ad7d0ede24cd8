//! Getting the Job made, exactly once. A create request whose answer is lost is asked after by name
//! and run id before it is ever sent again.

use std::time::Duration;

use super::{
    Action, Cleanup, Deletion, Input, Machine, Plan, Stage,
    following::out_of_time,
    io::{OnInterrupt, Propagation},
    looking::say,
};
use crate::core::{
    backoff::{Backoff, Jitter},
    failure::{AfterCreate, Failure},
    job::JobView,
    notice::{AdoptionNotice, Notice},
    outcome::{Outcome, Signal, Verdict},
};

/// Longer than a connection takes to be given up.
const IN_FLIGHT: Duration = Duration::from_secs(11);

#[derive(Debug)]
pub(super) struct Creating {
    generation: u32,
    /// It waits until what comes along with it is made.
    suspended: bool,
    until: Duration,
    backoff: Backoff,
    /// A request that waits for its time.
    next: Option<(Duration, Request)>,
    doubt: Doubt,
    conflict: Conflict,
    /// The time is over, and one last look is taken.
    last_look: bool,
    told: bool,
    last: Option<Failure>,
}

/// Whether the name was found taken by a Job that is none of this run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    None,
    /// It is, and is asked who has it.
    Taken,
    /// The Job that had it is being deleted.
    Replaced,
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
    /// Whether Jobs may be patched, which what comes along with one needs.
    Ask,
    Create,
    Read,
}

impl Creating {
    pub(super) fn new(plan: &Plan, generation: u32, now: Duration, jitter: Jitter) -> Self {
        Self {
            generation,
            suspended: false,
            conflict: Conflict::None,
            until: plan.connect_by(now),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5), jitter),
            next: None,
            doubt: Doubt::Never,
            last_look: false,
            told: false,
            last: None,
        }
    }

    /// The name is known to be taken, or not.
    pub(super) fn conflicting(mut self, taken: bool) -> Self {
        if taken {
            self.conflict = Conflict::Taken;
        }
        self
    }

    /// What is asked first.
    pub(super) fn first(&self, plan: &Plan, may_patch: Option<bool>) -> Action {
        self.action(if plan.companions.is_empty() || may_patch.is_some() {
            Request::Create
        } else {
            Request::Ask
        })
    }

    /// It can be let go later.
    pub(super) fn suspended(mut self, plan: &Plan, may_patch: Option<bool>) -> Self {
        self.suspended = !plan.companions.is_empty() && may_patch == Some(true);
        self
    }

    fn action(&self, request: Request) -> Action {
        match request {
            Request::Ask => Action::AskMayPatch,
            Request::Create => Action::Create {
                generation: self.generation,
                suspended: self.suspended,
            },
            Request::Read => Action::ReadJob,
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
                AfterCreate::Exists => self.exists(now),
                AfterCreate::NotNow => self.not_created(Outcome::StartFailed, &failure),
                AfterCreate::Never => self.not_created(Outcome::Refused, &failure),
            },
            Input::Read(Ok(Some(job))) if self.is_of_this_run(&job) => self.made(job, now),
            Input::Read(Ok(Some(job))) => self.taken(&job, now),
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
                if let Conflict::Taken = creating.conflict {
                    creating.conflict = Conflict::None;
                }
                let create = creating.action(Request::Create);
                match self.stopped {
                    Some((signal, _)) => {
                        let verdict = self.stopped_by(signal);
                        self.finish(verdict, Cleanup::Nothing)
                    }
                    None if creating.last_look => self.give_up_creating(false),
                    None => vec![create],
                }
            }
            Input::Read(Err(failure)) => self.later(Request::Read, failure, now),
            Input::MayPatch(answer) => self.may_be_suspended(answer, now),
            Input::Deleted(answer) => self.replaced(answer, now),
            Input::Due => self.creating_due(now),
            // Nothing is watched yet.
            Input::Warning(_)
            | Input::Job(_)
            | Input::Pods(_)
            | Input::Listed(_)
            | Input::Log(..)
            | Input::Events(_)
            | Input::Flushed(_) => Vec::new(),
            // Late answers to requests of other stages.
            Input::Found(_) | Input::FoundPods(_) | Input::Marked(_) | Input::Companion { .. } | Input::Released(_) => {
                Vec::new()
            }
            Input::Signal(_) => Vec::new(),
        }
    }

    /// A Job that could not be let go again is not suspended: it comes first, and what it needs after it.
    fn may_be_suspended(&mut self, answer: Result<bool, Failure>, now: Duration) -> Vec<Action> {
        if let Some((signal, _)) = self.stopped {
            let verdict = self.stopped_by(signal);
            return self.finish(verdict, Cleanup::Nothing);
        }
        let may = match answer {
            Ok(may) => may,
            Err(failure) if failure.may_heal() => return self.later(Request::Ask, failure, now),
            // Who may not ask has to find out.
            Err(_) => true,
        };
        self.may_patch = Some(may);
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        creating.suspended = may;
        let create = creating.action(Request::Create);
        if may {
            return vec![create];
        }
        vec![Action::Say(Notice::JobFirst), create]
    }

    fn uncertain(&mut self) {
        if let Stage::Creating(creating) = &mut self.stage {
            creating.doubt = Doubt::Now;
        }
    }

    fn made(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        let notice = Notice::Created { job: job.name.clone() };
        self.take_up(job, notice, now)
    }

    /// It was made by a request of this run, or by another kjo with this run id at the same time. Without
    /// such a request only a list can tell whether it may be adopted.
    fn is_of_this_run(&self, job: &JobView) -> bool {
        let asked = matches!(&self.stage, Stage::Creating(creating) if creating.doubt != Doubt::Never);
        asked && !job.delivered && job.run_id.as_deref() == Some(&self.plan.identity.run_id)
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
            let verdict = self.stopped_by(signal);
            return self.finish(verdict, Cleanup::Nothing);
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
                vec![creating.action(request)]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Before anything was sent the run is simply over; a create that is under way is waited for, so
    /// that what it makes can be deleted.
    pub(super) fn stop_creating(&mut self, signal: Signal) -> Vec<Action> {
        let verdict = self.stopped_by(signal);
        let stopping = match self.on(signal) {
            OnInterrupt::Delete => Notice::Stopping(signal),
            OnInterrupt::Detach => Notice::Leaving {
                signal,
                job: self.plan.job.clone(),
            },
        };
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        match creating.next {
            Some((_, Request::Create | Request::Ask)) if creating.doubt != Doubt::Now => {
                self.finish(verdict, Cleanup::Nothing)
            }
            Some((_, request)) => {
                creating.next = None;
                vec![Action::Say(stopping), creating.action(request)]
            }
            None => vec![Action::Say(stopping)],
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
            let verdict = self.stopped_by(signal);
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

    /// 409: after a create that may have worked it is most likely ours, so it is read. Otherwise another kjo
    /// with this run id may have made it just now, or the name is somebody else's.
    fn exists(&mut self, now: Duration) -> Vec<Action> {
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        if creating.doubt == Doubt::Never && creating.conflict == Conflict::None {
            if self.plan.identity.look {
                let name = self.plan.job.clone();
                return self.look(Some(name), now);
            }
            creating.conflict = Conflict::Taken;
        }
        vec![Action::ReadJob]
    }

    /// The name belongs to another Job.
    fn taken(&mut self, owner: &JobView, now: Duration) -> Vec<Action> {
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        if let Some((signal, _)) = self.stopped {
            let verdict = self.stopped_by(signal);
            return self.finish(verdict, Cleanup::Nothing);
        }
        if creating.conflict == Conflict::Replaced && owner.deleting {
            creating.last = Some(Failure::Lost(format!(
                "job/{} is still being deleted; what holds it stands in its metadata.finalizers",
                owner.name
            )));
            creating.next = Some((now + creating.backoff.next(None), Request::Create));
            return Vec::new();
        }
        let replaceable = self.plan.identity.replace && owner.terminal().is_some();
        if replaceable {
            creating.conflict = Conflict::Replaced;
            return vec![
                say(AdoptionNotice::Replacing {
                    job: owner.name.clone(),
                }),
                Action::Delete {
                    uid: owner.uid.clone(),
                    propagation: Propagation::Background,
                },
            ];
        }
        self.not_replaced(owner)
    }

    fn not_replaced(&mut self, owner: &JobView) -> Vec<Action> {
        let (job, namespace, identity) = (&self.plan.job, &self.plan.namespace, &self.plan.identity);
        let whose = match owner.run_id.as_deref() {
            None => "is not this run's: it bears no run id".to_owned(),
            Some(id) if id == identity.run_id => "is an earlier Job of this run id, which is not adopted".to_owned(),
            Some(id) => format!(
                "is not this run's: it bears run id {id}, this run has {}",
                identity.run_id
            ),
        };
        let follow = owner
            .run_id
            .as_deref()
            .filter(|id| *id != identity.run_id)
            .map_or_else(String::new, |id| format!("follow it with --run-id {id}, "));
        let (message, advice) = if owner.terminal().is_some() {
            (
                format!("job/{job} exists and {whose}"),
                "have kjo delete it first with --replace, ".to_owned(),
            )
        } else if identity.replace {
            (
                format!("job/{job}, which has not finished, {whose}; --replace deletes finished Jobs only"),
                format!("wait for it, {follow}"),
            )
        } else {
            (format!("job/{job} exists and {whose}"), follow)
        };
        let verdict = Verdict::new(Outcome::Refused, "AlreadyExists", message).with_hint(Some(format!(
            "{advice}delete it with 'kjo delete {job} -n {namespace}', or choose another --name"
        )));
        self.finish(verdict, Cleanup::Nothing)
    }

    /// The Job that had the name is being deleted, or could not be.
    fn replaced(&mut self, answer: Result<Deletion, Failure>, now: Duration) -> Vec<Action> {
        let Stage::Creating(creating) = &mut self.stage else {
            return Vec::new();
        };
        match answer {
            Ok(_) => {
                let create = creating.action(Request::Create);
                match self.stopped {
                    Some((signal, _)) => {
                        let verdict = self.stopped_by(signal);
                        self.finish(verdict, Cleanup::Nothing)
                    }
                    None => vec![create],
                }
            }
            // It is read again, and deleted again if it is still there.
            Err(failure) if failure.may_heal() => self.later(Request::Read, failure, now),
            Err(failure) => self.not_created(Outcome::Refused, &failure),
        }
    }
}
