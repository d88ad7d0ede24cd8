//! From bytes to text, and text shown in messages. kubectl turns bytes that are no text into
//! replacement characters and goes on; here they are refused, for what they said is lost.

use super::{super::Refusal, node::Mark};

/// Larger than anything an API server takes, and small enough to be read at once.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The text of a file: UTF-8, or UTF-16 with a byte order mark as Windows tools write it.
pub(super) fn decode(file: &str, bytes: &[u8]) -> Result<String, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::new(
            format!("{file} is larger than {} MiB", MAX_BYTES / (1024 * 1024)),
            "the API server takes no object above 3 MiB; is this the right file?",
        ));
    }
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(file, rest, 3),
        [0xff, 0xfe, rest @ ..] => utf16(file, rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(file, rest, u16::from_be_bytes),
        all => utf8(file, all, 0),
    }
}

fn utf8(file: &str, bytes: &[u8], before: usize) -> Result<String, Refusal> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| {
        let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', good).count();
        let hint = if memchr::memchr_iter(0, bytes).count() > bytes.len() / 3 {
            "this looks like UTF-16 without its byte order mark; save the file as UTF-8"
        } else {
            "save the file as UTF-8; kubectl would put replacement characters in its place"
        };
        Refusal::new(
            format!(
                "{file} is not UTF-8 text: byte {} (in line {line}) begins no character",
                before + e.valid_up_to() + 1
            ),
            hint,
        )
    })
}

fn utf16(file: &str, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Refusal> {
    let broken = || {
        Refusal::new(
            format!("{file} begins as UTF-16 and is not UTF-16 throughout"),
            "save the file as UTF-8",
        )
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(broken());
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<String, _>>()
        .map_err(|_| broken())
}

/// The line at this place with a mark under the column; control characters are made visible. Nothing of a
/// Secret is shown: the place has to do.
pub(super) fn excerpt(text: &str, at: Mark) -> Option<String> {
    const AROUND: usize = 70;
    let line = text.lines().nth(at.line.checked_sub(1)?)?;
    if in_secret(text, at.line) {
        return None;
    }
    let column = at.column.max(1) - 1;
    let from = column.saturating_sub(AROUND / 2);
    let visible: String = line
        .chars()
        .skip(from)
        .take(AROUND)
        .map(|c| if shown(c) { c } else { '\u{fffd}' })
        .collect();
    Some(format!("    {visible}\n    {:>width$}", "^", width = column - from + 1))
}

/// Whether this line, counted from 1, stands in a document that says that it is a Secret, in YAML or JSON. The text
/// may be broken, so that it is looked at by lines.
fn in_secret(text: &str, line: usize) -> bool {
    let says = |line: &str| {
        let line = line.replace(['"', '\''], "");
        let mut words = line.split_whitespace().collect::<String>();
        words.retain(|c| c != ',');
        words.contains("kind:Secret")
    };
    let mut secret = false;
    for (n, text) in (1..).zip(text.lines()) {
        if text.starts_with("---") {
            if n > line {
                break;
            }
            secret = false;
        }
        secret |= says(text);
    }
    secret
}

/// Neither a control character nor one that turns the direction of what follows.
fn shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::in_secret;

    #[test]
    fn lines_of_a_secret_are_known_also_where_the_text_is_broken() {
        let text = "kind: Job\na: b: c\n---\nstringData: {p: 1}\nkind: Secret # of the job\n--- \nx: y\n";
        let told: Vec<bool> = (1..=7).map(|line| in_secret(text, line)).collect();
        assert_eq!(told, [false, false, true, true, true, false, false]);
        assert!(in_secret(r#"{"kind" : "Secret", "data": {"a": 1}}"#, 1));
    }
}
