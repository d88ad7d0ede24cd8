//! A file's documents, parted as kubectl parts them: a stream of JSON values, or lines that begin with
//! `---`; after at most one JSON value YAML may follow.

use std::sync::Arc;

use super::{
    flaw::Flaw,
    json,
    node::{Mark, Node},
};

/// One document.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// Read already: its end is known only by reading.
    Json(Arc<Node>),
    /// Text, and the line of the file it begins in.
    Yaml { text: &'a str, line: usize },
}

/// What kubectl looks at to tell JSON from YAML.
const LOOKED_AT: usize = 4096;

pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, Flaw> {
    let mut parts = Vec::new();
    let begin = text.trim_start();
    let mut rest = text;
    if begin.starts_with('{') && text.len() - begin.len() < LOOKED_AT {
        let failed = loop {
            match json::value(text, rest) {
                Ok(Some((tree, behind))) => {
                    parts.push(Part::Json(tree));
                    rest = behind;
                }
                Ok(None) => return Ok(parts),
                Err(flaw) => break flaw,
            }
        };
        // After two values it is a stream of JSON; a value that begins as JSON alone does is meant as
        // JSON, and its own error says more than YAML's.
        if parts.len() > 1 || (parts.is_empty() && meant_as_json(begin)) {
            return Err(failed);
        }
        let line_end = rest
            .find('\n')
            .filter(|at| rest.get(..*at).is_some_and(|s| s.trim().is_empty()));
        rest = line_end
            .and_then(|at| rest.get(at + 1..))
            .unwrap_or_else(|| rest.trim_start());
    }
    documents(rest, 1 + lines(text, rest), &mut parts)?;
    Ok(parts)
}

/// The lines of `text` before its end `rest`.
fn lines(text: &str, rest: &str) -> usize {
    let before = text.len() - rest.len();
    text.bytes().take(before).filter(|b| *b == b'\n').count()
}

/// `{"`, and not what YAML alone takes: a comma at the end, a comment.
fn meant_as_json(begin: &str) -> bool {
    let quoted = begin
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with('"'));
    let first = begin.split("\n---").next().unwrap_or(begin);
    quoted && super::yaml::document(first, 1).is_err()
}

fn documents<'a>(text: &'a str, first: usize, parts: &mut Vec<Part<'a>>) -> Result<(), Flaw> {
    let (mut begin, mut begin_line, mut at) = (0, first, 0);
    let mut separated = false;
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let number = first + n;
        if let Some(behind) = line.strip_prefix("---") {
            separator(behind, number)?;
            let before = text.get(begin..at).unwrap_or_default();
            // The line of the first separator has nothing before it; an empty document counts.
            if separated || !before.trim().is_empty() {
                parts.push(Part::Yaml {
                    text: before,
                    line: begin_line,
                });
            }
            separated = true;
            (begin, begin_line) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    let last = text.get(begin..).unwrap_or_default();
    if !last.trim().is_empty() {
        parts.push(Part::Yaml {
            text: last,
            line: begin_line,
        });
    }
    Ok(())
}

/// Nothing but a comment may stand behind `---`.
fn separator(behind: &str, line: usize) -> Result<(), Flaw> {
    let behind_it = behind.trim();
    if behind_it.is_empty() || behind_it.starts_with('#') {
        return Ok(());
    }
    let column = 4 + behind.chars().take_while(|c| c.is_whitespace()).count();
    Err(
        Flaw::new(Mark { line, column }, "only a comment may follow '---' in its line")
            .hint("begin the document in the next line, as kubectl wants it"),
    )
}
