//! A run whose inputs come in any order at any time.

use std::time::Duration;

use kjo::core::{
    adoption::{Adopt, AdoptFailed},
    exit,
    failure::Failure,
    job::JobView,
    log::{
        choice::{Choice, Declared, Prefix},
        follow::{Complete, Start},
    },
    machine::{
        Action, Counts, DeletePolicy, Deleted, Deletion, Identity, Input, LogNews, LogPlan, Machine, OnInterrupt, Plan,
        Seen, StreamId, Task,
    },
    naming::JobName,
    outcome::{Outcome, Signal},
    pod::PodView,
};
use serde_json::{Value, json};

const UID: &str = "0c9f";

fn job(condition: Option<(&str, &str)>) -> JobView {
    let conditions: Vec<Value> = condition
        .iter()
        .map(|(kind, reason)| json!({"type": kind, "status": "True", "reason": reason}))
        .collect();
    let job = json!({
        "metadata": {"name": "etl-x", "uid": UID, "annotations": {"kjo.dev/run-id": "r1"}},
        "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "i"}]}}},
        "status": {"conditions": conditions, "active": 1}
    });
    kjo::cluster::job_view(&job).expect("a Job")
}

fn pod(state: &Value) -> PodView {
    let pod = json!({
        "metadata": {"name": "etl-x-a", "uid": "p1"},
        "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "i"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": "c://1", "state": state
        }]}
    });
    PodView::from(&serde_json::from_value(pod).expect("a Pod"))
}

fn pods(byte: u8) -> PodView {
    match byte % 4 {
        0 => pod(&json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}})),
        1 => pod(&json!({"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:09Z"}})),
        2 => pod(&json!({"terminated": {"exitCode": 5, "finishedAt": "2026-01-01T00:00:09Z"}})),
        _ => pod(&json!({"waiting": {"reason": "ImagePullBackOff"}})),
    }
}

fn jobs(byte: u8) -> JobView {
    match byte % 4 {
        0 | 1 => job(None),
        2 => job(Some(("Complete", ""))),
        _ => job(Some(("Failed", "BackoffLimitExceeded"))),
    }
}

fn failure(byte: u8) -> Failure {
    if byte % 2 == 0 {
        Failure::Unreachable("refused".into())
    } else {
        Failure::Lost("reset".into())
    }
}

fn input(kind: u8, how: u8) -> Input {
    match kind % 20 {
        0 => Input::Created(Ok(job(None))),
        1 => Input::Created(Err(failure(how))),
        2 => Input::Read(Ok((how % 3 > 0).then(|| jobs(how)))),
        3 => Input::Read(Err(failure(how))),
        4 | 5 => Input::Job(Seen::One(jobs(how))),
        6 => Input::Job(Seen::Gone(jobs(how))),
        7 => Input::Job(Seen::Lost(failure(how))),
        8 => Input::Job(Seen::Back),
        9 | 10 => Input::Pods(Seen::One(pods(how))),
        11 => Input::Pods(Seen::Gone(pods(how))),
        12 => Input::Pods(Seen::All((0..how % 2).map(|_| pods(how / 2)).collect())),
        13 => Input::Log(
            StreamId(u32::from(how % 2)),
            LogNews::Done {
                complete: Complete::Yes,
                counts: Counts::default(),
            },
        ),
        14 => Input::Deleted(Ok(if how % 2 == 0 { Deletion::Gone } else { Deletion::Accepted })),
        15 => Input::Deleted(Err(failure(how))),
        16 => Input::Flushed(None),
        17 => Input::Signal(if how % 2 == 0 { Signal::Terminate } else { Signal::User }),
        18 => Input::Marked(Ok(())),
        _ => Input::Due,
    }
}

fn plan(byte: u8) -> Plan {
    Plan {
        job: "etl-x".into(),
        namespace: "team".into(),
        identity: Identity {
            run_id: "r1".into(),
            names: JobName::exact("etl-x"),
            first: 1,
            look: byte & 1 > 0,
            adopt: Adopt::Exact,
            adopt_failed: AdoptFailed::Report,
            replace: false,
        },
        task: Task::Run,
        companions: Vec::new(),
        logs: LogPlan {
            choice: Choice::default(),
            declared: Some(vec![Declared {
                name: "main".into(),
                init: false,
            }]),
            prefix: Prefix::Auto,
            streams: 2,
            start: Start::Beginning,
        },
        delete: if byte & 2 > 0 {
            DeletePolicy::OnSuccess
        } else {
            DeletePolicy::Never
        },
        deleted: if byte & 4 > 0 { Deleted::Gone } else { Deleted::Accepted },
        on_interrupt: OnInterrupt::Delete,
        on_orphaned: OnInterrupt::Delete,
        fail_on_log_gap: byte & 8 > 0,
        timeout: Some(Duration::from_secs(600)),
        connect_timeout: Duration::from_secs(30),
        schedule_timeout: Duration::from_secs(1800),
        startup_timeout: Duration::from_secs(600),
        fail_fast: byte & 16 > 0,
        main_container: None,
        main_decides: byte & 32 > 0,
        outage_budget: Duration::from_secs(900),
        seed: 1,
    }
}

/// Three bytes an input (what, how, when): a run ends at most once, says nothing after that, is 0 only for a
/// Job that was seen to succeed, and silence ends it.
pub fn machine(data: &[u8]) {
    let Some((first, history)) = data.split_first() else { return };
    let mut now = Duration::ZERO;
    let (mut machine, begun) = Machine::start(plan(*first), now);
    let mut ends = 0;
    let mut succeeded = false;
    let mut heard = |actions: Vec<Action>, succeeded: bool| {
        assert!(ends == 0 || actions.is_empty(), "something happened after the end");
        for action in actions {
            if let Action::Finish(ended) = action {
                ends += 1;
                let zero = exit::code(&ended.verdict) == 0;
                assert!(!zero || succeeded, "0 without a success: {:?}", ended.verdict);
                assert!(!zero || ended.verdict.outcome == Outcome::Succeeded);
            }
        }
        ends
    };
    heard(begun, false);
    for three in history.chunks_exact(3).take(200) {
        let &[kind, how, when] = three else { return };
        now += Duration::from_secs(u64::from(when % 32));
        let input = input(kind, how);
        succeeded |= format!("{input:?}").contains("Complete") || matches!(&input, Input::Pods(_));
        heard(machine.handle(input, now), succeeded);
    }
    for _ in 0..6 {
        now += Duration::from_secs(2000);
        heard(machine.handle(Input::Due, now), succeeded);
        heard(machine.handle(Input::Flushed(None), now), succeeded);
    }
    assert_eq!(heard(Vec::new(), succeeded), 1, "silence ends it");
}
