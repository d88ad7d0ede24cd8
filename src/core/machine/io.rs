//! What can happen to a run, and what a run can ask for.

use std::time::Duration;

use crate::core::{
    adoption::{Adopt, AdoptFailed, Found},
    event::EventView,
    failure::Failure,
    job::JobView,
    log::{
        choice::{Choice, Declared, Prefix},
        follow::{Complete, LogState, Start},
        memory::Gap,
    },
    naming::JobName,
    notice::Notice,
    outcome::{Signal, Verdict},
    pod::PodView,
    progress::Progress,
    record::PodRecord,
};

/// One log: a container under one container ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Everything that can happen.
#[derive(Debug, Clone)]
pub enum Input {
    /// A Warning header of the answer to [`Action::Create`], which follows.
    Warning(String),
    /// The answer to [`Action::Create`].
    Created(Result<JobView, Failure>),
    /// The answer to [`Action::FindJobs`].
    Found(Result<Vec<Found>, Failure>),
    /// The answer to [`Action::AskMayPatch`].
    MayPatch(Result<bool, Failure>),
    /// The answer to [`Action::FindPods`], and the version of the list.
    FoundPods(Result<(Vec<PodView>, String), Failure>),
    /// The answer to [`Action::CreateCompanion`].
    Companion {
        /// Its place in the file.
        index: usize,
        /// Its kind and its name in the cluster.
        object: String,
        /// What came of it.
        made: Result<Made, Failure>,
    },
    /// The answer to [`Action::Release`]: the Job as it is now; `None` when it does not exist any more.
    Released(Result<Option<JobView>, Failure>),
    /// The answer to [`Action::Mark`].
    Marked(Result<(), Failure>),
    /// The answer to [`Action::ReadJob`]; `None` when there is no such Job.
    Read(Result<Option<JobView>, Failure>),
    /// From the watch on the Job.
    Job(Seen<JobView>),
    /// From the watch on its pods.
    Pods(Seen<PodView>),
    /// The answer to [`Action::ListPods`]. A list of the watch's own may be older than the question.
    Listed(Result<Vec<PodView>, Failure>),
    /// From one log.
    Log(StreamId, LogNews),
    /// The answer to [`Action::ListEvents`].
    Events(Result<Vec<EventView>, Failure>),
    /// The answer to [`Action::Delete`].
    Deleted(Result<Deletion, Failure>),
    /// All bytes handed to stdout have been written, or nobody reads it any more; `Some` is the
    /// error that kept some of them from being written.
    Flushed(Option<String>),
    /// A signal to stop.
    Signal(Signal),
    /// The time of [`super::Machine::due`] has come.
    Due,
}

/// News from a watch.
#[derive(Debug, Clone)]
pub enum Seen<T> {
    /// A list: everything that exists now; what is not in it is gone.
    All(Vec<T>),
    /// Added or changed.
    One(T),
    /// Deleted, with its last state.
    Gone(T),
    /// The connection is out of order and stays so for now.
    Lost(Failure),
    /// It works again.
    Back,
    /// Watching is refused: lists are made again and again instead.
    Polled(Failure),
}

/// News from a log.
#[derive(Debug, Clone)]
pub enum LogNews {
    /// Bytes came; told a few times a second at most.
    Progress(Counts),
    /// Bytes wait for whoever reads stdout, or no longer do.
    Blocked(bool),
    /// Lines are lost.
    Gap(Gap),
    /// The kubelet spoke in the log's stead.
    Kubelet(String),
    /// A marker line in it cannot be understood.
    Marker(String),
    /// It cannot be read for now; it is tried again.
    OutOfReach(Failure),
    /// The log may not be read.
    Denied(Failure),
    /// No more will be read.
    Done {
        /// Whether it is whole.
        complete: Complete,
        /// How much it was.
        counts: Counts,
    },
}

/// How much of a log was read by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Whole lines passed on.
    pub lines: u64,
    /// Bytes passed on, without time stamps.
    pub bytes: u64,
    /// Streams opened again because one had broken off.
    pub reconnects: u32,
}

/// What a request to create a companion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It exists now.
    Created,
    /// It had been made before, for this Job.
    Ours,
    /// It exists, and is nobody's that matters: it is used as it is.
    Existed,
    /// One that belonged to a Job that had this one's name is there still, and is going.
    Going,
    /// It exists, and belongs to something else.
    Foreign,
}

/// What a delete request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The Job does not exist any more.
    Gone,
    /// It will, once its pods have ended or other finalizers were served.
    Accepted,
    /// Another Job bears the name now; ours is gone, and that one is left alone.
    NotOurs,
}

/// How the dependents of a deleted Job go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// The Job goes at once, its pods after it. Takes a `foregroundDeletion` finalizer away.
    Background,
    /// The Job stays visible until its pods have ended.
    Foreground,
}

/// Everything a run can ask for. Requests are answered by an [`Input`]; they are made at once.
#[derive(Debug, Clone)]
pub enum Action {
    /// List the Jobs that bear the run id.
    FindJobs,
    /// Ask whether Jobs may be patched.
    AskMayPatch,
    /// List the pods that bear the run id, of whatever generation.
    FindPods,
    /// Send the create request. Requests are about this Job from now on.
    Create {
        /// Which Job of its run id it is.
        generation: u32,
        /// It waits until what comes along with it is made.
        suspended: bool,
    },
    /// Create what comes along with the Job.
    CreateCompanion {
        /// Its place in the file.
        index: usize,
        /// The Job's generation.
        generation: u32,
        /// The Job's UID.
        owner_uid: String,
    },
    /// Everything is there: let the Job with this UID go, unless the file suspends it.
    Release {
        /// The UID precondition.
        uid: String,
    },
    /// Read the Job by its name.
    ReadJob,
    /// Watch the Job from this version on.
    WatchJob {
        /// `metadata.resourceVersion` of the created Job.
        version: String,
    },
    /// List and watch the pods of the Job with this UID.
    WatchPods {
        /// The Job's UID.
        job_uid: String,
        /// The version of a list from before the Job was made: nothing of it can be missed from there on.
        version: Option<String>,
    },
    /// List the pods once more.
    ListPods {
        /// The Job's UID.
        job_uid: String,
    },
    /// List the Events about the object with this UID.
    ListEvents {
        /// The Job's UID, or a pod's.
        uid: String,
    },
    /// Read a log from its beginning and to its end.
    Follow(LogSource),
    /// What is known now of a container whose log is being read.
    Life {
        /// The log.
        stream: StreamId,
        /// How to read it.
        state: LogState,
    },
    /// Delete the Job with this UID.
    Delete {
        /// The UID precondition.
        uid: String,
        /// What becomes of its pods.
        propagation: Propagation,
    },
    /// Mark the Job with this UID: somebody has been given its outcome.
    Mark {
        /// The UID precondition.
        uid: String,
    },
    /// Note the outcome where a caller finds it after a crash: what comes next may be the last.
    Deliver(Box<Ended>),
    /// Stop reading logs and wait until stdout has taken what was read.
    Flush,
    /// The Job exists: note it where a caller finds it after a crash. Requests are about this Job from now on.
    Record {
        /// The Job.
        job: Box<JobView>,
        /// Another kjo had made it.
        adopted: bool,
    },
    /// Tell the user.
    Say(Notice),
    /// Where the run stands now, for a status line.
    Show(Progress),
    /// The run is over.
    Finish(Box<Ended>),
}

/// Where a log is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    /// The log.
    pub stream: StreamId,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID.
    pub pod_uid: String,
    /// The container's name.
    pub container: String,
    /// Its ID, which tells one attempt from the next.
    pub container_id: String,
    /// See [`Action::Life`].
    pub state: LogState,
    /// What of it is to be read.
    pub start: Start,
    /// The kubelet may start the container again under the same name.
    pub restarts: bool,
    /// When it started, in seconds since 1970 on the node's clock, as far as is known.
    pub started_at: Option<i64>,
    /// It was not seen to start: nobody knows how long ago that was.
    pub late: bool,
    /// Every line says whose it is.
    pub prefixed: bool,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The verdict.
    pub verdict: Verdict,
    /// The Job, if it came into being.
    pub job: Option<JobView>,
    /// Another kjo had made it.
    pub adopted: bool,
    /// Its outcome is told, and a Job of this generation is to be started in its place.
    pub next: Option<u32>,
    /// What became of it.
    pub cleanup: Cleanup,
    /// Its pods, as far as they were seen, and their logs.
    pub pods: Vec<PodRecord>,
    /// Pods that came and went without being seen, and their logs with them.
    pub pods_unseen: u32,
    /// The last warnings among the Events of the Job and its pods, oldest first, as far as they were asked for.
    pub warnings: Vec<EventView>,
}

/// What became of the Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleanup {
    /// There is none.
    Nothing,
    /// It stays, by policy or because its outcome is unknown.
    Kept,
    /// It is deleted.
    Deleted,
    /// It should have been deleted and may still be there.
    Failed(String),
}

/// What a run is told before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The Job's name, chosen before it is sent; empty where only its run id is known.
    pub job: String,
    /// Its namespace.
    pub namespace: String,
    /// Which Job of which run it is.
    pub identity: Identity,
    /// What is done with the Job.
    pub task: Task,
    /// What comes along with the Job, as `KIND/NAME` of the file, in its order.
    pub companions: Vec<String>,
    /// What is shown of its logs.
    pub logs: LogPlan,
    /// Whether to delete the Job at the end.
    pub delete: DeletePolicy,
    /// How long a deletion is waited for.
    pub deleted: Deleted,
    /// What SIGINT, SIGTERM and SIGHUP do to the Job.
    pub on_interrupt: OnInterrupt,
    /// What the death of the calling process does to it.
    pub on_orphaned: OnInterrupt,
    /// A success with known gaps in its logs has an exit code of its own.
    pub fail_on_log_gap: bool,
    /// Time for the whole run.
    pub timeout: Option<Duration>,
    /// Time to get the Job made.
    pub connect_timeout: Duration,
    /// Time until a node is found; a queue does not count.
    pub schedule_timeout: Duration,
    /// Time from then until a container runs; an image that is being pulled does not count.
    pub startup_timeout: Duration,
    /// What waiting cannot heal ends the run at once.
    pub fail_fast: bool,
    /// The container whose code counts, of those of the manifest.
    pub main_container: Option<String>,
    /// The run ends when this container has ended, whatever else still runs in its pod.
    pub main_decides: bool,
    /// Time the API server may be out of reach.
    pub outage_budget: Duration,
    /// Seed of the spread of retries.
    pub seed: u64,
}

impl Plan {
    /// Until when something that begins at `now` may try to reach the API server.
    pub(super) fn connect_by(&self, now: Duration) -> Duration {
        (now + self.connect_timeout).min(self.timeout.unwrap_or(Duration::MAX))
    }
}

/// Which Job of which run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The whole run id; empty where only the Job's name is known.
    pub run_id: String,
    /// The names of its Jobs.
    pub names: JobName,
    /// The generation that is begun with.
    pub first: u32,
    /// Jobs that bear the run id are looked for before anything is created.
    pub look: bool,
    /// Whether one of them may stand in for a new one.
    pub adopt: Adopt,
    /// What comes of one that failed before anybody saw it.
    pub adopt_failed: AdoptFailed,
    /// A finished Job that has the name is deleted first, whosever it is.
    pub replace: bool,
}

/// What a signal does to the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnInterrupt {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays and runs on.
    Detach,
}

/// How long a deletion is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deleted {
    /// Until the server has accepted it.
    #[default]
    Accepted,
    /// Until the Job is gone and its pods have ended.
    Gone,
}

/// What is done with the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// It is created, followed, and deleted by policy.
    Run,
    /// It is created, and the run ends.
    Detach,
    /// One that exists is followed: never deleted, never marked.
    Attach,
}

/// What is shown of the Job's logs.
#[derive(Debug, Clone)]
pub struct LogPlan {
    /// Which.
    pub choice: Choice,
    /// The containers of the manifest as sent; `None` takes those of the Job.
    pub declared: Option<Vec<Declared>>,
    /// When lines say whose they are.
    pub prefix: Prefix,
    /// Streams that stay open at once. Logs beyond it are read in turn.
    pub streams: usize,
    /// What is read of containers that had started before kjo looked first.
    pub start: Start,
}

/// When to delete the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletePolicy {
    /// When it succeeded.
    #[default]
    OnSuccess,
    /// Whatever its outcome.
    Always,
    /// When it did not succeed.
    OnFailure,
    /// Not even when it has not finished, except on a signal.
    Never,
}

impl DeletePolicy {
    /// Whether a Job with this success goes.
    #[must_use]
    pub fn takes(self, succeeded: bool) -> bool {
        match self {
            Self::OnSuccess => succeeded,
            Self::OnFailure => !succeeded,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// How the run came to its Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It made it, or found it at once.
    Made,
    /// Another kjo had made it.
    Adopted,
    /// Another kjo had made it, and it had failed: its outcome is told, and the next one runs.
    Rerun,
}

impl Origin {
    pub(super) fn adopted(self) -> bool {
        match self {
            Self::Made => false,
            Self::Adopted | Self::Rerun => true,
        }
    }
}
