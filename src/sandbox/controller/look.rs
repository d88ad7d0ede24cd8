//! One look at an unfinished Job: is it to end, and which pods does it need (`syncJob`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        batch::v1::{Job, JobCondition, JobSpec, JobStatus},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{
    EventKind, Memory, Plan, Settings,
    conditions::{self, FAILURE_TARGET, SUCCESS_CRITERIA_MET, SUSPENDED},
    count,
    failure_policy::{self, Ruling},
    indexed::Indexed,
    pods, success_policy,
    tracking::{self, Uncounted},
};

/// What has been seen, and the plan as far as it is made.
pub(super) struct Look<'a> {
    pub(super) job: &'a Job,
    pub(super) spec: &'a JobSpec,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    /// By completion index, where the Job has them.
    pub(super) pods: Vec<&'a Pod>,
    pub(super) active_pods: Vec<&'a Pod>,
    pub(super) indexed: Option<Indexed<'a>>,
    /// Counted or not; of an Indexed Job, how many indexes succeeded.
    pub(super) succeeded: i32,
    /// Counted or not.
    failed: i32,
    pub(super) status: JobStatus,
    pub(super) uncounted: Uncounted,
    /// The three counts of the status, as they will be once the plan is carried out.
    pub(super) active: i32,
    pub(super) ready: i32,
    pub(super) terminating: i32,
    pub(super) backoff: Memory,
    /// The condition that the Job is to end with.
    pub(super) end: Option<JobCondition>,
    pub(super) plan: Plan,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        job: &'a Job,
        spec: &'a JobSpec,
        all: &'a [Pod],
        memory: &Memory,
        settings: &'a Settings,
        now: Timestamp,
    ) -> Self {
        let mut pods: Vec<&Pod> = all.iter().collect();
        let is_indexed = spec.completion_mode.as_deref() == Some("Indexed");
        if is_indexed {
            pods.sort_by_key(|pod| pods::index(pod, job));
        }
        let active_pods: Vec<&Pod> = pods.iter().copied().filter(|pod| pods::is_active(pod)).collect();
        let mut status = job.status.clone().unwrap_or_default();
        let uncounted = Uncounted::settle(&mut status, &pods);
        let indexed = is_indexed.then(|| Indexed::new(job, spec, &status, &pods, &active_pods));

        let news = pods.iter().copied().filter(|pod| {
            pods::has_finalizer(pod) && !uncounted.has(pod) && (!is_indexed || pods::index(pod, job).is_some())
        });
        let (succeeded_pods, other): (Vec<&Pod>, Vec<&Pod>) = news.partition(|pod| pods::phase(pod) == "Succeeded");
        let failed_pods: Vec<&Pod> = other.into_iter().filter(|pod| pods::is_failed(pod, spec)).collect();
        let policy = spec.pod_failure_policy.as_ref();
        let counted = failed_pods
            .iter()
            .filter(|pod| failure_policy::ruling(policy, pod) != Ruling::Ignore);
        let succeeded = match &indexed {
            Some(indexed) => indexed.succeeded.total(),
            None => status.succeeded.unwrap_or_default() + count(&succeeded_pods) + count(uncounted.succeeded()),
        };
        Self {
            job,
            spec,
            settings,
            now,
            succeeded,
            failed: status.failed.unwrap_or_default() + count(counted) + count(uncounted.failed()),
            active: count(&active_pods),
            ready: count(active_pods.iter().filter(|pod| pods::is_ready(pod))),
            terminating: count(pods.iter().filter(|pod| pods::is_terminating(pod))),
            backoff: memory.with(&succeeded_pods, &failed_pods),
            pods,
            active_pods,
            indexed,
            status,
            uncounted,
            end: None,
            plan: Plan::default(),
        }
    }

    /// The plan, and what is to be remembered.
    pub(super) fn plan(mut self, suffix: &mut dyn FnMut() -> String) -> (Plan, Memory) {
        let before = self.status.clone();
        if self.status.start_time.is_none() && !self.is_suspended() {
            self.status.start_time = Some(Time(self.stamp()));
        }
        self.end = self.failure().or_else(|| self.success_by_policy());
        if self.end.is_some() {
            self.delete_active();
        } else {
            let managed = self.job.metadata.deletion_timestamp.is_none();
            if managed {
                self.manage(suffix);
            }
            if self.is_complete() {
                let message = "Reached expected number of succeeded pods";
                self.end = Some(self.condition(SUCCESS_CRITERIA_MET, "CompletionsReached", message));
            } else if managed {
                self.suspend_or_resume();
            }
        }
        tracking::track(self, &before)
    }

    /// The time in the status has whole seconds.
    pub(super) fn stamp(&self) -> Timestamp {
        Timestamp::from_second(self.now.as_second()).unwrap_or(self.now)
    }

    fn condition(&self, kind: &str, reason: &str, message: &str) -> JobCondition {
        conditions::condition(kind, reason, message, self.stamp())
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// What was announced before comes first; then each way to fail, in the real one's order.
    fn failure(&mut self) -> Option<JobCondition> {
        let announced = |kind| conditions::holds(&self.status, kind).cloned();
        if let Some(condition) = announced(SUCCESS_CRITERIA_MET).or_else(|| announced(FAILURE_TARGET)) {
            return Some(condition);
        }
        let (reason, message) = self.failing()?;
        Some(self.condition(FAILURE_TARGET, reason, &message))
    }

    fn failing(&mut self) -> Option<(&'static str, String)> {
        let failed = self.pods.iter().filter(|pod| pods::is_failed(pod, self.spec));
        let policy = self.spec.pod_failure_policy.as_ref();
        for pod in failed {
            if let Ruling::FailJob(message) = failure_policy::ruling(policy, pod) {
                return Some(("PodFailurePolicy", message));
            }
        }
        // The defaults of the API server.
        let limit = self.spec.backoff_limit.unwrap_or(6);
        if self.failed > limit || self.restarted_too_often(limit) {
            return Some((
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit".into(),
            ));
        }
        if let Some(left) = self.time_left() {
            if left.is_zero() {
                return Some((
                    "DeadlineExceeded",
                    "Job was active longer than specified deadline".into(),
                ));
            }
            self.plan.look_again(left);
        }
        let indexed = self.indexed.as_ref()?;
        let failed = indexed.failed.as_ref()?.total();
        let ended = failed.saturating_add(indexed.succeeded.total());
        if self.spec.max_failed_indexes.is_some_and(|max| failed > max) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(("MaxFailedIndexesExceeded", message.into()));
        }
        let all_ended = ended >= self.spec.completions.unwrap_or_default();
        (failed > 0 && all_ended).then(|| ("FailedIndexes", "Job has failed indexes".into()))
    }

    /// Restarts of containers in place of failed pods (`pastBackoffLimitOnFailure`).
    fn restarted_too_often(&self, limit: i32) -> bool {
        let template = self.spec.template.spec.as_ref();
        if template.and_then(|spec| spec.restart_policy.as_deref()) != Some("OnFailure") {
            return false;
        }
        let live = self
            .pods
            .iter()
            .filter(|pod| matches!(pods::phase(pod), "Running" | "Pending"));
        let statuses = live.flat_map(|pod| pods::init_containers(pod).iter().chain(pods::containers(pod)));
        let restarts: i32 = statuses.map(|status| status.restart_count).sum();
        restarts >= limit.max(1)
    }

    /// What is left of `activeDeadlineSeconds`, which a suspended Job does not use up.
    fn time_left(&self) -> Option<Duration> {
        let start = self.status.start_time.as_ref().filter(|_| !self.is_suspended())?;
        let allowed = SignedDuration::from_secs(self.spec.active_deadline_seconds?);
        let left = allowed.saturating_sub(self.now.duration_since(start.0));
        Some(Duration::try_from(left).unwrap_or_default())
    }

    fn success_by_policy(&self) -> Option<JobCondition> {
        let succeeded = &self.indexed.as_ref()?.succeeded;
        let completions = self.spec.completions.unwrap_or_default();
        let message = success_policy::met(self.spec.success_policy.as_ref(), completions, succeeded)?;
        Some(self.condition(SUCCESS_CRITERIA_MET, "SuccessPolicy", &message))
    }

    /// Without `completions` any success will do, once the other pods have ended too.
    fn is_complete(&self) -> bool {
        self.active == 0 && self.succeeded >= self.spec.completions.unwrap_or(1)
    }

    fn suspend_or_resume(&mut self) {
        if self.is_suspended() {
            let condition = self.condition(SUSPENDED, "JobSuspended", "Job suspended");
            if conditions::ensure(&mut self.status, condition) {
                self.plan.event(EventKind::Normal, "Suspended", "Job suspended");
                self.status.start_time = None;
            }
            return;
        }
        let condition = JobCondition {
            status: "False".to_owned(),
            ..self.condition(SUSPENDED, "JobResumed", "Job resumed")
        };
        if conditions::ensure(&mut self.status, condition) {
            self.plan.event(EventKind::Normal, "Resumed", "Job resumed");
            self.status.start_time = Some(Time(self.stamp()));
        }
    }
}
