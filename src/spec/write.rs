//! Objects written as YAML, so that kubectl and kjo read back what was written.

use serde_json::Value;

use super::read;

/// A key is looked for within 1024 characters; longer ones need a sign.
const LONG_KEY: usize = 200;

/// This value as a YAML document, without `---`.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => block(value, 0, &mut text),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            text.push_str(&scalar(value, 0));
            text.push('\n');
        }
    }
    text
}

/// Fields or items, each in lines of its own, indented by so many spaces.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) => {
            for (n, (key, value)) in fields.iter().enumerate() {
                if n > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                if key.len() > LONG_KEY {
                    text.push_str("? ");
                    text.push_str(&word(key));
                    text.push('\n');
                    text.push_str(&" ".repeat(indent));
                } else {
                    text.push_str(&word(key));
                }
                text.push(':');
                below(value, indent, text);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push('-');
                if is_block(item) {
                    text.push(' ');
                    block(item, indent + 2, text);
                } else {
                    text.push(' ');
                    text.push_str(&scalar(item, indent));
                    text.push('\n');
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What stands behind a key; a list stands below it at the key's own indent, as kubectl writes it.
fn below(value: &Value, indent: usize, text: &mut String) {
    if !is_block(value) {
        text.push(' ');
        text.push_str(&scalar(value, indent));
        text.push('\n');
        return;
    }
    let inner = if value.is_array() { indent } else { indent + 2 };
    text.push('\n');
    text.push_str(&" ".repeat(inner));
    block(value, inner, text);
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty())
}

fn scalar(value: &Value, indent: usize) -> String {
    match value {
        Value::String(text) => literal(text, indent).unwrap_or_else(|| word(text)),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text of several lines as such, where nothing of it would be lost.
fn literal(text: &str, indent: usize) -> Option<String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let plain = |line: &str| !line.chars().any(|c| c != '\t' && (c.is_control() || !is_printable(c)));
    let fits = text.contains('\n')
        && !body.is_empty()
        && !body.starts_with([' ', '\n', '\t'])
        && !body.ends_with(['\n', ' ', '\t'])
        && body.split('\n').all(plain);
    if !fits {
        return None;
    }
    let sign = if body.len() == text.len() { "|-" } else { "|" };
    let pad = " ".repeat(indent + 2);
    let lines: Vec<String> = body
        .split('\n')
        .map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!("{pad}{line}")
            }
        })
        .collect();
    Some(format!("{sign}\n{}", lines.join("\n")))
}

fn is_printable(c: char) -> bool {
    !matches!(
        c,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// Text in one line: without quotes where it is read back as itself.
fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./@%+=(),;!?$^~<>".contains(c) || c == ' ' || c == ':';
    let bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '.' || c == '_' || c == '$')
        && text.chars().all(safe)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.starts_with("...")
        && read::is_text(text);
    if bare {
        return text.to_owned();
    }
    // JSON's quotes are YAML's, but for characters that YAML takes for ends of lines or refuses.
    let quoted = Value::String(text.to_owned()).to_string();
    quoted
        .chars()
        .map(|c| {
            if is_printable(c) && !(c.is_control()) {
                c.to_string()
            } else {
                format!("\\u{:04x}", u32::from(c))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::String),
            "[ \\n\\ta-c:#'\"\\\\-]{0,12}".prop_map(Value::String),
            "[yYnN0-9_.eExXob+~-]{1,5}".prop_map(Value::String),
            prop_oneof![
                Just("yes"),
                Just("null"),
                Just("~"),
                Just("<<"),
                Just("0644"),
                Just("1e3"),
                Just(".inf"),
                Just("---"),
                Just("a\u{2028}b")
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z0-9.~<-]{1,4}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in value()) {
            let text = yaml(&value);
            let back = read::value("written", &text);
            prop_assert_eq!(back.map(|v| v.unwrap_or(Value::Null)), Ok(value), "{}", text);
        }
    }

    #[test]
    fn long_keys() {
        let value = json!({"a".repeat(2000): {"b".repeat(300): [1], "c": "x\ny\n"}, "d": [{"e".repeat(300): {}}]});
        assert_eq!(read::value("written", &yaml(&value)), Ok(Some(value)));
    }

    #[test]
    fn as_people_write_it() {
        let object = json!({
            "kind": "Job",
            "spec": {"list": [{"a": 1, "b": ["x"]}, ["y", []], "text: with colon"], "empty": {}, "mode": "0644",
                "script": "set -e\n\necho hello\n", "image": "busybox:1.36", "url": "http://x/y?a=b&c", "on": "yes"},
        });
        insta::assert_snapshot!(yaml(&object));
    }
}
