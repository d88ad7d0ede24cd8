//! Reading pods (`pkg/controller/controller_utils.go`, `indexed_job_utils.go`, `tracking_utils.go`).

use std::cmp::Reverse;

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::{ContainerStatus, Pod, PodCondition},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::TRACKING_FINALIZER;

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
pub(super) const FAILURE_COUNT: &str = "batch.kubernetes.io/job-index-failure-count";
pub(super) const IGNORED_FAILURE_COUNT: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

pub(super) fn name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

pub(super) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

pub(super) fn has_finalizer(pod: &Pod) -> bool {
    let finalizers = pod.metadata.finalizers.as_deref().unwrap_or_default();
    finalizers.iter().any(|f| f == TRACKING_FINALIZER)
}

pub(super) fn phase(pod: &Pod) -> &str {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase.unwrap_or_default()
}

pub(super) fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub(super) fn is_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

pub(super) fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && !is_deleted(pod)
}

pub(super) fn is_terminating(pod: &Pod) -> bool {
    !is_terminal(pod) && is_deleted(pod)
}

/// Whether the pod counts as failed: by its phase, or, where terminating pods are replaced, because
/// it was deleted (`isPodFailed`).
pub(super) fn is_failed(pod: &Pod, spec: &JobSpec) -> bool {
    match phase(pod) {
        "Failed" => true,
        "Succeeded" => false,
        _ => is_deleted(pod) && !replaces_only_failed(spec),
    }
}

/// Whether a terminating pod is replaced only when it has ended (`onlyReplaceFailedPods`).
pub(super) fn replaces_only_failed(spec: &JobSpec) -> bool {
    spec.pod_replacement_policy.as_deref() == Some("Failed") || spec.pod_failure_policy.is_some()
}

pub(super) fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|c| c.type_ == "Ready")
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|c| c.status == "True")
}

pub(super) fn containers(pod: &Pod) -> &[ContainerStatus] {
    let status = pod.status.as_ref();
    status.and_then(|s| s.container_statuses.as_deref()).unwrap_or_default()
}

pub(super) fn init_containers(pod: &Pod) -> &[ContainerStatus] {
    let status = pod.status.as_ref();
    status
        .and_then(|s| s.init_container_statuses.as_deref())
        .unwrap_or_default()
}

/// The statuses of the init containers that keep running beside the others.
pub(super) fn sidecars(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let specs = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref());
    let specs = specs.unwrap_or_default();
    init_containers(pod).iter().filter(move |status| {
        let mut specs = specs.iter();
        specs.any(|c| c.name == status.name && c.restart_policy.as_deref() == Some("Always"))
    })
}

/// The pod's completion index, if it is one of this Job's.
pub(super) fn index(pod: &Pod, job: &Job) -> Option<i32> {
    let completions = job.spec.as_ref()?.completions?;
    let index = pod.metadata.annotations.as_ref()?.get(INDEX)?.parse().ok()?;
    (0..completions).contains(&index).then_some(index)
}

/// The count in an annotation; zero where it is missing or nonsense, for anyone may write it.
pub(super) fn annotated(pod: &Pod, annotation: &str) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    let value: Option<i32> = annotations.and_then(|a| a.get(annotation)?.parse().ok());
    value.unwrap_or_default().max(0)
}

/// How many pods of this one's index failed before it, ignored ones too.
pub(super) fn failures_before(pod: &Pod) -> i32 {
    annotated(pod, FAILURE_COUNT).saturating_add(annotated(pod, IGNORED_FAILURE_COUNT))
}

/// Sorts active pods so that the one to be missed least comes first (`ActivePods.Less`): not
/// assigned, then pending, then not ready, then ready for the shortest time, then restarted most,
/// then youngest.
pub(super) fn sort_for_removal(pods: &mut [&Pod]) {
    pods.sort_by_cached_key(|pod| {
        let assigned = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let phase = match phase(pod) {
            "Running" => 2,
            "Unknown" => 1,
            _ => 0,
        };
        let ready_since = ready_condition(pod)
            .filter(|_| is_ready(pod))
            .and_then(|c| c.last_transition_time.clone());
        (
            assigned.is_some_and(|node| !node.is_empty()),
            phase,
            is_ready(pod),
            latest_first(ready_since),
            Reverse(
                containers(pod)
                    .iter()
                    .map(|c| c.restart_count)
                    .max()
                    .unwrap_or_default(),
            ),
            Reverse(sidecars(pod).map(|c| c.restart_count).max().unwrap_or_default()),
            latest_first(pod.metadata.creation_timestamp.clone()),
        )
    });
}

/// No time at all comes before any time (`afterOrZero`).
fn latest_first(time: Option<Time>) -> (bool, Reverse<Option<Time>>) {
    (time.is_some(), Reverse(time))
}
