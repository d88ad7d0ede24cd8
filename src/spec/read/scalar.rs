//! What a plain word means: YAML 1.1 as Go's yaml.v2, which kubectl uses, reads it. `yes` is true,
//! `0644` is 420, `1_000` and `1e3` are 1000.

use serde_json::{Number, Value};

/// What a plain word stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    /// A value that JSON has too.
    Value(Value),
    /// A number with a fraction or an exponent; also `.nan` and `.inf`.
    Float(f64),
}

impl Plain {
    /// As it goes into JSON; `None` for infinity and what is no number.
    pub(super) fn value(self) -> Option<Value> {
        match self {
            // Go's JSON has no unsigned integers either.
            Self::Value(Value::Number(n)) => Some(n.as_f64().map_or(Value::Null, |float| number(&n, float))),
            Self::Value(value) => Some(value),
            Self::Float(float) => Number::from_f64(float).map(|n| number(&n, float)),
        }
    }

    /// As the key of a map; `None` for null.
    pub(super) fn key(self) -> Option<String> {
        match self {
            Self::Value(value) => key(&value),
            Self::Float(float) => Some(key_of_float(float)),
        }
    }
}

/// What this word means, when no quotes and no tag say otherwise.
pub(super) fn plain(word: &str) -> Plain {
    if let Some(named) = named(word) {
        return named;
    }
    let text = || Plain::Value(word.into());
    match word.bytes().next() {
        Some(b'.') => float(&word.replace('_', "")).map_or_else(text, Plain::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = word.replace('_', "");
            let whole = integer(&digits).map(Plain::Value);
            whole.or_else(|| float(&digits).map(Plain::Float)).unwrap_or_else(text)
        }
        Some(_) | None => text(),
    }
}

/// A word of YAML's own.
fn named(word: &str) -> Option<Plain> {
    Some(match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Plain::Value(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Plain::Value(false.into())
        }
        "" | "~" | "null" | "Null" | "NULL" => Plain::Value(Value::Null),
        ".nan" | ".NaN" | ".NAN" => Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Plain::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// Go's `ParseInt(word, 0, 64)`, then `ParseUint`.
fn integer(word: &str) -> Option<Value> {
    let (sign, digits) = match word.as_bytes().first()? {
        b'-' => ("-", word.get(1..)?),
        b'+' => ("+", word.get(1..)?),
        _ => ("", word),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    if let Ok(signed) = i64::from_str_radix(&format!("{}{digits}", if sign == "-" { "-" } else { "" }), radix) {
        return Some(signed.into());
    }
    u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| sign.is_empty())
        .map(Value::from)
}

/// A decimal number as YAML 1.1 and Go's `ParseFloat` both have it.
fn float(word: &str) -> Option<f64> {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) || !exponent_fits {
        return None;
    }
    word.parse().ok().filter(|f: &f64| f.is_finite())
}

/// A number as it comes back from Go's JSON: whole numbers without a fraction are integers.
pub(super) fn number(written: &Number, float: f64) -> Value {
    /// From here on Go writes an exponent.
    const EXPONENT: f64 = 1e21;
    if written.is_i64() {
        return Value::Number(written.clone());
    }
    let whole = (float.fract() == 0.0 && float.abs() < EXPONENT).then(|| format!("{float}").parse::<i64>());
    match whole {
        Some(Ok(whole)) => whole.into(),
        // Too large for Go's int64 too, where it is a float again.
        Some(Err(_)) | None => Number::from_f64(float).map_or(Value::Null, Value::Number),
    }
}

/// The key that this value makes in JSON; `None` for what can be no key.
pub(super) fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(n) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        Value::Number(n) => n.as_f64().map(key_of_float),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Go's `FormatFloat(f, 'g', -1, 32)`, by which yaml.v2 makes keys of floats.
fn key_of_float(float: f64) -> String {
    /// From here on Go writes an exponent, for numbers as short as can be.
    const EXPONENT: i32 = 6;
    #[expect(clippy::cast_possible_truncation, reason = "kubectl's keys have 32 bits")]
    let short = float as f32;
    if !short.is_finite() {
        let sign = if short < 0.0 { "-" } else { "" };
        return format!("{sign}{}", if short.is_nan() { ".nan" } else { ".inf" });
    }
    let scientific = format!("{short:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..EXPONENT).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{short}")
}
