//! The model is the container's true log. A small server replays it as the kubelet does, streams
//! break at any byte, and what came out is compared with the truth.

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Collected {
    content: Vec<u8>,
    begins: usize,
    diagnostics: Vec<Vec<u8>>,
}

impl Sink for Collected {
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>) {
        self.content.extend_from_slice(piece);
        self.begins += usize::from(begins.is_some());
    }

    fn diagnostic(&mut self, line: &[u8]) {
        self.diagnostics.push(line.to_vec());
    }
}

#[derive(Debug, Clone)]
struct Written {
    /// Tenths of a second, so that equal stamps are common.
    at: i64,
    content: Vec<u8>,
}

const EPOCH: i64 = 1_790_000_000;

/// What the kubelet answers: lines not older than `since`, each with its stamp.
fn served(log: &[Written], last_has_newline: bool, since: Option<i64>) -> Vec<u8> {
    let mut body = Vec::new();
    for (n, line) in log.iter().enumerate() {
        let seconds = EPOCH + line.at.div_euclid(10);
        if since.is_some_and(|since| seconds < since) {
            continue;
        }
        let nanos = i32::try_from(line.at.rem_euclid(10)).unwrap() * 100_000_000;
        let stamp = jiff::Timestamp::new(seconds, nanos).unwrap();
        body.extend_from_slice(format!("{stamp:.9} ").as_bytes());
        body.extend_from_slice(&line.content);
        if n + 1 < log.len() || last_has_newline {
            body.push(b'\n');
        }
    }
    body
}

fn truth(log: &[Written], last_has_newline: bool) -> Vec<u8> {
    let mut bytes = log.iter().map(|l| l.content.clone()).collect::<Vec<_>>().join(&b'\n');
    if last_has_newline && !log.is_empty() {
        bytes.push(b'\n');
    }
    bytes
}

fn feed_in_pieces(cursor: &mut Cursor, body: &[u8], piece: usize, out: &mut Collected) {
    for chunk in body.chunks(piece) {
        cursor.feed(chunk, out);
    }
}

fn lines() -> impl Strategy<Value = Vec<Written>> {
    let content = prop_oneof![
        4 => proptest::collection::vec(any::<u8>().prop_map(|b| if b == b'\n' { b'x' } else { b }), 0..12),
        2 => Just(b"same".to_vec()),
        1 => Just(Vec::new()),
        1 => (0_usize..3).prop_map(|n| vec![b'L'; HASHED - 1 + n]),
    ];
    // Steps of −0.9 s to +2.5 s, mostly none or small: stamps go back now and then.
    let step = prop_oneof![6 => 0_i64..2, 2 => 0_i64..25, 1 => -9_i64..0];
    proptest::collection::vec((step, content), 0..40).prop_map(|steps| {
        let (mut at, mut highest) = (0_i64, 0_i64);
        steps
            .into_iter()
            .map(|(step, content)| {
                at = (at + step).max(highest - 9);
                highest = highest.max(at);
                Written { at, content }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Any number of streams, each over what was written by then, each broken at any byte and
    /// delivered in pieces of any size: every byte once, no gap invented.
    #[test]
    fn every_byte_once(
        log in lines(),
        last_has_newline: bool,
        cuts in proptest::collection::vec((0_usize..=40, 0.0_f64..1.0, 1_usize..200), 0..8),
    ) {
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        let mut written = 0;
        for (more, fraction, piece) in cuts {
            written = (written + more).min(log.len());
            let whole = written == log.len();
            cursor.begin(false);
            let body = served(&log[..written], last_has_newline || !whole, cursor.since());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let cut = (body.len() as f64 * fraction) as usize;
            feed_in_pieces(&mut cursor, &body[..cut], piece, &mut out);
            // A stream that is not known to be whole is not taken for whole.
            cursor.end(false, &mut out);
            prop_assert_eq!(cursor.take_gap(), None);
        }
        for _ in 0..2 {
            cursor.begin(false);
            let body = served(&log, last_has_newline, cursor.since());
            feed_in_pieces(&mut cursor, &body, 4096, &mut out);
            cursor.end(true, &mut out);
        }
        prop_assert_eq!(cursor.take_gap(), None);
        prop_assert_eq!(&out.content, &truth(&log, last_has_newline));
        prop_assert_eq!(cursor.bytes(), out.content.len() as u64);
        prop_assert!(out.diagnostics.is_empty());
        prop_assert_eq!(out.begins, log.len() - usize::from(!last_has_newline && log.last().is_some_and(|l| l.content.is_empty())));
    }

    /// When the node has rotated lines away between two streams, what is left comes once, and the
    /// loss is told if and only if something was lost.
    #[test]
    fn rotation_is_told(log in lines(), seen in 0_usize..40, lost in 0_usize..40) {
        let seen = seen.min(log.len());
        let kept = (seen + lost).min(log.len());
        // Stamps of lost and kept lines differ from the seen ones, or nobody could tell.
        let log: Vec<Written> = log.into_iter().enumerate().map(|(n, l)| Written {
            at: i64::try_from(n).unwrap(),
            content: format!("{n} {}", l.content.len()).into_bytes(),
        }).collect();
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        cursor.begin(false);
        cursor.feed(&served(&log[..seen], true, None), &mut out);
        cursor.end(false, &mut out);
        cursor.begin(false);
        cursor.feed(&served(&log[kept..], true, cursor.since()), &mut out);
        cursor.end(true, &mut out);
        let expected = [truth(&log[..seen], true), truth(&log[kept..], true)].concat();
        prop_assert_eq!(out.content, expected);
        // The overlap is missing whenever the seen lines are not replayed.
        prop_assert_eq!(cursor.take_gap().is_some(), seen > 0 && kept < log.len());
    }

    /// The node's clock was set back in the middle of what was read: nothing is lost for it, nor repeated.
    #[test]
    fn a_clock_that_is_set_back_costs_nothing(
        before in 1_i64..60, back in 0_i64..900, after in 1_i64..60, cut in 0.0_f64..1.0, piece in 1_usize..200,
    ) {
        let line = |n: i64, at: i64| Written { at, content: format!("line {n}").into_bytes() };
        let mut log: Vec<Written> = (0..before).map(|n| line(n, n * 3)).collect();
        let set_back = before * 3 - back;
        log.extend((0..after).map(|n| line(before + n, set_back + n * 3)));
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let written = before as usize + 1 + (after as f64 * cut) as usize;
        for upto in [written, log.len(), log.len()] {
            cursor.begin(false);
            let body = served(&log[..upto], true, cursor.since());
            feed_in_pieces(&mut cursor, &body, piece, &mut out);
            cursor.end(true, &mut out);
        }
        prop_assert_eq!(out.content, truth(&log, true));
        prop_assert_eq!(cursor.take_gap(), None);
        prop_assert!(cursor.met());
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..50, clean: bool) {
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        for _ in 0..2 {
            cursor.begin(false);
            feed_in_pieces(&mut cursor, &bytes, piece, &mut out);
            cursor.end(clean, &mut out);
        }
    }
}

#[test]
fn the_kubelets_own_words_are_not_log() {
    let mut cursor = Cursor::default();
    let mut out = Collected::default();
    cursor.begin(false);
    cursor.feed(b"failed to create fsnotify watcher: too many open files", &mut out);
    cursor.end(true, &mut out);
    assert_eq!(out.content, b"");
    assert_eq!(
        out.diagnostics,
        [b"failed to create fsnotify watcher: too many open files".to_vec()]
    );
    assert_eq!(cursor.since(), None);
}

#[test]
fn an_unstamped_head_after_a_resume_is_the_tail_of_an_old_line() {
    let mut cursor = Cursor::default();
    let mut out = Collected::default();
    cursor.begin(false);
    cursor.feed(b"2026-11-23T10:00:00.000000000Z begins here and is long\n", &mut out);
    cursor.feed(b"2026-11-23T10:00:09.000000000Z second\n", &mut out);
    cursor.end(false, &mut out);
    cursor.begin(false);
    cursor.feed(
        b"and is long\n2026-11-23T10:00:09.000000000Z second\n2026-11-23T10:00:10Z third\n",
        &mut out,
    );
    cursor.end(true, &mut out);
    assert_eq!(out.content, b"begins here and is long\nsecond\nthird\n");
    assert!(out.diagnostics.is_empty());
    assert_eq!(cursor.lines(), 3);
}

#[test]
fn a_cut_line_whose_rest_was_rotated_away_is_closed_and_told() {
    let mut cursor = Cursor::default();
    let mut out = Collected::default();
    cursor.begin(false);
    cursor.feed(b"2026-11-23T10:00:00.000000000Z half of a li", &mut out);
    cursor.end(false, &mut out);
    cursor.begin(false);
    cursor.feed(b"2026-11-23T10:00:05.000000000Z next\n", &mut out);
    cursor.end(true, &mut out);
    assert_eq!(out.content, b"half of a li\nnext\n");
    assert!(cursor.take_gap().is_some());
}

#[test]
fn a_faster_log_than_the_memory_is_not_repeated() {
    let log: Vec<Written> = (0..40_000)
        .map(|n| Written {
            // 40,000 lines within two seconds.
            at: n / 2000,
            content: format!("line {n}").into_bytes(),
        })
        .collect();
    let mut cursor = Cursor::default();
    let mut out = Collected::default();
    for _ in 0..3 {
        cursor.begin(false);
        cursor.feed(&served(&log, true, cursor.since()), &mut out);
        cursor.end(true, &mut out);
    }
    assert!(out.content == truth(&log, true), "{} bytes", out.content.len());
}

/// A clock so coarse, or a write so large, that more lines bear one stamp than the memory holds.
#[test]
fn more_equal_lines_than_the_memory_holds_come_once() {
    for (first, all) in [(20_000, 20_000), (30_000, 40_000), (16_384, 16_385), (100_000, 100_000)] {
        let log: Vec<Written> = (0..all)
            .map(|n| Written {
                at: i64::from(n >= 100),
                content: if n % 7 == 0 { b"y".to_vec() } else { b"same".to_vec() },
            })
            .collect();
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        for upto in [first, all, all] {
            cursor.begin(false);
            cursor.feed(&served(&log[..upto], true, cursor.since()), &mut out);
            cursor.end(true, &mut out);
            assert_eq!(cursor.take_gap(), None);
            assert!(cursor.met());
        }
        assert!(
            out.content == truth(&log, true),
            "{first}/{all}: {} lines",
            cursor.lines()
        );
    }
}

/// A cursor that has read these lines, a second apart, each with its newline.
fn after(lines: &[&str]) -> Cursor {
    let mut cursor = Cursor::default();
    let mut out = Collected::default();
    cursor.begin(false);
    let log: Vec<Written> = (0_i64..)
        .zip(lines)
        .map(|(n, line)| Written {
            at: 10 * n,
            content: line.as_bytes().to_vec(),
        })
        .collect();
    cursor.feed(&served(&log, true, None), &mut out);
    cursor.end(false, &mut out);
    cursor
}

#[test]
fn the_kubelets_words_are_not_taken_for_the_end_of_a_known_line() {
    let said = b"unable to retrieve container logs for containerd://1".as_slice();
    for (body, clean, diagnostics) in [
        (said.to_vec(), true, 1),
        (said.to_vec(), false, 1),
        ([said, b"\n"].concat(), false, 1),
        (b"the rest of a long line\n".to_vec(), true, 0),
        (b"the rest of a long line".to_vec(), false, 0),
        (b"anything else that ends the log".to_vec(), true, 1),
    ] {
        let mut cursor = after(&["one", "two", "three"]);
        let mut out = Collected::default();
        cursor.begin(false);
        cursor.feed(&body, &mut out);
        cursor.end(clean, &mut out);
        assert_eq!(
            (out.diagnostics.len(), cursor.spoke()),
            (diagnostics, diagnostics == 1),
            "{body:?}"
        );
        assert!(out.content.is_empty());
    }
}

#[test]
fn a_replay_that_meets_nothing_known_ends() {
    let mut cursor = after(&["one", "two"]);
    let mut out = Collected::default();
    cursor.begin(false);
    for n in 0..5000_i64 {
        let line = Written {
            at: 12 + n / 10,
            content: format!("new {n}").into_bytes(),
        };
        cursor.feed(&served(&[line], true, None), &mut out);
    }
    assert!(cursor.take_gap().is_some(), "what was known is not there any more");
    // Once it has ended, what comes is passed on at once, without waiting for its newline.
    let before = out.content.len();
    cursor.feed(b"2026-09-21T16:00:00.000000000Z prompt> ", &mut out);
    assert_eq!(out.content.len() - before, "prompt> ".len());
}

#[test]
fn a_whole_log_that_ends_too_early_is_not_taken_for_whole() {
    let log: Vec<Written> = ["one", "two", "three"]
        .iter()
        .map(|line| Written {
            at: 0,
            content: line.as_bytes().to_vec(),
        })
        .collect();
    let body = served(&log, true, None);
    for cut in 0..=body.len() {
        let mut cursor = after(&[]);
        let mut out = Collected::default();
        cursor.begin(false);
        cursor.feed(&body, &mut out);
        cursor.end(false, &mut out);
        cursor.begin(false);
        cursor.feed(&body[..cut], &mut out);
        cursor.end(true, &mut out);
        assert_eq!(cursor.take_gap(), None, "{cut}");
        assert_eq!(out.content, truth(&log, true), "{cut}");
        assert_eq!(cursor.met(), cut == body.len(), "{cut}");
    }
}

#[test]
fn the_log_of_the_next_attempt_is_not_taken_for_this_ones() {
    let next = b"2026-09-21T16:00:00.000000000Z I am another attempt\n";
    for mut cursor in [after(&["one", "two"]), Cursor::default()] {
        let mut out = Collected::default();
        cursor.begin(true);
        cursor.feed(next, &mut out);
        cursor.end(true, &mut out);
        assert!(cursor.stranger() && out.content.is_empty());
        assert_eq!(cursor.take_gap(), None);
        // It was this one's after all: its beginning was rotated away.
        cursor.begin(false);
        cursor.feed(next, &mut out);
        assert!(!cursor.stranger());
        assert_eq!(out.content, b"I am another attempt\n");
    }
    let mut cursor = after(&["one", "two"]);
    let mut out = Collected::default();
    cursor.begin(true);
    let log: Vec<Written> = (0_i64..)
        .zip(["one", "two", "three"])
        .map(|(n, line)| Written {
            at: 10 * n,
            content: line.into(),
        })
        .collect();
    cursor.feed(&served(&log, true, cursor.since()), &mut out);
    assert!(
        !cursor.stranger(),
        "what goes on where the last one ended is the same log"
    );
    assert_eq!(out.content, b"three\n");
}

#[test]
fn reading_begins_behind_the_last_line() {
    let log = b"2026-11-23T10:00:00.000000000Z old\n2026-11-23T10:00:05Z new\n";
    for cut in 32..log.len() {
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        cursor.behind_first(true);
        cursor.begin(false);
        cursor.feed(&log[..cut], &mut out);
        cursor.end(false, &mut out);
        cursor.behind_first(false);
        cursor.begin(false);
        cursor.feed(log, &mut out);
        cursor.end(true, &mut out);
        assert_eq!(String::from_utf8_lossy(&out.content), "new\n", "{cut}");
        assert_eq!(cursor.take_gap(), None);
    }
}

#[test]
fn what_stands_before_the_last_lines_that_were_asked_for_is_not_wanted_later() {
    let line = |n: i64| format!("2026-11-23T10:00:00.00000{n}000Z line {n}\n");
    let log: String = (0..6).map(line).collect();
    let tail: String = (3..5).map(line).collect();
    for cut in 32..=tail.len() {
        let mut cursor = Cursor::default();
        let mut out = Collected::default();
        cursor.amid(true);
        cursor.begin(false);
        cursor.feed(&tail.as_bytes()[..cut], &mut out);
        cursor.end(false, &mut out);
        for _ in 0..2 {
            cursor.amid(false);
            cursor.begin(false);
            cursor.feed(log.as_bytes(), &mut out);
            cursor.end(true, &mut out);
        }
        assert_eq!(
            String::from_utf8_lossy(&out.content),
            "line 3\nline 4\nline 5\n",
            "{cut}"
        );
        assert_eq!(cursor.take_gap(), None);
    }
}
