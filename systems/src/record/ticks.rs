//! Rows of the ticks table: counts of ticks that have not ended, and the rows of those that have.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use kadsim_engine::counts::Counts;
use kadsim_engine::node::Row;
use kadsim_engine::random::{Permutation, Purpose as Draw, Stream};
use kadsim_engine::record::Purpose;
use kadsim_engine::record::TickRow;
use kadsim_engine::routing::{Freshness, TablesInTime};
use rayon::prelude::*;

use crate::phases::Shift;
use crate::ticks::{TickCounts, Ticks};

/// Maximum number of durations of a tick whose percentiles are exact.
const EXACT: usize = 1 << 16;
/// Most nodes whose tables are counted.
const SAMPLE: usize = 1000;
/// Percentiles in a row.
const PERCENTILES: [u32; 3] = [50, 90, 99];

/// What the rows of all ticks are made from.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// Number of the network.
    pub network: u32,
    /// Number of its nodes that are online, where none comes or leaves.
    pub online: u64,
    /// Length of a tick, µs.
    pub tick_us: u64,
    /// What else there is in living runs.
    pub living: Option<Living<'a>>,
}

/// What rows of living runs are made from.
#[derive(Clone, Copy)]
pub struct Living<'a> {
    /// The routing tables, and who is online when.
    pub tables: TablesInTime<'a>,
    /// Nodes whose tables are counted.
    pub sample: &'a [Row],
    /// Copies of records that nodes hold, where records expire or are provided again.
    pub records: Option<u64>,
}

/// Routing tables and records at an instant of counting.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Number of tables.
    tables: u64,
    /// The sum of how they are.
    freshness: Freshness,
    records: Option<u64>,
}

/// Returns the nodes whose tables are counted: a uniform sample of at most 1000.
pub fn sample(network_seed: u64, nodes: usize) -> Vec<Row> {
    let stream = Stream::new(network_seed, Draw::Freshness, 0, 0);
    let order = Permutation::new(nodes as u64, stream);
    let size = nodes.min(SAMPLE) as u64;
    (0..size)
        .map(|place| Row(order.apply(place) as u32))
        .collect()
}

impl Living<'_> {
    /// Returns `until_us`, at most the time until which changes of presence are known.
    pub fn known_until(&self, until_us: u64) -> u64 {
        match self.tables.timelines.are_living() {
            true => until_us.min(self.tables.timelines.horizon_us().saturating_add(1)),
            false => until_us,
        }
    }

    /// Counts the tables of the sample's nodes that are online at `at_us`, on all threads, and the records.
    fn count(&self, at_us: u64) -> Counted {
        let rows = self.sample.par_iter().copied();
        let online = rows.filter(|&row| self.tables.is_online(row, at_us));
        let each = online.map_init(Vec::new, |rows, row| {
            let owner = self.tables.population.owner(row);
            (1, self.tables.freshness(owner, at_us, rows))
        });
        let (tables, freshness) = each.reduce(Default::default, |one: (u64, Freshness), other| {
            (one.0 + other.0, one.1 + other.1)
        });
        Counted {
            tables,
            freshness,
            records: self.records,
        }
    }
}

/// A phase that begins.
pub struct Begun {
    /// Its number.
    pub number: u32,
    /// When it starts, µs.
    pub start_us: u64,
    /// Period at which routing tables are counted, µs.
    pub freshness_us: Option<u64>,
    /// Counts of its operations by origin.
    pub started: Counts,
}

/// Which ticks of a phase are over.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Those that end before this time, µs.
    Before(u64),
    /// All: the phase, and its shift, have ended at this time, µs.
    End(u64),
}

/// Ticks of a phase that have not ended, and the operations that the phase has started.
#[derive(Default)]
pub struct OpenTicks {
    /// Number of the phase.
    pub phase: u32,
    /// When the phase starts, µs.
    pub start_us: u64,
    /// Whether the phase has not ended, or its shift goes on.
    pub is_open: bool,
    ticks: BTreeMap<u64, TickCounts>,
    /// Operations in flight at the end of the last tick that has a row.
    active: u64,
    /// Operations that have ended or were cut off, by origin.
    pub started: Counts,
    /// The first moment whose changes of presence have no tick yet, µs.
    unseen_us: u64,
    /// The first moment of which arrivals and departures are not counted yet, µs.
    uncounted_us: u64,
    /// Period at which tables are counted, µs; `None` if they are not. The next instant, µs.
    freshness_us: Option<(u64, u64)>,
    /// What was counted at the end of the phase, for the tick in which it lies, while the phase's shift goes on.
    counted: Option<Counted>,
}

impl OpenTicks {
    /// Begins a phase without operations in flight.
    pub fn begin(&mut self, phase: Begun) {
        self.unseen_us = 0;
        self.uncounted_us = 0;
        self.is_open = true;
        let instants = |period_us: u64| (period_us, phase.start_us.saturating_add(period_us));
        self.freshness_us = phase.freshness_us.map(instants);
        self.phase = phase.number;
        self.start_us = phase.start_us;
        self.started = phase.started;
        // A tick that is still open goes on: single operations of a caller may follow one another within it.
        if self.ticks.is_empty() {
            self.active = 0;
        }
    }

    /// Returns the next instant at which tables are counted, µs.
    pub fn next_count_us(&self) -> Option<u64> {
        self.freshness_us.map(|(_, next_us)| next_us)
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

    /// Adds ticks for changes of presence and instants of counting up to `last_us`, in which nothing else may happen.
    fn add_living(&mut self, last_us: u64, tick_us: u64, shift: Shift, living: Living) {
        let changes_until_us = last_us.min(shift.until_us);
        self.unseen_us = self.unseen_us.max(shift.from_us);
        while let Some(change_us) = living.tables.timelines.next_change_us(self.unseen_us)
            && change_us <= changes_until_us
        {
            let tick = change_us / tick_us;
            self.ticks.entry(tick).or_default();
            self.unseen_us = (tick + 1) * tick_us;
        }
        if let Some((period_us, next_us)) = &mut self.freshness_us {
            while *next_us <= last_us {
                self.ticks.entry(*next_us / tick_us).or_default().is_counted = true;
                *next_us = next_us.saturating_add(*period_us);
            }
        }
    }

    /// Ends the phase at `end_us`, while its shift goes on: tables are counted no more. Call it when the ticks that end before
    /// are closed.
    pub fn end(&mut self, end_us: u64, shift: Shift, basis: Basis) {
        if let Some(living) = basis.living {
            self.add_living(end_us, basis.tick_us, shift, living);
            let last = self.ticks.get(&(end_us / basis.tick_us));
            let is_counted = last.is_some_and(|counts| counts.is_counted);
            self.counted = is_counted.then(|| living.count(end_us));
        }
        self.freshness_us = None;
    }

    /// Makes the rows of ticks.
    pub fn close(
        &mut self,
        until: Until,
        shift: Shift,
        basis: Basis,
        mut row: impl FnMut(TickRow),
    ) {
        let Basis {
            network,
            online,
            tick_us,
            living,
        } = basis;
        let (until_us, end_us) = match until {
            Until::Before(until_us) => (until_us, None),
            Until::End(end_us) => (u64::MAX, Some(end_us)),
        };
        if let Some(living) = living {
            let whole_us = (until_us / tick_us * tick_us).saturating_sub(1);
            self.add_living(end_us.unwrap_or(whole_us), tick_us, shift, living);
        }
        while let Some(tick) = self.ticks.first_entry() {
            if tick.key().saturating_add(1).saturating_mul(tick_us) > until_us {
                return;
            }
            let (tick, mut counts) = tick.remove_entry();
            let finished = counts.durations_us.len() as u64;
            self.active = self.active + counts.started - finished - counts.broken_off;
            let [ok, fast_error, slow_error, not_found, late] = counts.outcomes;
            let mut made = TickRow {
                network,
                phase: self.phase,
                tick,
                time_us: tick * tick_us,
                online,
                active: self.active,
                started: counts.started,
                finished,
                connections: counts.outcomes.iter().sum(),
                ok,
                fast_error,
                slow_error,
                not_found,
                late,
                stored: counts.stored,
                found: counts.found,
                missed: counts.missed,
                duration_us: percentiles(&mut counts.durations_us),
                maintenance_connections: counts.maintenance.iter().sum(),
                maintenance_failed: counts.maintenance_failed,
                refresh: counts.maintenance[Purpose::Refresh as usize],
                join: counts.maintenance[Purpose::Join as usize],
                check: counts.maintenance[Purpose::Check as usize]
                    + counts.maintenance[Purpose::Ping as usize],
                republish: counts.maintenance[Purpose::Republish as usize],
                learned: counts.learned,
                evicted: counts.evicted,
                expired: counts.expired,
                // Those of living runs, which `fill` knows.
                arrivals: 0,
                departures: 0,
                entries: None,
                stale: None,
                missing: None,
                records: None,
            };
            if let Some(living) = living {
                let last_us = (tick + 1) * tick_us - 1;
                let last_us = end_us.map_or(last_us, |end_us| end_us.min(last_us));
                self.fill(&mut made, last_us, counts.is_counted, shift, living);
            }
            row(made);
        }
    }

    /// Fills the columns of living runs of a tick that ends at `last_us`.
    fn fill(
        &mut self,
        row: &mut TickRow,
        last_us: u64,
        is_counted: bool,
        shift: Shift,
        living: Living,
    ) {
        let timelines = living.tables.timelines;
        if timelines.are_living() {
            row.online = timelines.online(last_us);
        }
        let counted_us = last_us.min(shift.until_us);
        let uncounted_us = self.uncounted_us.max(shift.from_us);
        if uncounted_us <= counted_us {
            let turnover = timelines.turnover(uncounted_us, counted_us);
            (row.arrivals, row.departures) = (turnover.arrivals, turnover.departures);
            self.uncounted_us = counted_us + 1;
        }
        if is_counted {
            let counted = self.counted.take();
            let counted = counted.unwrap_or_else(|| living.count(last_us));
            let freshness = counted.freshness;
            row.entries =
                (counted.tables > 0).then(|| freshness.entries as f64 / counted.tables as f64);
            row.stale = freshness.stale();
            row.missing = freshness.missing();
            row.records = counted.records;
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
