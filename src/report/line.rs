//! A line of kjo's own, as people or programs read it.

use std::time::Duration;

use console::Style;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    ci,
    event::{Facts, Level},
    face::{Face, Form},
    text,
};

/// When something is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    /// By the clock on the wall.
    pub(super) time: Timestamp,
    /// Since kjo's start.
    pub(super) elapsed: Duration,
}

/// What is said, as it goes to stderr: whole lines. `words` may have several, of which one may be a hint.
pub(super) fn of(face: Face, facts: &Facts, words: &str, when: When) -> String {
    match face.form {
        Form::Json => json(facts, words, when),
        Form::Text => {
            let lines = if timed(facts.event) {
                text::framed(&format!("[{}] {words}", clock(when.elapsed)))
            } else {
                text::framed(words)
            };
            if face.color {
                painted(&lines, facts.level)
            } else {
                lines
            }
        }
    }
}

/// What is said before anything happens bears no time, nor do the sums at the end.
fn timed(event: &str) -> bool {
    !matches!(
        event,
        "target" | "sandbox" | "adjusted" | "server_warning" | "log_ledger" | "failure_report" | "refused"
    )
}

/// Minutes and seconds, and hours where there are any.
pub(super) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Only kjo's name is coloured: the words are other people's too.
fn painted(lines: &str, level: Level) -> String {
    let style = Style::new().force_styling(true);
    let name = match level {
        Level::Debug | Level::Info => style.dim(),
        Level::Warning => style.yellow(),
        Level::Error => style.red().bold(),
    }
    .apply_to("kjo:");
    lines
        .split_inclusive('\n')
        .map(|line| match line.strip_prefix("kjo:") {
            Some(rest) => format!("{name}{rest}"),
            None => line.to_owned(),
        })
        .collect()
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    event: &'a str,
    level: &'a str,
    elapsed_seconds: f64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
}

fn json(facts: &Facts, words: &str, when: When) -> String {
    let (message, hint) = match words.split_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (words, None),
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of less than a million years")]
    let elapsed_seconds = when.elapsed.as_millis() as f64 / 1000.0;
    let object = Object {
        time: format!("{:.3}", when.time),
        event: facts.event,
        level: facts.level.name(),
        elapsed_seconds,
        message,
        hint,
        fields: &facts.fields,
    };
    // Strings, numbers and lists of them are always JSON.
    serde_json::to_string(&object)
        .map(|line| ci::tamed_json(&line) + "\n")
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_run() {
        for (seconds, shown) in [(0, "0:00"), (61, "1:01"), (3599, "59:59"), (90061, "25:01:01")] {
            assert_eq!(clock(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn colours_stand_before_every_line_and_nowhere_else() {
        let lines = painted("kjo: error: kjo: no\nkjo: hint: do\n", Level::Error);
        assert_eq!(
            lines,
            "\u{1b}[31m\u{1b}[1mkjo:\u{1b}[0m error: kjo: no\n\u{1b}[31m\u{1b}[1mkjo:\u{1b}[0m hint: do\n"
        );
    }
}
