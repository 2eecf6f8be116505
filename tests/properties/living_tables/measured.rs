//! What a phase of lookups measures.

use kadsim_engine::operation::Ending;
use kadsim_engine::record::OperationRow;

use crate::properties::reference::Reference;
use crate::properties::reference::live::LiveReference;
use crate::properties::reference::live::recording::TickCounts;

/// Means over a phase.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub stale: f64,
    pub missing: f64,
    pub recall: f64,
    pub attempts: f64,
    pub failed: f64,
    pub ms: f64,
    /// Contacts per online node and second.
    pub refresh: f64,
    pub join: f64,
    pub check: f64,
    pub comings_per_s: f64,
    pub contacts_of_a_join: f64,
}

impl Measured {
    /// Returns the figures in the order of the published table.
    pub fn figures(&self) -> [f64; 10] {
        let maintenance = self.refresh + self.join + self.check;
        [
            self.stale,
            self.missing,
            self.recall,
            self.attempts,
            self.failed,
            self.ms,
            self.refresh,
            self.join,
            self.check,
            maintenance,
        ]
    }

    /// Measures the last phase that was run.
    pub fn of_last_phase(live: &LiveReference) -> Self {
        let end = &live.base.ends.last().unwrap();
        let (number, end_us) = (end.number, end.end_us);
        let start_us = live.start_us(number);
        let ticks = live.ticks.iter().filter(|((phase, _), _)| *phase == number);
        let mut sum = TickCounts::default();
        ticks.clone().for_each(|(_, tick)| sum.add(tick));
        let counted: Vec<_> = ticks.filter_map(|(_, tick)| tick.tables).collect();
        let over_time = |of: &dyn Fn(&kadsim_engine::routing::Freshness) -> Option<f64>| {
            mean(counted.iter().filter_map(|(_, tables)| of(tables)))
        };
        let comings = comings(&live.base, start_us, end_us) as f64;
        let node_s = online_s(&live.base, start_us, end_us);
        let done = live.base.operations.iter();
        let done: Vec<&OperationRow> = done.filter(|row| row.ending == Ending::Done).collect();
        let over_rows =
            |of: &dyn Fn(&OperationRow) -> Option<f64>| mean(done.iter().filter_map(|row| of(row)));
        Self {
            stale: over_time(&|tables| tables.stale()),
            missing: over_time(&|tables| tables.missing()),
            recall: over_rows(&|row| row.recall.map(f64::from)),
            attempts: over_rows(&|row| Some(f64::from(row.attempts))),
            failed: over_rows(&|row| Some(f64::from(row.failed))),
            ms: over_rows(&|row| row.duration_us().map(|us| us as f64 / 1e3)),
            refresh: sum.refresh as f64 / node_s,
            join: sum.join as f64 / node_s,
            check: sum.check as f64 / node_s,
            comings_per_s: comings / ((end_us - start_us) as f64 / 1e6),
            contacts_of_a_join: sum.join as f64 / comings,
        }
    }
}

/// Returns the mean, NaN of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / f64::from(count)
}

/// Returns how often nodes came in an interval.
fn comings(reference: &Reference, from_us: u64, until_us: u64) -> usize {
    let stays = reference.stays.iter().flatten();
    let came = stays.filter_map(|stay| stay.from_us);
    came.filter(|came_us| (from_us..until_us).contains(came_us))
        .count()
}

/// Returns how long nodes were online in an interval, seconds, summed over all.
fn online_s(reference: &Reference, from_us: u64, until_us: u64) -> f64 {
    let stays = reference.stays.iter().flatten();
    let online_us = stays.map(|stay| {
        let until_us = stay.until_us.min(until_us);
        until_us.saturating_sub(stay.begins_us().max(from_us))
    });
    online_us.sum::<u64>() as f64 / 1e6
}
