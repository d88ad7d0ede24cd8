//! How a watch goes on after it has ended: from which version, and after what pause.

use std::time::Duration;

use super::{
    backoff::{Backoff, Jitter},
    failure::Failure,
};

/// A watch that brought neither event nor bookmark for this long is taken for dead. Bookmarks come
/// every minute (`allowWatchBookmarks`), so two were missed.
pub const DEAD_AFTER: Duration = Duration::from_secs(130);

/// Why a watch, or the list before it, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server closed it in good order, as it does every half hour or so.
    Closed,
    /// The version asked for is gone (410): only a fresh list can tell what happened meanwhile.
    Expired,
    /// Nothing came for [`DEAD_AFTER`].
    Silent,
    /// The request failed or the stream broke.
    Failed(Failure),
}

/// Where a watch stands.
#[derive(Debug)]
pub struct Resume {
    version: Option<String>,
    backoff: Backoff,
}

impl Resume {
    /// A watch that starts at this version, or with a list where there is none.
    #[must_use]
    pub fn new(version: Option<String>, jitter: Jitter) -> Self {
        Self {
            version,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10), jitter),
        }
    }

    /// The version to watch from; `None` asks for a list first.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// A list, an event or a bookmark brought this version: the connection works.
    pub fn seen(&mut self, version: &str) {
        self.backoff.reset();
        if !version.is_empty() {
            self.version = Some(version.to_owned());
        }
    }

    /// The pause before the next request after this end.
    pub fn after(&mut self, end: &End) -> Duration {
        match end {
            // Not at once: a proxy that closes every watch must not make a hot loop of us.
            End::Closed | End::Silent => self.backoff.next(None),
            End::Expired => {
                self.version = None;
                self.backoff.next(None)
            }
            End::Failed(failure) => self.backoff.next(failure.retry_after()),
        }
    }
}
