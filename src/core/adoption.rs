//! Which Job of a run id goes on: one whose outcome nobody has been given, or a new generation. A
//! label alone is not trusted: what is adopted has to be what would be sent.

use super::{job::JobView, pod::PodView};

/// A Job that bears the run id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As it stands.
    pub job: JobView,
    /// The first way in which it is not what would be sent.
    pub difference: Option<Difference>,
}

/// A field of a Job that is not what would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its place, for example `container main: args`. Never a value: that may be secret.
    pub field: String,
    /// It is about arguments or environment, which `--adopt loose` lets pass, and so is every other one.
    pub loose: bool,
}

/// Whether a Job that exists may stand in for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adopt {
    /// If it is what would be sent.
    #[default]
    Exact,
    /// Also if arguments and environment of a running one differ.
    Loose,
    /// Never.
    Never,
}

/// What comes of a Job that failed before anybody saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdoptFailed {
    /// Its outcome is the run's.
    #[default]
    Report,
    /// Its outcome is told, and the next generation runs.
    Rerun,
}

/// What to do about the Jobs that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This one goes on.
    Adopt {
        /// The Job.
        job: Box<JobView>,
        /// How it differs, where that is let pass.
        difference: Option<Difference>,
        /// Names of other Jobs whose outcome nobody has been given either.
        others: Vec<String>,
    },
    /// A new one, of this generation.
    Start {
        /// One more than the highest that exists.
        generation: u32,
        /// Finished Jobs that count as delivered because none can be marked.
        unmarkable: Vec<String>,
    },
    /// Whether finished Jobs can be marked has to be known first.
    AskMayPatch,
    /// There is one, and it is not what would be sent.
    Differs {
        /// The Job.
        job: Box<JobView>,
        /// How.
        difference: Difference,
    },
}

/// Decides. `may_mark` is whether `patch` on Jobs is allowed, if that is known: without it nobody can have
/// marked a finished Job, and only running ones are adopted.
#[must_use]
pub fn decide(found: &[Found], adopt: Adopt, may_mark: Option<bool>) -> Decision {
    let highest = found.iter().map(|f| f.job.generation).max().unwrap_or(0);
    let start = |unmarkable| Decision::Start {
        generation: highest.saturating_add(1),
        unmarkable,
    };
    if adopt == Adopt::Never {
        return start(Vec::new());
    }
    // What is older than an outcome that was given is history.
    let given = found.iter().filter(|f| f.job.delivered).map(|f| f.job.generation).max();
    let mut open: Vec<&Found> = found
        .iter()
        .filter(|f| given.is_none_or(|given| f.job.generation > given))
        .filter(|f| !f.job.delivered && (!f.job.deleting || f.job.terminal().is_some()))
        .collect();
    let mut unmarkable = Vec::new();
    if may_mark == Some(false) {
        let (finished, running) = open.into_iter().partition::<Vec<_>, _>(|f| f.job.terminal().is_some());
        unmarkable = finished.into_iter().map(|f| f.job.name.clone()).collect();
        open = running;
    }
    open.sort_by_key(|f| (f.job.generation, f.job.created_at, f.job.uid.clone()));
    let Some(newest) = open.pop() else {
        return start(unmarkable);
    };
    let job = Box::new(newest.job.clone());
    let finished = job.terminal().is_some();
    if finished && may_mark.is_none() {
        return Decision::AskMayPatch;
    }
    match &newest.difference {
        Some(difference) if adopt == Adopt::Exact || finished || !difference.loose => Decision::Differs {
            job,
            difference: difference.clone(),
        },
        difference => Decision::Adopt {
            job,
            difference: difference.clone(),
            others: open.iter().map(|f| f.job.name.clone()).collect(),
        },
    }
}

/// The pods that were asked to go and have not ended: of Jobs that are gone, or going.
pub fn still_ending<'a>(pods: &'a [PodView], jobs: &'a [Found]) -> impl Iterator<Item = &'a PodView> {
    let going = |pod: &PodView| {
        jobs.iter()
            .any(|f| f.job.deleting && pod.owner_uid.as_deref() == Some(&f.job.uid))
    };
    pods.iter()
        .filter(move |pod| !pod.phase.is_over() && (pod.asked_to_go.is_some() || going(pod)))
}

#[cfg(test)]
#[path = "adoption_tests.rs"]
mod tests;
