//! The threads that write to stdout and stderr. Both may block for as long as their readers like;
//! nothing else of kjo waits for them. They end with the process.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    os::fd::{AsFd, BorrowedFd},
};

use tokio::sync::mpsc;

use super::Line;
use crate::plane::{Piece, Written};

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
                        && let Err(e) = file.write_all(&bytes)
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
                        drop(file.write_all(text.as_bytes()));
                    }
                }
                Line::Flush(done) => drop(done.send(())),
            }
        }
    });
}

/// The descriptor as a file of our own: `std`'s handles buffer by line and lock.
fn own(fd: BorrowedFd<'_>) -> std::io::Result<File> {
    fd.try_clone_to_owned().map(File::from)
}
