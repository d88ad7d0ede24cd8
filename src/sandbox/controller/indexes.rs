//! Sets of completion indexes, as the status writes them: "1,3-5,7" (`indexed_job_utils.go`).

use std::fmt;

/// Ascending intervals, first and last included, with a gap between any two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads indexes below `completions`. What is not a number is passed over.
    pub(super) fn parse(text: &str, completions: i32) -> Self {
        let mut intervals: Vec<(i32, i32)> = Vec::new();
        for interval in text.split(',') {
            let (first, last) = interval.split_once('-').unwrap_or((interval, interval));
            let (Ok(first), Ok(last)) = (first.parse(), last.parse::<i32>()) else {
                continue;
            };
            if first >= completions {
                break;
            }
            intervals.push((first, last.min(completions - 1)));
        }
        Self::from_sorted(intervals)
    }

    /// These indexes, in any order.
    pub(super) fn of(indexes: impl IntoIterator<Item = i32>) -> Self {
        let mut intervals: Vec<_> = indexes.into_iter().map(|ix| (ix, ix)).collect();
        intervals.sort_unstable();
        Self::from_sorted(intervals)
    }

    /// What is in one or the other.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut intervals = [self.0.as_slice(), &other.0].concat();
        intervals.sort_unstable();
        Self::from_sorted(intervals)
    }

    fn from_sorted(intervals: Vec<(i32, i32)>) -> Self {
        let mut joined: Vec<(i32, i32)> = Vec::new();
        for (first, last) in intervals {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                Some(_) | None => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    pub(super) fn has(&self, index: i32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&index))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many indexes there are.
    pub(super) fn total(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// How many indexes are in both.
    pub(super) fn shared(&self, other: &Self) -> i32 {
        let overlap = |a: &(i32, i32), b: &(i32, i32)| (a.1.min(b.1) - a.0.max(b.0) + 1).max(0);
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| overlap(a, b)));
        pairs.sum()
    }

    /// The first `count` indexes below `completions` that are not among these.
    pub(super) fn gaps(&self, completions: i32, count: usize) -> Vec<i32> {
        let mut gaps = Vec::new();
        let mut next = 0;
        for (first, last) in self.0.iter().chain([&(completions, completions)]) {
            let room = count - gaps.len();
            gaps.extend((next..*first.min(&completions)).take(room));
            next = next.max(last.saturating_add(1));
        }
        gaps
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (first, last)) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            match last - first {
                0 => write!(f, "{first}")?,
                1 => write!(f, "{first},{last}")?,
                _ => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_intervals() {
        for (text, completions, read, total) in [
            ("", 5, "", 0),
            ("0", 5, "0", 1),
            ("1,3-5,7", 10, "1,3-5,7", 5),
            ("0,1,2", 10, "0-2", 3),
            ("0-1", 10, "0,1", 2),
            ("0-4,5,6-9", 10, "0-9", 10),
            ("1,3-5,7", 5, "1,3,4", 3),
            ("1,5,7", 5, "1", 1),
            ("x,2,3-y,4", 10, "2,4", 2),
            ("0-2147483647", i32::MAX, "0-2147483646", i32::MAX),
        ] {
            let indexes = Indexes::parse(text, completions);
            assert_eq!(indexes.to_string(), read, "{text:?} below {completions}");
            assert_eq!(indexes.total(), total, "{text:?} below {completions}");
        }
    }

    #[test]
    fn joins_what_touches() {
        for (one, other, both, shared) in [
            ("", "", "", 0),
            ("1,3,5", "2,4", "1-5", 0),
            ("0-3", "2-6", "0-6", 2),
            ("0-9", "3,5", "0-9", 2),
            ("0,8", "4", "0,4,8", 0),
        ] {
            let (one, other) = (Indexes::parse(one, 20), Indexes::parse(other, 20));
            assert_eq!(one.union(&other).to_string(), both);
            assert_eq!(other.union(&one).to_string(), both);
            assert_eq!(one.shared(&other), shared, "{one} and {other}");
        }
        assert_eq!(Indexes::of([4, 0, 1, 0]).to_string(), "0,1,4");
    }

    #[test]
    fn finds_the_first_gaps() {
        for (taken, completions, count, gaps) in [
            ("", 3, 2, vec![0, 1]),
            ("", 3, 9, vec![0, 1, 2]),
            ("0,2", 5, 2, vec![1, 3]),
            ("0-4", 5, 2, vec![]),
            ("1-3", 5, 2, vec![0, 4]),
            ("1-3", 5, 0, vec![]),
        ] {
            assert_eq!(Indexes::parse(taken, 20).gaps(completions, count), gaps, "{taken:?}");
        }
    }

    #[test]
    fn knows_its_members() {
        let indexes = Indexes::parse("1,3-5", 20);
        let members: Vec<_> = (0..8).filter(|ix| indexes.has(*ix)).collect();
        assert_eq!(members, [1, 3, 4, 5]);
    }
}
