//! Which container made a Job fail, when several pods and containers ended.
//!
//! Kubernetes deletes pods when a Job fails, and those end with 143 or 137 that mean nothing. So a
//! termination counts only if it was seen, or happened, before its pod was asked to go.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::pod::{ContainerKind, ContainerView, PodView, Termination};

/// The reason of a termination that nobody has seen (pkg/kubelet, `convertToAPIContainerStatuses`).
pub const UNKNOWN: &str = "ContainerStatusUnknown";

/// A pod of the Job with what was known when.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The pod as last seen.
    pub pod: PodView,
    /// IDs of containers that were seen terminated before the pod was asked to go.
    pub ended_before_asked: BTreeSet<String>,
}

/// The container that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame<'a> {
    /// Its pod.
    pub pod: &'a PodView,
    /// Its name.
    pub container: &'a str,
    /// How it ended, never with 0.
    pub termination: &'a Termination,
}

/// The pod with the latest counted failure at or before `failed_at` (ties: lowest index, then
/// name), and in it the earliest non-zero termination, lastState included. Sidecars never decide.
/// Where all failures are later than `failed_at` (clocks of node and control plane differ), the
/// earliest of them counts. Of the ordinary containers only `main` counts, where it is given.
#[must_use]
pub fn deciding<'a>(pods: &'a [Evidence], failed_at: Option<Timestamp>, main: Option<&str>) -> Option<Blame<'a>> {
    let in_time = |at: Option<Timestamp>| match (at, failed_at) {
        (Some(at), Some(limit)) => at <= limit,
        (_, None) | (None, _) => true,
    };
    let latest = pods
        .iter()
        .filter_map(|e| {
            Some((
                failures(e, main)
                    .filter(|(_, t)| in_time(t.finished_at))
                    .map(|(_, t)| t.finished_at)
                    .max()?,
                e,
            ))
        })
        .max_by(|(a_at, a), (b_at, b)| a_at.cmp(b_at).then_with(|| order(b).cmp(&order(a))));
    let evidence = match latest {
        Some((_, evidence)) => evidence,
        None => {
            pods.iter()
                .filter_map(|e| Some((failures(e, main).map(|(_, t)| t.finished_at).min()?, e)))
                .min_by(|(a_at, a), (b_at, b)| a_at.cmp(b_at).then_with(|| order(a).cmp(&order(b))))?
                .1
        }
    };
    let (container, termination) = failures(evidence, main).min_by_key(|(_, t)| t.finished_at)?;
    Some(Blame {
        pod: &evidence.pod,
        container: &container.name,
        termination,
    })
}

fn order(evidence: &Evidence) -> (u32, &str) {
    (evidence.pod.index.unwrap_or(u32::MAX), &evidence.pod.name)
}

/// The terminations of this pod that count as failures of the program.
fn failures<'a>(
    evidence: &'a Evidence,
    main: Option<&str>,
) -> impl Iterator<Item = (&'a ContainerView, &'a Termination)> {
    evidence
        .pod
        .containers
        .iter()
        .filter(move |c| match c.kind {
            ContainerKind::Init => true,
            ContainerKind::Main => main.is_none_or(|main| c.name == main),
            ContainerKind::Sidecar => false,
        })
        .flat_map(|c| c.terminations().map(move |t| (c, t)))
        // "ContainerStatusUnknown" is the kubelet's guess at a container that it has lost sight of.
        .filter(|(_, t)| t.exit_code != 0 && t.reason != UNKNOWN)
        .filter(|(_, t)| before_asked(evidence, t))
}

/// Whether this termination was seen, or happened in an earlier second, before the pod was asked to go.
#[must_use]
pub fn before_asked(evidence: &Evidence, termination: &Termination) -> bool {
    let Some(asked) = evidence.pod.asked_to_go else {
        return true;
    };
    if !termination.id.is_empty() && evidence.ended_before_asked.contains(&termination.id) {
        return true;
    }
    // Both stamps are whole seconds: the same second proves nothing.
    termination
        .finished_at
        .is_some_and(|at| at.as_second() < asked.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pod::State;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn ended(code: i32, second: i64) -> Termination {
        Termination {
            id: format!("containerd://{code}-{second}"),
            exit_code: code,
            finished_at: at(second),
            ..Termination::default()
        }
    }

    fn container(name: &str, kind: ContainerKind, last: Option<Termination>, now: Termination) -> ContainerView {
        ContainerView {
            name: name.into(),
            kind,
            state: State::Terminated(now),
            last,
            memory_limit: None,
            restarts: false,
        }
    }

    fn pod(name: &str, index: Option<u32>, containers: Vec<ContainerView>) -> Evidence {
        Evidence {
            pod: PodView {
                name: name.into(),
                index,
                containers,
                ..PodView::default()
            },
            ended_before_asked: BTreeSet::new(),
        }
    }

    fn main(code: i32, second: i64) -> Vec<ContainerView> {
        vec![container("main", ContainerKind::Main, None, ended(code, second))]
    }

    fn code(pods: &[Evidence], failed_at: i64) -> Option<i32> {
        deciding(pods, at(failed_at), None).map(|b| b.termination.exit_code)
    }

    #[test]
    fn the_latest_failed_pod_decides() {
        let pods = [
            pod("a", None, main(1, 10)),
            pod("b", None, main(2, 20)),
            pod("c", None, main(0, 30)),
        ];
        assert_eq!(code(&pods, 40), Some(2));
        assert_eq!(code(&pods, 15), Some(1), "b failed after the Job had");
    }

    #[test]
    fn ties_go_to_the_lowest_index_then_the_name() {
        let pods = [
            pod("z", Some(2), main(5, 10)),
            pod("y", Some(1), main(6, 10)),
            pod("x", None, main(7, 10)),
        ];
        assert_eq!(code(&pods, 10), Some(6));
        let pods = [pod("b", None, main(5, 10)), pod("a", None, main(6, 10))];
        assert_eq!(code(&pods, 10), Some(6));
    }

    #[test]
    fn inside_the_pod_the_first_failure_counts_and_sidecars_never() {
        let pods = [pod(
            "a",
            None,
            vec![
                container("proxy", ContainerKind::Sidecar, None, ended(9, 1)),
                container("main", ContainerKind::Main, Some(ended(3, 5)), ended(4, 9)),
                container("helper", ContainerKind::Main, None, ended(8, 7)),
            ],
        )];
        assert_eq!(code(&pods, 10), Some(3));
    }

    #[test]
    fn what_ended_because_the_pod_was_deleted_gives_no_code() {
        let mut deleted = pod("a", None, main(143, 12));
        deleted.pod.asked_to_go = at(10);
        assert_eq!(code(&[deleted.clone()], 20), None);
        let mut same_second = pod("a", None, main(3, 10));
        same_second.pod.asked_to_go = at(10);
        assert_eq!(code(&[same_second.clone()], 20), None, "the same second proves nothing");
        same_second.ended_before_asked.insert("containerd://3-10".into());
        assert_eq!(code(&[same_second], 20), Some(3), "but having seen it does");
        let mut earlier = pod("a", None, main(3, 9));
        earlier.pod.asked_to_go = at(10);
        assert_eq!(code(&[deleted, earlier], 20), Some(3));
    }

    #[test]
    fn a_node_clock_that_is_ahead_does_not_lose_the_code() {
        let pods = [pod("a", None, main(7, 100)), pod("b", None, main(8, 101))];
        assert_eq!(code(&pods, 50), Some(7));
    }

    #[test]
    fn success_and_silence_decide_nothing() {
        assert_eq!(code(&[pod("a", None, main(0, 1))], 5), None);
        assert_eq!(code(&[], 5), None);
    }
}
