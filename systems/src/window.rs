//! The window of time that a step covers, and how operations go through it.

use bevy_ecs::prelude::*;

use kadsim_engine::link::Links;
use kadsim_engine::operation::Operation;

use crate::recording::Recording;
use crate::rules::Rules;

/// How operations go through time. It follows from what they share and never changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Execution {
    /// Side by side, window by window. Overhead is charged or connections are recorded, both in the order of time.
    #[default]
    Windowed,
    /// Each at once from start to end, many in parallel, in any order. They share nothing but segments.
    Whole,
    /// Each at once from start to end, one after the other in the order of (start, number): by py-dht's procedure,
    /// where overhead is charged or connections are recorded.
    Sequential,
}

impl Execution {
    /// Returns how operations under these rules go through time.
    pub fn of(rules: &Rules, recording: &Recording, links: &Links) -> Self {
        if !links.is_charged() && !recording.connections {
            Self::Whole
        } else if rules.procedure.is_by_clock() {
            Self::Windowed
        } else {
            Self::Sequential
        }
    }
}

/// The window of time that is being simulated, µs.
///
/// A window may take several rounds of starting and advancing operations, because one that ends may let another of the
/// same origin start. The barrier and the record stage run once, in the last round.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct Window {
    /// How operations go through it.
    pub execution: Execution,
    /// Its first microsecond.
    pub from_us: u64,
    /// The microsecond after its last: no event is handled from then on.
    pub until_us: u64,
    /// Operations that start from then on wait for a later step.
    pub starts_us: u64,
    /// Nothing more happens before this time: the end of the window or, where operations go through time whole, the
    /// start of the next one.
    pub settled_us: u64,
    /// Length of a row of the ticks table.
    pub tick_us: u64,
    /// Whether operations that have ended let others start in the same window.
    pub again: bool,
}

impl Window {
    /// Returns until when an operation goes on in this window, µs.
    #[inline]
    pub fn until_us(&self, operation: &Operation) -> u64 {
        self.until_us.min(operation.until_us)
    }

    /// Returns whether this round is the last of the window.
    pub fn is_last_round(&self) -> bool {
        !self.again
    }
}

#[cfg(test)]
mod tests {
    use kadsim_engine::link::UniformLink;

    use super::*;
    use crate::rules::Procedure;

    fn execution(procedure: Procedure, overhead_us: u64, connections: bool) -> Execution {
        let rules = Rules {
            procedure,
            ..Rules::default()
        };
        let recording = Recording {
            connections,
            ..Recording::default()
        };
        let links = Links {
            link: Box::new(UniformLink::default()),
            overhead_us,
        };
        Execution::of(&rules, &recording, &links)
    }

    #[test]
    fn operations_that_share_nothing_run_whole() {
        for procedure in Procedure::ALL {
            assert_eq!(execution(procedure, 0, false), Execution::Whole);
        }
    }

    #[test]
    fn operations_that_share_something_run_in_the_order_of_time() {
        for (overhead_us, connections) in [(1, false), (0, true), (1, true)] {
            let execution = |procedure| execution(procedure, overhead_us, connections);
            assert_eq!(execution(Procedure::Iterative), Execution::Windowed);
            assert_eq!(execution(Procedure::Rfm19), Execution::Windowed);
            assert_eq!(execution(Procedure::PyDht), Execution::Sequential);
        }
    }

    #[test]
    fn an_operation_goes_on_until_the_window_ends_or_it_is_cut_off() {
        let window = Window {
            until_us: 10,
            ..Window::default()
        };
        let until_us = |until_us| {
            window.until_us(&Operation {
                until_us,
                ..Operation::default()
            })
        };
        assert_eq!((until_us(7), until_us(u64::MAX)), (7, 10));
    }
}
