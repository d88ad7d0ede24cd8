//! `kjo delete`: a Job with its pods, or all Jobs of a run id, each bound to the UID that was seen.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::{
    args::ClusterArgs,
    ask::Ask,
    messages::MessageArgs,
    settings::Env,
    target::{Target, WhichArgs},
};
use crate::{
    core::{
        exit,
        job::JobView,
        machine::{Deletion, Propagation},
        notice::Notice,
        outcome::{Outcome, Verdict},
        pod::{self, PodView},
        seek,
    },
    report::Reporter,
    spec::Refusal,
};

/// Beyond the pods' grace, until a deleted Job and its pods are gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// `kjo delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Which Job.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Wait until it is gone and its pods have ended, within their grace and 30 s
    #[arg(long)]
    pub wait_deleted: bool,

    /// How long to try while the API server is out of reach
    #[arg(long, value_name = "DURATION", default_value = "30s",
          value_parser = crate::core::duration::parse)]
    pub connect_timeout: Duration,

    /// What kjo says.
    #[command(flatten)]
    pub messages: MessageArgs,

    /// Where the Job is.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Deletes, and returns the exit code.
pub async fn delete(args: DeleteArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.messages.face(env), started);
    let code = match attempt(args, env, started, &reporter).await {
        Ok(None) => exit::SUCCESS,
        Ok(Some(verdict)) => {
            let code = exit::code(&verdict);
            reporter.say(&Notice::Verdict(verdict));
            code
        }
        Err(refusal) => {
            reporter.refuse(&refusal);
            exit::REFUSED
        }
    };
    reporter.flush().await;
    code
}

/// `Some` is the verdict on what was not deleted.
async fn attempt(
    args: DeleteArgs,
    env: Env<'_>,
    started: Instant,
    reporter: &Reporter,
) -> Result<Option<Verdict>, Refusal> {
    let which = args.which.which(env)?;
    let target = Target::find(args.cluster, env).await?;
    target.tell(reporter);
    let removing = Removing {
        target: &target,
        within: args.connect_timeout,
        reporter,
    };
    let what = which.what();
    let ask = Ask::new(args.connect_timeout, started)?;
    let found = match ask.until_answered(&what, || which.find(&target.cluster)).await {
        Ok(Ok(found)) => found,
        Ok(Err(failure)) => return Ok(Some(seek::unreadable(&what, &target.namespace, &failure))),
        Err(verdict) => return Ok(Some(verdict)),
    };
    if found.is_empty() {
        reporter.say(&Notice::NothingToDelete(which.absent(&target.namespace).message));
    }
    let (mut going, mut left) = (Vec::new(), Vec::new());
    // All are asked to go before any is waited for, and one that cannot be deleted does not keep the others.
    for job in found {
        match removing.remove(&job).await {
            Ok(ending) => going.push((job, ending)),
            Err(verdict) => left.push(verdict),
        }
    }
    for (job, ending) in going.iter().filter(|_| args.wait_deleted) {
        match removing.gone(job, ending).await {
            Ok(()) => reporter.say(&Notice::Gone { job: job.name.clone() }),
            Err(verdict) => left.push(verdict),
        }
    }
    let last = left.pop();
    for verdict in left {
        reporter.say(&Notice::Verdict(verdict));
    }
    Ok(last)
}

struct Removing<'a> {
    target: &'a Target,
    /// For each Job.
    within: Duration,
    reporter: &'a Reporter,
}

impl Removing<'_> {
    /// Deletes it, and tells which pods are still ending.
    async fn remove(&self, job: &JobView) -> Result<Vec<PodView>, Verdict> {
        let Target { cluster, namespace, .. } = self.target;
        let what = format!("job/{}", job.name);
        let propagation = if job.terminal().is_some() {
            Propagation::Background
        } else {
            Propagation::Foreground
        };
        let request = || cluster.delete_job(&job.name, &job.uid, propagation);
        let deletion = Ask::new(self.within, Instant::now())
            .map_err(|refusal| Verdict::new(Outcome::Refused, "Setup", refusal.message))?
            .until_done(&format!("{what} could not be deleted and may still be there"), request)
            .await?
            .map_err(|failure| {
                Verdict::new(
                    Outcome::Refused,
                    "DeleteRefused",
                    format!("{what} could not be deleted: {failure}"),
                )
                .with_hint(failure.hint(namespace))
            })?;
        let ending = match deletion {
            Deletion::NotOurs => {
                let what = format!("{what} was deleted by somebody else, and another has its name");
                self.reporter.say(&Notice::NothingToDelete(what));
                return Ok(Vec::new());
            }
            Deletion::Gone | Deletion::Accepted => self.ending(job).await,
        };
        self.reporter.say(&Notice::Deleted {
            job: job.name.clone(),
            ending: ending.iter().map(|pod| format!("pod/{}", pod.name)).collect(),
        });
        Ok(ending)
    }

    /// Pods of the Job that have not ended, as far as they may be seen.
    async fn ending(&self, job: &JobView) -> Vec<PodView> {
        let pods = self.target.cluster.list_pods(&job.uid).await;
        let pods = pods.map(|(pods, _)| pods).unwrap_or_default();
        pods.into_iter().filter(|pod| !pod.phase.is_over()).collect()
    }

    async fn gone(&self, job: &JobView, ending: &[PodView]) -> Result<(), Verdict> {
        let until = Instant::now() + pod::longest_grace(ending) + GONE_WITHIN;
        loop {
            let there = match self.target.cluster.read_job(&job.name).await {
                Ok(Some(other)) => other.uid == job.uid,
                Ok(None) => false,
                Err(failure) => failure.may_heal(),
            };
            let pods = self.ending(job).await;
            if !there && pods.is_empty() {
                return Ok(());
            }
            if Instant::now() >= until {
                let named: Vec<String> = pods.iter().map(|pod| format!("pod/{}", pod.name)).collect();
                let what = format!("job/{} is deleted and not gone yet: {}", job.name, named.join(", "));
                return Err(Verdict::new(Outcome::Unknown, "StillThere", what));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
