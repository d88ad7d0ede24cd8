//! Marker lines, `::kube_api:NAME=VALUE` at the start of a line with white space allowed before it, found
//! in a log that comes in pieces cut anywhere. Where they are hidden, no byte of one is passed on, and every
//! other byte is, in its order; a line that cannot be a marker any more is not held back.

use serde_json::{Map, Value};

use crate::core::log::{cursor::Sink, stamp::Stamp};

const BEGIN: &[u8] = b"::kube_api:";

/// White space before a marker, and a name, are no longer than this: it bounds what is held back.
const LONGEST_HEAD: usize = 256;

/// A value longer than this is cut, which is an error.
const LONGEST_VALUE: usize = 1024 * 1024;

/// All values of one container together are no larger than this.
const LARGEST_SUM: usize = 8 * 1024 * 1024;

/// The name whose values are JSON objects that are merged.
pub const XCOM: &str = "xcom";

/// What is done with marker lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Markers {
    /// They are lines like any other.
    #[default]
    Off,
    /// They are read, and shown like any other.
    Read,
    /// They are read, and not shown.
    Hide,
}

/// One marker line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its value as it was written.
    pub value: String,
}

/// The marker lines of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// All of them, in their order.
    pub events: Vec<Event>,
    /// The objects of those named `xcom`, merged: of equal keys the later one holds.
    pub xcom: Map<String, Value>,
    /// What is wrong with some of them, in words that name no value.
    pub errors: Vec<String>,
    size: usize,
}

impl Found {
    fn add(&mut self, name: String, value: &[u8], cut: bool) {
        self.size += name.len() + value.len();
        if cut || self.size > LARGEST_SUM {
            self.errors.push(if cut {
                format!("the value of a marker line {name:?} is longer than {LONGEST_VALUE} bytes")
            } else {
                format!("the marker lines are larger than {LARGEST_SUM} bytes together: {name:?} is left out")
            });
            return;
        }
        let value = String::from_utf8_lossy(value).into_owned();
        if name == XCOM {
            match serde_json::from_str(&value) {
                Ok(Value::Object(object)) => self.xcom.extend(object),
                Ok(_) => self
                    .errors
                    .push("the value of a marker line \"xcom\" is JSON, but no object".to_owned()),
                Err(e) => self.errors.push(format!(
                    "the value of a marker line \"xcom\" is not JSON: {} at character {}",
                    what(&e),
                    e.column()
                )),
            }
        }
        self.events.push(Event { name, value });
    }
}

/// What the parser says, without its own place and without the text, which may be secret.
fn what(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
            "an unexpected character"
        }
    }
}

/// Finds the markers of one log.
#[derive(Debug)]
pub struct Scanner {
    hide: bool,
    line: Line,
    /// The beginning of a line that is held back, and the stamp that it bears.
    held: Vec<u8>,
    stamp: Option<Stamp>,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// It may still become a marker.
    Open,
    /// It is none.
    Plain,
    /// It is one, with this name, and its value up to now.
    Marker { name: String, value: Vec<u8>, cut: bool },
}

impl Scanner {
    /// A scanner at the beginning of a log.
    #[must_use]
    pub fn new(hide: bool) -> Self {
        Self {
            hide,
            line: Line::Open,
            held: Vec::new(),
            stamp: None,
        }
    }

    /// Takes a piece of a line, as a cursor passes it on, and passes on what is to be shown.
    pub fn piece(&mut self, piece: &[u8], begins: Option<Stamp>, found: &mut Found, shown: &mut impl Sink) {
        if begins.is_some() {
            // The line before may lack its end, where lines are lost.
            self.end(found, shown);
            self.stamp = begins;
        }
        let mut rest = piece;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (part, next) = rest.split_at(end);
            self.part(part, found, shown);
            rest = next;
        }
    }

    /// No more of this line will come.
    pub fn end(&mut self, found: &mut Found, shown: &mut impl Sink) {
        self.close(found);
        self.release(shown);
        self.line = Line::Open;
    }

    /// A part of one line, with its end if it has come.
    fn part(&mut self, part: &[u8], found: &mut Found, shown: &mut impl Sink) {
        let ended = part.last() == Some(&b'\n');
        match &mut self.line {
            Line::Plain => self.show(part, shown),
            Line::Open => self.head(part, shown),
            Line::Marker { value, cut, .. } => {
                take(value, cut, part);
                self.show(part, shown);
            }
        }
        if ended {
            self.end(found, shown);
        }
    }

    fn head(&mut self, part: &[u8], shown: &mut impl Sink) {
        self.held.extend_from_slice(part);
        match judged(&self.held) {
            Head::Open => return,
            Head::None => self.line = Line::Plain,
            Head::Marker { name, value } => {
                let (mut begun, mut cut) = (Vec::new(), false);
                take(&mut begun, &mut cut, self.held.get(value..).unwrap_or_default());
                self.line = Line::Marker {
                    name,
                    value: begun,
                    cut,
                };
                if self.hide {
                    self.held.clear();
                    self.stamp = None;
                    return;
                }
            }
        }
        self.release(shown);
    }

    /// Passes on what was held back.
    fn release(&mut self, shown: &mut impl Sink) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            shown.content(&held, self.stamp.take());
        }
    }

    fn show(&self, part: &[u8], shown: &mut impl Sink) {
        match self.line {
            Line::Marker { .. } if self.hide => {}
            Line::Marker { .. } | Line::Plain | Line::Open => shown.content(part, None),
        }
    }

    fn close(&mut self, found: &mut Found) {
        if let Line::Marker { name, value, cut } = std::mem::replace(&mut self.line, Line::Open) {
            let value = value.strip_suffix(b"\n").unwrap_or(&value);
            let value = value.strip_suffix(b"\r").unwrap_or(value);
            found.add(name, value, cut);
        }
    }
}

fn take(value: &mut Vec<u8>, cut: &mut bool, part: &[u8]) {
    // The end of the line is not part of the value.
    let room = (LONGEST_VALUE + 2).saturating_sub(value.len());
    let (taken, lost) = part.split_at(part.len().min(room));
    value.extend_from_slice(taken);
    *cut |= !lost.is_empty();
}

enum Head {
    Open,
    None,
    Marker { name: String, value: usize },
}

/// What the beginning of a line is.
fn judged(head: &[u8]) -> Head {
    if head.len() > LONGEST_HEAD && !head.iter().take(LONGEST_HEAD).any(|b| *b == b'=') {
        return Head::None;
    }
    let space = head.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let text = head.get(space..).unwrap_or_default();
    if text.len() < BEGIN.len() {
        return if BEGIN.starts_with(text) {
            Head::Open
        } else {
            Head::None
        };
    }
    let Some(named) = text.strip_prefix(BEGIN) else {
        return Head::None;
    };
    let length = named
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        .count();
    match named.get(length) {
        None => Head::Open,
        Some(b'=') if length > 0 => Head::Marker {
            name: String::from_utf8_lossy(named.get(..length).unwrap_or_default()).into_owned(),
            value: space + BEGIN.len() + length + 1,
        },
        Some(_) => Head::None,
    }
}

#[cfg(test)]
#[path = "markers_tests.rs"]
mod tests;
