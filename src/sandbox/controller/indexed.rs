//! Which completion indexes have succeeded, failed, or wait for their next pod
//! (`indexed_job_utils.go`).

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::{Job, JobSpec, JobStatus},
    core::v1::Pod,
};

use super::{
    backoff::finished_at,
    failure_policy::{self, Ruling},
    indexes::Indexes,
    pods,
};

/// Where the completion indexes of a Job stand.
pub(super) struct Indexed<'a> {
    pub(super) succeeded: Indexes,
    /// Where the Job has a `backoffLimitPerIndex`.
    pub(super) failed: Option<Indexes>,
    /// Of each index that waits for its next pod, the failed one: it keeps its finalizer until then,
    /// for it knows how often the index has failed.
    pub(super) waiting: BTreeMap<i32, &'a Pod>,
}

impl<'a> Indexed<'a> {
    pub(super) fn new(job: &Job, spec: &JobSpec, status: &JobStatus, pods: &[&'a Pod], active: &[&Pod]) -> Self {
        let completions = spec.completions.unwrap_or_default();
        let recorded = |text: &Option<String>| Indexes::parse(text.as_deref().unwrap_or_default(), completions);
        let new = || pods.iter().copied().filter(|pod| pods::has_finalizer(pod));
        let index = |pod: &Pod| pods::index(pod, job);

        let succeeded = new().filter(|pod| pods::phase(pod) == "Succeeded").filter_map(index);
        let succeeded = recorded(&status.completed_indexes).union(&Indexes::of(succeeded));
        let Some(limit) = spec.backoff_limit_per_index else {
            return Self {
                succeeded,
                failed: None,
                waiting: BTreeMap::new(),
            };
        };
        let failed_pods = || new().filter(|pod| pods::is_failed(pod, spec));
        let policy = spec.pod_failure_policy.as_ref();
        let failed = failed_pods().filter(|pod| match failure_policy::ruling(policy, pod) {
            Ruling::FailIndex => true,
            Ruling::Ignore => false,
            Ruling::FailJob(_) | Ruling::Count => pods::annotated(pod, pods::FAILURE_COUNT) >= limit,
        });
        let failed = recorded(&status.failed_indexes).union(&Indexes::of(failed.filter_map(index)));

        let settled = succeeded
            .union(&failed)
            .union(&Indexes::of(active.iter().copied().filter_map(index)));
        let mut waiting: BTreeMap<i32, &Pod> = BTreeMap::new();
        for pod in failed_pods() {
            let Some(index) = index(pod).filter(|index| !settled.has(*index)) else {
                continue;
            };
            let age = |pod: &Pod| (pods::failures_before(pod), finished_at(pod));
            match waiting.get(&index) {
                Some(last) if age(pod).0 < age(last).0 || age(pod).1 < age(last).1 => {}
                Some(_) | None => {
                    waiting.insert(index, pod);
                }
            }
        }
        Self {
            succeeded,
            failed: Some(failed),
            waiting,
        }
    }
}
