//! The wording of what kjo says about earlier Jobs of a run id.

use crate::core::{duration, exit, notice::AdoptionNotice};

/// What it says.
pub(super) fn of(notice: &AdoptionNotice) -> String {
    match notice {
        AdoptionNotice::Adopted {
            job,
            finished,
            difference,
            others,
        } => adopted(job, *finished, difference.as_deref(), others),
        AdoptionNotice::LookDenied(failure) => format!(
            "earlier Jobs of this run id may not be looked for: {failure}; going on as if there were none\n\
             hint: allow list on jobs, as manifests/rbac.yaml does"
        ),
        AdoptionNotice::Unmarkable { jobs, run_id } => format!(
            "note: {} of run id {run_id} has ended, and whether anybody was given its outcome cannot be told without \
             patch on jobs; starting anew\nhint: allow patch on jobs, as manifests/rbac.yaml does",
            named(jobs)
        ),
        AdoptionNotice::StillEnding { pods, left } => format!(
            "waiting for pods of an earlier Job of this run id to end, for up to {}: {}",
            duration::show(*left),
            pods.iter().map(|p| format!("pod/{p}")).collect::<Vec<_>>().join(", ")
        ),
        AdoptionNotice::NotWaiting { pods } if pods.is_empty() => {
            "whether pods of an earlier Job of this run id are still ending could not be seen in time; going on"
                .to_owned()
        }
        AdoptionNotice::NotWaiting { pods } => format!(
            "pods of an earlier Job of this run id have not ended within their grace period and 30s; going on beside \
             them: {}",
            pods.iter().map(|p| format!("pod/{p}")).collect::<Vec<_>>().join(", ")
        ),
        AdoptionNotice::Replacing { job } => format!("deleting the finished job/{job} to use its name"),
        AdoptionNotice::NotMarked { job, why } if why.contains("(HTTP 403)") => format!(
            "job/{job} could not be marked as delivered: {why}; without patch on jobs the next run with this run id \
             looks for running Jobs only\nhint: allow patch on jobs, as manifests/rbac.yaml does"
        ),
        AdoptionNotice::NotMarked { job, why } => format!(
            "job/{job} could not be marked as delivered: {why}; another run with this run id would report it again\n\
             hint: delete it with 'kjo delete {job}', or use another run id"
        ),
        AdoptionNotice::EarlierEnded(verdict) => format!(
            "an earlier Job of this run id had ended, and nobody had been told: {} (exit code {}); starting the next",
            verdict.message,
            exit::code(verdict)
        ),
    }
}

fn adopted(job: &str, finished: bool, difference: Option<&str>, others: &[String]) -> String {
    let state = if finished {
        "had ended, and nobody had been told how"
    } else {
        "goes on"
    };
    let mut text = format!("adopted job/{job} of this run id, which {state}");
    if let Some(field) = difference {
        text = format!("{text}\nwarning: job/{job} is not quite what would be sent: {field} differs (--adopt loose)");
    }
    if !others.is_empty() {
        let others = named(others);
        text = format!("{text}\nwarning: there are more Jobs of this run id, which are left alone: {others}");
    }
    text
}

fn named(jobs: &[String]) -> String {
    jobs.iter().map(|j| format!("job/{j}")).collect::<Vec<_>>().join(", ")
}
