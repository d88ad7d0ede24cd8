//! Where the cluster serves the kinds of what comes along with a Job, asked before anything is created.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ask::Ask;
use crate::{
    cluster::{Cluster, Served},
    core::{
        failure::{AfterCreate, Failure},
        outcome::{Outcome, Verdict},
    },
    spec::{Refusal, order::Order},
};

/// The paths of all companions, in their order; or the verdict when that cannot be told.
///
/// # Errors
/// A kind that the cluster does not have, or has for the whole of itself.
pub(super) async fn places(
    cluster: &Cluster,
    order: &Order,
    within: Duration,
    started: Instant,
) -> Result<Result<Vec<String>, Verdict>, Refusal> {
    let ask = Ask::new(within, started)?;
    let mut places: Vec<String> = Vec::new();
    for ((api_version, kind), title) in order.kinds().zip(order.titles()) {
        let what = format!("where the cluster keeps {kind} of {api_version}");
        let served = match ask.until_answered(&what, || cluster.served(api_version, kind)).await {
            Ok(Ok(served)) => served,
            Ok(Err(failure)) => {
                return Err(Refusal::new(
                    format!("{title}: {what} could not be asked: {failure}"),
                    "create it with 'kubectl apply', and leave it out of the manifest",
                ));
            }
            Err(verdict) => return Ok(Err(verdict.nothing_made())),
        };
        places.push(match served {
            Served::InNamespace(path) => path,
            Served::ClusterWide => {
                return Err(Refusal::new(
                    format!("{title} belongs to the whole cluster, and kjo makes what belongs to a run only"),
                    "create it with 'kubectl apply', and leave it out of the manifest",
                ));
            }
            Served::Unknown => {
                return Err(Refusal::new(
                    format!("{title}: the cluster knows no {kind} of {api_version}"),
                    "check apiVersion and kind with 'kubectl api-resources', and whether its definition is installed",
                ));
            }
        });
    }
    for (index, path) in places.iter().enumerate() {
        if let Err(verdict) = judged(cluster, order, index, path, ask).await? {
            return Ok(Err(verdict));
        }
    }
    Ok(Ok(places))
}

/// Whether the API server would take it, asked before anything is made: a Job that began without it would
/// have to be taken back, and others of its companions might stay.
async fn judged(
    cluster: &Cluster,
    order: &Order,
    index: usize,
    path: &str,
    ask: Ask,
) -> Result<Result<(), Verdict>, Refusal> {
    let (_, mut companion) = order.companion(index, 1, "")?;
    if let Some(metadata) = companion.object.get_mut("metadata").and_then(Value::as_object_mut) {
        // Its owner does not exist yet.
        metadata.remove("ownerReferences");
    }
    let title = format!("{}/{}", companion.kind, companion.name);
    let failure = match ask
        .until_answered(&title, || unless_taken(cluster, path, &companion.object))
        .await
    {
        Ok(Ok(())) => return Ok(Ok(())),
        Ok(Err(failure)) => failure,
        Err(verdict) => return Ok(Err(verdict.nothing_made())),
    };
    let message = format!("{title}, which comes with the Job, could not be made: {failure}");
    match failure.after_create() {
        AfterCreate::NotNow => {
            let reason = failure.status().map_or("Refused", |s| s.reason.as_str());
            Ok(Err(Verdict::new(Outcome::StartFailed, reason, message)
                .with_hint(Some("try again later; nothing was created".to_owned()))))
        }
        AfterCreate::Never if !of_dry_runs(&failure) => Err(Refusal::new(
            message,
            if failure.is(403) {
                "ask for the Role kjo-companions of manifests/roles.yaml in this namespace; nothing was created"
            } else {
                "correct the manifest; nothing was created"
            },
        )),
        // A webhook that cannot judge without effects judges when it comes to it.
        AfterCreate::Never | AfterCreate::SendAgain | AfterCreate::ReadBack | AfterCreate::Exists => Ok(Ok(())),
    }
}

/// A name that is taken is looked at when it comes to it.
async fn unless_taken(cluster: &Cluster, path: &str, object: &Value) -> Result<(), Failure> {
    match cluster.judge(path, object).await {
        Err(failure) if !failure.is(409) => Err(failure),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The refusal is about trying out, not about the object (apiserver, `NewDryRunUnsupportedErr`).
fn of_dry_runs(failure: &Failure) -> bool {
    failure
        .status()
        .is_some_and(|status| status.message.contains("dry run"))
}
