//! Scenes in which nothing runs: what is told of it and when, what is asked for, and when it is given up;
//! and one in which only the main container counts.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the actions it is about")]

use super::*;
use crate::core::{diagnosis::Category, event::EventView, pod::ContainerKind};

fn waiting(reason: &str, message: &str) -> Input {
    let pod = PodView {
        node: "node1".into(),
        ..pod(State::Waiting {
            reason: reason.into(),
            message: message.into(),
        })
    };
    Input::Pods(Seen::One(pod))
}

fn unscheduled(uid: &str) -> Input {
    let (reason, message) = (String::new(), String::new());
    let pod = PodView {
        uid: uid.into(),
        unscheduled: Some("0/1 nodes are available: 1 Insufficient cpu".into()),
        ..pod(State::Waiting { reason, message })
    };
    Input::Pods(Seen::One(pod))
}

fn event(uid: &str, reason: &str, message: &str) -> EventView {
    EventView {
        uid: uid.into(),
        reason: reason.into(),
        message: message.into(),
        warning: true,
        count: 1,
        ..EventView::default()
    }
}

/// A run whose Job exists, without pods.
fn begun(plan: Plan) -> Run {
    let mut run = Run::new(plan);
    run.input(Input::Created(Ok(job(None))))
        .input(Input::Pods(Seen::All(vec![])));
    run
}

fn told(run: &Run) -> Vec<Category> {
    let told = |action: &Action| match action {
        Action::Say(Notice::Stalled { diagnosis, .. }) => Some(diagnosis.category),
        _ => None,
    };
    run.log.iter().filter_map(told).collect()
}

fn looks(run: &Run) -> usize {
    run.count(|a| matches!(a, Action::ListEvents { .. }))
}

/// Ends what has been given up.
fn over(run: &mut Run) -> u8 {
    assert_eq!(run.deletes(), [Propagation::Foreground], "what never ran does not stay");
    run.input(Input::Deleted(Ok(Deletion::Gone)))
        .input(Input::Job(Seen::Gone(job(None))))
        .input(Input::Pods(Seen::All(vec![])))
        .input(Input::Flushed(None));
    run.code()
}

#[test]
fn what_waiting_does_not_heal_is_given_up_at_once() {
    let mut run = begun(plan());
    run.input(waiting("InvalidImageName", "couldn't parse it"));
    assert_eq!(over(&mut run), 122);
    let verdict = &run.ended().unwrap().verdict;
    assert_eq!(verdict.reason, "InvalidImageName");
    assert!(verdict.message.contains("couldn't parse it") && verdict.hint.is_some());
}

#[test]
fn an_image_that_is_not_found_gets_two_tries_more() {
    let mut run = begun(plan());
    run.input(waiting("ErrImagePull", "nope: not found")).pass(1);
    assert_eq!(told(&run), []);
    run.pass(2)
        .input(waiting("ImagePullBackOff", "Back-off: nope: not found"))
        .pass(9);
    assert_eq!((told(&run), run.deletes().len()), (vec![Category::ImageNotFound], 0));
    run.pass(4);
    assert_eq!(over(&mut run), 122);

    let mut run = begun(plan());
    run.input(waiting("ErrImagePull", "nope: not found")).pass(10);
    run.input(Input::Pods(Seen::One(running()))).pass(60);
    assert_eq!((told(&run).len(), run.ended().is_some()), (1, false), "it was a hiccup");
}

#[test]
fn what_somebody_may_make_gets_a_grace() {
    let mut run = begun(plan());
    let missing = || waiting("CreateContainerConfigError", "secret \"db\" not found");
    run.input(missing()).pass(100).input(missing()).pass(19);
    assert_eq!((told(&run), run.deletes().len()), (vec![Category::ConfigMissing], 0));
    run.pass(2);
    assert_eq!(over(&mut run), 122);
}

#[test]
fn who_wants_to_wait_waits_until_the_limit() {
    let mut run = begun(Plan {
        fail_fast: false,
        ..plan()
    });
    run.input(waiting("InvalidImageName", "no")).pass(599);
    assert_eq!((told(&run), run.deletes().len()), (vec![Category::ImageName], 0));
    run.pass(2);
    assert_eq!(over(&mut run), 122);
    assert!(run.ended().unwrap().verdict.message.contains("--startup-timeout 10m"));
}

#[test]
fn why_there_is_no_pod_only_events_tell() {
    let mut run = begun(plan());
    run.pass(7);
    assert_eq!(looks(&run), 0, "an ordinary start costs no request");
    run.pass(1);
    assert!(matches!(run.log.last(), Some(Action::ListEvents { uid }) if uid == UID));
    let refused = "Error creating: pods \"x\" is forbidden: violates PodSecurity \"restricted\": x";
    run.input(Input::Events(Ok(vec![event(UID, "FailedCreate", refused)])));
    assert_eq!(over(&mut run), 122);
    let ended = run.ended().unwrap();
    assert_eq!(
        (ended.verdict.reason.as_str(), ended.warnings.len()),
        ("PodSecurity", 1)
    );
}

#[test]
fn silence_is_told_too_and_events_are_asked_for_seldom() {
    let mut run = begun(Plan {
        schedule_timeout: Duration::from_secs(7200),
        ..plan()
    });
    for _ in 0..3600 {
        let before = looks(&run);
        run.pass(1);
        if looks(&run) > before {
            run.input(Input::Events(Err(answered(403, "Forbidden"))));
        }
        if run.now == Duration::from_secs(15) {
            assert_eq!(told(&run), [Category::NoPod]);
        }
    }
    assert!((20..30).contains(&looks(&run)), "{} looks in an hour", looks(&run));
    assert_eq!(told(&run).len(), 1);
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::EventsDenied(_)))), 1);
}

#[test]
fn a_node_is_looked_for_for_so_long_and_a_queue_does_not_count() {
    let mut run = begun(plan());
    run.input(unscheduled("first")).pass(60);
    let suspended = JobView {
        suspended: true,
        queue: Some("batch".into()),
        ..job(None)
    };
    run.input(Input::Job(Seen::One(suspended)))
        .input(Input::Pods(Seen::All(vec![])))
        .pass(50_000);
    assert_eq!(told(&run), [Category::Unschedulable, Category::Queued]);
    run.input(Input::Job(Seen::One(job(None))))
        .input(unscheduled("second"))
        .pass(1739);
    assert!(run.deletes().is_empty());
    run.pass(2);
    assert_eq!(over(&mut run), 122);
    let message = &run.ended().unwrap().verdict.message;
    assert!(
        message.contains("--schedule-timeout 30m") && message.contains("Insufficient cpu"),
        "{message}"
    );
}

#[test]
fn an_image_that_is_being_pulled_does_not_count() {
    let mut run = begun(plan());
    run.input(waiting("ContainerCreating", "")).pass(8);
    let pulling = event("pod-uid", "Pulling", "Pulling image \"large\"");
    run.input(Input::Events(Ok(vec![pulling]))).pass(5000);
    assert_eq!((told(&run), run.deletes().len()), (vec![Category::Pulling], 0));
}

#[test]
fn what_has_run_is_not_given_up_and_the_back_off_is_told() {
    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::One(ended(1)))).input(done(0)).pass(8);
    run.input(Input::Events(Ok(Vec::new()))).pass(5);
    assert_eq!(told(&run), [Category::BackOff]);
    let second = PodView {
        name: "second".into(),
        uid: "second".into(),
        node: "node1".into(),
        ..pod(State::Waiting {
            reason: "InvalidImageName".into(),
            message: String::new(),
        })
    };
    run.input(Input::Pods(Seen::One(second))).pass(50_000);
    assert_eq!(told(&run), [Category::BackOff, Category::ImageName]);
    assert!(run.deletes().is_empty());
}

#[test]
fn while_others_run_a_pod_may_take_its_time() {
    let mut run = Run::streaming(plan());
    let second = PodView {
        uid: "second".into(),
        node: "node1".into(),
        ..pod(State::Waiting {
            reason: "ContainerCreating".into(),
            message: String::new(),
        })
    };
    run.input(Input::Pods(Seen::One(second))).pass(900);
    assert_eq!((told(&run).len(), looks(&run)), (0, 0));
}

#[test]
fn whoever_attached_gives_nothing_up() {
    let mut run = Run::new(Plan {
        task: Task::Attach,
        delete: DeletePolicy::Never,
        ..plan()
    });
    let declared = plan().logs.declared.unwrap();
    run.input(Input::Read(Ok(Some(JobView { declared, ..job(None) }))));
    run.input(waiting("InvalidImageName", "no")).pass(50_000);
    assert_eq!((told(&run), run.ended().is_some()), (vec![Category::ImageName], false));
}

#[test]
fn the_main_container_decides_and_its_proxy_is_not_waited_for() {
    for (code, delete) in [(0, DeletePolicy::OnFailure), (3, DeletePolicy::OnSuccess)] {
        let mut run = Run::new(Plan {
            main_decides: true,
            delete,
            ..plan()
        });
        run.input(Input::Created(Ok(job(None))));
        let mut both = ended(code);
        both.phase = Phase::Unfinished;
        both.containers.push(ContainerView {
            name: "proxy".into(),
            kind: ContainerKind::Main,
            state: State::Running {
                id: "c://proxy".into(),
                started_at: None,
            },
            last: None,
            memory_limit: None,
            restart_count: 0,
            restarts: false,
        });
        run.input(Input::Pods(Seen::All(vec![both]))).pass(2);
        assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::MainEnded { .. }))), 0);
        run.pass(1);
        assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::MainEnded { .. }))), 1);
        assert!(run.deletes().is_empty(), "its log is not read yet");
        run.input(done(0)).input(Input::Flushed(None));
        assert_eq!(run.deletes(), [Propagation::Foreground], "whatever the policy");
        run.input(Input::Deleted(Ok(Deletion::Accepted)));
        assert_eq!(i32::from(run.code()), code);
    }
}

#[test]
fn a_job_that_outlived_its_ttl_out_of_sight_is_unknown() {
    let job = || JobView {
        ttl_seconds: Some(300),
        ..job(None)
    };
    for (outage, code) in [(60, 123), (400, 121)] {
        let mut run = Run::new(plan());
        run.input(Input::Created(Ok(job())))
            .input(Input::Pods(Seen::All(vec![running()])))
            .input(Input::Job(Seen::Lost(Failure::Lost("reset".into()))))
            .pass(outage)
            .input(Input::Job(Seen::All(vec![])))
            .input(Input::Read(Ok(None)))
            .input(Input::Pods(Seen::All(vec![])))
            .input(done(0))
            .input(Input::Flushed(None));
        assert_eq!(run.code(), code, "after {outage} s");
    }
}

#[test]
fn a_job_that_was_deleted_with_its_end_on_it_has_that_end() {
    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::One(ended(0))))
        .input(done(0))
        .input(Input::Job(Seen::Gone(complete())))
        .input(Input::Flushed(None))
        .input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(run.code(), 0);
}

#[test]
fn what_nobody_can_see_is_no_reason() {
    let mut run = begun(plan());
    run.pass(1)
        .input(Input::Job(Seen::Lost(Failure::Unreachable("refused".into()))))
        .pass(800);
    assert_eq!((told(&run), looks(&run)), (vec![], 0));
    run.input(Input::Job(Seen::Back)).pass(7);
    assert_eq!(looks(&run), 0, "it begins anew");
    run.pass(1);
    assert_eq!(looks(&run), 1);
}

#[test]
fn pods_that_nobody_may_see_are_not_pods_that_do_not_run() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))))
        .input(Input::Pods(Seen::Lost(answered(403, "Forbidden"))))
        .input(Input::Job(Seen::One(JobView { active: 1, ..job(None) })))
        .pass(50_000);
    assert_eq!((told(&run), looks(&run), run.deletes().len()), (vec![], 0, 0));
    run.input(Input::Job(Seen::One(complete())))
        .pass(60)
        .input(Input::Flushed(None))
        .input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(run.code(), 0);
}

#[test]
fn a_mount_that_has_healed_does_not_outlive_its_cause() {
    let mut run = begun(plan());
    run.input(waiting("ContainerCreating", "")).pass(8);
    let at = |reason: &str, second: i64| EventView {
        last: jiff::Timestamp::from_second(second).ok(),
        ..event("pod-uid", reason, "configmap \"kube-root-ca.crt\" not found")
    };
    run.input(Input::Events(Ok(vec![at("FailedMount", 1), at("Pulling", 3)])))
        .pass(5000);
    assert_eq!((told(&run), run.deletes().len()), (vec![Category::Pulling], 0));
}

#[test]
fn an_init_container_only_makes_ready() {
    let with_init = |init: State, main: State| {
        let mut pod = pod(main);
        pod.node = "node1".into();
        pod.containers.insert(
            0,
            ContainerView {
                name: "setup".into(),
                kind: ContainerKind::Init,
                state: init,
                ..pod.containers[0].clone()
            },
        );
        Input::Pods(Seen::One(pod))
    };
    let state = |reason: &str| State::Waiting {
        reason: reason.into(),
        message: String::new(),
    };
    let running = State::Running {
        id: "c://init".into(),
        started_at: None,
    };
    let over = State::Terminated(Termination {
        id: "c://init".into(),
        ..Termination::default()
    });
    let mut run = begun(plan());
    run.input(with_init(running, state("PodInitializing"))).pass(5000);
    assert_eq!(
        (told(&run), run.deletes().len()),
        (vec![], 0),
        "it runs as long as it likes"
    );
    run.input(with_init(over, state("InvalidImageName")));
    assert_eq!(run.deletes().len(), 1, "and what comes after it may still be no image");
}

#[test]
fn a_back_off_that_does_not_say_what_it_is_about_is_about_the_same() {
    let mut run = begun(plan());
    for _ in 0..3 {
        run.input(waiting("ErrImagePull", "nope: not found"))
            .pass(3)
            .input(waiting("ImagePullBackOff", "Back-off pulling image \"nope\""))
            .pass(3);
    }
    assert_eq!(told(&run), [Category::ImageNotFound]);
    assert_eq!(run.deletes().len(), 1);
}
