//! A clock that can stand still, for the limits that do not count waiting in a queue.

use std::time::Duration;

/// Counts time while it runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    counted: Duration,
    running_since: Option<Duration>,
}

impl Clock {
    /// Lets it run from `now` on, or stand still.
    pub fn run(&mut self, runs: bool, now: Duration) {
        self.counted = self.counted(now);
        self.running_since = runs.then_some(now);
    }

    /// What it has counted by `now`.
    #[must_use]
    pub fn counted(&self, now: Duration) -> Duration {
        let more = self
            .running_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.counted + more
    }

    /// When it will have counted this much; `None` while it stands still.
    #[must_use]
    pub fn due(&self, limit: Duration) -> Option<Duration> {
        self.running_since
            .map(|since| since + limit.saturating_sub(self.counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_stood_still_does_not_count() {
        let at = Duration::from_secs;
        let mut clock = Clock::default();
        assert_eq!((clock.counted(at(9)), clock.due(at(5))), (at(0), None));
        clock.run(true, at(10));
        assert_eq!((clock.counted(at(13)), clock.due(at(5))), (at(3), Some(at(15))));
        clock.run(false, at(13));
        clock.run(false, at(50));
        assert_eq!((clock.counted(at(99)), clock.due(at(5))), (at(3), None));
        clock.run(true, at(100));
        clock.run(true, at(101));
        assert_eq!((clock.counted(at(101)), clock.due(at(5))), (at(4), Some(at(102))));
    }
}
