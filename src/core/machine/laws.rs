//! The laws of a run, over random histories: inputs of any kind, in any order, at any time.

use proptest::prelude::*;

use super::*;
use crate::core::adoption::Found;

fn inputs() -> impl Strategy<Value = Input> {
    let failure = || {
        prop_oneof![
            Just(Failure::Unreachable("refused".into())),
            Just(Failure::Lost("reset".into())),
            prop_oneof![
                Just(401_u16),
                Just(403),
                Just(404),
                Just(409),
                Just(429),
                Just(500),
                Just(504)
            ]
            .prop_map(|code| answered(code, if code == 409 { "AlreadyExists" } else { "" })),
        ]
    };
    let job_view = || {
        prop_oneof![
            4 => Just(job(None)),
            1 => Just(job(Some((ConditionKind::FailureTarget, "BackoffLimitExceeded")))),
            1 => Just(complete()),
            1 => Just(failed()),
            1 => Just(JobView { uid: "other".into(), run_id: None, ..complete() }),
        ]
    };
    let pod_view = || {
        prop_oneof![
            Just(running()),
            Just(ended(0)),
            Just(ended(5)),
            Just(pod(State::Waiting {
                reason: "ImagePullBackOff".into(),
                message: String::new()
            }))
        ]
    };
    prop_oneof![
        // What was created is ours by definition.
        2 => job_view().prop_filter("ours", |j| j.uid == UID).prop_map(|j| Input::Created(Ok(j))),
        1 => failure().prop_map(|f| Input::Created(Err(f))),
        1 => prop_oneof![job_view().prop_map(Some), Just(None)].prop_map(|j| Input::Read(Ok(j))),
        1 => failure().prop_map(|f| Input::Read(Err(f))),
        3 => job_view().prop_map(|j| Input::Job(Seen::One(j))),
        1 => job_view().prop_map(|j| Input::Job(Seen::Gone(j))),
        1 => failure().prop_map(|f| Input::Job(Seen::Lost(f))),
        1 => Just(Input::Job(Seen::Back)),
        3 => pod_view().prop_map(|p| Input::Pods(Seen::One(p))),
        1 => pod_view().prop_map(|p| Input::Pods(Seen::Gone(p))),
        1 => proptest::collection::vec(pod_view(), 0..2).prop_map(|p| Input::Pods(Seen::All(p))),
        2 => proptest::collection::vec(job_view().prop_filter("ours", |j| j.uid == UID), 0..2)
            .prop_map(|jobs| Input::Found(Ok(jobs.into_iter().map(|job| Found { job, difference: None }).collect()))),
        1 => failure().prop_map(|f| Input::Found(Err(f))),
        1 => any::<bool>().prop_map(|may| Input::MayPatch(Ok(may))),
        1 => proptest::collection::vec(pod_view(), 0..2).prop_map(|p| Input::FoundPods(Ok((p, "7".into())))),
        1 => Just(Input::Marked(Ok(()))),
        1 => failure().prop_map(|f| Input::Marked(Err(f))),
        2 => Just(done(0)),
        1 => prop_oneof![Just(Deletion::Gone), Just(Deletion::Accepted), Just(Deletion::NotOurs)].prop_map(|d| Input::Deleted(Ok(d))),
        1 => failure().prop_map(|f| Input::Deleted(Err(f))),
        1 => Just(Input::Flushed(None)),
        1 => prop_oneof![
            Just(Signal::Interrupt),
            Just(Signal::Terminate),
            Just(Signal::User),
            Just(Signal::Orphaned)
        ].prop_map(Input::Signal),
        3 => Just(Input::Due),
    ]
}

proptest! {
    /// Whatever comes in whatever order: the run ends once, zero only with the Job's own success,
    /// nothing is deleted but our UID, and silence after that still ends it.
    #[test]
    fn laws_of_every_history(
        history in proptest::collection::vec((inputs(), 0_u64..20), 0..60),
        policy in prop_oneof![Just(DeletePolicy::OnSuccess), Just(DeletePolicy::Always), Just(DeletePolicy::OnFailure), Just(DeletePolicy::Never)],
        (look, rerun, wait, detach) in any::<(bool, bool, bool, bool)>(),
        on_interrupt in prop_oneof![Just(OnInterrupt::Delete), Just(OnInterrupt::Detach)],
    ) {
        let timeout = Some(Duration::from_secs(600));
        let mut plan = Plan { delete: policy, timeout, on_interrupt, ..plan() };
        plan.identity.look = look;
        plan.identity.adopt_failed = if rerun { AdoptFailed::Rerun } else { AdoptFailed::Report };
        plan.deleted = if wait { Deleted::Gone } else { Deleted::Accepted };
        plan.task = if detach { Task::Detach } else { Task::Run };
        let mut run = Run::new(plan);
        run.mark = None;
        let mut succeeded = false;
        for (input, seconds) in history {
            run.pass(seconds);
            succeeded |= matches!(&input, Input::Found(Ok(found)) if found.iter().any(|f| f.job == complete()));
            succeeded |= matches!(&input, Input::Job(Seen::One(j) | Seen::Gone(j)) | Input::Created(Ok(j)) | Input::Read(Ok(Some(j))) if *j == complete());
            let over = run.ended().is_some();
            let before = run.log.len();
            run.input(input);
            prop_assert!(!over || run.log.len() == before, "something happened after the end");
        }
        // From here on nothing answers but stdout.
        run.pass(2000).input(Input::Flushed(None)).pass(2000).input(Input::Flushed(None)).pass(2000);
        prop_assert_eq!(run.count(|a| matches!(a, Action::Finish(_))), 1);
        let left_running = run.ended().unwrap().verdict.outcome == Outcome::Detached(None);
        prop_assert!(run.code() != 0 || succeeded || left_running);
        let created = run.ended().unwrap().job.is_some();
        prop_assert!(created || run.deletes().is_empty());
        // Who has been told the outcome, and only who has, may say so: it is noted first, and never of a Job
        // that is left to run.
        let first = |what: fn(&Action) -> bool| run.log.iter().position(what);
        let (noted, marked) = (first(|a| matches!(a, Action::Deliver(_))), first(|a| matches!(a, Action::Mark { .. })));
        prop_assert!(marked.is_none() || noted < marked);
        prop_assert!(marked.is_none() || !left_running);
        if left_running {
            return Ok(());
        }
        let told = run.count(|a| matches!(a, Action::Say(Notice::Deleted { .. } | Notice::Kept { .. } | Notice::DeleteFailed { .. })));
        let gone_by_others = run.ended().unwrap().verdict.outcome == Outcome::Deleted;
        prop_assert!(!created || gone_by_others || told == 1, "the Job's fate is told");
    }

    /// Repeating or reordering news that end in the same state changes nothing.
    #[test]
    fn the_order_of_news_does_not_matter(order in Just(vec![0, 1, 2, 3]).prop_shuffle(), repeat: bool) {
        let mut run = Run::streaming(plan());
        for step in order {
            for _ in 0..=usize::from(repeat) {
                run.input(match step {
                    0 => Input::Pods(Seen::One(ended(6))),
                    1 => Input::Job(Seen::One(failed())),
                    2 => done(0),
                    _ => Input::Log(StreamId(0), LogNews::Progress(Counts::default())),
                });
            }
        }
        run.input(Input::Flushed(None));
        prop_assert_eq!(run.code(), 6);
    }
}
