//! Distributions of lengths of time: of sessions and absences, and of delays. One file each.
//!
//! Every value comes from a [`Stream`] by the functions of `libm`, so a draw gives the same bits on every machine.
//! Times are in µs, as floating-point numbers until [`whole_us`] rounds them up.

mod exponential;
mod fixed;
mod gamma;
mod lognormal;
mod quantiles;
mod weibull;

pub use exponential::Exponential;
pub use fixed::Fixed;
pub use lognormal::Lognormal;
pub use quantiles::{Quantiles, QuantilesError};
pub use weibull::Weibull;

use std::fmt::Debug;

use crate::random::Stream;

/// A distribution of lengths of time.
pub trait Distribution: Debug + Send + Sync {
    /// Draws a length, µs.
    fn draw(&self, stream: &mut Stream) -> f64;

    /// Draws the rest of a length that is under way at a moment picked at random, µs: the residual life of a renewal
    /// process in equilibrium.
    fn residual(&self, stream: &mut Stream) -> f64;

    /// Returns the mean, µs. Infinite where it exceeds the range of floating-point numbers.
    fn mean_us(&self) -> f64;

    /// Returns the least and the greatest length, µs; infinite where there is none.
    fn bounds_us(&self) -> (f64, f64);
}

/// Returns a length as whole microseconds, rounded up, at least 1; `u64::MAX` where it exceeds the range.
#[inline]
pub fn whole_us(us: f64) -> u64 {
    // A cast saturates.
    (libm::ceil(us) as u64).max(1)
}

/// Draws a standard normal number (Box and Muller, *Annals of Mathematical Statistics* 29(2), 1958). Takes two draws.
#[inline]
pub fn normal(stream: &mut Stream) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(stream.unit()));
    radius * libm::cos(std::f64::consts::TAU * stream.unit())
}

#[cfg(test)]
mod tests;
