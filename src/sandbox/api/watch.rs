//! Watches: what happened since a version, and what happens from then on (k8s.io/apiserver
//! pkg/storage/cacher).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::{accept::View, selector::Selector};
use crate::sandbox::{refused::Refused, resource::Resource, store::Change, world::World};

/// The real server sends one a minute to clients that ask for them.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// What is watched.
pub(super) struct Watched {
    pub(super) resource: Resource,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    /// Only what came after this; `None` starts with all that is there.
    pub(super) from: Option<u64>,
    pub(super) bookmarks: bool,
    /// A bookmark says when all that was there has been told.
    pub(super) initial: bool,
    /// In which form objects are told.
    pub(super) view: View,
    /// The server ends the watch after this.
    pub(super) within: Duration,
}

/// The events of a watch, one JSON object a line.
pub(super) fn events(world: Arc<World>, watched: Watched) -> impl Stream<Item = Bytes> + Send {
    let now = Instant::now();
    let mut watch = Watch {
        version: world.version(),
        seen: watched.from.unwrap_or_default(),
        ends: now + watched.within,
        bookmark: now + BOOKMARK_EVERY,
        ready: VecDeque::new(),
        over: false,
        first: true,
        world,
        watched,
    };
    watch.begin();
    stream::unfold(watch, |mut watch| async {
        let chunk = watch.next().await?;
        Some((chunk, watch))
    })
}

struct Watch {
    world: Arc<World>,
    watched: Watched,
    version: watch::Receiver<u64>,
    seen: u64,
    ends: Instant,
    bookmark: Instant,
    ready: VecDeque<Bytes>,
    over: bool,
    /// Nothing has been told yet.
    first: bool,
}

impl Watch {
    /// Without a version, everything that is there is new.
    fn begin(&mut self) {
        if self.watched.from.is_none() {
            let (objects, version) = self
                .world
                .list(self.watched.resource, self.watched.namespace.as_deref());
            for object in objects {
                if !self.watched.selector.matches(&object) {
                    continue;
                }
                let event = self.of_object("ADDED", &object);
                self.ready.push_back(event);
            }
            self.seen = version;
            if self.watched.initial {
                let mark = self.bookmark(json!({"k8s.io/initial-events-end": "true"}));
                self.ready.push_back(mark);
            }
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            if self.over {
                return None;
            }
            self.version.borrow_and_update();
            match self.world.since(self.seen) {
                Ok(changes) => {
                    for change in changes {
                        self.seen = change.version;
                        let told = self.told(&change);
                        self.ready.extend(told);
                    }
                }
                Err(compacted) => {
                    let expired = Refused::expired(self.seen, compacted.oldest);
                    self.ready.push_back(event("ERROR", &expired.body()));
                    self.over = true;
                }
            }
            if self.ready.is_empty() {
                self.wait().await;
            }
        }
    }

    async fn wait(&mut self) {
        let bookmark = async {
            if self.watched.bookmarks {
                tokio::time::sleep_until(self.bookmark).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            changed = self.version.changed() => self.over = changed.is_err(),
            () = tokio::time::sleep_until(self.ends) => self.over = true,
            () = bookmark => {
                self.bookmark += BOOKMARK_EVERY;
                let mark = self.bookmark(Value::Null);
                self.ready.push_back(mark);
            }
        }
    }

    fn bookmark(&self, annotations: Value) -> Bytes {
        let resource = self.watched.resource;
        let mut metadata = json!({"resourceVersion": self.seen.to_string(), "creationTimestamp": null});
        if annotations.is_object() {
            metadata["annotations"] = annotations;
        }
        let mark = json!({"kind": resource.kind(), "apiVersion": resource.api_version(), "metadata": metadata});
        event("BOOKMARK", &mark)
    }

    fn of_object(&mut self, kind: &str, object: &Value) -> Bytes {
        let first = std::mem::take(&mut self.first);
        let (watched, now) = (&self.watched, self.world.now());
        match watched.view {
            View::Whole => event(kind, object),
            View::Metadata | View::Rows(_) => event(kind, &watched.view.one(watched.resource, object, first, now)),
        }
    }

    /// The event for this change, if it is one for this watch: what begins to match is added, what
    /// ceases to match is deleted.
    fn told(&mut self, change: &Change) -> Option<Bytes> {
        let in_sight = change.key.resource == self.watched.resource
            && self
                .watched
                .namespace
                .as_ref()
                .is_none_or(|n| *n == change.key.namespace);
        if !in_sight {
            return None;
        }
        let before = change
            .before
            .as_ref()
            .filter(|object| self.watched.selector.matches(object))
            .cloned();
        let now = !change.gone && self.watched.selector.matches(&change.object);
        match (before, now) {
            (None, true) => Some(self.of_object("ADDED", &change.object)),
            (Some(_), true) => Some(self.of_object("MODIFIED", &change.object)),
            (Some(_), false) if change.gone => Some(self.of_object("DELETED", &change.object)),
            (Some(before), false) => {
                // As it was when it was last seen, with the version of the change.
                let mut last = before.as_ref().clone();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(self.of_object("DELETED", &last))
            }
            (None, false) => None,
        }
    }
}

fn event(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}
