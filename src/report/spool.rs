//! What stdout has not taken yet: first in memory, then in an unlinked temporary file up to a limit.
//! A slow reader of stdout stops nothing before both are full; reading the cluster's logs slowly would
//! make the node skip what it has rotated meanwhile.
//!
//! Two threads share a spool: one puts what arrives, the other takes and writes. Bytes come out in the
//! order in which they went in.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

/// Kept in memory before the file is used.
const IN_MEMORY: usize = 256 * 1024;
/// Taken from the file at a time.
const PIECE: u64 = 64 * 1024;

/// A queue of bytes between two threads.
#[derive(Debug)]
pub(super) struct Spool {
    state: Mutex<State>,
    /// Only for those that wait: a wake-up is a system call.
    changed: Condvar,
    folder: PathBuf,
    limit: u64,
}

#[derive(Debug, Default)]
struct State {
    memory: VecDeque<Bytes>,
    in_memory: usize,
    file: Option<Ring>,
    /// The file failed: memory alone is used from now on.
    no_file: bool,
    accepted: u64,
    taken: u64,
    /// Nothing more will be put.
    closed: bool,
    /// Nobody will take any more: what is put is thrown away.
    discarding: bool,
    /// Threads that wait for a change.
    waiting: u32,
}

/// A file of which only what lies between the two positions counts; they run round it.
#[derive(Debug)]
struct Ring {
    file: std::sync::Arc<File>,
    read: u64,
    written: u64,
}

impl Ring {
    fn held(&self) -> u64 {
        self.written - self.read
    }
}

impl Spool {
    /// A spool of so many bytes beside what is in memory, in a file of this folder. No file is made
    /// before it is needed, nor with a limit of 0.
    pub(super) fn new(folder: PathBuf, limit: u64) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            folder,
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left the queue as it was between two whole steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// The state has changed: whoever waits for that looks again.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let waited_for = state.waiting > 0;
        drop(state);
        if waited_for {
            self.changed.notify_all();
        }
    }

    /// Takes in these bytes; waits while the spool is full. Returns how many bytes came before and with
    /// them.
    pub(super) fn put(&self, bytes: Bytes) -> u64 {
        let mut state = self.lock();
        let accepted = state.accepted + bytes.len() as u64;
        loop {
            let in_file = state.file.as_ref().map_or(0, Ring::held);
            if state.discarding {
                break;
            }
            if in_file == 0 && (state.in_memory == 0 || state.in_memory + bytes.len() <= IN_MEMORY) {
                state.in_memory += bytes.len();
                state.memory.push_back(bytes);
                break;
            }
            if !state.no_file && in_file + bytes.len() as u64 <= self.limit {
                if let Ok(file) = self.written(&mut state, &bytes) {
                    state.file = Some(file);
                    break;
                }
                // A full disk, or no folder for temporary files: the readers of the logs wait instead.
                state.no_file = true;
            }
            state = self.wait(state);
        }
        state.accepted = accepted;
        self.tell(state);
        accepted
    }

    /// The file with these bytes behind the others. It is the page cache that takes them, so the lock is
    /// held no longer than a copy takes.
    fn written(&self, state: &mut State, bytes: &[u8]) -> io::Result<Ring> {
        let (file, read, written) = match &state.file {
            Some(ring) => (ring.file.clone(), ring.read, ring.written),
            None => (std::sync::Arc::new(tempfile::tempfile_in(&self.folder)?), 0, 0),
        };
        let at = written % self.limit;
        let (first, second) = bytes.split_at(bytes.len().min(usize::try_from(self.limit - at).unwrap_or(usize::MAX)));
        file.write_all_at(first, at)?;
        file.write_all_at(second, 0)?;
        Ok(Ring {
            file,
            read,
            written: written + bytes.len() as u64,
        })
    }

    /// The next bytes; waits for them. `None` after the last.
    pub(super) fn take(&self) -> Option<io::Result<Bytes>> {
        let mut state = self.lock();
        loop {
            if let Some(bytes) = state.memory.pop_front() {
                state.in_memory -= bytes.len();
                state.taken += bytes.len() as u64;
                self.tell(state);
                return Some(Ok(bytes));
            }
            if let Some(ring) = state.file.as_mut().filter(|ring| ring.held() > 0) {
                let piece = read(ring, self.limit);
                if let Ok(bytes) = &piece {
                    ring.read += bytes.len() as u64;
                    if ring.held() == 0 {
                        // An empty file keeps no disk; positions begin anew.
                        state.file = None;
                    }
                    state.taken += bytes.len() as u64;
                }
                self.tell(state);
                return Some(piece);
            }
            if state.closed {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// Nothing more will be put.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.tell(state);
    }

    /// Throws away what is there and what will come: nobody reads stdout any more, or it cannot be written.
    pub(super) fn discard(&self) {
        let mut state = self.lock();
        state.discarding = true;
        state.memory.clear();
        state.in_memory = 0;
        state.file = None;
        self.tell(state);
    }
}

fn read(ring: &Ring, limit: u64) -> io::Result<Bytes> {
    let at = ring.read % limit;
    let len = ring.held().min(PIECE).min(limit - at);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    ring.file.read_exact_at(&mut bytes, at)?;
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use proptest::prelude::*;

    use super::*;

    fn spool(limit: u64) -> Spool {
        Spool::new(std::env::temp_dir(), limit)
    }

    fn drained(spool: &Spool) -> Vec<u8> {
        spool.close();
        let pieces = std::iter::from_fn(|| spool.take());
        pieces.map(|piece| piece.unwrap().to_vec()).collect::<Vec<_>>().concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever is put and taken in whatever turns comes out as it went in.
        #[test]
        fn bytes_come_out_as_they_went_in(lens in proptest::collection::vec(1_usize..400_000, 1..30)) {
            let spool = Arc::new(spool(700_000));
            let pieces: Vec<Vec<u8>> = (0_u8..).zip(&lens).map(|(n, len)| vec![n; *len]).collect();
            let expected = pieces.concat();
            let putting = {
                let spool = Arc::clone(&spool);
                thread::spawn(move || {
                    for piece in pieces {
                        spool.put(Bytes::from(piece));
                    }
                    spool.close();
                })
            };
            let mut came = Vec::new();
            while let Some(piece) = spool.take() {
                came.extend_from_slice(&piece.unwrap());
            }
            putting.join().unwrap();
            prop_assert!(came == expected, "{} of {} bytes", came.len(), expected.len());
        }
    }

    #[test]
    fn what_memory_does_not_hold_goes_to_a_file_up_to_the_limit() {
        let spool = Arc::new(spool(2 * IN_MEMORY as u64));
        for n in 0..3 {
            spool.put(Bytes::from(vec![n; IN_MEMORY]));
        }
        let blocked = {
            let spool = Arc::clone(&spool);
            thread::spawn(move || spool.put(Bytes::from(vec![3; 10])))
        };
        assert!(spool.lock().file.is_some());
        let mut came = Vec::new();
        while came.len() < IN_MEMORY + 10 {
            came.extend_from_slice(&spool.take().unwrap().unwrap());
        }
        assert_eq!(blocked.join().unwrap(), 3 * IN_MEMORY as u64 + 10);
        came.extend(drained(&spool));
        assert_eq!((came.len(), came.last()), (3 * IN_MEMORY + 10, Some(&3)));
        assert!(spool.lock().file.is_none(), "an empty file is let go");
    }

    #[test]
    fn without_a_place_for_the_file_memory_is_all() {
        let spool = Arc::new(Spool::new("/nowhere".into(), 1 << 30));
        spool.put(Bytes::from(vec![1; IN_MEMORY]));
        let waiting = {
            let spool = Arc::clone(&spool);
            thread::spawn(move || spool.put(Bytes::from(vec![2; 5])))
        };
        assert_eq!(spool.take().unwrap().unwrap().len(), IN_MEMORY);
        waiting.join().unwrap();
        assert_eq!(drained(&spool), vec![2; 5]);
    }

    #[test]
    fn what_nobody_wants_is_thrown_away() {
        let spool = spool(0);
        spool.put(Bytes::from(vec![1; IN_MEMORY]));
        spool.discard();
        spool.put(Bytes::from(vec![1; 100 * IN_MEMORY]));
        assert!(drained(&spool).is_empty());
    }
}
