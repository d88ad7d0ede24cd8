//! All events in one sitting, as programs read them.

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::report::{
    face::{Face, Form, Volume},
    line::{self, When},
    text,
};

/// With `--verbose`, from `tracing`; the whole-binary tests see them.
const TRACED: [&str; 5] = ["request", "login", "watch_ended", "log_reopened", "library"];

fn when() -> When {
    When {
        time: "2026-05-06T07:08:09.0123Z".parse().unwrap(),
        elapsed: Duration::from_millis(61_005),
    }
}

fn json(facts: &Facts, words: &str) -> String {
    let face = Face {
        form: Form::Json,
        color: true,
        ..Face::default()
    };
    line::of(face, facts, words, when())
}

#[test]
fn every_event() {
    let lines: String = text::tests::notices()
        .iter()
        .map(|notice| json(&of(notice), &text::of(notice)))
        .chain([json(&refused(), "error: job.yaml is empty\nhint: give a file")])
        .collect();
    for line in lines.lines() {
        let object: Map<String, Value> = serde_json::from_str(line).unwrap();
        assert!(object.len() >= 5, "{line}");
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn every_event_is_in_the_table_with_its_fields() {
    let said: Vec<Facts> = text::tests::notices().iter().map(of).chain([refused()]).collect();
    for facts in &said {
        let (_, fields, _) = EVENTS
            .iter()
            .find(|(name, ..)| *name == facts.event)
            .expect(facts.event);
        let there: BTreeSet<&str> = facts.fields.keys().map(String::as_str).collect();
        assert_eq!(there, fields.iter().copied().collect(), "{}", facts.event);
        for reserved in ["time", "event", "level", "elapsed_seconds", "message", "hint"] {
            assert!(!there.contains(reserved), "{reserved} has a meaning of its own");
        }
    }
    let said: BTreeSet<&str> = said.iter().map(|facts| facts.event).chain(TRACED).collect();
    let known: Vec<&str> = EVENTS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(said.len(), known.len(), "an event twice, or without a sample");
    assert_eq!(said, known.into_iter().collect());
}

#[test]
fn quiet_leaves_errors() {
    let quiet = Face {
        volume: Volume::Quiet,
        ..Face::default()
    };
    let left: Vec<String> = text::tests::notices()
        .iter()
        .map(|notice| (of(notice), text::of(notice)))
        .filter(|(facts, _)| quiet.takes(facts))
        .map(|(facts, words)| line::of(quiet, &facts, &words, when()))
        .collect();
    insta::assert_snapshot!(left.concat());
}

#[test]
fn the_status_line_tells_the_steps_of_the_first_pod() {
    let face = Face {
        status_line: true,
        ..Face::default()
    };
    let left_out: Vec<&str> = text::tests::notices()
        .iter()
        .map(of)
        .filter(|facts| !face.takes(facts))
        .map(|facts| facts.event)
        .collect();
    assert_eq!(left_out, ["pod_scheduled", "container_started"]);
}
