//! One log: opened, read through a cursor, reopened as `core::log::follow` says, to its end.

use std::time::Duration;

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

/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

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
        follow.opening(state);
        let request = LogRequest {
            pod: reader.source.pod.clone(),
            container: reader.source.container.clone(),
            previous,
            follow: keep_open,
            since: log.cursor.since(),
        };
        let before = log.cursor.bytes();
        let end = match reader.cluster.open_log(&request).await {
            Ok(body) => log.pump(body).await,
            Err(failure) => End::Failed(failure),
        };
        let brought = log.cursor.bytes() > before;
        if brought {
            follow.progressed();
        }
        let state = life.borrow().0;
        match follow.ended(&end, brought, state) {
            Next::Done(complete) => break complete,
            Next::Open { after, follow } => {
                pause(&mut life, after).await;
                keep_open = follow && life.borrow().0 == Life::Running;
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
    async fn pump(&mut self, body: Body) -> End {
        let mut chunks = body.into_data_stream();
        self.cursor.begin();
        let end = loop {
            let chunk: Bytes = match tokio::time::timeout(SILENT_AFTER, chunks.next()).await {
                Err(_) => break End::Silent,
                Ok(None) => break End::Eof,
                Ok(Some(Err(e))) => break End::Failed(Failure::Lost(e.to_string())),
                Ok(Some(Ok(chunk))) => chunk,
            };
            self.cursor.feed(&chunk, &mut self.lines);
            self.pass_on().await;
            if self.told.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                self.told = Some(Instant::now());
                (self.tell)(LogNews::Progress);
            }
        };
        self.cursor.end(end == End::Eof, &mut self.lines);
        self.pass_on().await;
        end
    }

    /// Hands what is ready to the writer, and what is to be told to the driver.
    async fn pass_on(&mut self) {
        if let Some((bytes, unfinished)) = self.lines.take() {
            self.pen.write(bytes, unfinished).await;
        }
        for text in self.lines.take_diagnostics() {
            (self.tell)(LogNews::Kubelet(text));
        }
        if let Some(gap) = self.cursor.take_gap() {
            (self.tell)(LogNews::Gap(gap));
        }
    }
}
