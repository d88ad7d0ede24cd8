//! Names of the Jobs of one run id: the same on any machine, so that two kjo with one id meet, and
//! another for every generation.

/// Job names are at most this long: pod names and completion indexes need the rest of the 63
/// characters of a DNS label.
pub const MAX_JOB_NAME: usize = 52;

/// What the names of all generations are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobName {
    base: String,
    /// A hash of the run id; `None` leaves the base as it is.
    hash: Option<String>,
}

impl JobName {
    /// The name as it is, in every generation.
    #[must_use]
    pub fn exact(name: impl Into<String>) -> Self {
        Self {
            base: name.into(),
            hash: None,
        }
    }

    /// The base, cut to leave room, and this hash of the run id.
    #[must_use]
    pub fn hashed(base: impl Into<String>, hash: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            hash: Some(hash.into()),
        }
    }

    /// Every generation has the same name.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.hash.is_none()
    }

    /// What is put behind the names of this generation's objects; `None` leaves names as they are.
    #[must_use]
    pub fn suffix(&self, generation: u32) -> Option<String> {
        let hash = self.hash.as_ref()?;
        Some(match generation {
            0 | 1 => format!("-{hash}"),
            n => format!("-{hash}-{n}"),
        })
    }

    /// The Job's name in this generation; the first is 1 and has no number.
    #[must_use]
    pub fn of(&self, generation: u32) -> String {
        let Some(suffix) = self.suffix(generation) else {
            return self.base.clone();
        };
        let room = MAX_JOB_NAME.saturating_sub(suffix.len());
        let cut: String = self.base.chars().take(room).collect();
        let cut = cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        format!("{cut}{suffix}")
    }

    /// Whether this is the name of that generation's Job.
    #[must_use]
    pub fn fits(&self, name: &str, generation: u32) -> bool {
        self.of(generation) == name
    }
}

#[cfg(test)]
mod tests {
    use super::JobName;

    #[test]
    fn every_generation_has_a_name_of_its_own_and_room_for_its_pods() {
        let long = JobName::hashed("a".repeat(60), "hpc6z2z4");
        let names: Vec<String> = [1, 2, 9, 10, u32::MAX].map(|n| long.of(n)).into();
        for (i, name) in names.iter().enumerate() {
            assert!(name.len() <= super::MAX_JOB_NAME, "{name}");
            assert!(!names[..i].contains(name), "{name}");
        }
        let short = JobName::hashed("etl", "hpc6z2z4");
        assert_eq!(
            (short.of(1).as_str(), short.of(2).as_str()),
            ("etl-hpc6z2z4", "etl-hpc6z2z4-2")
        );
        assert!(short.fits("etl-hpc6z2z4-2", 2) && !short.fits("etl-hpc6z2z4", 2));
        let exact = JobName::exact("etl");
        assert_eq!((exact.of(1), exact.of(7)), ("etl".to_owned(), "etl".to_owned()));
    }
}
