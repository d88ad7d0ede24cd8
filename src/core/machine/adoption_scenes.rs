//! Scenes about runs with an id: what they find, take over, mark, leave and start anew.

use super::*;
use crate::core::{
    adoption::{Difference, Found},
    notice::AdoptionNotice,
};

/// A run whose id was given.
fn given() -> Plan {
    let mut plan = plan();
    plan.identity.look = true;
    plan
}

fn same(job: JobView) -> Found {
    Found { job, difference: None }
}

fn found(jobs: Vec<JobView>) -> Input {
    Input::Found(Ok(jobs.into_iter().map(same).collect()))
}

fn seen(pods: Vec<PodView>) -> Input {
    Input::FoundPods(Ok((pods, "7".into())))
}

fn delivered() -> JobView {
    JobView {
        delivered: true,
        ..failed()
    }
}

/// A run that is told of these Jobs; where there are none, of no pods either.
fn looking(plan: Plan, jobs: Vec<JobView>) -> Run {
    let mut run = Run::new(plan);
    assert!(matches!(run.log.as_slice(), [Action::FindJobs]), "{:?}", run.log);
    let none = jobs.is_empty();
    run.input(found(jobs));
    if none {
        run.input(seen(Vec::new()));
    }
    run
}

fn generations(run: &Run) -> Vec<u32> {
    let created = run.log.iter().filter_map(|action| match action {
        Action::Create { generation, .. } => Some(*generation),
        _ => None,
    });
    created.collect()
}

fn marks(run: &Run) -> usize {
    run.count(|a| matches!(a, Action::Mark { uid } if uid == UID))
}

fn told(run: &Run, what: fn(&AdoptionNotice) -> bool) -> usize {
    let says = |action: &&Action| matches!(action, Action::Say(Notice::Adoption(notice)) if what(notice));
    run.log.iter().filter(says).count()
}

/// The pod ends with this code, its log is read, the Job is as given, stdout takes all.
fn end(run: &mut Run, code: i32, job: JobView) {
    run.input(Input::Pods(Seen::All(vec![ended(code)])));
    run.input(done(0)).input(Input::Job(Seen::One(job)));
    run.input(Input::Flushed(None));
}

#[test]
fn what_nobody_has_made_is_made() {
    let run = looking(given(), Vec::new());
    assert_eq!(generations(&run), [1]);
}

#[test]
fn a_running_job_goes_on_as_this_runs() {
    let mut run = looking(given(), vec![job(None)]);
    assert!(generations(&run).is_empty());
    end(&mut run, 0, complete());
    run.input(Input::Deleted(Ok(Deletion::Gone)));
    let ended = run.ended().unwrap();
    assert_eq!(
        (ended.adopted, &ended.cleanup, run.code()),
        (true, &Cleanup::Deleted, 0)
    );
}

#[test]
fn an_end_that_nobody_saw_is_this_runs_and_is_marked() {
    let mut run = looking(given(), vec![failed()]);
    assert!(matches!(run.log.last(), Some(Action::AskMayPatch)));
    run.input(Input::MayPatch(Ok(true)));
    end(&mut run, 7, failed());
    assert_eq!((run.code(), marks(&run), generations(&run).len()), (7, 1, 0));
}

#[test]
fn without_patch_an_end_is_passed_over_and_told_once() {
    let mut run = looking(given(), vec![failed()]);
    run.input(Input::MayPatch(Ok(false))).input(seen(Vec::new()));
    assert_eq!(generations(&run), [2]);
    assert_eq!(told(&run, |n| matches!(n, AdoptionNotice::Unmarkable { .. })), 1);
}

#[test]
fn what_was_delivered_is_followed_by_the_next_generation() {
    let mut run = looking(given(), vec![delivered()]);
    assert!(matches!(run.log.last(), Some(Action::FindPods)));
    run.input(seen(vec![ended(1)]));
    assert_eq!(generations(&run), [2]);
    assert_eq!(run.machine.plan.job, "etl-x-2");
}

#[test]
fn pods_of_an_older_generation_are_waited_for_within_their_grace() {
    let going = PodView {
        asked_to_go: Some(jiff::Timestamp::UNIX_EPOCH),
        ..running()
    };
    let mut run = looking(given(), vec![delivered()]);
    run.input(seen(vec![going.clone()]));
    assert!(generations(&run).is_empty());
    run.wait();
    run.input(seen(vec![ended(0)]));
    assert_eq!(generations(&run), [2]);

    let mut run = looking(given(), vec![delivered()]);
    run.input(seen(vec![going.clone()]));
    while generations(&run).is_empty() {
        run.wait();
        run.input(seen(vec![going.clone()]));
    }
    assert_eq!(generations(&run), [2], "they are beyond their grace and 30 s");
    assert_eq!(told(&run, |n| matches!(n, AdoptionNotice::StillEnding { .. })), 1);

    let deleting = JobView {
        deleting: true,
        ..job(None)
    };
    let mut run = looking(given(), vec![deleting]);
    run.input(seen(vec![running()]));
    assert!(generations(&run).is_empty(), "a Job that goes takes its pods along");
}

#[test]
fn another_kjo_that_was_faster_is_met() {
    let mut run = looking(given(), Vec::new());
    run.input(Input::Created(Err(answered(409, "AlreadyExists"))));
    assert!(matches!(run.log.last(), Some(Action::FindJobs)));
    run.input(found(vec![job(None)]));
    assert_eq!((generations(&run).len(), run.machine.origin), (1, Origin::Adopted));
}

#[test]
fn a_name_that_is_somebody_elses_is_refused_with_its_owner() {
    let stranger = JobView {
        run_id: Some("other".into()),
        uid: "other".into(),
        ..job(None)
    };
    for plan in [given(), plan()] {
        let look = plan.identity.look;
        let mut run = Run::new(plan);
        if look {
            run.input(found(Vec::new())).input(seen(Vec::new()));
        }
        run.input(Input::Created(Err(answered(409, "AlreadyExists"))));
        if look {
            run.input(found(Vec::new())).input(seen(Vec::new()));
        }
        assert!(matches!(run.log.last(), Some(Action::ReadJob)));
        run.input(Input::Read(Ok(Some(stranger.clone()))));
        assert_eq!(run.code(), 125);
        assert!(run.ended().unwrap().verdict.message.contains("run id other"));
    }
}

#[test]
fn replace_deletes_a_finished_job_and_no_other() {
    let mut plan = plan();
    plan.identity.replace = true;
    let mut run = Run::new(plan.clone());
    run.input(Input::Created(Err(answered(409, "AlreadyExists"))));
    run.input(Input::Read(Ok(Some(complete()))));
    assert_eq!(run.deletes(), [Propagation::Background]);
    run.input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(generations(&run), [1, 1]);
    run.input(Input::Created(Ok(job(None))));
    assert_eq!(run.machine.origin, Origin::Made);

    let mut run = Run::new(plan);
    run.input(Input::Created(Err(answered(409, "AlreadyExists"))));
    run.input(Input::Read(Ok(Some(job(None)))));
    assert_eq!((run.code(), run.deletes().len()), (125, 0));
}

#[test]
fn what_differs_is_refused_and_may_be_let_pass() {
    let differs = |loose| Found {
        job: job(None),
        difference: Some(Difference {
            field: "args of container main".into(),
            loose,
        }),
    };
    let mut run = Run::new(given());
    run.input(Input::Found(Ok(vec![differs(true)])));
    assert_eq!(run.code(), 125);
    let mut plan = given();
    plan.identity.adopt = Adopt::Loose;
    let mut run = Run::new(plan);
    run.input(Input::Found(Ok(vec![differs(true)])));
    assert!(run.ended().is_none());
    assert_eq!(run.count(|a| matches!(a, Action::WatchJob { .. })), 1);
}

#[test]
fn a_failure_that_nobody_saw_may_be_told_and_followed_by_another_try() {
    let mut plan = given();
    plan.identity.adopt_failed = AdoptFailed::Rerun;
    let mut run = looking(plan.clone(), vec![failed()]);
    run.input(Input::MayPatch(Ok(true)));
    end(&mut run, 7, failed());
    assert_eq!((run.ended().unwrap().next, marks(&run)), (Some(2), 1));
    assert_eq!(told(&run, |n| matches!(n, AdoptionNotice::EarlierEnded(_))), 1);

    let mut run = looking(plan, vec![job(None)]);
    end(&mut run, 7, failed());
    assert_eq!(run.ended().unwrap().next, None, "it was seen to fail");
}

#[test]
fn a_signal_while_looking_stops_what_runs_of_this_run() {
    let mut run = Run::new(given());
    run.input(Input::Signal(Signal::Terminate));
    run.input(found(vec![job(None)]));
    assert_eq!(run.deletes(), [Propagation::Foreground]);
    run.pass(5);
    assert_eq!(run.code(), 143);

    let mut run = Run::new(given());
    run.input(Input::Signal(Signal::Terminate)).input(found(Vec::new()));
    assert_eq!((run.code(), generations(&run).len()), (143, 0));

    let mut run = Run::new(given());
    run.input(Input::Signal(Signal::Terminate)).pass(4);
    assert_eq!(run.code(), 143);
    assert!(run.ended().unwrap().verdict.hint.is_some(), "nobody knows what runs");
}

#[test]
fn detaching_leaves_the_job_to_itself() {
    let mut run = Run::streaming(plan());
    run.input(Input::Signal(Signal::User)).input(Input::Flushed(None));
    let ended = run.ended().unwrap();
    assert_eq!((run.code(), &ended.cleanup, marks(&run)), (121, &Cleanup::Kept, 0));

    let detach = Plan {
        on_interrupt: OnInterrupt::Detach,
        ..plan()
    };
    let mut run = Run::streaming(detach.clone());
    run.input(Input::Signal(Signal::Terminate)).input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (143, 0));

    // While the create request is under way it is waited for, so that it can be told what runs.
    let mut run = Run::new(detach);
    run.input(Input::Signal(Signal::Interrupt))
        .input(Input::Created(Ok(job(None))))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (130, 0));
    assert!(run.ended().unwrap().job.is_some());

    let mut run = Run::streaming(plan());
    run.input(Input::Signal(Signal::Orphaned));
    assert_eq!(run.deletes(), [Propagation::Foreground], "as its plan says");
}

#[test]
fn a_detached_run_ends_with_its_creation() {
    let detach = Plan {
        task: Task::Detach,
        ..plan()
    };
    let mut run = Run::new(detach);
    run.input(Input::Created(Ok(job(None))));
    assert_eq!((run.code(), run.deletes().len(), marks(&run)), (0, 0, 0));
    assert_eq!(run.ended().unwrap().verdict.outcome, Outcome::Detached(None));
}

#[test]
fn the_outcome_is_noted_before_the_job_goes_or_is_marked() {
    let place = |run: &Run, what: fn(&Action) -> bool| run.log.iter().position(what).unwrap();
    let noted = |a: &Action| matches!(a, Action::Deliver(_));
    let mut run = Run::streaming(plan());
    end(&mut run, 0, complete());
    assert!(place(&run, noted) < place(&run, |a| matches!(a, Action::Delete { .. })));
    let mut run = Run::streaming(plan());
    end(&mut run, 1, failed());
    assert!(place(&run, noted) < place(&run, |a| matches!(a, Action::Mark { .. })));
}

#[test]
fn a_mark_that_is_refused_is_told_where_somebody_may_look_for_it() {
    for (plan, tellings) in [(plan(), 0), (given(), 1)] {
        let look = plan.identity.look;
        let mut run = Run::new(plan);
        run.mark = Some(Err(answered(403, "Forbidden")));
        if look {
            run.input(found(Vec::new())).input(seen(Vec::new()));
        }
        run.input(Input::Created(Ok(job(None))));
        end(&mut run, 1, failed());
        assert_eq!(run.code(), 1);
        assert_eq!(told(&run, |n| matches!(n, AdoptionNotice::NotMarked { .. })), tellings);
    }
}

#[test]
fn a_mark_that_is_not_answered_is_tried_again_and_then_given_up() {
    let mut run = Run::streaming(plan());
    run.mark = None;
    end(&mut run, 1, failed());
    run.input(Input::Marked(Err(Failure::Lost("reset".into())))).wait();
    assert_eq!(marks(&run), 2);
    run.pass(31);
    assert_eq!(run.code(), 1);
}

#[test]
fn a_deleted_job_may_be_waited_for() {
    let plan = Plan {
        deleted: Deleted::Gone,
        ..plan()
    };
    let mut run = Run::streaming(plan.clone());
    end(&mut run, 0, complete());
    run.input(Input::Deleted(Ok(Deletion::Accepted)));
    assert!(run.ended().is_none());
    run.input(Input::Job(Seen::Gone(complete())));
    assert_eq!(run.code(), 0);

    let mut run = Run::streaming(plan);
    end(&mut run, 0, complete());
    run.input(Input::Deleted(Ok(Deletion::Accepted))).pass(61);
    assert_eq!(run.code(), 0, "others' finalizers are not waited for for ever");
}

#[test]
fn who_may_not_list_creates_and_says_so() {
    let mut run = Run::new(given());
    run.input(Input::Found(Err(answered(403, "Forbidden"))));
    assert_eq!(generations(&run), [1]);
    assert_eq!(told(&run, |n| matches!(n, AdoptionNotice::LookDenied(_))), 1);
}

#[test]
fn a_server_out_of_reach_is_no_reason_to_start_a_second_job() {
    let mut run = Run::new(given());
    while run.ended().is_none() {
        run.input(Input::Found(Err(Failure::Unreachable("refused".into()))))
            .wait();
    }
    assert_eq!((run.code(), generations(&run).len()), (122, 0));
}

#[test]
fn a_job_is_followed_by_its_run_id() {
    let plan = Plan {
        task: Task::Attach,
        job: String::new(),
        ..plan()
    };
    let mut run = Run::new(plan.clone());
    let older = JobView {
        uid: "older".into(),
        generation: 0,
        ..complete()
    };
    run.input(found(vec![older, job(None)]));
    end(&mut run, 3, failed());
    assert_eq!((run.code(), marks(&run), run.deletes().len()), (3, 0, 0));

    let mut run = Run::new(plan);
    run.input(found(Vec::new()));
    assert_eq!(run.code(), 125);
}

#[test]
fn pods_whose_job_is_gone_are_waited_for_too() {
    let mut run = Run::new(given());
    let going = PodView {
        asked_to_go: Some(jiff::Timestamp::UNIX_EPOCH),
        ..running()
    };
    run.input(found(Vec::new())).input(seen(vec![going]));
    assert!(generations(&run).is_empty());
    run.wait();
    run.input(seen(Vec::new()));
    assert_eq!(generations(&run), [1]);
    run.input(Input::Created(Ok(job(None))));
    let from = |a: &Action| matches!(a, Action::WatchPods { version: Some(version), .. } if version == "7");
    assert_eq!(run.count(from), 1, "the pods need not be listed once more");
}

#[test]
fn a_timeout_says_what_it_does_and_does_not_wait_for_what_it_may_not_end() {
    let mut run = Run::streaming(Plan {
        timeout: Some(Duration::from_secs(60)),
        ..plan()
    });
    run.pass(60);
    assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::Ending { .. }))), 1);
    run.input(Input::Deleted(Err(answered(403, "Forbidden"))))
        .input(Input::Flushed(None));
    assert_eq!((run.code(), run.now), (124, Duration::from_secs(60)));
}
