//! Numbers that are the same on every machine.

/// A xorshift generator.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The seed is not 0.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `most`, which is not 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        // The upper bits are the better ones.
        usize::try_from(self.next() >> 33).unwrap_or_default() % most
    }
}
