//! The last acts of a run: the outcome is noted where it outlives kjo, the Job is deleted or marked as
//! delivered, and, where that is wanted, its disappearance is waited for. A Job that is neither deleted nor
//! marked is one whose outcome nobody has been given: the next run with its id adopts it.

use std::time::Duration;

use super::{
    Action, Cleanup, Deleted, Ended, Machine, Stage, Task,
    ending::Basis,
    io::Origin,
    looking::say,
    tries::{Now, Tries},
};
use crate::core::{
    failure::Failure,
    notice::AdoptionNotice,
    outcome::{Outcome, Verdict},
};

/// What is waited for beyond the pods' grace, until a deleted Job and its pods are gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Where the last acts stand.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The outcome is not noted yet.
    Open,
    /// It is noted; nothing has been marked.
    Noted,
    /// A request to mark the Job is under way, or waits for its next try.
    Marking(Tries),
    /// A deleted Job is waited for until then.
    Going(Duration),
    /// Nothing is left to be done.
    Done,
}

impl Delivery {
    pub(super) fn due(&self) -> Option<(Duration, &'static str)> {
        match self {
            Self::Marking(tries) => Some((tries.due(), "mark")),
            Self::Going(by) => Some((*by, "gone")),
            Self::Open | Self::Noted | Self::Done => None,
        }
    }

    /// A request to mark the Job is under way, or is going to be.
    pub(super) fn marking(&self) -> bool {
        matches!(self, Self::Marking(_))
    }

    /// No later than this.
    pub(super) fn hurry(&mut self, limit: Duration) {
        match self {
            Self::Marking(tries) => tries.hurry(limit),
            Self::Going(by) => *by = limit.min(*by),
            Self::Open | Self::Noted | Self::Done => {}
        }
    }
}

impl Machine {
    /// How the run ends, by what is known now.
    pub(super) fn as_ended(&self, verdict: Verdict, cleanup: Cleanup) -> Ended {
        let rerun = self.origin == Origin::Rerun
            && self.stopped.is_none()
            && matches!(&self.stage, Stage::Ending(e) if matches!(e.basis, Basis::Finished))
            && verdict.outcome != Outcome::Succeeded;
        let generation = self.job.as_ref().map_or(0, |job| job.generation);
        Ended {
            verdict,
            job: self.job.clone(),
            adopted: self.origin.adopted(),
            next: rerun.then(|| generation.saturating_add(1)),
            cleanup,
            pods: self.pods.records(),
            pods_unseen: self.pods_unseen,
            warnings: self.warnings.clone(),
        }
    }

    /// Notes the outcome, once, before anything is done that tells others that it was given.
    pub(super) fn note(&mut self, cleanup: Cleanup) -> Option<Action> {
        let verdict = self.verdict();
        let ended = self.as_ended(verdict, cleanup);
        let Stage::Ending(ending) = &mut self.stage else {
            return None;
        };
        if !matches!(ending.delivery, Delivery::Open) {
            return None;
        }
        ending.delivery = Delivery::Noted;
        Some(Action::Deliver(Box::new(ended)))
    }

    /// What is left to be done about a Job of which this has become; `None` when nothing is.
    pub(super) fn last_act(&mut self, cleanup: &Cleanup, now: Duration) -> Option<Vec<Action>> {
        let (wanted, deleted) = (self.wants_mark(cleanup), *cleanup == Cleanup::Deleted);
        let limit = self.stopped.map(|(_, limit)| limit);
        let gone_by = now + Duration::from_secs(self.pods.longest_grace()) + GONE_WITHIN;
        let gone = self.pods.unfinished().is_empty();
        let uid = self.job.as_ref().map(|job| job.uid.clone()).unwrap_or_default();
        let jitter = self.jitter.fork();
        let Stage::Ending(ending) = &mut self.stage else {
            return None;
        };
        match &ending.delivery {
            Delivery::Done => None,
            Delivery::Marking(_) => Some(Vec::new()),
            Delivery::Going(by) => (now < *by && !(ending.job_gone && gone)).then(Vec::new),
            Delivery::Open | Delivery::Noted if wanted => {
                ending.delivery = Delivery::Marking(Tries::new(now, limit, jitter));
                Some(vec![Action::Mark { uid }])
            }
            Delivery::Open | Delivery::Noted
                if deleted && self.plan.deleted == Deleted::Gone && !(ending.job_gone && gone) =>
            {
                ending.delivery = Delivery::Going(limit.map_or(gone_by, |limit| gone_by.min(limit)));
                Some(Vec::new())
            }
            Delivery::Open | Delivery::Noted => {
                ending.delivery = Delivery::Done;
                None
            }
        }
    }

    /// The Job has ended, its outcome is this run's, and it stays.
    fn wants_mark(&self, cleanup: &Cleanup) -> bool {
        let stays = match cleanup {
            Cleanup::Kept | Cleanup::Failed(_) => true,
            Cleanup::Deleted | Cleanup::Nothing => false,
        };
        let own = match &self.stage {
            Stage::Ending(ending) => match ending.basis {
                Basis::Finished | Basis::Announced => true,
                Basis::Given(_) | Basis::Main(_) => false,
            },
            Stage::Looking(_)
            | Stage::Creating(_)
            | Stage::Equipping(_)
            | Stage::Attaching(_)
            | Stage::Following(_)
            | Stage::Over => false,
        };
        let known = self.verdict().outcome != Outcome::Unknown;
        let marked = self.job.as_ref().is_some_and(|job| job.delivered);
        self.plan.task == Task::Run && stays && own && known && !marked
    }

    pub(super) fn marked(&mut self, answer: Result<(), Failure>, now: Duration) -> Vec<Action> {
        let job = self.plan.job.clone();
        let told = self.plan.identity.look;
        let Stage::Ending(ending) = &mut self.stage else {
            return Vec::new();
        };
        let Delivery::Marking(tries) = &mut ending.delivery else {
            return Vec::new();
        };
        match answer {
            Ok(()) => {
                ending.delivery = Delivery::Done;
                Vec::new()
            }
            // It is gone, or another has its name: nobody can take it for unseen.
            Err(failure) if failure.is(404) || failure.is_other_uid() => {
                ending.delivery = Delivery::Done;
                Vec::new()
            }
            Err(failure) if failure.may_heal() => {
                tries.failed(failure, now);
                Vec::new()
            }
            Err(failure) => {
                ending.delivery = Delivery::Done;
                not_marked(job, told, failure.to_string())
            }
        }
    }

    pub(super) fn delivery_due(&mut self, now: Duration) -> Vec<Action> {
        let uid = self.job.as_ref().map(|job| job.uid.clone()).unwrap_or_default();
        let (job, told) = (self.plan.job.clone(), self.plan.identity.look);
        let Stage::Ending(ending) = &mut self.stage else {
            return Vec::new();
        };
        match &mut ending.delivery {
            Delivery::Marking(tries) => match tries.at(now) {
                Now::Wait => Vec::new(),
                Now::Again => vec![Action::Mark { uid }],
                Now::Over(why) => {
                    ending.delivery = Delivery::Done;
                    not_marked(job, told, why)
                }
            },
            Delivery::Going(by) if now >= *by => {
                ending.delivery = Delivery::Done;
                Vec::new()
            }
            Delivery::Going(_) | Delivery::Open | Delivery::Noted | Delivery::Done => Vec::new(),
        }
    }
}

/// Worth a word where somebody else may look for the Job by its run id.
fn not_marked(job: String, told: bool, why: String) -> Vec<Action> {
    told.then_some(say(AdoptionNotice::NotMarked { job, why }))
        .into_iter()
        .collect()
}
