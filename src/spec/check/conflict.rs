//! The marks of a merge conflict in text, where YAML takes them for text.

use super::texts::{self, Texts};
use crate::spec::{Refusal, read::Document};

/// The line of the first mark, counted from 1, if the text has all three, in their order. Each may stand for itself:
/// a row of `=` underlines a heading.
#[must_use]
pub fn marks(text: &str) -> Option<usize> {
    let is_mark = |line: &str, sign: &str| {
        let behind = line.trim_start().strip_prefix(sign);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(' '))
    };
    let mut wanted = ["<<<<<<<", "=======", ">>>>>>>"].into_iter().peekable();
    let mut first = None;
    for (n, line) in text.lines().enumerate() {
        if wanted.next_if(|sign| is_mark(line, sign)).is_some() {
            first = first.or(Some(n + 1));
        }
    }
    first.filter(|_| wanted.peek().is_none())
}

/// Refuses a document that has them in one of its texts.
pub(super) fn resolved(document: &Document) -> Result<(), Refusal> {
    texts::refuse(
        document,
        &Texts {
            wrong: |text| marks(text).is_some(),
            left_out: &[],
        },
        "has the marks of a merge conflict (<<<<<<<, =======, >>>>>>>)",
        "resolve it first; --skip-checks sends it as it is",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_marks_make_a_conflict() {
        assert_eq!(marks("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> main\n"), Some(2));
        assert_eq!(marks("  <<<<<<<\n  =======\n  >>>>>>>"), Some(1));
        for text in [
            "Title\n=======\n",
            "<<<<<<< a\n>>>>>>> b\n",
            "cat <<<<<<<x\n",
            "=======\n<<<<<<< a\n>>>>>>> b",
        ] {
            assert_eq!(marks(text), None, "{text}");
        }
    }
}
