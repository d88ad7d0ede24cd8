//! Counting ended pods, each once (`trackJobStatusAndRemoveFinalizers`): first the UID goes into the
//! status, then the finalizer goes, then the UID becomes a count.

use std::time::Duration;

use k8s_openapi::{
    api::{
        batch::v1::{JobStatus, UncountedTerminatedPods},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{
    EventKind, Memory, Plan,
    conditions::{self, COMPLETE, SUCCESS_CRITERIA_MET},
    count,
    failure_policy::{self, Ruling},
    look::Look,
    pods,
};

/// UIDs of ended pods that the counters do not have yet.
#[derive(Default)]
pub(super) struct Uncounted(UncountedTerminatedPods);

impl Uncounted {
    /// Counts those that have lost their finalizer, and keeps the others
    /// (`cleanUncountedPodsWithoutFinalizers`).
    pub(super) fn settle(status: &mut JobStatus, pods: &[&Pod]) -> Self {
        let held = |uid: &String| pods.iter().any(|pod| pods::uid(pod) == uid && pods::has_finalizer(pod));
        let settle = |uids: Option<Vec<String>>, counter: &mut Option<i32>| {
            let (keep, gone): (Vec<_>, Vec<_>) = uids.into_iter().flatten().partition(held);
            *counter = some_count(counter.unwrap_or_default() + count(&gone));
            (!keep.is_empty()).then_some(keep)
        };
        let recorded = status.uncounted_terminated_pods.take().unwrap_or_default();
        let left = UncountedTerminatedPods {
            succeeded: settle(recorded.succeeded, &mut status.succeeded),
            failed: settle(recorded.failed, &mut status.failed),
        };
        status.uncounted_terminated_pods = Some(left.clone());
        Self(left)
    }

    pub(super) fn succeeded(&self) -> &[String] {
        self.0.succeeded.as_deref().unwrap_or_default()
    }

    pub(super) fn failed(&self) -> &[String] {
        self.0.failed.as_deref().unwrap_or_default()
    }

    pub(super) fn has(&self, pod: &Pod) -> bool {
        let mut uids = self.succeeded().iter().chain(self.failed());
        uids.any(|uid| uid == pods::uid(pod))
    }

    fn is_empty(&self) -> bool {
        self.succeeded().is_empty() && self.failed().is_empty()
    }
}

/// The status leaves zeros out.
fn some_count(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

/// Ends a look: the status, the finalizers to remove, and what to remember. `before` is the status
/// with only the counts brought up to date.
pub(super) fn track(mut look: Look<'_>, before: &JobStatus) -> (Plan, Memory) {
    take_in(&mut look);
    let status = &mut look.status;
    status.uncounted_terminated_pods = Some(look.uncounted.0.clone());
    status.active = some_count(look.active);
    status.ready = Some(look.ready);
    status.terminating = Some(look.terminating);
    if let Some(indexed) = &look.indexed {
        let completed = indexed.succeeded.to_string();
        status.succeeded = some_count(indexed.succeeded.total());
        status.completed_indexes = (!completed.is_empty()).then_some(completed);
        status.failed_indexes = indexed.failed.as_ref().map(ToString::to_string);
    }
    if let Some(end) = &look.end
        && conditions::holds(status, &end.type_).is_none()
    {
        conditions::add(status, end.clone());
    }
    let in_motion = look.status != *before || !look.plan.release.is_empty();
    if !in_motion {
        finish(&mut look);
    } else if !look.uncounted.is_empty() || (look.end.is_some() && look.terminating == 0) {
        look.plan.look_again(Duration::ZERO);
    }
    let changed = look.job.status.as_ref() != Some(&look.status);
    look.plan.status = changed.then_some(look.status);
    (look.plan, look.backoff)
}

/// Puts ended pods on the list of the uncounted, and those of which nothing more is to be known on
/// the list of the released.
fn take_in(look: &mut Look<'_>) {
    let policy = look.spec.pod_failure_policy.as_ref();
    let fails = look.end.as_ref().is_some_and(|end| end.type_ != SUCCESS_CRITERIA_MET);
    for pod in &look.pods {
        let failed = pods::is_failed(pod, look.spec);
        if !pods::has_finalizer(pod) || !may_go(look, pod, failed) {
            continue;
        }
        look.plan.release.push(pods::name(pod));
        if look.uncounted.has(pod) {
            continue;
        }
        let indexed = look.indexed.is_some();
        let uid = pods::uid(pod).to_owned();
        if pods::phase(pod) == "Succeeded" {
            // Of an Indexed Job, the index says enough.
            if !indexed {
                look.uncounted.0.succeeded.get_or_insert_default().push(uid);
            }
        } else if (failed || fails) && (!indexed || pods::index(pod, look.job).is_some()) {
            // When a Job fails, the pods that it deletes have failed too.
            if failure_policy::ruling(policy, pod) != Ruling::Ignore {
                look.uncounted.0.failed.get_or_insert_default().push(uid);
            }
        }
    }
}

/// Whether the finalizer may be removed (`canRemoveFinalizer`).
fn may_go(look: &Look<'_>, pod: &Pod, failed: bool) -> bool {
    if look.job.metadata.deletion_timestamp.is_some() || look.end.is_some() || pods::phase(pod) == "Succeeded" {
        return true;
    }
    let waits = look.indexed.as_ref().is_some_and(|indexed| {
        let waiting = pods::index(pod, look.job).and_then(|index| indexed.waiting.get(&index));
        waiting.is_some_and(|waiting| pods::uid(waiting) == pods::uid(pod))
    });
    failed && !waits
}

/// The terminal condition, once all pods have ended and are counted (`enactJobFinished`).
fn finish(look: &mut Look<'_>) {
    let Some(announced) = look
        .end
        .take()
        .filter(|_| look.uncounted.is_empty() && look.terminating == 0)
    else {
        return;
    };
    let end = conditions::terminal(&announced, look.stamp());
    if end.type_ == COMPLETE {
        look.status.completion_time = Some(Time(look.stamp()));
        let succeeded = look.status.succeeded.unwrap_or_default();
        if look.spec.completions.is_some_and(|wanted| succeeded > wanted) {
            let message = "Too many succeeded pods running after completion count reached";
            look.plan.event(EventKind::Warning, "TooManySucceededPods", message);
        }
        look.plan.event(EventKind::Normal, "Completed", "Job completed");
    } else {
        let reason = end.reason.clone().unwrap_or_default();
        let message = end.message.clone().unwrap_or_default();
        look.plan.event(EventKind::Warning, &reason, message);
    }
    conditions::ensure(&mut look.status, end);
}
