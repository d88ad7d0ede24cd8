//! What is in the file, and when.

use std::{fs, time::Duration};

use super::*;
use crate::{
    core::{
        event::EventView,
        exit,
        job::{Condition, ConditionKind},
        machine::Cleanup,
        outcome::{Outcome, Signal},
        pod::ContainerKind,
        record::{AttemptRecord, ContainerRecord, LogRecord, PodRecord},
    },
    report::schema::expect_valid,
};

fn at(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(1_793_577_600 + second).ok()
}

fn job() -> JobView {
    JobView {
        name: "etl-x".into(),
        uid: "u1".into(),
        created_at: at(1),
        started_at: at(1),
        ..JobView::default()
    }
}

fn failed() -> JobView {
    let condition = |kind, is_true, second| Condition {
        kind,
        is_true,
        reason: "BackoffLimitExceeded".into(),
        message: "Job has reached the specified backoff limit".into(),
        at: at(second),
    };
    JobView {
        conditions: vec![
            condition(ConditionKind::Suspended, false, 1),
            condition(ConditionKind::Failed, true, 9),
        ],
        ..job()
    }
}

fn pods() -> Vec<PodRecord> {
    let attempt = AttemptRecord {
        exit_code: Some(7),
        signal: None,
        reason: "Error".into(),
        started_at: at(3),
        finished_at: None,
        message: "not shown".into(),
        log: Some(LogRecord {
            lines: 2,
            bytes: 17,
            proven: true,
            reconnects: 1,
            ..LogRecord::default()
        }),
    };
    vec![PodRecord {
        name: "etl-x-abc".into(),
        uid: "p1".into(),
        node: "node1".into(),
        index: Some(0),
        containers: vec![ContainerRecord {
            attempts_unseen: 0,
            name: "main".into(),
            kind: ContainerKind::Main,
            attempts: vec![attempt],
        }],
    }]
}

fn ended(verdict: Verdict, job: JobView, cleanup: Cleanup) -> Ended {
    Ended {
        adopted: false,
        next: None,
        pods_unseen: 0,
        verdict,
        job: Some(job),
        cleanup,
        pods: pods(),
        warnings: vec![EventView {
            kind: "pod".into(),
            name: "etl-x-abc".into(),
            uid: "p1".into(),
            reason: "BackOff".into(),
            message: "Back-off restarting failed container".into(),
            warning: true,
            count: 3,
            last: at(8),
        }],
    }
}

const TRAFFIC: Traffic = Traffic {
    requests: 9,
    retries: 1,
    rewatches: 1,
};

fn begin(path: Option<PathBuf>) -> ResultFile {
    ResultFile::begin(path, Clock::set(at(0).unwrap())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_document_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let mut result = begin(Some(path.clone()));
    let read = || {
        let text = fs::read_to_string(&path).unwrap();
        expect_valid(&serde_json::from_str(&text).unwrap());
        text
    };
    result.about("team", Some("r1"));
    tokio::time::advance(Duration::from_millis(1500)).await;
    result.created(&job(), false).unwrap();
    insta::assert_snapshot!("while_it_runs", read());
    tokio::time::advance(Duration::from_secs(9)).await;
    let verdict = Verdict::new(Outcome::Failed, "BackoffLimitExceeded", "job/etl-x failed").with_code(Some(7));
    result.ended(&ended(verdict, failed(), Cleanup::Kept), TRAFFIC).unwrap();
    insta::assert_snapshot!("at_its_end", read());
}

#[test]
fn a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let verdict = Verdict::new(Outcome::Refused, "Refused", "job.yaml is empty").with_hint(Some("give a Job".into()));
    begin(Some(path.clone())).refused(&verdict).unwrap();
    let document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    expect_valid(&document);
    assert_eq!((&document["job"], &document["api"]), (&Value::Null, &Value::Null));
    assert_eq!(document["times"]["kjo"]["created_at"], Value::Null);
}

#[test]
fn every_outcome_is_as_the_schema_says() {
    let mut result = begin(None);
    result.about("team", None);
    let all = [
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Deadline,
        Outcome::StartFailed,
        Outcome::Infrastructure,
        Outcome::Deleted,
        Outcome::Unknown,
        Outcome::Interrupted(Signal::Terminate),
        Outcome::Refused,
    ];
    let cleanups = [
        Cleanup::Nothing,
        Cleanup::Kept,
        Cleanup::Deleted,
        Cleanup::Failed("forbidden".into()),
    ];
    for outcome in all {
        for cleanup in &cleanups {
            for unfinished in [true, false] {
                let mut verdict = Verdict::new(outcome, "Reason", "words");
                verdict.job_unfinished = unfinished;
                let document = result.of_ended(&ended(verdict.clone(), job(), cleanup.clone()), Traffic::default());
                expect_valid(&document);
                assert_eq!(document["exit_code"], exit::code(&verdict));
                let there = unfinished && outcome != Outcome::Deleted && *cleanup != Cleanup::Deleted;
                assert_eq!(document["job"]["still_running"], there, "{outcome:?} {cleanup:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "not as docs/result.schema.json says")]
fn the_schema_is_closed() {
    let mut document = begin(None).of_ended(
        &ended(Verdict::new(Outcome::Succeeded, "", ""), job(), Cleanup::Kept),
        Traffic::default(),
    );
    document["secret"] = "x".into();
    expect_valid(&document);
}

#[test]
fn without_a_path_nothing_is_written() {
    begin(None).created(&JobView::default(), false).unwrap();
}

#[test]
fn what_takes_one_document_gets_the_last() {
    let result = begin(Some("/dev/full".into()));
    result.created(&job(), false).unwrap();
    assert!(result.refused(&Verdict::new(Outcome::Refused, "", "")).is_err());
}
