//! All of kjo's words in one sitting.

use std::time::Duration;

use super::*;
use crate::core::{
    diagnosis::Category,
    event::EventView,
    failure::{Failure, Status},
    notice::AdoptionNotice,
    outcome::Signal,
    record::{FailedAttempt, FailureReport},
};

fn gap() -> Gap {
    let at = |seconds| Stamp {
        seconds,
        nanos: 5_000_000,
    };
    Gap {
        from: at(1_790_000_000),
        to: at(1_790_000_042),
    }
}

fn stalled(category: Category, cure: Cure, nothing_runs: bool) -> Notice {
    let diagnosis = Diagnosis {
        category,
        object: "pod/etl-x-abcde".into(),
        container: (category == Category::ImagePull).then(|| "main".into()),
        words: "in the cluster's words".into(),
        hint: Some("do that".into()),
        cure,
    };
    Notice::Stalled {
        diagnosis,
        nothing_runs,
    }
}

/// One of each, and more where the words differ.
#[expect(clippy::too_many_lines, reason = "one of each, in one sitting")]
pub(crate) fn notices() -> Vec<Notice> {
    let lost = || Failure::Lost("connection reset by peer".into());
    let (pod, container) = (|| "etl-x-abcde".to_owned(), || "main".to_owned());
    let job = || "etl-x".to_owned();
    let verdict = |outcome, code| {
        Notice::Verdict(
            Verdict::new(outcome, "Reason", "job/etl-x did something")
                .with_code(code)
                .with_hint(Some("do that".into())),
        )
    };
    vec![
        Notice::Target {
            server: "https://127.0.0.1:6443".into(),
            namespace: "team".into(),
        },
        Notice::Adjusted("ttlSecondsAfterFinished raised from 0 to 300".into()),
        Notice::ServerWarning("metadata.name: this is used in the Pod's hostname".into()),
        Notice::CreateDelayed {
            failure: lost(),
            left: Duration::from_secs(29),
        },
        Notice::Created { job: job() },
        Notice::Adoption(AdoptionNotice::Adopted {
            job: job(),
            finished: false,
            difference: None,
            others: Vec::new(),
        }),
        Notice::Adoption(AdoptionNotice::Adopted {
            job: job(),
            finished: true,
            difference: Some("args of container main".into()),
            others: vec!["etl-y".into(), "etl-z".into()],
        }),
        Notice::Adoption(AdoptionNotice::LookDenied(lost())),
        Notice::Adoption(AdoptionNotice::Unmarkable {
            jobs: vec![job()],
            run_id: "nightly".into(),
        }),
        Notice::Adoption(AdoptionNotice::StillEnding {
            pods: vec![pod()],
            left: Duration::from_secs(60),
        }),
        Notice::Companion {
            object: "ConfigMap/settings".into(),
            existed: false,
        },
        Notice::Companion {
            object: "Service/db".into(),
            existed: true,
        },
        Notice::JobFirst,
        Notice::Adoption(AdoptionNotice::NotWaiting { pods: Vec::new() }),
        Notice::Adoption(AdoptionNotice::NotWaiting { pods: vec![pod()] }),
        Notice::Ending {
            why: "job/etl-x was not done within --timeout 3s".into(),
            grace: Duration::from_secs(30),
        },
        Notice::Adoption(AdoptionNotice::Replacing { job: job() }),
        Notice::Adoption(AdoptionNotice::NotMarked {
            job: job(),
            why: "jobs.batch \"etl-x\" is forbidden (HTTP 403)".into(),
        }),
        Notice::Adoption(AdoptionNotice::NotMarked {
            job: job(),
            why: "the server did not answer in time".into(),
        }),
        Notice::Adoption(AdoptionNotice::EarlierEnded(
            Verdict::new(Outcome::Failed, "BackoffLimitExceeded", "job/etl-x failed").with_code(Some(3)),
        )),
        Notice::Gone { job: "etl-x".into() },
        Notice::NothingToDelete("there is no job/etl-x in namespace team".into()),
        stalled(Category::Unschedulable, Cure::Time, true),
        stalled(Category::ImagePull, Cure::Time, false),
        stalled(Category::Queued, Cure::Patience, true),
        Notice::EventsDenied(lost()),
        Notice::BeingDeleted { job: job() },
        Notice::MainEnded {
            pod: pod(),
            container: container(),
            others: vec!["istio-proxy".into()],
        },
        Notice::ContainerFailed {
            pod: pod(),
            container: container(),
            exit_code: 1,
            reason: String::new(),
        },
        Notice::ContainerFailed {
            pod: pod(),
            container: container(),
            exit_code: 137,
            reason: "OOMKilled".into(),
        },
        Notice::PodsDenied(lost()),
        Notice::Log(LogNotice::Denied {
            pod: pod(),
            container: container(),
            failure: lost(),
        }),
        Notice::Log(LogNotice::Gap {
            pod: pod(),
            container: container(),
            gap: gap(),
        }),
        Notice::Log(LogNotice::Torn {
            pod: "etl-x-1".into(),
            container: "main".into(),
        }),
        Notice::Log(LogNotice::Unproven {
            pod: pod(),
            container: container(),
        }),
        Notice::Log(LogNotice::Marker {
            pod: pod(),
            container: container(),
            why: "the value of a marker line \"xcom\" is JSON, but no object".into(),
        }),
        Notice::Log(LogNotice::Kubelet {
            pod: pod(),
            container: container(),
            text: "too many open files".into(),
        }),
        Notice::ConnectionLost {
            failure: lost(),
            budget: Duration::from_secs(900),
        },
        Notice::ConnectionBack {
            after: Duration::from_secs(12),
        },
        Notice::Announced {
            reason: "BackoffLimitExceeded".into(),
            message: "Job has reached the specified backoff limit".into(),
        },
        Notice::Log(LogNotice::GivenUp {
            pods: vec![pod()],
            namespace: "team".into(),
        }),
        Notice::Log(LogNotice::LateStart {
            pod: pod(),
            container: container(),
        }),
        Notice::Log(LogNotice::Unreadable {
            pod: pod(),
            container: container(),
            failure: lost(),
        }),
        Notice::Log(LogNotice::ReadAgain {
            pod: pod(),
            container: container(),
        }),
        Notice::Log(LogNotice::AttemptsUnseen {
            pod: pod(),
            container: container(),
            count: 1,
        }),
        Notice::Log(LogNotice::AttemptsUnseen {
            pod: pod(),
            container: container(),
            count: 3,
        }),
        Notice::Log(LogNotice::InTurn(200)),
        Notice::EventsUnread(lost()),
        Notice::WatchDenied {
            resource: "jobs",
            failure: lost(),
        },
        Notice::Leaving {
            signal: Signal::Interrupt,
            job: job(),
        },
        Notice::Attached { job: job() },
        Notice::ConnectionLost {
            failure: Failure::Answered(Box::new(Status {
                code: 403,
                message: "jobs.batch \"etl-x\" is forbidden".into(),
                ..Status::default()
            })),
            budget: Duration::from_secs(900),
        },
        Notice::PodsUnseen(1),
        Notice::PodsUnseen(2),
        Notice::StdoutFailed("No space left on device".into()),
        Notice::ResultFileFailed {
            path: "/r/x.json".into(),
            why: "Permission denied".into(),
        },
        Notice::Stopping(Signal::Terminate),
        Notice::Deleted {
            job: job(),
            ending: vec![],
        },
        Notice::Deleted {
            job: job(),
            ending: vec![pod()],
        },
        Notice::DeleteFailed {
            job: job(),
            namespace: "team".into(),
            why: "the server did not answer in time".into(),
        },
        Notice::Kept {
            job: job(),
            namespace: "team".into(),
            unfinished: true,
            pods: 1,
            ttl_seconds: Some(259_200),
        },
        Notice::Kept {
            job: job(),
            namespace: "team".into(),
            unfinished: false,
            pods: 2,
            ttl_seconds: Some(259_200),
        },
        Notice::Kept {
            job: job(),
            namespace: "team".into(),
            unfinished: false,
            pods: 0,
            ttl_seconds: None,
        },
        verdict(Outcome::Succeeded, None),
        verdict(Outcome::Failed, Some(7)),
        verdict(Outcome::Deadline, None),
        verdict(Outcome::StartFailed, None),
        verdict(Outcome::Infrastructure, None),
        verdict(Outcome::Deleted, None),
        verdict(Outcome::Unknown, None),
        verdict(Outcome::Interrupted(Signal::Interrupt), None),
        verdict(Outcome::Detached(Some(Signal::User)), None),
        verdict(Outcome::Detached(None), None),
        verdict(Outcome::Refused, None),
        Notice::Sandbox {
            user: "ada".into(),
            isolation: Isolation::Bubblewrap,
        },
        Notice::Sandbox {
            user: "ada".into(),
            isolation: Isolation::None { why: None },
        },
        Notice::Sandbox {
            user: "ada".into(),
            isolation: Isolation::None {
                why: Some("there is no bwrap on the PATH".into()),
            },
        },
        Notice::Milestone(Milestone::Scheduled {
            pod: pod(),
            node: "node-7".into(),
        }),
        Notice::Milestone(Milestone::Started {
            pod: pod(),
            container: container(),
        }),
        Notice::Milestone(Milestone::Restarted {
            pod: pod(),
            container: container(),
            attempt: 2,
        }),
        Notice::Milestone(Milestone::Replaced {
            pod: pod(),
            before: "etl-x-first".into(),
        }),
        Notice::Log(LogNotice::Ledger(Vec::new())),
        Notice::Failure(FailureReport {
            failed: vec![FailedAttempt {
                pod: pod(),
                node: "node-7".into(),
                container: container(),
                attempt: 2,
                exit_code: 137,
                signal: Some(9),
                reason: "OOMKilled".into(),
                seconds: Some(61),
            }],
            limit: Some("backoffLimit: 1".into()),
            warnings: vec![EventView {
                kind: "pod".into(),
                name: pod(),
                reason: "BackOff".into(),
                message: "Back-off restarting failed container".into(),
                warning: true,
                count: 7,
                ..EventView::default()
            }],
        }),
    ]
}

#[test]
fn every_notice() {
    let said: String = notices().iter().map(|n| framed(&of(n))).collect();
    insta::assert_snapshot!(said);
}

#[test]
fn a_refusal() {
    insta::assert_snapshot!(framed(&refusal(&Refusal::new("job.yaml is empty", "give a file with one Job"))), @r"
    kjo: error: job.yaml is empty
    kjo: hint: give a file with one Job
    ");
}
