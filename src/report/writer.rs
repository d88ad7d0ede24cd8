//! The threads that write to stdout and stderr. Both may block for as long as their readers like;
//! nothing else of kjo waits for them. They end with the process.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc::RecvTimeoutError},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{Line, screen::Screen, spool::Spool};
use crate::plane::{Piece, Written};

/// How long to wait for a full pipe that does not block.
const FULL_FOR: Duration = Duration::from_millis(5);

/// Writes container bytes to the process's stdout, with no status line in their way; what it does not take
/// at once is kept, up to so many bytes in a file beside what memory holds.
pub(super) fn stdout(mut pieces: mpsc::Receiver<Piece>, spooled: u64, screen: Arc<Screen>) {
    let stdout = std::io::stdout();
    let file = own(stdout.as_fd());
    let way = Arc::new(Way {
        spool: Spool::new(std::env::temp_dir(), spooled),
        written: Mutex::new(Progress {
            out: 0,
            how: file
                .as_ref()
                .map_or_else(|e| Written::Failed(e.to_string()), |_| Written::All),
            waited_for: false,
        }),
        more: Condvar::new(),
    });
    if let Ok(file) = file {
        let way = Arc::clone(&way);
        screen.with_stdout(&file);
        std::thread::spawn(move || way.write(file, &screen));
    } else {
        way.spool.discard();
    }
    std::thread::spawn(move || {
        let mut accepted = 0;
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Bytes(bytes) => accepted = way.spool.put(bytes),
                // Nobody waits any more when the run was cut short.
                Piece::Flush(done) => drop(done.send(way.written(accepted))),
            }
        }
        way.spool.close();
    });
}

/// Between the thread that gathers and the one that writes.
struct Way {
    spool: Spool,
    written: Mutex<Progress>,
    more: Condvar,
}

/// How far writing is.
struct Progress {
    /// So many bytes are out.
    out: u64,
    how: Written,
    /// Somebody waits for more: only then is it worth a wake-up, which is a system call.
    waited_for: bool,
}

impl Way {
    fn write(&self, mut file: File, screen: &Screen) {
        let mut out = 0;
        while let Some(piece) = self.spool.take() {
            let result = piece.and_then(|bytes| {
                screen
                    .stdout(&bytes, || write_all(&mut file, &bytes))
                    .map(|()| bytes.len())
            });
            let how = match result {
                Ok(len) => {
                    out += len as u64;
                    Written::All
                }
                // After an error the rest is taken and thrown away: the Job goes on.
                Err(e) => {
                    self.spool.discard();
                    if e.kind() == ErrorKind::BrokenPipe {
                        Written::Closed
                    } else {
                        Written::Failed(e.to_string())
                    }
                }
            };
            let failed = how != Written::All;
            let waited_for = {
                let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                written.out = out;
                written.how = how;
                written.waited_for
            };
            if waited_for {
                self.more.notify_all();
            }
            if failed {
                return;
            }
        }
    }

    /// Waits until so many bytes are out, or none will be any more.
    fn written(&self, accepted: u64) -> Written {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        while written.out < accepted && written.how == Written::All {
            written.waited_for = true;
            written = self.more.wait(written).unwrap_or_else(PoisonError::into_inner);
        }
        written.waited_for = false;
        written.how.clone()
    }
}

/// Writes what a command was asked for to the process's stdout, and waits until it is out. A reader that
/// has gone has seen enough.
///
/// # Errors
/// It cannot be written.
pub fn product(bytes: &[u8]) -> std::io::Result<()> {
    match own(std::io::stdout().as_fd()).and_then(|mut file| write_all(&mut file, bytes)) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes kjo's own lines, and the status line below them.
pub(super) fn stderr(lines: std::sync::mpsc::Receiver<Line>, screen: Arc<Screen>) {
    std::thread::spawn(move || {
        loop {
            let line = match screen.due() {
                Some(due) => lines.recv_timeout(due),
                None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match line {
                Ok(Line::Text { text, starting }) => screen.say(&text, starting),
                Ok(Line::Show(progress)) => screen.show(progress),
                Ok(Line::Flush(done)) => {
                    screen.end();
                    // Nobody waits any more where the run was cut short.
                    done.send(()).unwrap_or_default();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return screen.end(),
            }
            screen.draw();
        }
    });
}

/// The process's stderr; none where it is closed.
pub(super) fn own_stderr() -> Option<File> {
    own(std::io::stderr().as_fd()).ok()
}

/// Writes all of it, also where the other end is set not to block: the flag belongs to the pipe, and
/// whoever shares it (node, ssh) may have set it.
pub(super) fn write_all(file: &mut impl Write, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_FOR),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The descriptor as a file of our own: `std`'s handles buffer by line and lock.
fn own(fd: BorrowedFd<'_>) -> std::io::Result<File> {
    fd.try_clone_to_owned().map(File::from)
}
