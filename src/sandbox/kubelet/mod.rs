//! The kubelet of the sandbox's one node, and its scheduler: binds pods, runs their containers, tells
//! their status, keeps their logs.

mod bubblewrap;
mod env;
mod folder;
pub mod image;
pub mod isolation;
mod journal;
mod launch;
mod logs;
mod mounts;
mod phase;
mod pod;
pub mod process;
pub mod runtime;
pub mod schedule;
pub mod script;
mod start;
mod status;
pub mod supervisor;
mod volumes;
mod worker;

#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod worker_tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

pub use self::{
    journal::Source,
    logs::{LogOptions, LogStream},
    runtime::Runtime,
};
use self::{
    journal::{Journal, lock},
    runtime::Kept,
    schedule::Decision,
    worker::{Seen, Worker},
};
use super::{
    meta,
    refused::Refused,
    resource::Resource,
    store::{Change, Key},
    world::World,
};

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Images that cannot be pulled.
    pub missing_images: Vec<String>,
    /// The first back-off of restarts and image pulls, and the pause before another look at what
    /// could not be created. Real: 10 s.
    pub backoff_base: Duration,
    /// The node's clock minus the server's: times of containers and of log lines.
    pub skew: SignedDuration,
    /// A container's log is rotated beyond this many bytes. Real: 10 MiB.
    pub log_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            missing_images: Vec::new(),
            backoff_base: Duration::from_secs(10),
            skew: SignedDuration::ZERO,
            log_limit: 10 * 1024 * 1024,
        }
    }
}

/// The kubelet.
pub struct Kubelet {
    world: Arc<World>,
    runtime: Arc<dyn Runtime>,
    settings: Settings,
    logs: Mutex<Logs>,
}

/// Logs by the pod's UID and the container's name: the ids of the last two attempts with theirs.
type Logs = HashMap<String, HashMap<String, Vec<(String, Journal)>>>;

impl Kubelet {
    /// A kubelet that runs containers by this runtime.
    #[must_use]
    pub fn new(world: Arc<World>, runtime: Arc<dyn Runtime>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            world,
            runtime,
            settings,
            logs: Mutex::default(),
        })
    }

    /// Runs for ever; dropping the future ends all containers.
    pub async fn run(self: Arc<Self>) {
        let mut changes = self.world.subscribe();
        let mut pods: HashMap<String, watch::Sender<Seen>> = HashMap::new();
        let mut workers: JoinSet<String> = JoinSet::new();
        for pod in self.world.list(Resource::Pods, None).0 {
            self.hear(pod, false, &mut pods, &mut workers);
        }
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(Change { key, object, gone, .. }) if key.resource == Resource::Pods => {
                        self.hear(object, gone, &mut pods, &mut workers);
                    }
                    Some(Change { key, object, gone: true, .. })
                        if key.resource == Resource::PersistentVolumeClaims =>
                    {
                        self.runtime.forget(Kept::Claim(meta::text(&object, "uid")));
                    }
                    Some(_) => {}
                    // The world is held by this kubelet.
                    None => return,
                },
                Some(Ok(uid)) = workers.join_next() => {
                    pods.remove(&uid);
                    lock(&self.logs).remove(&uid);
                    self.runtime.forget(Kept::Pod(&uid));
                }
            }
        }
    }

    fn hear(
        self: &Arc<Self>,
        pod: Arc<Value>,
        gone: bool,
        pods: &mut HashMap<String, watch::Sender<Seen>>,
        workers: &mut JoinSet<String>,
    ) {
        let uid = meta::text(&pod, "uid");
        if let Some(worker) = pods.get(uid) {
            worker.send_replace(Seen { pod, gone });
        } else if gone {
            // It never came to run.
        } else if pod["spec"]["nodeName"] == schedule::NODE {
            let uid = uid.to_owned();
            let (sender, updates) = watch::channel(Seen { pod, gone });
            pods.insert(uid.clone(), sender);
            let worker = Worker::new(Arc::clone(self), updates);
            workers.spawn(async move {
                worker.run().await;
                uid
            });
        } else {
            self.schedule(&pod);
        }
    }

    fn schedule(&self, pod: &Value) {
        let decision = schedule::decide(pod);
        let key = meta::key(Resource::Pods, pod);
        let written = self.world.modify(&key, false, |object| {
            same(object, &key, meta::text(pod, "uid"))?;
            if schedule::decide(object) == decision {
                schedule::apply(object, &decision, self.world.now());
            }
            Ok(())
        });
        let changed = written.is_ok_and(|new| new["metadata"]["resourceVersion"] != pod["metadata"]["resourceVersion"]);
        let (kind, reason, message) = match decision {
            Decision::Bind => {
                let (namespace, name) = (meta::text(pod, "namespace"), meta::text(pod, "name"));
                let message = format!("Successfully assigned {namespace}/{name} to {}", schedule::NODE);
                ("Normal", "Scheduled", message)
            }
            Decision::Unschedulable => ("Warning", "FailedScheduling", schedule::UNSUITABLE.to_owned()),
            Decision::Leave => return,
        };
        if changed {
            self.world.event(pod, "default-scheduler", kind, reason, &message);
        }
    }

    /// Opens a container's log.
    ///
    /// # Errors
    /// 400: there is no such container, or it has no log yet.
    pub fn log(&self, pod: &Value, options: &LogOptions) -> Result<LogStream, Refused> {
        let container = logs::container(pod, options.container.as_deref())?;
        if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
            return Ok(stream::empty().boxed());
        }
        let id = logs::attempt(pod, container, options.previous)?;
        let journal = {
            let logs = lock(&self.logs);
            let attempts = logs.get(meta::text(pod, "uid")).and_then(|pod| pod.get(container));
            let found = attempts.into_iter().flatten().find(|(known, _)| *known == id);
            found.map(|(_, journal)| journal.clone())
        };
        let Some(journal) = journal else {
            // Not an error to the real one either: its words are the log.
            let words = format!("unable to retrieve container logs for {id}");
            return Ok(stream::iter([words.into()]).boxed());
        };
        let ago = |seconds| self.now().checked_sub(SignedDuration::from_secs(seconds)).ok();
        let since = options.since.max(options.since_seconds.and_then(ago));
        Ok(logs::open(journal, options, since))
    }

    /// Rotates a container's log, as the kubelet does when it has grown too long.
    pub fn rotate(&self, pod_uid: &str, container: &str) {
        let logs = lock(&self.logs);
        let attempts = logs.get(pod_uid).and_then(|pod| pod.get(container));
        if let Some((_, journal)) = attempts.and_then(|attempts| attempts.last()) {
            journal.rotate();
        }
    }

    /// Keeps a log, and that of the attempt before.
    fn keep(&self, uid: &str, container: &str, id: &str, journal: &Journal) {
        let mut logs = lock(&self.logs);
        let pod = logs.entry(uid.to_owned()).or_default();
        let attempts = pod.entry(container.to_owned()).or_default();
        attempts.push((id.to_owned(), journal.clone()));
        let old = attempts.len().saturating_sub(2);
        attempts.drain(..old);
    }

    /// The time on the node's clock.
    fn now(&self) -> Timestamp {
        let now = self.world.now();
        now.checked_add(self.settings.skew).unwrap_or(now)
    }

    fn event(&self, pod: &Value, kind: &str, reason: &str, message: &str) {
        self.world.event(pod, "kubelet", kind, reason, message);
    }

    /// Writes a pod's status, unless another pod of this name has taken its place.
    fn write(&self, key: &Key, uid: &str, status: impl FnOnce(&mut Value) -> Value) {
        // It may be gone: then nobody wants its status.
        drop(self.world.modify(key, false, |pod| {
            same(pod, key, uid)?;
            let status = status(pod);
            pod["status"] = status;
            Ok(())
        }));
    }
}

/// The object is still the one with this UID.
fn same(object: &Value, key: &Key, uid: &str) -> Result<(), Refused> {
    if meta::text(object, "uid") == uid {
        Ok(())
    } else {
        Err(Refused::not_found(key))
    }
}
