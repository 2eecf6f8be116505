//! Rows of phases in flight at the same time, released in the order of phases.
//!
//! Tables list the rows of one phase after those of another, so the rows of a later phase wait until the earlier phases
//! have ended. The rows of a phase that is alone never wait.

use std::collections::BTreeMap;

/// Rows that wait for earlier phases, by number of their phase.
#[derive(Debug)]
pub struct Turns<T> {
    phases: BTreeMap<u32, Turn<T>>,
}

#[derive(Debug)]
struct Turn<T> {
    rows: Vec<T>,
    is_over: bool,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            phases: BTreeMap::new(),
        }
    }
}

impl<T> Turns<T> {
    /// Begins a phase, for which the rows of later phases wait.
    pub fn begin(&mut self, phase: u32) {
        self.phases.entry(phase).or_insert_with(|| Turn {
            rows: Vec::new(),
            is_over: false,
        });
    }

    /// Adds a row of a phase that has begun.
    pub fn push(&mut self, phase: u32, row: T) {
        if let Some(turn) = self.phases.get_mut(&phase) {
            turn.rows.push(row);
        }
    }

    /// Ends a phase, to which no row is added any more.
    pub fn end(&mut self, phase: u32) {
        if let Some(turn) = self.phases.get_mut(&phase) {
            turn.is_over = true;
        }
    }

    /// Returns whether all earlier phases have ended and been taken, so that rows of this phase need not wait.
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
        let mut turns = Turns::default();
        let mut taken = Vec::new();
        [1, 2, 3].into_iter().for_each(|phase| turns.begin(phase));
        turns.push(3, 'a');
        turns.push(1, 'b');
        turns.push(2, 'c');
        turns.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(1, 'b')]);
        turns.end(3);
        turns.push(1, 'd');
        turns.end(1);
        turns.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(1, 'b'), (1, 'd'), (2, 'c')]);
        turns.end(2);
        turns.take(|phase, row| taken.push((phase, row)));
        assert_eq!(taken, [(1, 'b'), (1, 'd'), (2, 'c'), (3, 'a')]);
    }
}
