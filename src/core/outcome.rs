//! How a run ended: the one value that exit code, result file and last line are made of.

/// The kinds of end, by the names of the result file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The Job is Complete.
    Succeeded,
    /// The Job is Failed.
    Failed,
    /// Out of time: `--timeout`, the Job's own deadline, or its pod's.
    Deadline,
    /// Nothing ran, and trying again may help.
    StartFailed,
    /// The cluster, not the program, ended it: eviction, preemption, node loss.
    Infrastructure,
    /// Somebody deleted the Job.
    Deleted,
    /// It cannot be told how the Job ends or ended.
    Unknown,
    /// A signal stopped kjo, and kjo the Job.
    Interrupted(Signal),
    /// kjo left, and the Job runs on: by a signal, or, with `None`, because that was the task.
    Detached(Option<Signal>),
    /// It would fail the same way again: arguments, manifest, permission.
    Refused,
}

/// The signals that stop a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP, a closed terminal; counts as SIGTERM.
    Hangup,
    /// SIGUSR1: leave, whatever other signals are told to do.
    User,
    /// No signal: the process that had called kjo is gone.
    Orphaned,
}

impl Outcome {
    /// The name in the result file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Deadline => "deadline",
            Self::StartFailed => "start_failed",
            Self::Infrastructure => "infrastructure",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
            Self::Interrupted(_) => "interrupted",
            Self::Detached(_) => "detached",
            Self::Refused => "refused",
        }
    }
}

impl Signal {
    /// The name people know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::User => "SIGUSR1",
            Self::Orphaned => "the end of the calling process",
        }
    }
}

/// An outcome with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The kind of end.
    pub outcome: Outcome,
    /// The code of the container that decided, as the runtime gave it; `None` where there is none.
    pub container_exit_code: Option<i32>,
    /// A stable word: the condition's reason (`BackoffLimitExceeded`) or kjo's own (`Timeout`).
    pub reason: String,
    /// One sentence for people: what happened, to which object, in the cluster's words where it
    /// has some.
    pub message: String,
    /// What to do next, where kjo knows.
    pub hint: Option<String>,
    /// The Job has a future when this verdict is given: its pods may still be running.
    pub job_unfinished: bool,
    /// The Job succeeded, log lines are known to be missing, and the caller wants that to fail.
    pub log_gap: bool,
}

impl Verdict {
    /// A verdict on something that has ended.
    #[must_use]
    pub fn new(outcome: Outcome, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            outcome,
            container_exit_code: None,
            reason: reason.into(),
            message: message.into(),
            hint: None,
            job_unfinished: false,
            log_gap: false,
        }
    }

    /// With what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// With the code of the container that decided.
    #[must_use]
    pub fn with_code(mut self, code: Option<i32>) -> Self {
        self.container_exit_code = code;
        self
    }

    /// The same on a run that has made nothing: trying again may help.
    #[must_use]
    pub fn nothing_made(mut self) -> Self {
        self.outcome = Outcome::StartFailed;
        self
    }

    /// Given although the Job has not finished.
    #[must_use]
    pub fn on_unfinished_job(mut self) -> Self {
        self.job_unfinished = true;
        self
    }
}
