//! What kjo says as events: a stable name, how serious it is, and fields. The words are in `text`; the
//! table of docs/messages.md is made from [`EVENTS`].

use serde_json::{Map, Value, json};

use crate::core::{
    diagnosis::{Cure, Diagnosis},
    exit,
    failure::Failure,
    notice::{AdoptionNotice, Isolation, LogNotice, Milestone, Notice},
    outcome::{Outcome, Verdict},
    record::{self, FailureReport, PodRecord},
};

/// What is said of a notice beside its words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    /// A stable name.
    pub(super) event: &'static str,
    /// How serious it is.
    pub(super) level: Level,
    /// What it is about.
    pub(super) fields: Map<String, Value>,
}

/// How serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Only with `--verbose`.
    Debug,
    /// What happens.
    Info,
    /// It may explain a failure, or delay the run.
    Warning,
    /// The run failed, or kjo did not do all that it promises: `--quiet` leaves these.
    Error,
}

impl Level {
    /// The word in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Every event: name, fields, when it is said. Names and fields are stable: new ones may come, none goes.
#[rustfmt::skip]
pub const EVENTS: &[(&str, &[&str], &str)] = &[
    ("target", &["server", "namespace"], "server and namespace of the run: the first event, but for `sandbox`"),
    ("sandbox", &["user", "isolation", "why"], "the cluster is the sandbox, isolated by `bwrap` or `none`, and why by no more; said also with `--quiet`"),
    ("adjusted", &["what"], "kjo sends something else than the manifest says"),
    ("server_warning", &["what"], "a warning of the API server about the manifest"),
    ("create_delayed", &["why", "left_seconds"], "the Job cannot be created yet; it is tried again"),
    ("created", &["job"], "the Job exists"),
    ("companion", &["object", "existed"], "an object that comes with the Job is there"),
    ("job_first", &[], "without `patch` the Job is created before what comes with it"),
    ("attached", &["job"], "a Job that exists is followed"),
    ("adopted", &["job", "finished", "difference", "others"], "a Job that another kjo had made goes on as this run's"),
    ("look_denied", &["why"], "earlier Jobs of the run id may not be looked for"),
    ("unmarkable", &["jobs", "run_id"], "finished Jobs of the run id are passed over: without `patch` nobody could mark them"),
    ("still_ending", &["pods", "left_seconds"], "pods of an earlier Job of the run id are waited for"),
    ("not_waiting", &["pods"], "these pods have not ended within their grace period and 30 s; the run begins beside them"),
    ("replacing", &["job"], "a finished Job is deleted to use its name (`--replace`)"),
    ("not_marked", &["job", "why"], "the Job could not be marked as delivered: another run with the run id may report it again"),
    ("earlier_finished", &["outcome", "exit_code", "container_exit_code", "reason"], "how an earlier Job of the run id ended, which nobody had been told; a new one is started (`--adopt-failed rerun`)"),
    ("pod_scheduled", &["pod", "node"], "the first pod has a node"),
    ("container_started", &["pod", "container"], "the first container has started"),
    ("container_restarted", &["pod", "container", "attempt"], "a container has started again in its pod"),
    ("pod_replaced", &["pod", "before"], "a pod stands in for one that failed or was taken away"),
    ("container_failed", &["pod", "container", "exit_code", "reason"], "a container ended with a failure"),
    ("main_ended", &["pod", "container", "others"], "the main container has ended, and the run ends with it (`--main-decides`)"),
    ("stalled", &["category", "object", "container", "why", "nothing_runs"], "nothing runs, or not all of it, and why; said again when the reason changes"),
    ("being_deleted", &["job"], "somebody has asked for the Job's deletion; its pods are waited for"),
    ("events_denied", &["why"], "the cluster's Events may not be read: why nothing runs may stay unknown"),
    ("events_unread", &["why"], "`kjo status` could not read the cluster's Events: there are no warnings"),
    ("pods_denied", &["why"], "the pods may not be seen: no logs, no exit codes"),
    ("pods_unseen", &["count"], "pods came and went unseen: their logs are not shown"),
    ("watch_denied", &["resource", "why"], "watching is refused; kjo asks every few seconds instead"),
    ("connection_lost", &["why", "budget_seconds"], "the API server is out of reach; the Job runs on"),
    ("connection_back", &["after_seconds"], "the API server is back"),
    ("announced", &["reason", "why"], "the Job has announced its end and waits for its pods"),
    ("log_denied", &["pod", "container", "why"], "a log may not be read"),
    ("log_gap", &["pod", "container", "from", "to"], "lines of a log are lost"),
    ("log_torn", &["pod", "container"], "a log of more than 16 KiB ends amid a line: the node may have lost what was written last"),
    ("log_unproven", &["pod", "container"], "the last lines of a log may be missing"),
    ("log_late_start", &["pod", "container"], "the first lines of a log may be missing"),
    ("marker_malformed", &["pod", "container", "why"], "a marker line (`--markers`) cannot be understood"),
    ("log_kubelet", &["pod", "container", "what"], "the kubelet spoke in a log's stead"),
    ("attempts_unseen", &["pod", "container", "count"], "attempts of a container came and went, and their logs with them"),
    ("log_unreadable", &["pod", "container", "why"], "a log cannot be read for now; told once, for the first of all logs"),
    ("log_read_again", &["pod", "container"], "that log can be read again"),
    ("log_given_up", &["pods"], "the rest of these logs did not come in time"),
    ("log_turns", &["streams"], "more containers than streams: the others are read in turn"),
    ("log_ledger", &["logs", "lines", "bytes", "gaps"], "what was read of all logs"),
    ("stdout_failed", &["why"], "stdout cannot be written; the rest of the logs was thrown away"),
    ("result_file_failed", &["path", "why"], "the result file cannot be written"),
    ("ending", &["why", "grace_seconds"], "the run is over before the Job is, which is being deleted"),
    ("stopping", &["signal"], "a signal came; the Job is being deleted"),
    ("leaving", &["signal", "job"], "a signal came; the Job is left as it is"),
    ("deleted", &["job", "ending"], "the Job is deleted; these pods are still ending"),
    ("gone", &["job"], "`kjo delete --wait-deleted`: the Job is gone, and so are its pods"),
    ("nothing_to_delete", &["what"], "`kjo delete` found no such Job"),
    ("delete_failed", &["job", "namespace", "why"], "the Job could not be deleted"),
    ("kept", &["job", "namespace", "unfinished", "pods", "ttl_seconds"], "the Job stays"),
    ("failure_report", &["failed", "limit", "warnings"], "what happened in a run that failed, where there is more to tell than `finished` does"),
    ("finished", &["outcome", "exit_code", "container_exit_code", "reason"], "the closing event: how the run ended, in the words of the result file"),
    ("refused", &[], "nothing was tried, and why: the closing event in place of `finished`; exit code 125"),
    ("request", &["method", "path", "status", "failure", "milliseconds"], "with `--verbose`: a request and what came of it"),
    ("login", &[], "with `--verbose`: the server did not know the user any more, and the kubeconfig was read again"),
    ("watch_ended", &["path", "why", "again_in_milliseconds"], "with `--verbose`: a watch ended and is opened again"),
    ("log_reopened", &["pod", "container", "why", "again_in_milliseconds"], "with `--verbose`: a log is opened again"),
    ("library", &["target"], "with `--verbose`: the Kubernetes client library says something; the fields are its own"),
];

/// The table of docs/messages.md.
#[must_use]
pub fn markdown_table() -> String {
    let quoted = |fields: &[&str]| fields.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
    let rows: String = EVENTS
        .iter()
        .map(|(event, fields, when)| format!("| `{event}` | {} | {when} |\n", quoted(fields)))
        .collect();
    format!("| event | fields | when |\n|---|---|---|\n{rows}")
}

fn facts(level: Level, event: &'static str, fields: Value) -> Facts {
    let fields = if let Value::Object(fields) = fields {
        fields
    } else {
        Map::new()
    };
    Facts { event, level, fields }
}

fn words(failure: &Failure) -> String {
    failure.to_string()
}

/// The facts of a notice.
pub(super) fn of(notice: &Notice) -> Facts {
    use Level::{Error, Info, Warning};
    match notice {
        Notice::Target { server, namespace } => {
            facts(Info, "target", json!({"server": server, "namespace": namespace}))
        }
        Notice::Sandbox { user, isolation } => {
            let (isolation, why) = match isolation {
                Isolation::Bubblewrap => ("bwrap", None),
                Isolation::None { why } => ("none", why.as_ref()),
            };
            facts(
                Warning,
                "sandbox",
                json!({"user": user, "isolation": isolation, "why": why}),
            )
        }
        Notice::Adjusted(what) => facts(Info, "adjusted", json!({"what": what})),
        Notice::ServerWarning(what) => facts(Warning, "server_warning", json!({"what": what})),
        Notice::CreateDelayed { failure, left } => facts(
            Warning,
            "create_delayed",
            json!({"why": words(failure), "left_seconds": left.as_secs()}),
        ),
        Notice::Created { job } => facts(Info, "created", json!({"job": job})),
        Notice::Attached { job } => facts(Info, "attached", json!({"job": job})),
        Notice::Adoption(notice) => of_adoption(notice),
        Notice::Companion { object, existed } => companion(object, *existed),
        Notice::JobFirst => facts(Info, "job_first", json!({})),
        Notice::Stalled {
            diagnosis,
            nothing_runs,
        } => stalled(diagnosis, *nothing_runs),
        Notice::BeingDeleted { job } => facts(Warning, "being_deleted", json!({"job": job})),
        Notice::EventsDenied(failure) => facts(Warning, "events_denied", json!({"why": words(failure)})),
        Notice::EventsUnread(failure) => facts(Warning, "events_unread", json!({"why": words(failure)})),
        Notice::MainEnded { pod, container, others } => facts(
            Info,
            "main_ended",
            json!({"pod": pod, "container": container, "others": others}),
        ),
        Notice::ContainerFailed {
            pod,
            container,
            exit_code,
            reason,
        } => facts(
            Warning,
            "container_failed",
            json!({"pod": pod, "container": container, "exit_code": exit_code, "reason": reason}),
        ),
        Notice::PodsDenied(failure) => facts(Error, "pods_denied", json!({"why": words(failure)})),
        Notice::PodsUnseen(count) => facts(Error, "pods_unseen", json!({"count": count})),
        Notice::WatchDenied { resource, failure } => facts(
            Warning,
            "watch_denied",
            json!({"resource": resource, "why": words(failure)}),
        ),
        Notice::ConnectionLost { failure, budget } => facts(
            Warning,
            "connection_lost",
            json!({"why": words(failure), "budget_seconds": budget.as_secs()}),
        ),
        Notice::ConnectionBack { after } => facts(Info, "connection_back", json!({"after_seconds": after.as_secs()})),
        Notice::Announced { reason, message } => facts(Info, "announced", json!({"reason": reason, "why": message})),
        Notice::Milestone(step) => of_steps(step),
        Notice::Log(notice) => of_logs(notice),
        Notice::StdoutFailed(why) => facts(Error, "stdout_failed", json!({"why": why})),
        Notice::ResultFileFailed { path, why } => facts(Error, "result_file_failed", json!({"path": path, "why": why})),
        Notice::Ending { why, grace } => ending(why, grace.as_secs()),
        Notice::Stopping(signal) => facts(Info, "stopping", json!({"signal": signal.name()})),
        Notice::Leaving { signal, job } => facts(Info, "leaving", json!({"signal": signal.name(), "job": job})),
        Notice::Deleted { job, ending } => facts(Info, "deleted", json!({"job": job, "ending": ending})),
        Notice::Gone { job } => facts(Info, "gone", json!({"job": job})),
        Notice::NothingToDelete(what) => facts(Info, "nothing_to_delete", json!({"what": what})),
        Notice::DeleteFailed { job, namespace, why } => facts(
            Error,
            "delete_failed",
            json!({"job": job, "namespace": namespace, "why": why}),
        ),
        Notice::Kept {
            job,
            namespace,
            unfinished,
            pods,
            ttl_seconds,
        } => facts(
            Info,
            "kept",
            json!({
                "job": job,
                "namespace": namespace,
                "unfinished": unfinished,
                "pods": pods,
                "ttl_seconds": ttl_seconds,
            }),
        ),
        Notice::Failure(report) => failure(report),
        Notice::Verdict(verdict) => finished(verdict),
    }
}

/// A queue, or an image that is being pulled, is no trouble.
fn stalled(diagnosis: &Diagnosis, nothing_runs: bool) -> Facts {
    let level = match diagnosis.cure {
        Cure::Patience => Level::Info,
        Cure::Time | Cure::Somebody | Cure::Retry | Cure::Never => Level::Warning,
    };
    facts(
        level,
        "stalled",
        json!({
            "category": diagnosis.category.name(),
            "object": diagnosis.object,
            "container": diagnosis.container,
            "why": diagnosis.words,
            "nothing_runs": nothing_runs,
        }),
    )
}

fn failure(report: &FailureReport) -> Facts {
    let failed = report.failed.iter().map(|attempt| {
        json!({
            "pod": attempt.pod,
            "node": attempt.node,
            "container": attempt.container,
            "attempt": attempt.attempt,
            "exit_code": attempt.exit_code,
            "signal": attempt.signal,
            "reason": attempt.reason,
        })
    });
    let warnings = report.warnings.iter().map(|event| {
        json!({
            "object": format!("{}/{}", event.kind, event.name),
            "reason": event.reason,
            "message": event.message,
            "count": event.count,
        })
    });
    facts(
        Level::Error,
        "failure_report",
        json!({
            "failed": failed.collect::<Vec<_>>(),
            "limit": report.limit,
            "warnings": warnings.collect::<Vec<_>>(),
        }),
    )
}

fn of_steps(step: &Milestone) -> Facts {
    match step {
        Milestone::Scheduled { pod, node } => facts(Level::Info, "pod_scheduled", json!({"pod": pod, "node": node})),
        Milestone::Started { pod, container } => facts(
            Level::Info,
            "container_started",
            json!({"pod": pod, "container": container}),
        ),
        Milestone::Restarted {
            pod,
            container,
            attempt,
        } => facts(
            Level::Info,
            "container_restarted",
            json!({"pod": pod, "container": container, "attempt": attempt}),
        ),
        Milestone::Replaced { pod, before } => {
            facts(Level::Info, "pod_replaced", json!({"pod": pod, "before": before}))
        }
    }
}

/// Logs that are not whole are errors: that lines are missing is never hidden.
fn of_logs(notice: &LogNotice) -> Facts {
    use Level::{Error, Info, Warning};
    match notice {
        LogNotice::Denied {
            pod,
            container,
            failure,
        } => facts(
            Error,
            "log_denied",
            json!({"pod": pod, "container": container, "why": words(failure)}),
        ),
        LogNotice::Gap { pod, container, gap } => facts(
            Error,
            "log_gap",
            json!({"pod": pod, "container": container, "from": gap.from.to_string(), "to": gap.to.to_string()}),
        ),
        LogNotice::Torn { pod, container } => facts(Warning, "log_torn", json!({"pod": pod, "container": container})),
        LogNotice::Unproven { pod, container } => {
            facts(Warning, "log_unproven", json!({"pod": pod, "container": container}))
        }
        LogNotice::LateStart { pod, container } => {
            facts(Warning, "log_late_start", json!({"pod": pod, "container": container}))
        }
        LogNotice::Marker { pod, container, why } => facts(
            Warning,
            "marker_malformed",
            json!({"pod": pod, "container": container, "why": why}),
        ),
        LogNotice::Kubelet { pod, container, text } => facts(
            Warning,
            "log_kubelet",
            json!({"pod": pod, "container": container, "what": text}),
        ),
        LogNotice::AttemptsUnseen { pod, container, count } => facts(
            Error,
            "attempts_unseen",
            json!({"pod": pod, "container": container, "count": count}),
        ),
        LogNotice::Unreadable {
            pod,
            container,
            failure,
        } => facts(
            Warning,
            "log_unreadable",
            json!({"pod": pod, "container": container, "why": words(failure)}),
        ),
        LogNotice::ReadAgain { pod, container } => {
            facts(Info, "log_read_again", json!({"pod": pod, "container": container}))
        }
        LogNotice::GivenUp { pods, .. } => facts(Error, "log_given_up", json!({"pods": pods})),
        LogNotice::InTurn(streams) => facts(Info, "log_turns", json!({"streams": streams})),
        LogNotice::Ledger(pods) => ledger(pods),
    }
}

fn companion(object: &str, existed: bool) -> Facts {
    facts(Level::Info, "companion", json!({"object": object, "existed": existed}))
}

fn ending(why: &str, grace_seconds: u64) -> Facts {
    facts(
        Level::Warning,
        "ending",
        json!({"why": why, "grace_seconds": grace_seconds}),
    )
}

fn of_adoption(notice: &AdoptionNotice) -> Facts {
    use Level::{Error, Info, Warning};
    match notice {
        AdoptionNotice::Adopted {
            job,
            finished,
            difference,
            others,
        } => {
            let level = if difference.is_some() || !others.is_empty() {
                Warning
            } else {
                Info
            };
            let fields = json!({"job": job, "finished": finished, "difference": difference, "others": others});
            facts(level, "adopted", fields)
        }
        AdoptionNotice::LookDenied(failure) => facts(Warning, "look_denied", json!({"why": words(failure)})),
        AdoptionNotice::Unmarkable { jobs, run_id } => {
            facts(Warning, "unmarkable", json!({"jobs": jobs, "run_id": run_id}))
        }
        AdoptionNotice::StillEnding { pods, left } => facts(
            Info,
            "still_ending",
            json!({"pods": pods, "left_seconds": left.as_secs()}),
        ),
        AdoptionNotice::NotWaiting { pods } => facts(Warning, "not_waiting", json!({"pods": pods})),
        AdoptionNotice::Replacing { job } => facts(Info, "replacing", json!({"job": job})),
        AdoptionNotice::NotMarked { job, why } => facts(Error, "not_marked", json!({"job": job, "why": why})),
        AdoptionNotice::EarlierEnded(verdict) => Facts {
            event: "earlier_finished",
            ..finished(verdict)
        },
    }
}

fn ledger(pods: &[PodRecord]) -> Facts {
    let logs = || record::logs(pods);
    facts(
        Level::Info,
        "log_ledger",
        json!({
            "logs": logs().count(),
            "lines": logs().map(|log| log.lines).sum::<u64>(),
            "bytes": logs().map(|log| log.bytes).sum::<u64>(),
            "gaps": record::gaps(pods),
        }),
    )
}

fn finished(verdict: &Verdict) -> Facts {
    let done = matches!(verdict.outcome, Outcome::Succeeded | Outcome::Detached(None));
    let level = if done && !verdict.log_gap {
        Level::Info
    } else {
        Level::Error
    };
    facts(
        level,
        "finished",
        json!({
            "outcome": verdict.outcome.name(),
            "exit_code": exit::code(verdict),
            "container_exit_code": verdict.container_exit_code,
            "reason": verdict.reason,
        }),
    )
}

/// The facts of a refusal.
pub(super) fn refused() -> Facts {
    facts(Level::Error, "refused", json!({}))
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
