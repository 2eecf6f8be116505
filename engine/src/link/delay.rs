//! Distributions of delays.

use crate::random::Stream;

/// A distribution of delays, in whole microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always the same delay.
    Constant(u64),
    /// Uniform over whole microseconds, both ends included.
    Uniform {
        /// The shortest delay.
        low: u64,
        /// The longest delay, at least `low`.
        high: u64,
    },
    /// Each delay of the list with the same probability. The list must not be empty.
    Choice(Vec<u64>),
}

impl Delay {
    /// Draws a delay, µs. Takes at most one number from the stream.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        match self {
            Delay::Constant(delay) => *delay,
            Delay::Uniform { low, high } => low + stream.below(high - low + 1),
            Delay::Choice(delays) => delays[stream.below(delays.len() as u64) as usize],
        }
    }

    /// Returns the shortest delay that can be drawn, µs.
    pub fn shortest(&self) -> u64 {
        match self {
            Delay::Constant(delay) => *delay,
            Delay::Uniform { low, .. } => *low,
            Delay::Choice(delays) => delays.iter().copied().min().unwrap_or(0),
        }
    }
}
