//! `--main-decides`: the run ends with its main container, though proxies that never end keep its pod, and
//! so its Job, from ending.

use std::time::Duration;

use super::{Action, Machine, Stage};
use crate::core::{
    notice::Notice,
    outcome::{Outcome, Verdict},
    pod::{ContainerKind, PodView, State, Termination},
};

/// The kubelet ends native sidecars by itself, and an ordinary helper may end right after its master: what
/// ends in the ordinary way is better than what is cut off.
const ALONE_FOR: Duration = Duration::from_secs(3);

/// The main container has ended, for good, and others of its pod still run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alone {
    pod: String,
    container: String,
    termination: Termination,
    others: Vec<String>,
}

/// Whether the main container of this pod has ended for good while others run. Without a name it is the
/// first of the spec.
fn alone(pod: &PodView, main: Option<&str>) -> Option<Alone> {
    if pod.finished() || pod.asked_to_go.is_some() {
        return None;
    }
    let mut mains = pod.containers.iter().filter(|c| c.kind == ContainerKind::Main);
    let main = mains.find(|c| main.is_none_or(|name| c.name == name))?;
    let State::Terminated(termination) = &main.state else {
        return None;
    };
    // After a failure the kubelet starts it again, where it may.
    if termination.exit_code != 0 && main.restarts {
        return None;
    }
    let runs = |c: &&crate::core::pod::ContainerView| matches!(c.state, State::Running { .. }) && c.name != main.name;
    let others: Vec<String> = pod.containers.iter().filter(runs).map(|c| c.name.clone()).collect();
    (!others.is_empty()).then(|| Alone {
        pod: pod.name.clone(),
        container: main.name.clone(),
        termination: termination.clone(),
        others,
    })
}

impl Machine {
    /// Ends the run if only others than the main container have run for long enough.
    pub(super) fn consider_main(&mut self, now: Duration) -> Vec<Action> {
        if !self.plan.main_decides {
            return Vec::new();
        }
        let found = self
            .pods
            .alive()
            .find_map(|pod| alone(pod, self.plan.main_container.as_deref()));
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        let Some(found) = found else {
            following.main_alone = None;
            return Vec::new();
        };
        if now < *following.main_alone.get_or_insert(now + ALONE_FOR) {
            return Vec::new();
        }
        let mut actions = vec![Action::Say(Notice::MainEnded {
            pod: found.pod.clone(),
            container: found.container.clone(),
            others: found.others.clone(),
        })];
        actions.extend(self.conclude_main(verdict(&self.plan.job, &found), now));
        actions
    }
}

fn verdict(job: &str, alone: &Alone) -> Verdict {
    let Alone {
        pod,
        container,
        termination,
        ..
    } = alone;
    let verdict = if termination.exit_code == 0 {
        Verdict::new(
            Outcome::Succeeded,
            "MainContainer",
            format!("job/{job}: its main container {container} succeeded"),
        )
    } else {
        let reason = match termination.reason.as_str() {
            "" | "Error" => String::new(),
            reason => format!(" ({reason})"),
        };
        Verdict::new(
            Outcome::Failed,
            "MainContainer",
            format!(
                "job/{job} failed: its main container {container} of pod/{pod} exited with {}{reason}",
                termination.exit_code
            ),
        )
        .with_code(Some(termination.exit_code))
    };
    verdict.on_unfinished_job()
}
