//! Watches: what happened since a version, and what happens from then on (k8s.io/apiserver
//! pkg/storage/cacher).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::selector::Selector;
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
}

impl Watch {
    /// Without a version, everything that is there is new.
    fn begin(&mut self) {
        if self.watched.from.is_none() {
            let (objects, version) = self
                .world
                .list(self.watched.resource, self.watched.namespace.as_deref());
            for object in objects.iter().filter(|object| self.watched.selector.matches(object)) {
                self.ready.push_back(event("ADDED", object));
            }
            self.seen = version;
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
                        self.ready.extend(self.told(&change));
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
                let resource = self.watched.resource;
                let metadata = json!({"resourceVersion": self.seen.to_string(), "creationTimestamp": null});
                let mark = json!({"kind": resource.kind(), "apiVersion": resource.api_version(), "metadata": metadata});
                self.ready.push_back(event("BOOKMARK", &mark));
            }
        }
    }

    /// The event for this change, if it is one for this watch: what begins to match is added, what
    /// ceases to match is deleted.
    fn told(&self, change: &Change) -> Option<Bytes> {
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
            .filter(|object| self.watched.selector.matches(object));
        let now = !change.gone && self.watched.selector.matches(&change.object);
        match (before, now) {
            (None, true) => Some(event("ADDED", &change.object)),
            (Some(_), true) => Some(event("MODIFIED", &change.object)),
            (Some(_), false) if change.gone => Some(event("DELETED", &change.object)),
            (Some(before), false) => {
                // As it was when it was last seen, with the version of the change.
                let mut last = before.as_ref().clone();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(event("DELETED", &last))
            }
            (None, false) => None,
        }
    }
}

fn event(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}
