//! What came out, against what was written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::workload::Expected;

/// The difference, in lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) expected: u64,
    /// Written and not shown.
    pub(crate) lost: u64,
    /// Shown more often than written.
    pub(crate) repeated: u64,
    /// Shown and not written, or in another order.
    pub(crate) wrong: u64,
}

/// Compares stdout with what had to be on it.
pub(crate) fn compare(expected: &Expected, shown: &[u8]) -> Difference {
    match expected {
        Expected::One(log) => of_log(log, shown),
        Expected::Attempts(logs) => {
            let whole = logs.concat();
            if let [first, second] = logs.as_slice()
                && interleaved(first, second, shown)
            {
                return of_log(&whole, &whole);
            }
            of_log(&whole, shown)
        }
        Expected::Pods(logs) => of_pods(logs, shown),
    }
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    log.split_inclusive(|byte| *byte == b'\n')
}

fn of_log(written: &[u8], shown: &[u8]) -> Difference {
    let expected = lines(written).count() as u64;
    if written == shown {
        return Difference {
            expected,
            ..Difference::default()
        };
    }
    // Written times, shown times.
    let mut times: HashMap<&[u8], (u64, u64)> = HashMap::new();
    lines(written).for_each(|line| times.entry(line).or_default().0 += 1);
    lines(shown).for_each(|line| times.entry(line).or_default().1 += 1);
    let mut difference = Difference {
        expected,
        ..Difference::default()
    };
    for (written, shown) in times.into_values() {
        difference.lost += written.saturating_sub(shown);
        if written == 0 {
            difference.wrong += shown;
        } else {
            difference.repeated += shown.saturating_sub(written);
        }
    }
    if (difference.lost, difference.repeated, difference.wrong) == (0, 0, 0) {
        difference.wrong = 1;
    }
    difference
}

/// `shown` is made of both, each in its order.
fn interleaved(first: &[u8], second: &[u8], shown: &[u8]) -> bool {
    if shown.len() != first.len() + second.len() {
        return false;
    }
    // Bytes that were taken of the first, in every way that is possible so far.
    let mut taken = BTreeSet::from([0]);
    for (n, byte) in shown.iter().enumerate() {
        let mut next = BTreeSet::new();
        for of_first in taken {
            if first.get(of_first) == Some(byte) {
                next.insert(of_first + 1);
            }
            if second.get(n - of_first) == Some(byte) {
                next.insert(of_first);
            }
        }
        taken = next;
    }
    taken.contains(&first.len())
}

/// Lines by the pod of their prefix. Which pod is which index, its first line tells.
fn of_pods(written: &[Vec<u8>], shown: &[u8]) -> Difference {
    let mut by_pod: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    let mut all = Difference::default();
    for line in lines(shown) {
        let end = line.windows(2).position(|pair| pair == b"] ").map(|at| at + 2);
        match end.and_then(|end| line.split_at_checked(end)) {
            Some((prefix, rest)) => by_pod.entry(prefix).or_default().extend_from_slice(rest),
            None => all.wrong += 1,
        }
    }
    let mut logs: Vec<Vec<u8>> = by_pod.into_values().collect();
    for written in written {
        let begins = lines(written).next().unwrap_or_default();
        let known: BTreeSet<&[u8]> = lines(written).collect();
        let its = |log: &Vec<u8>| log.starts_with(begins) || lines(log).next().is_some_and(|line| known.contains(line));
        let log = logs.iter().position(its).map(|at| logs.swap_remove(at));
        all += of_log(written, &log.unwrap_or_default());
    }
    all.wrong += logs.iter().map(|log| lines(log).count() as u64).sum::<u64>();
    all
}

impl std::ops::AddAssign for Difference {
    fn add_assign(&mut self, other: Self) {
        self.expected += other.expected;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.wrong += other.wrong;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: u64, lost: u64, repeated: u64, wrong: u64) -> Difference {
        Difference {
            expected,
            lost,
            repeated,
            wrong,
        }
    }

    #[test]
    fn every_difference_is_seen() {
        let log = Expected::One(b"a\nb\nc\nend".to_vec());
        for (shown, seen) in [
            ("a\nb\nc\nend", (0, 0, 0)),
            ("a\nc\nend", (1, 0, 0)),
            ("a\nb\nb\nc\nend", (0, 1, 0)),
            ("a\nc\nb\nend", (0, 0, 1)),
            ("a\nb\nc\nen", (1, 0, 1)),
            ("a\nb\nc\nend\n", (1, 0, 1)),
            ("", (4, 0, 0)),
        ] {
            let (lost, repeated, wrong) = seen;
            let found = compare(&log, shown.as_bytes());
            assert_eq!(found, difference(4, lost, repeated, wrong), "{shown:?}");
        }
    }

    #[test]
    fn attempts_may_pass_each_other() {
        let logs = || Expected::Attempts(vec![b"1a\n1b\n".to_vec(), b"2a\n".to_vec()]);
        assert_eq!(compare(&logs(), b"1a\n12a\nb\n"), difference(3, 0, 0, 0));
        assert_eq!(compare(&logs(), b"1b\n1a\n2a\n"), difference(3, 0, 0, 1));
        assert_eq!(compare(&logs(), b"1a\n2a\n"), difference(3, 1, 0, 0));
    }

    #[test]
    fn pods_are_told_apart_by_what_they_write() {
        let logs = || Expected::Pods(vec![b"x 1\nx 2\n".to_vec(), b"y 1\n".to_vec()]);
        let shown = |text: &str| compare(&logs(), text.as_bytes());
        assert_eq!(
            shown("[p main] x 1\n[q main] y 1\n[p main] x 2\n"),
            difference(3, 0, 0, 0)
        );
        assert_eq!(shown("[p main] x 2\n[q main] y 1\n"), difference(3, 1, 0, 0));
        assert_eq!(shown("[p main] x 1\n[p main] x 2\nbare\n"), difference(3, 1, 0, 1));
        assert_eq!(
            shown("[q main] y 1\n[p main] x 1\n[p main] x 2\n[r main] z\n"),
            difference(3, 0, 0, 1)
        );
    }
}
