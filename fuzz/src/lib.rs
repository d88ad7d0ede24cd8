//! What is fuzzed, and the law that each part keeps whatever comes in. None may panic.

mod history;

use kjo::{
    core::{
        log::{
            cursor::{Cursor, Sink},
            stamp::Stamp,
        },
        pod::PodView,
        xcom::{
            file,
            markers::{Found, Scanner},
        },
    },
    spec::{
        bundle::Bundle,
        check,
        overlay::{self, Change},
        read, write,
    },
};
use serde_json::Value;

pub use history::machine;

/// A manifest: what is taken is written and read back as the same.
pub fn manifest(data: &[u8]) {
    let Ok(documents) = read::documents("f", data) else {
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
}

/// A manifest, and behind a zero byte what is laid over it, as `--patch` and as `--set`.
pub fn overlay(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (manifest, change) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let first = |bytes: &[u8]| {
        let documents = read::documents("f", bytes).unwrap_or_default();
        documents.into_iter().next().map(|document| document.value)
    };
    let Some(job) = first(manifest) else { return };
    let setting = String::from_utf8_lossy(change);
    let mut changes = Vec::from_iter(first(change).map(Change::Patch));
    changes.extend(Change::set(&setting));
    for change in changes {
        let mut laid = job.clone();
        if overlay::apply(&mut laid, std::slice::from_ref(&change), None).is_err() {
            continue;
        }
        // The same once more changes nothing but lists that grow.
        drop(overlay::apply(&mut laid, &[change], None));
    }
}

/// Keeps what it is given.
#[derive(Default, PartialEq, Eq, Debug)]
struct Kept {
    shown: Vec<u8>,
    stamps: Vec<Stamp>,
    diagnostics: Vec<Vec<u8>>,
}

impl Sink for Kept {
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>) {
        self.shown.extend_from_slice(piece);
        self.stamps.extend(begins);
    }

    fn diagnostic(&mut self, line: &[u8]) {
        self.diagnostics.push(line.to_vec());
    }
}

/// A log with time stamps: in which pieces it comes makes no difference, and what came before a break is not
/// shown again.
pub fn log(data: &[u8]) {
    let Some((size, text)) = data.split_first() else { return };
    let read = |size: usize| {
        let (mut cursor, mut kept) = (Cursor::default(), Kept::default());
        cursor.begin(false);
        for piece in text.chunks(size) {
            cursor.feed(piece, &mut kept);
        }
        cursor.end(true, &mut kept);
        (cursor, kept)
    };
    let (_, whole) = read(text.len().max(1));
    let (mut cursor, mut kept) = read(usize::from(*size).max(1));
    assert_eq!(kept, whole);
    assert_eq!(cursor.bytes(), whole.shown.len() as u64);
    cursor.begin(true);
    cursor.feed(text, &mut kept);
    cursor.end(false, &mut kept);
    assert!(kept.shown.starts_with(&whole.shown), "what was shown stays");
}

/// Marker lines, and what a sidecar or a termination message hands over: pieces make no difference.
pub fn markers(data: &[u8]) {
    drop(file::sidecar(data));
    drop(file::termination(&String::from_utf8_lossy(data)));
    let Some((size, text)) = data.split_first() else { return };
    for hide in [false, true] {
        let read = |size: usize| {
            let (mut scanner, mut found, mut kept) = (Scanner::new(hide), Found::default(), Kept::default());
            for piece in text.chunks(size) {
                scanner.piece(piece, None, &mut found, &mut kept);
            }
            scanner.end(&mut found, &mut kept);
            (found, kept.shown)
        };
        let whole = read(text.len().max(1));
        assert_eq!(read(usize::from(*size).max(1)), whole);
        if !hide {
            assert_eq!(whole.1, text, "nothing is taken out");
        }
    }
}

/// Jobs, Pods and Events as an API server might send them.
pub fn objects(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    drop(kjo::cluster::job_view(&value));
    if let Ok(pod) = serde_json::from_slice::<k8s_openapi::api::core::v1::Pod>(data) {
        let view = PodView::from(&pod);
        drop(format!("{view:?}"));
    }
    if let Ok(event) = serde_json::from_slice::<k8s_openapi::api::core::v1::Event>(data) {
        drop(kjo::core::event::EventView::from(&event));
    }
}
