//! What is known of the pods and their logs at the end: the ledger on stderr, and the result file's
//! `pods`.

use jiff::Timestamp;

use super::{event::EventView, pod::ContainerKind};

/// A pod of the Job, as far as it was ever seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRecord {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The node it ran on; empty if none was found.
    pub node: String,
    /// The completion index of an Indexed Job.
    pub index: Option<u32>,
    /// Its containers, in the order of the spec, init containers first.
    pub containers: Vec<ContainerRecord>,
}

/// A container, over all its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Its name.
    pub name: String,
    /// Where it stands in the pod's life.
    pub kind: ContainerKind,
    /// What was seen of it, earliest first.
    pub attempts: Vec<AttemptRecord>,
    /// Attempts that came and went without being seen, and their logs with them.
    pub attempts_unseen: u32,
}

/// One start of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttemptRecord {
    /// Its exit code, if it was seen to end.
    pub exit_code: Option<i32>,
    /// The signal that ended it, where the runtime says so.
    pub signal: Option<i32>,
    /// For example `OOMKilled`; empty while it runs.
    pub reason: String,
    /// Its termination message; empty while it runs. It may hold what is secret, and is never shown.
    pub message: String,
    /// `startedAt`.
    pub started_at: Option<Timestamp>,
    /// `finishedAt`.
    pub finished_at: Option<Timestamp>,
    /// Its log, if that was to be read.
    pub log: Option<LogRecord>,
}

/// How much of a log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogRecord {
    /// Whole lines passed on.
    pub lines: u64,
    /// Bytes passed on, without time stamps.
    pub bytes: u64,
    /// Times at which lines are known to be missing.
    pub gaps: u32,
    /// Streams opened again because one had broken off.
    pub reconnects: u32,
    /// Both its beginning and its end were read, as far as can be told.
    pub proven: bool,
}

/// Whether a log is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wholeness {
    /// Every line came.
    Complete,
    /// Lines are known to be missing.
    Gap,
    /// The API could not tell.
    Unproven,
}

impl LogRecord {
    /// Whether the log is whole.
    #[must_use]
    pub fn wholeness(&self) -> Wholeness {
        match (self.gaps, self.proven) {
            (0, true) => Wholeness::Complete,
            (0, false) => Wholeness::Unproven,
            _ => Wholeness::Gap,
        }
    }
}

impl Wholeness {
    /// The word of the result file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "yes",
            Self::Gap => "gap",
            Self::Unproven => "unproven",
        }
    }
}

/// What was asked of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Requests sent.
    pub requests: u64,
    /// Of those, the ones that repeated one that had failed.
    pub retries: u64,
    /// Watches opened again because one had broken off or fallen silent.
    pub rewatches: u64,
}

/// What happened, of a run that failed: what no other line of it tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailureReport {
    /// Containers that ended with a failure, earliest first.
    pub failed: Vec<FailedAttempt>,
    /// The limit of the Job that ended it, in words.
    pub limit: Option<String>,
    /// The last warnings among its Events.
    pub warnings: Vec<EventView>,
}

/// A container that ended with a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Its pod.
    pub pod: String,
    /// The pod's node.
    pub node: String,
    /// Its name.
    pub container: String,
    /// The how many-eth start of this container in this pod, from 1.
    pub attempt: usize,
    /// Its exit code.
    pub exit_code: i32,
    /// The signal that ended it, where the runtime says so.
    pub signal: Option<i32>,
    /// For example `OOMKilled`.
    pub reason: String,
    /// Seconds from its start to its end, by the node's clock.
    pub seconds: Option<i64>,
}

impl FailureReport {
    /// Nothing that is not told elsewhere: a single container that failed in the ordinary way.
    #[must_use]
    pub fn is_dull(&self) -> bool {
        let plain = self.failed.iter().all(|f| matches!(f.reason.as_str(), "" | "Error"));
        self.failed.len() <= 1 && plain && self.warnings.is_empty()
    }
}

/// Gaps in all these logs together; a log of which nothing could be read is one.
#[must_use]
pub fn gaps(pods: &[PodRecord]) -> u32 {
    let unseen = pods.iter().flat_map(|pod| &pod.containers).map(|c| c.attempts_unseen);
    logs(pods).map(|log| log.gaps).chain(unseen).sum()
}

/// All logs of these pods.
pub fn logs(pods: &[PodRecord]) -> impl Iterator<Item = &LogRecord> {
    let attempts = pods.iter().flat_map(|pod| &pod.containers).flat_map(|c| &c.attempts);
    attempts.filter_map(|attempt| attempt.log.as_ref())
}
