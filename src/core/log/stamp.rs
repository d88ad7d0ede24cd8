//! The time stamp that the kubelet puts in front of every log line when asked to.

/// A point in time to the nanosecond. Ordered; lines of one log may go back by a little, because
/// the runtime stamps stdout and stderr in two goroutines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

/// The longest stamp: `2026-11-23T10:00:00.123456789+01:00`.
pub const MAX_LEN: usize = 35;

impl std::fmt::Display for Stamp {
    /// As `kubectl logs --timestamps` shows it, in UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = i32::try_from(self.nanos).unwrap_or(0);
        match jiff::Timestamp::new(self.seconds, nanos) {
            Ok(at) => write!(f, "{at:.9}"),
            Err(_) => write!(f, "{}.{:09}", self.seconds, self.nanos),
        }
    }
}

impl Stamp {
    /// Reads what stands before the first space: RFC 3339 with up to nine fractional digits, in
    /// UTC or with an offset (the kubelet writes its node's zone).
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() < 20 || text.len() > MAX_LEN {
            return None;
        }
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            text.get(range)?
                .iter()
                .try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
        };
        let punctuated = text.get(4)? == &b'-'
            && text.get(7)? == &b'-'
            && text.get(10)? == &b'T'
            && text.get(13)? == &b':'
            && text.get(16)? == &b':';
        if !punctuated {
            return None;
        }
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (nanos, zone) = fraction(text.get(19..)?)?;
        let local = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
        Some(Self {
            seconds: local - offset(zone)?,
            nanos,
        })
    }
}

/// `.123456789` into nanoseconds, and what follows.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 || len > 9 {
        return None;
    }
    let (digits, zone) = digits.split_at(len);
    let value = digits.iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0'));
    let missing = u32::try_from(9 - len).ok()?;
    Some((value * 10_u32.pow(missing), zone))
}

/// `Z` or `+01:00` into seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    if zone == b"Z" {
        return Some(0);
    }
    let [sign, h1, h2, b':', m1, m2] = zone else {
        return None;
    };
    let digit = |b: &u8| b.is_ascii_digit().then(|| i64::from(b - b'0'));
    let seconds = (digit(h1)? * 10 + digit(h2)?) * 3600 + (digit(m1)? * 10 + digit(m2)?) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_jiff(seconds in 0_i64..4_102_444_800, nanos in 0_i32..1_000_000_000) {
            let text = jiff::Timestamp::new(seconds, nanos).unwrap().to_string();
            prop_assert_eq!(Stamp::parse(text.as_bytes()), Some(Stamp { seconds, nanos: nanos.unsigned_abs() }));
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..50)) {
            let _stamp: Option<Stamp> = Stamp::parse(&text);
        }
    }

    #[test]
    fn reads_offsets_of_the_nodes_zone() {
        let utc = Stamp::parse(b"2026-11-23T10:00:00.5Z").unwrap();
        assert_eq!(utc.nanos, 500_000_000);
        assert_eq!(Stamp::parse(b"2026-11-23T11:00:00.500000000+01:00"), Some(utc));
        assert_eq!(Stamp::parse(b"2026-11-23T04:30:00.500000000-05:30"), Some(utc));
    }

    #[test]
    fn ordinary_words_are_no_stamps() {
        for text in [
            "",
            "failed",
            "2026-11-23",
            "2026-11-23T10:00:00",
            "2026-13-23T10:00:00Z",
            "2026-11-23T10:00:00.Z",
            "unable to retrieve cont",
        ] {
            assert_eq!(Stamp::parse(text.as_bytes()), None, "{text}");
        }
    }
}
