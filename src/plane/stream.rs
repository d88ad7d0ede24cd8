//! One log: opened, read through a cursor, reopened as `core::log::follow` says, to its end.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::{sync::watch, time::Instant};

use super::{lines::Lines, output::Pen};
use crate::{
    cluster::{Cluster, LogRequest},
    core::{
        backoff::Jitter,
        failure::Failure,
        log::{
            cursor::Cursor,
            follow::{End, Follow, Life, Next, SILENT_AFTER},
        },
        machine::{LogNews, LogSource},
    },
};

/// A stdout that takes nothing for this long is told: a log that waits for its reader is not silent.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// How long a stream may be silent once its container has ended: what is there comes at once.
const SILENT_ENDED: Duration = Duration::from_secs(3);

/// How long a log that is read at one go may pause: a busy node needs its time.
const SILENT_UNFOLLOWED: Duration = Duration::from_secs(20);

/// What is needed to read a log.
pub struct Reader<T: Fn(LogNews)> {
    /// Where the log is.
    pub cluster: Cluster,
    /// Which log.
    pub source: LogSource,
    /// What the pod's status says: is the container alive, is it the previous attempt.
    pub life: watch::Receiver<(Life, bool)>,
    /// Where its bytes go.
    pub pen: Pen,
    /// Put before every line, where several streams share stdout.
    pub prefix: Option<Vec<u8>>,
    /// The spread of retries.
    pub jitter: Jitter,
    /// Tells the driver how it goes.
    pub tell: T,
}

/// Reads a log to its end.
pub async fn read<T: Fn(LogNews)>(reader: Reader<T>) {
    let mut log = Log {
        cursor: Cursor::default(),
        lines: Lines::new(reader.prefix),
        pen: reader.pen,
        tell: reader.tell,
        told: None,
    };
    let mut life = reader.life;
    let mut follow = Follow::new(reader.jitter);
    let mut keep_open = reader.source.life == Life::Running;
    let complete = loop {
        let (state, previous) = *life.borrow_and_update();
        // A stream that the server keeps open proves nothing by its end, so an ended log is not followed.
        keep_open &= state == Life::Running;
        follow.opening(state);
        let request = LogRequest {
            pod: reader.source.pod.clone(),
            container: reader.source.container.clone(),
            previous,
            follow: keep_open,
            since: log.cursor.since(),
        };
        let before = log.cursor.bytes();
        let opening = async {
            tokio::select! {
                opened = reader.cluster.open_log(&request) => Some(opened),
                // The head of a followed log comes with its first line, so never from a connection that
                // is dead while its container ends.
                () = silence(&mut life, keep_open) => None,
            }
        };
        let opened = log.giving_way(opening).await;
        let end = match opened {
            Some(Ok(body)) => log.pump(body, &mut life, keep_open).await,
            Some(Err(failure)) => End::Failed(failure),
            None => End::Silent,
        };
        let brought = log.cursor.bytes() > before;
        let short = log.cursor.spoke() || (!keep_open && !log.cursor.met());
        let end = if end == End::Eof && !brought && short {
            End::Vain
        } else {
            end
        };
        if brought {
            follow.progressed();
        }
        let state = life.borrow().0;
        match follow.ended(&end, brought, state) {
            Next::Done(complete) => break complete,
            Next::Open { after, follow } => {
                log.giving_way(pause(&mut life, after)).await;
                keep_open = follow;
            }
        }
    };
    log.lines.close();
    log.pass_on().await;
    if let Some(failure) = follow.denied() {
        (log.tell)(LogNews::Denied(failure.clone()));
    }
    (log.tell)(LogNews::Done {
        complete,
        lines: log.cursor.lines(),
        bytes: log.cursor.bytes(),
    });
}

/// Waits for as long as a stream may be silent: a followed one a few seconds once its container has
/// ended.
async fn silence(life: &mut watch::Receiver<(Life, bool)>, followed: bool) {
    if !followed {
        return tokio::time::sleep(SILENT_UNFOLLOWED).await;
    }
    let mut limit = Instant::now() + SILENT_AFTER;
    let mut told = true;
    loop {
        if life.borrow().0 >= Life::Ended {
            limit = limit.min(Instant::now() + SILENT_ENDED);
        }
        let news = async {
            if told {
                life.changed().await.is_ok()
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
async fn pause(life: &mut watch::Receiver<(Life, bool)>, after: Duration) {
    if after.is_zero() {
        return;
    }
    let news = async {
        if life.changed().await.is_err() {
            // Nobody will tell any more: only the pause counts.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep(after) => {}
        () = news => {}
    }
}

struct Log<T: Fn(LogNews)> {
    cursor: Cursor,
    lines: Lines,
    pen: Pen,
    tell: T,
    told: Option<Instant>,
}

impl<T: Fn(LogNews)> Log<T> {
    /// Reads one stream to its end.
    async fn pump(&mut self, body: Body, life: &mut watch::Receiver<(Life, bool)>, followed: bool) -> End {
        let mut chunks = body.into_data_stream();
        self.cursor.begin();
        let end = loop {
            let next = async {
                tokio::select! {
                    chunk = chunks.next() => Some(chunk),
                    () = silence(life, followed) => None,
                }
            };
            let chunk: Bytes = match self.giving_way(next).await {
                None => break End::Silent,
                Some(None) => break End::Eof,
                Some(Some(Err(e))) => break End::Failed(Failure::Lost(e.to_string())),
                Some(Some(Ok(chunk))) => chunk,
            };
            self.cursor.feed(&chunk, &mut self.lines);
            self.pass_on().await;
            if self.told.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                self.told = Some(Instant::now());
                (self.tell)(LogNews::Progress);
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
    async fn giving_way<F: Future>(&mut self, waited_for: F) -> F::Output {
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
        }
        for text in self.lines.take_diagnostics() {
            (self.tell)(LogNews::Kubelet(text));
        }
        if let Some(gap) = self.cursor.take_gap() {
            (self.tell)(LogNews::Gap(gap));
        }
    }
}
