//! Distributions of delays.

use std::sync::Arc;

use crate::distribution::{Distribution, Lognormal, Quantiles, whole_us};
use crate::random::Stream;

/// A distribution of delays, in whole microseconds.
#[derive(Clone, Debug, PartialEq)]
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
    Choice(Arc<[u64]>),
    /// Lognormal, rounded up to whole microseconds.
    Lognormal(Lognormal),
    /// Of these quantiles, rounded up to whole microseconds.
    Quantiles(Arc<Quantiles>),
}

impl Delay {
    /// Draws a delay, µs. Takes at most two numbers from the stream.
    ///
    /// # Panics
    ///
    /// If the range of a uniform one or the list of choices is empty.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        match self {
            Delay::Constant(delay) => *delay,
            Delay::Uniform { low, high } => {
                let width = high.checked_sub(*low).expect("`low` is at most `high`");
                low + stream.below(width + 1)
            }
            Delay::Choice(delays) => delays[stream.below(delays.len() as u64) as usize],
            Delay::Lognormal(lognormal) => whole_us(lognormal.draw(stream)),
            Delay::Quantiles(quantiles) => whole_us(quantiles.draw(stream)),
        }
    }

    /// Returns the mean, µs, before rounding to whole microseconds.
    pub fn mean_us(&self) -> f64 {
        match self {
            Delay::Constant(delay) => *delay as f64,
            Delay::Uniform { low, high } => (*low as f64 + *high as f64) / 2.0,
            Delay::Choice(delays) => {
                let sum: f64 = delays.iter().map(|&delay| delay as f64).sum();
                sum / delays.len().max(1) as f64
            }
            Delay::Lognormal(lognormal) => lognormal.mean_us(),
            Delay::Quantiles(quantiles) => quantiles.mean_us(),
        }
    }

    /// Returns the shortest delay that can be drawn, µs.
    pub fn shortest(&self) -> u64 {
        match self {
            Delay::Constant(delay) => *delay,
            Delay::Uniform { low, .. } => *low,
            Delay::Choice(delays) => delays.iter().copied().min().unwrap_or(0),
            Delay::Lognormal(lognormal) => whole_us(lognormal.bounds_us().0),
            Delay::Quantiles(quantiles) => whole_us(quantiles.bounds_us().0),
        }
    }

    /// Returns the longest delay that can be drawn, µs; `None` if there is none.
    pub fn longest(&self) -> Option<u64> {
        match self {
            Delay::Constant(delay) => Some(*delay),
            Delay::Uniform { high, .. } => Some(*high),
            Delay::Choice(delays) => delays.iter().copied().max(),
            Delay::Lognormal(_) => None,
            Delay::Quantiles(quantiles) => Some(whole_us(quantiles.bounds_us().1)),
        }
    }
}
