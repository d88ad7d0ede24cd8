//! Scenes from the life of a run; its laws over random histories are in `laws.rs`.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the actions it is about")]

use std::time::Duration;

use super::*;
use crate::core::{
    adoption::{Adopt, AdoptFailed},
    exit,
    failure::{Failure, Status},
    job::{Condition, ConditionKind},
    log::{
        choice::{Choice, Declared, Prefix},
        follow::{Complete, Life, Start},
    },
    naming::JobName,
    notice::LogNotice,
    pod::{ContainerKind, ContainerView, Phase, PodView, State, Termination},
};

const UID: &str = "job-uid";

fn plan() -> Plan {
    Plan {
        job: "etl-x".into(),
        namespace: "team".into(),
        identity: Identity {
            run_id: "r1".into(),
            names: JobName::hashed("etl", "x"),
            first: 1,
            look: false,
            adopt: Adopt::Exact,
            adopt_failed: AdoptFailed::Report,
            replace: false,
        },
        task: Task::Run,
        companions: Vec::new(),
        logs: log_plan(),
        fail_on_log_gap: false,
        delete: DeletePolicy::OnSuccess,
        deleted: Deleted::Accepted,
        on_interrupt: OnInterrupt::Delete,
        on_orphaned: OnInterrupt::Delete,
        timeout: None,
        connect_timeout: Duration::from_secs(30),
        schedule_timeout: Duration::from_secs(1800),
        startup_timeout: Duration::from_secs(600),
        fail_fast: true,
        main_container: None,
        main_decides: false,
        outage_budget: Duration::from_secs(900),
        seed: 1,
    }
}

fn log_plan() -> LogPlan {
    LogPlan {
        choice: Choice::default(),
        declared: Some(vec![Declared {
            name: "main".into(),
            init: false,
        }]),
        prefix: Prefix::Auto,
        streams: 200,
        start: Start::Beginning,
    }
}

fn job(condition: Option<(ConditionKind, &str)>) -> JobView {
    JobView {
        name: "etl-x".into(),
        uid: UID.into(),
        run_id: Some("r1".into()),
        generation: 1,
        parallelism: 1,
        conditions: condition
            .map(|(kind, reason)| Condition {
                kind,
                is_true: true,
                reason: reason.into(),
                message: String::new(),
                at: None,
            })
            .into_iter()
            .collect(),
        ..JobView::default()
    }
}

fn complete() -> JobView {
    JobView {
        succeeded: 1,
        ..job(Some((ConditionKind::Complete, "CompletionsReached")))
    }
}

fn failed() -> JobView {
    JobView {
        failed: 1,
        ..job(Some((ConditionKind::Failed, "BackoffLimitExceeded")))
    }
}

fn pod(state: State) -> PodView {
    let phase = match &state {
        State::Terminated(t) if t.exit_code == 0 => Phase::Succeeded,
        State::Terminated(_) => Phase::Failed,
        State::Waiting { .. } | State::Running { .. } => Phase::Unfinished,
    };
    PodView {
        name: "etl-x-abc".into(),
        uid: "pod-uid".into(),
        owner_uid: Some(UID.into()),
        phase,
        grace_seconds: 30,
        containers: vec![ContainerView {
            name: "main".into(),
            kind: ContainerKind::Main,
            state,
            last: None,
            memory_limit: None,
            restarts: false,
            restart_count: 0,
        }],
        ..PodView::default()
    }
}

fn running() -> PodView {
    pod(State::Running {
        id: "c://1".into(),
        started_at: None,
    })
}

fn ended(exit_code: i32) -> PodView {
    pod(State::Terminated(Termination {
        id: "c://1".into(),
        exit_code,
        ..Termination::default()
    }))
}

fn answered(code: u16, reason: &str) -> Failure {
    Failure::Answered(Box::new(Status {
        code,
        reason: reason.into(),
        ..Status::default()
    }))
}

fn done(stream: u32) -> Input {
    Input::Log(
        StreamId(stream),
        LogNews::Done {
            complete: Complete::Yes,
            counts: Counts::default(),
        },
    )
}

/// A run on a fake clock.
struct Run {
    machine: Machine,
    now: Duration,
    log: Vec<Action>,
    shown: Vec<Progress>,
    /// How the server answers a mark; `None` lets it wait.
    mark: Option<Result<(), Failure>>,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let (machine, first) = Machine::start(plan, Duration::ZERO);
        let mut run = Self {
            machine,
            now: Duration::ZERO,
            log: Vec::new(),
            shown: Vec::new(),
            mark: Some(Ok(())),
        };
        run.take(first);
        run
    }

    /// A run whose Job exists and has one running pod.
    fn streaming(plan: Plan) -> Self {
        let mut run = Self::new(plan);
        run.input(Input::Created(Ok(job(None))));
        run.input(Input::Pods(Seen::All(vec![running()])));
        run
    }

    fn input(&mut self, input: Input) -> &mut Self {
        let actions = self.machine.handle(input, self.now);
        let marks = actions.iter().any(|a| matches!(a, Action::Mark { .. }));
        self.take(actions);
        if let (true, Some(answer)) = (marks, self.mark.clone()) {
            self.input(Input::Marked(answer));
        }
        self
    }

    /// What is only shown is kept apart: it decides nothing.
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Show(progress) => {
                    assert!(self.ended().is_none(), "shown after the end");
                    self.shown.push(progress);
                }
                _ => self.log.push(action),
            }
        }
    }

    /// Lets time pass up to the machine's own next date.
    fn wait(&mut self) -> &mut Self {
        let (at, _) = self.machine.due().expect("the run waits for ever");
        self.now = self.now.max(at);
        self.input(Input::Due)
    }

    /// Lets `seconds` pass, with every date on the way.
    fn pass(&mut self, seconds: u64) -> &mut Self {
        let until = self.now + Duration::from_secs(seconds);
        while let Some((at, _)) = self.machine.due().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::Due);
        }
        self.now = until;
        self
    }

    fn ended(&self) -> Option<&Ended> {
        self.log.iter().find_map(|action| match action {
            Action::Finish(ended) => Some(&**ended),
            _ => None,
        })
    }

    fn code(&self) -> u8 {
        exit::code(&self.ended().expect("the run goes on").verdict)
    }

    fn count(&self, what: fn(&Action) -> bool) -> usize {
        self.log.iter().filter(|a| what(a)).count()
    }

    fn deletes(&self) -> Vec<Propagation> {
        self.log
            .iter()
            .filter_map(|action| match action {
                Action::Delete { uid, propagation } => {
                    assert_eq!(uid, UID);
                    Some(*propagation)
                }
                _ => None,
            })
            .collect()
    }
}

#[test]
fn an_ordinary_success() {
    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::One(ended(0)))).input(done(0));
    run.input(Input::Job(Seen::One(complete())));
    assert!(matches!(run.log.last(), Some(Action::Flush)), "{:?}", run.log.last());
    run.input(Input::Flushed(None));
    assert_eq!(run.deletes(), [Propagation::Background]);
    run.input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(run.code(), 0);
    assert_eq!(run.now, Duration::ZERO, "nothing was waited for");
}

#[test]
fn a_failure_passes_its_code_on_and_keeps_the_job() {
    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::One(ended(42)))).input(done(0));
    run.input(Input::Job(Seen::One(failed()))).input(Input::Flushed(None));
    assert_eq!((run.code(), run.deletes().len()), (42, 0));
    assert_eq!(run.ended().unwrap().cleanup, Cleanup::Kept);
}

#[test]
fn the_verdict_waits_for_logs_and_for_pods_that_lag_behind() {
    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::One(failed())));
    assert_eq!(
        run.count(|a| matches!(a, Action::Flush)),
        0,
        "the pod still seems to run"
    );
    run.input(Input::Pods(Seen::One(ended(3))));
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0, "its log is not read yet");
    run.input(done(0)).input(Input::Flushed(None));
    assert_eq!(run.code(), 3);
}

#[test]
fn pods_that_were_never_seen_are_listed_once() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))))
        .input(Input::Pods(Seen::All(vec![])));
    run.input(Input::Job(Seen::One(failed()))).wait();
    assert_eq!(run.count(|a| matches!(a, Action::ListPods { .. })), 1);
    run.input(Input::Listed(Ok(vec![ended(9)])))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 9);
}

#[test]
fn pods_that_cannot_be_listed_at_the_end_are_listed_again() {
    let mut run = Run::new(plan());
    run.input(Input::Created(Ok(job(None))))
        .input(Input::Job(Seen::One(failed())))
        .wait();
    run.input(Input::Listed(Err(Failure::Lost("reset".into()))));
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0, "a log may be unread");
    run.wait();
    assert_eq!(run.count(|a| matches!(a, Action::ListPods { .. })), 2);
    run.input(Input::Listed(Ok(vec![ended(9)])))
        .input(done(0))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 9);
}

#[test]
fn a_drain_that_does_not_end_is_given_up_and_told() {
    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::One(ended(0))))
        .input(Input::Job(Seen::One(complete())));
    run.pass(29)
        .input(Input::Log(StreamId(0), LogNews::Progress(Counts::default())));
    run.pass(29);
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0);
    run.pass(2);
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::GivenUp { .. })))),
        1
    );
    run.input(Input::Flushed(None))
        .input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(run.code(), 0);
}

#[test]
fn the_first_signal_deletes_at_once_and_the_run_is_over_in_time() {
    for policy in [DeletePolicy::Never, DeletePolicy::OnSuccess] {
        let mut run = Run::streaming(Plan {
            delete: policy,
            ..plan()
        });
        let before = run.log.len();
        run.input(Input::Signal(Signal::Terminate));
        assert!(matches!(
            run.log[before],
            Action::Delete {
                propagation: Propagation::Foreground,
                ..
            }
        ));
        run.input(Input::Deleted(Ok(Deletion::Accepted)))
            .pass(3)
            .input(Input::Flushed(None));
        assert_eq!(run.code(), 143);
        assert!(run.now <= SIGNAL_BUDGET);
        assert_eq!(run.ended().unwrap().cleanup, Cleanup::Deleted);
    }
}

#[test]
fn a_signal_with_a_blocked_stdout_and_a_dead_server_still_ends() {
    let mut run = Run::streaming(plan());
    run.input(Input::Signal(Signal::Interrupt)).pass(4);
    assert_eq!(run.code(), 130);
    assert!(matches!(run.ended().unwrap().cleanup, Cleanup::Failed(_)));
}

#[test]
fn the_second_signal_leaves_at_once() {
    let mut run = Run::streaming(plan());
    run.input(Input::Signal(Signal::Interrupt))
        .input(Input::Signal(Signal::Interrupt));
    assert!(run.ended().is_none(), "the request may not be out yet");
    run.input(Input::Deleted(Ok(Deletion::Accepted)));
    assert_eq!((run.code(), run.deletes().len(), run.now), (130, 1, Duration::ZERO));

    let mut run = Run::streaming(plan());
    run.input(Input::Signal(Signal::Interrupt))
        .input(Input::Signal(Signal::Interrupt));
    run.wait();
    assert_eq!((run.code(), run.now), (130, LEAVE_WITHIN), "nobody answers");

    let mut run = Run::streaming(plan());
    for _ in 0..3 {
        run.input(Input::Signal(Signal::Interrupt));
    }
    assert_eq!(run.code(), 130);
}

#[test]
fn a_signal_while_the_create_is_under_way_deletes_what_it_makes() {
    let mut run = Run::new(plan());
    run.input(Input::Signal(Signal::Terminate));
    assert!(run.ended().is_none());
    run.input(Input::Created(Ok(job(None))));
    assert_eq!(run.deletes(), [Propagation::Foreground]);
    run.input(Input::Deleted(Ok(Deletion::Gone)))
        .input(Input::Flushed(None));
    assert_eq!(run.code(), 143);

    let mut run = Run::new(plan());
    run.input(Input::Created(Err(Failure::Unreachable("refused".into()))));
    run.input(Input::Signal(Signal::Terminate));
    assert_eq!((run.code(), run.deletes().len()), (143, 0), "nothing was sent");
}

#[test]
fn a_signal_after_the_end_only_shortens_the_drain() {
    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::One(complete())))
        .input(Input::Signal(Signal::Terminate));
    assert_eq!(
        run.deletes(),
        [Propagation::Background],
        "at once, whoever reads stdout"
    );
    run.pass(1).input(Input::Flushed(None));
    run.input(Input::Deleted(Ok(Deletion::Gone)));
    assert_eq!(run.code(), 0);

    let mut run = Run::streaming(plan());
    run.input(Input::Job(Seen::One(failed())))
        .input(Input::Signal(Signal::Terminate));
    run.pass(1).input(Input::Flushed(None));
    assert_eq!(run.deletes(), [], "a failed Job is kept");
}

#[test]
fn a_log_that_waits_for_its_reader_is_not_given_up() {
    let mut run = Run::streaming(plan());
    run.input(Input::Pods(Seen::One(ended(0))))
        .input(Input::Log(StreamId(0), LogNews::Blocked(true)))
        .input(Input::Job(Seen::One(complete())));
    run.pass(3600);
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0, "`kjo … | less`");
    run.input(Input::Log(StreamId(0), LogNews::Blocked(false))).pass(29);
    assert_eq!(run.count(|a| matches!(a, Action::Flush)), 0);
    run.input(done(0));
    assert_eq!(
        run.count(|a| matches!(a, Action::Say(Notice::Log(LogNotice::GivenUp { .. })))),
        0
    );
}

#[test]
fn pods_that_nobody_can_show_are_told_and_not_waited_for() {
    for (answer, seen) in [
        (Ok(vec![]), Seen::All(vec![])),
        (Err(answered(403, "Forbidden")), Seen::Lost(answered(403, "Forbidden"))),
    ] {
        let mut run = Run::new(plan());
        run.input(Input::Created(Ok(job(None)))).input(Input::Pods(seen));
        run.input(Input::Job(Seen::One(failed()))).wait();
        run.input(Input::Listed(answer))
            .input(Input::Events(Ok(Vec::new())))
            .input(Input::Flushed(None));
        assert_eq!(run.code(), 123);
        assert_eq!(run.count(|a| matches!(a, Action::Say(Notice::PodsUnseen(1)))), 1);
        assert!(run.now < Duration::from_secs(2), "{:?}", run.now);
    }
}

#[test]
fn a_job_that_stays_is_not_drained() {
    let mut run = Run::streaming(Plan {
        timeout: Some(Duration::from_secs(60)),
        delete: DeletePolicy::Never,
        ..plan()
    });
    run.pass(60).input(Input::Flushed(None));
    assert_eq!((run.code(), run.now), (124, Duration::from_secs(60)));
}

#[test]
fn the_log_of_a_lost_node_is_not_waited_for() {
    let mut run = Run::streaming(plan());
    let lost = PodView {
        phase: Phase::Failed,
        ..running()
    };
    run.input(Input::Pods(Seen::One(lost)));
    let ended = |a: &Action| matches!(a, Action::Life { state, .. } if state.life == Life::Ended);
    assert_eq!(run.count(ended), 1);
}

#[path = "adoption_scenes.rs"]
mod adoption_scenes;

#[path = "create_scenes.rs"]
mod create_scenes;

#[path = "companion_scenes.rs"]
mod companion_scenes;

#[path = "scenes.rs"]
mod scenes;

#[path = "milestone_scenes.rs"]
mod milestone_scenes;

#[path = "log_scenes.rs"]
mod log_scenes;

#[path = "start_scenes.rs"]
mod start_scenes;

#[path = "laws.rs"]
mod laws;
