//! A document held to the table: slips in the names of fields, and values of a kind that the field
//! cannot hold.

use serde_json::Value;

use super::{Type, enums, field, of, shown, suggest};
use crate::spec::{Refusal, read::Document};

/// Refuses the first field of this document that is misspelt, at the wrong level, or of the wrong type.
///
/// # Errors
/// Such a field, with its place.
pub fn check(document: &Document) -> Result<(), Refusal> {
    let ((Some("batch/v1"), Some(root @ ("Job" | "CronJob")))
    | (Some("v1"), Some(root @ ("Pod" | "PodTemplate" | "ConfigMap" | "Secret")))) =
        (document.api_version(), document.kind())
    else {
        return Ok(());
    };
    let mut walk = Walk {
        path: Vec::new(),
        types: vec![root_name(root)],
    };
    match walk.object(&document.value, root_name(root)) {
        None => Ok(()),
        Some(Fault { what, hint, of_key }) => {
            let path: Vec<&str> = walk.path.iter().map(String::as_str).collect();
            Err(if of_key {
                document.refuse_key(&path, &what, hint)
            } else {
                document.refuse(&path, &what, hint)
            })
        }
    }
}

/// The table's own text, which lives as long as the program.
fn root_name(kind: &str) -> &'static str {
    ["Job", "CronJob", "Pod", "PodTemplate", "ConfigMap", "Secret"]
        .into_iter()
        .find(|name| *name == kind)
        .unwrap_or("Job")
}

struct Fault {
    what: String,
    hint: String,
    of_key: bool,
}

struct Walk {
    /// Where the walk is; it stays where a fault is found.
    path: Vec<String>,
    /// The types that lead there, the document's own first.
    types: Vec<&'static str>,
}

impl Walk {
    fn object(&mut self, value: &Value, name: &'static str) -> Option<Fault> {
        for (key, value) in value.as_object()? {
            self.path.push(key.clone());
            let fault = match field(name, key) {
                Some(field) => self
                    .value(value, &field.holds)
                    .or_else(|| self.choice(value, name, field.name)),
                None => self.unknown(key),
            };
            if fault.is_some() {
                return fault;
            }
            self.path.pop();
        }
        None
    }

    fn unknown(&self, key: &str) -> Option<Fault> {
        let hint = suggest::for_field(key, &self.path, &self.types)?;
        Some(Fault {
            what: format!("unknown field {:?}", shown(&self.path)),
            hint,
            of_key: true,
        })
    }

    /// A word that is one of the field's but for its letters' case, or nearly one.
    fn choice(&self, value: &Value, type_name: &str, field: &str) -> Option<Fault> {
        let (words, meant) = enums::slip(type_name, field, value.as_str()?)?;
        Some(Fault {
            what: format!(
                "{}: Unsupported value: {value}: supported values: \"{}\"",
                shown(&self.path),
                words.join("\", \"")
            ),
            hint: format!("write {meant}"),
            of_key: false,
        })
    }

    fn value(&mut self, value: &Value, holds: &Type) -> Option<Fault> {
        match (holds, value) {
            (_, Value::Null) | (Type::Any, _) => None,
            (Type::Text, Value::String(_)) | (Type::Truth, Value::Bool(_)) | (Type::Number, Value::Number(_)) => None,
            (Type::Whole, Value::Number(n)) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => None,
            (Type::Long, Value::Number(n)) if n.is_i64() => None,
            (Type::Quantity, Value::String(_) | Value::Number(_)) => None,
            (Type::WholeOrText, Value::String(_)) => None,
            (Type::WholeOrText, Value::Number(n)) if n.is_i64() => None,
            (Type::Object(name), Value::Object(_)) => {
                self.types.push(name);
                let fault = self.object(value, name);
                if fault.is_none() {
                    self.types.pop();
                }
                fault
            }
            (Type::Map(item), Value::Object(fields)) => {
                self.each(fields.iter().map(|(key, value)| (key.clone(), value)), item)
            }
            (Type::List(item), Value::Array(items)) => {
                self.each(items.iter().enumerate().map(|(n, value)| (n.to_string(), value)), item)
            }
            (wanted, found) => Some(self.wrong(wanted, found)),
        }
    }

    fn each<'a>(&mut self, items: impl Iterator<Item = (String, &'a Value)>, holds: &Type) -> Option<Fault> {
        for (key, value) in items {
            self.path.push(key);
            let fault = self.value(value, holds);
            if fault.is_some() {
                return fault;
            }
            self.path.pop();
        }
        None
    }

    fn wrong(&self, wanted: &Type, found: &Value) -> Fault {
        let hint = match (wanted, found) {
            (Type::Text, Value::Bool(_)) => {
                "put it in quotes; without them yes, no, on, off, true and false are no text in YAML"
            }
            (Type::Text, Value::Number(_)) => "put it in quotes",
            (Type::Whole | Type::Long | Type::Number | Type::Truth, Value::String(_)) => "write it without quotes",
            _ if too_large(wanted, found) => "write a number that fits into 32 bits",
            (Type::Whole | Type::Long, Value::Number(_)) => "write a whole number",
            (Type::List(item), Value::String(_)) if **item == Type::Text => {
                "write it as a list, for example [sh, -c, 'echo hello']"
            }
            (Type::List(_), _) => "begin each item with '-'",
            (Type::Object(_) | Type::Map(_), Value::Array(_)) => "write its fields without '-' before them",
            _ => "see 'kubectl explain job.spec' for what belongs there",
        };
        Fault {
            what: format!(
                "{} is {}, and {} belongs there",
                shown(&self.path),
                found_as(wanted, found),
                if too_large(wanted, found) {
                    "a whole number up to 2147483647".to_owned()
                } else {
                    wanted_as(wanted)
                }
            ),
            hint: hint.to_owned(),
            of_key: false,
        }
    }
}

/// A whole number, and of more than 32 bits.
fn too_large(wanted: &Type, found: &Value) -> bool {
    *wanted == Type::Whole && (found.is_i64() || found.is_u64())
}

fn found_as(wanted: &Type, value: &Value) -> String {
    let found = match value {
        Value::Number(n) if too_large(wanted, value) => return n.to_string(),
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    found.to_owned()
}

fn wanted_as(wanted: &Type) -> String {
    match wanted {
        Type::Text => "text".to_owned(),
        Type::Whole | Type::Long => "a whole number".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::Truth => "true or false".to_owned(),
        Type::Quantity => "a quantity (100m, 1Gi)".to_owned(),
        Type::WholeOrText => "a number or a name".to_owned(),
        Type::List(_) => "a list".to_owned(),
        Type::Map(_) => "a map".to_owned(),
        Type::Object(name) => {
            let fields: Vec<&str> = of(name).iter().map(|f| f.name).take(4).collect();
            format!("a map with fields such as {}", fields.join(", "))
        }
        Type::Any => "anything".to_owned(),
    }
}
