//! More scenes: time-outs, outages, pods and Jobs of others.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the actions it is about")]

use super::*;

#[test]
fn a_timeout_deletes_unless_told_never_to() {
    let timeout = Some(Duration::from_secs(60));
    let mut run = Run::streaming(Plan { timeout, ..plan() });
    run.pass(60);
    assert_eq!(run.deletes(), [Propagation::Foreground]);
    run.input(Input::Deleted(Ok(Deletion::Accepted)));
    run.input(Input::Pods(Seen::Gone(ended(143))))
        .input(done(0))
        .input(Input::Job(Seen::Gone(job(None))));
    run.input(Input::Flushed(None));
    assert_eq!(run.code(), 124);

    let mut run = Run::streaming(Plan {
        timeout,
        delete: DeletePolicy::Never,
        ..plan()
    });
    run.pass(100).input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (124, 0));
    assert_eq!(run.ended().unwrap().cleanup, Cleanup::Kept);
}

#[test]
fn a_timeout_while_the_create_is_under_way_does_not_leave_its_job_behind() {
    let timeout = Some(Duration::from_secs(3));
    let mut run = Run::new(Plan { timeout, ..plan() });
    run.pass(4);
    assert!(run.ended().is_none(), "the request may be making the Job");
    run.input(Input::Created(Ok(job(None)))).wait();
    assert_eq!(run.deletes(), [Propagation::Foreground]);
    run.input(Input::Deleted(Ok(Deletion::Gone)))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 124);

    let mut run = Run::new(Plan { timeout, ..plan() });
    run.input(Input::Created(Err(Failure::Unreachable("refused".into()))));
    while run.ended().is_none() {
        run.wait()
            .input(Input::Created(Err(Failure::Unreachable("refused".into()))));
    }
    assert_eq!((run.code(), run.now), (124, Duration::from_secs(3)));
}

#[test]
fn pods_that_may_not_be_watched_are_told_once() {
    let mut run = Run::streaming(plan());
    for _ in 0..3 {
        run.input(Input::Pods(Seen::Lost(answered(403, "Forbidden"))));
    }
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::PodsDenied(_)))), 1);
}

#[test]
fn a_job_that_finished_while_its_create_was_asked_after_is_not_waited_for() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Err(Failure::Lost("reset".into())))).wait();
    run.input(Input::Read(Ok(Some(failed()))));
    run.input(Input::Pods(Seen::All(vec![ended(4)])))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 4);
}

#[test]
fn deleted_is_believed_from_a_fresh_read_only() {
    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::Gone(job(None))));
    assert!(matches!(run.log.last(), Some(Action::ReadJob)));
    run.input(Input::Read(Ok(Some(job(None)))));
    assert!(run.ended().is_none(), "it is still there");
    run.input(Input::Job(Seen::Gone(job(None))))
        .input(Input::Read(Ok(None)));
    run.input(Input::Pods(Seen::Gone(ended(143))))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (123, 0));
}

#[test]
fn another_job_of_the_name_is_another_job() {
    let mut run = Run::streaming(plan());
    let other = JobView {
        uid: "other".into(),
        ..complete()
    };
    run.input(Input::Job(Seen::One(other.clone())))
        .input(Input::Read(Ok(Some(other))));
    run.pass(40).input(Input::Flushed(None));
    assert_eq!(
        (run.code(), run.deletes().len()),
        (123, 0),
        "and its success is not ours"
    );
}

#[test]
fn an_outage_is_told_once_and_ends_unknown_with_the_job_left_alone() {
    let lost = || Seen::Lost(Failure::Unreachable("refused".into()));
    let mut run = Run::streaming(Plan {
        outage_budget: Duration::from_secs(60),
        ..plan()
    });
    run.input(Input::Job(lost()))
        .input(Input::Pods(Seen::Lost(Failure::Lost("reset".into()))))
        .pass(12);
    run.input(Input::Job(Seen::Back)).input(Input::Pods(Seen::Back));
    let told = run.count(|a| {
        matches!(
            a,
            Action::Say(Notice::ConnectionLost { .. } | Notice::ConnectionBack { .. })
        )
    });
    assert_eq!(told, 2);
    run.input(Input::Job(lost())).pass(60).input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (121, 0));
}

#[test]
fn an_announced_end_that_a_stuck_pod_keeps_away_holds_all_the_same() {
    let mut run = Run::streaming(plan());
    let announced = job(Some((ConditionKind::FailureTarget, "BackoffLimitExceeded")));
    run.input(Input::Job(Seen::One(announced))).pass(59);
    assert!(run.ended().is_none());
    run.pass(40).input(Input::Flushed(None));
    assert_eq!(run.code(), 123, "failed, and no container has ended");
}

#[test]
fn a_pod_of_somebody_else_is_not_read() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))));
    let stranger = PodView {
        owner_uid: Some("other".into()),
        ..running()
    };
    run.input(Input::Pods(Seen::All(vec![stranger])));
    assert_eq!(run.count(|a| matches!(a, Action::Follow(_))), 0);
}

#[test]
fn every_attempt_has_a_log_of_its_own() {
    let mut run = Run::streaming(plan());
    let mut restarted = pod(State::Running {
        id: "c://2".into(),
        started_at: None,
    });
    restarted.containers[0].last = Some(Termination {
        id: "c://1".into(),
        exit_code: 1,
        ..Termination::default()
    });
    run.input(Input::Pods(Seen::One(restarted.clone())))
        .input(Input::Pods(Seen::One(restarted)));
    let followed: Vec<_> = run
        .log
        .iter()
        .filter_map(|a| match a {
            Action::Follow(source) => Some((source.container_id.as_str(), source.state.previous)),
            _ => None,
        })
        .collect();
    assert_eq!(followed, [("c://1", false), ("c://2", false)]);
    assert_eq!(
        run.count(|a| matches!(a, Action::Life { state, .. } if state.previous)),
        1,
        "the first attempt is the previous one now"
    );
}

#[test]
fn a_job_that_somebody_deletes_is_told_and_not_waited_for_without_end() {
    let mut run = Run::streaming(plan());
    let deleting = JobView {
        deleting: true,
        ..job(None)
    };
    run.input(Input::Job(Seen::One(deleting))).pass(59);
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::BeingDeleted { .. }))), 1);
    assert!(run.ended().is_none(), "its pods have their grace");
    run.pass(2)
        .input(Input::Pods(Seen::Gone(running())))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (123, 0));
}

#[test]
fn a_deletion_that_was_seen_needs_no_permission_to_be_believed() {
    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::Gone(job(None))))
        .input(Input::Read(Err(answered(403, "Forbidden"))))
        .input(Input::Pods(Seen::Gone(running())))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 123);

    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::All(vec![])));
    for _ in 0..300 {
        run.input(Input::Read(Err(answered(403, "Forbidden")))).pass(5);
    }
    run.input(Input::Flushed(None));
    assert_eq!(run.code(), 121, "here it was not");
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::ConnectionLost { .. }))),
        1
    );
}

#[test]
fn what_is_announced_is_not_concluded_out_of_sight() {
    let mut run = Run::streaming(plan());
    let announced = job(Some((ConditionKind::FailureTarget, "BackoffLimitExceeded")));
    run.input(Input::Job(Seen::One(announced)))
        .input(Input::Job(Seen::Lost(Failure::Lost("reset".into()))))
        .pass(300);
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0);
    run.input(Input::Job(Seen::Back)).pass(50);
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0, "its pods have their time");
    // Its pod will not go, and writes on: that is no reason to wait for ever.
    for _ in 0..30 {
        run.input(Input::Log(StreamId(0), LogNews::Progress(Counts::default())))
            .pass(5);
    }
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 1);
}
