//! The cluster and namespace of commands that find a Job there.

use super::{
    args::ClusterArgs,
    settings::{self, Env},
};
use crate::{
    cluster::{self, Cluster, Connection},
    core::notice::Notice,
    report::Reporter,
    spec::Refusal,
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
                "--sandbox starts a cluster for one run, which has no Job to be found",
                "leave --sandbox out",
            ));
        }
        let namespace = settings::given("-n", args.namespace.clone())?;
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
    use super::job_name;

    #[test]
    fn a_job_may_be_named_as_it_is_written() {
        for text in ["etl", "job/etl", "jobs.batch/etl"] {
            assert_eq!(job_name(text).as_deref(), Ok("etl"), "{text}");
        }
        for text in ["", "job/", "pod/etl"] {
            assert!(job_name(text).is_err(), "{text}");
        }
    }
}
