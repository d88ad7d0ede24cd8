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
