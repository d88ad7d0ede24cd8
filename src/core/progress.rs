//! Where a run stands: what a status line tells of it. Facts, not wording; the words are in `report`,
//! and so is the clock.

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done or waited for.
    pub phase: Phase,
    /// Successes that the Job wants; `None` in the work-queue form, where any will do, and before the
    /// Job is known.
    pub wanted: Option<u32>,
    /// Pods that are pending or running, as the Job counts them.
    pub active: u32,
    /// Pods that succeeded.
    pub succeeded: u32,
    /// Pods that failed.
    pub failed: u32,
    /// Whole lines read of all logs.
    pub lines: u64,
}

/// What is being done or waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The create request, or its answer.
    Creating,
    /// The Job to be attached to.
    Looking,
    /// Somebody has to resume the Job: a person, or a queue like Kueue.
    Suspended,
    /// The Job has no pod (any more).
    NoPod,
    /// A pod has no node yet.
    NoNode,
    /// No container of the pods has started yet.
    Starting,
    /// A container has started, and its pod has not ended.
    Running,
    /// The API server is out of reach; the Job runs on.
    OutOfReach,
    /// The outcome is known; the rest of the logs is read, and stdout takes it.
    Draining,
    /// The Job is being deleted.
    Deleting,
}
