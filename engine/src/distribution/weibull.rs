//! The Weibull distribution, which fits sessions measured in live networks (Stutzbach and Rejaie, IMC 2006).

use super::Distribution;
use super::gamma::gamma;
use crate::random::Stream;

/// Weibull lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weibull {
    /// Shape, above 0. Below 1, what has lasted long lasts long.
    pub shape: f64,
    /// Scale, µs, above 0.
    pub scale_us: f64,
}

impl Distribution for Weibull {
    fn draw(&self, stream: &mut Stream) -> f64 {
        self.scale_us * libm::pow(-libm::log(stream.unit()), 1.0 / self.shape)
    }

    /// The survival function of the residual life is Q(1 / shape, (t / scale)^shape), Q the regularised upper incomplete
    /// gamma function: (t / scale)^shape is gamma distributed with shape 1 / shape.
    fn residual(&self, stream: &mut Stream) -> f64 {
        let power = 1.0 / self.shape;
        self.scale_us * libm::pow(gamma(power, stream), power)
    }

    fn mean_us(&self) -> f64 {
        self.scale_us * libm::tgamma(1.0 + 1.0 / self.shape)
    }

    fn bounds_us(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}
