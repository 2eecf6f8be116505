//! Due times of a phase's operations, in ascending order, in constant memory.

use kadsim_engine::distribution::{Distribution, Exponential};
use kadsim_engine::random::{Purpose, Stream};

use crate::file::Pace;

/// Due times from a phase's start, µs, one by one.
#[derive(Clone)]
pub(super) enum DueTimes {
    Uniform(Uniform),
    Gaps(Gaps),
}

impl DueTimes {
    /// Returns the due times of a phase of this index; `most` of them if its pace gives a number.
    pub(super) fn new(network_seed: u64, phase: u32, pace: Pace, most: u64) -> Self {
        let stream = Stream::new(network_seed, Purpose::Due, u64::from(phase), 0);
        match pace {
            Pace::Count { spread_us, .. } => Self::Uniform(Uniform {
                stream,
                left: most,
                rest: 1.0,
                spread_us,
            }),
            Pace::Rate { per_s, duration_us } => Self::Gaps(Gaps {
                stream,
                gap: Exponential {
                    mean_us: 1e6 / per_s,
                },
                at_us: 0.0,
                duration_us,
            }),
        }
    }

    /// Returns the number of due times. Cost: O(1), by rate O(number).
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Uniform(uniform) => uniform.left,
            Self::Gaps(gaps) => gaps.clone().fold(0, |len, _| len + 1),
        }
    }
}

impl Iterator for DueTimes {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match self {
            Self::Uniform(uniform) => uniform.next(),
            Self::Gaps(gaps) => gaps.next(),
        }
    }
}

/// Uniform times. The minimum of m remaining times leaves a share of U^(1/m) of the remaining time.
#[derive(Clone)]
pub(super) struct Uniform {
    stream: Stream,
    left: u64,
    rest: f64,
    spread_us: u64,
}

impl Iterator for Uniform {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let left = self.left;
        self.left = left.checked_sub(1)?;
        if self.spread_us == 0 {
            return Some(0);
        }
        self.rest *= libm::exp(libm::log(self.stream.unit()) / left as f64);
        Some((((1.0 - self.rest) * self.spread_us as f64) as u64).min(self.spread_us - 1))
    }
}

/// Times with exponential gaps, below the duration. Each takes one draw.
#[derive(Clone)]
pub(super) struct Gaps {
    stream: Stream,
    gap: Exponential,
    at_us: f64,
    duration_us: u64,
}

impl Iterator for Gaps {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.at_us += self.gap.draw(&mut self.stream);
        (self.at_us < self.duration_us as f64).then_some(self.at_us as u64)
    }
}
