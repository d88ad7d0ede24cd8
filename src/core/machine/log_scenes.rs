//! Scenes about logs: which are read, how many at once, what is said of them in the end; and a Job that
//! is only attached to.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the actions it is about")]

use super::*;
use crate::core::{log::memory::Gap, log::stamp::Stamp};

fn numbered(n: usize, state: State) -> PodView {
    PodView {
        name: format!("etl-x-{n}"),
        uid: format!("pod-{n}"),
        ..pod(state)
    }
}

fn running_as(n: usize) -> PodView {
    let id = format!("c://{n}");
    let started_at = jiff::Timestamp::from_second(1_793_577_600).ok();
    numbered(n, State::Running { id, started_at })
}

fn waiting(n: usize) -> PodView {
    let (reason, message) = (String::new(), String::new());
    numbered(n, State::Waiting { reason, message })
}

fn followed(run: &Run) -> Vec<(u32, bool)> {
    let mut states = std::collections::BTreeMap::new();
    for action in &run.log {
        match action {
            Action::Follow(source) => states.insert(source.stream.0, source.state.followed),
            Action::Life { stream, state } => states.insert(stream.0, state.followed),
            _ => None,
        };
    }
    states.into_iter().collect()
}

fn sources(run: &Run) -> Vec<LogSource> {
    let source = |action: &Action| match action {
        Action::Follow(source) => Some(source.clone()),
        _ => None,
    };
    run.log.iter().filter_map(source).collect()
}

#[test]
fn beyond_the_limit_logs_are_read_in_turn_and_failed_ones_come_first() {
    let logs = LogPlan {
        streams: 2,
        ..log_plan()
    };
    let mut run = Run::new(Plan { logs, ..plan() });
    run.input(Input::Created(Ok(job(None))));
    run.input(Input::Pods(Seen::All((0..5).map(running_as).collect())));
    assert_eq!(
        followed(&run),
        [(0, true), (1, true), (2, false), (3, false), (4, false)]
    );
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::InTurn(2))))),
        1
    );
    let failed = numbered(
        4,
        State::Terminated(Termination {
            id: "c://4".into(),
            exit_code: 3,
            ..Termination::default()
        }),
    );
    run.input(Input::Pods(Seen::One(failed))).input(done(1));
    assert_eq!(
        followed(&run),
        [(0, true), (1, true), (2, false), (3, false), (4, true)]
    );
    run.input(done(0)).input(done(4));
    assert!(followed(&run).iter().all(|(_, followed)| *followed));
}

#[test]
fn a_container_that_was_not_seen_to_start_may_have_lost_its_beginning() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))));
    run.input(Input::Pods(Seen::All(vec![running_as(1), waiting(2)])));
    run.input(Input::Pods(Seen::One(running_as(2))));
    let late: Vec<bool> = sources(&run).iter().map(|s| s.late).collect();
    assert_eq!(late, [true, false]);
}

#[test]
fn a_success_with_a_known_gap_has_a_code_of_its_own_if_that_is_asked_for() {
    let at = |seconds| Stamp { seconds, nanos: 0 };
    let gap = Gap { from: at(1), to: at(5) };
    for (fail_on_log_gap, code) in [(false, 0), (true, 120)] {
        let mut run = Run::streaming(Plan {
            fail_on_log_gap,
            ..plan()
        });
        run.input(Input::Log(StreamId(0), LogNews::Gap(gap)))
            .input(Input::Pods(Seen::One(ended(0))))
            .input(Input::Job(Seen::One(complete())))
            .input(done(0))
            .input(Input::Flushed(None))
            .input(Input::Deleted(Ok(Deletion::Gone)));
        assert_eq!(run.code(), code);
        let log = run.ended().unwrap().pods[0].containers[0].attempts[0].log.unwrap();
        assert_eq!((log.gaps, log.wholeness().name()), (1, "gap"));
    }
}

#[test]
fn what_a_log_had_brought_is_in_the_record_also_when_it_is_given_up() {
    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::One(failed()))).pass(31);
    let counts = Counts {
        lines: 7,
        bytes: 70,
        reconnects: 2,
    };
    // The shell tells it when it ends the reader.
    run.input(Input::Log(StreamId(0), LogNews::Progress(counts)))
        .pass(34)
        .input(Input::Flushed(None));
    let log = run.ended().unwrap().pods[0].containers[0].attempts[0].log.unwrap();
    assert_eq!((log.lines, log.wholeness().name()), (7, "unproven"));
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::Ledger(_))))),
        1
    );
}

fn attach(start: Start) -> Run {
    let logs = LogPlan {
        declared: None,
        start,
        ..log_plan()
    };
    Run::new(Plan {
        task: Task::Attach,
        delete: DeletePolicy::Never,
        logs,
        ..plan()
    })
}

/// As read from the API: it knows its containers.
fn read() -> JobView {
    JobView {
        declared: log_plan().declared.unwrap(),
        ..job(None)
    }
}

#[test]
fn attaching_follows_to_the_end_and_deletes_nothing() {
    let mut run = attach(Start::Beginning);
    assert!(matches!(run.log.last(), Some(Action::ReadJob)));
    run.input(Input::Read(Err(Failure::Unreachable("refused".into()))))
        .wait()
        .input(Input::Read(Ok(Some(read()))))
        .input(Input::Pods(Seen::All(vec![running()])))
        .input(Input::Pods(Seen::One(ended(7))))
        .input(Input::Job(Seen::One(failed())))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (7, 0));

    let mut run = attach(Start::Beginning);
    run.input(Input::Read(Ok(Some(read()))))
        .input(Input::Pods(Seen::All(vec![running()])))
        .input(Input::Signal(Signal::Terminate))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (143, 0), "a signal only detaches");
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::Leaving { .. }))), 1);
}

#[test]
fn attaching_to_nothing_is_refused_and_an_unreachable_server_leaves_it_unknown() {
    let mut run = attach(Start::Beginning);
    run.input(Input::Read(Ok(None)));
    assert_eq!(run.code(), 125);
    let mut run = attach(Start::Beginning);
    run.input(Input::Read(Err(answered(403, "Forbidden"))));
    assert_eq!(run.code(), 125);
    let mut run = attach(Start::Beginning);
    while run.ended().is_none() {
        run.input(Input::Read(Err(answered(503, "")))).wait();
    }
    assert_eq!((run.code(), run.now), (121, Duration::from_secs(30)));
}

#[test]
fn only_what_had_started_before_attaching_is_read_in_part() {
    for start in [Start::Now, Start::Tail(3)] {
        let mut run = attach(start);
        let over = PodView {
            name: "over".into(),
            uid: "over".into(),
            ..pod(State::Terminated(Termination {
                id: "c://over".into(),
                started_at: jiff::Timestamp::from_second(1).ok(),
                ..Termination::default()
            }))
        };
        run.input(Input::Read(Ok(Some(read()))))
            .input(Input::Pods(Seen::All(vec![running_as(1), over])))
            .input(Input::Pods(Seen::One(waiting(2))))
            .input(Input::Pods(Seen::One(running_as(2))));
        let starts: Vec<_> = sources(&run).iter().map(|s| (s.pod.clone(), s.start)).collect();
        let mut expected = vec![("etl-x-1".to_owned(), start)];
        if start != Start::Now {
            expected.push(("over".to_owned(), start));
        }
        expected.push(("etl-x-2".to_owned(), Start::Beginning));
        assert_eq!(starts, expected);
    }
}

#[test]
fn what_the_kubelet_says_again_and_again_is_told_once() {
    let mut run = Run::streaming(plan());
    for text in ["too many open files", "too many open files", "no such container"] {
        run.input(Input::Log(StreamId(0), LogNews::Kubelet(text.into())));
    }
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::Kubelet { .. })))),
        2
    );
}

#[test]
fn attempts_that_nobody_saw_are_told_by_their_number() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))));
    let told = |run: &Run| -> usize {
        let unseen = run.log.iter().filter_map(|action| match action {
            Action::Say(Notice::Log(LogNotice::AttemptsUnseen { count, .. })) => Some(*count),
            _ => None,
        });
        unseen.sum()
    };
    for (restarts, id, unseen) in [(0, 1, 0), (1, 2, 0), (4, 5, 2), (4, 5, 2), (5, 6, 2)] {
        let mut pod = running_as(id);
        pod.uid = "the same".into();
        pod.containers[0].restart_count = restarts;
        run.input(Input::Pods(Seen::All(vec![pod])));
        assert_eq!(told(&run), unseen, "at restart {restarts}");
    }
}

#[test]
fn pods_that_went_with_their_job_before_they_were_listed_are_told() {
    let mut run = Run::new(plan());
    let active = JobView { active: 2, ..job(None) };
    run.input(Input::Created(Ok(job(None))))
        .input(Input::Pods(Seen::Lost(Failure::Lost("reset".into()))))
        .input(Input::Job(Seen::One(active.clone())))
        .input(Input::Job(Seen::Gone(active)))
        .input(Input::Read(Ok(None)))
        .pass(60);
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::PodsUnseen(2)))), 1);
}

#[test]
fn an_api_server_that_goes_away_at_the_end_is_waited_for() {
    let refused = || Failure::Unreachable("refused".into());
    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::One(complete())));
    for _ in 0..60 {
        run.input(Input::Log(StreamId(0), LogNews::OutOfReach(refused())))
            .pass(10);
    }
    let lost = |run: &Run| run.count(|a| matches!(a, Action::Say(Notice::ConnectionLost { .. })));
    let flushed = |run: &Run| run.count(|a| matches!(a, Action::Flush));
    assert_eq!(
        (lost(&run), flushed(&run)),
        (1, 0),
        "ten minutes are no reason to give a log up"
    );
    run.input(Input::Log(StreamId(0), LogNews::Progress(Counts::default())));
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::ConnectionBack { .. }))),
        1
    );
    run.pass(29);
    assert_eq!(flushed(&run), 0);
    run.pass(1);
    assert_eq!(flushed(&run), 1, "now it is silent");

    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::Lost(refused())))
        .input(Input::Job(Seen::One(failed())));
    run.pass(899);
    assert_eq!(
        flushed(&run),
        0,
        "the pods are out of sight, and with them the exit code"
    );
    run.input(Input::Pods(Seen::One(ended(7))))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 7);

    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::One(complete())));
    for _ in 0..100 {
        run.input(Input::Log(StreamId(0), LogNews::OutOfReach(refused())))
            .pass(10);
    }
    assert_eq!(flushed(&run), 1, "the outage budget is over");
}

#[test]
fn a_log_that_cannot_be_read_is_told_once_while_the_job_runs() {
    let failure = || answered(502, "");
    let mut run = Run::streaming(plan());
    for _ in 0..50 {
        run.input(Input::Log(StreamId(0), LogNews::OutOfReach(failure())))
            .pass(10);
    }
    let told = |run: &Run| run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::Unreadable { .. }))));
    assert_eq!(told(&run), 1);
    for _ in 0..2 {
        run.input(Input::Log(StreamId(0), LogNews::Progress(Counts::default())));
    }
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::ReadAgain { .. })))),
        1
    );
}

#[test]
fn attempts_that_nobody_saw_are_missing_lines() {
    let mut run = Run::new(Plan {
        fail_on_log_gap: true,
        ..plan()
    });
    run.input(Input::Created(Ok(job(None))));
    let mut pod = running_as(1);
    run.input(Input::Pods(Seen::One(pod.clone()))).input(done(0));
    // The status jumps from the first attempt to the fourth: of the third nothing is left but its end.
    pod.containers[0].restart_count = 3;
    pod.containers[0].state = State::Running {
        id: "c://4".into(),
        started_at: None,
    };
    run.input(Input::Pods(Seen::One(pod.clone())));
    pod.containers[0].state = State::Terminated(Termination {
        id: "c://4".into(),
        ..Termination::default()
    });
    pod.phase = Phase::Succeeded;
    run.input(Input::Pods(Seen::One(pod)))
        .input(done(1))
        .input(Input::Job(Seen::One(complete())))
        .input(Input::Flushed(None))
        .input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(run.code(), 120);
    let container = &run.ended().unwrap().pods[0].containers[0];
    assert_eq!((container.attempts.len(), container.attempts_unseen), (2, 2));
    assert!(container.attempts.iter().all(|attempt| attempt.log.is_some()));
}
