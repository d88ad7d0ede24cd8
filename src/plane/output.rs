//! The way to stdout: a bounded queue with one writer at its end. A slow writer stops the streams
//! that feed it and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, mpsc, oneshot};

/// Pieces that wait for the spool behind it; with pieces of some 64 KiB a quarter of a megabyte.
const QUEUE: usize = 4;

/// A stream that has begun a line keeps the others waiting no longer than this without a further byte.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// What the writer gets.
#[derive(Debug)]
pub enum Piece {
    /// Bytes for stdout.
    Bytes(Bytes),
    /// Answer once everything before has been written.
    Flush(oneshot::Sender<Written>),
}

/// How writing went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// All of it is out.
    All,
    /// The reader has gone (EPIPE): the rest was thrown away, as it wished.
    Closed,
    /// The rest was thrown away because of this error.
    Failed(String),
}

/// The sending side, shared by all streams.
#[derive(Debug, Clone)]
pub struct Output {
    queue: mpsc::Sender<Piece>,
    turns: Arc<Turns>,
}

/// Who writes.
#[derive(Debug, Default)]
struct Turns {
    turn: Arc<Mutex<()>>,
    waiting: AtomicUsize,
    wanted: Notify,
}

/// Counts one that waits for its turn, for as long as it does.
struct Waiting<'a>(&'a Turns);

impl<'a> Waiting<'a> {
    fn new(turns: &'a Turns) -> Self {
        turns.waiting.fetch_add(1, Ordering::Relaxed);
        turns.wanted.notify_waiters();
        Self(turns)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Output {
    /// An output and the end that its writer reads from.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Piece>) {
        let (queue, pieces) = mpsc::channel(QUEUE);
        let turns = Arc::default();
        (Self { queue, turns }, pieces)
    }

    /// Waits until what was sent before has been written.
    pub async fn flush(&self) -> Written {
        let (done, written) = oneshot::channel();
        if self.queue.send(Piece::Flush(done)).await.is_err() {
            return Written::Closed;
        }
        written.await.unwrap_or(Written::Closed)
    }

    /// A stream's own hold on the output.
    #[must_use]
    pub fn pen(&self) -> Pen {
        Pen {
            output: self.clone(),
            turn: None,
        }
    }
}

/// Writes for one stream. While a line of it is unfinished, no other stream writes.
#[derive(Debug)]
pub struct Pen {
    output: Output,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Pen {
    /// Writes bytes that end a line, or leave it unfinished.
    pub async fn write(&mut self, bytes: Bytes, unfinished: bool) {
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => {
                let turns = &self.output.turns;
                let _waiting = Waiting::new(turns);
                Arc::clone(&turns.turn).lock_owned().await
            }
        };
        // An error means that the writer has gone, and the run with it.
        if self.output.queue.send(Piece::Bytes(bytes)).await.is_ok() && unfinished {
            self.turn = Some(turn);
        }
    }

    /// Waits until others have wanted the turn for long enough that this stream, which has begun a line
    /// and does not go on with it, should give it up.
    pub async fn overdue(&self) {
        if self.turn.is_none() {
            return std::future::pending().await;
        }
        let turns = &self.output.turns;
        loop {
            let wanted = turns.wanted.notified();
            if turns.waiting.load(Ordering::Relaxed) == 0 {
                wanted.await;
            }
            tokio::time::sleep(TURN_WITHIN).await;
            if turns.waiting.load(Ordering::Relaxed) > 0 {
                return;
            }
        }
    }

    /// Lets others write, in the middle of a line.
    pub fn give_way(&mut self) {
        self.turn = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_begins_a_line_and_stops_gives_way() {
        let (output, mut pieces) = Output::new();
        let (mut first, mut second) = (output.pen(), output.pen());
        first.write("half".into(), true).await;
        let alone = tokio::time::timeout(TURN_WITHIN * 10, first.overdue()).await;
        assert!(alone.is_err(), "nobody waits");
        let waiting = tokio::spawn(async move { second.write("whole\n".into(), false).await });
        let began = tokio::time::Instant::now();
        first.overdue().await;
        assert_eq!(began.elapsed(), TURN_WITHIN);
        first.give_way();
        waiting.await.unwrap();
        first.write(" line\n".into(), false).await;
        let mut written = Vec::new();
        while let Ok(Piece::Bytes(bytes)) = pieces.try_recv() {
            written.extend_from_slice(&bytes);
        }
        assert_eq!(written, b"halfwhole\n line\n");
    }
}
