//! What kjo reads of a Job: identity, conditions, counters.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::log::choice::Declared;

/// A Job as last seen on the API server, reduced to what decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the API")]
pub struct JobView {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; a Job of the same name with another UID is another Job.
    pub uid: String,
    /// `metadata.resourceVersion`, to start a watch from.
    pub resource_version: String,
    /// The whole run id, from the annotation [`RUN_ID`].
    pub run_id: Option<String>,
    /// Which Job of its run id it is, from the annotation [`GENERATION`]; the first is 1.
    pub generation: u32,
    /// What comes along with it is not all there: the annotation [`UNREADY`].
    pub unready: bool,
    /// Somebody has been given its outcome: the label [`DELIVERED`].
    pub delivered: bool,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.creationTimestamp`, by the API server's clock.
    pub created_at: Option<Timestamp>,
    /// `status.startTime`, by the Job controller's clock; a suspended Job has none.
    pub started_at: Option<Timestamp>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.completions`; `None` is the work-queue form, where any success will do.
    pub completions: Option<i32>,
    /// `spec.parallelism`, 1 by default.
    pub parallelism: i32,
    /// The containers of the pod template, init containers first.
    pub declared: Vec<Declared>,
    /// `spec.managedBy` names another controller than Kubernetes' own: no pod of this cluster tells of it.
    pub managed_elsewhere: bool,
    /// The Kueue queue that it waits in or has passed, from the label of that name.
    pub queue: Option<String>,
    /// `spec.ttlSecondsAfterFinished`, in seconds.
    pub ttl_seconds: Option<i32>,
    /// `spec.backoffLimit`: failed pods, or restarts, that are one too few.
    pub backoff_limit: Option<i32>,
    /// `spec.backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<i32>,
    /// `spec.maxFailedIndexes`.
    pub max_failed_indexes: Option<i32>,
    /// `spec.activeDeadlineSeconds`, in seconds.
    pub deadline_seconds: Option<i64>,
    /// `status.completedIndexes` of an Indexed Job, as the API writes them (`0,2-4`).
    pub completed_indexes: Option<String>,
    /// `status.failedIndexes`, likewise; only with a limit per index.
    pub failed_indexes: Option<String>,
    /// `status.active`: pods pending or running, not terminating.
    pub active: i32,
    /// `status.succeeded`.
    pub succeeded: i32,
    /// `status.failed`.
    pub failed: i32,
    /// `status.conditions` whose type kjo knows, whatever their status.
    pub conditions: Vec<Condition>,
}

/// The annotation that holds the whole run id (the label of the same name may hold a short form).
pub const RUN_ID: &str = "kjo.dev/run-id";

/// The annotation that holds the number of the generation.
pub const GENERATION: &str = "kjo.dev/generation";

/// The annotation of a Job that was created suspended, until what comes along with it is made: whether it is
/// to be let go then.
pub const UNREADY: &str = "kjo.dev/unready";

/// The label of a Job whose outcome somebody has been given.
pub const DELIVERED: &str = "kjo.dev/delivered";

/// The label by which Kueue finds a Job's queue.
const QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// The value of `spec.managedBy` that means the Job controller of Kubernetes itself.
const JOB_CONTROLLER: &str = "kubernetes.io/job-controller";

/// One entry of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Which condition.
    pub kind: ConditionKind,
    /// Its status is `"True"`. `"False"` and `"Unknown"` entries exist and mean nothing.
    pub is_true: bool,
    /// `reason`, for example `BackoffLimitExceeded`.
    pub reason: String,
    /// `message`, the cluster's own words.
    pub message: String,
    /// `lastTransitionTime`.
    pub at: Option<Timestamp>,
}

/// The Job conditions that mean something to kjo (`batch/v1` `JobConditionType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    /// The Job succeeded, finally.
    Complete,
    /// The Job failed, finally.
    Failed,
    /// The Job is going to be Complete once its pods have ended.
    SuccessCriteriaMet,
    /// The Job is going to be Failed once its pods have ended.
    FailureTarget,
    /// The Job is suspended.
    Suspended,
}

impl ConditionKind {
    /// The type's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::SuccessCriteriaMet => "SuccessCriteriaMet",
            Self::FailureTarget => "FailureTarget",
            Self::Suspended => "Suspended",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "Complete" => Some(Self::Complete),
            "Failed" => Some(Self::Failed),
            "SuccessCriteriaMet" => Some(Self::SuccessCriteriaMet),
            "FailureTarget" => Some(Self::FailureTarget),
            "Suspended" => Some(Self::Suspended),
            _ => None,
        }
    }
}

impl JobView {
    /// The condition of this kind, if its status is True.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind && c.is_true)
    }

    /// The condition that ended the Job: Complete or Failed.
    #[must_use]
    pub fn terminal(&self) -> Option<&Condition> {
        self.condition(ConditionKind::Complete)
            .or_else(|| self.condition(ConditionKind::Failed))
    }

    /// The condition that announces the end, which the API makes final: SuccessCriteriaMet or
    /// FailureTarget (Kubernetes 1.31 and later).
    #[must_use]
    pub fn announced(&self) -> Option<&Condition> {
        self.condition(ConditionKind::SuccessCriteriaMet)
            .or_else(|| self.condition(ConditionKind::FailureTarget))
    }
}

fn declared(spec: &JobSpec) -> Vec<Declared> {
    let Some(pod) = spec.template.spec.as_ref() else {
        return Vec::new();
    };
    let init = pod.init_containers.iter().flatten().map(|c| Declared {
        name: c.name.clone(),
        init: c.restart_policy.as_deref() != Some("Always"),
    });
    let main = pod.containers.iter().map(|c| Declared {
        name: c.name.clone(),
        init: false,
    });
    init.chain(main).collect()
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let meta = &job.metadata;
        let spec = job.spec.as_ref();
        let status = job.status.as_ref();
        let annotation = |key: &str| meta.annotations.as_ref().and_then(|a| a.get(key));
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            run_id: annotation(RUN_ID).cloned(),
            generation: annotation(GENERATION).and_then(|n| n.parse().ok()).unwrap_or(1),
            unready: annotation(UNREADY).is_some(),
            delivered: meta.labels.as_ref().is_some_and(|l| l.contains_key(DELIVERED)),
            deleting: meta.deletion_timestamp.is_some(),
            created_at: meta.creation_timestamp.as_ref().map(|t| t.0),
            started_at: status.and_then(|s| s.start_time.as_ref()).map(|t| t.0),
            suspended: spec.and_then(|s| s.suspend).unwrap_or(false),
            completions: spec.and_then(|s| s.completions),
            parallelism: spec.and_then(|s| s.parallelism).unwrap_or(1),
            declared: spec.map(declared).unwrap_or_default(),
            managed_elsewhere: spec
                .and_then(|s| s.managed_by.as_deref())
                .is_some_and(|by| by != JOB_CONTROLLER),
            queue: meta.labels.as_ref().and_then(|l| l.get(QUEUE)).cloned(),
            ttl_seconds: spec.and_then(|s| s.ttl_seconds_after_finished),
            backoff_limit: spec.and_then(|s| s.backoff_limit),
            backoff_limit_per_index: spec.and_then(|s| s.backoff_limit_per_index),
            max_failed_indexes: spec.and_then(|s| s.max_failed_indexes),
            deadline_seconds: spec.and_then(|s| s.active_deadline_seconds),
            completed_indexes: status.and_then(|s| s.completed_indexes.clone()),
            failed_indexes: status.and_then(|s| s.failed_indexes.clone()),
            active: status.and_then(|s| s.active).unwrap_or(0),
            succeeded: status.and_then(|s| s.succeeded).unwrap_or(0),
            failed: status.and_then(|s| s.failed).unwrap_or(0),
            conditions: status
                .and_then(|s| s.conditions.as_ref())
                .into_iter()
                .flatten()
                .filter_map(|c| {
                    Some(Condition {
                        kind: ConditionKind::parse(&c.type_)?,
                        is_true: c.status == "True",
                        reason: c.reason.clone().unwrap_or_default(),
                        message: c.message.clone().unwrap_or_default(),
                        at: c.last_transition_time.as_ref().map(|t| t.0),
                    })
                })
                .collect(),
        }
    }
}
