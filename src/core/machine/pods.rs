//! The pods of the Job as far as they were ever seen, and the logs to be read of them.

use std::collections::{BTreeMap, BTreeSet};

use super::io::{Action, LogSource, StreamId};
use crate::core::{
    blame::Evidence,
    log::follow::Life,
    notice::Notice,
    pod::{ContainerKind, ContainerView, PodView, State},
};

/// Waiting reasons that every pod passes through.
const ORDINARY: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

/// What is known of the pods. Kubernetes deletes evidence; this keeps it.
#[derive(Debug, Default)]
pub(super) struct Pods {
    tracked: BTreeMap<String, Tracked>,
    streams: BTreeMap<StreamId, Stream>,
    by_container: BTreeMap<String, StreamId>,
}

#[derive(Debug, Default)]
struct Tracked {
    evidence: Evidence,
    gone: bool,
    /// The last trouble that was told, so that only changes are.
    told: Option<Notice>,
    /// Failed container IDs that were told.
    told_failures: BTreeSet<String>,
}

#[derive(Debug)]
struct Stream {
    source: LogSource,
    pod_uid: String,
    done: bool,
    /// Its bytes wait for whoever reads stdout.
    blocked: bool,
}

impl Pods {
    /// Takes a pod as it is now. Strangers (other owners) are left out.
    pub(super) fn saw(&mut self, mut pod: PodView, job_uid: &str, shown: &[String]) -> Vec<Action> {
        if pod.owner_uid.as_deref() != Some(job_uid) {
            return Vec::new();
        }
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
        tracked.evidence.pod = pod.clone();
        let mut actions: Vec<Action> = trouble(&pod)
            .filter(|notice| tracked.told.as_ref() != Some(notice))
            .map(|notice| {
                tracked.told = Some(notice.clone());
                Action::Say(notice)
            })
            .into_iter()
            .collect();
        actions.extend(failures(&pod, &mut tracked.told_failures).map(Action::Say));
        for container in pod.containers.iter().filter(|c| shown.contains(&c.name)) {
            actions.extend(self.logs_of(&pod, container));
        }
        actions
    }

    /// A pod does not exist any more.
    pub(super) fn gone(&mut self, uid: &str) -> Vec<Action> {
        let Some(tracked) = self.tracked.get_mut(uid) else {
            return Vec::new();
        };
        tracked.gone = true;
        let mut actions = Vec::new();
        for stream in self.streams.values_mut().filter(|s| s.pod_uid == uid) {
            actions.extend(stream.now(Life::Gone, stream.source.previous));
        }
        actions
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

    /// No more will be read of this log.
    pub(super) fn log_done(&mut self, stream: StreamId) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.done = true;
        }
    }

    /// A log waits for whoever reads stdout, or no longer does.
    pub(super) fn log_blocked(&mut self, stream: StreamId, blocked: bool) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.blocked = blocked;
        }
    }

    /// What keeps logs from being read is whoever reads stdout.
    pub(super) fn blocked(&self) -> bool {
        self.streams.values().any(|s| s.blocked && !s.done)
    }

    /// Pod and container of a log.
    pub(super) fn whose(&self, stream: StreamId) -> (String, String) {
        self.streams
            .get(&stream)
            .map_or_else(Default::default, |s| (s.source.pod.clone(), s.source.container.clone()))
    }

    /// What the verdict is made from.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        self.tracked.values().map(|t| t.evidence.clone()).collect()
    }

    /// Every log is read to its end, and no container is known to run.
    pub(super) fn drained(&self) -> bool {
        self.streams.values().all(|s| s.done) && !self.alive().any(running)
    }

    /// Pods that ended or went, as against the Job's own count.
    pub(super) fn over(&self) -> usize {
        self.tracked
            .values()
            .filter(|t| t.gone || t.evidence.pod.finished())
            .count()
    }

    /// Names of pods whose logs are still being read.
    pub(super) fn reading(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self
            .streams
            .values()
            .filter(|s| !s.done)
            .map(|s| &s.source.pod)
            .collect();
        names.into_iter().cloned().collect()
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

    /// Opens the logs of a container that were not known, and tells the open ones what it does now.
    fn logs_of(&mut self, pod: &PodView, container: &ContainerView) -> Vec<Action> {
        let (current, life) = match &container.state {
            State::Waiting { .. } => ("", Life::Running),
            State::Running { id } => (id.as_str(), Life::Running),
            State::Terminated(t) => (t.id.as_str(), Life::Ended),
        };
        // A node that was lost reports no container's end, and none of them runs on.
        let life = if pod.finished() { Life::Ended } else { life };
        let last = container.last.as_ref().map_or("", |t| t.id.as_str());
        let mut actions = Vec::new();
        for (id, life, previous) in [(last, Life::Ended, true), (current, life, false)] {
            if id.is_empty() || (previous && id == current) {
                continue;
            }
            if let Some(stream) = self.by_container.get(id).and_then(|s| self.streams.get_mut(s)) {
                actions.extend(stream.now(life, previous));
                continue;
            }
            let stream = StreamId(u32::try_from(self.streams.len()).unwrap_or(u32::MAX));
            let source = LogSource {
                stream,
                pod: pod.name.clone(),
                container: container.name.clone(),
                container_id: id.to_owned(),
                previous,
                life,
            };
            self.by_container.insert(id.to_owned(), stream);
            self.streams.insert(
                stream,
                Stream {
                    source: source.clone(),
                    pod_uid: pod.uid.clone(),
                    done: false,
                    blocked: false,
                },
            );
            actions.push(Action::Follow(source));
        }
        // Attempts before the last one are out of the API's reach.
        let older = self.streams.values_mut().filter(|s| {
            s.pod_uid == pod.uid
                && s.source.container == container.name
                && !current.is_empty()
                && s.source.container_id != current
                && s.source.container_id != last
        });
        for stream in older {
            actions.extend(stream.now(Life::Gone, true));
        }
        actions
    }
}

impl Stream {
    /// Tells the log's reader what its container does now, if that is news.
    fn now(&mut self, life: Life, previous: bool) -> Option<Action> {
        if self.done || (self.source.life >= life && self.source.previous == previous) {
            return None;
        }
        self.source.life = self.source.life.max(life);
        self.source.previous = previous;
        Some(Action::Life {
            stream: self.source.stream,
            life: self.source.life,
            previous,
        })
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
