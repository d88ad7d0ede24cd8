//! What the API server, the controllers and the kubelet share: the store, a clock, names. Each call
//! is one transaction; whoever wants to hear of changes subscribes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    admit::Honours,
    meta,
    refused::Refused,
    resource::Resource,
    store::{Change, Compacted, Key, Store},
};
use crate::core::backoff::Jitter;

/// What is known of the cluster, by all its parts.
#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    version: watch::Sender<u64>,
    began: (Timestamp, Instant),
    honours: Honours,
}

#[derive(Debug)]
struct State {
    store: Store,
    random: Jitter,
    /// Events, the oldest first: the real ones go after an hour, these when there are too many.
    events: VecDeque<Key>,
    events_limit: usize,
    /// How many there were: two of one moment have different names, too.
    events_made: i128,
    listeners: Vec<mpsc::UnboundedSender<Change>>,
}

impl World {
    /// An empty world. `began` is the wall clock's time now; from then on tokio's clock counts, which
    /// tests pause. `seed` draws names and UIDs; `history` is the number of changes that are kept;
    /// of Events a quarter of that.
    #[must_use]
    pub fn new(began: Timestamp, seed: u64, history: usize) -> Arc<Self> {
        Self::honouring(began, seed, history, Honours::default())
    }

    /// The same, with what its runtime can do besides.
    #[must_use]
    pub fn honouring(began: Timestamp, seed: u64, history: usize, honours: Honours) -> Arc<Self> {
        let store = Store::new(history);
        Arc::new(Self {
            version: watch::Sender::new(store.version()),
            state: Mutex::new(State {
                store,
                random: Jitter::new(seed),
                events: VecDeque::new(),
                events_limit: history / 4,
                events_made: 0,
                listeners: Vec::new(),
            }),
            began: (began, Instant::now()),
            honours,
        })
    }

    /// What of the API can be done here.
    #[must_use]
    pub fn honours(&self) -> Honours {
        self.honours
    }

    /// The time, as exactly as the clock has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.1.elapsed()).unwrap_or_default();
        self.began.0.checked_add(passed).unwrap_or(self.began.0)
    }

    /// The time in whole seconds, as objects bear it.
    #[must_use]
    pub fn seconds(&self) -> Timestamp {
        let now = self.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// Waits until this time; for ever without one.
    pub async fn until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => {
                let rest = at.duration_since(self.now());
                tokio::time::sleep(std::time::Duration::try_from(rest).unwrap_or_default()).await;
            }
            None => std::future::pending().await,
        }
    }

    /// All changes from now on, in order.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Change> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().listeners.push(sender);
        receiver
    }

    /// The version, as it rises.
    #[must_use]
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The object at this place.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.lock().store.get(key).cloned()
    }

    /// The objects of a resource, of one namespace or of all, and the version of this list.
    #[must_use]
    pub fn list(&self, resource: Resource, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let state = self.lock();
        let objects = state
            .store
            .list(resource, namespace)
            .map(|(_, object)| Arc::clone(object));
        (objects.collect(), state.store.version())
    }

    /// The changes after this version.
    ///
    /// # Errors
    /// Some of them have been compacted.
    pub fn since(&self, version: u64) -> Result<Vec<Change>, Compacted> {
        let state = self.lock();
        Ok(state.store.since(version)?.cloned().collect())
    }

    /// Forgets the history: watches have to begin with a list again.
    pub fn compact(&self) {
        self.lock().store.compact();
    }

    /// Five characters for the end of a generated name.
    #[must_use]
    pub fn suffix(&self) -> String {
        // k8s.io/apimachinery pkg/util/rand: no vowels, no characters that look alike.
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut state = self.lock();
        (0..5)
            .filter_map(|_| ALPHABET.get(state.random.below(27) as usize))
            .map(|byte| char::from(*byte))
            .collect()
    }

    /// A random UID in the form of a UUID of version 4.
    #[must_use]
    pub fn uid(&self) -> String {
        let mut state = self.lock();
        let mut uid = String::with_capacity(36);
        for place in 0..32_u8 {
            if matches!(place, 8 | 12 | 16 | 20) {
                uid.push('-');
            }
            let digit = match place {
                12 => 4,
                16 => 8 + state.random.below(4),
                _ => state.random.below(16),
            };
            uid.extend(char::from_digit(digit, 16));
        }
        uid
    }

    /// A new object may be put there, as far as its namespace is concerned.
    ///
    /// # Errors
    /// 404 without the namespace, 403 while it is being deleted.
    pub fn accepts(&self, key: &Key) -> Result<(), Refused> {
        self.lock().accepts(key)
    }

    /// Puts a new object into the store, once its content has been admitted. The namespace must exist.
    ///
    /// # Errors
    /// 404 without the namespace, 403 while it is being deleted, 409 if the object exists.
    pub fn insert(&self, key: Key, object: Value, dry_run: bool) -> Result<Arc<Value>, Refused> {
        let mut state = self.lock();
        if key.resource.namespaced() {
            let namespace = Key::new(Resource::Namespaces, "", &key.namespace);
            let found = state
                .store
                .get(&namespace)
                .ok_or_else(|| Refused::not_found(&namespace))?;
            if meta::deleted(found) {
                return Err(Refused::terminating(&key));
            }
        }
        if state.store.get(&key).is_some() {
            return Err(Refused::exists(&key));
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        if key.resource == Resource::Events {
            state.note_event(key.clone());
        }
        let object = state.store.put(key, object);
        self.tell(state);
        Ok(object)
    }

    /// Changes an object. What `change` leaves as it was makes no version; an object that was only
    /// waiting for its last finalizer goes.
    ///
    /// # Errors
    /// 404, or what `change` refuses.
    pub fn modify(
        &self,
        key: &Key,
        dry_run: bool,
        change: impl FnOnce(&mut Value) -> Result<(), Refused>,
    ) -> Result<Arc<Value>, Refused> {
        let mut state = self.lock();
        let old = state.store.get(key).cloned().ok_or_else(|| Refused::not_found(key))?;
        let mut new = old.as_ref().clone();
        change(&mut new)?;
        if new == *old {
            return Ok(old);
        }
        if dry_run {
            return Ok(Arc::new(new));
        }
        // What goes at once goes as it was stored, in one step.
        let object = if meta::may_go(&new) {
            drop(state.store.remove(key));
            Arc::new(new)
        } else {
            state.store.put(key.clone(), new)
        };
        self.tell(state);
        Ok(object)
    }

    /// Records an Event about an object; one that says the same as an earlier one counts it up.
    /// `component` is who says it: `kubelet`, `job-controller`.
    pub fn event(&self, about: &Value, component: &str, kind: &str, reason: &str, message: &str) {
        let text = |pointer: &str| about.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let namespace = text("/metadata/namespace").to_owned();
        let now = json!(self.seconds());
        let involved = json!({
            "kind": text("/kind"), "apiVersion": text("/apiVersion"), "namespace": namespace,
            "name": text("/metadata/name"), "uid": text("/metadata/uid"),
            "resourceVersion": text("/metadata/resourceVersion"),
        });
        let says_the_same = |event: &Value| {
            event.pointer("/involvedObject/uid") == involved.pointer("/uid")
                && event["reason"] == reason
                && event["message"] == message
                && event["type"] == kind
        };
        let earlier = {
            let state = self.lock();
            let mut events = state.store.list(Resource::Events, Some(&namespace));
            events
                .find(|(_, event)| says_the_same(event))
                .map(|(key, _)| key.clone())
        };
        if let Some(key) = earlier {
            // It may be deleted at this moment: then nobody wants it.
            drop(self.modify(&key, false, |event| {
                let count = event["count"].as_i64().unwrap_or(1) + 1;
                event["count"] = json!(count);
                event["lastTimestamp"] = now;
                Ok(())
            }));
            return;
        }
        // As client-go names them (`makeEvent`), so that the order of names is that of time.
        let made = {
            let mut state = self.lock();
            state.events_made += 1;
            state.events_made
        };
        let stamp = self.now().as_nanosecond() + made;
        let name = format!("{}.{stamp:x}", text("/metadata/name"));
        let event = json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": self.uid(), "creationTimestamp": now},
            "involvedObject": involved, "reason": reason, "message": message, "type": kind,
            "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1, "eventTime": null,
        });
        // A namespace that is going away takes no events any more, as in the real one.
        drop(self.insert(Key::new(Resource::Events, &namespace, &name), event, false));
    }

    /// Tells listeners what the transaction has changed.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let told = *self.version.borrow();
        let State { store, listeners, .. } = &mut *state;
        // Nothing is compacted within a transaction.
        for change in store.since(told).into_iter().flatten() {
            listeners.retain(|listener| listener.send(change.clone()).is_ok());
        }
        self.version.send_replace(store.version());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No transaction leaves the store half changed: a panic in one does not harm the next.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes room for an Event.
    fn note_event(&mut self, key: Key) {
        self.events.push_back(key);
        while self.events.len() > self.events_limit {
            if let Some(oldest) = self.events.pop_front() {
                // It may have gone with its namespace.
                drop(self.store.remove(&oldest));
            }
        }
    }

    fn accepts(&self, key: &Key) -> Result<(), Refused> {
        if !key.resource.namespaced() {
            return Ok(());
        }
        let namespace = Key::new(Resource::Namespaces, "", &key.namespace);
        let found = self
            .store
            .get(&namespace)
            .ok_or_else(|| Refused::not_found(&namespace))?;
        if meta::deleted(found) {
            return Err(Refused::terminating(key));
        }
        Ok(())
    }
}
