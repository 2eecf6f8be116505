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
