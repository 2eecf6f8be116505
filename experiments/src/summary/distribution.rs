//! The distribution of a column in bounded memory.
//!
//! Values that agree in their first 11 bits share a bucket, which keeps their number and their sum. A percentile is the
//! mean of the bucket that its rank falls into. It is exact below 2048 and where all values of the bucket are equal, as
//! with a constant delay. Else it is off by at most a bucket's width, 1/1024 of the value, without bias. There are at
//! most 55 · 1024 buckets of 32 bytes.

use serde_json::{Map, Value};

use super::STATISTICS;

/// Bits behind the leading one that number the buckets of one width.
const BITS: u32 = 10;

/// The values of one bucket.
#[derive(Clone, Copy, Default)]
struct Bucket {
    count: u64,
    sum: u128,
}

/// The distribution of integers, each of which stands for `value / scale`.
#[derive(Clone)]
pub(super) struct Distribution {
    buckets: Vec<Bucket>,
    count: u64,
    max: u64,
    scale: f64,
}

/// Returns the index of a value's bucket. Indices ascend with the value, without gaps.
fn place(value: u64) -> usize {
    let shift = (value | 1).ilog2().saturating_sub(BITS);
    ((shift as usize) << BITS) + (value >> shift) as usize
}

/// Returns the number of buckets of a distribution with this largest value.
pub(crate) fn buckets_of(value: u64) -> usize {
    place(value) + 1
}

impl Distribution {
    /// Makes a distribution without values.
    pub(super) fn new(scale: f64) -> Self {
        Self {
            buckets: Vec::new(),
            count: 0,
            max: 0,
            scale,
        }
    }

    /// Counts a value.
    pub(super) fn record(&mut self, value: u64) {
        let place = place(value);
        if place >= self.buckets.len() {
            self.buckets.resize(place + 1, Bucket::default());
        }
        let bucket = &mut self.buckets[place];
        bucket.count += 1;
        bucket.sum += u128::from(value);
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Moves all values of `other` into this one, and leaves `other` empty.
    pub(super) fn take(&mut self, other: &mut Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), Bucket::default());
        }
        for (bucket, other) in self.buckets.iter_mut().zip(&mut other.buckets) {
            let Bucket { count, sum } = std::mem::take(other);
            bucket.count += count;
            bucket.sum += sum;
        }
        self.count += std::mem::take(&mut other.count);
        self.max = self.max.max(std::mem::take(&mut other.max));
    }

    /// Returns the statistic `name`, one of [`STATISTICS`] but the count; `None` without values.
    pub(super) fn statistic(&self, name: &str) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        Some(match name {
            "mean" => {
                let sum: u128 = self.buckets.iter().map(|bucket| bucket.sum).sum();
                sum as f64 / self.count as f64 / self.scale
            }
            "p50" => self.percentile(50),
            "p90" => self.percentile(90),
            "p99" => self.percentile(99),
            _ => self.max as f64 / self.scale,
        })
    }

    /// Returns the nearest-rank percentile, rounded to a whole value before it is scaled.
    fn percentile(&self, percent: u128) -> f64 {
        let rank = (u128::from(self.count) * percent).div_ceil(100).max(1);
        let mut below = 0;
        let reached = self.buckets.iter().find(|bucket| {
            below += u128::from(bucket.count);
            below >= rank
        });
        let value = reached.map_or(0, |bucket| {
            let count = u128::from(bucket.count);
            (bucket.sum + count / 2) / count
        });
        value as f64 / self.scale
    }

    /// Adds all [`STATISTICS`] to `json` as `PREFIX.STATISTIC`.
    pub(super) fn write(&self, prefix: &str, json: &mut Map<String, Value>) {
        for name in STATISTICS {
            let value = match name {
                "count" => Value::from(self.count),
                _ => Value::from(self.statistic(name)),
            };
            json.insert(format!("{prefix}.{name}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>, scale: f64) -> Distribution {
        let mut distribution = Distribution::new(scale);
        values
            .into_iter()
            .for_each(|value| distribution.record(value));
        distribution
    }

    #[test]
    fn buckets_ascend_without_gaps_and_are_narrow() {
        assert!((0..2048).all(|value| place(value) == value as usize));
        let mut low = 2048u64;
        while let Some(end) = low.checked_add(1 << (low.ilog2() - BITS)) {
            assert_eq!(place(low), place(low - 1) + 1, "{low}");
            assert_eq!(place(end - 1), place(low), "{low}");
            low = end;
        }
        assert_eq!(place(u64::MAX), 55 * 1024 - 1);
    }

    #[test]
    fn statistics_are_nearest_rank() {
        let values = of(1..=200, 1000.0);
        let statistics = STATISTICS.map(|name| values.statistic(name));
        let expected = [0.1005, 0.1, 0.18, 0.198, 0.2].map(Some);
        assert_eq!(statistics[1..], expected);
        assert_eq!(values.count, 200);
    }

    #[test]
    fn what_is_taken_over_counts_as_if_it_had_come_here() {
        let values = |range: std::ops::Range<u64>| range.map(|i| i * i * 7);
        let mut pooled = of(values(0..300), 1000.0);
        let mut other = of(values(300..1000), 1000.0);
        pooled.take(&mut other);
        let whole = of(values(0..1000), 1000.0);
        let statistics = |values: &Distribution| STATISTICS.map(|name| values.statistic(name));
        assert_eq!(statistics(&pooled), statistics(&whole));
        assert_eq!(pooled.count, 1000);
        assert_eq!((other.count, other.statistic("max")), (0, None));
        // The emptied distribution can be used again.
        other.record(5000);
        assert_eq!(statistics(&other), statistics(&of([5000], 1000.0)));
    }

    #[test]
    fn no_values_have_no_statistics_but_their_count() {
        let mut json = Map::new();
        Distribution::new(1.0).write("a", &mut json);
        assert_eq!(json.remove("a.count"), Some(0.into()));
        assert_eq!(json.len(), 5);
        assert!(json.values().all(Value::is_null));
    }

    #[test]
    fn a_constant_is_exact_whatever_its_size() {
        for value in [400_000, 401_127, 9_000_000_000_000_001] {
            let values = of([value; 300], 1000.0);
            for name in ["p50", "p90", "p99", "max"] {
                assert_eq!(values.statistic(name), Some(value as f64 / 1000.0));
            }
        }
    }

    #[test]
    fn large_values_are_within_a_thousandth_and_off_to_both_sides() {
        let mut signs = [0; 2];
        for step in (1_000_003..2_000_003).step_by(33_333) {
            let values = of((1..=100_000).map(|i| i * step / 300), 1.0);
            for (name, rank) in [("p50", 50_000), ("p90", 90_000), ("p99", 99_000)] {
                let exact = (rank * step / 300) as f64;
                let off = values.statistic(name).unwrap() / exact - 1.0;
                assert!(off.abs() < 0.001, "{name} of {step}: {off}");
                signs[usize::from(off > 0.0)] += 1;
            }
        }
        assert!(signs.iter().all(|&times| times > 20), "{signs:?}");
    }
}
