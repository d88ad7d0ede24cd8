//! The objects and their history, as etcd and the watch cache keep them (pure): one rising version
//! for all objects, and every change kept until it is compacted.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

use super::resource::Resource;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its resource.
    pub resource: Resource,
    /// Its namespace; empty for those that have none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The place of an object.
    #[must_use]
    pub fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// What happened to an object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version that this change made.
    pub version: u64,
    /// Which object.
    pub key: Key,
    /// What it was before; `None` if this made it.
    pub before: Option<Arc<Value>>,
    /// What it is now, or was when it went, with the version of this change.
    pub object: Arc<Value>,
    /// It is gone.
    pub gone: bool,
}

/// Changes before this version are not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest version from which a watch can still start.
    pub oldest: u64,
}

/// All objects, and the changes that led to them.
#[derive(Debug)]
pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    /// Changes kept.
    limit: usize,
    version: u64,
    compacted: u64,
}

impl Store {
    /// Nothing yet; keeps the last `limit` changes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            limit,
            version: 1,
            compacted: 1,
        }
    }

    /// The version of the last change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The object at this place.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// All objects of a resource, of one namespace or of all, in the order of their places.
    pub fn list<'a>(
        &'a self,
        resource: Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let from = Key::new(resource, namespace.unwrap_or_default(), "");
        self.objects
            .range(from..)
            .take_while(move |(key, _)| key.resource == resource && namespace.is_none_or(|n| key.namespace == n))
    }

    /// Makes or replaces an object; what comes back bears the new version.
    pub fn put(&mut self, key: Key, object: Value) -> Arc<Value> {
        let (version, object) = self.stamped(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(Change {
            version,
            key,
            before,
            object: Arc::clone(&object),
            gone: false,
        });
        object
    }

    /// Takes an object away; what comes back is how it went, with the version of its going.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        let (version, object) = self.stamped(before.as_ref().clone());
        self.remember(Change {
            version,
            key: key.clone(),
            before: Some(before),
            object: Arc::clone(&object),
            gone: true,
        });
        Some(object)
    }

    /// The changes after this version.
    ///
    /// # Errors
    /// Some of them have been compacted.
    pub fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Compacted> {
        if version < self.compacted {
            return Err(Compacted { oldest: self.compacted });
        }
        let known = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(known..))
    }

    /// Forgets all changes so far: a watch can start from now on only.
    pub fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    fn stamped(&mut self, mut object: Value) -> (u64, Arc<Value>) {
        self.version += 1;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        }
        (self.version, Arc::new(object))
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        while self.history.len() > self.limit {
            if let Some(forgotten) = self.history.pop_front() {
                self.compacted = forgotten.version;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> (Key, Value) {
        (
            Key::new(Resource::Pods, "ns", name),
            json!({"metadata": {"name": name}}),
        )
    }

    #[test]
    fn versions_rise_and_history_tells_them() {
        let mut store = Store::new(10);
        let start = store.version();
        let (key, object) = pod("a");
        store.put(key.clone(), object.clone());
        let second = store.put(key.clone(), object);
        let gone = store.remove(&key).unwrap();
        assert_eq!(second["metadata"]["resourceVersion"], (start + 2).to_string());
        assert_eq!(gone["metadata"]["resourceVersion"], (start + 3).to_string());
        let told: Vec<_> = store.since(start + 1).unwrap().map(|c| (c.version, c.gone)).collect();
        assert_eq!(told, [(start + 2, false), (start + 3, true)]);
        assert!(store.remove(&key).is_none());
        assert_eq!(store.version(), start + 3, "what changes nothing makes no version");
    }

    #[test]
    fn what_is_compacted_cannot_be_watched_from() {
        let mut store = Store::new(2);
        for name in ["a", "b", "c"] {
            let (key, object) = pod(name);
            store.put(key, object);
        }
        assert!(store.since(1).is_err());
        assert_eq!(store.since(2).unwrap().count(), 2);
        store.compact();
        assert!(store.since(3).is_err());
        assert_eq!(store.since(4).unwrap().count(), 0);
    }

    #[test]
    fn lists_are_of_one_resource_and_namespace() {
        let mut store = Store::new(10);
        for (resource, namespace, name) in [
            (Resource::Pods, "a", "1"),
            (Resource::Pods, "b", "2"),
            (Resource::Pods, "b", "3"),
            (Resource::Secrets, "b", "4"),
        ] {
            store.put(Key::new(resource, namespace, name), json!({}));
        }
        let names = |namespace| -> Vec<_> {
            store
                .list(Resource::Pods, namespace)
                .map(|(k, _)| k.name.as_str())
                .collect()
        };
        assert_eq!(names(Some("b")), ["2", "3"]);
        assert_eq!(names(None), ["1", "2", "3"]);
    }
}
