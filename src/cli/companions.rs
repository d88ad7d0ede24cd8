//! Where the cluster serves the kinds of what comes along with a Job, asked before anything is created.

use std::time::Duration;

use tokio::time::Instant;

use super::ask::Ask;
use crate::{
    cluster::{Cluster, Served},
    core::outcome::{Outcome, Verdict},
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
    let mut places = Vec::new();
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
            Err(mut verdict) => {
                // Nothing was made.
                verdict.outcome = Outcome::StartFailed;
                return Ok(Err(verdict));
            }
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
    Ok(Ok(places))
}
