//! From a Job's conditions and its pods' ends to a verdict. Success is the condition Complete with
//! status True and nothing else; counters decide nothing, for they lag.

use jiff::Timestamp;

use super::{
    blame::{self, Blame, Evidence},
    job::{Condition, ConditionKind, JobView},
    outcome::{Outcome, Verdict},
    pod::PodView,
};

/// The verdict of a Job that has its terminal condition. `main` is the container whose code counts, if the
/// user has named one.
#[must_use]
pub fn finished(job: &JobView, pods: &[Evidence], main: Option<&str>) -> Option<Verdict> {
    job.terminal().map(|condition| of(condition, job, pods, main))
}

/// The verdict that FailureTarget or SuccessCriteriaMet announces. The API makes both final, so it
/// holds even if a stuck pod keeps the terminal condition away.
#[must_use]
pub fn announced(job: &JobView, pods: &[Evidence], main: Option<&str>) -> Option<Verdict> {
    job.announced()
        .map(|condition| of(condition, job, pods, main).on_unfinished_job())
}

/// The limit of the Job that its end is due to, in words.
#[must_use]
pub fn limit(job: &JobView) -> Option<String> {
    let condition = job.terminal().or_else(|| job.announced())?;
    let limit = |name: &str, value: Option<i64>| value.map(|value| format!("{name}: {value}"));
    match condition.reason.as_str() {
        "BackoffLimitExceeded" => limit("backoffLimit", job.backoff_limit.map(i64::from)),
        "DeadlineExceeded" => limit("activeDeadlineSeconds", job.deadline_seconds),
        "FailedIndexes" => limit("backoffLimitPerIndex", job.backoff_limit_per_index.map(i64::from)),
        "MaxFailedIndexesExceeded" => limit("maxFailedIndexes", job.max_failed_indexes.map(i64::from)),
        _ => None,
    }
}

fn of(condition: &Condition, job: &JobView, pods: &[Evidence], main: Option<&str>) -> Verdict {
    match condition.kind {
        ConditionKind::Complete | ConditionKind::SuccessCriteriaMet => succeeded(condition, job),
        ConditionKind::Failed | ConditionKind::FailureTarget => failed(condition, job, pods, main),
        // Never terminal, never announcing: `terminal` and `announced` do not hand it out.
        ConditionKind::Suspended => Verdict::new(
            Outcome::Unknown,
            &condition.reason,
            format!("job/{} is suspended", job.name),
        ),
    }
}

fn succeeded(condition: &Condition, job: &JobView) -> Verdict {
    let reason = if condition.reason.is_empty() {
        "Complete"
    } else {
        &condition.reason
    };
    let mut message = format!("job/{} succeeded", job.name);
    if reason == "SuccessPolicy" {
        let indexes = job.completed_indexes.as_deref().filter(|indexes| !indexes.is_empty());
        let indexes = indexes.map_or_else(String::new, |i| format!("; indexes that ran to their end: {i}"));
        message = format!("{message} by its successPolicy ({}{indexes})", condition.message);
    }
    Verdict::new(Outcome::Succeeded, reason, message)
}

fn failed(condition: &Condition, job: &JobView, pods: &[Evidence], main: Option<&str>) -> Verdict {
    let mut why = words(&condition.reason, &condition.message);
    if let Some(indexes) = job.failed_indexes.as_deref().filter(|indexes| !indexes.is_empty()) {
        why = format!("{why}; failed indexes: {indexes}");
    }
    if condition.reason == "DeadlineExceeded" {
        return Verdict::new(
            Outcome::Deadline,
            &condition.reason,
            format!(
                "job/{} ran out of time: {why}{}",
                job.name,
                limit(job).map_or_else(String::new, |limit| format!(" ({limit})"))
            ),
        );
    }
    let blame = named_by_policy(condition, pods).or_else(|| blame::deciding(pods, condition.at, main));
    if let Some(blame) = blame {
        return blamed(&blame, condition, job, &why);
    }
    if let Some((pod, (reason, by))) = pods.iter().find_map(|e| Some((&e.pod, taken_away(&e.pod, None)?))) {
        return infrastructure(pod, &reason, &by, job, &why);
    }
    if let Some(pod) = pods.iter().map(|e| &e.pod).find(|pod| pod.reason == "DeadlineExceeded") {
        return pod_deadline(pod, job, &why);
    }
    if let Some(other) = main.and_then(|main| Some((main, blame::deciding(pods, condition.at, None)?))) {
        let (main, blame) = other;
        return Verdict::new(
            Outcome::Failed,
            &condition.reason,
            format!(
                "job/{} failed: {why}; container {} of pod/{} exited with {}, the main container {main} did not fail",
                job.name, blame.container, blame.pod.name, blame.termination.exit_code
            ),
        );
    }
    let asked = pods.iter().map(|e| &e.pod).find(|pod| pod.asked_to_go.is_some());
    if let Some(pod) = asked {
        let by = "it was deleted by somebody before it had ended";
        return infrastructure(pod, "PodDeleted", by, job, &why);
    }
    Verdict::new(
        Outcome::Failed,
        &condition.reason,
        format!("job/{} failed: {why}; no container left an exit code", job.name),
    )
}

fn blamed(blame: &Blame<'_>, condition: &Condition, job: &JobView, why: &str) -> Verdict {
    let Blame {
        pod,
        container,
        termination,
    } = blame;
    if pod.reason == "DeadlineExceeded" {
        return pod_deadline(pod, job, why);
    }
    if let Some((reason, by)) = taken_away(pod, termination.finished_at) {
        return infrastructure(pod, &reason, &by, job, why);
    }
    let code = termination.exit_code;
    Verdict::new(
        Outcome::Failed,
        &condition.reason,
        format!(
            "job/{} failed: {why}; container {container} of pod/{} exited with {code}{}",
            job.name,
            pod.name,
            cause(blame)
        ),
    )
    .with_code(Some(code))
}

fn pod_deadline(pod: &PodView, job: &JobView, why: &str) -> Verdict {
    Verdict::new(
        Outcome::Deadline,
        &pod.reason,
        format!(
            "job/{} failed: {why}; pod/{} ran out of time: {}",
            job.name, pod.name, pod.message
        ),
    )
}

/// What an exit code alone does not say.
fn cause(blame: &Blame<'_>) -> String {
    let termination = blame.termination;
    let container = blame.pod.containers.iter().find(|c| c.name == blame.container);
    match termination.reason.as_str() {
        "" | "Error" => String::new(),
        "OOMKilled" => {
            let limit = container.and_then(|c| c.memory_limit.as_deref());
            let limit = limit.map_or_else(
                || "the node ran out of memory".to_owned(),
                |l| format!("its limit is {l}"),
            );
            format!(" (OOMKilled: {limit})")
        }
        reason @ ("StartError" | "ContainerCannotRun") => {
            let message = termination.message.lines().next().unwrap_or_default();
            format!(" (it never ran: {})", words(reason, message))
        }
        reason => format!(
            " ({})",
            words(reason, termination.message.lines().next().unwrap_or_default())
        ),
    }
}

/// The cluster or somebody, not the program, ended this pod.
fn infrastructure(pod: &PodView, reason: &str, by: &str, job: &JobView, why: &str) -> Verdict {
    Verdict::new(
        Outcome::Infrastructure,
        reason,
        format!("job/{} failed: {why}; pod/{}: {by}", job.name, pod.name),
    )
}

/// Why the cluster took the pod away, if it did so before its container ended at `ended`: the condition
/// DisruptionTarget, or the pod's reason as kubelet and pod garbage collector give it.
fn taken_away(pod: &PodView, ended: Option<Timestamp>) -> Option<(String, String)> {
    if let Some(disruption) = &pod.disruption {
        // Both are whole seconds: what ended in the same second was ended by it.
        let later = match (ended, disruption.at) {
            (Some(ended), Some(at)) => ended.as_second() >= at.as_second(),
            (None, _) | (_, None) => true,
        };
        return later.then(|| {
            let by = words(&disruption.reason, &disruption.message);
            (disruption.reason.clone(), by)
        });
    }
    let taken = matches!(
        pod.reason.as_str(),
        "Evicted" | "NodeLost" | "NodeShutdown" | "Terminated" | "Preempting" | "Preempted" | "Shutdown"
    );
    taken.then(|| (pod.reason.clone(), words(&pod.reason, &pod.message)))
}

/// The pod and container that a podFailurePolicy names. The Job controller's words are: "Container
/// main for pod default/x failed with exit code 42 matching FailJob rule at index 0"
/// (`pkg/controller/job/pod_failure_policy.go`).
fn named_by_policy<'a>(condition: &Condition, pods: &'a [Evidence]) -> Option<Blame<'a>> {
    if condition.reason != "PodFailurePolicy" {
        return None;
    }
    let rest = condition.message.strip_prefix("Container ")?;
    let (container, rest) = rest.split_once(" for pod ")?;
    let (pod, rest) = rest.split_once(" failed with exit code ")?;
    let (_, pod) = pod.split_once('/')?;
    let code: i32 = rest.split_whitespace().next()?.parse().ok()?;
    let pod = &pods.iter().find(|e| e.pod.name == pod)?.pod;
    let container = pod.containers.iter().find(|c| c.name == container)?;
    let termination = container.terminations().find(|t| t.exit_code == code && code != 0)?;
    Some(Blame {
        pod,
        container: &container.name,
        termination,
    })
}

fn words(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (true, true) => "no reason given".to_owned(),
        (true, false) => message.to_owned(),
        (false, true) => reason.to_owned(),
        (false, false) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
