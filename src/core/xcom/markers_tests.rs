use proptest::prelude::*;

use super::*;

const AT: Option<Stamp> = Some(Stamp { seconds: 1, nanos: 0 });

#[derive(Default)]
struct Shown {
    text: Vec<u8>,
    /// Where lines begin, by their stamps.
    begun: Vec<usize>,
}

impl Sink for Shown {
    fn content(&mut self, piece: &[u8], begins: Option<Stamp>) {
        if begins.is_some() {
            self.begun.push(self.text.len());
        }
        self.text.extend_from_slice(piece);
    }

    fn diagnostic(&mut self, _line: &[u8]) {}
}

/// Reads lines, as a cursor passes them on, each in pieces of at most `size` bytes.
fn scanned(text: &[u8], hide: bool, size: usize) -> (Found, Shown) {
    let (mut scanner, mut found, mut shown) = (Scanner::new(hide), Found::default(), Shown::default());
    for line in text.split_inclusive(|b| *b == b'\n') {
        for (i, piece) in line.chunks(size).enumerate() {
            scanner.piece(piece, AT.filter(|_| i == 0), &mut found, &mut shown);
        }
    }
    scanner.end(&mut found, &mut shown);
    (found, shown)
}

fn events(found: &Found) -> Vec<(&str, &str)> {
    found
        .events
        .iter()
        .map(|e| (e.name.as_str(), e.value.as_str()))
        .collect()
}

#[test]
fn what_is_a_marker_and_what_is_none() {
    for (line, expected) in [
        ("::kube_api:a=1", Some(("a", "1"))),
        (" \t::kube_api:a-b_C9=x=y ", Some(("a-b_C9", "x=y "))),
        ("::kube_api:a=", Some(("a", ""))),
        ("::kube_api:a=1\r", Some(("a", "1"))),
        ("::kube_api:=1", None),
        ("::kube_api:a b=1", None),
        ("::kube_api:a", None),
        ("::kube_api", None),
        ("x ::kube_api:a=1", None),
        ("2026-01-01T00:00:00Z ::kube_api:a=1", None),
        (":kube_api:a=1", None),
        ("", None),
        ("   ", None),
    ] {
        for end in ["", "\n"] {
            let text = format!("{line}{end}");
            for size in 1..=text.len().max(1) {
                let (found, shown) = scanned(text.as_bytes(), true, size);
                assert_eq!(
                    events(&found),
                    expected.into_iter().collect::<Vec<_>>(),
                    "{text:?} by {size}"
                );
                let left = if expected.is_some() { "" } else { &text };
                assert_eq!(shown.text, left.as_bytes(), "{text:?} by {size}");
            }
        }
    }
}

#[test]
fn objects_are_merged_and_the_later_key_holds() {
    let text = "::kube_api:xcom={\"a\":1,\"b\":[2]}\nline\n::kube_api:xcom={\"a\":{\"c\":null}}\n::kube_api:p=50";
    let (found, shown) = scanned(text.as_bytes(), true, 7);
    assert_eq!(
        Value::Object(found.xcom.clone()),
        serde_json::json!({"a": {"c": null}, "b": [2]})
    );
    assert_eq!(found.errors, Vec::<String>::new());
    assert_eq!(events(&found).last(), Some(&("p", "50")), "the last line needs no end");
    assert_eq!(shown.text, b"line\n");
    assert_eq!(shown.begun, [0]);
}

#[test]
fn what_is_wrong_is_told_without_the_value() {
    let text = "::kube_api:xcom={\"password\": hunter2}\n::kube_api:xcom=[1]\n::kube_api:xcom={\"a\":\n::kube_api:xcom={\"b\":1}\n";
    let (found, _) = scanned(text.as_bytes(), true, 100);
    insta::assert_snapshot!(found.errors.join("\n"), @r#"
    the value of a marker line "xcom" is not JSON: an unexpected character at character 14
    the value of a marker line "xcom" is JSON, but no object
    the value of a marker line "xcom" is not JSON: it ends too early at character 5
    "#);
    assert_eq!(found.xcom.len(), 1);
    assert_eq!(found.events.len(), 4);
}

#[test]
fn a_value_that_is_too_long_is_an_error_and_stays_hidden() {
    let long = "x".repeat(LONGEST_VALUE);
    let (found, shown) = scanned(format!("::kube_api:a={long}\nb\n").as_bytes(), true, 65536);
    assert_eq!(events(&found), [("a", long.as_str())]);
    assert_eq!(shown.text, b"b\n");
    let (found, shown) = scanned(format!("::kube_api:a={long}yyy\nb\n").as_bytes(), true, 65536);
    assert_eq!(events(&found), []);
    assert!(
        found.errors[0].contains("\"a\" is longer than 1048576 bytes"),
        "{:?}",
        found.errors
    );
    assert_eq!(shown.text, b"b\n");
}

#[test]
fn values_that_are_too_many_are_an_error() {
    let line = format!("::kube_api:a={}\n", "x".repeat(LONGEST_VALUE));
    let (found, _) = scanned(line.repeat(9).as_bytes(), true, 65536);
    assert_eq!(found.events.len(), 7);
    assert!(
        found.errors[0].contains("larger than 8388608 bytes together"),
        "{:?}",
        found.errors
    );
}

#[test]
fn a_line_that_is_no_marker_is_shown_at_once() {
    let (mut scanner, mut found, mut shown) = (Scanner::new(true), Found::default(), Shown::default());
    scanner.piece(b"10%", AT, &mut found, &mut shown);
    assert_eq!(shown.text, b"10%");
    scanner.piece(b"\r20%\n", None, &mut found, &mut shown);
    scanner.piece(&b" ".repeat(LONGEST_HEAD + 1), AT, &mut found, &mut shown);
    assert_eq!(shown.text.len(), 8 + LONGEST_HEAD + 1);
    assert_eq!(shown.begun, [0, 8]);
    // The rest of a line that was lost does not go on in the next.
    scanner.piece(b"::kube_api:a=1", AT, &mut found, &mut shown);
    scanner.piece(b"::kube_api:b=2\n", AT, &mut found, &mut shown);
    assert_eq!(events(&found), [("a", "1"), ("b", "2")]);
}

proptest! {
    /// Wherever the pieces are cut, the same is found; read, every byte is shown, and hidden, exactly the
    /// other lines are.
    #[test]
    fn cuts_change_nothing(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "plain\n", "::kube_api:a=1\n", "  ::kube_api:b-c=\n", "::kube_api:\n", "\n", ":\n", "::kube_api:x=2\r\n",
            ]),
            0..20,
        ),
        size in 1_usize..20,
    ) {
        let text = lines.concat();
        let is_marker = |line: &&&str| line.contains('=');
        let (read, all) = scanned(text.as_bytes(), false, size);
        prop_assert_eq!(&all.text, text.as_bytes());
        prop_assert_eq!(all.begun.len(), lines.len());
        let (hidden, rest) = scanned(text.as_bytes(), true, size);
        let others: String = lines.iter().filter(|l| !is_marker(l)).copied().collect();
        prop_assert_eq!(&rest.text, others.as_bytes());
        prop_assert_eq!(read.events.len(), lines.iter().filter(is_marker).count());
        prop_assert_eq!(read, hidden);
    }
}
