//! How long a failed pod's successor waits (`backoff_utils.go`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::{Settings, count, pods};

/// What the controller remembers of one Job between looks; it starts afresh with each Job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    failures: i32,
    last_failure: Option<Timestamp>,
}

impl Memory {
    /// What is to be remembered once these pods are counted (`newBackoffRecord`).
    pub(super) fn with(&self, succeeded: &[&Pod], failed: &[&Pod]) -> Self {
        let last_success = succeeded.iter().map(|pod| finished_at(pod)).max();
        let failed: Vec<_> = failed.iter().map(|pod| finished_at(pod)).collect();
        match last_success {
            // A success forgets all failures before it.
            Some(success) => {
                let since: Vec<_> = failed.into_iter().filter(|at| *at > success).collect();
                Self {
                    failures: count(&since),
                    last_failure: since.into_iter().max(),
                }
            }
            None if failed.is_empty() => self.clone(),
            None => Self {
                failures: self.failures.saturating_add(count(&failed)),
                last_failure: failed.into_iter().max(),
            },
        }
    }

    /// How long the next pod still has to wait.
    pub(super) fn remaining(&self, settings: &Settings, now: Timestamp) -> Duration {
        match self.last_failure {
            Some(at) => remaining(self.failures, at, settings, now),
            None => Duration::ZERO,
        }
    }
}

/// The same for one index, from the last pod of it that failed (`getRemainingTimePerIndex`).
pub(super) fn remaining_for_index(failed: &Pod, settings: &Settings, now: Timestamp) -> Duration {
    let failures = pods::failures_before(failed).saturating_add(1);
    remaining(failures, finished_at(failed), settings, now)
}

fn remaining(failures: i32, since: Timestamp, settings: &Settings, now: Timestamp) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(failures - 1).unwrap_or_default();
    let wait = settings.backoff_base.saturating_mul(2_u32.saturating_pow(doublings));
    let wait = SignedDuration::try_from(wait.min(settings.backoff_limit)).unwrap_or(SignedDuration::MAX);
    let left = wait.saturating_sub(now.duration_since(since));
    Duration::try_from(left).unwrap_or_default()
}

/// When a pod ended: its last container, else since when it is not ready, else its deletion, else its
/// creation (`getFinishedTime`).
pub(super) fn finished_at(pod: &Pod) -> Timestamp {
    let not_ready = || {
        let condition = pods::ready_condition(pod).filter(|c| c.status == "False")?;
        Some(condition.last_transition_time.as_ref()?.0)
    };
    let deleted = || {
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
        let end = pod.metadata.deletion_timestamp.as_ref()?.0;
        end.checked_sub(SignedDuration::from_secs(grace)).ok()
    };
    let created = || Some(pod.metadata.creation_timestamp.as_ref()?.0);
    containers_finished_at(pod)
        .or_else(not_ready)
        .or_else(deleted)
        .or_else(created)
        .unwrap_or_default()
}

/// The end of the container that ended last, side-cars included, if all of them have ended.
fn containers_finished_at(pod: &Pod) -> Option<Timestamp> {
    let regular = latest(None, pods::containers(pod).iter());
    latest(regular, pods::sidecars(pod))
}

fn latest<'a>(before: Option<Timestamp>, statuses: impl Iterator<Item = &'a ContainerStatus>) -> Option<Timestamp> {
    let mut latest = before;
    for status in statuses {
        let terminated = status.state.as_ref()?.terminated.as_ref()?;
        latest = latest.max(Some(terminated.finished_at.as_ref()?.0));
    }
    latest
}
