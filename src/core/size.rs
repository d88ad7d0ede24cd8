//! Amounts of bytes as users write them: Kubernetes' suffixes, `64Mi`, `1G`.

const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

/// Reads an amount of bytes.
///
/// # Errors
/// No whole number, an unknown suffix, or more than fits.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let suffix = text.strip_prefix(digits).unwrap_or_default();
    let unit = match suffix {
        "" => Some(1),
        _ => UNITS.iter().find(|(name, _)| *name == suffix).map(|(_, bytes)| *bytes),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .ok_or_else(|| "write it as a whole number with a suffix, like 64Mi or 1Gi".to_owned())
}

/// Shows an amount of bytes in decimal units, to three figures.
#[must_use]
pub fn show(bytes: u64) -> String {
    let mut scale = 1_u64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if bytes < scale.saturating_mul(1000) || unit == "GB" {
            let (whole, rest) = (bytes / scale, bytes % scale);
            return match (unit, whole) {
                ("bytes", 1) => "1 byte".to_owned(),
                ("bytes", _) => format!("{bytes} bytes"),
                (_, 0..10) => format!("{whole}.{:02} {unit}", rest * 100 / scale),
                (_, 10..100) => format!("{whole}.{} {unit}", rest * 10 / scale),
                _ => format!("{whole} {unit}"),
            };
        }
        scale *= 1000;
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kubernetes_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("64Mi", 64 << 20),
            ("1Gi", 1 << 30),
            ("2k", 2000),
            ("3G", 3_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "Mi", "-1", "1.5Gi", "1 Mi", "1MiB", "99999999999T", "１"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shows_three_figures() {
        let shown = [0, 1, 999, 1000, 98_765, 98_000_000, 123_456_789_012, 5_000_000_000_000].map(show);
        insta::assert_snapshot!(shown.join(", "), @"0 bytes, 1 byte, 999 bytes, 1.00 kB, 98.7 kB, 98.0 MB, 123 GB, 5000 GB");
    }
}
