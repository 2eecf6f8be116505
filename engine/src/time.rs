//! The range of a network's clock.
//!
//! Times count whole microseconds from 0. Every time up to [`LAST_US`] is exact as a double, and the sum of two times
//! fits into 64 bits.

/// The last moment of a network's clock, µs: 9e12 ms, 285 years. Nothing happens after it.
pub const LAST_US: u64 = 9_000_000_000_000_000;
