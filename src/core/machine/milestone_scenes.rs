//! What is told of the pods' steps, and what is shown.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the actions it is about")]

use super::*;
use crate::core::{notice::Milestone, progress::Phase as Shown};

impl Run {
    fn steps(&self) -> Vec<String> {
        let steps = self.log.iter().filter_map(|action| match action {
            Action::Say(Notice::Milestone(step)) => Some(match step {
                Milestone::Scheduled { pod, node } => format!("{pod} on {node}"),
                Milestone::Started { pod, container } => format!("{pod} {container} started"),
                Milestone::Restarted {
                    pod,
                    container,
                    attempt,
                } => format!("{pod} {container} {attempt}"),
                Milestone::Replaced { pod, before } => format!("{pod} for {before}"),
            }),
            _ => None,
        });
        steps.collect()
    }

    fn phases(&self) -> Vec<Shown> {
        let mut phases: Vec<_> = self.shown.iter().map(|p| p.phase).collect();
        phases.dedup();
        phases
    }

    fn pods(&mut self, pod: PodView) -> &mut Self {
        self.input(Input::Pods(Seen::One(pod)))
    }
}

fn waiting() -> State {
    State::Waiting {
        reason: String::new(),
        message: String::new(),
    }
}

fn named(name: &str, pod: PodView) -> PodView {
    PodView {
        name: name.into(),
        uid: format!("uid-{name}"),
        ..pod
    }
}

fn on(node: &str, pod: PodView) -> PodView {
    PodView {
        node: node.into(),
        ..pod
    }
}

#[test]
fn the_first_pods_steps_are_told_once_and_shown() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))))
        .input(Input::Pods(Seen::All(vec![])));
    for name in ["a", "b"] {
        run.pods(named(name, pod(waiting())))
            .pods(on("n1", named(name, pod(waiting()))))
            .pods(on("n1", named(name, running())))
            .pods(on("n1", named(name, running())));
    }
    assert_eq!(run.steps(), ["a on n1", "a main started"]);
    assert_eq!(
        run.phases(),
        [
            Shown::Creating,
            Shown::NoPod,
            Shown::NoNode,
            Shown::Starting,
            Shown::Running
        ]
    );
    run.input(Input::Job(Seen::Lost(Failure::Lost("reset".into()))))
        .input(Input::Job(Seen::Back))
        .input(Input::Job(Seen::One(complete())));
    assert_eq!(run.phases()[5..], [Shown::OutOfReach, Shown::Running, Shown::Draining]);
    assert_eq!(run.shown.last().unwrap().succeeded, 1);
}

#[test]
fn steps_are_told_before_what_follows_from_them() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))));
    let mut failed = on("n1", ended(3));
    if let State::Terminated(t) = &mut failed.containers[0].state {
        t.started_at = Some("2026-05-06T07:08:09Z".parse().unwrap());
    }
    run.pods(failed);
    let said: Vec<_> = run.log.iter().filter(|a| matches!(a, Action::Say(_))).collect();
    assert!(
        matches!(
            said[..],
            [
                _,
                Action::Say(Notice::Milestone(Milestone::Scheduled { .. })),
                Action::Say(Notice::Milestone(Milestone::Started { .. })),
                Action::Say(Notice::ContainerFailed { .. })
            ]
        ),
        "{said:?}"
    );
}

#[test]
fn further_starts_of_a_container_are_attempts() {
    let again = |current: State, last: &str| {
        let mut view = pod(current);
        view.containers[0].last = Some(Termination {
            id: last.into(),
            exit_code: 1,
            ..Termination::default()
        });
        PodView {
            phase: Phase::Unfinished,
            ..view
        }
    };
    let started = |id: &str| State::Running {
        id: id.into(),
        started_at: None,
    };
    let mut run = Run::streaming(plan());
    run.pods(again(waiting(), "c://1"))
        .pods(again(started("c://2"), "c://1"))
        .pods(again(waiting(), "c://2"))
        .pods(again(started("c://3"), "c://2"));
    let attempts = ["etl-x-abc main 2", "etl-x-abc main 3"];
    assert_eq!(run.steps()[1..], attempts);
    let mut sidecar = again(started("c://9"), "c://8");
    sidecar.containers[0].kind = ContainerKind::Sidecar;
    sidecar.containers[0].name = "proxy".into();
    run.pods(sidecar);
    assert_eq!(run.steps()[1..], attempts, "a sidecar's starts are none of the pod's");
}

#[test]
fn a_pod_that_comes_after_a_lost_one_is_a_further_attempt() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))));
    run.pods(named("a", running()))
        .pods(named("b", running()))
        .pods(named("a", ended(1)))
        .pods(named("c", pod(waiting())))
        .pods(named("d", pod(waiting())));
    assert_eq!(run.steps(), ["a main started", "c for a"]);
    run.input(Input::Pods(Seen::Gone(named("b", running()))))
        .pods(named("e", pod(waiting())));
    assert_eq!(run.steps()[2..], ["e for b"], "taken away");

    let of_index = |n, pod| PodView { index: Some(n), ..pod };
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))));
    run.pods(of_index(0, named("a", ended(1))))
        .pods(of_index(1, named("b", pod(waiting()))))
        .pods(of_index(0, named("c", pod(waiting()))));
    assert_eq!(run.steps(), ["c for a"]);
}

#[test]
fn a_suspended_job_is_shown_as_such() {
    let mut run = Run::new(plan());
    let suspended = JobView {
        suspended: true,
        ..job(None)
    };
    run.input(Input::Created(Ok(suspended)));
    assert_eq!(run.phases(), [Shown::Creating, Shown::Suspended]);
    run.input(Input::Job(Seen::One(job(None))));
    assert_eq!(run.phases().last(), Some(&Shown::NoPod));
}

#[test]
fn a_signal_shows_the_deletion_and_the_end_shows_nothing() {
    let mut run = Run::streaming(plan());
    run.input(Input::Signal(Signal::Terminate));
    assert_eq!(run.phases().last(), Some(&Shown::Deleting));
    run.input(Input::Deleted(Ok(Deletion::Gone))).pass(5);
    run.input(Input::Flushed(None)).pods(named("late", running()));
    assert_eq!(run.code(), 143);
}
