//! JSON with the places of its values. A key given twice is an error, for the first would be lost.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;

use super::{
    flaw::Flaw,
    node::{Entry, MAX_DEPTH, Mark, Node},
    scalar::number,
};

/// The next value of `rest`, the end of `text`, and what is behind it; `None` at the end.
pub(super) fn value<'a>(text: &str, rest: &'a str) -> Result<Option<(Arc<Node>, &'a str)>, Flaw> {
    let before = text.get(..text.len() - rest.len()).unwrap_or_default();
    let mut reader = Reader {
        rest,
        line: 1 + before.matches('\n').count(),
        column: 1 + before.chars().rev().take_while(|c| *c != '\n').count(),
    };
    reader.blank();
    if reader.rest.is_empty() {
        return Ok(None);
    }
    let tree = reader.value(0).map_err(Flaw::json)?;
    Ok(Some((tree, reader.rest)))
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Reader<'a> {
    fn at(&self) -> Mark {
        Mark {
            line: self.line,
            column: self.column,
        }
    }

    fn flaw(&self, what: &str) -> Flaw {
        let found = match self.rest.chars().next() {
            Some(c) => format!("{what}, not {c:?}"),
            None => format!("{what}, and the text ends"),
        };
        Flaw::new(self.at(), found)
    }

    /// Steps over `length` bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return "";
        };
        for c in taken.chars() {
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn blank(&mut self) {
        let blank = |c: &char| matches!(c, ' ' | '\t' | '\n' | '\r');
        self.take(self.rest.chars().take_while(blank).count());
    }

    /// Steps over this character, if it is next.
    fn next_is(&mut self, c: char) -> bool {
        self.blank();
        let found = self.rest.starts_with(c);
        if found {
            self.take(c.len_utf8());
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Arc<Node>, Flaw> {
        self.blank();
        let at = self.at();
        if depth > MAX_DEPTH {
            return Err(Flaw::new(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let node = match self.rest.chars().next() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Node::scalar(at, self.string()?.into()),
            Some(_) => Node::scalar(at, self.word()?),
            None => return Err(self.flaw("a value belongs here")),
        };
        Ok(Arc::new(node))
    }

    fn object(&mut self, depth: usize) -> Result<Node, Flaw> {
        let at = self.at();
        self.take(1);
        let mut entries = Vec::new();
        let mut known = HashSet::new();
        if self.next_is('}') {
            return Node::map(at, entries);
        }
        loop {
            self.blank();
            let key_at = self.at();
            if !self.rest.starts_with('"') {
                return Err(self.flaw("a key in double quotes belongs here"));
            }
            let key = self.string()?;
            if !known.insert(key.clone()) {
                return Err(Flaw::new(key_at, format!("duplicate mapping key: {key}"))
                    .hint("the first of the two would be lost; leave one out"));
            }
            if !self.next_is(':') {
                return Err(self.flaw("':' belongs here"));
            }
            entries.push(Entry {
                key,
                at: key_at,
                value: self.value(depth + 1)?,
                merged: false,
            });
            if self.next_is('}') {
                return Node::map(at, entries);
            }
            if !self.next_is(',') {
                return Err(self.flaw("',' or '}' belongs here"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, Flaw> {
        let at = self.at();
        self.take(1);
        let mut items = Vec::new();
        if self.next_is(']') {
            return Node::list(at, items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.next_is(']') {
                return Node::list(at, items);
            }
            if !self.next_is(',') {
                return Err(self.flaw("',' or ']' belongs here"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let at = self.at();
        let mut escaped = true;
        let end = self.rest.char_indices().find(|(_, c)| {
            let closing = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closing
        });
        let Some((end, _)) = end else {
            return Err(Flaw::new(at, "this text in quotes has no end"));
        };
        let written = self.take(end + 1);
        serde_json::from_str(written).map_err(|_| {
            Flaw::new(
                at,
                "a line break, a control character or an unknown escape in this text in quotes",
            )
        })
    }

    fn word(&mut self) -> Result<Value, Flaw> {
        let at = self.at();
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':' | '{' | '[' | '"');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let written = self.take(end);
        match serde_json::from_str(written) {
            Ok(Value::Number(n)) => Ok(n.as_f64().map_or(Value::Number(n.clone()), |float| number(&n, float))),
            Ok(value) => Ok(value),
            Err(_) => Err(Flaw::new(at, format!("{:?} is no JSON value", shortened(written)))),
        }
    }
}

fn shortened(word: &str) -> String {
    word.chars().take(40).collect()
}
