//! Lengths that are all the same.

use super::Distribution;
use crate::random::Stream;

/// Lengths that are all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixed {
    /// The length, µs, above 0.
    pub us: f64,
}

impl Distribution for Fixed {
    fn draw(&self, _stream: &mut Stream) -> f64 {
        self.us
    }

    fn residual(&self, stream: &mut Stream) -> f64 {
        stream.unit() * self.us
    }

    fn mean_us(&self) -> f64 {
        self.us
    }

    fn bounds_us(&self) -> (f64, f64) {
        (self.us, self.us)
    }
}
