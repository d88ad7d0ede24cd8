//! The verdict is near: read the logs to their end, let stdout take them, delete the Job as the
//! policy says, and be over. A Job that has not finished is deleted at once; logs drain meanwhile.

use std::time::Duration;

use super::{
    Action, Cleanup, DeletePolicy, Deletion, Input, LogNews, Machine, Plan, Propagation, Seen, Stage, Task,
    closing::Gathering,
    delivering::Delivery,
    pods::Pods,
    quiet::{QUIET, Quiet},
    recount::{REFUSALS, Reconcile},
    tries::{Now, Tries},
};
use crate::core::{
    failure::Failure,
    job::JobView,
    notice::{LogNotice, Notice},
    outcome::{Outcome, Verdict},
};

/// How long the pods' watch may lag behind the Job's before the pods are listed.
const RECONCILE_AFTER: Duration = Duration::from_secs(1);
/// Beyond the pods' grace, for the API to tell that they have ended.
const GRACE_MARGIN: Duration = Duration::from_secs(5);
/// What a signal leaves for stdout after the logs.
const FLUSH_MARGIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Ending {
    pub(super) basis: Basis,
    pub(super) step: Step,
    /// Hard end of draining.
    drain_by: Option<Duration>,
    pub(super) quiet: Quiet,
    pub(super) reconcile: Reconcile,
    removal: Removal,
    pub(super) delivery: Delivery,
    pub(super) job_gone: bool,
    /// Lists of pods that were refused.
    pub(super) refusals: u32,
    pub(super) gathering: Gathering,
}

/// What the verdict is made from.
#[derive(Debug)]
pub(super) enum Basis {
    /// It was given.
    Given(Verdict),
    /// The Job's terminal condition, read once the pods' last states are known.
    Finished,
    /// The announced end of a Job whose pods are stuck.
    Announced,
    /// The main container's end; the Job goes once the logs of what has ended are read.
    Main(Verdict),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Drain,
    Flush,
    Remove,
}

/// Where the deletion stands.
#[derive(Debug)]
enum Removal {
    /// Decided after draining, by policy.
    ByPolicy(Propagation),
    /// A request is under way, or waits for its next try.
    Asked(Propagation, Tries),
    Done(Cleanup),
}

impl Ending {
    /// A delete request is under way.
    pub(super) fn deleting(&self) -> bool {
        matches!(self.removal, Removal::Asked(..))
    }

    pub(super) fn due(&self, plan: &Plan, pods: &Pods) -> Option<(Duration, &'static str)> {
        let drain = match self.step {
            // The logs are over by then.
            Step::Drain if matches!(self.gathering, Gathering::Asked(..)) => None,
            Step::Drain => {
                let quiet = (!pods.logs.blocked()).then(|| self.quiet.until(plan.outage_budget));
                let by = [quiet, self.drain_by].into_iter().flatten().min();
                by.map(|by| (by, "drain"))
            }
            Step::Flush | Step::Remove => None,
        };
        let list = match self.reconcile {
            Reconcile::At(at) => Some((at, "list the pods")),
            Reconcile::Settled | Reconcile::Asked => None,
        };
        let delete = match &self.removal {
            Removal::Asked(_, tries) => Some((tries.due(), "delete")),
            Removal::ByPolicy(_) | Removal::Done(_) => None,
        };
        let events = match self.gathering {
            Gathering::Asked(_, until) => Some((until, "Events")),
            Gathering::Before | Gathering::Over => None,
        };
        let delivery = self.delivery.due();
        [drain, list, delete, events, delivery].into_iter().flatten().min()
    }
}

impl Machine {
    /// Begins the ending with a verdict that stands whatever the Job does now.
    pub(super) fn conclude(&mut self, verdict: Verdict, now: Duration) -> Vec<Action> {
        let delete_now = match verdict.outcome {
            // An unknown outcome leaves everything as it is; a deleted Job needs no deletion.
            Outcome::Unknown | Outcome::Deleted | Outcome::Detached(_) => false,
            // A Job that cannot have what comes along with it never began.
            Outcome::Interrupted(_) | Outcome::Refused => self.plan.task != Task::Attach,
            Outcome::Succeeded
            | Outcome::Failed
            | Outcome::Deadline
            | Outcome::StartFailed
            | Outcome::Infrastructure => self.plan.task != Task::Attach && self.plan.delete != DeletePolicy::Never,
        };
        let kept = match verdict.outcome {
            Outcome::Deleted => Cleanup::Deleted,
            Outcome::Succeeded
            | Outcome::Failed
            | Outcome::Deadline
            | Outcome::StartFailed
            | Outcome::Infrastructure
            | Outcome::Unknown
            | Outcome::Interrupted(_)
            | Outcome::Detached(_)
            | Outcome::Refused => Cleanup::Kept,
        };
        let mut actions = Vec::new();
        if let Outcome::Interrupted(signal) = verdict.outcome {
            actions.push(Action::Say(Notice::Stopping(signal)));
        }
        if let Outcome::Detached(Some(signal)) = verdict.outcome {
            let job = self.plan.job.clone();
            actions.push(Action::Say(Notice::Leaving { signal, job }));
        } else if delete_now && verdict.outcome == Outcome::Deadline {
            // What has not begun ends soon; what runs may take its time.
            actions.push(Action::Say(Notice::Ending {
                why: verdict.message.clone(),
                grace: Duration::from_secs(self.pods.longest_grace()),
            }));
        }
        let grace = Duration::from_secs(self.pods.longest_grace()) + GRACE_MARGIN;
        // What stays and runs on has no end to be waited for.
        let drain_by = if !delete_now && kept == Cleanup::Kept {
            now
        } else {
            self.bounded(now + grace)
        };
        let removal = if delete_now {
            self.removal(Propagation::Foreground, now)
        } else {
            Removal::Done(kept)
        };
        // The delete request goes out before anything else is said or done.
        actions.splice(0..0, self.delete_action(&removal));
        self.stage = Stage::Ending(Box::new(Ending {
            basis: Basis::Given(verdict),
            step: Step::Drain,
            drain_by: Some(drain_by),
            refusals: 0,
            quiet: Quiet::new(now, false),
            reconcile: Reconcile::Settled,
            removal,
            delivery: Delivery::Open,
            job_gone: false,
            gathering: Gathering::Before,
        }));
        actions.extend(self.advance(now));
        actions
    }

    /// Begins the ending of a Job that has its terminal condition.
    pub(super) fn conclude_finished(&mut self, now: Duration) -> Vec<Action> {
        self.conclude_by_policy(Basis::Finished, Propagation::Background, now)
    }

    /// Begins the ending of a Job that has announced its end and cannot get there.
    pub(super) fn conclude_announced(&mut self, now: Duration) -> Vec<Action> {
        self.conclude_by_policy(Basis::Announced, Propagation::Foreground, now)
    }

    /// Begins the ending of a Job whose main container has ended while others of its pod run on.
    pub(super) fn conclude_main(&mut self, verdict: Verdict, now: Duration) -> Vec<Action> {
        self.conclude_by_policy(Basis::Main(verdict), Propagation::Foreground, now)
    }

    fn conclude_by_policy(&mut self, basis: Basis, propagation: Propagation, now: Duration) -> Vec<Action> {
        let reconcile = if self.unseen() <= 0 {
            Reconcile::Settled
        } else {
            Reconcile::At(now + RECONCILE_AFTER)
        };
        let lost = matches!(&self.stage, Stage::Following(following) if following.pods_lost());
        let blind = matches!(&self.stage, Stage::Following(following) if following.blind());
        // Pods that will not go may write for ever.
        let drain_by = matches!(basis, Basis::Announced).then_some(now + QUIET);
        self.stage = Stage::Ending(Box::new(Ending {
            basis,
            step: Step::Drain,
            drain_by,
            // Where they may not be seen nobody doubts it.
            refusals: if blind { REFUSALS } else { 0 },
            quiet: Quiet::new(now, lost),
            reconcile,
            removal: Removal::ByPolicy(propagation),
            delivery: Delivery::Open,
            job_gone: false,
            gathering: Gathering::Before,
        }));
        self.advance(now)
    }

    /// No later than a signal allows.
    fn bounded(&self, at: Duration) -> Duration {
        self.stopped
            .map_or(at, |(_, by)| at.min(by.saturating_sub(FLUSH_MARGIN)))
    }

    fn removal(&mut self, propagation: Propagation, now: Duration) -> Removal {
        let limit = self.stopped.map(|(_, limit)| limit);
        Removal::Asked(propagation, Tries::new(now, limit, self.jitter.fork()))
    }

    fn delete_action(&self, removal: &Removal) -> Option<Action> {
        let uid = self.job.as_ref()?.uid.clone();
        match removal {
            Removal::Asked(propagation, _) => Some(Action::Delete {
                uid,
                propagation: *propagation,
            }),
            Removal::ByPolicy(_) | Removal::Done(_) => None,
        }
    }

    /// A signal while ending: what is left is cut short.
    pub(super) fn hurry(&mut self, now: Duration) -> Vec<Action> {
        let Some((_, limit)) = self.stopped else {
            return Vec::new();
        };
        let mut actions = self.delete_by_policy(now);
        if let Stage::Ending(ending) = &mut self.stage {
            let drain_by = match (&ending.basis, &ending.removal) {
                // The Job has finished: what was not read by now is not waited for.
                (Basis::Finished | Basis::Announced | Basis::Main(_), _)
                | (_, Removal::ByPolicy(_) | Removal::Done(_)) => now,
                (Basis::Given(_), Removal::Asked(..)) => limit.saturating_sub(FLUSH_MARGIN),
            };
            ending.drain_by = Some(ending.drain_by.map_or(drain_by, |by| by.min(drain_by)));
            if let Removal::Asked(_, tries) = &mut ending.removal {
                tries.hurry(limit);
            }
            ending.delivery.hurry(limit);
        }
        actions.extend(self.advance(now));
        actions
    }

    /// Sends the delete request of a finished Job if the policy wants it gone.
    fn delete_by_policy(&mut self, now: Duration) -> Vec<Action> {
        let Stage::Ending(ending) = &self.stage else {
            return Vec::new();
        };
        let Removal::ByPolicy(propagation) = &ending.removal else {
            return Vec::new();
        };
        let propagation = *propagation;
        let wanted = match &ending.basis {
            // It would run on.
            Basis::Main(_) => self.plan.delete != DeletePolicy::Never,
            Basis::Given(_) | Basis::Finished | Basis::Announced => {
                self.plan.delete.takes(self.verdict().outcome == Outcome::Succeeded)
            }
        };
        if !wanted || self.plan.task == Task::Attach {
            return Vec::new();
        }
        let removal = self.removal(propagation, now);
        let actions = self.delete_action(&removal).into_iter().collect();
        if let Stage::Ending(ending) = &mut self.stage {
            ending.removal = removal;
        }
        actions
    }

    pub(super) fn ending(&mut self, input: Input, now: Duration) -> Vec<Action> {
        let mut actions = match input {
            Input::Log(stream, news) => {
                let budget = self.plan.outage_budget;
                let told = match (&mut self.stage, &news) {
                    (Stage::Ending(ending), LogNews::OutOfReach(failure)) => match failure {
                        Failure::Unreachable(_) | Failure::Lost(_) => ending.quiet.log_lost(failure, budget, now),
                        // The API server answers: it is the node that does not.
                        Failure::Answered(_) | Failure::Setup(_) => None,
                    },
                    (Stage::Ending(ending), _) => ending.quiet.log_came(now),
                    _ => None,
                };
                let mut actions: Vec<Action> = told.map(Action::Say).into_iter().collect();
                actions.extend(self.log_news(stream, news));
                actions
            }
            Input::Job(seen) => {
                self.job_while_ending(&seen);
                Vec::new()
            }
            Input::Pods(seen) => self.pods_while_ending(seen, now),
            Input::Listed(answer) => self.listed_at_the_end(answer, now),
            Input::Deleted(answer) => {
                self.deleted(answer, now);
                Vec::new()
            }
            Input::Flushed(error) => {
                if let Stage::Ending(ending) = &mut self.stage
                    && ending.step == Step::Flush
                {
                    ending.step = Step::Remove;
                }
                self.stdout_failed |= error.is_some();
                error
                    .map(|why| Action::Say(Notice::StdoutFailed(why)))
                    .into_iter()
                    .collect()
            }
            Input::Events(answer) => {
                self.last_events(answer);
                Vec::new()
            }
            Input::Marked(answer) => self.marked(answer, now),
            Input::Due => self.ending_due(now),
            // Late answers to requests of other stages.
            Input::Warning(_)
            | Input::Created(_)
            | Input::Read(_)
            | Input::Found(_)
            | Input::MayPatch(_)
            | Input::FoundPods(_)
            | Input::Companion { .. }
            | Input::Released(_)
            | Input::Signal(_) => Vec::new(),
        };
        actions.extend(self.advance(now));
        actions
    }

    fn job_while_ending(&mut self, seen: &Seen<JobView>) {
        let gone = match seen {
            Seen::One(job) | Seen::Gone(job) if !self.is_ours(job) => true,
            Seen::Gone(_) => true,
            Seen::All(jobs) => !jobs.iter().any(|job| self.is_ours(job)),
            Seen::One(_) | Seen::Lost(_) | Seen::Back | Seen::Polled(_) => false,
        };
        if let (true, Stage::Ending(ending)) = (gone, &mut self.stage) {
            ending.job_gone = true;
        }
    }

    fn deleted(&mut self, answer: Result<Deletion, Failure>, now: Duration) {
        let Stage::Ending(ending) = &mut self.stage else { return };
        let Removal::Asked(_, tries) = &mut ending.removal else {
            return;
        };
        match answer {
            Ok(deletion) => {
                ending.job_gone |= match deletion {
                    Deletion::Gone | Deletion::NotOurs => true,
                    Deletion::Accepted => false,
                };
                ending.removal = Removal::Done(Cleanup::Deleted);
            }
            Err(failure) if failure.may_heal() => {
                tries.failed(failure, now);
            }
            Err(failure) => ending.removal = Removal::Done(Cleanup::Failed(failure.to_string())),
        }
    }

    fn ending_due(&mut self, now: Duration) -> Vec<Action> {
        if self.stopped.is_some_and(|(_, by)| now >= by) {
            return self.leave();
        }
        let job_uid = self.job.as_ref().map(|job| job.uid.clone()).unwrap_or_default();
        let Stage::Ending(ending) = &mut self.stage else {
            return Vec::new();
        };
        if matches!(ending.gathering, Gathering::Asked(_, until) if now >= until) {
            ending.gathering = Gathering::Over;
        }
        let mut actions = Vec::new();
        if let Removal::Asked(propagation, tries) = &mut ending.removal {
            let propagation = *propagation;
            match tries.at(now) {
                Now::Wait => {}
                Now::Again => actions.push(Action::Delete {
                    uid: job_uid.clone(),
                    propagation,
                }),
                Now::Over(why) => ending.removal = Removal::Done(Cleanup::Failed(why)),
            }
        }
        if matches!(ending.reconcile, Reconcile::At(at) if now >= at) {
            // A list settles it; without one the drain's own budget does.
            ending.reconcile = Reconcile::Asked;
            actions.push(Action::ListPods { job_uid });
        }
        actions.extend(self.delivery_due(now));
        actions
    }

    /// Goes from step to step as far as it can.
    fn advance(&mut self, now: Duration) -> Vec<Action> {
        let waits = |e: &Ending| matches!(e.removal, Removal::Asked(..)) || e.delivery.marking();
        if self.leaving && !matches!(&self.stage, Stage::Ending(e) if waits(e)) {
            return self.leave();
        }
        let drained = self.drained(now);
        if drained.is_some() && matches!(&self.stage, Stage::Ending(e) if e.step == Step::Drain) {
            let (waits, asked) = self.gather(now);
            if waits {
                return asked;
            }
        }
        let (reading, unseen) = (self.pods.logs.reading(), self.unseen());
        let never_listed = self.never_listed();
        let Stage::Ending(ending) = &mut self.stage else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if ending.step == Step::Drain {
            let Some(given_up) = drained else { return actions };
            ending.step = Step::Flush;
            ending.reconcile = Reconcile::Settled;
            let unseen = match &ending.basis {
                Basis::Finished | Basis::Announced => unseen,
                // With the Job its pods went, before anybody had listed them.
                Basis::Given(verdict) if verdict.outcome == Outcome::Deleted => never_listed,
                Basis::Given(_) | Basis::Main(_) => 0,
            };
            self.pods_unseen = u32::try_from(unseen).unwrap_or(0);
            if unseen > 0 {
                actions.push(Action::Say(Notice::PodsUnseen(unseen)));
            }
            // What stays and runs on is not read to its end on purpose.
            let stays = matches!(
                (&ending.basis, &ending.removal),
                (Basis::Given(verdict), Removal::Done(Cleanup::Kept | Cleanup::Failed(_))) if verdict.job_unfinished
            );
            if given_up && !stays && !reading.is_empty() {
                actions.push(Action::Say(Notice::Log(LogNotice::GivenUp {
                    pods: reading,
                    namespace: self.plan.namespace.clone(),
                })));
            }
            actions.push(Action::Flush);
        }
        actions.extend(self.remove(now));
        actions
    }

    /// Everything is read and written: what is left is about the Job.
    fn remove(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        loop {
            let Stage::Ending(ending) = &self.stage else {
                return actions;
            };
            if ending.step != Step::Remove {
                return actions;
            }
            match &ending.removal {
                Removal::Asked(..) => return actions,
                Removal::Done(cleanup) => {
                    let cleanup = cleanup.clone();
                    actions.extend(self.note(cleanup.clone()));
                    match self.last_act(&cleanup, now) {
                        Some(more) => actions.extend(more),
                        None => actions.extend(self.close(cleanup)),
                    }
                    return actions;
                }
                Removal::ByPolicy(_) => {
                    actions.extend(self.note(Cleanup::Kept));
                    let delete = self.delete_by_policy(now);
                    if let (true, Stage::Ending(ending)) = (delete.is_empty(), &mut self.stage) {
                        ending.removal = Removal::Done(Cleanup::Kept);
                    }
                    actions.extend(delete);
                }
            }
        }
    }

    /// `Some(false)` when everything was read, `Some(true)` when waiting for it was given up.
    fn drained(&self, now: Duration) -> Option<bool> {
        let Stage::Ending(ending) = &self.stage else {
            return None;
        };
        // A log that waits for whoever reads stdout is not silent.
        let quiet = now >= ending.quiet.until(self.plan.outage_budget) && !self.pods.logs.blocked();
        if quiet || ending.drain_by.is_some_and(|by| now >= by) {
            return Some(true);
        }
        let pods_over = match (&ending.basis, &ending.removal) {
            (Basis::Finished | Basis::Announced, _) => ending.reconcile == Reconcile::Settled,
            (Basis::Main(_), _) => return self.pods.logs.read_of_ended().then_some(false),
            // Whoever deleted an unfinished Job: its pods have to end first.
            (Basis::Given(_), Removal::Asked(..)) => false,
            // It may not be deleted, and nobody has asked its pods to end.
            (Basis::Given(_), Removal::Done(Cleanup::Failed(_))) => return Some(true),
            (Basis::Given(_), Removal::Done(_) | Removal::ByPolicy(_)) => {
                ending.job_gone || self.pods.unfinished().is_empty()
            }
        };
        (pods_over && self.pods.drained()).then_some(false)
    }

    /// Leaves at once: what was asked for is under way, nothing is waited for.
    pub(super) fn leave(&mut self) -> Vec<Action> {
        let cleanup = match &self.stage {
            Stage::Creating(creating) => {
                let in_flight = creating.in_flight();
                return self.give_up_creating(in_flight);
            }
            Stage::Looking(_) => return self.give_up_looking(),
            Stage::Equipping(_) => return self.leave_unequipped(),
            Stage::Attaching(_) | Stage::Following(_) | Stage::Over => return Vec::new(),
            Stage::Ending(ending) => match &ending.removal {
                Removal::Asked(..) => {
                    Cleanup::Failed("the delete request was sent, and no answer came in time".to_owned())
                }
                Removal::ByPolicy(_) => Cleanup::Kept,
                Removal::Done(cleanup) => cleanup.clone(),
            },
        };
        self.close(cleanup)
    }
}
