//! Rows of the ticks table against the rows of operations and connections.

use std::collections::BTreeMap;

use kadsim_engine::operation::Ending;
use kadsim_engine::record::{OperationRow, Outcome, Request};
use kadsim_systems::Network;

use super::case::Case;
use crate::properties::reference::{Phase, Reference};

/// What a tick must count.
#[derive(Default)]
struct Counts {
    started: u64,
    finished: u64,
    broken_off: u64,
    stored: u64,
    found: u64,
    missed: u64,
    /// Connections, by outcome.
    outcomes: [u64; Outcome::ALL.len()],
    durations_us: Vec<u64>,
}

impl Counts {
    /// Returns the nearest-rank 50th, 90th and 99th percentile of the durations.
    fn percentiles(mut self) -> Option<[u64; 3]> {
        self.durations_us.sort_unstable();
        let count = self.durations_us.len();
        let rank = |percent: usize| self.durations_us[(count * percent).div_ceil(100) - 1];
        (count > 0).then(|| [50, 90, 99].map(rank))
    }
}

/// Counts the operations and connections of a phase, by tick.
fn count(
    case: &Case,
    operations: &[&OperationRow],
    reference: &Reference,
    phase: &Phase,
) -> BTreeMap<u64, Counts> {
    let mut ticks = BTreeMap::<u64, Counts>::new();
    let mut at = |time_us: u64, count: &dyn Fn(&mut Counts)| {
        count(ticks.entry(time_us / case.tick_us).or_default());
    };
    for row in operations {
        at(row.start_us, &|tick| tick.started += 1);
        let Some(end_us) = row.end_us else {
            let cut_us = phase
                .cut_us
                .expect("only a cut leaves an operation without an end");
            at(cut_us, &|tick| tick.broken_off += 1);
            continue;
        };
        if row.ending != Ending::Done {
            at(end_us, &|tick| tick.broken_off += 1);
            continue;
        }
        at(end_us, &|tick| {
            tick.finished += 1;
            tick.found += u64::from(row.found == Some(true));
            tick.missed += u64::from(row.found == Some(false));
            tick.durations_us.push(end_us - row.start_us);
        });
    }
    for &(number, time_us) in &reference.own_stores {
        if number == phase.number {
            at(time_us, &|tick| tick.stored += 1);
        }
    }
    let connections = reference.connections.iter();
    for row in connections.filter(|row| row.phase == phase.number) {
        let is_stored = row.request == Request::Store && row.outcome == Outcome::Ok;
        at(row.time_us, &|tick| {
            tick.stored += u64::from(is_stored);
            tick.outcomes[row.outcome as usize] += 1;
        });
    }
    ticks
}

/// Asserts that the ticks of a phase are in order and count exactly its operations and connections.
pub fn assert_ticks(case: &Case, network: &mut Network, reference: &Reference, phase: &Phase) {
    let network_online = network.online();
    let recorded = network.recorded();
    let operations = recorded.operations.iter();
    let operations: Vec<&OperationRow> =
        operations.filter(|row| row.phase == phase.number).collect();
    for row in &operations {
        let handled = row.succeeded + row.failed;
        let counts = (row.attempts, row.completed);
        assert_eq!(
            counts,
            (handled + row.abandoned, handled),
            "{case:?}: {row:?}"
        );
    }
    let is_recorded = reference.records_life;
    let end = reference.ends.iter().find(|end| end.number == phase.number);
    let end_us = end.unwrap().end_us;
    let mut expected = count(case, &operations, reference, phase);
    let (mut last, mut active) = (None, 0);
    let ticks = recorded.ticks.iter();
    for tick in ticks.filter(|tick| tick.phase == phase.number) {
        let at = (&case, phase.number, tick);
        assert!(last < Some(tick.tick), "{at:?}: ticks in order, each once");
        last = Some(tick.tick);
        let counts = expected.remove(&tick.tick).unwrap_or_default();
        active = active + counts.started - counts.finished - counts.broken_off;
        assert_eq!(tick.time_us, tick.tick * case.tick_us, "{at:?}");
        let last_us = (tick.tick + 1) * case.tick_us - 1;
        if !is_recorded {
            assert_eq!(tick.online, network_online, "{at:?}");
        } else if last_us <= end_us {
            let nodes = 0..reference.keys.len();
            let online = nodes.filter(|&node| reference.is_online(node, last_us));
            assert_eq!(tick.online, online.count() as u64, "{at:?}");
        }
        assert_eq!(tick.late, counts.outcomes[Outcome::Late as usize], "{at:?}");
        assert_eq!(
            [tick.started, tick.finished, tick.active],
            [counts.started, counts.finished, active],
            "{at:?}"
        );
        assert_eq!(
            [tick.stored, tick.found, tick.missed],
            [counts.stored, counts.found, counts.missed],
            "{at:?}"
        );
        let outcomes = [tick.ok, tick.fast_error, tick.slow_error, tick.not_found];
        let expected = &counts.outcomes[..4];
        assert_eq!(outcomes, *expected, "{at:?}: connections by outcome");
        let connections = counts.outcomes.iter().sum::<u64>();
        assert_eq!(tick.connections, connections, "{at:?}");
        assert_eq!(tick.duration_us, counts.percentiles(), "{at:?}");
    }
    // Later ticks count what goes on until the next phase starts.
    if operations.iter().any(|row| row.end_us.is_none()) && !is_recorded {
        let cut_tick = phase.cut_us.map(|cut_us| cut_us / case.tick_us);
        assert_eq!(
            last, cut_tick,
            "{case:?}, phase {}: a tick of the cut",
            phase.number
        );
    }
    let missing: Vec<&u64> = expected.keys().collect();
    assert!(
        missing.is_empty(),
        "{case:?}, phase {}: no rows of ticks {missing:?}",
        phase.number
    );
}
