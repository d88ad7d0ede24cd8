//! Signals as inputs. SIGINT, SIGTERM and SIGHUP stop a run, SIGUSR1 leaves it; one that was ignored when kjo
//! started stays ignored (`nohup kjo run …`, a background job of a shell). The end of the calling process is
//! taken for one.

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::core::outcome::Signal;

/// How often the calling process is looked for.
const PARENT_EVERY: Duration = Duration::from_millis(500);

const STOPPING: [(Signal, SignalKind); 4] = [
    (Signal::Interrupt, SignalKind::interrupt()),
    (Signal::Terminate, SignalKind::terminate()),
    (Signal::Hangup, SignalKind::hangup()),
    (Signal::User, SignalKind::user_defined1()),
];

/// Listens for the signals that stop a run. `status` is the text of `/proc/self/status`, read before
/// anything else was done; without it (macOS) no signal is taken for ignored. With `parent` the end of the
/// process that has this PID, and started kjo, is told too.
///
/// # Errors
/// The process may not install handlers.
pub fn listen(status: Option<&str>, parent: Option<u32>) -> std::io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for (stop, kind) in STOPPING {
        // SIGTERM is never ignored: nohup ignores SIGHUP, shells ignore SIGINT for background jobs.
        if stop != Signal::Terminate && ignored(status.unwrap_or_default(), kind.as_raw_value()) {
            continue;
        }
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(stop).is_err() {
                    break;
                }
            }
        });
    }
    if let Some(parent) = parent {
        let sender = sender.clone();
        tokio::spawn(async move {
            // An orphan has another parent: init, or whoever takes orphans in.
            while std::os::unix::process::parent_id() == parent {
                tokio::time::sleep(PARENT_EVERY).await;
            }
            // After the end nobody listens.
            let _after_the_end = sender.send(Signal::Orphaned);
        });
    }
    // Its own sender would keep the channel open; without any signal it stays so all the same.
    tokio::spawn(async move {
        sender.closed().await;
    });
    Ok(receiver)
}

/// Whether the mask `SigIgn:` of proc(5) holds this signal.
fn ignored(status: &str, number: i32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mask_of_ignored_signals() {
        let status = "Name:\tkjo\nSigIgn:\t0000000000001003\nSigCgt:\t0000000000004000\n";
        assert!(ignored(status, 1));
        assert!(ignored(status, 2));
        assert!(!ignored(status, 15));
        assert!(!ignored("", 1));
    }
}
