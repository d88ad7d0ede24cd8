//! The cluster and namespace of commands that find a Job there.

use clap::Args;

use super::{
    args::ClusterArgs,
    settings::{self, Env},
};
use crate::{
    cluster::{self, Cluster, Connection},
    core::{failure::Failure, job::JobView, notice::Notice, outcome::Verdict, seek},
    report::Reporter,
    spec::{Refusal, identity::RunId},
};

/// A cluster, not yet spoken to.
pub(super) struct Target {
    pub(super) cluster: Cluster,
    pub(super) connection: Connection,
    pub(super) namespace: String,
}

impl Target {
    /// Finds it, without any network.
    pub(super) async fn find(args: ClusterArgs, env: Env<'_>) -> Result<Self, Refusal> {
        if args.sandbox {
            return Err(Refusal::new(
                "--sandbox starts a cluster for one run: there is none to look at before or after",
                "run something in it with 'kjo run --sandbox', or keep one with 'kjo sandbox'",
            ));
        }
        let namespace = settings::namespace(args.namespace.clone())?;
        let origin = settings::cluster(args, env)?;
        let connection = origin.find().await?;
        let namespace = namespace.unwrap_or_else(|| connection.namespace.clone());
        let cluster = cluster::connect(&connection, &namespace)?.renewed_from(origin);
        Ok(Self {
            cluster,
            connection,
            namespace,
        })
    }

    /// Says where it is.
    pub(super) fn tell(&self, reporter: &Reporter) {
        reporter.say(&Notice::Target {
            server: self.connection.server.clone(),
            namespace: self.namespace.clone(),
        });
    }
}

/// Which Job is meant.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// The Job's name
    #[arg(value_name = "NAME", value_parser = job_name, conflicts_with = "run_id")]
    pub name: Option<String>,

    /// The run id that the Job was started with, in place of its name [env: KJO_RUN_ID, where no name is given]
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
}

/// Which Job is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// The one of this name.
    Name(String),
    /// The newest that bears this run id.
    RunId(RunId),
}

impl WhichArgs {
    /// Which one. What is written holds against the variable, which a CI job may have set for all its steps.
    ///
    /// # Errors
    /// None is named, or the id cannot be one.
    pub(super) fn which(&self, env: Env<'_>) -> Result<Which, Refusal> {
        match (&self.name, &self.run_id) {
            (Some(name), _) => Ok(Which::Name(name.clone())),
            (None, Some(id)) => RunId::given(id).map(Which::RunId),
            (None, None) => match env("KJO_RUN_ID") {
                Some(id) => RunId::given(&id).map(Which::RunId),
                None => Err(Refusal::new(
                    "no Job is named",
                    "give its NAME, or the run id that it was started with: --run-id ID or KJO_RUN_ID",
                )),
            },
        }
    }
}

impl Which {
    /// For messages: what is looked for.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Name(name) => format!("job/{name}"),
            Self::RunId(id) => seek::of_run(id.as_str()),
        }
    }

    /// The verdict when there is none.
    pub(super) fn absent(&self, namespace: &str) -> Verdict {
        match self {
            Self::Name(name) => seek::absent(name, namespace),
            Self::RunId(id) => seek::absent_id(id.as_str(), namespace),
        }
    }

    /// All Jobs that are meant, as they stand.
    pub(super) async fn find(&self, cluster: &Cluster) -> Result<Vec<JobView>, Failure> {
        match self {
            Self::Name(name) => Ok(cluster.read_job(name).await?.into_iter().collect()),
            Self::RunId(id) => {
                let jobs = cluster.find_jobs(&id.label(), id.as_str()).await?;
                jobs.iter().map(cluster::job_view).collect()
            }
        }
    }
}

/// The name of a Job, also as kjo and kubectl write it: `job/NAME`.
///
/// # Errors
/// Another kind of object, or nothing.
pub(super) fn job_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        Some(("job" | "jobs" | "job.batch" | "jobs.batch", name)) => name,
        Some((kind, _)) => return Err(format!("kjo follows Jobs, not {kind}")),
        None => text,
    };
    if name.is_empty() {
        return Err("it is empty; is a variable unset?".to_owned());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Which, WhichArgs, job_name};

    #[test]
    fn a_job_may_be_named_as_it_is_written() {
        for text in ["etl", "job/etl", "jobs.batch/etl"] {
            assert_eq!(job_name(text).as_deref(), Ok("etl"), "{text}");
        }
        for text in ["", "job/", "pod/etl"] {
            assert!(job_name(text).is_err(), "{text}");
        }
    }
    #[test]
    fn what_is_written_holds_against_the_variable() {
        let which = |name: Option<&str>, id: Option<&str>, variable: Option<&str>| {
            let args = WhichArgs {
                name: name.map(str::to_owned),
                run_id: id.map(str::to_owned),
            };
            let env = |key: &str| variable.filter(|_| key == "KJO_RUN_ID").map(str::to_owned);
            args.which(&env)
                .map(|which| which.what())
                .map_err(|refusal| refusal.message)
        };
        assert_eq!(which(Some("etl"), None, Some("x")).as_deref(), Ok("job/etl"));
        assert_eq!(
            which(None, Some("a"), Some("x")).unwrap(),
            which(None, None, Some("a")).unwrap()
        );
        assert_eq!(which(None, None, None), Err("no Job is named".to_owned()));
        assert!(matches!(
            WhichArgs { name: None, run_id: None }.which(&|_: &str| Some(String::new())),
            Err(refusal) if refusal.message.contains("is no run id")
        ));
        assert!(matches!(
            WhichArgs {
                name: None,
                run_id: Some("a".to_owned())
            }
            .which(&|_: &str| None),
            Ok(Which::RunId(_))
        ));
    }
}
