//! The pods of the Job as far as they were ever seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{LogPlan, io::Action, logs::Logs};
use crate::core::{
    blame::Evidence,
    notice::Notice,
    pod::{ContainerKind, ContainerView, PodView, State, Termination},
    record::{AttemptRecord, ContainerRecord, PodRecord},
};

/// Waiting reasons that every pod passes through.
const ORDINARY: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

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
    /// The last trouble that was told, so that only changes are.
    told: Option<Notice>,
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
        let mut actions: Vec<Action> = trouble(&pod)
            .filter(|notice| tracked.told.as_ref() != Some(notice))
            .map(|notice| {
                tracked.told = Some(notice.clone());
                Action::Say(notice)
            })
            .into_iter()
            .collect();
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

    fn alive(&self) -> impl Iterator<Item = &PodView> {
        self.tracked.values().filter(|t| !t.gone).map(|t| &t.evidence.pod)
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

    fn record(&self, logs: &Logs) -> PodRecord {
        let pod = &self.evidence.pod;
        let containers = pod.containers.iter().map(|container| {
            let ended = self.ended.iter().filter(|(name, _)| *name == container.name);
            let mut attempts: Vec<_> = ended.map(|(_, t)| attempt_of(t, logs)).collect();
            if let State::Running { id, started_at } = &container.state {
                attempts.push(AttemptRecord {
                    exit_code: None,
                    signal: None,
                    reason: String::new(),
                    started_at: *started_at,
                    finished_at: None,
                    log: logs.record(id),
                });
            }
            ContainerRecord {
                name: container.name.clone(),
                kind: container.kind,
                attempts,
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

fn attempt_of(t: &Termination, logs: &Logs) -> AttemptRecord {
    AttemptRecord {
        exit_code: Some(t.exit_code),
        signal: t.signal,
        reason: t.reason.clone(),
        started_at: t.started_at,
        finished_at: t.finished_at,
        log: logs.record(&t.id),
    }
}

fn running(pod: &PodView) -> bool {
    !pod.finished()
        && pod.containers.iter().any(|c| match c.state {
            State::Running { .. } => true,
            State::Waiting { .. } | State::Terminated(_) => false,
        })
}

/// Why the pod does not get on, if it is held up by more than the ordinary.
fn trouble(pod: &PodView) -> Option<Notice> {
    if pod.finished() || pod.asked_to_go.is_some() {
        return None;
    }
    if let Some(why) = &pod.unscheduled {
        return Some(Notice::Unscheduled {
            pod: pod.name.clone(),
            why: why.clone(),
        });
    }
    pod.containers.iter().find_map(|c| match &c.state {
        State::Waiting { reason, message } if !ORDINARY.contains(&reason.as_str()) => Some(Notice::Waiting {
            pod: pod.name.clone(),
            container: c.name.clone(),
            reason: reason.clone(),
            message: message.clone(),
        }),
        State::Waiting { .. } | State::Running { .. } | State::Terminated(_) => None,
    })
}

/// Failures of containers that were not told yet.
fn failures(pod: &PodView, told: &mut BTreeSet<String>) -> impl Iterator<Item = Notice> {
    let mut notices = Vec::new();
    // A sidecar is killed at the end of its pod; its code means nothing.
    let deciding = pod.containers.iter().filter(|c| match c.kind {
        ContainerKind::Init | ContainerKind::Main => true,
        ContainerKind::Sidecar => false,
    });
    for container in deciding {
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
