//! The Job exists, and what its file holds beside it is made: with the Job's ownerReference, whose UID exists
//! only now. A Job that was created suspended for that is let go when everything is there. What is in the way
//! of one of them ends the run, and the Job goes again.

use std::{collections::BTreeSet, time::Duration};

use super::{Action, Cleanup, Input, Machine, Made, Plan, Stage, Task, io::OnInterrupt};
use crate::core::{
    backoff::{Backoff, Jitter},
    failure::{AfterCreate, Failure},
    job::JobView,
    notice::Notice,
    outcome::{Outcome, Signal, Verdict},
};

#[derive(Debug)]
pub(super) struct Equipping {
    job: JobView,
    /// Companions that are not there yet, by their place in the file.
    missing: BTreeSet<usize>,
    backoff: Backoff,
    until: Duration,
    /// When the missing ones are asked for again.
    next: Option<Duration>,
    /// Answers that are waited for.
    asked: usize,
    last: Option<Failure>,
    told: bool,
}

impl Equipping {
    fn new(plan: &Plan, job: JobView, now: Duration, jitter: Jitter) -> Self {
        Self {
            job,
            missing: (0..plan.companions.len()).collect(),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5), jitter),
            until: plan.connect_by(now),
            next: None,
            asked: 0,
            last: None,
            told: false,
        }
    }

    pub(super) fn due(&self) -> (Duration, &'static str) {
        (self.next.map_or(self.until, |at| at.min(self.until)), "companions")
    }

    /// Asks for all that is missing, or, when nothing is, for the Job to be let go.
    fn ask(&mut self) -> Vec<Action> {
        self.next = None;
        if self.missing.is_empty() {
            self.asked = 1;
            return vec![Action::Release {
                uid: self.job.uid.clone(),
            }];
        }
        self.asked = self.missing.len();
        let (uid, generation) = (&self.job.uid, self.job.generation);
        let make = |index: &usize| Action::CreateCompanion {
            index: *index,
            generation,
            owner_uid: uid.clone(),
        };
        self.missing.iter().map(make).collect()
    }
}

impl Machine {
    /// Makes what comes along with this Job.
    pub(super) fn equip(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        let mut equipping = Equipping::new(&self.plan, job, now, self.jitter.fork());
        let actions = equipping.ask();
        self.stage = Stage::Equipping(Box::new(equipping));
        actions
    }

    pub(super) fn equipping(&mut self, input: Input, now: Duration) -> Vec<Action> {
        match input {
            Input::Companion { index, object, made } => self.companion(index, object, made, now),
            Input::Released(answer) => self.released(answer, now),
            Input::Due => self.equipping_due(now),
            // Nothing else was asked for.
            Input::Warning(_)
            | Input::Created(_)
            | Input::Read(_)
            | Input::Found(_)
            | Input::MayPatch(_)
            | Input::FoundPods(_)
            | Input::Marked(_)
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

    fn companion(&mut self, index: usize, object: String, answer: Result<Made, Failure>, now: Duration) -> Vec<Action> {
        let Stage::Equipping(equipping) = &mut self.stage else {
            return Vec::new();
        };
        equipping.asked = equipping.asked.saturating_sub(1);
        let mut actions = Vec::new();
        match answer {
            Ok(Made::Ours) => {
                equipping.missing.remove(&index);
            }
            Ok(Made::Going) => {
                let failure = Failure::Lost(format!(
                    "{object} of an earlier Job of this name is still being deleted"
                ));
                actions.extend(self.equip_later(failure, now));
            }
            Ok(Made::Created) => {
                if equipping.missing.remove(&index) {
                    actions.push(Action::Say(Notice::Companion { object, existed: false }));
                }
            }
            Ok(Made::Existed) => {
                if equipping.missing.remove(&index) {
                    actions.push(Action::Say(Notice::Companion { object, existed: true }));
                }
            }
            Ok(Made::Foreign) => {
                let message = format!(
                    "{object} exists and is not this run's, so that job/{} cannot have it",
                    equipping.job.name
                );
                let hint = match object.split_once('/') {
                    Some((kind, name)) => format!(
                        "delete it with 'kubectl delete {} {name} -n {}', or rename it in the file",
                        kind.to_lowercase(),
                        self.plan.namespace
                    ),
                    None => "delete it, or rename it in the file".to_owned(),
                };
                let verdict = Verdict::new(Outcome::Refused, "AlreadyExists", message).with_hint(Some(hint));
                return self.conclude(verdict.on_unfinished_job(), now);
            }
            Err(failure) => match failure.after_create() {
                // What exists after all is recognised the next time.
                AfterCreate::SendAgain | AfterCreate::ReadBack | AfterCreate::Exists => {
                    actions.extend(self.equip_later(failure, now));
                }
                AfterCreate::NotNow => return self.not_equipped(Outcome::StartFailed, &object, &failure, now),
                AfterCreate::Never => return self.not_equipped(Outcome::Refused, &object, &failure, now),
            },
        }
        let Stage::Equipping(equipping) = &mut self.stage else {
            return actions;
        };
        if equipping.asked > 0 || equipping.next.is_some() {
            return actions;
        }
        if equipping.missing.is_empty() && !equipping.job.unready {
            // It was not suspended for this.
            let job = equipping.job.clone();
            actions.extend(self.equipped(job, now));
        } else {
            actions.extend(equipping.ask());
        }
        actions
    }

    fn released(&mut self, answer: Result<Option<JobView>, Failure>, now: Duration) -> Vec<Action> {
        let Stage::Equipping(equipping) = &mut self.stage else {
            return Vec::new();
        };
        equipping.asked = 0;
        match answer {
            Ok(Some(job)) => self.equipped(job, now),
            Ok(None) => {
                let verdict = Verdict::new(
                    Outcome::Deleted,
                    "Deleted",
                    format!(
                        "job/{} was deleted by somebody before it could begin",
                        equipping.job.name
                    ),
                );
                self.conclude(verdict, now)
            }
            Err(failure) if failure.may_heal() => self.equip_later(failure, now),
            Err(failure) => self.not_equipped(Outcome::Refused, "spec.suspend", &failure, now),
        }
    }

    /// Everything is there.
    fn equipped(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        self.job = Some(job.clone());
        self.begin_following(job, now)
    }

    fn equip_later(&mut self, failure: Failure, now: Duration) -> Vec<Action> {
        let Stage::Equipping(equipping) = &mut self.stage else {
            return Vec::new();
        };
        if equipping.next.is_none() {
            equipping.next = Some(now + equipping.backoff.next(failure.retry_after()));
        }
        equipping.last = Some(failure.clone());
        if std::mem::replace(&mut equipping.told, true) {
            return Vec::new();
        }
        let left = equipping.until.saturating_sub(now);
        vec![Action::Say(Notice::CreateDelayed { failure, left })]
    }

    fn not_equipped(&mut self, outcome: Outcome, object: &str, failure: &Failure, now: Duration) -> Vec<Action> {
        let job = &self.plan.job;
        let reason = failure.status().map_or("Setup", |s| s.reason.as_str());
        let message = format!("{object}, which comes with job/{job}, could not be made: {failure}");
        let hint = if failure.is(400) || failure.is(422) {
            Some("correct it in the manifest; the Job goes again".to_owned())
        } else {
            failure.hint(&self.plan.namespace)
        };
        let verdict = Verdict::new(outcome, reason, message).with_hint(hint);
        self.conclude(verdict.on_unfinished_job(), now)
    }

    fn equipping_due(&mut self, now: Duration) -> Vec<Action> {
        if self.stopped.is_some_and(|(_, by)| now >= by) {
            return self.leave();
        }
        let Stage::Equipping(equipping) = &mut self.stage else {
            return Vec::new();
        };
        if now >= equipping.until {
            let failure = equipping
                .last
                .clone()
                .unwrap_or_else(|| Failure::Lost("no answer".to_owned()));
            let object = match equipping.missing.first() {
                Some(index) => self.plan.companions.get(*index).cloned().unwrap_or_default(),
                None => "the end of its suspension".to_owned(),
            };
            return self.not_equipped(Outcome::StartFailed, &object, &failure, now);
        }
        if equipping.asked == 0 && equipping.next.is_some_and(|at| now >= at) {
            return equipping.ask();
        }
        if equipping.next.is_some_and(|at| now >= at) {
            // The last answers of this round are still to come.
            equipping.next = Some(now + Duration::from_millis(250));
        }
        Vec::new()
    }

    /// A Job that is left is left whole: without its companions it would wait for ever.
    pub(super) fn stop_equipping(&mut self, signal: Signal, now: Duration) -> Vec<Action> {
        if self.on(signal) == OnInterrupt::Detach {
            let job = self.plan.job.clone();
            return vec![Action::Say(Notice::Leaving { signal, job })];
        }
        let verdict = self.stopped_by(signal);
        self.conclude(verdict, now)
    }

    /// The time is over: what is missing stays missing.
    pub(super) fn leave_unequipped(&mut self) -> Vec<Action> {
        let Some((signal, _)) = self.stopped else {
            return Vec::new();
        };
        let job = &self.plan.job;
        let hint = format!(
            "job/{job} is suspended, and not all that comes with it is made: another run with its run id finishes it"
        );
        let verdict = self.stopped_by(signal).with_hint(Some(hint));
        self.finish(verdict, Cleanup::Kept)
    }

    /// Whether this Job waits for what comes along with it.
    pub(super) fn lacks_companions(&self, job: &JobView) -> bool {
        let ours = match self.plan.task {
            Task::Run | Task::Detach => !self.plan.companions.is_empty(),
            Task::Attach => false,
        };
        // Of one that another kjo had made all may be there, or nothing: asking again tells.
        ours && job.terminal().is_none()
    }
}
