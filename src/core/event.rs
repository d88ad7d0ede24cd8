//! What kjo reads of the cluster's Events: why a Job has no pod, why a pod does not start.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// An Event, reduced to what is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventView {
    /// `involvedObject.kind` in lower case, for example `pod`.
    pub kind: String,
    /// `involvedObject.name`.
    pub name: String,
    /// `involvedObject.uid`; another object may bear the same name.
    pub uid: String,
    /// `reason`, for example `FailedCreate`.
    pub reason: String,
    /// `message`, the cluster's own words.
    pub message: String,
    /// Its type is `Warning`.
    pub warning: bool,
    /// How often it happened, at least once.
    pub count: u32,
    /// When it happened last, by the clock of whoever reported it.
    pub last: Option<Timestamp>,
}

impl EventView {
    /// The message without the names that the Job controller draws anew for every pod it tries to make.
    #[must_use]
    pub fn steady(&self) -> String {
        steady(&self.message, &self.name)
    }
}

/// Text in which the names of `object`'s dependents, drawn at random, are cut to their common beginning.
#[must_use]
pub fn steady(text: &str, object: &str) -> String {
    let begins = format!("{object}-");
    let words = text.split(' ').map(|word| {
        let (before, name) = word.split_at(word.find(&begins).unwrap_or(word.len()));
        let ends = name.get(begins.len()..).and_then(|rest| {
            let drawn = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).len();
            rest.get(drawn..)
        });
        match ends {
            Some(ends) => format!("{before}{begins}{ends}"),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        let object = &event.involved_object;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        // Two APIs write Events: `count` and `lastTimestamp` of the old one, `series` of events.k8s.io.
        let series = event.series.as_ref();
        let count = series.and_then(|s| s.count).or(event.count).unwrap_or(1);
        let last = series
            .and_then(|s| s.last_observed_time.as_ref().map(|t| t.0))
            .or_else(|| event.last_timestamp.as_ref().map(|t| t.0))
            .or_else(|| event.event_time.as_ref().map(|t| t.0))
            .or_else(|| event.metadata.creation_timestamp.as_ref().map(|t| t.0));
        Self {
            kind: text(&object.kind).to_lowercase(),
            name: text(&object.name),
            uid: text(&object.uid),
            reason: text(&event.reason),
            message: text(&event.message),
            warning: event.type_.as_deref() == Some("Warning"),
            count: u32::try_from(count).unwrap_or(1).max(1),
            last,
        }
    }
}

/// How many warnings are kept: the last ones tell why it is as it is.
const KEPT: usize = 10;

/// The last warnings among these, oldest first.
#[must_use]
pub fn last_warnings(events: Vec<EventView>) -> Vec<EventView> {
    let mut warnings: Vec<_> = events.into_iter().filter(|event| event.warning).collect();
    warnings.sort_by_key(|event| event.last);
    warnings.split_off(warnings.len().saturating_sub(KEPT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_warnings_are_kept() {
        let event = |second: i64| EventView {
            warning: second % 2 == 0,
            last: Timestamp::from_second(second).ok(),
            ..EventView::default()
        };
        let kept = last_warnings((0..50).rev().map(event).collect());
        let seconds: Vec<_> = kept.iter().filter_map(|e| e.last.map(Timestamp::as_second)).collect();
        assert_eq!(seconds, [30, 32, 34, 36, 38, 40, 42, 44, 46, 48]);
    }

    #[test]
    fn names_that_are_drawn_anew_make_no_other_message() {
        let text = |name: &str| steady(&format!("pods \"{name}\" is forbidden: etl is full"), "etl");
        assert_eq!(text("etl-x7f2a"), text("etl-b2k9z"));
        assert_eq!(text("etl-x7f2a"), "pods \"etl-\" is forbidden: etl is full");
        assert_ne!(text("other-x7f2a"), text("other-b2k9z"));
    }

    #[test]
    fn both_kinds_of_events_are_read() {
        let read = |event: serde_json::Value| EventView::from(&serde_json::from_value::<Event>(event).unwrap());
        let old = read(json!({
            "metadata": {"name": "a"}, "type": "Warning", "reason": "FailedCreate", "message": "no", "count": 7,
            "involvedObject": {"kind": "Job", "name": "etl", "uid": "u"}, "lastTimestamp": "2026-11-23T10:00:00Z",
        }));
        assert_eq!((old.kind.as_str(), old.count, old.warning), ("job", 7, true));
        assert!(old.last.is_some());
        let new = read(json!({
            "metadata": {"name": "a"}, "type": "Normal", "involvedObject": {},
            "eventTime": "2026-11-23T10:00:00.000001Z",
            "series": {"count": 3, "lastObservedTime": "2026-11-23T10:05:00.000001Z"},
        }));
        assert_eq!((new.count, new.warning), (3, false));
        assert!(new.last > old.last);
    }
}
