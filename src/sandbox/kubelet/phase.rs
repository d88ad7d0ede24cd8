//! The states that a pod's containers show, and the phase that follows from them (pure):
//! `convertToAPIContainerStatuses` and `getPhase` of pkg/kubelet/kubelet_pods.go.

use jiff::Timestamp;

use super::{
    pod::{Attempt, Container, Kind, Restart},
    status::View,
};
use crate::sandbox::meta;

/// The state that a container shows, and the end of the attempt before.
pub(super) struct Shown<'a> {
    pub(super) state: State<'a>,
    pub(super) last: Option<&'a Attempt>,
}

pub(super) enum State<'a> {
    Waiting(&'a str, &'a str),
    Running(Timestamp),
    Ended(&'a Attempt, i32),
}

impl Shown<'_> {
    pub(super) fn ready(&self, kind: Kind) -> bool {
        match self.state {
            State::Running(_) => kind != Kind::Init,
            State::Ended(_, code) => kind == Kind::Init && code == 0,
            State::Waiting(..) => false,
        }
    }
}

/// What a container shows.
pub(super) fn shown<'a>(container: &'a Container, view: &View<'_>) -> Shown<'a> {
    let first = view.containers.first().map(|c| c.kind);
    let mut last = container.last.as_ref();
    let mut state = match &container.current {
        None if first == Some(Kind::Main) => State::Waiting("ContainerCreating", ""),
        None => State::Waiting("PodInitializing", ""),
        Some(attempt) => match (&attempt.ended, attempt.started) {
            (Some(ended), _) => State::Ended(attempt, ended.code),
            (None, started) => State::Running(started.unwrap_or_default()),
        },
    };
    // What should run but could not be started waits, unless the pod is to go.
    if let Some((reason, message)) = &container.waiting
        && container.due()
        && !meta::deleted(view.pod)
    {
        if let State::Ended(attempt, _) = state {
            last = Some(attempt);
        }
        state = State::Waiting(reason, message);
    }
    Shown { state, last }
}

/// `getPhase`.
pub(super) fn phase(containers: &[Container], shown: &[Shown<'_>], stopped: bool) -> &'static str {
    let initialized = containers.iter().any(|c| c.kind == Kind::Main && c.current.is_some());
    let (mut pending, mut waiting, mut running, mut ended, mut final_ones, mut succeeded) = (false, 0, 0, 0, 0, 0);
    for (container, shown) in containers.iter().zip(shown) {
        let last_code = shown.last.and_then(|last| last.ended.as_ref()).map(|ended| ended.code);
        let is_final = |code: i32| match container.restart {
            Restart::Never => true,
            Restart::OnFailure => code == 0,
            Restart::Always => false,
        };
        match (container.kind, &shown.state) {
            (Kind::Init, State::Ended(_, 0)) => {}
            (Kind::Init, State::Ended(_, code)) if is_final(*code) => return "Failed",
            (Kind::Init, State::Waiting(..)) if last_code.is_some_and(|code| code != 0 && is_final(code)) => {
                return "Failed";
            }
            (Kind::Init, State::Running(_)) => pending = true,
            (Kind::Init, State::Waiting(..)) if last_code.is_none() => pending = true,
            // One that waits for its restart keeps the main ones from starting: they show it.
            (Kind::Init, State::Ended(..) | State::Waiting(..)) => {}
            (Kind::Sidecar, State::Waiting(..)) if last_code.is_none() => {
                pending |= !initialized;
                waiting += 1;
            }
            (Kind::Sidecar, State::Waiting(..) | State::Ended(..)) => {}
            (Kind::Sidecar | Kind::Main, State::Running(_)) => running += 1,
            (Kind::Main, State::Ended(_, code)) => {
                ended += 1;
                final_ones += u32::from(is_final(*code));
                succeeded += u32::from(*code == 0);
            }
            (Kind::Main, State::Waiting(..)) => match last_code {
                Some(code) => {
                    ended += 1;
                    final_ones += u32::from(is_final(code));
                }
                None => waiting += 1,
            },
        }
    }
    if pending || waiting > 0 {
        "Pending"
    } else if running > 0 {
        "Running"
    } else if ended == 0 {
        "Pending"
    } else if !stopped && ended != final_ones {
        "Running"
    } else if ended == succeeded {
        "Succeeded"
    } else {
        "Failed"
    }
}
