//! The life of one run: [`Machine::handle`] takes whatever happens and says what to do next.
//!
//! ```text
//! Looking ──► Creating ──► Following ──► Ending ──► (finished)
//!    │            └──────────────────────▲
//!    └─────────────────────▲ (adopted)
//! ```
//! - *Looking* (`looking.rs`), with a run id that was given: is there a Job of it to be adopted?
//! - *Attaching* (`attaching.rs`), in place of creating: a Job that exists is read.
//! - *Creating* (`creating.rs`): the create request, its retries, and the question whether a lost one
//!   took effect.
//! - *Equipping* (`equipping.rs`), where the file holds more than the Job: the rest of it is made.
//! - *Following* (`following.rs`): the Job and its pods are watched, logs are read, until a verdict.
//! - *Ending* (`ending.rs`): logs drain, stdout is flushed, the Job is deleted by policy.
//!
//! A verdict, once given, never changes; nothing is deleted without the UID that was seen; whatever
//! happens, the run ends with [`Action::Finish`].

mod attaching;
mod closing;
mod creating;
mod delivering;
mod ending;
mod equipping;
mod following;
mod io;
mod logs;
pub mod look;
mod looking;
mod main_container;
mod milestones;
mod pods;
mod quiet;
mod recount;
mod showing;
mod starting;
mod tries;

use std::time::Duration;

pub use io::{
    Action, Cleanup, Counts, DeletePolicy, Deleted, Deletion, Ended, Identity, Input, LogNews, LogPlan, LogSource,
    Made, OnInterrupt, Plan, Propagation, Seen, StreamId, Task,
};

use self::{
    attaching::Attaching, creating::Creating, ending::Ending, equipping::Equipping, following::Following, io::Origin,
    looking::Looking, milestones::Milestones, pods::Pods,
};
use super::{
    backoff::Jitter,
    event::EventView,
    job::JobView,
    notice::{AdoptionNotice, Notice},
    outcome::{Outcome, Signal, Verdict},
    progress::Progress,
};

/// From the first signal to the exit: the contract says 4 s, this leaves the process time to go.
pub const SIGNAL_BUDGET: Duration = Duration::from_millis(3500);

/// From the second signal to the exit, at most: a request that was only just made has to reach the
/// network first.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// One run.
#[derive(Debug)]
pub struct Machine {
    plan: Plan,
    jitter: Jitter,
    job: Option<JobView>,
    origin: Origin,
    /// Whether Jobs may be patched, where that was asked.
    may_patch: Option<bool>,
    pods: Pods,
    /// The version of a list of pods from before the Job was made.
    pods_from: Option<String>,
    stage: Stage,
    /// The first signal, and until when the run has to be over because of it.
    stopped: Option<(Signal, Duration)>,
    /// A second signal came: only the answer to a delete request is still waited for, and briefly.
    leaving: bool,
    /// Stdout took no more, and not because its reader had gone.
    stdout_failed: bool,
    /// See [`Ended::pods_unseen`].
    pods_unseen: u32,
    /// See [`Ended::warnings`].
    warnings: Vec<EventView>,
    milestones: Milestones,
    /// What was shown last.
    shown: Option<Progress>,
}

#[derive(Debug)]
enum Stage {
    Looking(Box<Looking>),
    Creating(Creating),
    Equipping(Box<Equipping>),
    Attaching(Attaching),
    Following(Box<Following>),
    Ending(Box<Ending>),
    Over,
}

impl Machine {
    /// A run by this plan, at `now`; the actions begin it.
    #[must_use]
    pub fn start(mut plan: Plan, now: Duration) -> (Self, Vec<Action>) {
        let mut jitter = Jitter::new(plan.seed);
        let own = jitter.fork();
        let first = plan.identity.first;
        let (stage, first) = match plan.task {
            Task::Run | Task::Detach => {
                plan.job = plan.identity.names.of(first);
                if plan.identity.look {
                    let looking = Looking::new(&plan, None, now, own);
                    (Stage::Looking(Box::new(looking)), Action::FindJobs)
                } else {
                    let creating = Creating::new(&plan, first, now, own);
                    let ask = creating.first(&plan, None);
                    (Stage::Creating(creating), ask)
                }
            }
            Task::Attach => {
                let attaching = Attaching::new(&plan, now, own);
                let by_name = !plan.job.is_empty();
                let ask = if by_name { Action::ReadJob } else { Action::FindJobs };
                (Stage::Attaching(attaching), ask)
            }
        };
        let mut machine = Self {
            pods: Pods::new(plan.logs.clone()),
            plan,
            jitter,
            job: None,
            origin: Origin::Made,
            may_patch: None,
            pods_from: None,
            stage,
            stopped: None,
            leaving: false,
            stdout_failed: false,
            pods_unseen: 0,
            warnings: Vec::new(),
            milestones: Milestones::default(),
            shown: None,
        };
        let actions = std::iter::once(first).chain(machine.show()).collect();
        (machine, actions)
    }

    /// When [`Input::Due`] is wanted, and for what: the reason is for logs and tests.
    #[must_use]
    pub fn due(&self) -> Option<(Duration, &'static str)> {
        let stage = match &self.stage {
            Stage::Looking(looking) => Some(looking.due(&self.plan)),
            Stage::Creating(creating) => creating.due(),
            Stage::Equipping(equipping) => Some(equipping.due()),
            Stage::Attaching(attaching) => Some(attaching.due()),
            Stage::Following(following) => following.due(&self.plan),
            Stage::Ending(ending) => ending.due(&self.plan, &self.pods),
            Stage::Over => return None,
        };
        let timeout = match &self.stage {
            Stage::Following(_) => self.plan.timeout.map(|t| (t, "timeout")),
            // Creating has it in its own limit, so that a request under way is not left alone.
            Stage::Looking(_)
            | Stage::Creating(_)
            | Stage::Equipping(_)
            | Stage::Attaching(_)
            | Stage::Ending(_)
            | Stage::Over => None,
        };
        let stopped = self.stopped.map(|(_, by)| (by, "signal"));
        [stage, timeout, stopped].into_iter().flatten().min()
    }

    /// Takes what has happened at `now` and says what to do, in this order.
    pub fn handle(&mut self, input: Input, now: Duration) -> Vec<Action> {
        let mut actions = self.milestones_in(&input);
        actions.extend(self.react(input, now));
        actions.extend(self.show());
        actions
    }

    fn react(&mut self, input: Input, now: Duration) -> Vec<Action> {
        if let Input::Signal(signal) = input {
            return self.signalled(signal, now);
        }
        if let Input::Warning(text) = input {
            return vec![Action::Say(Notice::ServerWarning(text))];
        }
        match self.stage {
            Stage::Looking(_) => self.looking(input, now),
            Stage::Creating(_) => self.creating(input, now),
            Stage::Equipping(_) => self.equipping(input, now),
            Stage::Attaching(_) => self.attaching(input, now),
            Stage::Following(_) => self.following(input, now),
            Stage::Ending(_) => self.ending(input, now),
            Stage::Over => Vec::new(),
        }
    }

    /// The first signal stops the Job, the second leaves as soon as the delete request is out, the
    /// third at once.
    fn signalled(&mut self, signal: Signal, now: Duration) -> Vec<Action> {
        if self.leaving {
            return self.leave();
        }
        if let Some((_, by)) = &mut self.stopped {
            *by = (*by).min(now + LEAVE_WITHIN);
            self.leaving = true;
            return self.hurry(now);
        }
        self.stopped = Some((signal, now + SIGNAL_BUDGET));
        let verdict = self.stopped_by(signal);
        match self.stage {
            Stage::Looking(_) => self.stop_looking(signal),
            Stage::Creating(_) => self.stop_creating(signal),
            Stage::Equipping(_) => self.stop_equipping(signal, now),
            Stage::Attaching(_) => self.finish(verdict, Cleanup::Nothing),
            Stage::Following(_) => self.conclude(verdict, now),
            Stage::Ending(_) => self.hurry(now),
            Stage::Over => Vec::new(),
        }
    }

    /// The run is over; nothing more is waited for.
    fn finish(&mut self, verdict: Verdict, cleanup: Cleanup) -> Vec<Action> {
        let ended = self.as_ended(verdict.clone(), cleanup);
        self.stage = Stage::Over;
        let last = match ended.next {
            Some(_) => Notice::Adoption(AdoptionNotice::EarlierEnded(verdict)),
            None => Notice::Verdict(verdict),
        };
        vec![Action::Say(last), Action::Finish(Box::new(ended))]
    }

    fn follow_from(&mut self, now: Duration) {
        self.stage = Stage::Following(Box::new(Following::new(now)));
    }

    /// What this signal does to the Job.
    fn on(&self, signal: Signal) -> OnInterrupt {
        match (self.plan.task, signal) {
            (Task::Attach, _) | (_, Signal::User) => OnInterrupt::Detach,
            (Task::Run | Task::Detach, Signal::Orphaned) => self.plan.on_orphaned,
            (Task::Run | Task::Detach, Signal::Interrupt | Signal::Terminate | Signal::Hangup) => {
                self.plan.on_interrupt
            }
        }
    }

    /// The verdict of a run that this signal stops.
    fn stopped_by(&self, signal: Signal) -> Verdict {
        let (outcome, message) = match self.on(signal) {
            OnInterrupt::Delete => (Outcome::Interrupted(signal), format!("stopped by {}", signal.name())),
            OnInterrupt::Detach => (
                Outcome::Detached(Some(signal)),
                format!("detached by {}", signal.name()),
            ),
        };
        Verdict::new(outcome, signal.name(), message).on_unfinished_job()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
