//! What kjo reads of a pod: its containers, why they wait, how they ended, whether it was asked to go.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Container, ContainerState as K8sState, ContainerStateTerminated, ContainerStatus, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// A pod as last seen on the API server, reduced to what decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodView {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// UID of the controlling Job; pods of other owners are strangers, whatever their labels say.
    pub owner_uid: Option<String>,
    /// `status.phase` is Succeeded or Failed.
    pub phase: Phase,
    /// `status.reason`, for example `Evicted` or `DeadlineExceeded`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
    /// `spec.terminationGracePeriodSeconds`, in seconds.
    pub grace_seconds: i64,
    /// When the pod was asked to go, as first seen: deletionTimestamp − deletionGracePeriodSeconds.
    pub asked_to_go: Option<Timestamp>,
    /// The completion index of an Indexed Job.
    pub index: Option<u32>,
    /// `spec.nodeName`; empty until a node is found.
    pub node: String,
    /// Why no node takes the pod: message of the condition PodScheduled=False.
    pub unscheduled: Option<String>,
    /// The cluster is taking the pod away, or has: the condition DisruptionTarget.
    pub disruption: Option<Disruption>,
    /// Init containers, sidecars, then containers, in the order of the spec.
    pub containers: Vec<ContainerView>,
}

/// The condition DisruptionTarget with status True.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disruption {
    /// PreemptionByScheduler, DeletionByTaintManager, EvictionByEvictionAPI, DeletionByPodGC or
    /// TerminationByKubelet.
    pub reason: String,
    /// The cluster's own words.
    pub message: String,
    /// `lastTransitionTime`.
    pub at: Option<Timestamp>,
}

/// `status.phase`, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Pending, Running or Unknown.
    #[default]
    Unfinished,
    /// All containers ended with 0.
    Succeeded,
    /// At least one container failed, or the node gave the pod up.
    Failed,
}

impl Phase {
    /// Nothing of the pod runs any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed => true,
            Self::Unfinished => false,
        }
    }
}

/// The longest grace period of these pods; none where there are no pods.
#[must_use]
pub fn longest_grace<'a>(pods: impl IntoIterator<Item = &'a PodView>) -> Duration {
    let longest = pods.into_iter().map(|pod| pod.grace_seconds).max().unwrap_or(0);
    Duration::from_secs(u64::try_from(longest).unwrap_or(0))
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// `name`.
    pub name: String,
    /// Where it stands in the pod's life.
    pub kind: ContainerKind,
    /// What it is doing.
    pub state: State,
    /// How the attempt before this one ended.
    pub last: Option<Termination>,
    /// `resources.limits.memory`, as the API writes it.
    pub memory_limit: Option<String>,
    /// The kubelet may start it again under another ID: by the pod's restartPolicy, or rules of its own.
    pub restarts: bool,
    /// How often it was, by the status.
    pub restart_count: u32,
}

/// Where a container stands in the pod's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    /// Runs before the others, one after another.
    Init,
    /// An init container with restartPolicy Always: runs beside the others and never decides.
    Sidecar,
    /// An ordinary container.
    Main,
}

/// `state` of a container status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started, with the kubelet's reason and message (both may be empty).
    Waiting {
        /// For example `ContainerCreating` or `ImagePullBackOff`.
        reason: String,
        /// The kubelet's own words.
        message: String,
    },
    /// Running under this container ID.
    Running {
        /// For example `containerd://3f2a…`: a restart has another.
        id: String,
        /// `startedAt`, whole seconds of the node's clock.
        started_at: Option<Timestamp>,
    },
    /// Ended.
    Terminated(Termination),
}

/// How one attempt of a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Termination {
    /// The container ID; empty when the container never came into being.
    pub id: String,
    /// As the runtime gave it; outside 0–255 on Windows.
    pub exit_code: i32,
    /// The signal that ended it, where the runtime says so.
    pub signal: Option<i32>,
    /// For example `Error`, `OOMKilled`, `StartError`.
    pub reason: String,
    /// The termination message.
    pub message: String,
    /// `startedAt`, whole seconds of the node's clock.
    pub started_at: Option<Timestamp>,
    /// `finishedAt`, whole seconds of the node's clock.
    pub finished_at: Option<Timestamp>,
}

impl PodView {
    /// Whether the log of this container, or of its attempt before, is that of the container with this ID.
    #[must_use]
    pub fn serves(&self, container: &str, id: &str, previous: bool) -> bool {
        let Some(container) = self.containers.iter().find(|c| c.name == container) else {
            return false;
        };
        let last = container.last.as_ref().map(|t| t.id.as_str());
        let current = match &container.state {
            State::Running { id, .. } => Some(id.as_str()),
            State::Terminated(t) => Some(t.id.as_str()),
            // In its back-off the kubelet serves the attempt that has just ended.
            State::Waiting { .. } => last,
        };
        (if previous { last } else { current }) == Some(id)
    }

    /// The pod has ended: no container of it will run again.
    #[must_use]
    pub fn finished(&self) -> bool {
        match self.phase {
            Phase::Unfinished => false,
            Phase::Succeeded | Phase::Failed => true,
        }
    }
}

impl ContainerView {
    /// All terminations the status still tells of, earliest first.
    pub fn terminations(&self) -> impl Iterator<Item = &Termination> {
        let current = match &self.state {
            State::Terminated(t) => Some(t),
            State::Waiting { .. } | State::Running { .. } => None,
        };
        self.last.iter().chain(current)
    }
}

impl From<&Pod> for PodView {
    fn from(pod: &Pod) -> Self {
        let meta = &pod.metadata;
        let status = pod.status.as_ref();
        let annotation = |key: &str| meta.annotations.as_ref().and_then(|a| a.get(key));
        let condition = |kind: &str, value: &str| {
            let conditions = status.and_then(|s| s.conditions.as_ref()).into_iter().flatten();
            conditions.into_iter().find(|c| c.type_ == kind && c.status == value)
        };
        let disruption = condition("DisruptionTarget", "True").map(|c| Disruption {
            reason: c.reason.clone().unwrap_or_default(),
            message: c.message.clone().unwrap_or_default(),
            at: c.last_transition_time.as_ref().map(|t| t.0),
        });
        let unscheduled = condition("PodScheduled", "False")
            .map(|c| c.message.clone().or_else(|| c.reason.clone()).unwrap_or_default());
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            owner_uid: meta
                .owner_references
                .iter()
                .flatten()
                .find(|o| o.controller == Some(true))
                .map(|o| o.uid.clone()),
            phase: match status.and_then(|s| s.phase.as_deref()) {
                Some("Succeeded") => Phase::Succeeded,
                Some("Failed") => Phase::Failed,
                _ => Phase::Unfinished,
            },
            reason: status.and_then(|s| s.reason.clone()).unwrap_or_default(),
            message: status.and_then(|s| s.message.clone()).unwrap_or_default(),
            grace_seconds: pod
                .spec
                .as_ref()
                .and_then(|s| s.termination_grace_period_seconds)
                .unwrap_or(30),
            asked_to_go: meta.deletion_timestamp.as_ref().map(|at| {
                let grace = meta.deletion_grace_period_seconds.unwrap_or(0);
                at.0 - jiff::SignedDuration::from_secs(grace)
            }),
            index: annotation("batch.kubernetes.io/job-completion-index").and_then(|i| i.parse().ok()),
            node: pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default(),
            unscheduled,
            disruption,
            containers: containers(pod),
        }
    }
}

fn containers(pod: &Pod) -> Vec<ContainerView> {
    let Some(spec) = pod.spec.as_ref() else {
        return Vec::new();
    };
    let statuses = |init: bool| {
        pod.status
            .as_ref()
            .and_then(|s| {
                if init {
                    s.init_container_statuses.as_ref()
                } else {
                    s.container_statuses.as_ref()
                }
            })
            .map_or(&[] as &[ContainerStatus], Vec::as_slice)
    };
    let of_pod = spec.restart_policy.as_deref() != Some("Never");
    let init = spec.init_containers.iter().flatten().map(|c| {
        let kind = if c.restart_policy.as_deref() == Some("Always") {
            ContainerKind::Sidecar
        } else {
            ContainerKind::Init
        };
        view(c, kind, of_pod, statuses(true))
    });
    let main = spec
        .containers
        .iter()
        .map(|c| view(c, ContainerKind::Main, of_pod, statuses(false)));
    init.chain(main).collect()
}

fn view(container: &Container, kind: ContainerKind, of_pod: bool, statuses: &[ContainerStatus]) -> ContainerView {
    let status = statuses.iter().find(|s| s.name == container.name);
    let own = container.restart_policy.as_deref();
    ContainerView {
        name: container.name.clone(),
        kind,
        state: status
            .and_then(|s| s.state.as_ref().map(|state| (state, s.container_id.as_deref())))
            .map_or_else(waiting_for_nothing, |(state, id)| self::state(state, id)),
        last: status
            .and_then(|s| s.last_state.as_ref())
            .and_then(|s| s.terminated.as_ref())
            .map(|t| termination(t, None)),
        memory_limit: container
            .resources
            .as_ref()
            .and_then(|r| r.limits.as_ref())
            .and_then(|limits| limits.get("memory"))
            .map(|quantity| quantity.0.clone()),
        restarts: own.map_or(of_pod, |policy| policy != "Never") || container.restart_policy_rules.is_some(),
        restart_count: status.and_then(|s| u32::try_from(s.restart_count).ok()).unwrap_or(0),
    }
}

fn waiting_for_nothing() -> State {
    State::Waiting {
        reason: String::new(),
        message: String::new(),
    }
}

fn state(state: &K8sState, container_id: Option<&str>) -> State {
    if let Some(t) = &state.terminated {
        State::Terminated(termination(t, container_id))
    } else if let Some(running) = &state.running {
        State::Running {
            id: container_id.unwrap_or_default().to_owned(),
            started_at: running.started_at.as_ref().map(|t| t.0),
        }
    } else {
        let waiting = state.waiting.as_ref();
        State::Waiting {
            reason: waiting.and_then(|w| w.reason.clone()).unwrap_or_default(),
            message: waiting.and_then(|w| w.message.clone()).unwrap_or_default(),
        }
    }
}

fn termination(t: &ContainerStateTerminated, fallback_id: Option<&str>) -> Termination {
    Termination {
        id: t.container_id.as_deref().or(fallback_id).unwrap_or_default().to_owned(),
        exit_code: t.exit_code,
        signal: t.signal,
        reason: t.reason.clone().unwrap_or_default(),
        message: t.message.clone().unwrap_or_default(),
        started_at: t.started_at.as_ref().and_then(some),
        finished_at: t.finished_at.as_ref().and_then(some),
    }
}

/// Of what never ran the runtime says that it started in 1970.
fn some(at: &Time) -> Option<Timestamp> {
    (at.0.as_second() > 0).then_some(at.0)
}
