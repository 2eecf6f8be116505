//! Rows of the ticks table: counts of ticks that have not ended, and the rows of those that have.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use kadsim_engine::counts::Counts;
use kadsim_engine::record::TickRow;

use crate::ticks::{TickCounts, Ticks};

/// Maximum number of durations of a tick whose percentiles are exact.
const EXACT: usize = 1 << 16;
/// Percentiles in a row.
const PERCENTILES: [u32; 3] = [50, 90, 99];

/// Columns that the rows of all ticks of a network share.
#[derive(Clone, Copy, Debug)]
pub struct NetworkColumns {
    /// Number of the network.
    pub network: u32,
    /// Number of its nodes that are online.
    pub online: u64,
}

/// Ticks of a phase that have not ended, and the operations that the phase has started.
#[derive(Default)]
pub struct OpenTicks {
    /// Number of the phase.
    pub phase: u32,
    ticks: BTreeMap<u64, TickCounts>,
    /// Operations in flight at the end of the last tick that has a row.
    active: u64,
    /// Operations that have ended or were cut off, by origin.
    pub started: Counts,
}

impl OpenTicks {
    /// Begins a phase without operations in flight. `started` counts its operations.
    pub fn begin(&mut self, phase: u32, started: Counts) {
        self.phase = phase;
        self.started = started;
        // A tick that is still open goes on: single operations of a caller may follow one another within it.
        if self.ticks.is_empty() {
            self.active = 0;
        }
    }

    /// Adds the counts of a window, and returns the number of connections sent in it.
    pub fn add(&mut self, window: &mut Ticks) -> u64 {
        let mut sent = 0;
        for (tick, counts) in window.iter_mut() {
            sent += counts.outcomes.iter().sum::<u64>();
            self.ticks.entry(tick).or_default().add(counts);
        }
        sent
    }

    /// Counts an operation that was cut off in a tick.
    pub fn cut_off(&mut self, tick: u64) {
        self.ticks.entry(tick).or_default().broken_off += 1;
    }

    /// Makes the rows of the ticks that end by `until_us`.
    pub fn close(
        &mut self,
        until_us: u64,
        tick_us: u64,
        of: NetworkColumns,
        mut row: impl FnMut(TickRow),
    ) {
        while let Some(tick) = self.ticks.first_entry() {
            if tick.key().saturating_add(1).saturating_mul(tick_us) > until_us {
                return;
            }
            let (tick, mut counts) = tick.remove_entry();
            let finished = counts.durations_us.len() as u64;
            self.active = self.active + counts.started - finished - counts.broken_off;
            let [ok, fast_error, slow_error, not_found, _late] = counts.outcomes;
            row(TickRow {
                network: of.network,
                phase: self.phase,
                tick,
                time_us: tick * tick_us,
                online: of.online,
                active: self.active,
                started: counts.started,
                finished,
                connections: counts.outcomes.iter().sum(),
                ok,
                fast_error,
                slow_error,
                not_found,
                stored: counts.stored,
                found: counts.found,
                missed: counts.missed,
                duration_us: percentiles(&mut counts.durations_us),
            });
        }
    }
}

/// Returns the nearest-rank 50th, 90th and 99th percentile, µs, exact up to [`EXACT`] durations.
///
/// Of more, it returns the largest value of the histogram's bucket that the rank falls into, which is at most 1/1024
/// above the duration of that rank. The distribution of `summary.json` returns the mean of the bucket instead, which is
/// never above that value. The mean would be exact for equal durations, but would change the results of such ticks.
fn percentiles(durations_us: &mut [u64]) -> Option<[u64; 3]> {
    if durations_us.is_empty() {
        return None;
    }
    if durations_us.len() > EXACT
        && let Ok(mut histogram) = Histogram::<u64>::new(3)
    {
        for &duration in durations_us.iter() {
            histogram
                .record(duration)
                .expect("a histogram that resizes records any duration");
        }
        let value = |percentile| histogram.value_at_quantile(f64::from(percentile) / 100.0);
        return Some(PERCENTILES.map(value));
    }
    durations_us.sort_unstable();
    let n = durations_us.len();
    let value = |percentile| durations_us[(n * percentile as usize).div_ceil(100) - 1];
    Some(PERCENTILES.map(value))
}

#[cfg(test)]
mod tests {
    use kadsim_engine::random::Stream;

    use super::*;

    /// Percentiles by their definition.
    fn nearest_rank(durations_us: &[u64]) -> [u64; 3] {
        let mut sorted = durations_us.to_vec();
        sorted.sort_unstable();
        [50, 90, 99].map(|rank| sorted[(sorted.len() * rank).div_ceil(100) - 1])
    }

    /// Durations of many magnitudes: a leading bit, and bits below it at random.
    fn durations(count: usize, seed: u64) -> Vec<u64> {
        let mut stream = Stream::from_state(seed);
        let mut duration = || {
            let bits = stream.below(40);
            (1 << bits) | stream.below(1 << bits)
        };
        (0..count).map(|_| duration()).collect()
    }

    #[test]
    fn percentiles_of_few_are_exact() {
        assert_eq!(percentiles(&mut []), None);
        assert_eq!(percentiles(&mut [7]), Some([7; 3]));
        for count in [2, 99, 100, 101, EXACT] {
            let mut few = durations(count, count as u64);
            let expected = nearest_rank(&few);
            assert_eq!(percentiles(&mut few), Some(expected), "{count}");
        }
    }

    #[test]
    fn percentiles_of_many_are_at_most_a_1024th_above() {
        let starts_of_buckets = |i: u64| (1024 + i % 1024) << (i % 30);
        let mut sets: Vec<Vec<u64>> = (1..6).map(|seed| durations(EXACT + 1, seed)).collect();
        sets.push(vec![741_800; EXACT + 1]);
        sets.push((0..=EXACT as u64).map(starts_of_buckets).collect());
        sets.push(
            (0..=EXACT as u64)
                .map(|i| starts_of_buckets(i) + 1)
                .collect(),
        );
        for (set, many) in sets.iter_mut().enumerate() {
            let exact = nearest_rank(many);
            let found = percentiles(many).unwrap();
            for (found, exact) in found.into_iter().zip(exact) {
                let most = exact + exact / 1024;
                assert!((exact..=most).contains(&found), "{set}: {found} of {exact}");
            }
        }
        // Values below 2048 have buckets of their own.
        let mut small: Vec<u64> = (0..=EXACT as u64).map(|i| i % 2048).collect();
        let exact = nearest_rank(&small);
        assert_eq!(percentiles(&mut small), Some(exact));
        assert_eq!(
            percentiles(&mut vec![741_800; EXACT + 1]),
            Some([741_887; 3])
        );
    }
}
