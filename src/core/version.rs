//! Versions of Kubernetes, and which of them kjo is made for.

/// Native sidecars, which kjo relies on, are there from this minor version on.
const OLDEST: u32 = 29;
/// The tests run on this one.
const TESTED: u32 = 36;

/// Major and minor version of an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 1, so far.
    pub major: u32,
    /// For example 36.
    pub minor: u32,
}

/// What is promised about a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The tests run on it.
    Tested,
    /// It is between the oldest supported version and the tested one.
    Supported,
    /// It came out after this kjo.
    Newer,
    /// It lacks what kjo relies on.
    TooOld,
}

impl Version {
    /// Reads `major` and `minor` of `/version`; cloud providers write minors like `29+`.
    #[must_use]
    pub fn parse(major: &str, minor: &str) -> Option<Self> {
        let number = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
        Some(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }

    /// What is promised about it.
    #[must_use]
    pub fn support(self) -> Support {
        let at = |minor| Self { major: 1, minor };
        if self < at(OLDEST) {
            Support::TooOld
        } else if self < at(TESTED) {
            Support::Supported
        } else if self == at(TESTED) {
            Support::Tested
        } else {
            Support::Newer
        }
    }
}

/// The promise in words.
#[must_use]
pub fn promise() -> String {
    format!("1.{OLDEST} and later, tested with 1.{TESTED}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_their_support() {
        let support = |major, minor| Version::parse(major, minor).map(Version::support);
        for (minor, expected) in [
            ("28", Support::TooOld),
            ("29+", Support::Supported),
            ("35", Support::Supported),
            ("36", Support::Tested),
            ("37", Support::Newer),
        ] {
            assert_eq!(support("1", minor), Some(expected), "1.{minor}");
        }
        assert_eq!(support("2", "0"), Some(Support::Newer));
        assert_eq!(support("", "36"), None);
        assert_eq!(support("1", "x"), None);
    }
}
