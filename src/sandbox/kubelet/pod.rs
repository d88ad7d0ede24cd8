//! What a pod's containers have done and what is to be done next (pure): `computePodActions` and
//! `computeInitContainerActions` of pkg/kubelet/kuberuntime, and the back-off of
//! k8s.io/client-go util/flowcontrol.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Longest back-off, of restarts and of image pulls.
const BACKOFF_CAP: Duration = Duration::from_secs(300);
/// A container that ran for this long starts with the shortest back-off again.
const BACKOFF_RESET: SignedDuration = SignedDuration::from_secs(600);

/// Which part in the pod a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Runs to its end before the main ones.
    Init,
    /// An init container with restartPolicy Always: runs beside the main ones.
    Sidecar,
    /// One of `containers`.
    Main,
}

/// When a container that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restart {
    Never,
    OnFailure,
    Always,
}

impl Restart {
    fn after(self, code: i32) -> bool {
        match self {
            Self::Never => false,
            Self::OnFailure => code != 0,
            Self::Always => true,
        }
    }
}

/// A container of the pod, and what it has done.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) restart: Restart,
    /// Its part of the spec.
    pub(super) spec: Value,
    pub(super) current: Option<Attempt>,
    pub(super) last: Option<Attempt>,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// Why it could not be started the last time it should have been: reason and message.
    pub(super) waiting: Option<(&'static str, String)>,
    /// It is not tried again before.
    pub(super) retry: Option<Timestamp>,
    pub(super) restarts: Backoff,
    pub(super) pulls: Backoff,
}

/// One start of a container.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// `sandbox://` and 64 digits.
    pub(super) id: String,
    /// `None` if it could not be started.
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Ended>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) at: Timestamp,
}

impl Container {
    pub(super) fn ended(&self) -> Option<&Ended> {
        self.current.as_ref()?.ended.as_ref()
    }

    pub(super) fn running(&self) -> bool {
        self.current.as_ref().is_some_and(|attempt| attempt.ended.is_none())
    }

    /// It is to be started, or started again.
    pub(super) fn due(&self) -> bool {
        match (&self.current, self.ended()) {
            (None, _) => true,
            (Some(_), Some(ended)) => self.restart.after(ended.code),
            (Some(_), None) => false,
        }
    }

    /// A new attempt.
    pub(super) fn begin(&mut self, attempt: Attempt) {
        self.attempts += 1;
        self.last = self.current.replace(attempt).or(self.last.take());
    }
}

/// The containers of a pod: init containers first, each in the order of the spec.
pub(super) fn containers(pod: &Value) -> Vec<Container> {
    let policy = |policy: &Value| match policy.as_str() {
        Some("Never") => Some(Restart::Never),
        Some("OnFailure") => Some(Restart::OnFailure),
        Some(_) => Some(Restart::Always),
        None => None,
    };
    let spec = &pod["spec"];
    let of_pod = policy(&spec["restartPolicy"]).unwrap_or(Restart::Always);
    let list = |list: &str| spec[list].as_array().cloned().unwrap_or_default();
    let init = list("initContainers").into_iter().map(|spec| (true, spec));
    let main = list("containers").into_iter().map(|spec| (false, spec));
    let container = |(init, spec): (bool, Value)| {
        let own = policy(&spec["restartPolicy"]);
        let (kind, restart) = match (init, own.unwrap_or(of_pod)) {
            (true, Restart::Always) if own.is_some() => (Kind::Sidecar, Restart::Always),
            (true, Restart::Never) => (Kind::Init, Restart::Never),
            // One that succeeded is done under every policy.
            (true, Restart::Always | Restart::OnFailure) => (Kind::Init, Restart::OnFailure),
            (false, restart) => (Kind::Main, restart),
        };
        Container {
            name: spec["name"].as_str().unwrap_or_default().to_owned(),
            kind,
            restart,
            spec,
            current: None,
            last: None,
            attempts: 0,
            waiting: None,
            retry: None,
            restarts: Backoff::default(),
            pulls: Backoff::default(),
        }
    };
    init.chain(main).map(container).collect()
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Start these, each after its back-off; wait for the others.
    Start(Vec<usize>),
    /// Nothing of the pod is to run any more.
    Stop,
}

/// The next steps.
pub(super) fn next(containers: &[Container]) -> Next {
    let inits = containers.iter().take_while(|c| c.kind != Kind::Main).count();
    let (init, main) = containers.split_at(inits);
    let mut start = Vec::new();
    let mut initialized = inits == 0 || main.iter().any(Container::running);
    // The last init container that ever ran says how far initialization has come: from there on the
    // sidecars before it are only kept running.
    let mut previously = initialized;
    for (place, container) in init.iter().enumerate().rev() {
        let sidecar = container.kind == Kind::Sidecar;
        let last = place + 1 == inits;
        let Some(attempt) = &container.current else {
            if previously && sidecar {
                start.push(place);
            }
            continue;
        };
        if previously && !sidecar {
            continue;
        }
        let done = match &attempt.ended {
            None => sidecar,
            Some(ended) if sidecar || ended.code != 0 => {
                if !container.restart.after(ended.code) {
                    return Next::Stop;
                }
                start.push(place);
                false
            }
            Some(_) => true,
        };
        if done && last {
            initialized = true;
        } else if done && !previously {
            start.push(place + 1);
        }
        previously = true;
    }
    if !previously {
        start.push(0);
    }
    start.reverse();
    if !initialized {
        return Next::Start(start);
    }
    start.extend((inits..containers.len()).filter(|place| containers.get(*place).is_some_and(Container::due)));
    let main_starts = start.iter().any(|place| *place >= inits);
    if main_starts || main.iter().any(Container::running) {
        Next::Start(start)
    } else {
        // Sidecars do not keep a pod alive.
        Next::Stop
    }
}

/// Whether it is this container's turn to be stopped: sidecars go after the main ones, the last one
/// first (`kuberuntime_termination_order.go`).
pub(super) fn turn(containers: &[Container], place: usize) -> bool {
    let waits_for = |(other, container): (usize, &Container)| {
        container.running()
            && match container.kind {
                Kind::Main => true,
                Kind::Sidecar => other > place,
                Kind::Init => false,
            }
    };
    let sidecar = containers.get(place).is_some_and(|c| c.kind == Kind::Sidecar);
    !sidecar || !containers.iter().enumerate().any(waits_for)
}

/// A delay that doubles.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    /// The delay, and when it was set; `None` before the first.
    entry: Option<(Duration, Timestamp)>,
}

impl Backoff {
    /// When the back-off after what happened then is over; `None` if it is.
    pub(super) fn until(&self, event: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let delay = SignedDuration::try_from(self.live(event)?).ok()?;
        event.checked_add(delay).ok().filter(|until| now < *until)
    }

    /// The delay that counts for what happened then.
    pub(super) fn delay(&self, event: Timestamp) -> Duration {
        self.live(event).unwrap_or_default()
    }

    /// When the back-off since the last try is over; `None` if it is.
    pub(super) fn pending(&self, now: Timestamp) -> Option<Timestamp> {
        let (_, updated) = self.entry?;
        self.live(now)?;
        self.until(updated, now)
    }

    /// One more try after what happened then; the delay that follows it.
    pub(super) fn count(&mut self, event: Timestamp, now: Timestamp, base: Duration) -> Duration {
        let delay = match self.live(event) {
            Some(delay) => delay.saturating_mul(2).min(BACKOFF_CAP),
            None => base,
        };
        self.entry = Some((delay, now));
        delay
    }

    fn live(&self, event: Timestamp) -> Option<Duration> {
        let (delay, updated) = self.entry?;
        (event.duration_since(updated) <= BACKOFF_RESET).then_some(delay)
    }
}
