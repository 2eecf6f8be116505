//! The rules of lookups: the experiment file's section `[lookup]`.

use std::fmt;

use bevy_ecs::prelude::*;

/// How lookups are run.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Contacts kept in flight, at least 1.
    pub alpha: u32,
    /// Nodes in a result, at least 1.
    pub beta: u32,
    /// Handled answers in a row without progress that end a lookup, at least 1.
    pub steps_to_stop: u32,
    /// When a lookup ends.
    pub stop: Stop,
    /// How contacts are scheduled.
    pub procedure: Procedure,
}

impl Default for Rules {
    /// The defaults of py-dht, with the procedure [`Procedure::Iterative`].
    fn default() -> Self {
        Self {
            alpha: 3,
            beta: 20,
            steps_to_stop: 3,
            stop: Stop::NoProgress,
            procedure: Procedure::Iterative,
        }
    }
}

/// When a lookup ends, besides having no node left to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Stop {
    /// After `steps_to_stop` answers in a row without progress (py-dht).
    #[default]
    NoProgress,
    /// When the beta closest known nodes have all answered (libp2p; Maymounkov and Mazières, section 2.3).
    ClosestAnswered,
}

impl Stop {
    /// All stop rules.
    pub const ALL: [Self; 2] = [Self::NoProgress, Self::ClosestAnswered];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoProgress => "no-progress",
            Self::ClosestAnswered => "closest-answered",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How a lookup schedules its contacts; see [`crate::lookup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Procedure {
    /// Keeps alpha contacts in flight and handles them in the order of completion.
    #[default]
    Iterative,
    /// Schedules as py-dht does, to compare with results published from it.
    PyDht,
    /// Walks in rounds as ProbeLab's RFM 19.1 does to count hops, to compare with its published results.
    Rfm19,
}

impl Procedure {
    /// All procedures.
    pub const ALL: [Self; 3] = [Self::Iterative, Self::PyDht, Self::Rfm19];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iterative => "iterative",
            Self::PyDht => "py-dht",
            Self::Rfm19 => "rfm19",
        }
    }

    /// Returns whether contacts are handled at the time they complete: "by the clock".
    #[inline]
    pub fn is_by_clock(self) -> bool {
        match self {
            Self::Iterative | Self::Rfm19 => true,
            Self::PyDht => false,
        }
    }
}

impl fmt::Display for Procedure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
