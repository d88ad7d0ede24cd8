//! Who a run is: its run id, and the names and labels made from it. The same id gives the same
//! names on any machine, so that a second kjo with it meets the first one's Job.

use sha2::{Digest, Sha256};

use super::Refusal;
use crate::core::naming::JobName;

/// The label that holds the run id (or its short form) on the Job and its pods.
pub const RUN_ID_LABEL: &str = crate::core::job::RUN_ID;
/// The label by which Kubernetes tools tell who manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

const MAX_LABEL: usize = 63;
const SUFFIX: usize = 8;
/// Kubernetes' own choice for generated names: no vowels, nothing that looks like another
/// (`apimachinery/pkg/util/rand`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The identity of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

impl RunId {
    /// A run id that the user gave.
    ///
    /// # Errors
    /// Empty, longer than 1024 bytes, with control characters, or with an empty part between slashes, as a variable
    /// that is not set leaves it: two that have nothing in common would be one run.
    pub fn given(id: &str) -> Result<Self, Refusal> {
        if id.trim().is_empty() || id.len() > 1024 || id.chars().any(char::is_control) {
            return Err(Refusal::new(
                format!("--run-id {id:?} is no run id"),
                "use 1 to 1024 printable characters that name this run, for example the pipeline and step",
            ));
        }
        if id.split('/').any(|part| part.trim().is_empty()) {
            return Err(Refusal::new(
                format!("--run-id {id:?} has an empty part"),
                "is a variable unset? Write ${NAME:?} in the shell, which ends the script then",
            ));
        }
        Ok(Self(id.to_owned()))
    }

    /// A run id made from 16 random bytes.
    #[must_use]
    pub fn random(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a label value: itself where it fits, else its beginning and a hash.
    #[must_use]
    pub fn label(&self) -> String {
        if is_label_value(&self.0) {
            return self.0.clone();
        }
        let begin: String = self
            .0
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .take(MAX_LABEL - 1 - 10)
            .collect();
        let begin = begin.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let hash = self.hash(10);
        if begin.is_empty() {
            hash
        } else {
            format!("{begin}-{hash}")
        }
    }

    /// The names of its Jobs: the base, cut to leave room, and a hash of the id.
    #[must_use]
    pub fn names(&self, base: &str) -> JobName {
        JobName::hashed(base, self.hash(SUFFIX))
    }

    fn hash(&self, len: usize) -> String {
        hash(&self.0, len)
    }
}

/// So many characters that a name may have, the same for the same text on any machine.
pub(super) fn hash(text: &str, len: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(len)
        .filter_map(|b| ALPHABET.get(usize::from(*b) % ALPHABET.len()))
        .map(|b| char::from(*b))
        .collect()
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_and_names_are_valid_whatever_the_id(id in "\\PC{1,200}", base in "[a-z0-9]([-a-z0-9]{0,70}[a-z0-9])?") {
            if let Ok(id) = RunId::given(&id) {
                prop_assert!(is_label_value(&id.label()), "{}", id.label());
                let name = id.names(&base).of(1);
                prop_assert!(name.len() <= crate::core::naming::MAX_JOB_NAME);
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                prop_assert!(!name.contains("--") || base.contains("--"));
            }
        }
    }

    #[test]
    fn the_same_id_gives_the_same_names_for_ever() {
        let id = RunId::given("nightly/2026-11-23/etl").unwrap();
        insta::assert_snapshot!(id.names("etl").of(1), @"etl-hpc6z2z4");
        insta::assert_snapshot!(id.label(), @"nightly-2026-11-23-etl-hpc6z2z4wj");
        assert_eq!(RunId::given("build-42").unwrap().label(), "build-42");
        assert_eq!(RunId::random([7; 16]).label(), "07070707070707070707070707070707");
    }

    #[test]
    fn refuses_ids_that_name_nothing() {
        for id in ["", "  ", "a\nb", &"x".repeat(1025)] {
            assert!(RunId::given(id).is_err(), "{id:?}");
        }
    }
}
