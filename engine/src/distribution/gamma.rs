//! Gamma distributed numbers (Marsaglia and Tsang, ACM TOMS 26(3), 2000).

use super::normal;
use crate::random::Stream;

/// Draws a gamma distributed number of this shape, above 0, and scale 1. Takes some four draws on average.
pub(super) fn gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        // Of shape + 1, times U^(1 / shape).
        let share = libm::pow(stream.unit(), 1.0 / shape);
        return share * gamma(shape + 1.0, stream);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(stream);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        if libm::log(stream.unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}
