//! Scenes about getting the Job made, exactly once.

use super::*;

#[test]
fn a_create_with_a_lost_answer_is_asked_after_and_never_blindly_repeated() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Err(Failure::Lost("reset".into())))).wait();
    assert!(matches!(run.log.last(), Some(Action::ReadJob)));
    run.input(Input::Read(Ok(Some(job(None)))));
    assert_eq!(run.count(|a| matches!(a, Action::Create { .. })), 1);
    assert_eq!(run.count(|a| matches!(a, Action::WatchJob { .. })), 1);

    let mut run = Run::new(plan());
    run.input(Input::Created(Err(answered(504, "Timeout")))).wait();
    run.input(Input::Read(Ok(None)));
    assert_eq!(
        run.count(|a| matches!(a, Action::Create { .. })),
        2,
        "it is known not to exist"
    );

    let mut run = Run::new(plan());
    run.input(Input::Created(Err(Failure::Lost("reset".into())))).wait();
    let stranger = JobView {
        run_id: None,
        ..job(None)
    };
    run.input(Input::Read(Ok(Some(stranger))));
    assert_eq!(run.code(), 125);
}

#[test]
fn a_server_out_of_reach_is_tried_for_as_long_as_said() {
    let mut run = Run::new(plan());
    while run.ended().is_none() {
        run.input(Input::Created(Err(Failure::Unreachable("connection refused".into()))))
            .wait();
    }
    assert_eq!(run.code(), 122);
    assert_eq!(run.now, Duration::from_secs(30));
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::CreateDelayed { .. }))),
        1,
        "told once"
    );
    assert!(run.count(|a| matches!(a, Action::Create { .. })) < 20, "no hot loop");
    assert_eq!(run.ended().unwrap().cleanup, Cleanup::Nothing);
}

#[test]
fn when_it_cannot_be_told_whether_the_job_exists_the_code_says_so() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Err(Failure::Lost("reset".into()))));
    while run.ended().is_none() {
        run.wait()
            .input(Input::Read(Err(Failure::Unreachable("refused".into()))));
    }
    assert_eq!(run.code(), 121);
}

#[test]
fn refusals_are_final() {
    for (failure, code) in [
        (answered(403, "Forbidden"), 125),
        (answered(422, "Invalid"), 125),
        (answered(401, "Unauthorized"), 125),
        (Failure::Setup("unknown issuer".into()), 125),
    ] {
        let mut run = Run::new(plan());
        run.input(Input::Created(Err(failure.clone())));
        assert_eq!(run.code(), code, "{failure:?}");
    }
}

#[test]
fn a_create_that_was_slow_and_not_lost_is_ours() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Err(Failure::Lost("reset".into())))).wait();
    // The first request is still in a webhook.
    run.input(Input::Read(Ok(None)));
    run.input(Input::Created(Err(answered(409, "AlreadyExists"))));
    assert!(matches!(run.log.last(), Some(Action::ReadJob)), "{:?}", run.log.last());
    run.input(Input::Read(Ok(Some(job(None)))));
    assert_eq!(run.count(|a| matches!(a, Action::WatchJob { .. })), 1);
}

#[test]
fn a_server_that_fails_every_create_is_told_apart_from_one_that_may_have_made_it() {
    for (last_look, code) in [(Ok(None), 122), (Err(Failure::Lost("reset".into())), 121)] {
        let mut run = Run::new(plan());
        run.input(Input::Created(Err(answered(500, "InternalError"))));
        while run.ended().is_none() {
            run.wait();
            match run.log.last() {
                Some(Action::ReadJob) if run.now >= Duration::from_secs(30) => {
                    run.input(Input::Read(last_look.clone()));
                }
                Some(Action::ReadJob) => {
                    run.input(Input::Read(Ok(None)))
                        .input(Input::Created(Err(answered(500, "InternalError"))));
                }
                _ => {}
            }
            assert!(run.now < Duration::from_secs(60), "it hangs");
        }
        assert_eq!(run.code(), code);
    }
}
