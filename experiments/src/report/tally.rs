//! Counts of values in bounded memory.

use std::collections::BTreeMap;

/// Leading bits of a value that are kept: values are exact below 2048, else at most 1/1024 too low.
const BITS: u32 = 11;
/// Most bins of a [`Timeline`]. Beyond, two bins become one.
const BINS_MAX: usize = 800;
/// Most points of a curve.
pub const POINTS_MAX: usize = 400;

/// How often each value occurs. Takes at most 54 · 1024 values.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: BTreeMap<u64, u64>,
    total: u64,
}

impl Tally {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let shift = (value | 1).ilog2().saturating_sub(BITS - 1);
        *self.counts.entry(value >> shift << shift).or_default() += 1;
        self.total += 1;
    }

    /// Returns the number of values.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns each value with its count, ascending.
    pub fn counts(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.counts.iter().map(|(&value, &count)| (value, count))
    }

    /// Returns the lowest value at or below which half of the values lie; 0 without values.
    pub fn median(&self) -> u64 {
        let mut sum = 0;
        let mut counts = self.counts();
        let median = counts.find(|&(_, count)| {
            sum += count;
            2 * sum >= self.total
        });
        median.map_or(0, |(value, _)| value)
    }

    /// Returns at most `most + 1` points of the number of values at or below each value, over `of`. The last value is among
    /// them.
    pub fn cumulative(&self, of: u64, most: usize) -> Vec<(u64, f64)> {
        let step = self.total.div_ceil(most as u64).max(1);
        let (mut sum, mut next) = (0, 0);
        let mut points = Vec::new();
        for (value, count) in self.counts() {
            sum += count;
            if sum >= next || sum == self.total {
                points.push((value, sum as f64 / of.max(1) as f64));
                next = sum + step;
            }
        }
        points
    }
}

/// Sums of N quantities over time, in bins that grow with the time covered.
#[derive(Clone, Debug)]
pub struct Timeline<const N: usize> {
    width_ms: f64,
    bins: Vec<[f64; N]>,
}

impl<const N: usize> Default for Timeline<N> {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl<const N: usize> Timeline<N> {
    /// Returns a timeline of bins of this width, ms, at first.
    pub fn new(width_ms: f64) -> Self {
        Self {
            width_ms,
            bins: Vec::new(),
        }
    }

    /// Adds quantities at a time from 0 on, ms.
    pub fn add(&mut self, time_ms: f64, quantities: [f64; N]) {
        while time_ms / self.width_ms >= BINS_MAX as f64 {
            self.width_ms *= 2.0;
            let pairs = self.bins.chunks(2);
            let sum = |pair: &[[f64; N]]| {
                std::array::from_fn(|index| pair.iter().map(|bin| bin[index]).sum())
            };
            self.bins = pairs.map(sum).collect();
        }
        let bin = (time_ms.max(0.0) / self.width_ms) as usize;
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, [0.0; N]);
        }
        for (sum, quantity) in self.bins[bin].iter_mut().zip(quantities) {
            *sum += quantity;
        }
    }

    /// Adds quantities at each moment from one time to another, both from 0 on, ms: a bin gets them times the ms that it
    /// shares with that time.
    pub fn spread(&mut self, from_ms: f64, until_ms: f64, quantities: [f64; N]) {
        if from_ms >= until_ms {
            return;
        }
        // Widens the bins until the last moment has one.
        self.add(until_ms, [0.0; N]);
        let mut bin = (from_ms / self.width_ms) as usize;
        while bin < self.bins.len() && bin as f64 * self.width_ms < until_ms {
            let begin_ms = from_ms.max(bin as f64 * self.width_ms);
            let end_ms = until_ms.min((bin + 1) as f64 * self.width_ms);
            for (sum, quantity) in self.bins[bin].iter_mut().zip(quantities) {
                *sum += quantity * (end_ms - begin_ms);
            }
            bin += 1;
        }
    }

    /// Returns the width of a bin, ms.
    pub fn width_ms(&self) -> f64 {
        self.width_ms
    }

    /// Returns each bin with the middle of its time, ms.
    pub fn bins(&self) -> impl Iterator<Item = (f64, &[f64; N])> {
        let middle_ms = |bin: usize| (bin as f64 + 0.5) * self.width_ms;
        self.bins
            .iter()
            .enumerate()
            .map(move |(bin, sums)| (middle_ms(bin), sums))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tally_counts_as_a_sorted_list_does(mut values in proptest::collection::vec(0u64..1 << 40, 1..2000)) {
            let mut tally = Tally::default();
            values.iter().for_each(|&value| tally.record(value));
            values.sort_unstable();
            let points = tally.cumulative(values.len() as u64, POINTS_MAX);
            prop_assert_eq!(tally.median(), {
                let median = values[values.len().div_ceil(2) - 1];
                let shift = (median | 1).ilog2().saturating_sub(BITS - 1);
                median >> shift << shift
            });
            prop_assert!(points.len() <= POINTS_MAX + 1);
            prop_assert_eq!(points[points.len() - 1].1, 1.0);
            for (value, share) in points {
                // Values of the point's bucket count as the lowest of it.
                let above = value + value / 1024 + 1;
                let below = values.partition_point(|&one| one < value) as f64;
                let upto = values.partition_point(|&one| one < above.max(value + 1)) as f64;
                let count = share * values.len() as f64;
                prop_assert!(below < count + 0.5 && count < upto + 0.5);
            }
        }

        #[test]
        fn a_timeline_loses_nothing(times_ms in proptest::collection::vec(0.0f64..1e7, 1..500)) {
            let mut timeline = Timeline::<2>::new(1.0);
            times_ms.iter().for_each(|&time_ms| timeline.add(time_ms, [1.0, time_ms]));
            prop_assert!(timeline.bins().count() <= BINS_MAX);
            let mut count = 0.0;
            for (middle_ms, &[bin, sum_ms]) in timeline.bins() {
                count += bin;
                prop_assert!((sum_ms - bin * middle_ms).abs() <= bin * timeline.width_ms() / 2.0 + 1e-3);
            }
            prop_assert_eq!(count, times_ms.len() as f64);
        }

        #[test]
        fn what_is_spread_is_there_at_each_moment(spans in proptest::collection::vec((0.0f64..1e5, 0.0f64..1e4), 1..100)) {
            let mut timeline = Timeline::<1>::new(1.0);
            spans.iter().for_each(|&(from_ms, length_ms)| timeline.spread(from_ms, from_ms + length_ms, [2.0]));
            prop_assert!(timeline.bins().count() <= BINS_MAX);
            let width_ms = timeline.width_ms();
            for (middle_ms, &[sum]) in timeline.bins() {
                let (begin_ms, end_ms) = (middle_ms - width_ms / 2.0, middle_ms + width_ms / 2.0);
                let shared_ms = spans.iter().map(|&(from_ms, length_ms)| {
                    (end_ms.min(from_ms + length_ms) - begin_ms.max(from_ms)).max(0.0)
                });
                prop_assert!((sum - 2.0 * shared_ms.sum::<f64>()).abs() < 1e-3);
            }
        }
    }
}
