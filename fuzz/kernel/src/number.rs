//! Numbers worth trying: small ones, and those around where something wraps, ends or is refused.

use arbitrary::Arbitrary;

/// A number in three bytes of input.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub struct Number {
    shape: u8,
    low: u16,
}

impl Number {
    /// As a size, an offset or a mask.
    pub fn long(self) -> u64 {
        let low = u64::from(self.low);
        match self.shape % 12 {
            0..=2 => low % 16,
            3 => low,
            4 => low * 4096,
            5 => low * 65_536,
            6 => (low << 30) + low,
            7 => (1 << 52) + low,
            8 => i64::MAX as u64 - low,
            9 => u64::MAX - low,
            10 => u64::from(u32::MAX) - low % 16,
            _ => 1 << (low % 64),
        }
    }

    /// As a size that a test can allocate: at most 128 KiB.
    pub fn small(self) -> usize {
        (self.long() % (128 * 1024 + 1)) as usize
    }

    /// As 32 bits.
    pub fn word(self) -> u32 {
        self.long() as u32
    }
}
