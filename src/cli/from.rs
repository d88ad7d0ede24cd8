//! `--from cronjob/NAME`: the template of a CronJob in the cluster.

use serde_json::Value;
use tokio::time::Instant;

use super::{ask::Ask, settings::RunSettings};
use crate::{
    cluster::{self, Connection},
    core::outcome::Verdict,
    spec::{Refusal, read::Document},
};

/// The name in `cronjob/NAME`.
pub(super) fn name(argument: &str) -> Result<String, Refusal> {
    let (kind, name) = argument.split_once('/').unwrap_or((argument, ""));
    let known = ["cronjob", "cronjobs", "cj", "cronjob.batch", "cronjobs.batch"];
    if known.contains(&kind.to_ascii_lowercase().as_str()) && !name.is_empty() && !name.contains('/') {
        return Ok(name.to_owned());
    }
    Err(Refusal::new(
        format!("--from {argument} names no CronJob"),
        "write --from cronjob/NAME",
    ))
}

/// The CronJob as the cluster has it; or the verdict when it cannot be had in time.
pub(super) async fn cron_job(
    settings: &RunSettings,
    name: &str,
    connection: &Connection,
    started: Instant,
) -> Result<Result<Document, Verdict>, Refusal> {
    let namespace = settings.namespace.as_deref().unwrap_or(&connection.namespace);
    let cluster = cluster::connect(connection, namespace)?.renewed_from(settings.cluster.clone());
    let ask = Ask::new(settings.connect_timeout, started)?;
    let found: Option<Value> = match ask
        .until_answered(&format!("cronjob/{name}"), || cluster.read_cron_job(name))
        .await
    {
        Ok(Ok(found)) => found,
        Ok(Err(failure)) => {
            return Err(Refusal::new(
                format!("cronjob/{name} in namespace {namespace} cannot be read: {failure}"),
                "kjo needs get on cronjobs.batch there",
            ));
        }
        Err(verdict) => return Ok(Err(verdict.nothing_made())),
    };
    let found = found.ok_or_else(|| {
        Refusal::new(
            format!("there is no cronjob/{name} in namespace {namespace}"),
            "see 'kubectl get cronjobs'; -n chooses another namespace",
        )
    })?;
    Ok(Ok(Document::made(&format!("cronjob/{name}"), found)))
}
