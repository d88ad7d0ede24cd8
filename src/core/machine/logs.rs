//! Which logs are read: one for every attempt of every container that is shown, from the moment it is
//! known of. Only so many streams stay open at once; the others are read in turn.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    LogPlan,
    io::{Action, Counts, LogSource, StreamId},
};
use crate::core::{
    job::JobView,
    log::{
        choice::Declared,
        follow::{Complete, Life, LogState, Start},
    },
    notice::{LogNotice, Notice},
    pod::{ContainerView, PodView, State},
    record::LogRecord,
};

/// So many failures in a row are told: most heal at the first or second try.
const TOLD_AFTER: u32 = 4;

/// All logs that are or were read.
#[derive(Debug)]
pub(super) struct Logs {
    plan: LogPlan,
    declared: Vec<Declared>,
    prefixed: bool,
    streams: BTreeMap<StreamId, Stream>,
    by_container: BTreeMap<String, StreamId>,
    /// Pods were listed once: containers of pods that come later are seen to start.
    listed: bool,
    /// A list is being taken: what is new in it may have begun long ago.
    listing: bool,
    /// Attempts that nobody saw, as they were told, by pod and container.
    unseen: BTreeMap<(String, String), usize>,
    told: Told,
}

/// What is said once for all logs.
#[derive(Debug, Default)]
struct Told {
    /// Some are read in turn.
    turns: bool,
    /// They may not be read: a permission that is missing is missing for all of them.
    denied: bool,
    /// This one cannot be read for now.
    unreadable: Option<StreamId>,
}

#[derive(Debug)]
struct Stream {
    /// Failures in a row.
    failures: u32,
    source: LogSource,
    done: Option<Complete>,
    /// It ended before anybody asked for what is written from then on.
    skipped: bool,
    /// Its bytes wait for whoever reads stdout.
    blocked: bool,
    counts: Counts,
    /// The kubelet's last words in its stead.
    heard: Option<String>,
    gaps: u32,
    /// Its container ended, and not with 0: it is read before others.
    failed: bool,
}

impl Logs {
    pub(super) fn new(plan: LogPlan) -> Self {
        Self {
            plan,
            declared: Vec::new(),
            prefixed: false,
            streams: BTreeMap::new(),
            by_container: BTreeMap::new(),
            listed: false,
            listing: false,
            unseen: BTreeMap::new(),
            told: Told::default(),
        }
    }

    /// The Job exists: what its manifest declares is known.
    pub(super) fn of_job(&mut self, job: &JobView) -> Option<Action> {
        self.declared = self.plan.declared.clone().unwrap_or_else(|| job.declared.clone());
        let parallelism = i64::from(job.parallelism);
        self.prefixed = self.plan.choice.prefixed(self.plan.prefix, &self.declared, parallelism);
        let known: Vec<&str> = self.declared.iter().map(|d| d.name.as_str()).collect();
        let unknown = self.plan.choice.unknown(&self.declared);
        // The cluster may add one of this name, so it is not refused.
        (!unknown.is_empty()).then(|| {
            Action::Say(Notice::Adjusted(format!(
                "-c {}: the Job has no such container, only {}; a log is shown if the cluster adds one",
                unknown.join(" -c "),
                known.join(", ")
            )))
        })
    }

    /// A list of pods is taken, or was.
    pub(super) fn listing(&mut self, now: bool) {
        self.listed |= !now;
        self.listing = now;
    }

    /// Opens the logs of this pod's containers that were not known, and tells the open ones what their
    /// containers do now. `before` is the pod as it was seen before.
    pub(super) fn of_pod(&mut self, pod: &PodView, before: Option<&PodView>) -> Vec<Action> {
        let mut actions = Vec::new();
        for container in &pod.containers {
            if self.plan.choice.takes(container, &self.declared) {
                let seen = before.and_then(|pod| pod.containers.iter().find(|c| c.name == container.name));
                actions.extend(self.of_container(pod, container, seen));
                actions.extend(self.unseen(pod, container));
            }
        }
        actions.extend(self.share());
        actions
    }

    fn of_container(
        &mut self,
        pod: &PodView,
        container: &ContainerView,
        before: Option<&ContainerView>,
    ) -> Vec<Action> {
        let (current, life, started_at, code) = match &container.state {
            State::Waiting { .. } => ("", Life::Running, None, None),
            State::Running { id, started_at } => (id.as_str(), Life::Running, *started_at, None),
            State::Terminated(t) => (t.id.as_str(), Life::Ended, t.started_at, Some(t.exit_code)),
        };
        // A node that was lost reports no container's end, and none of them runs on.
        let life = if pod.finished() { Life::Ended } else { life };
        let last = container.last.as_ref();
        let last_id = last.map_or("", |t| t.id.as_str());
        let attempts = [
            (
                last_id,
                Life::Ended,
                true,
                last.and_then(|t| t.started_at),
                last.map(|t| t.exit_code),
            ),
            (current, life, false, started_at, code),
        ];
        let mut actions = Vec::new();
        for (id, life, previous, started_at, code) in attempts {
            if id.is_empty() || (previous && id == current) {
                continue;
            }
            let failed = code.is_some_and(|code| code != 0);
            if let Some(stream) = self.by_container.get(id).and_then(|s| self.streams.get_mut(s)) {
                stream.failed |= failed;
                actions.extend(stream.now(life, previous));
                continue;
            }
            // What nobody saw start may have been rotated before anybody could read it.
            let unknown = before.is_none() && started_at.is_some();
            let late = unknown || (self.listing && self.listed);
            let start = if self.listed || !unknown {
                Start::Beginning
            } else {
                self.plan.start
            };
            let state = LogState {
                life,
                previous,
                followed: true,
            };
            let source = LogSource {
                stream: StreamId(u32::try_from(self.streams.len()).unwrap_or(u32::MAX)),
                pod: pod.name.clone(),
                pod_uid: pod.uid.clone(),
                container: container.name.clone(),
                container_id: id.to_owned(),
                state,
                start,
                restarts: container.restarts,
                started_at: started_at.map(jiff::Timestamp::as_second),
                late,
                prefixed: self.prefixed,
            };
            actions.extend(self.open(source, failed));
        }
        actions.extend(self.supersede(pod, container, [current, last_id]));
        actions
    }

    /// The status counts more attempts than it ever told of: it holds the last two only.
    fn unseen(&mut self, pod: &PodView, container: &ContainerView) -> Option<Action> {
        if self.plan.start != Start::Beginning {
            return None;
        }
        let of_container = |s: &&Stream| s.source.pod_uid == pod.uid && s.source.container == container.name;
        let known = self.streams.values().filter(of_container).count();
        let restarts = usize::try_from(container.restart_count).unwrap_or(0);
        // Of the first attempt no restart tells.
        let unseen = if known == 0 {
            restarts
        } else {
            (restarts + 1).saturating_sub(known)
        };
        let key = (pod.uid.clone(), container.name.clone());
        let told = self.unseen.insert(key, unseen).unwrap_or(0);
        (unseen > told).then(|| {
            Action::Say(Notice::Log(LogNotice::AttemptsUnseen {
                pod: pod.name.clone(),
                container: container.name.clone(),
                count: unseen - told,
            }))
        })
    }

    fn open(&mut self, mut source: LogSource, failed: bool) -> Option<Action> {
        let skipped = source.start == Start::Now && source.state.life >= Life::Ended;
        source.state.followed = self.open_now() < self.plan.streams;
        self.by_container.insert(source.container_id.clone(), source.stream);
        let stream = Stream {
            failures: 0,
            source: source.clone(),
            done: skipped.then_some(Complete::Yes),
            skipped,
            blocked: false,
            counts: Counts::default(),
            heard: None,
            gaps: 0,
            failed,
        };
        self.streams.insert(source.stream, stream);
        (!skipped).then_some(Action::Follow(source))
    }

    /// Attempts before the last one are out of the API's reach: the name means others now.
    fn supersede(&mut self, pod: &PodView, container: &ContainerView, known: [&str; 2]) -> Vec<Action> {
        let [current, last] = known;
        let older = self.streams.values_mut().filter(|s| {
            s.source.pod_uid == pod.uid
                && s.source.container == container.name
                && !current.is_empty()
                && s.source.container_id != current
                && s.source.container_id != last
        });
        older.filter_map(|stream| stream.now(Life::Gone, true)).collect()
    }

    fn open_now(&self) -> usize {
        self.streams
            .values()
            .filter(|s| s.done.is_none() && s.source.state.followed)
            .count()
    }

    /// Gives the streams that may stay open to those that need it most: failed containers first.
    fn share(&mut self) -> Vec<Action> {
        let mut free = self.plan.streams.saturating_sub(self.open_now());
        let mut waiting: Vec<_> = self
            .streams
            .values()
            .filter(|s| s.done.is_none() && !s.source.state.followed)
            .map(|s| (!s.failed, s.source.stream))
            .collect();
        waiting.sort_unstable();
        let mut actions = Vec::new();
        for (_, id) in waiting {
            if free == 0 {
                if !std::mem::replace(&mut self.told.turns, true) {
                    actions.push(Action::Say(Notice::Log(LogNotice::InTurn(self.plan.streams))));
                }
                break;
            }
            free -= 1;
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.source.state.followed = true;
                actions.push(stream.life());
            }
        }
        actions
    }

    /// The pod does not exist any more, nor do its logs.
    pub(super) fn gone(&mut self, pod_uid: &str) -> Vec<Action> {
        let of_pod = self.streams.values_mut().filter(|s| s.source.pod_uid == pod_uid);
        of_pod
            .filter_map(|s| s.now(Life::Gone, s.source.state.previous))
            .collect()
    }

    /// No more will be read of this log.
    pub(super) fn done(&mut self, stream: StreamId, complete: Complete) -> Vec<Action> {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.done = Some(complete);
        }
        self.share()
    }

    /// So much of it was read.
    pub(super) fn counted(&mut self, stream: StreamId, counts: Counts) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.counts = counts;
        }
    }

    /// Lines of it are lost.
    pub(super) fn gap(&mut self, stream: StreamId) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.gaps += 1;
        }
    }

    /// A log may not be read. True the first time.
    pub(super) fn denied(&mut self) -> bool {
        !std::mem::replace(&mut self.told.denied, true)
    }

    /// A log could not be read. True if that is to be told: others are not told of beside it.
    pub(super) fn fails(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        stream.failures += 1;
        let tell = stream.failures == TOLD_AFTER && self.told.unreadable.is_none();
        if tell {
            self.told.unreadable = Some(id);
        }
        tell
    }

    /// A log was read. True if it was told that it could not be.
    pub(super) fn works(&mut self, id: StreamId) -> bool {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.failures = 0;
        }
        self.told.unreadable.take_if(|unreadable| *unreadable == id).is_some()
    }

    /// Attempts of this container that nobody saw.
    pub(super) fn attempts_unseen(&self, pod_uid: &str, container: &str) -> u32 {
        let key = (pod_uid.to_owned(), container.to_owned());
        self.unseen
            .get(&key)
            .copied()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0)
    }

    /// The container IDs of this container whose logs were read, in the order of their coming.
    pub(super) fn ids_of<'a>(&'a self, pod_uid: &'a str, container: &'a str) -> impl Iterator<Item = &'a str> {
        let of_container = move |s: &&Stream| s.source.pod_uid == pod_uid && s.source.container == container;
        self.streams
            .values()
            .filter(of_container)
            .map(|s| s.source.container_id.as_str())
    }

    /// The kubelet has spoken in a log's stead. True if it had not said this before.
    pub(super) fn hears(&mut self, stream: StreamId, text: &str) -> bool {
        let stream = self.streams.get_mut(&stream);
        stream.is_some_and(|stream| stream.heard.replace(text.to_owned()).as_deref() != Some(text))
    }

    /// A log waits for whoever reads stdout, or no longer does.
    pub(super) fn set_blocked(&mut self, stream: StreamId, blocked: bool) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.blocked = blocked;
        }
    }

    /// What keeps logs from being read is whoever reads stdout.
    pub(super) fn blocked(&self) -> bool {
        self.streams.values().any(|s| s.blocked && s.done.is_none())
    }

    /// Pod and container of a log.
    pub(super) fn whose(&self, stream: StreamId) -> (String, String) {
        self.streams
            .get(&stream)
            .map_or_else(Default::default, |s| (s.source.pod.clone(), s.source.container.clone()))
    }

    /// Whole lines that were read of all logs.
    pub(super) fn lines(&self) -> u64 {
        self.streams.values().map(|s| s.counts.lines).sum()
    }

    /// Every log is read to its end.
    pub(super) fn read(&self) -> bool {
        self.streams.values().all(|s| s.done.is_some())
    }

    /// Every log of a container that has ended is read to its end.
    pub(super) fn read_of_ended(&self) -> bool {
        let ended = self.streams.values().filter(|s| s.source.state.life >= Life::Ended);
        ended.into_iter().all(|s| s.done.is_some())
    }

    /// Names of pods whose logs are still being read.
    pub(super) fn reading(&self) -> Vec<String> {
        let reading = self.streams.values().filter(|s| s.done.is_none());
        let names: BTreeSet<&String> = reading.map(|s| &s.source.pod).collect();
        names.into_iter().cloned().collect()
    }

    /// What was read of the log of the container with this ID.
    pub(super) fn record(&self, container_id: &str) -> Option<LogRecord> {
        let stream = self.streams.get(self.by_container.get(container_id)?)?;
        (!stream.skipped).then_some(LogRecord {
            lines: stream.counts.lines,
            bytes: stream.counts.bytes,
            gaps: stream.gaps,
            reconnects: stream.counts.reconnects,
            proven: stream.done == Some(Complete::Yes),
        })
    }
}

impl Stream {
    fn life(&self) -> Action {
        Action::Life {
            stream: self.source.stream,
            state: self.source.state,
        }
    }

    /// Tells the log's reader what its container does now, if that is news.
    fn now(&mut self, life: Life, previous: bool) -> Option<Action> {
        let state = &mut self.source.state;
        if self.done.is_some() || (state.life >= life && state.previous == previous) {
            return None;
        }
        state.life = state.life.max(life);
        state.previous = previous;
        Some(self.life())
    }
}
