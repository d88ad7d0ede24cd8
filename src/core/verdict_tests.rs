//! Verdicts on the status objects that a real Kubernetes 1.36 left behind (`captured.json`: each Job in its
//! end, its pods as they were last seen).

use std::fmt::Write as _;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use serde::Deserialize;

use super::*;
use crate::core::exit;

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    outcome: String,
    code: Option<i32>,
    job: Job,
    pods: Vec<Pod>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("captured.json")).unwrap()
}

/// What is known to whoever sees these pods for the first time.
fn evidence(pods: &[Pod]) -> Vec<Evidence> {
    let seen = |pod: &Pod| Evidence {
        pod: PodView::from(pod),
        ended_before_asked: std::collections::BTreeSet::new(),
    };
    pods.iter().map(seen).collect()
}

#[test]
fn what_a_real_cluster_left_behind() {
    let mut text = String::new();
    for case in cases() {
        let job = JobView::from(&case.job);
        let verdict = finished(&job, &evidence(&case.pods), None).unwrap();
        assert_eq!(
            (
                verdict.outcome.name(),
                verdict.container_exit_code.filter(|code| *code != 0)
            ),
            (case.outcome.as_str(), case.code.filter(|code| *code != 0)),
            "{}: {}",
            case.name,
            verdict.message
        );
        writeln!(text, "{} ({}): {}", case.name, exit::code(&verdict), verdict.message).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_condition_counts_only_with_status_true() {
    for case in cases() {
        let mut job = case.job;
        for condition in job.status.iter_mut().flat_map(|s| s.conditions.iter_mut().flatten()) {
            condition.status = "False".to_owned();
        }
        let (view, pods) = (JobView::from(&job), evidence(&case.pods));
        assert_eq!(finished(&view, &pods, None), None, "{}", case.name);
        assert_eq!(announced(&view, &pods, None), None, "{}", case.name);
    }
}

#[test]
fn what_is_announced_is_what_comes() {
    for case in cases() {
        let mut job = case.job;
        let conditions = job.status.as_mut().and_then(|s| s.conditions.as_mut()).unwrap();
        let announces = |kind: &str| matches!(kind, "FailureTarget" | "SuccessCriteriaMet");
        if !conditions.iter().any(|c| announces(&c.type_)) {
            continue;
        }
        let pods = evidence(&case.pods);
        let last = finished(&JobView::from(&job), &pods, None).unwrap();
        let conditions = job.status.as_mut().and_then(|s| s.conditions.as_mut()).unwrap();
        conditions.retain(|c| announces(&c.type_));
        let first = announced(&JobView::from(&job), &pods, None).unwrap();
        assert_eq!(
            (first.outcome, exit::code(&first), first.job_unfinished),
            (last.outcome, exit::code(&last), true),
            "{}",
            case.name
        );
    }
}

#[test]
fn the_container_that_the_user_names_is_the_one_whose_code_counts() {
    let case = cases().into_iter().find(|case| case.name == "both-fail").unwrap();
    let (job, pods) = (JobView::from(&case.job), evidence(&case.pods));
    let code = |main| finished(&job, &pods, main).unwrap().container_exit_code;
    assert_eq!((code(None), code(Some("main"))), (Some(6), Some(7)));
}

/// A pod that the cluster takes away ends with 137 or 143; those are not the program's.
#[test]
fn what_the_cluster_takes_away_has_no_code() {
    let pod = |condition: &str, reason: &str, finished: &str| -> Pod {
        let conditions = if condition.is_empty() {
            serde_json::json!([])
        } else {
            serde_json::json!([{"type": "DisruptionTarget", "status": "True", "reason": condition,
                "message": "in the cluster's words", "lastTransitionTime": "2026-11-23T10:00:05Z"}])
        };
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "etl-abc", "uid": "u"},
            "spec": {"containers": [{"name": "main"}]},
            "status": {"phase": "Failed", "reason": reason, "conditions": conditions, "containerStatuses": [{
                "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "containerID": "c://1",
                "state": {"terminated": {"exitCode": 137, "finishedAt": finished, "containerID": "c://1"}},
            }]},
        }))
        .unwrap()
    };
    let job: Job = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "etl"},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit", "lastTransitionTime": "2026-11-23T10:01:00Z"}]},
    }))
    .unwrap();
    for (condition, reason, finished_at, outcome, code) in [
        (
            "PreemptionByScheduler",
            "",
            "2026-11-23T10:00:06Z",
            "infrastructure",
            None,
        ),
        (
            "DeletionByTaintManager",
            "",
            "2026-11-23T10:00:06Z",
            "infrastructure",
            None,
        ),
        ("DeletionByPodGC", "", "2026-11-23T10:00:05Z", "infrastructure", None),
        (
            "TerminationByKubelet",
            "Evicted",
            "2026-11-23T10:00:05Z",
            "infrastructure",
            None,
        ),
        // It had failed by itself before the cluster came for it.
        ("DeletionByPodGC", "", "2026-11-23T10:00:04Z", "failed", Some(137)),
        ("", "Evicted", "2026-11-23T10:00:06Z", "infrastructure", None),
        ("", "NodeLost", "2026-11-23T10:00:06Z", "infrastructure", None),
        ("", "Shutdown", "2026-11-23T10:00:06Z", "infrastructure", None),
        ("", "DeadlineExceeded", "2026-11-23T10:00:06Z", "deadline", None),
        ("", "", "2026-11-23T10:00:06Z", "failed", Some(137)),
    ] {
        let pods = evidence(&[pod(condition, reason, finished_at)]);
        let verdict = finished(&JobView::from(&job), &pods, None).unwrap();
        assert_eq!(
            (verdict.outcome.name(), verdict.container_exit_code),
            (outcome, code),
            "{condition} {reason}: {}",
            verdict.message
        );
    }
}
