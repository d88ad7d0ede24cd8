//! Durations as people write them: `90`, `90s`, `5m`, `1h30m`, `2d`, `1.5h`, `250ms`.

use std::time::Duration;

const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];

/// Whole seconds, as the API has them, and not less than the duration.
#[must_use]
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Reads a duration. A bare number is seconds; units may be chained, each at most once and from
/// large to small. Zero, negative numbers and more than 100 years are refused.
///
/// # Errors
/// A sentence that says what would have been understood.
pub fn parse(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is not a duration; write it like 90s, 5m or 1h30m");
    let mut seconds = 0.0;
    let mut smallest = f64::INFINITY;
    let mut rest = text;
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let value: f64 = number.parse().map_err(|_| refuse())?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let factor = if unit.is_empty() && number.len() == text.len() {
            1.0
        } else {
            UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?.1
        };
        if factor >= smallest {
            return Err(refuse());
        }
        smallest = factor;
        seconds += value * factor;
        rest = tail;
    }
    if seconds <= 0.0 || seconds > 100.0 * 365.0 * 86400.0 {
        return Err(refuse());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A duration as kjo says it: whole units, the two largest (`1h30m`, `12s`, `250ms`).
#[must_use]
pub fn show(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{}ms", duration.as_millis());
    }
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    parts
        .iter()
        .skip(first)
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("2d", 172_800_000),
            ("250ms", 250),
            ("1m0s", 60_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_with_advice() {
        for text in [
            "", "0", "-5", "5 m", "m", "1h1h", "1s1m", "1m30", "5min", "1e3", ".", "1..5s", "99999d",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("write it like 90s"), "{error}");
        }
    }

    #[test]
    fn shows_the_two_largest_units() {
        for (seconds, text) in [
            (0, "0ms"),
            (1, "1s"),
            (60, "1m"),
            (61, "1m1s"),
            (3600, "1h"),
            (3661, "1h1m"),
            (90000, "1d1h"),
        ] {
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
    }
}
