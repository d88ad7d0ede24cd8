//! The pods of the Job as far as they were ever seen.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{LogPlan, io::Action, logs::Logs};
use crate::core::{
    blame::{self, Evidence},
    notice::Notice,
    pod::{ContainerKind, ContainerView, Phase, PodView, State, Termination},
    record::{AttemptRecord, ContainerRecord, FailedAttempt, PodRecord},
};

/// What is known of the pods. Kubernetes deletes evidence; this keeps it.
#[derive(Debug)]
pub(super) struct Pods {
    tracked: BTreeMap<String, Tracked>,
    /// Their logs.
    pub(super) logs: Logs,
}

#[derive(Debug, Default)]
struct Tracked {
    evidence: Evidence,
    gone: bool,
    /// All terminations that were ever seen, by container name and in the order of their coming.
    ended: Vec<(String, Termination)>,
    /// Failed container IDs that were told.
    told_failures: BTreeSet<String>,
}

impl Pods {
    pub(super) fn new(logs: LogPlan) -> Self {
        Self {
            tracked: BTreeMap::new(),
            logs: Logs::new(logs),
        }
    }

    /// Takes a pod as it is now. Strangers (other owners) are left out.
    pub(super) fn saw(&mut self, mut pod: PodView, job_uid: &str) -> Vec<Action> {
        if pod.owner_uid.as_deref() != Some(job_uid) {
            return Vec::new();
        }
        let known = self.tracked.contains_key(&pod.uid);
        let tracked = self.tracked.entry(pod.uid.clone()).or_default();
        if let Some(first) = tracked.evidence.pod.asked_to_go {
            pod.asked_to_go = Some(first);
        }
        if pod.asked_to_go.is_none() {
            let ended = pod.containers.iter().flat_map(ContainerView::terminations);
            tracked
                .evidence
                .ended_before_asked
                .extend(ended.map(|t| t.id.clone()).filter(|id| !id.is_empty()));
        }
        let before = std::mem::replace(&mut tracked.evidence.pod, pod.clone());
        tracked.remember(&pod);
        let mut actions: Vec<Action> = Vec::new();
        actions.extend(failures(&pod, &mut tracked.told_failures).map(Action::Say));
        actions.extend(self.logs.of_pod(&pod, known.then_some(&before)));
        actions
    }

    /// A pod does not exist any more.
    pub(super) fn gone(&mut self, uid: &str) -> Vec<Action> {
        let Some(tracked) = self.tracked.get_mut(uid) else {
            return Vec::new();
        };
        tracked.gone = true;
        self.logs.gone(uid)
    }

    /// A list is the whole truth: pods that are not in it are gone.
    pub(super) fn listed(&mut self, pods: &[PodView]) -> Vec<Action> {
        let missing: Vec<String> = self
            .tracked
            .iter()
            .filter(|(uid, t)| !t.gone && !pods.iter().any(|p| &p.uid == *uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        missing.iter().flat_map(|uid| self.gone(uid)).collect()
    }

    /// What the verdict is made from.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        self.tracked.values().map(|t| t.evidence.clone()).collect()
    }

    /// Every log is read to its end, and no container is known to run.
    pub(super) fn drained(&self) -> bool {
        self.logs.read() && !self.alive().any(running)
    }

    /// Pods that ended or went, as against the Job's own count.
    pub(super) fn over(&self) -> usize {
        self.tracked
            .values()
            .filter(|t| t.gone || t.evidence.pod.finished())
            .count()
    }

    /// Pods that failed.
    pub(super) fn failed_pods(&self) -> usize {
        let pods = self.tracked.values().map(|t| &t.evidence.pod);
        pods.filter(|pod| pod.phase == Phase::Failed).count()
    }

    /// Pods that were ever seen.
    pub(super) fn known(&self) -> usize {
        self.tracked.len()
    }

    /// Names of pods that exist and have not ended.
    pub(super) fn unfinished(&self) -> Vec<String> {
        self.alive().filter(|p| !p.finished()).map(|p| p.name.clone()).collect()
    }

    /// The longest grace period, in seconds, of a pod that has not ended.
    pub(super) fn longest_grace(&self) -> u64 {
        self.alive()
            .filter(|p| !p.finished())
            .map(|p| p.grace_seconds.unsigned_abs())
            .max()
            .unwrap_or(0)
    }

    /// A container other than a sidecar runs.
    pub(super) fn any_runs(&self) -> bool {
        self.alive()
            .any(|pod| !pod.finished() && working(pod).any(|c| matches!(c.state, State::Running { .. })))
    }

    /// A main container runs or has run. Init containers only make ready for it.
    pub(super) fn any_ran(&self) -> bool {
        let pods = self.tracked.values().map(|t| &t.evidence.pod);
        let mains = pods
            .flat_map(|pod| &pod.containers)
            .filter(|c| c.kind == ContainerKind::Main);
        mains
            .into_iter()
            .any(|c| c.last.is_some() || !matches!(c.state, State::Waiting { .. }))
    }

    /// When the last container ended, by the clocks of the nodes.
    pub(super) fn last_end(&self) -> Option<Timestamp> {
        let ended = self.tracked.values().flat_map(|t| &t.ended);
        ended.filter_map(|(_, t)| t.finished_at).max()
    }

    /// The pod whose Events are most likely to tell what happened.
    pub(super) fn most_troubled(&self) -> Option<String> {
        let pods = self.tracked.values().map(|t| &t.evidence.pod);
        let trouble = |pod: &&PodView| (pod.disruption.is_some(), pod.phase == Phase::Failed, !pod.finished());
        pods.max_by_key(trouble).map(|pod| pod.uid.clone())
    }

    /// The pods that exist, as far as is known.
    pub(super) fn alive(&self) -> impl Iterator<Item = &PodView> {
        self.tracked.values().filter(|t| !t.gone).map(|t| &t.evidence.pod)
    }

    /// The containers that failed by themselves, earliest first: what ended because its pod was asked to go
    /// has not failed, and sidecars do not.
    pub(super) fn failed(&self) -> Vec<FailedAttempt> {
        let mut failed: Vec<_> = self.tracked.values().flat_map(Tracked::failed).collect();
        failed.sort_by_key(|(at, _)| *at);
        failed.into_iter().map(|(_, failure)| failure).collect()
    }

    /// All that was seen, for the ledger and the result file: pods in the order of their names.
    pub(super) fn records(&self) -> Vec<PodRecord> {
        let mut records: Vec<_> = self.tracked.values().map(|t| t.record(&self.logs)).collect();
        records.sort_by(|a, b| a.name.cmp(&b.name));
        records
    }
}

impl Tracked {
    /// Keeps terminations that the status will forget.
    fn remember(&mut self, pod: &PodView) {
        for container in &pod.containers {
            for t in container.terminations() {
                let known = self.ended.iter_mut().find(|(name, known)| {
                    *name == container.name && known.id == t.id && known.finished_at == t.finished_at
                });
                match known {
                    Some((_, known)) => *known = t.clone(),
                    None => self.ended.push((container.name.clone(), t.clone())),
                }
            }
        }
    }

    fn failed(&self) -> Vec<(Option<Timestamp>, FailedAttempt)> {
        let pod = &self.evidence.pod;
        let mut failed = Vec::new();
        for container in working(pod) {
            let of_container = self.ended.iter().filter(|(name, _)| *name == container.name);
            for (n, (_, t)) in of_container.enumerate() {
                if t.exit_code == 0 || t.reason == blame::UNKNOWN || !blame::before_asked(&self.evidence, t) {
                    continue;
                }
                let times = t.started_at.zip(t.finished_at);
                let failure = FailedAttempt {
                    pod: pod.name.clone(),
                    node: pod.node.clone(),
                    container: container.name.clone(),
                    attempt: n + 1,
                    exit_code: t.exit_code,
                    signal: t.signal,
                    reason: t.reason.clone(),
                    seconds: times.map(|(from, to)| to.as_second() - from.as_second()),
                };
                failed.push((t.finished_at, failure));
            }
        }
        failed
    }

    fn record(&self, logs: &Logs) -> PodRecord {
        let pod = &self.evidence.pod;
        let containers = pod.containers.iter().map(|container| {
            let ended = self.ended.iter().filter(|(name, _)| *name == container.name);
            let mut attempts: Vec<_> = ended.map(|(_, t)| attempt_of(t, logs)).collect();
            // The status may have gone from one attempt to the next but one.
            let told: BTreeSet<&str> = container_ids(container, &self.ended).collect();
            let silent = logs.ids_of(&pod.uid, &container.name).filter(|id| !told.contains(id));
            let silent = silent.map(|id| AttemptRecord {
                log: logs.record(id),
                ..AttemptRecord::default()
            });
            attempts.splice(0..0, silent);
            if let State::Running { id, started_at } = &container.state {
                attempts.push(AttemptRecord {
                    started_at: *started_at,
                    log: logs.record(id),
                    ..AttemptRecord::default()
                });
            }
            ContainerRecord {
                name: container.name.clone(),
                kind: container.kind,
                attempts,
                attempts_unseen: logs.attempts_unseen(&pod.uid, &container.name),
            }
        });
        PodRecord {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            node: pod.node.clone(),
            index: pod.index,
            containers: containers.collect(),
        }
    }
}

/// The IDs of the attempts of this container that its status has told of.
fn container_ids<'a>(
    container: &'a ContainerView,
    ended: &'a [(String, Termination)],
) -> impl Iterator<Item = &'a str> {
    let ended = ended.iter().filter(|(name, _)| *name == container.name);
    let running = match &container.state {
        State::Running { id, .. } => Some(id.as_str()),
        State::Waiting { .. } | State::Terminated(_) => None,
    };
    ended.map(|(_, t)| t.id.as_str()).chain(running)
}

fn attempt_of(t: &Termination, logs: &Logs) -> AttemptRecord {
    AttemptRecord {
        exit_code: Some(t.exit_code),
        signal: t.signal,
        reason: t.reason.clone(),
        message: t.message.clone(),
        started_at: t.started_at,
        finished_at: t.finished_at,
        log: logs.record(&t.id),
    }
}

/// The containers whose work the pod is there for.
fn working(pod: &PodView) -> impl Iterator<Item = &ContainerView> {
    pod.containers.iter().filter(|c| match c.kind {
        ContainerKind::Init | ContainerKind::Main => true,
        ContainerKind::Sidecar => false,
    })
}

fn running(pod: &PodView) -> bool {
    !pod.finished()
        && pod.containers.iter().any(|c| match c.state {
            State::Running { .. } => true,
            State::Waiting { .. } | State::Terminated(_) => false,
        })
}

/// Failures of containers that were not told yet.
fn failures(pod: &PodView, told: &mut BTreeSet<String>) -> impl Iterator<Item = Notice> {
    let mut notices = Vec::new();
    // A sidecar is killed at the end of its pod; its code means nothing.
    for container in working(pod) {
        for t in container.terminations().filter(|t| t.exit_code != 0) {
            if pod.asked_to_go.is_none() && !t.id.is_empty() && told.insert(t.id.clone()) {
                notices.push(Notice::ContainerFailed {
                    pod: pod.name.clone(),
                    container: container.name.clone(),
                    exit_code: t.exit_code,
                    reason: if t.reason == "Error" {
                        String::new()
                    } else {
                        t.reason.clone()
                    },
                });
            }
        }
    }
    notices.into_iter()
}
