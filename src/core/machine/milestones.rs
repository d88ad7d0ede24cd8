//! The few steps of pods that are worth a line: the first that gets a node, the first container that
//! starts, and every further attempt, be it a container's or a whole pod's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Input, Machine, Seen, Stage};
use crate::core::{
    notice::{Milestone, Notice},
    pod::{ContainerKind, ContainerView, Phase, PodView, State},
};

/// What was told, and how far each pod has come.
#[derive(Debug, Default)]
pub(super) struct Milestones {
    pods: BTreeMap<String, Known>,
    scheduled: bool,
    started: bool,
}

#[derive(Debug)]
struct Known {
    name: String,
    index: Option<u32>,
    stands: Stands,
    /// Another pod was told to take its place.
    replaced: bool,
    /// Container IDs by container: every further one is a further attempt.
    attempts: BTreeMap<String, BTreeSet<String>>,
}

/// How far a pod has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stands {
    /// It failed, or was taken away.
    Lost,
    /// It succeeded.
    Succeeded,
    /// It has no node.
    Unscheduled,
    /// It has a node.
    Scheduled,
    /// A container of it has started.
    Started,
}

impl Milestones {
    /// How far the pod has come that has come furthest, of those that have not ended.
    pub(super) fn furthest(&self) -> Option<Stands> {
        let living = self.pods.values().map(|pod| pod.stands);
        living.filter(|stands| *stands >= Stands::Unscheduled).max()
    }

    fn saw(&mut self, pod: &PodView, gone: bool) -> Vec<Milestone> {
        let stands = stands(pod, gone);
        let mut news = Vec::new();
        if !self.pods.contains_key(&pod.uid) {
            if stands >= Stands::Unscheduled {
                news.extend(self.replaces(pod));
            }
            self.pods.insert(pod.uid.clone(), Known::new(pod, stands));
        }
        if !pod.node.is_empty() && !std::mem::replace(&mut self.scheduled, true) {
            news.push(Milestone::Scheduled {
                pod: pod.name.clone(),
                node: pod.node.clone(),
            });
        }
        if let Some(first) = pod.containers.iter().find(|c| has_started(c))
            && !std::mem::replace(&mut self.started, true)
        {
            news.push(Milestone::Started {
                pod: pod.name.clone(),
                container: first.name.clone(),
            });
        }
        if let Some(known) = self.pods.get_mut(&pod.uid) {
            known.stands = stands;
            news.extend(known.attempts(pod));
        }
        news
    }

    /// A pod comes: which one does it stand in for? The one of its index, else the first that is lost.
    fn replaces(&mut self, pod: &PodView) -> Option<Milestone> {
        let lost = |known: &&mut Known| known.stands == Stands::Lost && !known.replaced && known.index == pod.index;
        let before = self.pods.values_mut().filter(lost).min_by(|a, b| a.name.cmp(&b.name))?;
        before.replaced = true;
        Some(Milestone::Replaced {
            pod: pod.name.clone(),
            before: before.name.clone(),
        })
    }
}

impl Known {
    fn new(pod: &PodView, stands: Stands) -> Self {
        Self {
            name: pod.name.clone(),
            index: pod.index,
            stands,
            replaced: false,
            attempts: BTreeMap::new(),
        }
    }

    /// Further starts of the pod's containers. Those of a sidecar are none of the pod's.
    fn attempts(&mut self, pod: &PodView) -> Vec<Milestone> {
        let mut news = Vec::new();
        for container in pod.containers.iter().filter(|c| c.kind != ContainerKind::Sidecar) {
            let known = self.attempts.entry(container.name.clone()).or_default();
            for id in ids(container) {
                let new = known.insert(id.to_owned());
                // Of two that are new at once the first is the attempt before.
                if new && known.len() > 1 {
                    news.push(Milestone::Restarted {
                        pod: pod.name.clone(),
                        container: container.name.clone(),
                        attempt: u32::try_from(known.len()).unwrap_or(u32::MAX),
                    });
                }
            }
        }
        news
    }
}

fn stands(pod: &PodView, gone: bool) -> Stands {
    match pod.phase {
        Phase::Succeeded => Stands::Succeeded,
        Phase::Failed => Stands::Lost,
        Phase::Unfinished if gone || pod.asked_to_go.is_some() => Stands::Lost,
        Phase::Unfinished if pod.containers.iter().any(has_started) => Stands::Started,
        Phase::Unfinished if pod.node.is_empty() => Stands::Unscheduled,
        Phase::Unfinished => Stands::Scheduled,
    }
}

fn has_started(container: &ContainerView) -> bool {
    container.last.is_some()
        || match &container.state {
            State::Waiting { .. } => false,
            State::Running { .. } => true,
            State::Terminated(t) => t.started_at.is_some(),
        }
}

/// The IDs that a status tells of, the earlier first.
fn ids(container: &ContainerView) -> impl Iterator<Item = &str> {
    let current = match &container.state {
        State::Waiting { .. } => None,
        State::Running { id, .. } => Some(id.as_str()),
        State::Terminated(t) => Some(t.id.as_str()),
    };
    let last = container.last.as_ref().map(|t| t.id.as_str());
    last.into_iter().chain(current).filter(|id| !id.is_empty())
}

impl Machine {
    /// What these news say of the pods' steps. Told before what follows from it.
    pub(super) fn milestones_in(&mut self, input: &Input) -> Vec<Action> {
        let (Input::Pods(seen), Some(job)) = (input, &self.job) else {
            return Vec::new();
        };
        if matches!(self.stage, Stage::Over) {
            return Vec::new();
        }
        let (pods, gone) = match seen {
            Seen::All(pods) => (pods.as_slice(), false),
            Seen::One(pod) => (std::slice::from_ref(pod), false),
            Seen::Gone(pod) => (std::slice::from_ref(pod), true),
            Seen::Lost(_) | Seen::Back | Seen::Polled(_) => return Vec::new(),
        };
        let ours = pods.iter().filter(|p| p.owner_uid.as_deref() == Some(job.uid.as_str()));
        let news = ours.flat_map(|pod| self.milestones.saw(pod, gone));
        news.map(|news| Action::Say(Notice::Milestone(news))).collect()
    }
}
