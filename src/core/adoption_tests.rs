use proptest::prelude::*;

use super::*;
use crate::core::job::{Condition, ConditionKind};

fn job(generation: u32) -> JobView {
    JobView {
        name: format!("etl-{generation}"),
        uid: format!("uid-{generation}"),
        generation,
        ..JobView::default()
    }
}

fn over(kind: ConditionKind, view: JobView) -> JobView {
    JobView {
        conditions: vec![Condition {
            kind,
            is_true: true,
            reason: String::new(),
            message: String::new(),
            at: None,
        }],
        ..view
    }
}

fn same(job: JobView) -> Found {
    Found { job, difference: None }
}

fn other(job: JobView, loose: bool) -> Found {
    let field = "container main: args".to_owned();
    Found {
        job,
        difference: Some(Difference { field, loose }),
    }
}

fn starts(decision: &Decision) -> Option<u32> {
    match decision {
        Decision::Start { generation, .. } => Some(*generation),
        Decision::Adopt { .. } | Decision::AskMayPatch | Decision::Differs { .. } => None,
    }
}

fn adopts(decision: &Decision) -> Option<&str> {
    match decision {
        Decision::Adopt { job, .. } => Some(&job.name),
        Decision::Start { .. } | Decision::AskMayPatch | Decision::Differs { .. } => None,
    }
}

#[test]
fn nothing_found_is_the_first_generation() {
    assert_eq!(starts(&decide(&[], Adopt::Exact, None)), Some(1));
}

#[test]
fn a_running_job_is_adopted_and_a_delivered_one_is_history() {
    let delivered = JobView {
        delivered: true,
        ..over(ConditionKind::Failed, job(1))
    };
    assert_eq!(starts(&decide(&[same(delivered.clone())], Adopt::Exact, None)), Some(2));
    let found = [same(delivered), same(job(2))];
    assert_eq!(adopts(&decide(&found, Adopt::Exact, None)), Some("etl-2"));
    assert_eq!(starts(&decide(&found, Adopt::Never, None)), Some(3));
}

#[test]
fn what_is_older_than_an_outcome_that_was_given_is_history() {
    let given = JobView {
        delivered: true,
        ..over(ConditionKind::Complete, job(2))
    };
    let found = [same(over(ConditionKind::Failed, job(1))), same(given)];
    assert_eq!(starts(&decide(&found, Adopt::Exact, Some(true))), Some(3));
}

#[test]
fn a_finished_job_that_nobody_saw_is_adopted_where_marks_mean_anything() {
    let found = [same(over(ConditionKind::Complete, job(1)))];
    assert_eq!(decide(&found, Adopt::Exact, None), Decision::AskMayPatch);
    assert_eq!(adopts(&decide(&found, Adopt::Exact, Some(true))), Some("etl-1"));
    assert_eq!(
        decide(&found, Adopt::Exact, Some(false)),
        Decision::Start {
            generation: 2,
            unmarkable: vec!["etl-1".into()]
        }
    );
}

#[test]
fn a_job_that_is_being_deleted_has_no_future_but_an_end_on_it_counts() {
    let deleting = |view| JobView { deleting: true, ..view };
    assert_eq!(starts(&decide(&[same(deleting(job(1)))], Adopt::Exact, None)), Some(2));
    let ended = same(deleting(over(ConditionKind::Complete, job(1))));
    assert_eq!(adopts(&decide(&[ended], Adopt::Exact, Some(true))), Some("etl-1"));
}

#[test]
fn of_several_the_newest_is_taken_and_the_others_are_named() {
    let found = [same(job(3)), same(job(1)), same(job(2))];
    let Decision::Adopt { job, others, .. } = decide(&found, Adopt::Exact, None) else {
        panic!("one is adopted");
    };
    assert_eq!(
        (job.name.as_str(), others),
        ("etl-3", vec!["etl-1".into(), "etl-2".into()])
    );
}

#[test]
fn what_is_not_what_would_be_sent_is_not_adopted() {
    let differs = |decision| matches!(decision, Decision::Differs { .. });
    for loose in [true, false] {
        assert!(differs(decide(&[other(job(1), loose)], Adopt::Exact, None)));
    }
    assert_eq!(
        adopts(&decide(&[other(job(1), true)], Adopt::Loose, None)),
        Some("etl-1")
    );
    assert!(differs(decide(&[other(job(1), false)], Adopt::Loose, None)));
    let finished = other(over(ConditionKind::Complete, job(1)), true);
    assert!(
        differs(decide(&[finished], Adopt::Loose, Some(true))),
        "loose is for running Jobs"
    );
}

proptest! {
    /// Whatever is there: a new generation is higher than all, what is adopted is open, and `never` never does.
    #[test]
    fn laws(
        jobs in proptest::collection::vec((1_u32..5, any::<bool>(), any::<bool>(), 0..3), 0..5),
        adopt in prop_oneof![Just(Adopt::Exact), Just(Adopt::Loose), Just(Adopt::Never)],
        may_mark: Option<bool>,
    ) {
        let found: Vec<Found> = jobs
            .into_iter()
            .map(|(generation, delivered, deleting, end)| {
                let view = JobView { delivered, deleting, ..job(generation) };
                same(match end {
                    0 => view,
                    1 => over(ConditionKind::Complete, view),
                    _ => over(ConditionKind::Failed, view),
                })
            })
            .collect();
        match decide(&found, adopt, may_mark) {
            Decision::Start { generation, .. } => prop_assert!(found.iter().all(|f| f.job.generation < generation)),
            Decision::Adopt { job, .. } => {
                prop_assert!(adopt != Adopt::Never && !job.delivered);
                prop_assert!(job.terminal().is_none() || may_mark == Some(true));
                prop_assert!(job.terminal().is_some() || !job.deleting);
            }
            Decision::AskMayPatch => prop_assert!(may_mark.is_none()),
            Decision::Differs { .. } => prop_assert!(false, "all are what would be sent"),
        }
    }
}
