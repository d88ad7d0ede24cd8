//! From a Job's conditions and its pods' ends to a verdict. Success is the condition Complete with
//! status True and nothing else; counters decide nothing, for they lag.

use super::{
    blame::{self, Blame, Evidence},
    job::{Condition, ConditionKind, JobView},
    outcome::{Outcome, Verdict},
    pod::PodView,
};

/// The verdict of a Job that has its terminal condition.
#[must_use]
pub fn finished(job: &JobView, pods: &[Evidence]) -> Option<Verdict> {
    job.terminal().map(|condition| of(condition, job, pods))
}

/// The verdict that FailureTarget or SuccessCriteriaMet announces. The API makes both final, so it
/// holds even if a stuck pod keeps the terminal condition away.
#[must_use]
pub fn announced(job: &JobView, pods: &[Evidence]) -> Option<Verdict> {
    job.announced()
        .map(|condition| of(condition, job, pods).on_unfinished_job())
}

fn of(condition: &Condition, job: &JobView, pods: &[Evidence]) -> Verdict {
    match condition.kind {
        ConditionKind::Complete | ConditionKind::SuccessCriteriaMet => Verdict::new(
            Outcome::Succeeded,
            if condition.reason.is_empty() {
                "Complete"
            } else {
                &condition.reason
            },
            format!("job/{} succeeded", job.name),
        ),
        ConditionKind::Failed | ConditionKind::FailureTarget => failed(condition, job, pods),
        // Never terminal, never announcing: `terminal` and `announced` do not hand it out.
        ConditionKind::Suspended => Verdict::new(
            Outcome::Unknown,
            &condition.reason,
            format!("job/{} is suspended", job.name),
        ),
    }
}

fn failed(condition: &Condition, job: &JobView, pods: &[Evidence]) -> Verdict {
    let why = words(&condition.reason, &condition.message);
    if condition.reason == "DeadlineExceeded" {
        return Verdict::new(
            Outcome::Deadline,
            &condition.reason,
            format!("job/{} ran out of time: {why}", job.name),
        );
    }
    let blame = named_by_policy(condition, pods).or_else(|| blame::deciding(pods, condition.at));
    if let Some(blame) = blame {
        return blamed(&blame, condition, job, &why);
    }
    if let Some(pod) = pods.iter().map(|e| &e.pod).find(|p| taken_away(p)) {
        return infrastructure(pod, job, &why);
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
        return Verdict::new(
            Outcome::Deadline,
            &pod.reason,
            format!(
                "job/{} failed: {why}; pod/{} ran out of time: {}",
                job.name, pod.name, pod.message
            ),
        );
    }
    let code = termination.exit_code;
    let cause = match termination.reason.as_str() {
        "" | "Error" => String::new(),
        reason => format!(
            " ({})",
            words(reason, termination.message.lines().next().unwrap_or_default())
        ),
    };
    if taken_away(pod) {
        return infrastructure(pod, job, why);
    }
    Verdict::new(
        Outcome::Failed,
        &condition.reason,
        format!(
            "job/{} failed: {why}; container {container} of pod/{} exited with {code}{cause}",
            job.name, pod.name
        ),
    )
    .with_code(Some(code))
}

/// The cluster, not the program, ended this pod.
fn infrastructure(pod: &PodView, job: &JobView, why: &str) -> Verdict {
    let pod_why = words(&pod.reason, &pod.message);
    Verdict::new(
        Outcome::Infrastructure,
        &pod.reason,
        format!("job/{} failed: {why}; pod/{}: {pod_why}", job.name, pod.name),
    )
}

/// Pod reasons that mean the cluster took the pod away (kubelet and pod garbage collector).
fn taken_away(pod: &PodView) -> bool {
    matches!(
        pod.reason.as_str(),
        "Evicted" | "NodeLost" | "NodeShutdown" | "Terminated" | "Preempting" | "Preempted" | "Shutdown"
    )
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
