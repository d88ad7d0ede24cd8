//! The conditions in a Job's status (`job_controller.go`, `util/utils.go`).

use jiff::Timestamp;
use k8s_openapi::{
    api::batch::v1::{Job, JobCondition, JobStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

pub(super) const COMPLETE: &str = "Complete";
pub(super) const FAILED: &str = "Failed";
pub(super) const FAILURE_TARGET: &str = "FailureTarget";
pub(super) const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";
pub(super) const SUSPENDED: &str = "Suspended";

const TRUE: &str = "True";

/// A condition, true since now.
pub(super) fn condition(kind: &str, reason: &str, message: &str, now: Timestamp) -> JobCondition {
    JobCondition {
        type_: kind.to_owned(),
        status: TRUE.to_owned(),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
    }
}

/// The terminal condition that an interim one announces.
pub(super) fn terminal(interim: &JobCondition, now: Timestamp) -> JobCondition {
    let kind = if interim.type_ == SUCCESS_CRITERIA_MET {
        COMPLETE
    } else {
        FAILED
    };
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    condition(kind, &text(&interim.reason), &text(&interim.message), now)
}

/// The condition of this kind if its status is True.
pub(super) fn holds<'a>(status: &'a JobStatus, kind: &str) -> Option<&'a JobCondition> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    conditions.iter().find(|c| c.type_ == kind && c.status == TRUE)
}

/// Whether the Job is Complete or Failed (`IsJobFinished`).
pub(super) fn finished(job: &Job) -> bool {
    let holds = |kind| job.status.as_ref().is_some_and(|status| holds(status, kind).is_some());
    holds(COMPLETE) || holds(FAILED)
}

/// Adds the condition, or puts it in the place of a different one of its kind. Whether the status
/// changed: from nothing to False is no change (`ensureJobConditionStatus`).
pub(super) fn ensure(status: &mut JobStatus, new: JobCondition) -> bool {
    let mut conditions = status.conditions.iter_mut().flatten();
    match conditions.find(|c| c.type_ == new.type_) {
        Some(old) if (&old.status, &old.reason, &old.message) == (&new.status, &new.reason, &new.message) => false,
        Some(old) => {
            *old = new;
            true
        }
        None if new.status != TRUE => false,
        None => {
            add(status, new);
            true
        }
    }
}

pub(super) fn add(status: &mut JobStatus, new: JobCondition) {
    status.conditions.get_or_insert_default().push(new);
}
