//! The threads that write to stdout and stderr. Both may block for as long as their readers like;
//! nothing else of kjo waits for them. They end with the process.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use tokio::sync::mpsc;

use super::Line;
use crate::plane::{Piece, Written};

/// How long to wait for a full pipe that does not block.
const FULL_FOR: Duration = Duration::from_millis(5);

/// Writes container bytes to the process's stdout.
pub fn stdout(mut pieces: mpsc::Receiver<Piece>) {
    let stdout = std::io::stdout();
    let file = own(stdout.as_fd());
    std::thread::spawn(move || {
        let mut written = match &file {
            Ok(_) => Written::All,
            Err(e) => Written::Failed(e.to_string()),
        };
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                // After an error the rest is taken and thrown away: the Job goes on.
                Piece::Bytes(bytes) => {
                    if let (Written::All, Ok(mut file)) = (&written, file.as_ref())
                        && let Err(e) = write_all(&mut file, &bytes)
                    {
                        written = if e.kind() == ErrorKind::BrokenPipe {
                            Written::Closed
                        } else {
                            Written::Failed(e.to_string())
                        };
                    }
                }
                // Nobody waits any more when the run was cut short.
                Piece::Flush(done) => drop(done.send(written.clone())),
            }
        }
    });
}

/// Writes kjo's own lines to the process's stderr.
pub(super) fn stderr(mut lines: mpsc::UnboundedReceiver<Line>) {
    let stderr = std::io::stderr();
    let file = own(stderr.as_fd());
    std::thread::spawn(move || {
        while let Some(line) = lines.blocking_recv() {
            match line {
                Line::Text(text) => {
                    if let Ok(mut file) = file.as_ref() {
                        // Where stderr is closed there is nobody left to tell.
                        drop(write_all(&mut file, text.as_bytes()));
                    }
                }
                Line::Flush(done) => drop(done.send(())),
            }
        }
    });
}

/// Writes all of it, also where the other end is set not to block: the flag belongs to the pipe, and
/// whoever shares it (node, ssh) may have set it.
fn write_all(file: &mut impl Write, mut bytes: &[u8]) -> std::io::Result<()> {
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
