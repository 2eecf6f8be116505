//! Rows of phases in flight at the same time, released in the order of phases.
//!
//! Tables list the rows of one phase after those of another, so the rows of a later phase wait until the earlier phases
//! have ended. The rows of a phase that is alone never wait.

use std::collections::BTreeMap;

/// Rows that wait for those of earlier phases, by number of their phase.
#[derive(Debug)]
pub struct PhaseOrder<T> {
    phases: BTreeMap<u32, PhaseRows<T>>,
}

#[derive(Debug)]
struct PhaseRows<T> {
    rows: Vec<T>,
    is_over: bool,
}

impl<T> Default for PhaseOrder<T> {
    fn default() -> Self {
        Self {
            phases: BTreeMap::new(),
        }
    }
}

impl<T> PhaseOrder<T> {
    /// Begins a phase, for which the rows of later phases wait.
    pub fn begin(&mut self, phase: u32) {
        self.phases.entry(phase).or_insert_with(|| PhaseRows {
            rows: Vec::new(),
            is_over: false,
        });
    }

    /// Adds a row of a phase.
    ///
    /// # Panics
    ///
    /// If the phase has not begun.
    pub fn push(&mut self, phase: u32, row: T) {
        self.phase(phase).rows.push(row);
    }

    /// Ends a phase: no row of it follows the next [`PhaseOrder::take`].
    ///
    /// # Panics
    ///
    /// If the phase has not begun.
    pub fn end(&mut self, phase: u32) {
        self.phase(phase).is_over = true;
    }

    fn phase(&mut self, phase: u32) -> &mut PhaseRows<T> {
        let rows = self.phases.get_mut(&phase);
        rows.expect("a phase begins before its rows")
    }

    /// Returns whether all earlier phases have ended and their rows are taken, so that rows of this phase need not wait.
    pub fn is_first(&self, phase: u32) -> bool {
        self.phases
            .first_key_value()
            .is_some_and(|(&first, _)| first == phase)
    }

    /// Removes the rows that need not wait any more, and passes each with its phase to `taken`.
    pub fn take(&mut self, mut taken: impl FnMut(u32, T)) {
        while let Some(mut first) = self.phases.first_entry() {
            let phase = *first.key();
            first
                .get_mut()
                .rows
                .drain(..)
                .for_each(|row| taken(phase, row));
            if !first.get().is_over {
                return;
            }
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_later_phase_wait_for_those_of_the_earlier_ones() {
        let mut order = PhaseOrder::default();
        let mut taken = Vec::new();
        [1, 2, 3].into_iter().for_each(|phase| order.begin(phase));
        order.push(3, 'a');
        order.push(1, 'b');
        order.push(2, 'c');
        order.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(1, 'b')]);
        order.end(3);
        order.push(1, 'd');
        order.end(1);
        order.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(1, 'b'), (1, 'd'), (2, 'c')]);
        order.end(2);
        order.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(1, 'b'), (1, 'd'), (2, 'c'), (3, 'a')]);
    }
}
