//! YAML into a tree, as Go's yaml.v2 builds it: anchors shared, merge keys merged, one document.

use std::{collections::HashMap, sync::Arc};

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value;

use super::{
    flaw::Flaw,
    hints,
    node::{Data, Entry, MAX_DEPTH, Mark, Node},
    scalar,
};

/// The document in this text, whose first line is `first` of the file; `None` if it holds nothing but
/// comments, or null.
pub(super) fn document(text: &str, first: usize) -> Result<Option<Arc<Node>>, Flaw> {
    written(text, first)?;
    let text = text.replace("\r\n", "\n");
    let mut builder = Builder {
        text: &text,
        first,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    let mut ended = false;
    for event in Parser::new_from_str_with_options(&text, options()) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) if ended => return Err(lost(builder.scanned(&error))),
            Err(error) => return Err(builder.unreadable(&error)),
        };
        if ended && matches!(event, Event::DocumentStart(..)) {
            return Err(lost(builder.mark(&span)));
        }
        ended = ended || event == Event::DocumentEnd;
        builder.event(event, &span)?;
    }
    let root = builder.root.take();
    Ok(root.filter(|node| !matches!(node.data, Data::Scalar(Value::Null))))
}

fn options() -> Options {
    granit_parser::options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    }
}

/// kubectl reads one document between two `---` and drops what follows it.
fn lost(at: Mark) -> Flaw {
    Flaw::new(
        at,
        "the document has ended before this, and kubectl would lose what follows",
    )
    .hint("separate documents by a line '---'; a line '...' ends a document")
}

/// Characters that no YAML has, and line ends that hide lines from kubectl.
fn written(text: &str, first: usize) -> Result<(), Flaw> {
    let (mut line, mut column) = (first, 1);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let at = Mark { line, column };
        match c {
            '\n' => (line, column) = (line + 1, 0),
            '\r' if characters.peek() != Some(&'\n') => {
                return Err(Flaw::new(at, "a carriage return alone ends this line")
                    .hint("save the file with line ends of LF or CRLF; kubectl would lose documents"));
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                return Err(
                    Flaw::new(at, format!("U+{:04X} ends a line in kubectl, invisibly", u32::from(c)))
                        .hint("write it as \\u2028, \\u2029 or \\N in double quotes if it is meant, or take it out"),
                );
            }
            '\t' | '\r' | '\u{feff}' => {}
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                return Err(Flaw::new(
                    at,
                    format!("control characters are not allowed: U+{:04X}", u32::from(c)),
                ));
            }
            _ => {}
        }
        column += 1;
    }
    Ok(())
}

struct Builder<'a> {
    text: &'a str,
    first: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
}

/// A list or map whose end has not come.
struct Open {
    at: Mark,
    anchor: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Arc<Node>>),
    Map {
        entries: Vec<Entry>,
        index: HashMap<String, usize>,
        key: Option<Key>,
    },
}

struct Key {
    at: Mark,
    is: Is,
}

enum Is {
    Field(String),
    Merge,
}

impl Builder<'_> {
    fn mark(&self, span: &Span) -> Mark {
        Mark {
            line: self.first + span.start.line() - 1,
            column: span.start.col() + 1,
        }
    }

    fn scanned(&self, error: &ScanError) -> Mark {
        Mark {
            line: self.first + error.marker().line() - 1,
            column: error.marker().col() + 1,
        }
    }

    fn unreadable(&self, error: &ScanError) -> Flaw {
        let flaw = Flaw::new(self.scanned(error), error.info());
        if *error.kind() == ErrorKind::UnknownAnchor {
            return Flaw::new(
                flaw.at,
                "this alias refers to nothing: no anchor of its name stands before it",
            )
            .hint("put text that begins with '*' in quotes, or define the anchor (&name) in the same document");
        }
        let line = error.marker().line().saturating_sub(1);
        let said = error.info();
        match hints::of(&said, self.text.lines().nth(line).unwrap_or_default(), self.text) {
            Some(hint) => flaw.hint(hint),
            None => flaw,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's list of events is open")]
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Flaw> {
        let at = self.mark(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() && anchor == 0 {
                    return self.key(at, &text, style, tag.as_deref());
                }
                let value = typed(at, &text, style, tag.as_deref())?;
                self.add(Arc::new(Node::scalar(at, value)), anchor)
            }
            Event::Alias(id) => {
                let node = self.anchors.get(&id).map(Arc::clone).ok_or_else(|| {
                    Flaw::new(at, "this alias stands inside of what it refers to").hint("write out what is meant")
                })?;
                self.add(node, 0)
            }
            Event::SequenceStart(_, anchor, _) => self.open(at, anchor, Holds::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.open(
                at,
                anchor,
                Holds::Map {
                    entries: Vec::new(),
                    index: HashMap::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            // What else there is carries no value.
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                holds: Holds::Map { key: None, .. },
                ..
            })
        )
    }

    fn open(&mut self, at: Mark, anchor: usize, holds: Holds) -> Result<(), Flaw> {
        if self.wants_key() {
            return Err(Flaw::new(at, "a list or map cannot be a key")
                .hint("is this a template that was not rendered ({{ }})? Put text with braces in quotes"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Flaw::new(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { at, anchor, holds });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        let Some(Open { at, anchor, holds }) = self.open.pop() else {
            return Ok(());
        };
        let node = match holds {
            Holds::List(items) => Node::list(at, items),
            Holds::Map { entries, .. } => Node::map(at, entries),
        }?;
        self.add(Arc::new(node), anchor)
    }

    /// A value has come whole.
    fn add(&mut self, node: Arc<Node>, anchor: usize) -> Result<(), Flaw> {
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        match self.open.last_mut().map(|open| &mut open.holds) {
            None => self.root = Some(node),
            Some(Holds::List(items)) => items.push(node),
            Some(Holds::Map { entries, index, key }) => match key.take() {
                None => {
                    let at = node.at;
                    let text = match &node.data {
                        Data::Scalar(value) => scalar::key(value),
                        Data::List(_) | Data::Map(_) => None,
                    };
                    let text = text.ok_or_else(|| no_key(at))?;
                    *key = Some(Key {
                        at,
                        is: Is::Field(text),
                    });
                }
                Some(Key {
                    at,
                    is: Is::Field(name),
                }) => field(entries, index, name, at, node)?,
                Some(Key { at, is: Is::Merge }) => {
                    for map in sources(&node).ok_or_else(|| no_map(at))? {
                        merge(entries, index, at, map)?;
                    }
                }
            },
        }
        Ok(())
    }

    fn key(&mut self, at: Mark, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<(), Flaw> {
        let is = match (style, tag) {
            (ScalarStyle::Plain, None) if text == "<<" => Is::Merge,
            (_, Some(tag)) if text == "<<" && is_yaml(tag, "merge") => Is::Merge,
            (ScalarStyle::Plain, None) => Is::Field(scalar::plain(text).key().ok_or_else(|| no_key(at))?),
            (_, tag) => {
                let value = typed(at, text, style, tag)?;
                Is::Field(scalar::key(&value).ok_or_else(|| no_key(at))?)
            }
        };
        if let Some(Holds::Map { key, .. }) = self.open.last_mut().map(|open| &mut open.holds) {
            *key = Some(Key { at, is });
        }
        Ok(())
    }
}

fn no_key(at: Mark) -> Flaw {
    Flaw::new(at, "null cannot be a key").hint("write a name before the colon, or put it in quotes")
}

fn no_map(at: Mark) -> Flaw {
    Flaw::new(at, "'<<' merges a map or a list of maps, and this is none")
        .hint("refer to an anchor on a map, for example <<: *defaults")
}

fn field(
    entries: &mut Vec<Entry>,
    index: &mut HashMap<String, usize>,
    key: String,
    at: Mark,
    value: Arc<Node>,
) -> Result<(), Flaw> {
    let entry = Entry {
        key: key.clone(),
        at,
        value,
        merged: false,
    };
    match index.get(&key).and_then(|known| entries.get_mut(*known)) {
        Some(known) if known.merged => *known = entry,
        Some(known) => {
            let whole_object = key == "apiVersion" || key == "kind";
            return Err(
                Flaw::new(at, format!("duplicate mapping key: {key}")).hint(if whole_object {
                    format!(
                        "it stands in line {} already; is a line '---' missing between two objects?",
                        known.at.line
                    )
                } else {
                    format!(
                        "it stands in line {} already, and kubectl would lose one; leave one out",
                        known.at.line
                    )
                }),
            );
        }
        None => {
            index.insert(key, entries.len());
            entries.push(entry);
        }
    }
    Ok(())
}

/// The maps that a merge key brings, in the order in which they are laid: the first of a list wins.
fn sources(node: &Arc<Node>) -> Option<Vec<&Node>> {
    let map = |node: &Node| matches!(node.data, Data::Map(_));
    match &node.data {
        Data::Map(_) => Some(vec![node]),
        Data::List(items) => items.iter().rev().map(|item| map(item).then_some(&**item)).collect(),
        Data::Scalar(_) => None,
    }
}

fn merge(entries: &mut Vec<Entry>, index: &mut HashMap<String, usize>, at: Mark, map: &Node) -> Result<(), Flaw> {
    let Data::Map(brought) = &map.data else {
        return Err(no_map(at));
    };
    for entry in brought {
        let entry = Entry {
            merged: true,
            ..entry.clone()
        };
        match index.get(&entry.key).and_then(|known| entries.get_mut(*known)) {
            Some(known) if known.merged => *known = entry,
            Some(known) => {
                return Err(Flaw::new(
                    at,
                    format!("this merge would replace {}, which is written before it", entry.key),
                )
                .hint(format!(
                    "put '<<' before line {}: kubectl lets the later of the two win",
                    known.at.line
                )));
            }
            None => {
                index.insert(entry.key.clone(), entries.len());
                entries.push(entry);
            }
        }
    }
    Ok(())
}

/// A tag of YAML's own types, `!!merge`.
fn is_yaml(tag: &Tag, name: &str) -> bool {
    [tag.handle(), tag.suffix()].concat() == ["tag:yaml.org,2002:", name].concat()
}

/// The value of a scalar with its quotes and tag.
fn typed(at: Mark, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Flaw> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => scalar::plain(text)
                .value()
                .ok_or_else(|| Flaw::new(at, format!("{text} is a number that JSON does not have"))),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => {
                Ok(text.into())
            }
        };
    };
    let wrong = |name: &str| Flaw::new(at, format!("this cannot be read as !!{name}"));
    let plain = || scalar::plain(text).value();
    match tag.core_suffix() {
        Some("bool") => plain().filter(Value::is_boolean).ok_or_else(|| wrong("bool")),
        Some("int") => plain().filter(|v| v.is_i64() || v.is_u64()).ok_or_else(|| wrong("int")),
        Some("float") => plain().filter(Value::is_number).ok_or_else(|| wrong("float")),
        Some("null") => plain().filter(Value::is_null).ok_or_else(|| wrong("null")),
        Some("str") => Ok(text.into()),
        Some(other) => Err(wrong(other)),
        None if is_yaml(tag, "binary") => {
            Err(wrong("binary").hint("leave the tag out; a Secret's data takes base64 as it is"))
        }
        None => Ok(text.into()),
    }
}
