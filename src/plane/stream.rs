//! One log: opened, read through a cursor, reopened as `core::log::follow` says, to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use super::{
    ear::Ear,
    lines::Lines,
    output::Pen,
    pump::{Log, Read},
    waiting::{pause, silence},
};
use crate::{
    cluster::{Cluster, LogRequest},
    core::{
        backoff::Jitter,
        log::follow::{Complete, End, Follow, Life, LogState, Next, Opening, Start},
        machine::{LogNews, LogSource},
    },
};

/// Logs that are read in turn, so many at a time.
const IN_TURN: usize = 16;

/// The node looks this often whether a log has to be rotated (`containerLogMonitorInterval`): of what was
/// read sooner after its container's start nothing can be missing.
const ROTATED_AFTER: i64 = 10;

/// The right to read a log in turn with others.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<Semaphore>);

impl Default for Lanes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(IN_TURN)))
    }
}

/// What is needed to read a log.
pub struct Reader<T: Fn(LogNews)> {
    /// Where the log is.
    pub cluster: Cluster,
    /// Which log.
    pub source: LogSource,
    /// How to read it, by what the pod's status says now.
    pub state: watch::Receiver<LogState>,
    /// Where its bytes go.
    pub pen: Pen,
    /// Put before every line, where several streams share stdout.
    pub prefix: Option<Vec<u8>>,
    /// Every line bears its stamp.
    pub timestamps: bool,
    /// What is listened for in it.
    pub ear: Ear,
    /// Shared by all readers.
    pub lanes: Lanes,
    /// How much was read, for whoever ends the reader before its end.
    pub counts: Read,
    /// The spread of retries.
    pub jitter: Jitter,
    /// Tells the driver how it goes.
    pub tell: T,
}

/// Reads a log to its end.
pub async fn read<T: Fn(LogNews)>(reader: Reader<T>) {
    let Reader {
        cluster,
        source,
        mut state,
        lanes,
        ..
    } = reader;
    let lines = Lines::new(reader.prefix, reader.timestamps, reader.ear);
    let mut log = Log::new(lines, reader.pen, reader.counts, reader.tell);
    let mut jitter = reader.jitter;
    let mut follow = Follow::new(jitter.fork(), source.restarts);
    let mut start = source.start;
    let mut keep_open = true;
    let mut rest = Rest::default();
    let (asked, mut waited) = (Instant::now(), None);
    let complete = loop {
        let now = *state.borrow_and_update();
        match follow.opening(now, rest.until_now(now.life)) {
            Opening::Now => {}
            Opening::After(pause_of) => {
                log.giving_way(pause(&mut state, pause_of)).await;
                continue;
            }
            Opening::Never => break Complete::Unproven,
        }
        log.counts.reconnected(follow.reconnects());
        // A stream that the server keeps open proves nothing by its end, so an ended log is not followed.
        keep_open &= now.life == Life::Running;
        let position = start == Start::Now && log.cursor.since().is_none();
        let request = LogRequest {
            pod: source.pod.clone(),
            container: source.container.clone(),
            previous: now.previous,
            follow: keep_open && now.followed && !position,
            since: log.cursor.since(),
            tail: tail(start),
        };
        log.cursor.behind_first(position);
        log.cursor.amid(request.tail.is_some() && request.since.is_none());
        let before = log.cursor.bytes();
        let end = {
            let _lane = if now.followed {
                None
            } else {
                // Never closed; without a lane it would be read all the same.
                log.giving_way(lanes.0.acquire()).await.ok()
            };
            // The answer to it comes with the first line.
            let sent = asked.elapsed();
            let opening = async {
                tokio::select! {
                    opened = cluster.open_log(&request) => Some(opened),
                    // The head of a followed log comes with its first line, so never from a connection
                    // that is dead while its container ends.
                    () = silence(&mut state, request.follow) => None,
                }
            };
            match log.giving_way(opening).await {
                Some(Ok(body)) => {
                    waited.get_or_insert(sent);
                    let check = source
                        .restarts
                        .then(|| cluster.serves(&source, now.previous, jitter.fork()));
                    log.pump(body, &mut state, request.follow, follow.wary(), check).await
                }
                Some(Err(failure)) => End::Failed(failure),
                None => End::Silent,
            }
        };
        let brought = log.cursor.bytes() > before;
        let end = judged(end, brought, request.follow, &log);
        if brought {
            follow.progressed();
            rest.disturbed();
        }
        if let End::Failed(failure) = &end
            && failure.may_heal()
        {
            (log.tell)(LogNews::OutOfReach(failure.clone()));
        }
        if position && end == End::Eof {
            // Nothing is there that could be skipped, or it was.
            start = Start::Beginning;
            continue;
        }
        let life = state.borrow().life;
        rest.until_now(life);
        follow.torn(log.cursor.torn());
        let next = follow.ended(&end, brought, life);
        log.counts.reconnected(follow.reconnects());
        match next {
            Next::Done(complete) => break complete,
            Next::Open { after, follow } => {
                reopened(&source, &end, after);
                log.giving_way(pause(&mut state, after)).await;
                keep_open = follow;
            }
        }
    };
    if let Some(failure) = follow.denied() {
        (log.tell)(LogNews::Denied(failure.clone()));
    }
    let complete = began(complete, &source, waited.unwrap_or_default(), &log);
    log.close(complete).await;
}

/// An orderly end of a stream that has brought nothing, not even all that is known, is none.
fn judged<T: Fn(LogNews)>(end: End, brought: bool, followed: bool, log: &Log<T>) -> End {
    let short = log.cursor.spoke() || (!followed && !log.cursor.met());
    if end == End::Eof && !brought && short {
        End::Vain
    } else {
        end
    }
}

/// For `--verbose`: why a log is opened again.
fn reopened(source: &LogSource, why: &End, after: Duration) {
    let (pod, container, why) = (source.pod.as_str(), source.container.as_str(), why.to_string());
    let again_in_milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(
        event = "log_reopened",
        pod,
        container,
        why,
        again_in_milliseconds,
        "the log of pod/{pod} container {container} is opened again in {again_in_milliseconds} ms: {why}"
    );
}

/// Since when a container has been known to have ended, and its log has brought nothing.
#[derive(Debug, Default)]
struct Rest(Option<Instant>);

impl Rest {
    /// For how long.
    fn until_now(&mut self, life: Life) -> Duration {
        if life == Life::Running {
            return Duration::ZERO;
        }
        self.0.get_or_insert_with(Instant::now).elapsed()
    }

    /// It has brought something just now.
    fn disturbed(&mut self) {
        self.0 = self.0.map(|_| Instant::now());
    }
}

/// An end that is proven proves no beginning. `waited` is the time from the reader's start until the
/// first stream was asked for that was opened.
fn began<T: Fn(LogNews)>(complete: Complete, source: &LogSource, waited: Duration, log: &Log<T>) -> Complete {
    let first = log.cursor.first().map(|stamp| stamp.seconds);
    let late = source.late || waited > Duration::from_secs(ROTATED_AFTER.unsigned_abs());
    let begins_late = source
        .started_at
        .zip(first)
        .is_some_and(|(start, first)| first > start + ROTATED_AFTER);
    match complete {
        Complete::Yes if late && begins_late && source.start == Start::Beginning => Complete::LateStart,
        Complete::Yes | Complete::Torn | Complete::Unproven | Complete::LateStart | Complete::Denied => complete,
    }
}

fn tail(start: Start) -> Option<u64> {
    match start {
        Start::Beginning => None,
        Start::Tail(lines) => Some(lines),
        // The one line behind which reading begins.
        Start::Now => Some(1),
    }
}
