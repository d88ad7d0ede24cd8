//! The pods of a Job that has ended, against the Job's own count: what the watch has not told of is listed
//! before the Job, and with it the pods' logs, may go.

use std::time::Duration;

use super::{Action, Machine, Seen, Stage};
use crate::core::{failure::Failure, job::JobView, pod::PodView};

/// Refused lists that are not believed.
pub(super) const REFUSALS: u32 = 5;
/// The pause before pods are listed again that could not be listed.
const RECONCILE_AGAIN: Duration = Duration::from_secs(2);

/// Whether the pods are to be listed, because fewer were seen to end than the Job counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reconcile {
    /// No, or no longer.
    Settled,
    /// If the watch has not told by then.
    At(Duration),
    /// The answer is waited for.
    Asked,
}

impl Machine {
    /// How many pods fewer were seen to end than the Job counts.
    pub(super) fn unseen(&self) -> i32 {
        let counted = self.job.as_ref().map_or(0, |job| job.succeeded + job.failed);
        counted - i32::try_from(self.pods.over()).unwrap_or(i32::MAX)
    }

    /// How many pods fewer were ever seen than the Job counted when it was last seen.
    pub(super) fn never_listed(&self) -> i32 {
        let of_job = |job: &JobView| job.active + job.succeeded + job.failed;
        let counted = self.job.as_ref().map_or(0, of_job);
        counted - i32::try_from(self.pods.known()).unwrap_or(i32::MAX)
    }

    /// Whether the pods' list is asked for again though it was refused: a few times, if it was allowed before.
    fn doubts_refusal(&mut self) -> bool {
        let Stage::Ending(ending) = &mut self.stage else {
            return false;
        };
        ending.refusals += 1;
        ending.refusals <= REFUSALS
    }

    /// All pods that there are, asked for after the Job's end; what is missing here is gone.
    pub(super) fn listed_at_the_end(&mut self, answer: Result<Vec<PodView>, Failure>, now: Duration) -> Vec<Action> {
        let (actions, next) = match answer {
            Ok(pods) => (self.pods_while_ending(Seen::All(pods), now), Reconcile::Settled),
            // A connection that broke just now must not cost a pod's whole log, which goes with the Job.
            Err(failure) if failure.may_heal() => {
                let budget = self.plan.outage_budget;
                let told = match &mut self.stage {
                    Stage::Ending(ending) => ending.quiet.list_lost(&failure, budget, now),
                    Stage::Looking(_)
                    | Stage::Creating(_)
                    | Stage::Equipping(_)
                    | Stage::Attaching(_)
                    | Stage::Following(_)
                    | Stage::Over => None,
                };
                let told = told.map(Action::Say).into_iter().collect();
                (told, Reconcile::At(now + RECONCILE_AGAIN))
            }
            // An API server that has just started knows no Roles yet.
            Err(failure) if failure.is(403) && self.doubts_refusal() => {
                (Vec::new(), Reconcile::At(now + RECONCILE_AGAIN))
            }
            Err(_) => (Vec::new(), Reconcile::Settled),
        };
        if let Stage::Ending(ending) = &mut self.stage
            && ending.reconcile == Reconcile::Asked
        {
            ending.reconcile = next;
        }
        actions
    }

    pub(super) fn pods_while_ending(&mut self, seen: Seen<PodView>, now: Duration) -> Vec<Action> {
        let budget = self.plan.outage_budget;
        let told = match (&mut self.stage, &seen) {
            (Stage::Ending(ending), Seen::Lost(failure)) if failure.may_heal() => {
                ending.quiet.pods_lost(failure, budget, now)
            }
            (Stage::Ending(ending), _) => ending.quiet.pods_came(now),
            _ => None,
        };
        let mut actions: Vec<Action> = told.map(Action::Say).into_iter().collect();
        actions.extend(match seen {
            // The Job's own fate is known; its pods are not waited for beyond the drain's budget.
            Seen::Lost(_) | Seen::Back | Seen::Polled(_) => Vec::new(),
            Seen::All(_) | Seen::One(_) | Seen::Gone(_) => self.pods_seen(seen, now),
        });
        let unseen = self.unseen();
        if let Stage::Ending(ending) = &mut self.stage {
            ending.reconcile = if unseen <= 0 {
                Reconcile::Settled
            } else {
                ending.reconcile
            };
        }
        actions
    }
}
