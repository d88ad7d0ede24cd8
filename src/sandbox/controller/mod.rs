//! The Job controller: from one look at a Job and its pods to what is to be done about them.
//!
//! A port of `pkg/controller/job` of Kubernetes 1.36 with its feature gates at their defaults. What
//! the real controller needs because its caches lag (expectations, adoption, batches of 500) is not
//! here: a look sees the store as it is.
//!
//! The real one writes the status twice in one sync: uncounted UIDs and interim conditions before the
//! finalizers go, counters and terminal condition after. Here each of the two is a look, and
//! [`Plan::again`] is zero between them.

mod backoff;
mod conditions;
mod failure_policy;
mod indexed;
mod indexes;
mod look;
mod manage;
mod pods;
mod success_policy;
mod template;
mod tracking;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::{Job, JobStatus},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};

pub use backoff::Memory;

/// What keeps a pod in the store until its end is counted in the Job's status.
pub const TRACKING_FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// The value of `spec.managedBy` that means this controller, as does none.
const CONTROLLER_NAME: &str = "kubernetes.io/job-controller";

/// What one look at a Job and its pods leads to, to be carried out in the order of the fields.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// The whole new status; `None` where it stays as it is.
    pub status: Option<JobStatus>,
    /// Names of the pods whose [`TRACKING_FINALIZER`] is to be removed. No error if a pod is gone.
    pub release: Vec<String>,
    /// Names of the pods to delete, with their own grace period. No error if a pod is gone.
    pub delete: Vec<String>,
    /// Pods to create, complete but for what the API server sets. If one is refused, the real
    /// controller records the Warning `FailedCreate`, "Error creating: " and the refusal, in place of
    /// `SuccessfulCreate`, and tries again after 1 s, 2 s, 4 s and so on to a minute.
    pub create: Vec<Pod>,
    /// Events about the Job.
    pub events: Vec<Event>,
    /// Look again after this, even if nothing changes: zero means at once, without the second that
    /// the real controller lets pass after a change of a pod.
    pub again: Option<Duration>,
}

/// An event about a Job, by the component `job-controller`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type.
    pub kind: EventKind,
    /// For example `SuccessfulCreate`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Something went wrong.
    Warning,
}

impl Plan {
    fn event(&mut self, kind: EventKind, reason: &str, message: impl Into<String>) {
        self.events.push(Event {
            kind,
            reason: reason.to_owned(),
            message: message.into(),
        });
    }

    /// The earlier of two reasons to look again counts.
    fn look_again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |earlier| earlier.min(after)));
    }
}

/// What of the controller can be made faster than the real one.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The wait before the pod after the first failed one; it doubles with each further failure.
    pub backoff_base: Duration,
    /// The longest such wait.
    pub backoff_limit: Duration,
}

impl Default for Settings {
    /// The real controller's 10 s and 10 min (`DefaultJobPodFailureBackOff`, `MaxJobPodFailureBackOff`).
    fn default() -> Self {
        Self {
            backoff_base: Duration::from_secs(10),
            backoff_limit: Duration::from_secs(600),
        }
    }
}

/// Looks at a Job (with the API server's defaults filled in) and at all pods that its UID controls,
/// the terminating ones too. `suffix` gives the five random characters of a pod's name. Where the
/// status cannot be written, nothing more of the plan may be done and `memory` must be put back.
#[must_use]
pub fn sync(
    job: &Job,
    pods: &[Pod],
    memory: &mut Memory,
    settings: &Settings,
    now: Timestamp,
    suffix: &mut dyn FnMut() -> String,
) -> Plan {
    if managed_elsewhere(job) {
        return Plan::default();
    }
    if conditions::finished(job) {
        *memory = Memory::default();
        return Plan {
            release: pods.iter().filter(|p| orphaned(p, Some(job))).map(pods::name).collect(),
            ..Plan::default()
        };
    }
    let Some(spec) = &job.spec else {
        return Plan::default();
    };
    let (plan, remember) = look::Look::new(job, spec, pods, memory, settings, now).plan(suffix);
    *memory = remember;
    plan
}

/// Whether a pod's [`TRACKING_FINALIZER`] is to be removed because nobody will count it: it has no
/// controller, or its Job is finished or gone. `job` is the one of the name in the pod's owner
/// reference, where there is one (`handleSingleOrphanPod`).
#[must_use]
pub fn orphaned(pod: &Pod, job: Option<&Job>) -> bool {
    if !pods::has_finalizer(pod) {
        return false;
    }
    let Some(owner) = controller(pod) else { return true };
    if owner.kind != "Job" || owner.api_version != "batch/v1" {
        return false;
    }
    let job = job.filter(|job| job.metadata.uid.as_deref() == Some(&owner.uid));
    job.is_none_or(|job| conditions::finished(job) && !managed_elsewhere(job))
}

fn controller(pod: &Pod) -> Option<&OwnerReference> {
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

fn managed_elsewhere(job: &Job) -> bool {
    let manager = job.spec.as_ref().and_then(|spec| spec.managed_by.as_deref());
    manager.is_some_and(|manager| manager != CONTROLLER_NAME)
}

/// A number of pods as the status has it.
fn count<T>(items: impl IntoIterator<Item = T>) -> i32 {
    i32::try_from(items.into_iter().count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod captured_tests;
#[cfg(test)]
mod pods_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;
