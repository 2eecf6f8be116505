//! The window of time that a step covers, and how operations go through it.

use bevy_ecs::prelude::*;

use kadsim_engine::link::Links;
use kadsim_engine::operation::Operation;

use crate::recording::Recording;
use crate::rules::Rules;

/// How operations go through time. It follows from what they share and never changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Execution {
    /// Side by side, window by window, because overhead is charged or connections are recorded in the order of time, and traffic
    /// changes nothing that nodes hold.
    #[default]
    Windowed,
    /// Each from start to end in one step, many in parallel, in any order. Operations share nothing but segments.
    Whole,
    /// Each from start to end in one step, one after the other in the order of (start, number): under py-dht's procedure,
    /// if overhead is charged or connections are recorded.
    Sequential,
    /// As events by node, window by window, because traffic changes what nodes hold.
    Events,
}

impl Execution {
    /// Returns how operations under these rules go through time. `as_events` says whether the network has nodes whose events
    /// are kept.
    pub fn of(rules: &Rules, recording: &Recording, links: &Links, as_events: bool) -> Self {
        if as_events {
            Self::Events
        } else if !links.is_charged() && !recording.connections {
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
    /// How operations go through the window.
    pub execution: Execution,
    /// The first microsecond.
    pub from_us: u64,
    /// The microsecond after the last. Events from then on are handled in a later step.
    pub until_us: u64,
    /// Operations that start at this time or later wait for a later step.
    pub starts_us: u64,
    /// The time before which nothing more happens: the end of the window or, if operations run from start to end in one
    /// step, the start of the next one.
    pub final_us: u64,
    /// Length of a row of the ticks table.
    pub tick_us: u64,
    /// Whether the window takes another round, because operations that ended let others start in it.
    pub again: bool,
}

impl Window {
    /// Returns the time, µs, up to which an operation goes on in this window: its end or the operation's cut-off.
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
        Execution::of(&rules, &recording, &links, false)
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
