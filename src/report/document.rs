//! The result document: what the result file holds and `kjo status` prints. `docs/result.schema.json`
//! describes it, and every document of the tests is held to that. No environment and no manifest is
//! in it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::core::{
    event::EventView,
    exit,
    job::{Condition, JobView},
    machine::Cleanup,
    outcome::{Outcome, Verdict},
    pod::ContainerKind,
    record::{self, AttemptRecord, ContainerRecord, PodRecord, Traffic},
    xcom::handed::Handed,
};

/// Everything that the document is made from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// How it ended; `None` while that is open.
    pub verdict: Option<&'a Verdict>,
    /// The Job, if there is one.
    pub job: Option<&'a JobView>,
    /// Another kjo had made it; `None` where nobody asks.
    pub adopted: Option<bool>,
    /// Its namespace.
    pub namespace: &'a str,
    /// The run id, if it is known from elsewhere than from the Job.
    pub run_id: Option<&'a str>,
    /// Its pods.
    pub pods: &'a [PodRecord],
    /// Pods that came and went without being seen.
    pub pods_unseen: u32,
    /// The last warnings.
    pub warnings: &'a [EventView],
    /// What became of the Job; `None` where nothing was to be done.
    pub cleanup: Option<&'a Cleanup>,
    /// What it handed on, where that was asked for.
    pub handed: Option<&'a Handed>,
    /// What was asked of the API server, once that is over.
    pub traffic: Option<Traffic>,
    /// By kjo's own clock.
    pub times: Times,
}

/// Times by the clock of the machine that kjo runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// kjo started.
    pub started: Option<Timestamp>,
    /// kjo knew that the Job exists.
    pub created: Option<Timestamp>,
    /// kjo was done.
    pub ended: Option<Timestamp>,
}

/// The document.
#[must_use]
pub fn of(facts: &Facts<'_>) -> Value {
    let verdict = facts.verdict;
    json!({
        "schema": "kjo.result/v1",
        "outcome": verdict.map(|v| v.outcome.name()),
        "exit_code": verdict.map(exit::code),
        "container_exit_code": verdict.and_then(|v| v.container_exit_code),
        "reason": verdict.map(|v| &v.reason),
        "message": verdict.map(|v| &v.message),
        "hint": verdict.and_then(|v| v.hint.as_ref()),
        "job": facts.job.map(|view| job(view, facts)),
        "pods": facts.pods.iter().map(pod).collect::<Vec<_>>(),
        "conditions": facts.job.iter().flat_map(|job| &job.conditions).map(condition).collect::<Vec<_>>(),
        "pods_unseen": facts.pods_unseen,
        "warnings": facts.warnings.iter().map(warning).collect::<Vec<_>>(),
        "xcom": facts.handed.map(|handed| &handed.xcom),
        "markers": facts.handed.map(|handed| &handed.markers),
        "cleanup": facts.cleanup.map(cleanup),
        "api": facts.traffic.map(|traffic| api(traffic, facts.pods)),
        "times": times(facts),
    })
}

fn job(view: &JobView, facts: &Facts<'_>) -> Value {
    json!({
        "name": view.name,
        "namespace": facts.namespace,
        "uid": view.uid,
        "run_id": facts.run_id.or(view.run_id.as_deref()),
        "generation": view.run_id.as_ref().map(|_| view.generation),
        "adopted": facts.adopted,
        "still_running": still_running(view, facts),
    })
}

/// The Job is there and has a future, as far as kjo knows.
fn still_running(view: &JobView, facts: &Facts<'_>) -> bool {
    let gone = match facts.cleanup {
        Some(Cleanup::Deleted) => true,
        Some(Cleanup::Nothing | Cleanup::Kept | Cleanup::Failed(_)) | None => false,
    };
    let unfinished = match facts.verdict {
        Some(verdict) => verdict.job_unfinished && verdict.outcome != Outcome::Deleted,
        None => view.terminal().is_none(),
    };
    unfinished && !gone
}

fn pod(pod: &PodRecord) -> Value {
    json!({
        "name": pod.name,
        "uid": pod.uid,
        "node": some(&pod.node),
        "index": pod.index,
        "containers": pod.containers.iter().map(container).collect::<Vec<_>>(),
    })
}

fn container(container: &ContainerRecord) -> Value {
    json!({
        "name": container.name,
        "kind": match container.kind {
            ContainerKind::Init => "init",
            ContainerKind::Sidecar => "sidecar",
            ContainerKind::Main => "main",
        },
        "attempts": container.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "attempts_unseen": container.attempts_unseen,
    })
}

fn attempt(attempt: &AttemptRecord) -> Value {
    let log = attempt.log.map(|log| {
        json!({
            "lines": log.lines,
            "bytes": log.bytes,
            "complete": log.wholeness().name(),
            "gaps": log.gaps,
        })
    });
    json!({
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "reason": some(&attempt.reason),
        "started_at": shown(attempt.started_at),
        "finished_at": shown(attempt.finished_at),
        "log": log,
    })
}

fn condition(condition: &Condition) -> Value {
    json!({
        "type": condition.kind.name(),
        "status": if condition.is_true { "True" } else { "False" },
        "reason": some(&condition.reason),
        "message": some(&condition.message),
        "at": shown(condition.at),
    })
}

fn warning(event: &EventView) -> Value {
    json!({
        "kind": event.kind,
        "name": event.name,
        "uid": some(&event.uid),
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "last_at": shown(event.last),
    })
}

fn cleanup(cleanup: &Cleanup) -> Value {
    let (deleted, error) = match cleanup {
        Cleanup::Nothing => return Value::Null,
        Cleanup::Kept => (false, None),
        Cleanup::Deleted => (true, None),
        Cleanup::Failed(why) => (false, Some(why)),
    };
    json!({"deleted": deleted, "error": error})
}

fn api(traffic: Traffic, pods: &[PodRecord]) -> Value {
    let logs: u64 = record::logs(pods).map(|log| u64::from(log.reconnects)).sum();
    json!({
        "requests": traffic.requests,
        "retries": traffic.retries,
        "reconnects": traffic.rewatches + logs,
    })
}

fn times(facts: &Facts<'_>) -> Value {
    let attempts = facts.pods.iter().flat_map(|pod| &pod.containers);
    let first = attempts
        .flat_map(|container| &container.attempts)
        .filter_map(|attempt| attempt.started_at)
        .min();
    let job = facts.job;
    json!({
        "kjo": {
            "started_at": shown(facts.times.started),
            "created_at": shown(facts.times.created),
            "ended_at": shown(facts.times.ended),
        },
        "cluster": {
            "created_at": shown(job.and_then(|job| job.created_at)),
            "started_at": shown(job.and_then(|job| job.started_at)),
            "first_running_at": shown(first),
            "finished_at": shown(job.and_then(JobView::terminal).and_then(|condition| condition.at)),
        },
    })
}

/// Kubernetes' empty strings mean that there is nothing.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// To the millisecond, which is finer than what any of these clocks agrees on with another.
fn shown(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| {
        if at.subsec_nanosecond() == 0 {
            at.to_string()
        } else {
            format!("{at:.3}")
        }
    })
}
