//! Waiting, while the pod's status may say something new.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use crate::core::log::follow::{Life, LogState, SILENT_AFTER};

/// How long a stream may be silent once its container has ended: what is there comes at once.
const SILENT_ENDED: Duration = Duration::from_secs(3);

/// How long a log that is read at one go may pause: a busy node needs its time.
const SILENT_UNFOLLOWED: Duration = Duration::from_secs(20);

/// Waits for as long as a stream may be silent: a followed one a few seconds once its container has
/// ended.
pub(super) async fn silence(state: &mut watch::Receiver<LogState>, followed: bool) {
    if !followed {
        return tokio::time::sleep(SILENT_UNFOLLOWED).await;
    }
    let mut limit = Instant::now() + SILENT_AFTER;
    let mut told = true;
    loop {
        if state.borrow().life >= Life::Ended {
            limit = limit.min(Instant::now() + SILENT_ENDED);
        }
        let news = async {
            if told {
                state.changed().await.is_ok()
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(limit) => return,
            // Nobody will tell any more: only the limit counts.
            told_more = news => told = told_more,
        }
    }
}

/// Waits, but no longer than until the status says something new.
pub(super) async fn pause(state: &mut watch::Receiver<LogState>, after: Duration) {
    if after.is_zero() {
        return;
    }
    let news = async {
        if state.changed().await.is_err() {
            // Nobody will tell any more: only the pause counts.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep(after) => {}
        () = news => {}
    }
}
