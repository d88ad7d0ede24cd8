use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    stream::{BoxStream, StreamExt as _},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    journal::{Journal, Source, Writer},
    logs::{self, LogOptions},
};

const LIMIT: usize = 100 * 1024 * 1024;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

/// What can be read of the log without waiting.
fn ready(stream: &mut BoxStream<'static, Bytes>) -> (String, bool) {
    let mut text = Vec::new();
    loop {
        match stream.next().now_or_never() {
            Some(Some(bytes)) => text.extend(bytes),
            end => return (String::from_utf8(text).unwrap(), end.is_some()),
        }
    }
}

fn read(journal: &Journal, options: &LogOptions) -> String {
    let (text, ended) = ready(&mut logs::open(journal.clone(), options, options.since));
    assert!(ended, "what is not followed ends");
    text
}

fn follow(journal: &Journal) -> BoxStream<'static, Bytes> {
    let options = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    logs::open(journal.clone(), &options, None)
}

fn written(lines: &[&str]) -> (Journal, Writer) {
    let (journal, mut writer) = Journal::new(LIMIT);
    for (n, line) in (0..).zip(lines) {
        writer.write(at(n), Source::Stdout, line.as_bytes());
    }
    (journal, writer)
}

/// A log as a CRI log file, made byte by byte.
#[derive(Default)]
struct Model {
    file: String,
    open: [String; 2],
}

impl Model {
    fn line(&mut self, at: Timestamp, source: usize, tag: char, text: &str) {
        let stream = ["stdout", "stderr"][source];
        writeln!(self.file, "{at} {stream} {tag} {text}").unwrap();
    }

    fn write(&mut self, at: Timestamp, source: usize, text: &str) {
        for c in text.chars() {
            if c == '\n' {
                let line = std::mem::take(&mut self.open[source]);
                let line = line.strip_suffix('\r').unwrap_or(&line).to_owned();
                self.line(at, source, 'F', &line);
                continue;
            }
            self.open[source].push(c);
            let open = &self.open[source];
            let counted = open.strip_suffix('\r').unwrap_or(open).len();
            if counted > 16384 {
                let (fragment, rest) = open.split_at(16384);
                let (fragment, rest) = (fragment.to_owned(), rest.to_owned());
                self.line(at, source, 'P', &fragment);
                self.open[source] = rest;
            }
        }
    }

    fn finish(&mut self, at: Timestamp) {
        for source in 0..2 {
            let rest = std::mem::take(&mut self.open[source]);
            if rest.len() > 16384 {
                let (fragment, rest) = rest.split_at(16384);
                self.line(at, source, 'P', fragment);
                self.line(at, source, 'P', rest);
            } else if !rest.is_empty() {
                self.line(at, source, 'P', &rest);
            }
        }
    }

    /// `ReadLogs` of k8s.io/cri-client.
    fn read(&self, options: &LogOptions) -> String {
        let lines: Vec<&str> = self.file.lines_raw().collect();
        let skip = options.tail_lines.map_or(0, |tail| lines.len().saturating_sub(tail));
        let (mut out, mut new_line) = (String::new(), true);
        for line in &lines[skip..] {
            let mut parts = line.splitn(4, ' ');
            let stamp: Timestamp = parts.next().unwrap().parse().unwrap();
            let (_, tag, text) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
            let text = if tag == "F" {
                format!("{text}\n")
            } else {
                text.to_owned()
            };
            if options.since.is_none_or(|since| stamp >= since) {
                if options.timestamps && new_line {
                    write!(out, "{stamp:.9} ").unwrap();
                }
                out += &text;
            }
            new_line = text.is_empty() || text.ends_with('\n');
        }
        out.chars().take(options.limit_bytes.unwrap_or(usize::MAX)).collect()
    }
}

trait Lines {
    fn lines_raw(&self) -> impl Iterator<Item = &str>;
}

impl Lines for String {
    /// Unlike `lines`, keeps carriage returns.
    fn lines_raw(&self) -> impl Iterator<Item = &str> {
        self.split_terminator('\n')
    }
}

/// Short pieces of all that matters, and long ones around the length of a fragment.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[ab\r\n]{0,6}",
        1 => (16380_usize..16390).prop_map(|n| "x".repeat(n)),
        1 => (0_usize..3, 1_usize..40000).prop_map(|(r, n)| format!("{}{}\n", "y".repeat(n), "\r".repeat(r))),
    ]
}

fn options() -> impl Strategy<Value = LogOptions> {
    let since = proptest::option::of(0_i64..12);
    let tail = proptest::option::of(0_usize..8);
    let limit = proptest::option::of(prop_oneof![1_usize..60, 1_usize..50_000]);
    (any::<bool>(), since, tail, limit).prop_map(|(timestamps, since, tail_lines, limit_bytes)| LogOptions {
        timestamps,
        since: since.map(at),
        tail_lines,
        limit_bytes,
        ..LogOptions::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reads_as_a_model_does(pieces in proptest::collection::vec((any::<bool>(), piece()), 0..12), options in options()) {
        let (journal, mut writer) = Journal::new(LIMIT);
        let mut model = Model::default();
        let mut followed = String::new();
        let mut follower = follow(&journal);
        for (n, (error, piece)) in (0..).zip(&pieces) {
            let source = if *error { Source::Stderr } else { Source::Stdout };
            writer.write(at(n), source, piece.as_bytes());
            model.write(at(n), usize::from(*error), piece);
            prop_assert!(read(&journal, &options) == model.read(&options), "after piece {}", n);
            if n % 3 == 0 {
                followed += &ready(&mut follower).0;
            }
        }
        writer.finish(at(20));
        drop(writer);
        model.finish(at(20));
        prop_assert!(read(&journal, &options) == model.read(&options));
        let (rest, ended) = ready(&mut follower);
        prop_assert!(ended && followed + &rest == model.read(&LogOptions::default()));
        let tailed = LogOptions { follow: true, ..options };
        prop_assert!(read(&journal, &tailed) == model.read(&tailed));
    }

    /// Bytes that are no text pass through as they are.
    #[test]
    fn loses_no_byte(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (journal, mut writer) = Journal::new(LIMIT);
        for part in bytes.chunks(7) {
            writer.write(at(0), Source::Stdout, part);
        }
        writer.finish(at(0));
        let all: Vec<Bytes> = logs::open(journal, &LogOptions::default(), None).collect().now_or_never().unwrap();
        let kept = |bytes: &[u8]| bytes.iter().copied().filter(|b| *b != b'\r').collect::<Vec<u8>>();
        prop_assert_eq!(kept(&all.concat()), kept(&bytes));
    }
}

#[test]
fn stamps_have_nine_digits_and_stand_at_the_start_of_lines_only() {
    let (journal, mut writer) = Journal::new(LIMIT);
    writer.write(at(0), Source::Stdout, "x".repeat(20_000).as_bytes());
    writer.write(at(1500), Source::Stdout, b"end\nshort");
    writer.finish(at(2000));
    let stamped = LogOptions {
        timestamps: true,
        ..LogOptions::default()
    };
    let text = read(&journal, &stamped);
    assert_eq!(
        text.replace(&"x".repeat(20_000), "xx"),
        "2027-01-15T08:00:00.000000000Z xxend\n2027-01-15T08:00:02.000000000Z short"
    );
}

#[test]
fn an_unfinished_line_shows_at_the_end_only() {
    let (journal, mut writer) = written(&["a\nb"]);
    assert_eq!(read(&journal, &LogOptions::default()), "a\n");
    writer.finish(at(1));
    assert_eq!(read(&journal, &LogOptions::default()), "a\nb");
}

#[test]
fn the_api_reads_the_current_file_only() {
    let (journal, mut writer) = written(&["old\n"]);
    journal.rotate();
    assert_eq!(read(&journal, &LogOptions::default()), "");
    writer.write(at(1), Source::Stdout, b"new\n");
    assert_eq!(read(&journal, &LogOptions::default()), "new\n");
}

#[test]
fn a_follower_reads_the_file_that_it_has_open_to_its_end_and_then_the_newest() {
    let (journal, mut writer) = written(&["1\n"]);
    let mut follower = follow(&journal);
    assert_eq!(ready(&mut follower), ("1\n".to_owned(), false));
    writer.write(at(1), Source::Stdout, b"2\n");
    journal.rotate();
    writer.write(at(2), Source::Stdout, b"lost to it\n");
    journal.rotate();
    writer.write(at(3), Source::Stdout, b"4\n");
    assert_eq!(ready(&mut follower), ("2\n4\n".to_owned(), false));
    drop(writer);
    assert_eq!(ready(&mut follower), (String::new(), true));
}

#[test]
fn a_log_that_grows_too_long_is_rotated() {
    let (journal, mut writer) = Journal::new(1000);
    for n in 0..1000 {
        writer.write(at(n * 1000), Source::Stdout, format!("{n}\n").as_bytes());
        let (file, _) = journal.file();
        // A line a second, and a look every ten.
        assert!(file.lock().unwrap().len() <= 1000 / 46 + 10);
    }
    let text = read(&journal, &LogOptions::default());
    assert!(text.ends_with("999\n") && text.len() < 140, "{text}");
}

#[test]
fn what_is_written_between_two_looks_is_not_rotated() {
    let (journal, mut writer) = Journal::new(1000);
    for n in 0..5000 {
        writer.write(at(n), Source::Stdout, b"x\n");
    }
    assert_eq!(read(&journal, &LogOptions::default()).len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_follower_sleeps_until_something_comes() {
    let (journal, mut writer) = written(&[]);
    let follower = tokio::spawn(follow(&journal).collect::<Vec<_>>());
    for n in 0..3 {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        writer.write(at(n), Source::Stderr, b"x\n");
    }
    drop(writer);
    assert_eq!(follower.await.unwrap().concat(), b"x\nx\nx\n");
}

#[test]
fn the_logs_end_for_a_termination_message() {
    let (journal, mut writer) = Journal::new(LIMIT);
    for n in 0..100 {
        writer.write(at(n), Source::Stdout, format!("{n}\n").as_bytes());
    }
    let text = String::from_utf8(logs::ending(&journal)).unwrap();
    assert!(text.starts_with("20\n21\n") && text.ends_with("99\n"), "{text}");
    writer.write(at(101), Source::Stdout, &[b'z'; 3000]);
    writer.finish(at(101));
    assert_eq!(logs::ending(&journal), [b'z'; 2048]);
}

#[test]
fn since_counts_from_its_own_instant() {
    let (journal, _writer) = written(&["a\n", "b\n", "c\n"]);
    let since = |since| LogOptions {
        since: Some(since),
        ..LogOptions::default()
    };
    assert_eq!(read(&journal, &since(at(1))), "b\nc\n");
    assert_eq!(read(&journal, &since(at(1) + SignedDuration::from_nanos(1))), "c\n");
}
