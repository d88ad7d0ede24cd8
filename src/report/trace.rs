//! What `--verbose` adds: events of the modules that talk to the cluster, and of kube where it is in
//! trouble. They come through `tracing`, and leave as lines like all others. Nothing that is sent or
//! received is in them but methods, paths and codes.

use std::sync::mpsc::Sender;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt as _},
    registry,
};

use super::{
    Line,
    event::{EVENTS, Facts, Level},
    face::Face,
    when,
};

/// Hands events to the lines of stderr from now on.
pub(super) fn start(lines: Sender<Line>, face: Face, started: Instant) {
    let kjo = Targets::new()
        .with_target("kjo", LevelFilter::DEBUG)
        // Only these: other modules of kube put bodies of answers into their words.
        .with_target("kube_client::client::builder", LevelFilter::WARN)
        .with_target("kube_client::client::tls", LevelFilter::WARN);
    let teller = Teller { lines, face, started };
    // An error means that somebody who uses this library listens already.
    drop(tracing::subscriber::set_global_default(
        registry().with(teller.with_filter(kjo)),
    ));
}

struct Teller {
    lines: Sender<Line>,
    face: Face,
    started: Instant,
}

impl<S: Subscriber> Layer<S> for Teller {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        let target = event.metadata().target();
        let name = match seen.fields.remove("event") {
            Some(Value::String(name)) => EVENTS.iter().map(|(known, ..)| *known).find(|known| *known == name),
            _ => None,
        };
        let facts = Facts {
            event: name.unwrap_or_else(|| {
                seen.fields.insert("target".to_owned(), target.into());
                "library"
            }),
            level: Level::Debug,
            fields: seen.fields,
        };
        let words = if name.is_some() {
            seen.message
        } else {
            format!("{target}: {}", seen.message)
        };
        // An error means that the writing end has gone with the process.
        drop(self.lines.send(Line::Text {
            text: super::line::of(self.face, &facts, &words, when(self.started)),
            starting: super::ci::starting(facts.event),
        }));
    }
}

#[derive(Default)]
struct Seen {
    message: String,
    fields: Map<String, Value>,
}

impl Seen {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value.into());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
