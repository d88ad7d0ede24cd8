//! The loop around the Job controller: hears of changes, asks the pure part what follows from them,
//! and carries it out.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    admit::FieldValidation,
    api::Create,
    controller::{self, EventKind, Memory, Plan, Settings, TRACKING_FINALIZER},
    delete::DeleteOptions,
    meta,
    resource::Resource,
    store::{Change, Key},
    world::World,
};

/// A pod that could not be made is tried again after this.
const CREATE_AGAIN: Duration = Duration::from_secs(1);

/// Controls Jobs for ever; drop the future to stop.
pub(super) async fn run(world: Arc<World>, mut changes: mpsc::UnboundedReceiver<Change>, settings: Settings) {
    let mut jobs = Jobs {
        world,
        settings,
        memories: HashMap::new(),
        due: BTreeSet::new(),
    };
    loop {
        let mut touched = BTreeSet::new();
        let at = jobs.due.first().map(|(at, _)| *at);
        tokio::select! {
            change = changes.recv() => match change {
                Some(change) => jobs.touch(&change, &mut touched),
                None => return,
            },
            () = jobs.world.until(at) => touched.extend(jobs.now_due()),
        }
        // What came meanwhile is looked at in one go, as a work queue does.
        while let Ok(change) = changes.try_recv() {
            jobs.touch(&change, &mut touched);
        }
        for key in touched {
            jobs.sync(&key);
        }
    }
}

struct Jobs {
    world: Arc<World>,
    settings: Settings,
    /// By the Job's UID.
    memories: HashMap<String, Memory>,
    due: BTreeSet<(Timestamp, Key)>,
}

impl Jobs {
    fn touch(&mut self, change: &Change, touched: &mut BTreeSet<Key>) {
        match change.key.resource {
            Resource::Jobs => {
                if change.gone {
                    let uid = meta::text(&change.object, "uid");
                    self.memories.remove(uid);
                    for pod in self.pods_of(&change.key.namespace, uid) {
                        self.release_orphan(&change.key.namespace, &pod);
                    }
                }
                touched.insert(change.key.clone());
            }
            Resource::Pods => {
                let owner = meta::owners(&change.object).find(|o| o["controller"] == true && o["kind"] == "Job");
                let Some(name) = owner.and_then(|o| o["name"].as_str()) else {
                    // Left alone by a Job that was deleted with its pods orphaned, also while they run.
                    if !change.gone {
                        self.release_orphan(&change.key.namespace, &change.object);
                    }
                    return;
                };
                let job = Key::new(Resource::Jobs, &change.key.namespace, name);
                let lives = self
                    .world
                    .get(&job)
                    .is_some_and(|job| Some(meta::text(&job, "uid")) == meta::controller(&change.object));
                if lives {
                    touched.insert(job);
                } else if !change.gone {
                    self.release_orphan(&change.key.namespace, &change.object);
                }
            }
            Resource::ConfigMaps
            | Resource::CronJobs
            | Resource::Events
            | Resource::Namespaces
            | Resource::PersistentVolumeClaims
            | Resource::Secrets
            | Resource::ServiceAccounts
            | Resource::Services => {}
        }
    }

    fn now_due(&mut self) -> Vec<Key> {
        let now = self.world.now();
        let mut keys = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            keys.extend(self.due.pop_first().map(|(_, key)| key));
        }
        keys
    }

    fn sync(&mut self, key: &Key) {
        let Some(object) = self.world.get(key) else {
            return;
        };
        let uid = meta::text(&object, "uid").to_owned();
        // What was admitted reads as a Job.
        let Ok(job) = meta::typed::<Job>(&object) else {
            return;
        };
        let pods: Vec<Pod> = self
            .pods_of(&key.namespace, &uid)
            .into_iter()
            .filter_map(|pod| meta::typed(&pod).ok())
            .collect();
        let world = Arc::clone(&self.world);
        let before = self.memories.get(&uid).cloned().unwrap_or_default();
        let mut memory = before.clone();
        let plan = controller::sync(&job, &pods, &mut memory, &self.settings, world.seconds(), &mut || {
            world.suffix()
        });
        self.memories.insert(uid.clone(), memory);
        let again = self.carry_out(key, &uid, &object, plan);
        if let Some(again) = again {
            let pause = SignedDuration::try_from(again).unwrap_or(SignedDuration::MAX);
            if let Ok(at) = self.world.now().checked_add(pause) {
                self.due.insert((at, key.clone()));
            }
        }
    }

    /// In the order in which the real one does it: what is counted is written before what it was
    /// counted from may go.
    fn carry_out(&self, key: &Key, uid: &str, job: &Value, plan: Plan) -> Option<Duration> {
        let (mut again, mut events) = (plan.again, plan.events);
        if let Some(status) = plan.status {
            let written = self.world.modify(key, false, |object| {
                if meta::text(object, "uid") == uid {
                    object["status"] = json!(status);
                }
                Ok(())
            });
            if written.is_err() {
                // Gone meanwhile.
                return None;
            }
        }
        for pod in plan.release {
            self.release(&Key::new(Resource::Pods, &key.namespace, &pod));
        }
        for pod in plan.delete {
            // Gone already is as good as deleted.
            drop(self.world.delete(
                &Key::new(Resource::Pods, &key.namespace, &pod),
                &DeleteOptions::default(),
            ));
        }
        for pod in plan.create {
            let create = Create {
                resource: Resource::Pods,
                namespace: &key.namespace,
                strictness: FieldValidation::Ignore,
                manager: "kube-controller-manager",
                dry_run: false,
            };
            if let Err(refused) = self.world.create(&create, &json!(pod)) {
                let name = pod.metadata.name.unwrap_or_default();
                events.retain(|event| event.message != format!("Created pod: {name}"));
                let message = format!("Error creating: {}", refused.message);
                self.world
                    .event(job, "job-controller", "Warning", "FailedCreate", &message);
                again = Some(again.map_or(CREATE_AGAIN, |again| again.min(CREATE_AGAIN)));
            }
        }
        for event in events {
            let kind = match event.kind {
                EventKind::Normal => "Normal",
                EventKind::Warning => "Warning",
            };
            self.world
                .event(job, "job-controller", kind, &event.reason, &event.message);
        }
        again
    }

    fn pods_of(&self, namespace: &str, uid: &str) -> Vec<Arc<Value>> {
        let (mut pods, _) = self.world.list(Resource::Pods, Some(namespace));
        pods.retain(|pod| meta::controller(pod) == Some(uid));
        pods
    }

    /// A pod that nobody counts, because its Job is finished or gone, is not held back.
    fn release_orphan(&self, namespace: &str, pod: &Value) {
        let owner = meta::owners(pod).find(|owner| owner["controller"] == true);
        let job = owner.and_then(|owner| owner["name"].as_str());
        let job = job.and_then(|name| self.world.get(&Key::new(Resource::Jobs, namespace, name)));
        let job: Option<Job> = job.and_then(|job| meta::typed(&job).ok());
        let pod_now: Result<Pod, _> = meta::typed(pod);
        if pod_now.is_ok_and(|pod| controller::orphaned(&pod, job.as_ref())) {
            self.release(&Key::new(Resource::Pods, namespace, meta::text(pod, "name")));
        }
    }

    fn release(&self, key: &Key) {
        // Gone already is released.
        drop(self.world.modify(key, false, |pod| {
            meta::set_finalizer(pod, TRACKING_FINALIZER, false);
            Ok(())
        }));
    }
}
