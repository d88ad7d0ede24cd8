//! The way to stdout: a bounded queue with one writer at its end. A slow writer stops the streams
//! that feed it and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

/// Pieces that wait for the writer; with pieces of some 64 KiB about a megabyte.
const QUEUE: usize = 16;

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
    turn: Arc<Mutex<()>>,
}

impl Output {
    /// An output and the end that its writer reads from.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Piece>) {
        let (queue, pieces) = mpsc::channel(QUEUE);
        let turn = Arc::new(Mutex::new(()));
        (Self { queue, turn }, pieces)
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
            None => Arc::clone(&self.output.turn).lock_owned().await,
        };
        // An error means that the writer has gone, and the run with it.
        if self.output.queue.send(Piece::Bytes(bytes)).await.is_ok() && unfinished {
            self.turn = Some(turn);
        }
    }
}
