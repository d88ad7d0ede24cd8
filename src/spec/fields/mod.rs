//! The fields of a Job and of what it can be made of, as Kubernetes 1.36 has them: for suggestions,
//! for types that cannot be meant, and for the keys by which lists are merged.
//!
//! The table is made by `make` from an API server. A field that is not in it may be one of a newer
//! server: it is kept and sent, unless it looks like a slip of the pen.

mod check;
mod enums;
mod suggest;

use std::{collections::BTreeMap, sync::OnceLock};

pub use check::check;

/// What `fieldRef` of a variable may name, besides labels and annotations
/// (`pkg/apis/core/validation`, `validEnvDownwardAPIFieldPathExpressions`).
pub const FIELD_PATHS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

const TABLE: &str = include_str!("fields.txt");

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// Of 32 bits.
    Whole,
    /// Of 64 bits.
    Long,
    Number,
    Truth,
    /// `100m`, `1Gi`, or a number.
    Quantity,
    /// A port by number or name.
    WholeOrText,
    List(Box<Type>),
    Map(Box<Type>),
    Object(&'static str),
    Any,
}

impl Type {
    /// The type of the object, or of the objects in the list.
    pub(super) fn object(&self) -> Option<&'static str> {
        match self {
            Self::Object(name) => Some(name),
            Self::List(item) => item.object(),
            Self::Text
            | Self::Whole
            | Self::Long
            | Self::Number
            | Self::Truth
            | Self::Quantity
            | Self::WholeOrText
            | Self::Map(_)
            | Self::Any => None,
        }
    }
}

/// A field of a type.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub name: &'static str,
    pub holds: Type,
    /// Lists that are merged item by item, and the field by which items are told apart; empty for
    /// lists of words.
    pub merge: Option<&'static str>,
}

type Types = BTreeMap<&'static str, Vec<Field>>;

/// The fields of a type; none for a type that is not in the table.
pub(super) fn of(name: &str) -> &'static [Field] {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| table(TABLE)).get(name).map_or(&[], Vec::as_slice)
}

/// A field of a type.
pub(super) fn field(of_type: &str, name: &str) -> Option<&'static Field> {
    of(of_type).iter().find(|field| field.name == name)
}

/// A path as the API writes it: `spec.containers[0].image`.
pub(super) fn shown(path: &[String]) -> String {
    let mut shown = String::new();
    for part in path {
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            shown.extend(["[", part, "]"]);
        } else {
            let dot = if shown.is_empty() { "" } else { "." };
            shown.extend([dot, part]);
        }
    }
    shown
}

fn table(text: &'static str) -> Types {
    let mut types = Types::new();
    let mut current = "";
    for line in text.lines() {
        let Some(field) = line.strip_prefix(' ') else {
            current = line;
            types.entry(line).or_default();
            continue;
        };
        let mut words = field.split(' ');
        let (Some(name), Some(holds)) = (words.next(), words.next()) else {
            continue;
        };
        types.entry(current).or_default().push(Field {
            name,
            holds: parse(holds),
            merge: words.next().and_then(|word| word.strip_prefix("merge=")),
        });
    }
    types
}

fn parse(word: &'static str) -> Type {
    if let Some(item) = word.strip_prefix("[]") {
        return Type::List(Box::new(parse(item)));
    }
    if let Some(item) = word.strip_prefix("{}") {
        return Type::Map(Box::new(parse(item)));
    }
    match word {
        "string" => Type::Text,
        "int32" => Type::Whole,
        "int64" => Type::Long,
        "number" => Type::Number,
        "boolean" => Type::Truth,
        "quantity" => Type::Quantity,
        "int-or-string" => Type::WholeOrText,
        "any" => Type::Any,
        object => Type::Object(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_what_it_promises() {
        assert_eq!(
            field("JobSpec", "template").unwrap().holds,
            Type::Object("PodTemplateSpec")
        );
        assert_eq!(field("Container", "env").unwrap().merge, Some("name"));
        assert_eq!(
            field("Container", "command").unwrap().holds,
            Type::List(Box::new(Type::Text))
        );
        assert_eq!(field("Container", "comand").map(|f| f.name), None);
        for (name, fields) in table(TABLE) {
            for field in fields {
                let refers_to = field.holds.object();
                assert!(
                    refers_to.is_none_or(|t| TABLE.lines().any(|l| l == t)),
                    "{name}.{}",
                    field.name
                );
            }
        }
    }
}
