//! What is listened for in logs that pass by: marker lines, and the sidecar's log, which is kept and not
//! shown. What was heard is there also where a reader is ended before its end.

use std::sync::{Arc, Mutex, PoisonError};

use crate::core::{
    log::{cursor::Sink, stamp::Stamp},
    machine::LogSource,
    record::PodRecord,
    xcom::{
        file::{LARGEST, SIDECAR, Source},
        handed::{self, Handed, Heard, Wanted, What},
        markers::{Found, Markers, Scanner},
    },
};

/// Gathers what all logs of a run hand on.
#[derive(Debug, Clone, Default)]
pub struct Ears {
    wanted: Arc<Wanted>,
    heard: Arc<Mutex<Vec<Arc<Mutex<Heard>>>>>,
}

impl Ears {
    /// For what is asked for.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted: Arc::new(wanted),
            heard: Arc::default(),
        }
    }

    /// An ear for one log.
    #[must_use]
    pub fn listen(&self, source: &LogSource) -> Ear {
        let what = if source.container == SIDECAR && self.wanted.file == Some(Source::Sidecar) {
            What::File(Vec::new())
        } else if source.container == self.wanted.main && self.wanted.markers != Markers::Off {
            What::Markers(Found::default())
        } else {
            return Ear(Listening::Nothing);
        };
        let kept = matches!(what, What::File(_));
        let heard = Arc::new(Mutex::new(Heard {
            pod: source.pod_uid.clone(),
            what,
        }));
        let mut all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&heard));
        Ear(if kept {
            Listening::File(heard)
        } else {
            let hide = self.wanted.markers == Markers::Hide;
            Listening::Markers(Scanner::new(hide), heard)
        })
    }

    /// What the Job handed on, when the run is over.
    #[must_use]
    pub fn handed(&self, pods: &[PodRecord]) -> Handed {
        let all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard: Vec<Heard> = all
            .iter()
            .map(|one| one.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect();
        handed::of(&self.wanted, pods, &heard)
    }
}

/// Listens to one log.
#[derive(Debug)]
pub struct Ear(Listening);

#[derive(Debug)]
enum Listening {
    Nothing,
    Markers(Scanner, Arc<Mutex<Heard>>),
    File(Arc<Mutex<Heard>>),
}

impl Ear {
    /// Listens to nothing.
    #[must_use]
    pub fn deaf() -> Self {
        Self(Listening::Nothing)
    }

    /// Takes a piece of a line, and passes on what is to be shown.
    pub(super) fn content(&mut self, piece: &[u8], begins: Option<Stamp>, shown: &mut impl Sink) {
        match &mut self.0 {
            Listening::Nothing => shown.content(piece, begins),
            Listening::Markers(scanner, heard) => {
                with_markers(heard, |found| scanner.piece(piece, begins, found, shown));
            }
            Listening::File(heard) => {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                if let What::File(kept) = &mut heard.what {
                    let room = LARGEST.saturating_sub(kept.len());
                    kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
                }
            }
        }
    }

    /// No more will come.
    pub(super) fn close(&mut self, shown: &mut impl Sink) {
        if let Listening::Markers(scanner, heard) = &mut self.0 {
            with_markers(heard, |found| scanner.end(found, shown));
        }
    }

    /// What is wrong with markers, from this one on.
    pub(super) fn wrong(&self, from: usize) -> Vec<String> {
        match &self.0 {
            Listening::Markers(_, heard) => {
                with_markers(heard, |found| found.errors.get(from..).unwrap_or_default().to_vec())
            }
            Listening::Nothing | Listening::File(_) => Vec::new(),
        }
    }
}

fn with_markers<R: Default>(heard: &Mutex<Heard>, act: impl FnOnce(&mut Found) -> R) -> R {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut heard.what {
        What::Markers(found) => act(found),
        What::File(_) => R::default(),
    }
}
