//! Bodies in protobuf, which kubectl sends of its own accord, read as the JSON that they stand for.
//! The sandbox answers in JSON, which every client takes too.

use std::{collections::HashMap, sync::LazyLock};

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

/// What every such body begins with (k8s.io/apimachinery pkg/runtime/serializer/protobuf).
const MAGIC: &[u8] = b"k8s\0";
/// No message of Kubernetes nests deeper.
const DEPTH: u8 = 40;
/// Plain numbers of Go that stand for nothing when they are zero.
const NOTHING_IF_ZERO: [&str; 4] = ["generation", "healthCheckNodePort", "hostPort", "nodePort"];

/// Fields by message and number.
type Schema = HashMap<&'static str, HashMap<u64, (&'static str, &'static str)>>;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| schema(include_str!("protobuf.txt")));

fn schema(text: &'static str) -> Schema {
    let mut schema = Schema::new();
    let mut message = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        if let [number, field, kind] = words.as_slice() {
            let fields = schema.entry(message).or_default();
            fields.insert(number.parse().unwrap_or_default(), (*field, *kind));
        } else {
            message = line;
            schema.entry(message).or_default();
        }
    }
    schema
}

/// The object that a body stands for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn object(body: &[u8]) -> Result<Value, String> {
    let rest = body
        .strip_prefix(MAGIC)
        .ok_or("provided data does not appear to be a protobuf message")?;
    let (mut version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in fields(rest) {
        match field? {
            (1, Wire::Bytes(bytes)) => {
                for field in fields(bytes) {
                    match field? {
                        (1, Wire::Bytes(bytes)) => version = text(bytes)?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes)?,
                        (_, _) => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            (_, _) => {}
        }
    }
    if !SCHEMA.contains_key(kind.as_str()) {
        return Err(format!("no kind {kind:?} is registered for version {version:?}"));
    }
    let mut object = message(&kind, raw, DEPTH)?;
    object.insert("apiVersion".to_owned(), json!(version));
    object.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(object))
}

fn message(name: &str, bytes: &[u8], depth: u8) -> Result<Map<String, Value>, String> {
    let depth = depth.checked_sub(1).ok_or("it nests too deeply")?;
    let mut object = Map::new();
    let Some(known) = SCHEMA.get(name) else {
        return Ok(object);
    };
    for field in fields(bytes) {
        let (number, wire) = field?;
        let Some(&(field, kind)) = known.get(&number) else {
            continue;
        };
        if let Some(kind) = kind.strip_prefix("[]") {
            let list = object.entry(field).or_insert_with(|| json!([]));
            if let (Some(list), Some(value)) = (list.as_array_mut(), value(kind, &wire, depth)?) {
                list.push(value);
            }
        } else if let Some(kind) = kind.strip_prefix("{}") {
            let map = object.entry(field).or_insert_with(|| json!({}));
            if let (Some(map), Wire::Bytes(bytes)) = (map.as_object_mut(), &wire) {
                let (key, value) = entry(kind, bytes, depth)?;
                map.insert(key, value);
            }
        } else if field == "." {
            if let Wire::Bytes(bytes) = &wire {
                object.extend(message(kind, bytes, depth)?);
            }
        } else if let Some(value) = value(kind, &wire, depth)?
            && !(value == 0 && NOTHING_IF_ZERO.contains(&field))
        {
            object.insert(field.to_owned(), value);
        }
    }
    Ok(object)
}

/// A pair of a map.
fn entry(kind: &str, bytes: &[u8], depth: u8) -> Result<(String, Value), String> {
    let (mut key, mut found) = (String::new(), None);
    for field in fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, wire) => found = value(kind, &wire, depth)?,
            (_, _) => {}
        }
    }
    let empty = if matches!(kind, "string" | "bytes") {
        json!("")
    } else {
        Value::Null
    };
    Ok((key, found.unwrap_or(empty)))
}

/// A value; nothing where it says nothing.
fn value(kind: &str, wire: &Wire<'_>, depth: u8) -> Result<Option<Value>, String> {
    Ok(match (kind, wire) {
        ("string", Wire::Bytes(bytes)) => Some(json!(text(bytes)?)),
        ("bytes", Wire::Bytes(bytes)) => Some(json!(ByteString(bytes.to_vec()))),
        ("bool", Wire::Number(number)) => Some(json!(*number != 0)),
        ("int32" | "int64", Wire::Number(number)) => Some(json!(number.cast_signed())),
        ("Time" | "MicroTime", Wire::Bytes(bytes)) => time(bytes)?,
        ("Quantity", Wire::Bytes(bytes)) => first(bytes)?.map(text).transpose()?.map(Value::String),
        ("IntOrString", Wire::Bytes(bytes)) => Some(int_or_string(bytes)?),
        // Who set which field is the server's to say.
        ("FieldsV1", Wire::Bytes(_)) => None,
        (name, Wire::Bytes(bytes)) => Some(Value::Object(message(name, bytes, depth)?)),
        (_, Wire::Number(_)) => return Err(format!("a number where {kind} is expected")),
    })
}

fn first(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    for field in fields(bytes) {
        if let (1, Wire::Bytes(bytes)) = field? {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn time(bytes: &[u8]) -> Result<Option<Value>, String> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in fields(bytes) {
        match field? {
            (1, Wire::Number(number)) => seconds = number.cast_signed(),
            (2, Wire::Number(number)) => nanos = i32::try_from(number).unwrap_or_default(),
            (_, _) => {}
        }
    }
    if (seconds, nanos) == (0, 0) {
        return Ok(None);
    }
    let time = jiff::Timestamp::new(seconds, nanos).map_err(|error| error.to_string())?;
    Ok(Some(json!(time)))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (mut is_text, mut number, mut word) = (false, 0, String::new());
    for field in fields(bytes) {
        match field? {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = value.cast_signed(),
            (3, Wire::Bytes(bytes)) => word = text(bytes)?,
            (_, _) => {}
        }
    }
    Ok(if is_text { json!(word) } else { json!(number) })
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
}

/// A field's content as it is sent.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, with their numbers.
fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { rest: bytes }
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..10_u32 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn one(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let count = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(count)?)
            }
            5 => Wire::Number(u32::from_le_bytes(self.take(4)?.try_into().ok()?).into()),
            _ => return None,
        };
        Some((tag >> 3, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.one();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or_else(|| "proto: unexpected EOF or illegal field".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn body(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &meta), field(2, raw)].concat()
    }

    #[test]
    fn objects_are_read() {
        let labels = [field(1, b"a"), field(2, b"b")].concat();
        let metadata = [field(1, b"c"), field(3, b""), field(8, b""), field(11, &labels)].concat();
        let pair = [field(1, b"k"), field(2, b"v")].concat();
        let raw = [field(1, &metadata), field(2, &pair)].concat();
        assert_eq!(
            object(&body("v1", "ConfigMap", &raw)),
            Ok(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
                "metadata": {"name": "c", "namespace": "", "labels": {"a": "b"}},
            }))
        );
        // parallelism 0, backoffLimit 300, suspend true.
        let spec = [0x08, 0x00, 0x38, 0xac, 0x02, 0x50, 0x01];
        let job = object(&body("batch/v1", "Job", &field(2, &spec))).unwrap();
        assert_eq!(
            job["spec"],
            json!({"parallelism": 0, "backoffLimit": 300, "suspend": true})
        );
        let secret = object(&body("v1", "Secret", &field(2, &pair))).unwrap();
        assert_eq!(secret["data"], json!({"k": "dg=="}));
    }

    #[test]
    fn what_is_none_is_refused() {
        for bytes in [
            &b""[..],
            b"k8s",
            b"k8s\0\x0a\x7f",
            b"k8s\0\x0b",
            b"{}",
            b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(object(bytes).is_err(), "{bytes:?}");
        }
        assert!(object(&body("v1", "Nothing", b"")).is_err());
    }

    #[test]
    fn every_type_of_the_schema_is_known() {
        let plain = [
            "string",
            "bytes",
            "bool",
            "int32",
            "int64",
            "Time",
            "MicroTime",
            "Quantity",
            "IntOrString",
            "FieldsV1",
        ];
        for (message, fields) in SCHEMA.iter() {
            for (field, kind) in fields.values() {
                let kind = kind.trim_start_matches(['[', ']', '{', '}']);
                assert!(
                    plain.contains(&kind) || SCHEMA.contains_key(kind),
                    "{message}.{field}: {kind}"
                );
            }
        }
    }
}
