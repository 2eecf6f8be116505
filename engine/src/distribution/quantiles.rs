//! A distribution given by quantiles, such as those of a measurement.

use super::Distribution;
use crate::random::Stream;

/// Lengths of an empirical distribution: quantiles, linear in between, and nothing beyond the first and the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    /// Probability and length, µs; both ascending.
    points: Vec<(f64, f64)>,
}

/// Why points are no quantiles.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum QuantilesError {
    /// There are fewer than two.
    #[error("at least 2 quantiles are needed")]
    Few,
    /// A probability is outside of [0, 1], or a length is negative or not finite.
    #[error("quantile {0} is out of range: p is 0 to 1, the length finite and at least 0")]
    Range(usize),
    /// A probability does not exceed the one before it, or a length is below the one before it.
    #[error("quantile {0} is not in ascending order")]
    Order(usize),
    /// Every length is 0.
    #[error("every length is 0")]
    Zero,
}

impl Quantiles {
    /// Takes points of probability and length, µs.
    ///
    /// # Errors
    ///
    /// Fewer than two points, points out of range or order. Points count from 0.
    pub fn new(points: Vec<(f64, f64)>) -> Result<Self, QuantilesError> {
        let [_, .., (_, greatest)] = points.as_slice() else {
            return Err(QuantilesError::Few);
        };
        let is_in_range =
            |&(p, us): &(f64, f64)| (0.0..=1.0).contains(&p) && us >= 0.0 && us.is_finite();
        if let Some(place) = points.iter().position(|point| !is_in_range(point)) {
            return Err(QuantilesError::Range(place));
        }
        let mut pairs = points.windows(2);
        if let Some(place) = pairs.position(|pair| pair[1].0 <= pair[0].0 || pair[1].1 < pair[0].1)
        {
            return Err(QuantilesError::Order(place + 1));
        }
        if *greatest == 0.0 {
            return Err(QuantilesError::Zero);
        }
        Ok(Self { points })
    }

    /// Returns the length of this probability, µs.
    fn at(&self, p: f64) -> f64 {
        let above = self.points.partition_point(|&(point, _)| point < p);
        let (Some(&(p1, us1)), Some(&(p0, us0))) = (
            self.points.get(above),
            above
                .checked_sub(1)
                .and_then(|below| self.points.get(below)),
        ) else {
            // Below the first or above the last.
            let edge = above.min(self.points.len() - 1);
            return self.points[edge].1;
        };
        us0 + (us1 - us0) * (p - p0) / (p1 - p0)
    }
}

impl Distribution for Quantiles {
    fn draw(&self, stream: &mut Stream) -> f64 {
        self.at(stream.unit())
    }

    /// A length that is under way is drawn in proportion to it, by rejection; of it, a uniform share is left.
    fn residual(&self, stream: &mut Stream) -> f64 {
        let (_, greatest) = self.bounds_us();
        loop {
            let us = self.draw(stream);
            if stream.unit() * greatest < us {
                return stream.unit() * us;
            }
        }
    }

    fn mean_us(&self) -> f64 {
        let (least, greatest) = self.bounds_us();
        let inner = self.points.windows(2);
        let inner: f64 = inner
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum();
        let first = self.points.first().map_or(0.0, |&(p, _)| p);
        let last = self.points.last().map_or(1.0, |&(p, _)| p);
        first * least + inner + (1.0 - last) * greatest
    }

    fn bounds_us(&self) -> (f64, f64) {
        let first = self.points.first().map_or(0.0, |&(_, us)| us);
        let last = self.points.last().map_or(0.0, |&(_, us)| us);
        (first, last)
    }
}
