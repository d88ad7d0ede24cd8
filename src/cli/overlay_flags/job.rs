//! Flags about the Job: how many pods, how many tries, until when.

use std::time::Duration;

use clap::Args;

use crate::spec::{
    Refusal,
    overlay::{At, Change, parse},
};

/// The label by which Kueue finds the queue of a Job.
const QUEUE_LABEL: &str = "kueue.x-k8s.io/queue-name";

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The Job")]
pub(super) struct JobArgs {
    /// How many pods run at once
    #[arg(long, value_name = "N")]
    parallelism: Option<u32>,

    /// How many pods have to succeed
    #[arg(long, value_name = "N")]
    completions: Option<u32>,

    /// Number the pods: each has its JOB_COMPLETION_INDEX
    #[arg(long)]
    indexed: bool,

    /// How many failed pods are tried again
    #[arg(long, value_name = "N")]
    backoff_limit: Option<u32>,

    /// How many failed pods of each index are tried again
    #[arg(long, value_name = "N")]
    backoff_limit_per_index: Option<u32>,

    /// What becomes of failed pods, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    pod_failure_policy: Option<String>,

    /// When an indexed Job has succeeded, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    success_policy: Option<String>,

    /// What the kubelet does with a container that fails
    #[arg(long, value_name = "POLICY", value_parser = ["Never", "OnFailure"], ignore_case = true)]
    restart_policy: Option<String>,

    /// How long each pod may run; --deadline is the Job's
    #[arg(long, value_name = "DURATION", value_parser = crate::core::duration::parse)]
    pod_deadline: Option<Duration>,

    /// Create it suspended; who resumes it starts it
    #[arg(long)]
    suspend: bool,

    /// The Kueue queue: sets its label, and creates the Job suspended
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,

    /// The controller that runs it, where it is not Kubernetes' own
    #[arg(long, value_name = "NAME")]
    managed_by: Option<String>,
}

impl JobArgs {
    /// Indexes have tries of their own.
    pub(super) fn per_index(&self) -> bool {
        self.backoff_limit_per_index.is_some()
    }

    pub(super) fn changes(&self, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        for (field, value) in [
            ("parallelism", self.parallelism),
            ("completions", self.completions),
            ("backoffLimit", self.backoff_limit),
            ("backoffLimitPerIndex", self.backoff_limit_per_index),
        ] {
            if let Some(value) = value {
                changes.push(Change::field(At::Job, field, value));
            }
        }
        if self.indexed {
            changes.push(Change::field(At::Job, "completionMode", "Indexed"));
        }
        for (flag, field, value) in [
            ("--pod-failure-policy", "podFailurePolicy", &self.pod_failure_policy),
            ("--success-policy", "successPolicy", &self.success_policy),
        ] {
            if let Some(value) = value {
                changes.push(Change::field(At::Job, field, parse::map(flag, value)?));
            }
        }
        if let Some(policy) = &self.restart_policy {
            changes.push(Change::field(At::Pod, "restartPolicy", policy.as_str()));
        }
        if let Some(deadline) = self.pod_deadline {
            changes.push(Change::field(
                At::Pod,
                "activeDeadlineSeconds",
                crate::core::duration::whole_seconds(deadline),
            ));
        }
        for (flag, value) in [("--queue", &self.queue), ("--managed-by", &self.managed_by)] {
            parse::not_empty(flag, value.as_deref())?;
        }
        if let Some(queue) = &self.queue {
            changes.push(Change::entry(At::JobMetadata, "labels", QUEUE_LABEL, queue.as_str()));
        }
        if self.suspend || self.queue.is_some() {
            changes.push(Change::field(At::Job, "suspend", true));
        }
        if let Some(controller) = &self.managed_by {
            changes.push(Change::field(At::Job, "managedBy", controller.as_str()));
        }
        Ok(())
    }
}
