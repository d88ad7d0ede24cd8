//! A line's fingerprint: the same for the same bytes however they were cut into pieces.

/// Bytes of a line that count for its fingerprint; of longer lines only the beginning does, so that
/// deciding whether a line is known never needs more memory than this.
pub const HASHED: usize = 64 * 1024;

/// Hashes bytes eight at a time.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    state: u64,
    pending: u64,
    count: usize,
}

impl Fingerprint {
    /// The fingerprint of a whole line.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u64 {
        let mut fingerprint = Self::default();
        fingerprint.update(bytes);
        fingerprint.value()
    }

    /// Takes more bytes; those past [`HASHED`] are left out.
    pub fn update(&mut self, bytes: &[u8]) {
        let room = HASHED.saturating_sub(self.count);
        let mut bytes = bytes.get(..room).unwrap_or(bytes);
        while !bytes.is_empty() && !self.count.is_multiple_of(8) {
            let (first, rest) = bytes.split_at(1);
            self.push(first);
            bytes = rest;
        }
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            self.mix(u64::from_le_bytes(eight));
            self.count += 8;
        }
        self.push(words.remainder());
    }

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.pending |= u64::from(*byte) << (8 * (self.count % 8));
            self.count += 1;
            if self.count.is_multiple_of(8) {
                let word = std::mem::take(&mut self.pending);
                self.mix(word);
            }
        }
    }

    fn mix(&mut self, word: u64) {
        self.state = (self.state.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// The fingerprint of what was taken so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        let mut last = self.clone();
        last.mix(self.pending);
        last.mix(self.count as u64);
        last.state ^ (last.state >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn does_not_depend_on_the_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..300), cuts in proptest::collection::vec(0_usize..300, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Fingerprint::default();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                pieces.update(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(pieces.value(), Fingerprint::of(&bytes));
        }
    }

    #[test]
    fn tells_lines_apart_that_differ_in_length_or_zeros_only() {
        assert_ne!(Fingerprint::of(b""), Fingerprint::of(b"\0"));
        assert_ne!(Fingerprint::of(b"\0"), Fingerprint::of(b"\0\0"));
        assert_ne!(Fingerprint::of(b"12345678"), Fingerprint::of(b"12345678\0"));
    }
}
