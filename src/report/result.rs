//! The result file: what a caller reads instead of guessing from the exit code, which a container
//! may have chosen. It is there from the moment the Job exists, so that it outlives a kjo that is killed.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    document::{self, Facts, Times},
    place::Place,
};
use crate::{
    core::{job::JobView, machine::Ended, outcome::Verdict, record::Traffic},
    plane::Ears,
};

/// Where the result goes, if anywhere, and what does not change during the run.
#[derive(Debug)]
pub struct ResultFile {
    place: Option<Place>,
    namespace: String,
    run_id: Option<String>,
    clock: Clock,
    created: OnceLock<Timestamp>,
    ears: Ears,
    /// What was wrong when it was last written.
    wrong: Mutex<Option<String>>,
}

/// The time of day, which goes on evenly from its beginning: a clock that is set meanwhile does not make
/// a run end before it began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Timestamp,
    since: Instant,
}

impl Clock {
    /// It is this time now.
    #[must_use]
    pub fn set(now: Timestamp) -> Self {
        Self {
            began: now,
            since: Instant::now(),
        }
    }

    /// When it was set.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.began.saturating_add(self.since.elapsed()).unwrap_or(self.began)
    }
}

impl ResultFile {
    /// A file at this path; an old one is removed, so that a caller never reads yesterday's result.
    ///
    /// # Errors
    /// The old file cannot be removed.
    pub fn begin(path: Option<PathBuf>, clock: Clock) -> io::Result<Self> {
        Ok(Self {
            place: path.map(Place::cleared).transpose()?,
            namespace: String::new(),
            run_id: None,
            clock,
            created: OnceLock::new(),
            ears: Ears::default(),
            wrong: Mutex::default(),
        })
    }

    /// The path, for messages.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.place.as_ref().map(Place::path)
    }

    /// What the Job will be known by.
    pub fn about(&mut self, namespace: &str, run_id: Option<&str>) {
        namespace.clone_into(&mut self.namespace);
        self.run_id = run_id.map(str::to_owned);
    }

    /// What was listened for in the logs is part of the result.
    pub fn hears(&mut self, ears: Ears) {
        self.ears = ears;
    }

    /// The Job exists; its outcome is open.
    ///
    /// # Errors
    /// The file cannot be written, and that is news.
    pub fn created(&self, job: &JobView, adopted: bool) -> io::Result<()> {
        self.created.get_or_init(|| self.clock.now());
        if self.place.as_ref().is_some_and(|place| !place.takes_several()) {
            return Ok(());
        }
        self.write(|| {
            self.document(Facts {
                job: Some(job),
                adopted: Some(adopted),
                ..Facts::default()
            })
        })
    }

    /// The outcome is known, and is given with this; the Job is not cleaned up yet.
    ///
    /// # Errors
    /// The file cannot be written, and that is news.
    pub fn delivered(&self, ended: &Ended, traffic: Traffic) -> io::Result<()> {
        if self.place.as_ref().is_some_and(|place| !place.takes_several()) {
            return Ok(());
        }
        self.ended(ended, traffic)
    }

    /// The run is over, after so many requests.
    ///
    /// # Errors
    /// The file cannot be written, and that is news.
    pub fn ended(&self, ended: &Ended, traffic: Traffic) -> io::Result<()> {
        self.write(|| self.of_ended(ended, traffic))
    }

    /// The document of a run that is over.
    #[must_use]
    pub fn of_ended(&self, ended: &Ended, traffic: Traffic) -> Value {
        let handed = self.ears.handed(&ended.pods);
        let mut facts = Facts {
            handed: Some(&handed),
            verdict: Some(&ended.verdict),
            job: ended.job.as_ref(),
            adopted: ended.job.is_some().then_some(ended.adopted),
            pods: &ended.pods,
            pods_unseen: ended.pods_unseen,
            warnings: &ended.warnings,
            cleanup: Some(&ended.cleanup),
            traffic: Some(traffic),
            ..Facts::default()
        };
        facts.times.ended = Some(self.clock.now());
        self.document(facts)
    }

    /// Nothing was tried.
    ///
    /// # Errors
    /// The file cannot be written, and that is news.
    pub fn refused(&self, verdict: &Verdict) -> io::Result<()> {
        let mut facts = Facts {
            verdict: Some(verdict),
            ..Facts::default()
        };
        facts.times.ended = Some(self.clock.now());
        self.write(|| self.document(facts))
    }

    fn document(&self, facts: Facts<'_>) -> Value {
        document::of(&Facts {
            namespace: &self.namespace,
            run_id: self.run_id.as_deref(),
            times: Times {
                started: Some(self.clock.began()),
                created: self.created.get().copied(),
                ended: facts.times.ended,
            },
            ..facts
        })
    }

    fn write(&self, document: impl FnOnce() -> Value) -> io::Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        let written = super::json(&document()).and_then(|text| place.put(&text));
        let wrong = written.as_ref().err().map(ToString::to_string);
        let mut before = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == wrong {
            return Ok(());
        }
        before.clone_from(&wrong);
        written
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
