//! From a body to the object it stands for, as the API server's strict JSON decoder does it: what is not
//! known is named, what has the wrong type is refused (sigs.k8s.io/json, apiserver
//! `pkg/endpoints/handlers/rest.go`).

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Cause, Kind, Refused, names, node::Node, refused::quoted};
use crate::sandbox::meta;

/// Decodes a body: what it is without what is not known or empty, and the names of what is not known.
pub(super) fn decode(kind: Kind, body: &Value) -> Result<(Value, Vec<String>), Refused> {
    use k8s_openapi::api::{batch::v1 as batch, core::v1 as core};
    match kind {
        Kind::Job => decode_as::<batch::Job>(kind, body.clone()),
        Kind::Pod => decode_as::<core::Pod>(kind, body.clone()),
        Kind::ConfigMap => decode_as::<core::ConfigMap>(kind, body.clone()),
        Kind::Secret => decode_as::<core::Secret>(kind, body.clone()),
        Kind::Namespace => decode_as::<core::Namespace>(kind, body.clone()),
        Kind::Event => decode_as::<core::Event>(kind, body.clone()),
        Kind::CronJob => decode_as::<batch::CronJob>(kind, body.clone()),
        Kind::PersistentVolumeClaim => decode_as::<core::PersistentVolumeClaim>(kind, body.clone()),
        Kind::Service => decode_as::<core::Service>(kind, body.clone()),
        Kind::ServiceAccount => decode_as::<core::ServiceAccount>(kind, body.clone()),
    }
}

fn decode_as<T: DeserializeOwned + Serialize>(kind: Kind, mut body: Value) -> Result<(Value, Vec<String>), Refused> {
    announced(kind, &mut body)?;
    quantities(&mut body).map_err(|why| refused(kind, why))?;
    let typed: T = meta::typed(&body).map_err(|error| {
        let why = mistyped::<T>(&body, &mut Vec::new());
        refused(kind, &why.unwrap_or(error))
    })?;
    let mut kept = serde_json::to_value(&typed).map_err(|error| refused(kind, &error.to_string()))?;
    let mut unknown = Vec::new();
    lost(&Node::root(&body), &kept, &mut unknown);
    omit_empty(&mut kept);
    Ok((kept, unknown))
}

/// A body that cannot be decoded.
pub(super) fn refused(kind: Kind, why: &str) -> Refused {
    Refused::bad_request(format!(
        "{0} in version \"v1\" cannot be handled as a {0}: {why}",
        kind.name()
    ))
}

/// The refusal of an update, where a patch led to it: what cannot be decoded is another error then
/// (`applyPatchToCurrentObject` of apiserver's patch.go).
pub(in crate::sandbox) fn of_patch(kind: Kind, object: &Value, refused: Refused) -> Refused {
    let prefix = format!(" cannot be handled as a {}: ", kind.name());
    let Some((_, why)) = refused.message.split_once(&prefix) else {
        return refused;
    };
    let cause = Cause {
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {}: {why}", quoted(object.to_string())),
        field: "patch".to_owned(),
    };
    Refused::invalid("", "", "", vec![cause])
}

/// Checks apiVersion and kind against what the endpoint takes; left out, they are what it takes.
fn announced(kind: Kind, body: &mut Value) -> Result<(), Refused> {
    let unrecognized = |why: String| {
        let name = kind.name();
        Refused::bad_request(format!(
            "the object provided is unrecognized (must be of type {name}): couldn't get version/kind; json parse \
             error: json: cannot unmarshal {why}"
        ))
    };
    let type_of_body = json_type(body);
    let Some(fields) = body.as_object_mut() else {
        return Err(unrecognized(format!("{type_of_body} into Go value of type struct")));
    };
    for (field, expected) in [("apiVersion", kind.api_version()), ("kind", kind.name())] {
        let given = fields.entry(field).or_insert(Value::Null);
        if given.is_null() || given == "" {
            *given = expected.into();
        } else if !given.is_string() {
            let why = format!("{} into Go struct field .{field} of type string", json_type(given));
            return Err(unrecognized(why));
        }
    }
    let text = |field| fields.get(field).and_then(Value::as_str).unwrap_or_default();
    let (version, name) = (text("apiVersion"), text("kind"));
    if (version, name) == (kind.api_version(), kind.name()) {
        return Ok(());
    }
    let why = if Kind::ALL.iter().any(|k| (k.api_version(), k.name()) == (version, name)) {
        let group = if kind.group().is_empty() { "core" } else { kind.group() };
        format!(
            "converting (v1.{name}) to ({group}.{}): unknown conversion",
            kind.name()
        )
    } else {
        let (name, version) = (quoted(name), quoted(version));
        format!("no kind {name} is registered for version {version} in scheme \"pkg/runtime/scheme.go:111\"")
    };
    let version = quoted(version.rsplit('/').next().unwrap_or_default());
    let message = format!(
        "{name} in version {version} cannot be handled as a {}: {why}",
        kind.name()
    );
    Err(Refused::bad_request(message))
}

/// Quantities may be numbers in JSON. They are kept as they are written, not made canonical.
fn quantities(value: &mut Value) -> Result<(), &'static str> {
    if let Value::Object(fields) = value {
        for (key, child) in fields {
            if (key == "limits" || key == "requests") && child.is_object() {
                child
                    .as_object_mut()
                    .into_iter()
                    .flatten()
                    .try_for_each(|(_, amount)| quantity(amount))?;
            } else {
                quantities(child)?;
            }
        }
    }
    value.as_array_mut().into_iter().flatten().try_for_each(quantities)
}

fn quantity(value: &mut Value) -> Result<(), &'static str> {
    if value.is_number() {
        *value = Value::String(value.to_string());
    }
    if !names::is_quantity(value.as_str().unwrap_or_default()) {
        return Err("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    }
    Ok(())
}

/// Names the fields of a body that its type did not keep; what is null is not missed.
fn lost(given: &Node<'_>, kept: &Value, unknown: &mut Vec<String>) {
    for (key, _) in given.entries() {
        let child = given.field(key);
        match kept.get(key) {
            Some(kept) => lost(&child, kept, unknown),
            None if child.is_set() => unknown.push(format!("unknown field {}", quoted(child.path))),
            None => {}
        }
    }
    for (child, kept) in given.items().iter().zip(kept.as_array().into_iter().flatten()) {
        lost(child, kept, unknown);
    }
}

/// A step into a body: a field, or an item of a list.
type Step = Option<String>;

/// Finds the first value of the wrong type and says so in the words of Go. Each field of a type may be
/// left out, so a body of nothing but one value tells whether that value is right.
fn mistyped<T: DeserializeOwned>(value: &Value, steps: &mut Vec<Step>) -> Option<String> {
    let shell = match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    };
    if let Some(error) = error_of::<T>(steps, shell) {
        return Some(in_words_of_go::<T>(&error, value, steps));
    }
    let children: Vec<(Step, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, child)| (Some(key.clone()), child)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    children.into_iter().find_map(|(step, child)| {
        steps.push(step);
        let found = mistyped::<T>(child, steps);
        steps.pop();
        found
    })
}

/// What the type says of a body of nothing but this value.
fn error_of<T: DeserializeOwned>(steps: &[Step], value: Value) -> Option<String> {
    let body = steps.iter().rev().fold(value, |inner, step| match step {
        Some(key) => Value::Object(Map::from_iter([(key.clone(), inner)])),
        None => Value::Array(vec![inner]),
    });
    meta::typed::<T>(&body).err()
}

/// The Go type that is expected at these steps, asked for with a value that few types take.
fn type_at<T: DeserializeOwned>(steps: &[Step]) -> String {
    let next = |step| type_at::<T>(&[steps, &[step]].concat());
    match error_of::<T>(steps, Value::Bool(true)).as_deref().map(expected) {
        None => "bool".to_owned(),
        Some("a string") => "string".to_owned(),
        Some("i32" | "u32") => "int32".to_owned(),
        Some("i64" | "u64") => "int64".to_owned(),
        Some("a sequence") => format!("[]{}", next(None)),
        Some("a map") => format!("map[string]{}", next(Some(String::new()))),
        Some(name) if name.starts_with(char::is_uppercase) => format!("v1.{name}"),
        Some(_) => "string".to_owned(),
    }
}

/// What serde wanted: the end of `invalid type: string "x", expected i32`.
fn expected(error: &str) -> &str {
    error.rsplit_once(", expected ").map_or("", |(_, name)| name)
}

fn in_words_of_go<T: DeserializeOwned>(error: &str, value: &Value, steps: &[Step]) -> String {
    let wanted = type_at::<T>(steps);
    let given = match value.as_number() {
        Some(number) if wanted.starts_with("int") => format!("number {number}"),
        Some(_) | None => json_type(value).to_owned(),
    };
    if given == wanted || (value.is_string() && !error.contains("invalid type")) {
        // Of the right type, but not its content: a time, base64.
        return error.to_owned();
    }
    let owner = (0..steps.len())
        .rev()
        .filter_map(|length| steps.get(..length))
        .find_map(|outer| type_at::<T>(outer).strip_prefix("v1.").map(str::to_owned));
    // Entries of a map have no place in the path, and neither have the indexes of a list.
    let mut path = Vec::new();
    for (depth, step) in steps.iter().enumerate() {
        let in_map = steps
            .get(..depth)
            .is_some_and(|outer| type_at::<T>(outer).starts_with("map["));
        if let (Some(key), false) = (step, in_map) {
            path.push(key.as_str());
        }
    }
    format!(
        "json: cannot unmarshal {given} into Go struct field {}.{} of type {wanted}",
        owner.unwrap_or_default(),
        path.join(".")
    )
}

/// A value's type in Go's words for JSON.
pub(in crate::sandbox) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Leaves out what Go's `omitempty` leaves out of an answer.
pub(super) fn omit_empty(value: &mut Value) {
    const MAPS: [&str; 8] = [
        "labels",
        "annotations",
        "nodeSelector",
        "data",
        "binaryData",
        "limits",
        "requests",
        "matchLabels",
    ];
    // Plain booleans of Go; the others are pointers, whose `false` is kept.
    const FLAGS: [&str; 6] = ["stdin", "stdinOnce", "tty", "hostNetwork", "hostPID", "hostIPC"];
    // Pointers of Go too.
    const ALWAYS: [&str; 2] = ["managedBy", "succeededIndexes"];
    match value {
        Value::Object(fields) => {
            fields.retain(|key, child| {
                let map = MAPS.contains(&key.as_str());
                if !map {
                    omit_empty(child);
                }
                if ALWAYS.contains(&key.as_str()) {
                    return true;
                }
                match child {
                    Value::Null => false,
                    Value::String(text) => !text.is_empty(),
                    Value::Array(items) => !items.is_empty(),
                    Value::Object(fields) => !map || !fields.is_empty(),
                    Value::Bool(flag) => *flag || !FLAGS.contains(&key.as_str()),
                    Value::Number(_) => true,
                }
            });
        }
        Value::Array(items) => items.iter_mut().for_each(omit_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
