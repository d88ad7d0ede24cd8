//! The status line, on a terminal of the test's own.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::Signal,
};

use crate::{
    sandbox::{sandbox, script},
    support::{Kjo, Running, eventually},
};

/// A terminal, and all that ever came to it.
struct Terminal {
    came: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// Starts kjo with stderr, and stdout if that is to be so, on a new terminal.
fn on_terminal(kjo: Kjo, columns: u16, stdout: Option<OwnedFd>) -> (Running, Terminal) {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).expect("a terminal");
    let stdout = stdout.unwrap_or_else(|| pty.slave.try_clone().expect("its end"));
    let running = kjo.start_on(stdout, pty.slave);
    let came = Arc::new(Mutex::new(Vec::new()));
    let reader = {
        let came = Arc::clone(&came);
        let mut master = File::from(pty.master);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux says EIO once nobody has the other end open.
            while let Ok(read @ 1..) = master.read(&mut buffer) {
                came.lock().expect("no panic").extend_from_slice(&buffer[..read]);
            }
        })
    };
    (running, Terminal { came, reader })
}

impl Terminal {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.came.lock().expect("no panic")).into_owned()
    }

    #[track_caller]
    fn await_text(&self, words: &str) {
        let there = eventually(Duration::from_secs(20), || self.text().contains(words));
        assert!(there, "no {words:?} in {:?}", self.text());
    }

    /// All that came, once nobody writes any more.
    fn end(self) -> String {
        self.reader.join().expect("no panic");
        let came = self.came.lock().expect("no panic");
        String::from_utf8_lossy(&came).into_owned()
    }
}

/// The rows that are to be seen in the end, and the longest status line that was there in between. A status
/// line that anything but its own end follows fails the test.
#[track_caller]
fn seen(text: &str) -> (Vec<String>, usize) {
    let mut longest = 0;
    let mut rows = vec![String::new()];
    for (n, part) in text.split("\r\u{1b}[2K").enumerate() {
        if n > 0 {
            // What is cleared is a status line, and all of it.
            let row = rows.last_mut().expect("a row");
            assert!(is_status(row), "cleared {row:?} in {text:?}");
            longest = longest.max(row.len());
            row.clear();
        }
        for (n, line) in part.split("\r\n").enumerate() {
            if n > 0 {
                let row = rows.last().expect("a row");
                assert!(!is_status(row), "{row:?} stays in {text:?}");
                rows.push(String::new());
            }
            rows.last_mut().expect("a row").push_str(&plain(line));
        }
    }
    assert_eq!(
        rows.pop().as_deref(),
        Some(""),
        "the cursor is at the start of a line: {text:?}"
    );
    (rows, longest)
}

fn is_status(row: &str) -> bool {
    let known = [
        "creating the Job",
        "waiting for",
        "starting",
        "running",
        "reading logs",
        "deleting the Job",
    ];
    let words = row.split_once("] ").map_or("", |(_, words)| words);
    let words = words.trim_start_matches(|c: char| "#-/ ".contains(c) || c.is_ascii_digit());
    row.starts_with("kjo: [") && known.iter().any(|phase| words.starts_with(phase))
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

const MANY: &str = r#"{
    "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "many"},
    "spec": {"completions": 3, "parallelism": 2, "template": {"spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c",
            "for n in 1 2; do echo line $n; sleep 1.5; done"]}]
    }}}
}"#;

#[test]
fn it_is_there_at_40_and_80_columns_and_logs_are_never_mixed_with_it() {
    for columns in [40, 80] {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("job.json");
        std::fs::write(&manifest, MANY).expect("a manifest");
        let (kjo, _folder) = sandbox(&["-f", &manifest.display().to_string()]);
        let (mut running, terminal) = on_terminal(kjo.env("TERM", "xterm"), columns, None);
        let (code, _) = running.wait(Duration::from_secs(60));
        let text = terminal.end();
        assert_eq!(code, 0, "{text}");
        let (rows, longest) = seen(&text);
        let bars = plain(&text);
        assert!(
            bars.contains("--- 0/3 running") && bars.contains("##--- 2/3 "),
            "{bars:?}"
        );
        assert!(
            (20..=usize::from(columns) - 3).contains(&longest),
            "{longest} at {columns}: {text:?}"
        );
        let logs: Vec<&String> = rows.iter().filter(|row| row.starts_with("[many-")).collect();
        assert_eq!(logs.len(), 6, "{rows:#?}");
        assert!(
            logs.iter().all(|row| row.contains(" main] line ") && row.len() < 40),
            "{logs:#?}"
        );
        let said = rows.len() - logs.len();
        assert_eq!(
            rows.iter().filter(|row| row.starts_with("kjo: ")).count(),
            said,
            "{rows:#?}"
        );
        assert!(rows.last().is_some_and(|row| row.ends_with("succeeded")), "{rows:#?}");
        assert!(!text.contains("has started"), "the line says so: {rows:#?}");
    }
}

#[test]
fn the_terminal_is_clean_after_a_signal() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (kjo, _folder) = script("echo begun; exec sleep 600");
        let (mut running, terminal) = on_terminal(kjo.env("TERM", "xterm"), 80, None);
        terminal.await_text("] running, ");
        running.signal(signal);
        let (ended, _) = running.wait(Duration::from_secs(10));
        let text = terminal.end();
        assert_eq!(ended, code, "{text}");
        let (rows, _) = seen(&text);
        assert!(rows.iter().any(|row| row == "begun"), "{rows:#?}");
        assert!(
            rows.last().is_some_and(|row| row.contains("stopped by SIG")),
            "{rows:#?}"
        );
    }
}

#[test]
fn an_unfinished_line_is_left_in_peace() {
    let (kjo, _folder) = script("printf half; sleep 2; echo ' whole'; sleep 1; printf end; exit 4");
    let (mut running, terminal) = on_terminal(kjo.env("TERM", "xterm"), 80, None);
    let (code, _) = running.wait(Duration::from_secs(30));
    let text = terminal.end();
    assert_eq!(code, 4, "{text}");
    let (rows, _) = seen(&text);
    assert!(rows.iter().any(|row| row == "half whole"), "{rows:#?}");
    assert!(
        rows.iter().any(|row| row == "end"),
        "what kjo says next begins a line: {rows:#?}"
    );
}

#[test]
fn stdout_elsewhere_gets_its_bytes_and_nothing_else() {
    let mut file = tempfile::tempfile().expect("a file");
    let (kjo, _folder) = script("echo one; sleep 1; printf two");
    let (mut running, terminal) = on_terminal(
        kjo.env("TERM", "xterm"),
        80,
        Some(file.try_clone().expect("a file").into()),
    );
    let (code, _) = running.wait(Duration::from_secs(30));
    let text = terminal.end();
    let mut out = String::new();
    std::io::Seek::rewind(&mut file).expect("a file");
    file.read_to_string(&mut out).expect("text");
    assert_eq!((code, out.as_str()), (0, "one\ntwo"), "{text}");
    let (_, longest) = seen(&text);
    assert!(longest > 0, "there was a status line: {text:?}");
}

#[test]
fn where_it_is_not_wanted_there_is_none() {
    for (kjo, term) in [
        (script("sleep 0.5").0, "dumb"),
        (script("sleep 0.5").0.arg_first("-v"), "xterm"),
        (script("sleep 0.5").0.arg_first("-q"), "xterm"),
        (script("sleep 0.5").0.arg_first("--message-format=json"), "xterm"),
    ] {
        let (mut running, terminal) = on_terminal(kjo.env("TERM", term).env("NO_COLOR", "1"), 80, None);
        let (code, _) = running.wait(Duration::from_secs(30));
        let text = terminal.end();
        assert_eq!(code, 0, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
