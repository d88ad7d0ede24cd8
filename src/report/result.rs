//! The result file: what a caller reads instead of guessing from the exit code, which a container
//! may have chosen. It holds no environment and no manifest.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::core::{
    exit,
    job::JobView,
    machine::{Cleanup, Ended},
    outcome::{Outcome, Verdict},
    pod::ContainerKind,
    record::{self, AttemptRecord, ContainerRecord, PodRecord},
};

/// Where the result goes, if anywhere, and what does not change during the run.
#[derive(Debug, Clone)]
pub struct ResultFile {
    path: Option<PathBuf>,
    namespace: String,
    run_id: Option<String>,
}

impl ResultFile {
    /// A file at this path; an old one is removed, so that a caller never reads yesterday's result.
    ///
    /// # Errors
    /// The old file cannot be removed.
    pub fn begin(path: Option<PathBuf>) -> io::Result<Self> {
        if let Some(path) = &path {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Self {
            path,
            namespace: String::new(),
            run_id: None,
        })
    }

    /// The path, for messages.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What the Job will be known by.
    pub fn about(&mut self, namespace: &str, run_id: Option<&str>) {
        namespace.clone_into(&mut self.namespace);
        self.run_id = run_id.map(str::to_owned);
    }

    /// The Job exists; its outcome is open.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn created(&self, job: &JobView) -> io::Result<()> {
        self.write(|| {
            let mut document = document(None);
            document["job"] = self.job(job, true);
            document
        })
    }

    /// The run is over, after so many requests.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn ended(&self, ended: &Ended, requests: u64) -> io::Result<()> {
        self.write(|| {
            let mut document = document(Some(&ended.verdict));
            let reconnects: u32 = record::logs(&ended.pods).map(|log| log.reconnects).sum();
            document["api"] = json!({"requests": requests, "reconnects": reconnects});
            document["pods"] = ended.pods.iter().map(pod).collect();
            if let Some(job) = &ended.job {
                let running = ended.verdict.job_unfinished && ended.verdict.outcome != Outcome::Deleted;
                document["job"] = self.job(job, running);
            }
            document["cleanup"] = match &ended.cleanup {
                Cleanup::Nothing => Value::Null,
                Cleanup::Kept => json!({"deleted": false, "error": null}),
                Cleanup::Deleted => json!({"deleted": true, "error": null}),
                Cleanup::Failed(why) => json!({"deleted": false, "error": why}),
            };
            document
        })
    }

    /// Nothing was tried.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn refused(&self, verdict: &Verdict) -> io::Result<()> {
        self.write(|| document(Some(verdict)))
    }

    fn job(&self, job: &JobView, still_running: bool) -> Value {
        json!({
            "name": job.name,
            "namespace": self.namespace,
            "uid": job.uid,
            "run_id": self.run_id.as_ref().or(job.run_id.as_ref()),
            "still_running": still_running,
        })
    }

    fn write(&self, document: impl FnOnce() -> Value) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut text = serde_json::to_vec_pretty(&document())?;
        text.push(b'\n');
        replace(path, &text)
    }
}

fn document(verdict: Option<&Verdict>) -> Value {
    json!({
        "schema": "kjo.result/v1",
        "outcome": verdict.map(|v| v.outcome.name()),
        "exit_code": verdict.map(exit::code),
        "container_exit_code": verdict.and_then(|v| v.container_exit_code),
        "reason": verdict.map(|v| v.reason.clone()),
        "message": verdict.map(|v| v.message.clone()),
        "hint": verdict.and_then(|v| v.hint.clone()),
        "job": null,
        "pods": [],
        "cleanup": null,
        "api": null,
    })
}

fn pod(pod: &PodRecord) -> Value {
    let container = |container: &ContainerRecord| {
        json!({
            "name": container.name,
            "kind": match container.kind {
                ContainerKind::Init => "init",
                ContainerKind::Sidecar => "sidecar",
                ContainerKind::Main => "main",
            },
            "attempts": container.attempts.iter().map(attempt).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": pod.name,
        "uid": pod.uid,
        "node": Some(&pod.node).filter(|node| !node.is_empty()),
        "index": pod.index,
        "containers": pod.containers.iter().map(container).collect::<Vec<_>>(),
    })
}

fn attempt(attempt: &AttemptRecord) -> Value {
    let log = attempt.log.map(|log| {
        json!({
            "lines": log.lines,
            "bytes": log.bytes,
            "complete": log.wholeness().name(),
            "gaps": log.gaps,
        })
    });
    json!({
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "reason": Some(&attempt.reason).filter(|reason| !reason.is_empty()),
        "started_at": attempt.started_at.map(|at| at.to_string()),
        "finished_at": attempt.finished_at.map(|at| at.to_string()),
        "log": log,
    })
}

/// Writes beside the file and renames: a reader sees the old or the new document, never half of one.
/// Mode 0600.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text)?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to tell; a leftover may or may not exist.
        drop(fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::core::record::LogRecord;

    #[test]
    fn a_file_is_private_whole_and_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        fs::write(&path, "yesterday's").unwrap();
        let mut result = ResultFile::begin(Some(path.clone())).unwrap();
        assert!(!path.exists());
        result.about("team", Some("r1"));
        let job = JobView {
            name: "etl-x".into(),
            uid: "u1".into(),
            ..JobView::default()
        };
        result.created(&job).unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap());
        let verdict = Verdict::new(Outcome::Failed, "BackoffLimitExceeded", "job/etl-x failed").with_code(Some(7));
        let ended = Ended {
            verdict,
            job: Some(job),
            cleanup: Cleanup::Kept,
            pods: vec![PodRecord {
                name: "etl-x-abc".into(),
                uid: "p1".into(),
                node: "node1".into(),
                index: Some(0),
                containers: vec![ContainerRecord {
                    name: "main".into(),
                    kind: ContainerKind::Main,
                    attempts: vec![AttemptRecord {
                        exit_code: Some(7),
                        signal: None,
                        reason: "Error".into(),
                        started_at: jiff::Timestamp::from_second(1_793_577_600).ok(),
                        finished_at: None,
                        log: Some(LogRecord {
                            lines: 2,
                            bytes: 17,
                            proven: true,
                            ..LogRecord::default()
                        }),
                    }],
                }],
            }],
            warnings: Vec::new(),
        };
        result.ended(&ended, 7).unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside it");
    }

    #[test]
    fn without_a_path_nothing_is_written() {
        let result = ResultFile::begin(None).unwrap();
        result.created(&JobView::default()).unwrap();
    }
}
