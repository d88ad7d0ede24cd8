//! The wording of what kjo says. Every line names the object it is about; a hint, where there is
//! one, says what to do. The snapshots of the tests hold these words.

use std::time::Duration;

use super::{adoption, ci, failure, ledger};
use crate::{
    core::{
        diagnosis::{Cure, Diagnosis},
        duration, exit,
        failure::Failure,
        log::{memory::Gap, stamp::Stamp},
        notice::{Isolation, LogNotice, Milestone, Notice},
        outcome::{Outcome, Verdict},
    },
    spec::Refusal,
};

/// Puts kjo's name before every line, so that it can be told from the program's where both meet. What
/// servers, kubelets and containers have said may hold anything; neither a terminal nor a CI runner obeys any of
/// it.
pub(super) fn framed(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    ci::tamed(text)
        .lines()
        .map(|line| format!("kjo: {}\n", line.chars().map(visible).collect::<String>()))
        .collect()
}

/// A refusal before anything was tried.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let excerpt = refusal.excerpt.as_ref().map(|text| format!("\n{text}"));
    let text = format!("error: {}{}", refusal.message, excerpt.unwrap_or_default());
    with_hint(text, refusal.hint.as_deref())
}

/// What a notice says.
pub(super) fn of(notice: &Notice) -> String {
    match notice {
        Notice::Target { server, namespace } => format!("using namespace {namespace} on {server}"),
        Notice::Sandbox { user, isolation } => format!(
            "sandbox: images are NOT used; commands run from this machine's own files, as user {user}, {}",
            isolated(isolation)
        ),
        Notice::Adjusted(what) => format!("note: {what}"),
        Notice::ServerWarning(text) => format!("warning from the API server: {text}"),
        Notice::CreateDelayed { failure, left } => format!(
            "the Job cannot be created yet: {failure}; trying for {} more",
            duration::show(Duration::from_secs(duration::whole_seconds(*left)))
        ),
        Notice::Created { job } => format!("created job/{job}"),
        Notice::Companion { object, existed: false } => format!("created {object}, which comes with the Job"),
        Notice::Companion { object, existed: true } => format!("{object} exists; it is left as it is"),
        Notice::JobFirst => "note: Jobs may not be patched, so that the Job is created before what comes with it, \
                             and its pods may have to wait for that\n\
                             hint: allow patch on jobs, as manifests/rbac.yaml does"
            .to_owned(),
        Notice::Stalled {
            diagnosis,
            nothing_runs,
        } => stalled(diagnosis, *nothing_runs),
        Notice::EventsDenied(failure) => format!(
            "Events may not be read: {failure}; why nothing runs may stay unknown\n\
             hint: allow list on events, as manifests/rbac.yaml does"
        ),
        Notice::ContainerFailed {
            pod,
            container,
            exit_code,
            reason,
        } => exited(pod, container, *exit_code, reason),
        Notice::MainEnded { pod, container, others } => format!(
            "main container {container} of pod/{pod} has ended; not waiting for {}, which would run on",
            others.join(", ")
        ),
        Notice::PodsDenied(failure) => format!(
            "the pods may not be watched: {failure}; going on without logs and exit codes\n\
             hint: allow get, list and watch on pods, as manifests/rbac.yaml does"
        ),
        Notice::EventsUnread(failure) => {
            format!("the Events could not be read: {failure}; going on without the cluster's warnings")
        }
        Notice::Milestone(step) => of_steps(step),
        Notice::Log(notice) => of_logs(notice),
        Notice::ConnectionLost { failure, budget } => lost(failure, *budget),
        Notice::ConnectionBack { after } => {
            format!("the API server is back after {}", duration::show(*after))
        }
        Notice::Announced { reason, message } => {
            format!("the Job is ending: {}; waiting for its pods", joined(reason, message))
        }
        Notice::WatchDenied { resource, failure } => format!(
            "{resource} may not be watched: {failure}; asking again every few seconds instead\n\
             hint: allow watch on {resource}, as manifests/rbac.yaml does"
        ),
        Notice::Leaving { signal, job } => format!("{}: leaving job/{job} as it is", signal.name()),
        Notice::BeingDeleted { job } => {
            format!("job/{job} is being deleted by somebody; waiting for its pods to end")
        }
        Notice::Attached { job } => format!("following job/{job}"),
        Notice::Adoption(notice) => adoption::of(notice),
        Notice::PodsUnseen(count) => unseen(*count),
        Notice::StdoutFailed(why) => {
            format!("stdout cannot be written: {why}; the rest of the logs was thrown away")
        }
        Notice::ResultFileFailed { path, why } => format!("the result file {path} cannot be written: {why}"),
        Notice::Ending { why, grace } if grace.is_zero() => format!("{why}; deleting the Job"),
        Notice::Ending { why, grace } => {
            format!(
                "{why}; deleting the Job, whose pods have up to {} to end",
                duration::show(*grace)
            )
        }
        Notice::Stopping(signal) => format!("{}: deleting the Job; once more to leave at once", signal.name()),
        Notice::Deleted { job, ending } if ending.is_empty() => format!("deleted job/{job}"),
        Notice::Deleted { job, ending } => format!("deleted job/{job}; still ending: {}", ending.join(", ")),
        Notice::Gone { job } => format!("job/{job} and its pods are gone"),
        Notice::NothingToDelete(what) => format!("{what}: nothing to delete"),
        Notice::DeleteFailed { job, namespace, why } => not_deleted(job, namespace, why),
        Notice::Kept {
            job,
            namespace,
            unfinished: true,
            ..
        } => format!(
            "left job/{job} as it is; its pods may still run\nhint: follow it with 'kjo attach {job} -n {namespace}'"
        ),
        Notice::Kept {
            job,
            namespace,
            pods,
            ttl_seconds,
            ..
        } => kept(job, namespace, *pods, *ttl_seconds),
        Notice::Failure(report) => failure::of(report),
        Notice::Verdict(verdict) => self::verdict(verdict),
    }
}

fn exited(pod: &str, container: &str, exit_code: i32, reason: &str) -> String {
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    format!("pod/{pod} container {container} exited with {exit_code}{reason}")
}

fn lost(failure: &Failure, budget: Duration) -> String {
    let budget = duration::show(budget);
    if failure.is(403) {
        format!(
            "the Job may not be read any more: {failure}; it runs on, trying again for {budget}\n\
             hint: allow get, list and watch on jobs, as manifests/rbac.yaml does"
        )
    } else {
        format!("the API server is out of reach: {failure}; the Job runs on, trying again for {budget}")
    }
}

fn unseen(pods: i32) -> String {
    match pods {
        1 => "1 pod of the Job came and went unseen; its log is not shown".to_owned(),
        n => format!("{n} pods of the Job came and went unseen; their logs are not shown"),
    }
}

fn of_steps(step: &Milestone) -> String {
    match step {
        Milestone::Scheduled { pod, node } => format!("pod/{pod} is scheduled on node {node}"),
        Milestone::Started { pod, container } => format!("pod/{pod} container {container} has started"),
        Milestone::Restarted {
            pod,
            container,
            attempt,
        } => format!("pod/{pod} container {container} has started again: attempt {attempt}"),
        Milestone::Replaced { pod, before } => format!("pod/{pod} is a further attempt, after pod/{before}"),
    }
}

fn stalled(diagnosis: &Diagnosis, nothing_runs: bool) -> String {
    let head = match (diagnosis.cure, nothing_runs) {
        (Cure::Patience, _) => "waiting",
        (Cure::Time | Cure::Somebody | Cure::Retry | Cure::Never, true) => "nothing runs yet",
        (Cure::Time | Cure::Somebody | Cure::Retry | Cure::Never, false) => "not all of it runs",
    };
    let text = format!("{head} ({}): {}", diagnosis.category.name(), diagnosis.sentence());
    with_hint(text, diagnosis.hint.as_deref())
}

fn not_deleted(job: &str, namespace: &str, why: &str) -> String {
    let first = if why.contains("(HTTP 403)") {
        "allow delete on jobs, as manifests/rbac.yaml does, and have it deleted by somebody who may,"
    } else {
        "delete it"
    };
    let hint = format!("{first} with 'kubectl delete job {job} -n {namespace}'");
    format!("job/{job} could not be deleted: {why}\nhint: {hint}")
}

fn kept(job: &str, namespace: &str, pods: usize, ttl_seconds: Option<i32>) -> String {
    let pods = match pods {
        0 => String::new(),
        1 => " and its pod".to_owned(),
        n => format!(" and its {n} pods"),
    };
    let ttl = ttl_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let ttl = ttl.map_or_else(String::new, |seconds| {
        format!(" for {}", duration::show(Duration::from_secs(seconds)))
    });
    format!("kept job/{job}{pods}{ttl}; see it with 'kubectl describe job {job} -n {namespace}'")
}

fn of_logs(notice: &LogNotice) -> String {
    match notice {
        LogNotice::Denied {
            pod,
            container,
            failure,
        } => format!(
            "the log of pod/{pod} container {container} may not be read: {failure}; going on without logs\n\
             hint: allow get on pods/log, as manifests/rbac.yaml does"
        ),
        LogNotice::Gap { pod, container, gap } => format!(
            "log gap in pod/{pod} container {container}: lines between {} are lost (rotated away by the node)",
            between(gap)
        ),
        LogNotice::Torn { pod, container } => format!(
            "the log of pod/{pod} container {container} ends amid a line, and nothing has come in the 3s since \
             its container ended: what it wrote last may be missing\n\
             hint: if its program ends its lines, the node has lost the rest (containerd 1.6 does); let it sleep \
             a second after its last output"
        ),
        LogNotice::Unproven { pod, container } => format!(
            "the log of pod/{pod} container {container} went away before its end could be read: \
             its last lines may be missing"
        ),
        LogNotice::Marker { pod, container, why } => {
            format!("in the log of pod/{pod} container {container} {why}; it hands nothing on")
        }
        LogNotice::Kubelet { pod, container, text } => {
            format!("the kubelet says of the log of pod/{pod} container {container}: {text}")
        }
        LogNotice::Unreadable {
            pod,
            container,
            failure,
        } => format!("the log of pod/{pod} container {container} cannot be read now: {failure}; trying again"),
        LogNotice::ReadAgain { pod, container } => {
            format!("the log of pod/{pod} container {container} can be read again")
        }
        LogNotice::GivenUp { pods, namespace } => format!(
            "giving up on the rest of the logs of {}: nothing came of them in time, and lines may be missing\n\
             hint: see what there still is with 'kubectl logs {} --all-containers -n {namespace}'",
            pods.iter().map(|p| format!("pod/{p}")).collect::<Vec<_>>().join(", "),
            pods.first().map_or("", String::as_str)
        ),
        LogNotice::LateStart { pod, container } => format!(
            "the log of pod/{pod} container {container} was first read long after the container's start: \
             the node may have rotated its first lines away"
        ),
        LogNotice::AttemptsUnseen {
            pod,
            container,
            count: 1,
        } => format!("an attempt of pod/{pod} container {container} came and went unseen; its log is not shown"),
        LogNotice::AttemptsUnseen { pod, container, count } => {
            format!(
                "{count} attempts of pod/{pod} container {container} came and went unseen; their logs are not shown"
            )
        }
        LogNotice::InTurn(streams) => format!(
            "more than {streams} containers: their logs are followed, those of the others are read in turn, every \
             half minute\nhint: --max-log-streams sets how many are followed at once"
        ),
        LogNotice::Ledger(pods) => ledger::of(pods),
    }
}

fn verdict(verdict: &Verdict) -> String {
    let code = exit::code(verdict);
    let line = match verdict.outcome {
        Outcome::Succeeded | Outcome::Detached(None) => verdict.message.clone(),
        Outcome::Refused | Outcome::StartFailed => format!("error: {} (exit code {code})", verdict.message),
        Outcome::Failed
        | Outcome::Deadline
        | Outcome::Infrastructure
        | Outcome::Deleted
        | Outcome::Unknown
        | Outcome::Interrupted(_)
        | Outcome::Detached(Some(_)) => format!("{} (exit code {code})", verdict.message),
    };
    with_hint(line, verdict.hint.as_deref())
}

fn with_hint(text: String, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    }
}

fn joined(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (_, true) => reason.to_owned(),
        (true, false) => message.to_owned(),
        (false, false) => format!("{reason}: {message}"),
    }
}

fn between(gap: &Gap) -> String {
    let show = |stamp: Stamp| {
        jiff::Timestamp::new(stamp.seconds, i32::try_from(stamp.nanos).unwrap_or(0))
            .map_or_else(|_| "?".to_owned(), |t| format!("{t:.3}"))
    };
    format!("{} and {}", show(gap.from), show(gap.to))
}

fn isolated(isolation: &Isolation) -> String {
    match isolation {
        Isolation::Bubblewrap => {
            "each container in bubblewrap: the machine read-only, a /tmp and processes of its own".to_owned()
        }
        Isolation::None { why: None } => "as plain processes without isolation".to_owned(),
        Isolation::None { why: Some(why) } => format!("as plain processes without isolation ({why})"),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
pub(super) mod tests;
