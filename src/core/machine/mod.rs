//! The life of one run: [`Machine::handle`] takes whatever happens and says what to do next.
//!
//! ```text
//! Creating ──► Following ──► Ending ──► (finished)
//!     └──────────────────────▲
//! ```
//! - *Attaching* (`attaching.rs`), in place of creating: a Job that exists is read.
//! - *Creating* (`creating.rs`): the create request, its retries, and the question whether a lost one
//!   took effect.
//! - *Following* (`following.rs`): the Job and its pods are watched, logs are read, until a verdict.
//! - *Ending* (`ending.rs`): logs drain, stdout is flushed, the Job is deleted by policy.
//!
//! A verdict, once given, never changes; nothing is deleted without the UID that was seen; whatever
//! happens, the run ends with [`Action::Finish`].

mod attaching;
mod closing;
mod creating;
mod ending;
mod following;
mod io;
mod logs;
pub mod look;
mod main_container;
mod milestones;
mod pods;
mod quiet;
mod recount;
mod showing;
mod starting;

use std::time::Duration;

pub use io::{
    Action, Cleanup, Counts, DeletePolicy, Deletion, Ended, Input, LogNews, LogPlan, LogSource, Plan, Propagation,
    Seen, StreamId, Task,
};

use self::{
    attaching::Attaching, creating::Creating, ending::Ending, following::Following, milestones::Milestones, pods::Pods,
};
use super::{
    backoff::Jitter,
    event::EventView,
    job::JobView,
    notice::Notice,
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
    pods: Pods,
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
    Creating(Creating),
    Attaching(Attaching),
    Following(Box<Following>),
    Ending(Box<Ending>),
    Over,
}

impl Machine {
    /// A run by this plan, at `now`; the actions begin it.
    #[must_use]
    pub fn start(plan: Plan, now: Duration) -> (Self, Vec<Action>) {
        let mut jitter = Jitter::new(plan.seed);
        let (stage, first) = match plan.task {
            Task::Run => {
                let creating = Creating::new(&plan, now, jitter.fork());
                (Stage::Creating(creating), Action::Create)
            }
            Task::Attach => {
                let attaching = Attaching::new(&plan, now, jitter.fork());
                (Stage::Attaching(attaching), Action::ReadJob)
            }
        };
        let mut machine = Self {
            pods: Pods::new(plan.logs.clone()),
            plan,
            jitter,
            job: None,
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
            Stage::Creating(creating) => creating.due(),
            Stage::Attaching(attaching) => Some(attaching.due()),
            Stage::Following(following) => following.due(&self.plan),
            Stage::Ending(ending) => ending.due(&self.plan, &self.pods),
            Stage::Over => return None,
        };
        let timeout = match &self.stage {
            Stage::Following(_) => self.plan.timeout.map(|t| (t, "timeout")),
            // Creating has it in its own limit, so that a request under way is not left alone.
            Stage::Creating(_) | Stage::Attaching(_) | Stage::Ending(_) | Stage::Over => None,
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
            Stage::Creating(_) => self.creating(input, now),
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
        match self.stage {
            Stage::Creating(_) => self.stop_creating(signal),
            Stage::Attaching(_) => self.finish(interrupted(signal), Cleanup::Nothing),
            Stage::Following(_) => self.conclude(interrupted(signal), now),
            Stage::Ending(_) => self.hurry(now),
            Stage::Over => Vec::new(),
        }
    }

    /// The run is over; nothing more is waited for.
    fn finish(&mut self, verdict: Verdict, cleanup: Cleanup) -> Vec<Action> {
        self.stage = Stage::Over;
        vec![
            Action::Say(Notice::Verdict(verdict.clone())),
            Action::Finish(Box::new(Ended {
                verdict,
                job: self.job.clone(),
                cleanup,
                pods: self.pods.records(),
                pods_unseen: self.pods_unseen,
                warnings: self.warnings.clone(),
            })),
        ]
    }
}

fn interrupted(signal: Signal) -> Verdict {
    Verdict::new(
        Outcome::Interrupted(signal),
        signal.name(),
        format!("stopped by {}", signal.name()),
    )
    .on_unfinished_job()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
