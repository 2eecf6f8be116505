//! Counts of operations and connections, by tick of the clock.

use std::collections::BTreeMap;

use kadsim_engine::record::{Outcome, Purpose};

use crate::window::Window;

/// What happened in a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickCounts {
    /// Operations that started.
    pub started: u64,
    /// Connections sent, by [`Outcome`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Stores sent that will succeed.
    pub stored: u64,
    /// Retrieves that ended with the value.
    pub found: u64,
    /// Retrieves that ended without the value.
    pub missed: u64,
    /// Operations that were cut off, or whose origin left or was offline.
    pub broken_off: u64,
    /// Whether routing tables are counted at its end.
    pub is_counted: bool,
    /// Contacts of maintenance sent, by [`Purpose`].
    pub maintenance: [u64; Purpose::ALL.len()],
    /// Contacts of maintenance sent that will fail.
    pub maintenance_failed: u64,
    /// Entries appended to buckets.
    pub learned: u64,
    /// Entries removed from buckets of nodes that stay.
    pub evicted: u64,
    /// Records that have expired.
    pub expired: u64,
    /// Durations of the operations that ended, µs, in no order.
    pub durations_us: Vec<u64>,
}

impl TickCounts {
    /// Sets all counts to zero, keeping the memory.
    fn clear(&mut self) {
        let mut durations_us = std::mem::take(&mut self.durations_us);
        durations_us.clear();
        *self = TickCounts {
            durations_us,
            ..TickCounts::default()
        };
    }

    /// Adds the counts of another part of the same tick, and takes its durations.
    pub fn add(&mut self, other: &mut TickCounts) {
        // A new count does not compile before it is added here.
        let TickCounts {
            started,
            outcomes,
            stored,
            found,
            missed,
            broken_off,
            is_counted,
            maintenance,
            maintenance_failed,
            learned,
            evicted,
            expired,
            durations_us,
        } = other;
        let add_all = |sums: &mut [u64], counts: &[u64]| {
            sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
        };
        self.started += *started;
        add_all(&mut self.outcomes, outcomes);
        self.stored += *stored;
        self.found += *found;
        self.missed += *missed;
        self.broken_off += *broken_off;
        self.is_counted |= *is_counted;
        add_all(&mut self.maintenance, maintenance);
        self.maintenance_failed += *maintenance_failed;
        self.learned += *learned;
        self.evicted += *evicted;
        self.expired += *expired;
        self.durations_us.append(durations_us);
    }
}

/// Counts by tick of a window. The first ticks lie in an array, later ones in a map.
#[derive(Default)]
pub struct Ticks {
    tick_us: u64,
    first: u64,
    near: Vec<TickCounts>,
    /// Ticks of the array that this window has reached.
    used: usize,
    far: BTreeMap<u64, TickCounts>,
}

impl Ticks {
    /// Most ticks in the array.
    const NEAR: usize = 1024;

    /// Sets all counts to zero and begins a window.
    pub fn open(&mut self, window: &Window) {
        self.tick_us = window.tick_us;
        self.first = window.from_us / window.tick_us;
        self.near[..self.used]
            .iter_mut()
            .for_each(TickCounts::clear);
        self.used = 0;
        self.far.clear();
    }

    /// Returns the counts of the tick in which `time_us` lies, which must not be before the window.
    #[inline]
    pub fn at(&mut self, time_us: u64) -> &mut TickCounts {
        let tick = time_us / self.tick_us;
        let index = (tick - self.first) as usize;
        if index >= Self::NEAR {
            return self.far.entry(tick).or_default();
        }
        if index >= self.used {
            self.used = index + 1;
            if index >= self.near.len() {
                self.near.resize_with(index + 1, TickCounts::default);
            }
        }
        &mut self.near[index]
    }

    /// Returns each tick in which something happened, in the order of time.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut TickCounts)> {
        let near = (self.first..).zip(&mut self.near[..self.used]);
        let far = self.far.iter_mut().map(|(&tick, counts)| (tick, counts));
        near.chain(far)
            .filter(|(_, counts)| **counts != TickCounts::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_ticks_come_in_the_order_of_time() {
        let window = Window {
            from_us: 25,
            tick_us: 10,
            ..Window::default()
        };
        let mut ticks = Ticks::default();
        ticks.open(&window);
        for time_us in [25, 10 * 5000 + 3, 41, 29] {
            ticks.at(time_us).started += 1;
        }
        let counted = |ticks: &mut Ticks| -> Vec<(u64, u64)> {
            let each = ticks
                .iter_mut()
                .map(|(tick, counts)| (tick, counts.started));
            each.collect()
        };
        assert_eq!(counted(&mut ticks), [(2, 2), (4, 1), (5000, 1)]);
        ticks.open(&window);
        assert_eq!(counted(&mut ticks), []);
    }
}
