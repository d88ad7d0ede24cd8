//! What kjo tells the user while it works: facts, not wording. The words are in `report`.

use std::time::Duration;

use super::{
    diagnosis::Diagnosis,
    failure::Failure,
    log::memory::Gap,
    outcome::{Signal, Verdict},
    record::{FailureReport, PodRecord},
};

/// What is between the sandbox's containers and the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// Each runs in a bubblewrap.
    Bubblewrap,
    /// Nothing.
    None {
        /// Why not more, where it was not chosen.
        why: Option<String>,
    },
}

/// Something worth a line on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Which API server, which namespace: the first line of every run.
    Target {
        /// The server's address.
        server: String,
        /// The namespace the Job goes to.
        namespace: String,
    },
    /// The cluster is the sandbox: before everything else, as its containers are processes of this machine.
    Sandbox {
        /// Whose processes the containers are.
        user: String,
        /// What is between them and the machine.
        isolation: Isolation,
    },
    /// kjo changed or added something that the user wrote otherwise.
    Adjusted(String),
    /// A Warning header of the API server.
    ServerWarning(String),
    /// The Job could not be created yet; it is tried again for at most this long.
    CreateDelayed {
        /// What went wrong.
        failure: Failure,
        /// The time left.
        left: Duration,
    },
    /// The Job exists.
    Created {
        /// Its name.
        job: String,
    },
    /// An object that comes along with the Job is there.
    Companion {
        /// Its kind and its name in the file.
        object: String,
        /// It was there before, and is left as it is.
        existed: bool,
    },
    /// Without `patch` the Job comes before what it needs.
    JobFirst,
    /// Nothing runs, or not all of it.
    Stalled {
        /// Why.
        diagnosis: Diagnosis,
        /// Nothing at all.
        nothing_runs: bool,
    },
    /// The Events may not be read: some reasons stay unknown.
    EventsDenied(Failure),
    /// A container ended with a failure.
    ContainerFailed {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Its exit code.
        exit_code: i32,
        /// For example `OOMKilled`; empty for a plain `Error`.
        reason: String,
    },
    /// The main container has ended, and the run ends with it.
    MainEnded {
        /// Its pod.
        pod: String,
        /// Its name.
        container: String,
        /// Containers that still run.
        others: Vec<String>,
    },
    /// The pods may not be seen: no logs, no exit codes.
    PodsDenied(Failure),
    /// The Events could not be read: no warnings of the cluster.
    EventsUnread(Failure),
    /// Watching is not allowed; the Job, or its pods, are asked for again and again instead.
    WatchDenied {
        /// `jobs` or `pods`.
        resource: &'static str,
        /// The refusal.
        failure: Failure,
    },
    /// A signal, and the Job is left alone.
    Leaving {
        /// The signal.
        signal: Signal,
        /// The Job.
        job: String,
    },
    /// Somebody has asked for the Job's deletion; its pods have to end first.
    BeingDeleted {
        /// The Job.
        job: String,
    },
    /// About earlier Jobs of the run id.
    Adoption(AdoptionNotice),
    /// An existing Job is followed.
    Attached {
        /// The Job.
        job: String,
    },
    /// The API server is out of reach; the Job runs on.
    ConnectionLost {
        /// What went wrong.
        failure: Failure,
        /// How long kjo keeps trying.
        budget: Duration,
    },
    /// The API server is back.
    ConnectionBack {
        /// Length of the outage.
        after: Duration,
    },
    /// The Job has announced its end and waits for its pods.
    Announced {
        /// The condition's reason.
        reason: String,
        /// The condition's message.
        message: String,
    },
    /// About the pods' steps.
    Milestone(Milestone),
    /// About the logs.
    Log(LogNotice),
    /// Pods that came and went without kjo seeing them.
    PodsUnseen(i32),
    /// Stdout failed, by this error; a reader that has gone is no failure.
    StdoutFailed(String),
    /// The result file could not be written.
    ResultFileFailed {
        /// Where.
        path: String,
        /// What went wrong.
        why: String,
    },
    /// The run is over before the Job is, which is being deleted.
    Ending {
        /// Why, in a sentence.
        why: String,
        /// How long its pods may take.
        grace: Duration,
    },
    /// A signal arrived; the Job is being deleted.
    Stopping(Signal),
    /// The Job was deleted (or was gone already).
    Deleted {
        /// Its name.
        job: String,
        /// Pods that have not ended yet.
        ending: Vec<String>,
    },
    /// `kjo delete --wait-deleted`: it is gone, and so are its pods.
    Gone {
        /// Its name.
        job: String,
    },
    /// `kjo delete` found nothing; in these words.
    NothingToDelete(String),
    /// The Job could not be deleted.
    DeleteFailed {
        /// Its name.
        job: String,
        /// Its namespace.
        namespace: String,
        /// What went wrong.
        why: String,
    },
    /// The Job stays, by policy or because its outcome is unknown.
    Kept {
        /// Its name.
        job: String,
        /// Its namespace.
        namespace: String,
        /// It has not finished.
        unfinished: bool,
        /// Pods of it that still exist.
        pods: usize,
        /// After so many seconds the cluster deletes it by itself.
        ttl_seconds: Option<i32>,
    },
    /// What happened, of a run that failed.
    Failure(FailureReport),
    /// The closing line.
    Verdict(Verdict),
}

/// What is told of earlier Jobs of the run id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdoptionNotice {
    /// A Job that another kjo had made goes on as this run's.
    Adopted {
        /// The Job.
        job: String,
        /// It has ended by now.
        finished: bool,
        /// A field in which it is not what would have been sent.
        difference: Option<String>,
        /// Other Jobs of this run id whose outcome nobody has been given.
        others: Vec<String>,
    },
    /// Whether there are Jobs of this run id may not be asked.
    LookDenied(Failure),
    /// Finished Jobs of this run id: whether somebody was given their outcome cannot be told.
    Unmarkable {
        /// Their names.
        jobs: Vec<String>,
        /// The run id.
        run_id: String,
    },
    /// Pods of an earlier Job of this run id are waited for.
    StillEnding {
        /// Their names.
        pods: Vec<String>,
        /// For at most this long.
        left: Duration,
    },
    /// Their time is over; the run begins all the same.
    NotWaiting {
        /// Their names, as far as they could be seen.
        pods: Vec<String>,
    },
    /// A finished Job that has the name is deleted first.
    Replacing {
        /// The Job.
        job: String,
    },
    /// The Job could not be marked as delivered.
    NotMarked {
        /// The Job.
        job: String,
        /// What went wrong.
        why: String,
    },
    /// How an earlier Job of this run id ended, which nobody had been told; a new one is started.
    EarlierEnded(Verdict),
}

/// Steps of the pods that are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// The first pod has a node.
    Scheduled {
        /// The pod.
        pod: String,
        /// Its node.
        node: String,
    },
    /// The first container has started.
    Started {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// A container has started again.
    Restarted {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Which attempt this is; the first was 1.
        attempt: u32,
    },
    /// A pod stands in for one that failed or was taken away.
    Replaced {
        /// The pod.
        pod: String,
        /// The one before.
        before: String,
    },
}

/// What is told of the containers' logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNotice {
    /// A marker line cannot be understood.
    Marker {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// What is wrong with it, without its value.
        why: String,
    },
    /// A container's log may not be read.
    Denied {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// The refusal.
        failure: Failure,
    },
    /// Lines are lost.
    Gap {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Between which stamps.
        gap: Gap,
    },
    /// The last line of a long log has no end.
    Torn {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The end of a log could not be confirmed.
    Unproven {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// A log was first read long after its container's start.
    LateStart {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// Attempts of a container began and ended between two states that were seen.
    AttemptsUnseen {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// How many.
        count: usize,
    },
    /// A log cannot be read for now, though the API server answers.
    Unreadable {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// The last failure.
        failure: Failure,
    },
    /// It can be read again.
    ReadAgain {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// More containers than streams may be open: the rest is read in turn.
    InTurn(usize),
    /// What was read of all logs.
    Ledger(Vec<PodRecord>),
    /// The kubelet spoke in the log's stead.
    Kubelet {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// What it said.
        text: String,
    },
    /// The logs were not read to their end within the budget.
    GivenUp {
        /// Pods whose logs are open.
        pods: Vec<String>,
        /// Where they are.
        namespace: String,
    },
}

impl Notice {
    /// The result file could not be written.
    #[must_use]
    pub fn result_file(path: Option<&std::path::Path>, error: &std::io::Error) -> Self {
        Self::ResultFileFailed {
            path: path.map(|p| p.display().to_string()).unwrap_or_default(),
            why: error.to_string(),
        }
    }
}
