//! Settings from environment variables, and random numbers whose seed is printed.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the number in an environment variable, or else the default.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text}")),
        Err(_) => default,
    }
}

/// Random numbers (SplitMix64) of a seed that is printed, and that an environment variable may give.
pub struct Random(u64);

impl Random {
    pub fn new(name: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = setting(name, now.as_nanos() as u64);
        println!("{name}={seed}");
        Self(seed)
    }

    /// Draws a number from 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}
