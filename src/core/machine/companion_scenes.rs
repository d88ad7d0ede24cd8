//! Scenes about what comes along with a Job.

use super::*;

fn with_settings() -> Plan {
    Plan {
        companions: vec!["ConfigMap/settings".into(), "Service/db".into()],
        ..plan()
    }
}

fn companion(index: usize, made: Result<Made, Failure>) -> Input {
    Input::Companion {
        index,
        object: "ConfigMap/settings-x".into(),
        made,
    }
}

/// Created suspended, for its companions.
fn waiting() -> JobView {
    JobView {
        suspended: true,
        unready: true,
        ..job(None)
    }
}

/// A run that has made its Job and makes the rest.
fn equipping(plan: Plan) -> Run {
    let mut run = Run::new(plan);
    assert!(matches!(run.log.as_slice(), [Action::AskMayPatch]), "{:?}", run.log);
    run.input(Input::MayPatch(Ok(true)));
    assert!(matches!(run.log.last(), Some(Action::Create { suspended: true, .. })));
    run.input(Input::Created(Ok(waiting())));
    run
}

fn made(run: &Run) -> usize {
    run.count(|a| matches!(a, Action::CreateCompanion { owner_uid, .. } if owner_uid == UID))
}

fn released(run: &Run) -> usize {
    run.count(|a| matches!(a, Action::Release { uid } if uid == UID))
}

fn watched(run: &Run) -> usize {
    run.count(|a| matches!(a, Action::WatchJob { .. }))
}

#[test]
fn a_job_is_let_go_when_everything_is_there() {
    let mut run = equipping(with_settings());
    assert_eq!((made(&run), released(&run), watched(&run)), (2, 0, 0));
    run.input(companion(1, Ok(Made::Existed)));
    assert_eq!(released(&run), 0);
    run.input(companion(0, Ok(Made::Created)));
    assert_eq!((made(&run), released(&run), watched(&run)), (2, 1, 0));
    run.input(Input::Released(Ok(Some(job(None)))));
    assert_eq!(watched(&run), 1);
}

#[test]
fn without_patch_the_job_comes_first() {
    let mut run = Run::new(with_settings());
    run.input(Input::MayPatch(Ok(false)));
    assert!(matches!(run.log.last(), Some(Action::Create { suspended: false, .. })));
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::JobFirst))), 1);
    run.input(Input::Created(Ok(job(None))));
    run.input(companion(0, Ok(Made::Created)))
        .input(companion(1, Ok(Made::Created)));
    assert_eq!((released(&run), watched(&run)), (0, 1));
}

#[test]
fn a_foreign_object_in_the_way_takes_the_job_back() {
    let mut run = equipping(with_settings());
    run.input(companion(0, Ok(Made::Foreign)));
    assert_eq!(run.deletes(), [Propagation::Foreground]);
    run.input(Input::Deleted(Ok(Deletion::Gone)))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 125);
    assert_eq!(run.ended().unwrap().cleanup, Cleanup::Deleted);
}

#[test]
fn what_is_refused_takes_the_job_back_and_what_may_heal_is_tried_again() {
    let mut run = equipping(with_settings());
    run.input(companion(0, Err(Failure::Lost("reset".into()))))
        .input(companion(1, Ok(Made::Created)));
    assert_eq!(made(&run), 2);
    run.wait();
    assert_eq!(made(&run), 3, "the one that is missing");
    run.input(companion(0, Ok(Made::Ours)));
    assert_eq!(released(&run), 1);
    run.input(Input::Released(Err(Failure::Lost("reset".into())))).wait();
    assert_eq!(released(&run), 2);
    run.input(Input::Released(Ok(Some(job(None)))));
    assert_eq!(watched(&run), 1);

    let mut run = equipping(with_settings());
    run.input(companion(0, Err(answered(422, "Invalid"))));
    run.input(Input::Deleted(Ok(Deletion::Gone)))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (125, 1));

    let mut run = equipping(with_settings());
    while run.ended().is_none() {
        run.input(companion(0, Err(Failure::Unreachable("refused".into()))))
            .input(companion(1, Err(Failure::Unreachable("refused".into()))))
            .input(Input::Deleted(Ok(Deletion::Gone)))
            .input(Input::Flushed(None));
        if run.ended().is_none() {
            run.wait();
        }
    }
    assert_eq!((run.code(), run.deletes().len()), (122, 1));
}

#[test]
fn a_signal_while_they_are_made_takes_everything_back() {
    let mut run = equipping(with_settings());
    run.input(Input::Signal(Signal::Terminate));
    assert_eq!(run.deletes(), [Propagation::Foreground]);
    run.pass(4).input(Input::Flushed(None));
    assert_eq!(run.code(), 143);

    // Who is to leave it leaves it whole.
    let mut run = equipping(Plan {
        on_interrupt: OnInterrupt::Detach,
        ..with_settings()
    });
    run.input(Input::Signal(Signal::Terminate));
    run.input(companion(0, Ok(Made::Created)))
        .input(companion(1, Ok(Made::Created)))
        .input(Input::Released(Ok(Some(job(None)))))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), released(&run), run.deletes().len()), (143, 1, 0));
}

#[test]
fn a_set_that_was_left_half_done_is_finished_by_the_next_run() {
    let mut plan = with_settings();
    plan.identity.look = true;
    let mut run = Run::new(plan.clone());
    let found = |job| Input::Found(Ok(vec![crate::core::adoption::Found { job, difference: None }]));
    run.input(found(waiting()));
    assert_eq!((made(&run), watched(&run)), (2, 0));
    run.input(companion(0, Ok(Made::Ours)))
        .input(companion(1, Ok(Made::Existed)));
    assert_eq!(released(&run), 1);

    let mut run = Run::new(plan);
    run.input(found(job(None)));
    // Of a Job that came first nothing tells whether the rest was made.
    assert_eq!((made(&run), watched(&run)), (2, 0));
    run.input(companion(0, Ok(Made::Ours)))
        .input(companion(1, Ok(Made::Existed)));
    assert_eq!((released(&run), watched(&run)), (0, 1));
}

#[test]
fn what_is_left_of_an_earlier_job_is_waited_for() {
    let mut run = equipping(with_settings());
    run.input(companion(0, Ok(Made::Going)))
        .input(companion(1, Ok(Made::Created)))
        .wait();
    assert_eq!(made(&run), 3);
    run.input(companion(0, Ok(Made::Created)));
    assert_eq!(released(&run), 1);
}

#[test]
fn a_job_that_was_being_made_is_left_whole_too() {
    let mut run = Run::new(Plan {
        on_interrupt: OnInterrupt::Detach,
        ..with_settings()
    });
    run.input(Input::MayPatch(Ok(true)))
        .input(Input::Signal(Signal::Interrupt));
    run.input(Input::Created(Ok(waiting())));
    assert_eq!(made(&run), 2);
    run.pass(4);
    assert_eq!(run.code(), 130);
    assert!(run.ended().unwrap().verdict.hint.is_some(), "it is not whole");
}

#[test]
fn somebody_deletes_the_job_before_it_can_begin() {
    let mut run = equipping(with_settings());
    run.input(companion(0, Ok(Made::Created)))
        .input(companion(1, Ok(Made::Created)))
        .input(Input::Released(Ok(None)))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 123);
}
