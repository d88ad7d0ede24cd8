//! Opening a container's log.

use std::time::Duration;

use http::Method;
use kube::client::Body;

use super::{
    Cluster,
    uri::{encoded, with_query},
};
use crate::core::{
    backoff::{Backoff, Jitter},
    failure::Failure,
    log::follow::SILENT_AFTER,
    machine::LogSource,
};

/// Tries to find out whose log a stream brings.
const CHECKS: u32 = 5;

/// Which log, from where.
#[derive(Debug, Clone)]
pub struct LogRequest {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The attempt before the current one.
    pub previous: bool,
    /// Keep the stream open while the container runs.
    pub follow: bool,
    /// Whole seconds since 1970; `None` for the beginning.
    pub since: Option<i64>,
    /// The last so many lines only, where `since` is `None`.
    pub tail: Option<u64>,
}

impl Cluster {
    /// Whether a log that is asked for by these names is the one that is meant: read afresh, because the
    /// kubelet may have started the container again since it was last told. Asked more than once if need
    /// be: an open log, which waits meanwhile, is not easily had again where every other request fails.
    pub async fn serves(&self, source: &LogSource, previous: bool, jitter: Jitter) -> Result<bool, Failure> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2), jitter);
        let mut tries = 1;
        let pod = loop {
            match self.read_pod(&source.pod).await {
                Err(failure) if tries < CHECKS && !failure.is(403) => {
                    tries += 1;
                    tokio::time::sleep(backoff.next(failure.retry_after())).await;
                }
                answer => break answer?,
            }
        };
        Ok(pod.is_some_and(|pod| {
            pod.uid == source.pod_uid && pod.serves(&source.container, &source.container_id, previous)
        }))
    }

    /// Opens the log, with a stamp before every line. The kubelet sends no head before the first
    /// line of a followed log, so a silent container is waited for.
    pub async fn open_log(&self, request: &LogRequest) -> Result<Body, Failure> {
        let since = request
            .since
            .and_then(|s| jiff::Timestamp::from_second(s).ok())
            .map(|s| s.to_string());
        let flag = |on: bool| if on { "true" } else { "false" };
        let mut query = vec![
            ("container", request.container.as_str()),
            ("timestamps", "true"),
            ("follow", flag(request.follow)),
        ];
        if request.previous {
            query.push(("previous", "true"));
        }
        // Whole seconds: the API server cuts fractions off, and kube would round them up.
        if let Some(since) = &since {
            query.push(("sinceTime", since));
        }
        let tail = request.tail.filter(|_| since.is_none()).map(|lines| lines.to_string());
        if let Some(tail) = &tail {
            query.push(("tailLines", tail));
        }
        let path = format!("{}/{}/log", self.pods(), encoded(&request.pod));
        let within = if request.follow {
            // The reader looks after its silence; this is for what hangs all the same.
            SILENT_AFTER + Duration::from_secs(10)
        } else {
            Duration::from_secs(60)
        };
        let uri = with_query(&path, &query);
        Ok(self.open(Method::GET, &uri, Vec::new(), within).await?.into_body())
    }
}
