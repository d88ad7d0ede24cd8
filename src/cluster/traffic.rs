//! How much is asked of the API server, and how much of that once more.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use http::Method;

use crate::core::{failure::Failure, record::Traffic};

/// The counts of all clones of a [`super::Cluster`].
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sum: Traffic,
    /// Requests that have failed and will be repeated, by method and path: the query of a watch or a log
    /// says from where, and changes.
    failed: HashSet<(Method, String)>,
}

impl Counted {
    pub(super) fn sum(&self) -> Traffic {
        self.with(|counts| counts.sum)
    }

    /// A request goes out.
    pub(super) fn sent(&self, method: &Method, uri: &str) {
        self.with(|counts| {
            counts.sum.requests += 1;
            if counts.failed.remove(&key(method, uri)) {
                counts.sum.retries += 1;
            }
        });
    }

    /// It was answered, or was not.
    pub(super) fn answered(&self, method: &Method, uri: &str, failure: Option<&Failure>) {
        if failure.is_some_and(Failure::may_heal) {
            self.with(|counts| counts.failed.insert(key(method, uri)));
        }
    }

    /// A watch ended otherwise than in good order, and will be opened again.
    pub(super) fn broke_off(&self) {
        self.with(|counts| counts.sum.rewatches += 1);
    }

    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key(method: &Method, uri: &str) -> (Method, String) {
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    (method.clone(), path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_the_same_request_after_a_failure_that_may_heal() {
        let counted = Counted::default();
        let lost = Failure::Lost("reset".into());
        let setup = Failure::Setup("no".into());
        for (method, uri, failure) in [
            (Method::GET, "/jobs/a?x=1", Some(&lost)),
            (Method::POST, "/jobs/a", None),
            (Method::GET, "/jobs/a?x=2", Some(&lost)),
            (Method::GET, "/jobs/a?x=2", None),
            (Method::GET, "/jobs/a?x=2", Some(&setup)),
            (Method::GET, "/jobs/a?x=2", None),
        ] {
            counted.sent(&method, uri);
            counted.answered(&method, uri, failure);
        }
        counted.broke_off();
        let sum = counted.sum();
        assert_eq!((sum.requests, sum.retries, sum.rewatches), (6, 2, 1));
    }
}
