//! Watches that outlive their connections. What to do after an end is decided in `core::watch`.

use futures_util::StreamExt as _;
use http::Method;
use http_body_util::BodyExt as _;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::client::Body;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{ANSWER_WITHIN, Cluster, answer, jobs::of_job, uri::with_query};
use crate::core::{
    backoff::Jitter,
    failure::{Failure, Status},
    job::JobView,
    machine::Seen,
    pod::PodView,
    watch::{DEAD_AFTER, End, Resume},
};

/// One event of this size is no Job and no pod.
const EVENT_LIMIT: usize = 16 * 1024 * 1024;

impl Cluster {
    /// Watches the Job of this name from `version` on, for ever; drop the future to stop.
    pub async fn watch_job(&self, name: &str, version: String, jitter: Jitter, tell: impl Fn(Seen<JobView>)) {
        let selector = ("fieldSelector", format!("metadata.name={name}"));
        let resume = Resume::new(Some(version), jitter);
        let list = || self.list_job(name);
        self.keep_watching::<Job, _, _>(&self.jobs(), &selector, resume, list, tell)
            .await;
    }

    /// Lists and watches the pods of the Job with this UID, for ever; drop the future to stop. With a
    /// `version` from before the Job was made there is nothing to be listed.
    pub async fn watch_pods(
        &self,
        job_uid: &str,
        version: Option<String>,
        jitter: Jitter,
        tell: impl Fn(Seen<PodView>),
    ) {
        let selector = ("labelSelector", of_job(job_uid));
        if version.is_some() {
            tell(Seen::All(Vec::new()));
        }
        let resume = Resume::new(version, jitter);
        let list = || self.list_pods(job_uid);
        self.keep_watching::<Pod, _, _>(&self.pods(), &selector, resume, list, tell)
            .await;
    }

    async fn keep_watching<K, V, L>(
        &self,
        path: &str,
        selector: &(&str, String),
        mut resume: Resume,
        list: impl Fn() -> L,
        tell: impl Fn(Seen<V>),
    ) where
        K: DeserializeOwned,
        V: for<'a> From<&'a K>,
        L: Future<Output = Result<(Vec<V>, String), Failure>>,
    {
        loop {
            let pause = match self.watch_once(path, selector, &mut resume, &list, &tell).await {
                Once::Ended(end) => {
                    let why = end.to_string();
                    let (pause, failure) = resume.after(end);
                    let again_in_milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                    tracing::debug!(
                        event = "watch_ended",
                        path,
                        why,
                        again_in_milliseconds,
                        "the watch on {path} ended: {why}; again in {again_in_milliseconds} ms"
                    );
                    if let Some(failure) = failure {
                        tell(Seen::Lost(failure));
                    }
                    pause
                }
                Once::Refused(failure) => {
                    let (pause, first) = resume.refused();
                    if first {
                        tell(Seen::Polled(failure));
                    }
                    pause
                }
                Once::Polled => resume.polled(),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One list, if there is no version to start from, and one watch.
    async fn watch_once<K, V, L>(
        &self,
        path: &str,
        selector: &(&str, String),
        resume: &mut Resume,
        list: impl Fn() -> L,
        tell: &impl Fn(Seen<V>),
    ) -> Once
    where
        K: DeserializeOwned,
        V: for<'a> From<&'a K>,
        L: Future<Output = Result<(Vec<V>, String), Failure>>,
    {
        if resume.version().is_none() {
            match list().await {
                Ok((items, version)) => {
                    if resume.seen(&version) {
                        tell(Seen::Back);
                    }
                    tell(Seen::All(items));
                }
                Err(failure) => return Once::Ended(End::Failed(failure)),
            }
            if resume.polls() {
                return Once::Polled;
            }
        }
        let query = [
            (selector.0, selector.1.as_str()),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resume.version().unwrap_or_default()),
        ];
        let uri = with_query(path, &query);
        let body = match self.open(Method::GET, &uri, Vec::new(), ANSWER_WITHIN).await {
            Ok(response) => response.into_body(),
            Err(failure) if failure.is(410) => return Once::Ended(End::Expired),
            Err(failure) if failure.is(403) => return Once::Refused(failure),
            Err(failure) => return Once::Ended(End::Failed(failure)),
        };
        if resume.opened() {
            tell(Seen::Back);
        }
        let end = read_events::<K, V>(body, resume, tell).await;
        match end {
            End::Silent | End::Failed(_) => self.counted.broke_off(),
            // The server ends every watch now and then.
            End::Closed | End::Expired => {}
        }
        Once::Ended(end)
    }
}

/// What became of one list, one watch, or both.
enum Once {
    /// It ended.
    Ended(End),
    /// Watching is not allowed.
    Refused(Failure),
    /// A list was made, and no watch.
    Polled,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Versioned {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

/// Reads events, one JSON object a line, until the stream ends or falls silent.
async fn read_events<K, V>(body: Body, resume: &mut Resume, tell: &impl Fn(Seen<V>)) -> End
where
    K: DeserializeOwned,
    V: for<'a> From<&'a K>,
{
    let mut chunks = body.into_data_stream();
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let chunk = match tokio::time::timeout(DEAD_AFTER, chunks.next()).await {
            Err(_) => return End::Silent,
            Ok(None) => return End::Closed,
            Ok(Some(Err(e))) => return End::Failed(Failure::Lost(answer::chain(&e))),
            Ok(Some(Ok(chunk))) => chunk,
        };
        let searched = pending.len();
        pending.extend_from_slice(&chunk);
        if pending.len() > EVENT_LIMIT {
            return End::Failed(Failure::Lost("a watch event does not end".to_owned()));
        }
        let mut from = 0;
        for newline in memchr::memchr_iter(b'\n', pending.get(searched..).unwrap_or_default()) {
            let to = searched + newline;
            let line = pending.get(from..to).unwrap_or_default();
            from = to + 1;
            if let Err(end) = take_event::<K, V>(line, resume, tell) {
                return end;
            }
        }
        pending.drain(..from);
    }
}

fn take_event<K, V>(line: &[u8], resume: &mut Resume, tell: &impl Fn(Seen<V>)) -> Result<(), End>
where
    K: DeserializeOwned,
    V: for<'a> From<&'a K>,
{
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let unreadable = |e: serde_json::Error| End::Failed(Failure::Lost(format!("a watch event cannot be read: {e}")));
    let event: Event<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let object = event.object.get();
    if event.kind == "ERROR" {
        let status = answer::status(0, None, object.as_bytes());
        let code = serde_json::from_str::<serde_json::Value>(object)
            .ok()
            .and_then(|v| v.get("code").and_then(serde_json::Value::as_u64))
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or(500);
        // 410, or "too large resource version" of a server that is behind: only a list helps.
        let behind = status.causes.iter().any(|cause| cause == "ResourceVersionTooLarge");
        if code == 410 || behind || status.reason == "Expired" || status.reason == "Gone" {
            return Err(End::Expired);
        }
        return Err(End::Failed(Failure::Answered(Box::new(Status { code, ..status }))));
    }
    let versioned: Versioned = serde_json::from_slice(object.as_bytes()).map_err(unreadable)?;
    if event.kind != "BOOKMARK" {
        // As all objects of the cluster are read: one way of reading these types is 200 KiB of program.
        let object: K = serde_json::from_slice(object.as_bytes()).map_err(unreadable)?;
        let view = V::from(&object);
        tell(match event.kind {
            "DELETED" => Seen::Gone(view),
            _ => Seen::One(view),
        });
    }
    if resume.seen(&versioned.metadata.resource_version) {
        tell(Seen::Back);
    }
    Ok(())
}
