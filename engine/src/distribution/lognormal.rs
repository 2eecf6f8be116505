//! The lognormal distribution.

use super::{Distribution, normal};
use crate::random::Stream;

/// Lognormal lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lognormal {
    /// Median, µs, above 0.
    pub median_us: f64,
    /// Standard deviation of the logarithm, at least 0.
    pub sigma: f64,
}

impl Distribution for Lognormal {
    #[inline]
    fn draw(&self, stream: &mut Stream) -> f64 {
        self.median_us * libm::exp(self.sigma * normal(stream))
    }

    /// A length that is under way is drawn in proportion to it, which shifts the mean of the logarithm by sigma²; of it, a
    /// uniform share is left.
    fn residual(&self, stream: &mut Stream) -> f64 {
        let share = stream.unit();
        let exponent = self.sigma * self.sigma + self.sigma * normal(stream);
        share * self.median_us * libm::exp(exponent)
    }

    fn mean_us(&self) -> f64 {
        self.median_us * libm::exp(self.sigma * self.sigma / 2.0)
    }

    fn bounds_us(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}
