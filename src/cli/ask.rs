//! Questions of commands that follow nothing: asked again as long as that may help.

use std::time::Duration;

use tokio::time::Instant;

use super::run;
use crate::{
    core::{backoff::Jitter, failure::Failure, outcome::Verdict, seek::Seek},
    spec::Refusal,
};

/// How long is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    within: Duration,
    started: Instant,
    seed: u64,
}

impl Ask {
    /// So long after `started`.
    pub(super) fn new(within: Duration, started: Instant) -> Result<Self, Refusal> {
        Ok(Self {
            within,
            started,
            seed: u64::from_le_bytes(run::random()?),
        })
    }

    /// When it is over.
    pub(super) fn until(&self) -> Instant {
        self.started + self.within
    }

    /// Asks until there is an answer, a failure that does not heal, or no time left: that is a verdict, by which
    /// `what` could not be read.
    pub(super) async fn until_answered<T, F>(
        &self,
        what: &str,
        request: impl Fn() -> F,
    ) -> Result<Result<T, Failure>, Verdict>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.until_done(&format!("{what} could not be read"), request).await
    }

    /// The same of a request that is no reading; `undone` says what was not done, to which object.
    pub(super) async fn until_done<T, F>(
        &self,
        undone: &str,
        request: impl Fn() -> F,
    ) -> Result<Result<T, Failure>, Verdict>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut seek = Seek::new(self.within, Jitter::new(self.seed));
        loop {
            match tokio::time::timeout_at(self.until(), request()).await {
                Ok(Err(failure)) if failure.may_heal() => seek.failed(failure, self.started.elapsed()),
                Ok(answer) => return Ok(answer),
                Err(_) => return Err(seek.undone(undone)),
            }
            tokio::time::sleep_until(self.started + seek.due()).await;
            if !seek.again(self.started.elapsed()) {
                return Err(seek.undone(undone));
            }
        }
    }
}
