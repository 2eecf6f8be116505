//! Rows of phases in flight at the same time, released in the order in which the phases have begun.
//!
//! Tables list the rows of one phase after those of another, so the rows of a later phase wait until the earlier phases
//! have ended. The rows of a phase that is alone never wait.

use std::collections::VecDeque;

/// Rows that wait for those of earlier phases.
#[derive(Debug)]
pub struct PhaseOrder<T> {
    /// In the order in which they have begun.
    phases: VecDeque<PhaseRows<T>>,
}

#[derive(Debug)]
struct PhaseRows<T> {
    number: u32,
    rows: Vec<T>,
    is_over: bool,
}

impl<T> Default for PhaseOrder<T> {
    fn default() -> Self {
        Self {
            phases: VecDeque::new(),
        }
    }
}

impl<T> PhaseOrder<T> {
    /// Begins a phase, for which the rows of later phases wait.
    pub fn begin(&mut self, phase: u32) {
        if self.phases.iter().all(|begun| begun.number != phase) {
            self.phases.push_back(PhaseRows {
                number: phase,
                rows: Vec::new(),
                is_over: false,
            });
        }
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
        let rows = self.phases.iter_mut().find(|begun| begun.number == phase);
        rows.expect("a phase begins before its rows")
    }

    /// Returns whether all earlier phases have ended and their rows are taken, so that rows of this phase need not wait.
    pub fn is_first(&self, phase: u32) -> bool {
        let first = self.phases.front();
        first.is_some_and(|first| first.number == phase)
    }

    /// Removes the rows that need not wait any more, and passes each with its phase to `taken`.
    pub fn take(&mut self, mut taken: impl FnMut(u32, T)) {
        while let Some(first) = self.phases.front_mut() {
            let phase = first.number;
            first.rows.drain(..).for_each(|row| taken(phase, row));
            if !first.is_over {
                return;
            }
            self.phases.pop_front();
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
        [7, 2, 3].into_iter().for_each(|phase| order.begin(phase));
        order.push(3, 'a');
        order.push(7, 'b');
        order.push(2, 'c');
        order.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(7, 'b')]);
        order.end(3);
        order.push(7, 'd');
        order.end(7);
        order.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(7, 'b'), (7, 'd'), (2, 'c')]);
        order.end(2);
        order.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(7, 'b'), (7, 'd'), (2, 'c'), (3, 'a')]);
    }
}
