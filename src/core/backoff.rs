//! How long to wait before the next try: doubling to a cap, with jitter drawn from a seeded source.

use std::time::Duration;

/// Delays that double from `base` to `cap`, each spread over ±25 % so that a herd of clients
/// does not come back at the same instant.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    tries: u32,
    jitter: Jitter,
}

impl Backoff {
    /// Delays from `base` to `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration, jitter: Jitter) -> Self {
        Self {
            base,
            cap,
            tries: 0,
            jitter,
        }
    }

    /// The delay before the next try; never less than what the server asked for (Retry-After).
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(self.tries));
        self.tries = self.tries.saturating_add(1);
        let delay = doubled.min(self.cap);
        // 768..1280 of 1024 is 75 % to 125 %.
        let spread = 768 + self.jitter.below(513);
        let jittered = delay.saturating_mul(spread) / 1024;
        jittered.max(asked.unwrap_or_default())
    }

    /// It worked: the next failure starts from `base` again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// A small deterministic source of spread (SplitMix64); seeded by the shell, never by itself.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// A source with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A second, independent source, for another task.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `bound`, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The remainder is smaller than `bound`, so it fits.
        u32::try_from(self.next() % u64::from(bound)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_within_its_bounds_and_grows_to_the_cap(seed: u64, base in 1_u64..1000, factor in 1_u64..100, tries in 1_usize..60) {
            let (base, cap) = (Duration::from_millis(base), Duration::from_millis(base * factor));
            let mut backoff = Backoff::new(base, cap, Jitter::new(seed));
            for n in 0..tries {
                let ideal = base.saturating_mul(2_u32.saturating_pow(u32::try_from(n).unwrap())).min(cap);
                let delay = backoff.next(None);
                prop_assert!(delay >= ideal.mul_f64(0.74) && delay <= ideal.mul_f64(1.26), "{delay:?} for {ideal:?}");
            }
            backoff.reset();
            prop_assert!(backoff.next(None) <= base.min(cap).mul_f64(1.26));
        }
    }

    #[test]
    fn honours_what_the_server_asks_for() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), Jitter::new(1));
        assert_eq!(backoff.next(Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
