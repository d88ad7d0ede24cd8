//! Files of the corpus, broken at random: reading never panics, never takes long, and what it takes is
//! written and read back as the same. `KJO_FUZZ_SECONDS=600` goes on for so long; without it a second.

use std::{
    fs,
    time::{Duration, Instant},
};

use kjo::spec::{
    bundle::Bundle,
    check,
    overlay::{self, Change},
    read, write,
};
use serde_json::Value;

/// No file of this size may take longer, on a machine that does other things too.
const SLOW: Duration = Duration::from_secs(10);

/// A small generator: the same sequence for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).expect("a size");
        usize::try_from(self.next() % n).expect("below a size")
    }
}

/// Pieces that mean something to a parser.
const PIECES: [&[u8]; 24] = [
    b"\n---\n",
    b"...",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"{{ x }}",
    b"[",
    b"]",
    b"{",
    b"}",
    b": ",
    b"- ",
    b"|\n",
    b"\"",
    b"'",
    b"!!int ",
    b"\t",
    b"\r",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"? ",
    b"# ",
    b"\\u0000",
];

fn broken(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut Random| &corpus[random.below(corpus.len())];
    let mut bytes = pick(random).clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied());
            }
            2 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).expect("a byte"),
            3 => {
                let other = pick(random);
                let from = random.below(other.len() + 1);
                let piece: Vec<u8> = other[from..].iter().copied().take(random.below(200)).collect();
                bytes.splice(at..at, piece);
            }
            4 => {
                let piece = PIECES[random.below(PIECES.len())].repeat(random.below(2000));
                bytes.splice(at..at, piece);
            }
            _ => {
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

fn corpus() -> Vec<Vec<u8>> {
    let files = super::files();
    files.iter().map(|file| fs::read(file).expect("a file")).collect()
}

#[expect(clippy::disallowed_methods, reason = "what is measured here is real time")]
/// Until the time is over, with each number once.
fn cases(mut case: impl FnMut(&mut Random)) {
    let seconds = std::env::var("KJO_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    let (begun, within) = (Instant::now(), Duration::from_secs(seconds));
    let mut seed = 0;
    while begun.elapsed() < within {
        seed += 1;
        let one = Instant::now();
        case(&mut Random(seed));
        assert!(one.elapsed() < SLOW, "case {seed} took {:?}", one.elapsed());
    }
    assert!(seed > 10, "{seed} cases");
}

#[test]
fn whatever_is_read() {
    let corpus = corpus();
    cases(|random| {
        let bytes = broken(random, &corpus);
        let Ok(documents) = read::documents("f", &bytes) else {
            return;
        };
        for document in &documents {
            let text = write::yaml(&document.value);
            let again = read::value("written", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(again.unwrap_or(Value::Null), document.value, "{text}");
        }
        if let Ok(bundle) = Bundle::of("f", documents, None) {
            drop(check::written(&bundle).and_then(|()| check::laid(&bundle)));
        }
    });
}

#[test]
fn whatever_is_laid_over() {
    let corpus = corpus();
    cases(|random| {
        let read = |random: &mut Random| {
            let documents = read::documents("f", &broken(random, &corpus)).unwrap_or_default();
            documents.into_iter().next().map(|d| d.value)
        };
        let (Some(mut job), Some(patch)) = (read(random), read(random)) else {
            return;
        };
        let setting = String::from_utf8_lossy(&broken(random, &corpus)).into_owned();
        let mut changes = vec![Change::Patch(patch)];
        changes.extend(Change::set(&setting));
        changes.extend(Change::set(&format!("spec.template.spec.containers[0].{setting}")));
        drop(overlay::apply(&mut job, &changes, None));
        assert!(job.is_object() || !job.is_null() || changes.len() > 1);
    });
}
