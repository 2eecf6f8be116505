//! The exponential distribution: what is left does not depend on what has passed.

use super::Distribution;
use crate::random::Stream;

/// Exponential lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    /// Mean, µs, above 0.
    pub mean_us: f64,
}

impl Distribution for Exponential {
    #[inline]
    fn draw(&self, stream: &mut Stream) -> f64 {
        -self.mean_us * libm::log(stream.unit())
    }

    fn residual(&self, stream: &mut Stream) -> f64 {
        self.draw(stream)
    }

    fn mean_us(&self) -> f64 {
        self.mean_us
    }

    fn bounds_us(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}
