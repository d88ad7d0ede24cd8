//! A Job as it stands, for whoever only wants to look: judged by the rules of a run, in one go.

use super::{LogPlan, pods::Pods};
use crate::core::{
    job::JobView,
    log::{
        choice::{Choice, Prefix},
        follow::Start,
    },
    outcome::Verdict,
    pod::{Phase, PodView},
    record::PodRecord,
    verdict,
};

/// The Events of so many pods are asked for.
const ASKED: usize = 5;

/// What a look has shown.
#[derive(Debug)]
pub struct Look {
    /// How it ended, or has announced to end; `None` while that is open.
    pub verdict: Option<Verdict>,
    /// The pods, without their logs.
    pub pods: Vec<PodRecord>,
    /// UIDs of the objects whose Events tell most: the Job, and pods that have not succeeded.
    pub telling: Vec<String>,
}

/// Looks at a Job and at the pods that there are. `main` is the container whose code counts, if one was named.
#[must_use]
pub fn look(job: &JobView, listed: Vec<PodView>, main: Option<&str>) -> Look {
    let troubled = listed.iter().filter(|pod| pod.phase != Phase::Succeeded);
    let telling = std::iter::once(&job.uid)
        .chain(troubled.map(|pod| &pod.uid).take(ASKED))
        .cloned()
        .collect();
    let mut pods = Pods::new(LogPlan {
        choice: Choice {
            none: true,
            ..Choice::default()
        },
        declared: None,
        prefix: Prefix::Never,
        streams: 0,
        start: Start::Beginning,
    });
    for pod in listed {
        // What would be done about it in a run is not done here.
        drop(pods.saw(pod, &job.uid));
    }
    let evidence = pods.evidence();
    Look {
        verdict: verdict::finished(job, &evidence, main).or_else(|| verdict::announced(job, &evidence, main)),
        pods: pods.records(),
        telling,
    }
}
