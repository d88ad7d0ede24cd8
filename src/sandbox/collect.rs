//! What goes when something else has gone: the garbage collector (pkg/controller/garbagecollector),
//! the TTL controller (pkg/controller/ttlafterfinished) and the namespace controller of Kubernetes.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    delete::{DeleteOptions, Propagation},
    meta,
    resource::Resource,
    store::{Change, Key},
    world::World,
};

/// What may own or be owned.
const OWNABLE: [Resource; 8] = [
    Resource::ConfigMaps,
    Resource::CronJobs,
    Resource::Jobs,
    Resource::PersistentVolumeClaims,
    Resource::Pods,
    Resource::Secrets,
    Resource::ServiceAccounts,
    Resource::Services,
];

/// Collects for ever; drop the future to stop.
pub(super) async fn run(world: Arc<World>, mut changes: mpsc::UnboundedReceiver<Change>) {
    let mut collector = Collector {
        world,
        expiring: BTreeMap::new(),
    };
    loop {
        let due = collector.expiring.keys().next().map(|(at, _)| *at);
        tokio::select! {
            change = changes.recv() => match change {
                Some(change) => collector.hear(&change),
                None => return,
            },
            () = collector.world.until(due) => collector.expire(),
        }
    }
}

struct Collector {
    world: Arc<World>,
    /// Finished Jobs by the time at which they are to go.
    expiring: BTreeMap<(Timestamp, Key), String>,
}

impl Collector {
    fn hear(&mut self, change: &Change) {
        let (key, object) = (&change.key, change.object.as_ref());
        if change.gone {
            self.owner_gone(&key.namespace, meta::text(object, "uid"));
            for owner in meta::owners(object) {
                self.dependent_gone(&key.namespace, owner);
            }
        } else {
            if meta::deleted(object) {
                self.hold(key, object);
            } else if change.before.is_none() && !self.owned_by_none(key, object) {
                // Made for an owner that went in the meantime.
                self.delete(key, object, None);
            }
            self.note_expiry(key, object);
        }
        self.namespace(if key.resource == Resource::Namespaces {
            &key.name
        } else {
            &key.namespace
        });
    }

    /// The object has no owner, or one that exists.
    fn owned_by_none(&self, key: &Key, object: &Value) -> bool {
        let mut owners = meta::owners(object).peekable();
        owners.peek().is_none() || owners.any(|owner| self.find(&key.namespace, owner).is_some())
    }

    /// The owner that a reference names, if it is there with that UID.
    fn find(&self, namespace: &str, reference: &Value) -> Option<(Key, Arc<Value>)> {
        let resource = OWNABLE.into_iter().find(|r| reference["kind"] == r.kind())?;
        let key = Key::new(resource, namespace, reference["name"].as_str()?);
        let owner = self.world.get(&key)?;
        (owner["metadata"]["uid"] == reference["uid"]).then_some((key, owner))
    }

    fn dependents(&self, namespace: &str, uid: &str) -> Vec<(Key, Arc<Value>)> {
        let objects = |resource| {
            let (objects, _) = self.world.list(resource, Some(namespace));
            objects
                .into_iter()
                .map(move |object| (meta::key(resource, &object), object))
        };
        let owned = |object: &Value| meta::owners(object).any(|owner| owner["uid"] == uid);
        OWNABLE
            .into_iter()
            .flat_map(objects)
            .filter(|(_, object)| owned(object))
            .collect()
    }

    fn owner_gone(&self, namespace: &str, uid: &str) {
        for (key, object) in self.dependents(namespace, uid) {
            if self.owned_by_none(&key, &object) {
                self.disown(&key, uid);
            } else if !meta::deleted(&object) {
                self.delete(&key, &object, None);
            }
        }
    }

    fn dependent_gone(&self, namespace: &str, owner: &Value) {
        if let Some((key, owner)) = self.find(namespace, owner)
            && meta::deleted(&owner)
        {
            self.hold(&key, &owner);
        }
    }

    /// Does the part of the collector for an object that its finalizers hold back.
    fn hold(&self, key: &Key, object: &Value) {
        let uid = meta::text(object, "uid");
        let held = meta::finalizers(object);
        if held.contains(&"orphan") {
            for (dependent, _) in self.dependents(&key.namespace, uid) {
                self.disown(&dependent, uid);
            }
            self.release(key, uid, "orphan");
        } else if held.contains(&"foregroundDeletion") {
            let mut blocked = false;
            for (dependent, object) in self.dependents(&key.namespace, uid) {
                blocked |= meta::owners(&object).any(|o| o["uid"] == uid && o["blockOwnerDeletion"] == true);
                if !meta::deleted(&object) {
                    self.delete(&dependent, &object, None);
                }
            }
            if !blocked {
                self.release(key, uid, "foregroundDeletion");
            }
        }
    }

    fn release(&self, key: &Key, uid: &str, finalizer: &str) {
        self.change(key, |object| {
            if meta::text(object, "uid") == uid {
                meta::set_finalizer(object, finalizer, false);
            }
        });
    }

    fn disown(&self, key: &Key, uid: &str) {
        self.change(key, |object| {
            if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|owner| owner["uid"] != uid);
            }
        });
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        // Somebody else may have deleted it, which is as well.
        drop(self.world.modify(key, false, |object| {
            change(object);
            Ok(())
        }));
    }

    fn delete(&self, key: &Key, object: &Value, propagation: Option<Propagation>) {
        let options = DeleteOptions {
            propagation: propagation.or(Some(Propagation::Background)),
            uid: Some(meta::text(object, "uid").to_owned()),
            ..DeleteOptions::default()
        };
        // As above: what is gone, or has been replaced, needs no deletion.
        drop(self.world.delete(key, &options));
    }

    fn note_expiry(&mut self, key: &Key, object: &Value) {
        if key.resource != Resource::Jobs || meta::deleted(object) {
            return;
        }
        let Some(ttl) = object["spec"]["ttlSecondsAfterFinished"].as_i64() else {
            return;
        };
        let finished = object["status"]["conditions"].as_array().into_iter().flatten();
        let finished = finished
            .filter(|c| c["status"] == "True" && matches!(c["type"].as_str(), Some("Complete" | "Failed")))
            .find_map(|c| c["lastTransitionTime"].as_str()?.parse::<Timestamp>().ok());
        if let Some(at) = finished.and_then(|at| at.checked_add(SignedDuration::from_secs(ttl)).ok()) {
            self.expiring
                .insert((at, key.clone()), meta::text(object, "uid").to_owned());
        }
    }

    fn expire(&mut self) {
        let now = self.world.now();
        while let Some(entry) = self.expiring.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, key), uid) = entry.remove_entry();
            if let Some(job) = self.world.get(&key).filter(|job| meta::text(job, "uid") == uid) {
                self.delete(&key, &job, Some(Propagation::Foreground));
            }
        }
    }

    /// Empties a namespace that is being deleted, and lets it go once it is empty.
    fn namespace(&self, name: &str) {
        let key = Key::new(Resource::Namespaces, "", name);
        if !self.world.get(&key).is_some_and(|namespace| meta::deleted(&namespace)) {
            return;
        }
        let mut empty = true;
        for resource in Resource::ALL.into_iter().filter(|r| r.namespaced()) {
            for object in self.world.list(resource, Some(name)).0 {
                empty = false;
                if !meta::deleted(&object) {
                    self.delete(&meta::key(resource, &object), &object, None);
                }
            }
        }
        if empty {
            self.change(&key, |namespace| namespace["spec"]["finalizers"] = json!([]));
        }
    }
}
