//! From one stream's body through the cursor to the writer.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::{sync::watch, time::Instant};

use super::{lines::Lines, output::Pen, waiting::silence};
use crate::core::{
    failure::Failure,
    log::{
        cursor::Cursor,
        follow::{Complete, End, LogState},
    },
    machine::{Counts, LogNews},
};

/// A stdout that takes nothing for this long is told: a log that waits for its reader is not silent.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// Where pieces follow one another faster than this, as much time is given to the next to come along with
/// them: every hand-over wakes another thread. A log that is written as it goes is handed on at once.
const BULK: Duration = Duration::from_millis(2);

/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// How much of a log was read, as its reader goes on.
#[derive(Debug, Clone, Default)]
pub struct Read(Arc<Amounts>);

#[derive(Debug, Default)]
struct Amounts {
    lines: AtomicU64,
    bytes: AtomicU64,
    reconnects: AtomicU32,
}

impl Read {
    /// So much by now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            lines: self.0.lines.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
            reconnects: self.0.reconnects.load(Ordering::Relaxed),
        }
    }

    pub(super) fn reconnected(&self, times: u32) {
        self.0.reconnects.store(times, Ordering::Relaxed);
    }

    fn took(&self, cursor: &Cursor) {
        self.0.lines.store(cursor.lines(), Ordering::Relaxed);
        self.0.bytes.store(cursor.bytes(), Ordering::Relaxed);
    }
}

/// A log on its way to stdout.
pub(super) struct Log<T: Fn(LogNews)> {
    pub(super) cursor: Cursor,
    pub(super) counts: Read,
    pub(super) tell: T,
    lines: Lines,
    pen: Pen,
    told: Option<Instant>,
    passed_on: Option<Instant>,
}

impl<T: Fn(LogNews)> Log<T> {
    pub(super) fn new(lines: Lines, pen: Pen, counts: Read, tell: T) -> Self {
        Self {
            cursor: Cursor::default(),
            counts,
            tell,
            lines,
            pen,
            told: None,
            passed_on: None,
        }
    }

    /// Reads one stream to its end. `check`, where there is one, tells at the first byte of a log of
    /// which nothing is known, or which has been doubted for long, or at its end, whether this is the right
    /// log.
    pub(super) async fn pump(
        &mut self,
        body: Body,
        state: &mut watch::Receiver<LogState>,
        followed: bool,
        wary: bool,
        check: Option<impl Future<Output = Result<bool, Failure>>>,
    ) -> End {
        let mut chunks = body.into_data_stream();
        // A log that is known in part tells by itself whether it goes on, until waiting has not helped.
        let mut check = check.filter(|_| self.cursor.since().is_none() || !wary);
        // Who is asked need not be doubted.
        self.cursor.begin(wary && check.is_none());
        let mut early = None;
        let end = loop {
            let next = async {
                if let Some(chunk) = early.take() {
                    return Some(chunk);
                }
                tokio::select! {
                    chunk = chunks.next() => Some(chunk),
                    () = silence(state, followed) => None,
                }
            };
            let chunk: Option<Bytes> = match self.giving_way(next).await {
                None => break End::Silent,
                Some(None) => None,
                Some(Some(Err(e))) => break End::Failed(Failure::Lost(e.to_string())),
                Some(Some(Ok(chunk))) => Some(chunk),
            };
            // Also where nothing came: another attempt that has not written yet would make an empty log of
            // this one.
            if let Some(check) = check.take() {
                match self.giving_way(check).await {
                    Ok(true) => {}
                    Ok(false) => break End::Stranger,
                    Err(failure) => break End::Failed(failure),
                }
            }
            let Some(chunk) = chunk else { break End::Eof };
            self.cursor.feed(&chunk, &mut self.lines);
            let bulk_until = self
                .passed_on
                .filter(|at| at.elapsed() < BULK)
                .map(|_| Instant::now() + BULK);
            while !self.cursor.stranger() && !self.lines.plenty() {
                // The connection's own task may have more by now.
                tokio::task::yield_now().await;
                let mut next = chunks.next().now_or_never();
                if let (None, Some(until)) = (&next, bulk_until) {
                    next = tokio::time::timeout_at(until, chunks.next()).await.ok();
                }
                match next {
                    Some(Some(Ok(chunk))) => self.cursor.feed(&chunk, &mut self.lines),
                    // An end comes after what is at hand.
                    over => {
                        early = over;
                        break;
                    }
                }
            }
            if self.cursor.stranger() {
                break End::Stranger;
            }
            self.pass_on().await;
            if self.told.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                self.told = Some(Instant::now());
                (self.tell)(LogNews::Progress(self.counts.counts()));
            }
        };
        // An API server whose own connection to the kubelet breaks ends the stream in good order, amid a
        // line. Only a log that was read at one go ends where it ends.
        self.cursor.end(end == End::Eof && !followed, &mut self.lines);
        self.pass_on().await;
        end
    }

    /// Waits for something, and lets others write meanwhile if this log has begun a line and they want
    /// to.
    pub(super) async fn giving_way<F: Future>(&mut self, waited_for: F) -> F::Output {
        let mut waited_for = pin!(waited_for);
        loop {
            tokio::select! {
                biased;
                come = &mut waited_for => return come,
                () = self.pen.overdue() => {
                    if let Some(end) = self.lines.interrupted() {
                        self.pen.write(end, false).await;
                    }
                    self.pen.give_way();
                }
            }
        }
    }

    /// Hands what is ready to the writer, and what is to be told to the driver.
    async fn pass_on(&mut self) {
        if let Some((bytes, unfinished)) = self.lines.take() {
            let mut write = pin!(self.pen.write(bytes, unfinished));
            if tokio::time::timeout(BLOCKED_AFTER, &mut write).await.is_err() {
                (self.tell)(LogNews::Blocked(true));
                write.await;
                (self.tell)(LogNews::Blocked(false));
            }
            self.passed_on = Some(Instant::now());
        }
        self.counts.took(&self.cursor);
        for text in self.lines.take_diagnostics() {
            (self.tell)(LogNews::Kubelet(text));
        }
        for why in self.lines.take_wrong() {
            (self.tell)(LogNews::Marker(why));
        }
        if let Some(gap) = self.cursor.take_gap() {
            (self.tell)(LogNews::Gap(gap));
        }
    }

    /// No more will be read.
    pub(super) async fn close(mut self, complete: Complete) {
        self.lines.close();
        self.pass_on().await;
        (self.tell)(LogNews::Done {
            complete,
            counts: self.counts.counts(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::{
        core::log::follow::Life,
        plane::{Ear, Output},
    };

    fn nobody_listens() -> Lines {
        Lines::new(None, false, Ear::deaf())
    }

    /// One stream of a log of which nothing is known, and how many bytes of it were taken.
    async fn pumped(body: &str, ours: bool) -> (End, u64) {
        let (output, _pieces) = Output::new();
        let mut log = Log::new(nobody_listens(), output.pen(), Read::default(), |_| ());
        let (_tell, mut state) = watch::channel(LogState {
            life: Life::Ended,
            previous: false,
            followed: true,
        });
        let body = Body::from(body.as_bytes().to_vec());
        let end = log.pump(body, &mut state, false, true, Some(ready(Ok(ours)))).await;
        (end, log.cursor.bytes())
    }

    #[tokio::test]
    async fn whose_log_it_is_is_asked_before_anything_is_believed() {
        const LINE: &str = "2026-11-02T00:00:00.5Z a\n";
        assert_eq!(pumped(LINE, false).await, (End::Stranger, 0));
        assert_eq!(
            pumped("", false).await,
            (End::Stranger, 0),
            "another attempt's that is empty yet"
        );
        assert_eq!(
            pumped(LINE, true).await,
            (End::Eof, 2),
            "though a stream before it has broken off"
        );
        assert_eq!(pumped("", true).await, (End::Eof, 0));
    }
}
