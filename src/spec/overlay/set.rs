//! `--set PATH=VALUE`: one field by its path.
//!
//! `spec.backoffLimit=2`, `spec.template.spec.containers[0].image=busybox`, `…containers[main]…` (by the
//! key of the list), `metadata.annotations["example.com/a"]=b`. The value is YAML; `null` takes the
//! field away, nothing is empty text.

use serde_json::{Value, json};

use crate::spec::{
    Refusal,
    fields::{self, Type},
    read,
};

/// What `--set` sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    path: Vec<Step>,
    value: Value,
    written: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A field of a map.
    Field(String),
    /// `[0]`.
    Index(usize),
    /// `[main]`: the item whose key is this.
    Keyed(String),
}

pub(super) fn parse(argument: &str) -> Result<Assignment, Refusal> {
    let wrong = |what: &str| {
        Refusal::new(
            format!("--set {what}"),
            "write --set PATH=VALUE, for example --set spec.template.spec.containers[0].image=busybox",
        )
    };
    let mut path = Vec::new();
    let mut rest = argument;
    loop {
        let (step, behind) = if let Some(bracket) = rest.strip_prefix('[') {
            bracketed(bracket).ok_or_else(|| wrong("has a '[' without a name or number and ']' behind it"))?
        } else {
            let end = rest
                .find(['.', '[', '='])
                .ok_or_else(|| wrong("has no '=' before its value"))?;
            let (name, behind) = rest.split_at(end);
            if name.is_empty() {
                return Err(wrong("has a path with an empty name in it; is a variable unset?"));
            }
            (Step::Field(name.to_owned()), behind)
        };
        path.push(step);
        if let Some(value) = behind.strip_prefix('=') {
            let written = argument
                .get(..argument.len() - value.len() - 1)
                .unwrap_or_default()
                .to_owned();
            named_elsewhere(&path, &written)?;
            let value = self::value(&written, value)?;
            return Ok(Assignment { path, value, written });
        }
        rest = behind.strip_prefix('.').unwrap_or(behind);
        if rest == behind && !rest.starts_with('[') {
            return Err(wrong("has a path that goes on without '.' after ']'"));
        }
    }
}

/// What flags of their own say, and much depends on.
fn named_elsewhere(path: &[Step], written: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = path
        .iter()
        .map(|step| match step {
            Step::Field(name) => name.as_str(),
            Step::Index(_) | Step::Keyed(_) => "[]",
        })
        .collect();
    let hint = match *names.as_slice() {
        ["kind" | "apiVersion"] => "kjo runs a Job; leave it out",
        ["metadata", "name" | "generateName"] => "name the Job with --name, and leave its suffix out with --exact-name",
        ["metadata", "namespace"] => "choose the namespace with -n",
        ["metadata" | "status"] => "set its fields one by one",
        _ => return Ok(()),
    };
    Err(Refusal::new(
        format!("--set {written}: this is not set by its path"),
        hint,
    ))
}

/// YAML, in which a command line has no comments: what would be one is a part of plain text, or refused.
fn value(written: &str, text: &str) -> Result<Value, Refusal> {
    if text.trim().is_empty() {
        return Ok(json!(text));
    }
    let read = |text: &str| read::value(&format!("--set {written}"), text);
    let whole = read(text)?;
    // With several lines it is a text that was written as YAML, comments and all.
    if !text.contains('#') || text.contains('\n') {
        return Ok(whole.unwrap_or(Value::Null));
    }
    let begins = |c: char| "{[\"'&*!|>%@`?".contains(c);
    if !text.trim_start().starts_with(begins) && !matches!(whole, Some(Value::Object(_) | Value::Array(_))) {
        return Ok(json!(text));
    }
    // A comment goes on to the end: the last of these signs is in it, or there is none.
    let before = text.rsplit_once('#').map_or(text, |(before, _)| before);
    if read(before).is_ok_and(|value| value == whole) {
        return Err(Refusal::new(
            format!("--set {written}: what stands behind '#' would be lost, as a comment"),
            "put text that holds a '#' in quotes, or leave the comment out",
        ));
    }
    Ok(whole.unwrap_or(Value::Null))
}

/// What is in brackets, and what is behind them.
fn bracketed(text: &str) -> Option<(Step, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, behind) = quoted.split_once("\"]")?;
        return Some((Step::Field(name.to_owned()), behind));
    }
    let (inside, behind) = text.split_once(']')?;
    if inside.is_empty() {
        return None;
    }
    // `[name=main]` says the same as `[main]`.
    let key = inside.split_once('=').map_or(inside, |(_, value)| value);
    let step = key.parse().map_or_else(|_| Step::Keyed(key.to_owned()), Step::Index);
    Some((step, behind))
}

pub(super) fn assign(job: &mut Value, assignment: &Assignment) -> Result<(), Refusal> {
    let mut walk = Walk {
        written: &assignment.written,
        holds: Some(Type::Object("Job")),
        by: "",
    };
    walk.at(job, &assignment.path, &assignment.value)
}

struct Walk<'a> {
    written: &'a str,
    holds: Option<Type>,
    /// The key of the list that the walk has come to.
    by: &'static str,
}

impl Walk<'_> {
    fn at(&mut self, value: &mut Value, path: &[Step], to: &Value) -> Result<(), Refusal> {
        let Some((step, rest)) = path.split_first() else {
            *value = to.clone();
            return Ok(());
        };
        let removes = rest.is_empty() && to.is_null();
        match step {
            Step::Field(name) => {
                self.step_into(name);
                if value.is_null() {
                    *value = json!({});
                }
                let map = value
                    .as_object_mut()
                    .ok_or_else(|| self.wrong(&format!("what is to have the field {name} is no map")))?;
                if removes {
                    map.remove(name);
                    return Ok(());
                }
                self.at(map.entry(name.as_str()).or_insert(Value::Null), rest, to)
            }
            Step::Index(n) => {
                let by = self.by;
                let items = self.list(value)?;
                if removes && *n < items.len() {
                    items.remove(*n);
                    return Ok(());
                }
                let length = items.len();
                if *n == length && (length == 0 || begins(rest, by)) && !removes {
                    items.push(Value::Null);
                }
                let item = items.get_mut(*n).ok_or_else(|| {
                    self.wrong(&match length {
                        0 => "the list is empty".to_owned(),
                        1 => "the list has one item, [0]".to_owned(),
                        _ => format!("the list has {length} items, and the last is [{}]", length - 1),
                    })
                })?;
                self.at(item, rest, to)
            }
            Step::Keyed(key) => {
                let by = if self.by.is_empty() { "name" } else { self.by };
                let items = self.list(value)?;
                let known = |item: &Value| item.get(by).is_some_and(|k| k.as_str() == Some(key));
                if removes {
                    items.retain(|item| !known(item));
                    return Ok(());
                }
                if !items.iter().any(known) {
                    return Err(self.wrong(&format!("no item of the list has the {by} {key}")));
                }
                match items.iter_mut().find(|item| known(item)) {
                    Some(item) => self.at(item, rest, to),
                    None => Ok(()),
                }
            }
        }
    }

    fn list<'v>(&mut self, value: &'v mut Value) -> Result<&'v mut Vec<Value>, Refusal> {
        if value.is_null() {
            *value = json!([]);
        }
        if let Some(Type::List(item)) = self.holds.take() {
            self.holds = Some(*item);
        }
        value
            .as_array_mut()
            .ok_or_else(|| self.wrong("brackets choose an item of a list, and this is none"))
    }

    fn step_into(&mut self, name: &str) {
        let field = match &self.holds {
            Some(Type::Object(type_name)) => fields::field(type_name, name),
            _ => None,
        };
        self.by = field.and_then(|f| f.merge).unwrap_or_default();
        self.holds = field.map(|f| f.holds.clone());
    }

    fn wrong(&self, what: &str) -> Refusal {
        Refusal::new(
            format!("--set {}: {what}", self.written),
            "see the Job as it stands with 'kjo render'",
        )
    }
}

/// A new item of a list is given whole, or begun by the field that tells it from the others.
fn begins(rest: &[Step], by: &str) -> bool {
    match rest.first() {
        None => true,
        Some(Step::Field(name)) => by.is_empty() || name == by,
        Some(Step::Index(_) | Step::Keyed(_)) => by.is_empty(),
    }
}
