//! One pod's life on the node: a task that starts, watches and stops its containers and tells the
//! API of it. What to do is decided in `pod`, what to tell in `status`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::OptionFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    Kubelet,
    pod::{self, Container, Ended, Next},
    runtime::Signal,
    status::{self, Stage, View},
};
use crate::sandbox::{delete::DeleteOptions, meta, resource::Resource, store::Key};

/// Containers get at least this long to end (pkg/kubelet/kuberuntime/kuberuntime_manager.go).
const GRACE_MINIMUM: SignedDuration = SignedDuration::from_secs(2);

/// What the kubelet has seen of a pod.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) pod: Arc<Value>,
    /// The API has it no more.
    pub(super) gone: bool,
}

pub(super) struct Worker {
    pub(super) kubelet: Arc<Kubelet>,
    updates: watch::Receiver<Seen>,
    pub(super) key: Key,
    pub(super) uid: String,
    /// Stamp of the first look, on the node's clock.
    seen: Timestamp,
    stage: Stage,
    expired: bool,
    pub(super) containers: Vec<Container>,
    /// Where running containers take signals.
    pub(super) signals: BTreeMap<usize, mpsc::UnboundedSender<Signal>>,
    pub(super) running: JoinSet<(usize, Ended)>,
}

impl Worker {
    pub(super) fn new(kubelet: Arc<Kubelet>, updates: watch::Receiver<Seen>) -> Self {
        let pod = Arc::clone(&updates.borrow().pod);
        Self {
            key: meta::key(Resource::Pods, &pod),
            uid: meta::text(&pod, "uid").to_owned(),
            seen: kubelet.now(),
            stage: Stage::Seen,
            expired: false,
            containers: pod::containers(&pod),
            signals: BTreeMap::new(),
            running: JoinSet::new(),
            kubelet,
            updates,
        }
    }

    /// From the first look to the pod's going.
    pub(super) async fn run(mut self) {
        if !self.pod()["status"]["phase"].as_str().is_some_and(status::is_final) {
            self.write();
            self.stage = Stage::Ready;
            self.write();
            self.live().await;
            self.stage = Stage::Stopping;
            self.write();
            self.stop().await;
            self.stage = Stage::Stopped;
            self.write();
            let containers = &self.containers;
            self.kubelet.write(&self.key, &self.uid, |pod| {
                let mut status = pod["status"].take();
                status::terminate(&mut status, containers);
                status
            });
        }
        // The object may outlive its containers; what it wrote can be read until it goes.
        while !self.updates.borrow_and_update().gone {
            if meta::deleted(&self.pod()) && self.pod()["metadata"]["deletionGracePeriodSeconds"] != 0 {
                let options = DeleteOptions {
                    grace: Some(0),
                    uid: Some(self.uid.clone()),
                    ..DeleteOptions::default()
                };
                // It may have gone meanwhile.
                drop(self.kubelet.world.delete(&self.key, &options));
            }
            if self.updates.changed().await.is_err() {
                return;
            }
        }
    }

    fn pod(&self) -> Arc<Value> {
        Arc::clone(&self.updates.borrow().pod)
    }

    /// Until nothing is to run any more.
    async fn live(&mut self) {
        loop {
            let seen = self.updates.borrow_and_update().clone();
            let now = self.kubelet.now();
            let deadline = seen.pod["spec"]["activeDeadlineSeconds"]
                .as_i64()
                .and_then(|limit| self.seen.checked_add(SignedDuration::from_secs(limit)).ok());
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.expired = true;
                let (reason, message) = status::DEADLINE;
                self.kubelet.event(&seen.pod, "Normal", reason, message);
                return;
            }
            let Next::Start(due) = pod::next(&self.containers) else {
                return;
            };
            if seen.gone || meta::deleted(&seen.pod) || status::is_final(status::comes_to(&self.view(&seen.pod))) {
                return;
            }
            let mut wake = deadline;
            for place in due {
                let mut retry = self.containers.get(place).and_then(|container| container.retry);
                if retry.is_none_or(|at| at <= now) {
                    retry = self.try_start(place, &seen.pod).await;
                    if let Some(container) = self.containers.get_mut(place) {
                        container.retry = retry;
                    }
                }
                wake = wake.into_iter().chain(retry).min();
            }
            self.write();
            self.wait(wake).await;
        }
    }

    /// Until a container ends, the pod changes, or this time comes.
    async fn wait(&mut self, wake: Option<Timestamp>) {
        let pause: OptionFuture<_> = wake.map(|wake| sleep(until(self.kubelet.now(), wake))).into();
        let ended = tokio::select! {
            Some(ended) = self.running.join_next() => ended.ok(),
            // Without its kubelet the worker ends at its next await.
            _ = self.updates.changed() => None,
            Some(()) = pause => None,
        };
        let Some((place, ended)) = ended else {
            return;
        };
        self.signals.remove(&place);
        if let Some(container) = self.containers.get_mut(place) {
            container.waiting = None;
            if let Some(attempt) = &mut container.current {
                attempt.ended = Some(ended);
            }
        }
        if self.stage == Stage::Ready {
            self.write();
        }
    }

    /// Stops what still runs: SIGTERM, and SIGKILL when the grace is over.
    async fn stop(&mut self) {
        let place_of = |place: &usize| self.containers.get(*place);
        for container in self.signals.keys().filter_map(place_of) {
            let message = format!("Stopping container {}", container.name);
            self.kubelet.event(&self.pod(), "Normal", "Killing", &message);
        }
        let mut grace = self.grace();
        let mut began = self.kubelet.now();
        let mut kill_at: BTreeMap<usize, Timestamp> = BTreeMap::new();
        while !self.signals.is_empty() {
            let now = self.kubelet.now();
            let asked = self.grace();
            if asked < grace {
                (grace, began) = (asked, now);
                kill_at.clear();
            }
            let waited = SignedDuration::from_secs(now.duration_since(began).as_secs());
            let left = grace.saturating_sub(waited);
            for (place, signals) in &self.signals {
                let signal = match kill_at.get(place) {
                    Some(at) if *at <= now => Signal::Kill,
                    Some(_) => continue,
                    None if left.is_positive() && !pod::turn(&self.containers, *place) => continue,
                    None => {
                        let at = now.checked_add(left.max(GRACE_MINIMUM)).unwrap_or(now);
                        kill_at.insert(*place, at);
                        Signal::Term
                    }
                };
                // It may have ended already.
                signals.send(signal).ok();
            }
            let next = kill_at.values().filter(|at| **at > now).min().copied();
            let turns = began.checked_add(grace).ok().filter(|at| *at > now);
            self.wait(next.into_iter().chain(turns).min()).await;
        }
    }

    /// The grace that now counts.
    fn grace(&self) -> SignedDuration {
        let seen = self.updates.borrow();
        let metadata = &seen.pod["metadata"]["deletionGracePeriodSeconds"];
        let spec = &seen.pod["spec"]["terminationGracePeriodSeconds"];
        let seconds = metadata.as_i64().or_else(|| spec.as_i64()).unwrap_or(30);
        SignedDuration::from_secs(if seen.gone { 0 } else { seconds })
    }

    /// Writes the status.
    fn write(&self) {
        let now = self.kubelet.now();
        self.kubelet
            .write(&self.key, &self.uid, |pod| status::status(&self.view(pod), now));
    }

    fn view<'a>(&'a self, pod: &'a Value) -> View<'a> {
        View {
            pod,
            containers: &self.containers,
            stage: self.stage,
            expired: self.expired,
            seen: self.seen,
        }
    }
}

/// What is left until then.
fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}
