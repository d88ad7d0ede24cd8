//! Reading a container's log, as the kubelet does (k8s.io/cri-client pkg/logs/logs.go), and finding
//! the attempt to read (pkg/registry/core/pod/strategy.go, pkg/kubelet/kubelet_pods.go).

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::journal::{Entry, File, Journal, lock};
use crate::sandbox::{meta, refused::Refused};

/// Bytes of a log, as they come.
pub type LogStream = BoxStream<'static, Bytes>;

/// About as many bytes are handed out at a time.
const CHUNK: usize = 64 * 1024;

/// The options of a log request.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// The container's name; may be left out if there is one only.
    pub container: Option<String>,
    /// Wait for more until the container ends.
    pub follow: bool,
    /// The attempt before.
    pub previous: bool,
    /// A stamp before each line.
    pub timestamps: bool,
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// Nothing older than these seconds.
    pub since_seconds: Option<i64>,
    /// The last lines only.
    pub tail_lines: Option<usize>,
    /// No more than these bytes.
    pub limit_bytes: Option<usize>,
}

/// The container that is meant.
pub(super) fn container<'a>(pod: &'a Value, asked: Option<&'a str>) -> Result<&'a str, Refused> {
    let name = meta::text(pod, "name");
    let mut names = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
        .filter_map(|container| container["name"].as_str());
    match asked.filter(|asked| !asked.is_empty()) {
        Some(asked) if names.any(|name| name == asked) => Ok(asked),
        Some(asked) => Err(Refused::bad_request(format!(
            "container {asked} is not valid for pod {name}"
        ))),
        None => match pod["spec"]["containers"].as_array().map(Vec::as_slice) {
            Some([only]) => Ok(only["name"].as_str().unwrap_or_default()),
            Some(_) | None => {
                let names: Vec<&str> = names.collect();
                Err(Refused::bad_request(format!(
                    "a container name must be specified for pod {name}, choose one of: [{}]",
                    names.join(" ")
                )))
            }
        },
    }
}

/// The id of the attempt whose log is to be read (`validateContainerLogStatus`).
pub(super) fn attempt(pod: &Value, container: &str, previous: bool) -> Result<String, Refused> {
    let place = format!("container {container:?} in pod {:?}", meta::text(pod, "name"));
    let status = ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
        .find(|status| status["name"] == container)
        .ok_or_else(|| Refused::bad_request(format!("{place} is not available")))?;
    let id = |at: &Value| at.as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    let last = id(&status["lastState"]["terminated"]["containerID"]);
    let state = &status["state"];
    if previous {
        return last.ok_or_else(|| Refused::bad_request(format!("previous terminated {place} not found")));
    }
    if state["running"].is_object() {
        return id(&status["containerID"])
            .ok_or_else(|| Refused::bad_request(format!("{place} is waiting to start - no logs yet")));
    }
    if state["terminated"].is_object() || status["lastState"]["terminated"].is_object() {
        return id(&state["terminated"]["containerID"])
            .or(last)
            .ok_or_else(|| Refused::bad_request(format!("{place} is terminated")));
    }
    let reason = match state["waiting"]["reason"].as_str().unwrap_or_default() {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        reason => reason,
    };
    Err(Refused::bad_request(format!("{place} is waiting to start: {reason}")))
}

/// Opens a log. `since` has been worked out from both options.
pub(super) fn open(journal: Journal, options: &LogOptions, since: Option<Timestamp>) -> LogStream {
    let (file, _) = journal.file();
    let next = options
        .tail_lines
        .map_or(0, |tail| lock(&file).len().saturating_sub(tail));
    let reader = Reader {
        changed: journal.changed(),
        journal,
        file,
        next,
        // A followed log goes on after its tail.
        count: options.tail_lines.filter(|_| !options.follow),
        follow: options.follow,
        timestamps: options.timestamps,
        since,
        remain: options.limit_bytes,
        at_line_start: true,
    };
    stream::unfold(reader, Reader::next).boxed()
}

struct Reader {
    journal: Journal,
    changed: watch::Receiver<()>,
    file: File,
    next: usize,
    /// Lines that may yet be read; `None` for all.
    count: Option<usize>,
    follow: bool,
    timestamps: bool,
    since: Option<Timestamp>,
    /// Bytes that may yet be written.
    remain: Option<usize>,
    at_line_start: bool,
}

impl Reader {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            // Before the look, so that a change right after it wakes.
            self.changed.mark_unchanged();
            let (current, ended) = self.journal.file();
            let mut out = BytesMut::new();
            self.read(&mut out);
            if !out.is_empty() {
                return Some((out.freeze(), self));
            }
            if self.count == Some(0) || self.remain == Some(0) || !self.follow {
                return None;
            }
            if !Arc::ptr_eq(&current, &self.file) {
                // Rotated, and the old file is read to its end. What was rotated away meanwhile is lost.
                self.file = current;
                self.next = 0;
            } else if ended || self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Reads on in the open file.
    fn read(&mut self, out: &mut BytesMut) {
        let file = Arc::clone(&self.file);
        let entries = lock(&file);
        while let Some(entry) = entries.get(self.next) {
            if self.count == Some(0) || self.remain == Some(0) || out.len() >= CHUNK {
                return;
            }
            self.next += 1;
            self.count = self.count.map(|count| count - 1);
            self.write(entry, out);
            self.at_line_start = !entry.partial || entry.text.is_empty();
        }
    }

    fn write(&mut self, entry: &Entry, out: &mut BytesMut) {
        if self.since.is_some_and(|since| entry.at < since) {
            return;
        }
        let before = out.len();
        if self.timestamps && self.at_line_start {
            out.put_slice(format!("{:.9} ", entry.at).as_bytes());
        }
        out.put_slice(&entry.text);
        if !entry.partial {
            out.put_u8(b'\n');
        }
        if let Some(remain) = &mut self.remain {
            out.truncate(before + *remain);
            *remain -= out.len() - before;
        }
    }
}

/// The end of the log, for a container that left no termination message: at most 80 lines and 2048
/// bytes (pkg/kubelet/container/runtime.go).
pub(super) fn ending(journal: &Journal) -> Vec<u8> {
    let (file, _) = journal.file();
    let entries = lock(&file);
    let skip = entries.len().saturating_sub(80);
    let mut text = Vec::new();
    for entry in entries.iter().skip(skip) {
        text.extend_from_slice(&entry.text);
        text.extend((!entry.partial).then_some(b'\n'));
    }
    text.split_off(text.len().saturating_sub(2048))
}
