//! The rules of lookups: the experiment file's section `[lookup]`.

use std::fmt;

use bevy_ecs::prelude::*;

/// How lookups are run.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Contacts kept in flight, at least 1.
    pub alpha: u32,
    /// Nodes in a result, at least 1; under [`Stop::ClosestAnswered`] also the closest nodes that have to answer. Under
    /// [`Stop::FollowUp`] only these; a result has k nodes.
    pub beta: u32,
    /// Handled answers in a row without progress that end a lookup, at least 1.
    pub steps_to_stop: u32,
    /// When a lookup ends.
    pub stop: Stop,
    /// How contacts are scheduled.
    pub procedure: Procedure,
    /// Time in flight after which a contact *stalls*, µs, above 0; `None`: never. A contact that has stalled does not count in
    /// alpha, so the lookup sends another one. For [`Procedure::Iterative`].
    pub stall_us: Option<u64>,
}

impl Rules {
    /// The defaults of py-dht, with the procedure [`Procedure::Iterative`].
    pub const DEFAULT: Self = Self {
        alpha: 3,
        beta: 20,
        steps_to_stop: 3,
        stop: Stop::NoProgress,
        procedure: Procedure::Iterative,
        stall_us: None,
    };

    /// Returns the rules of lookups of maintenance where buckets have at most `k` entries: the k closest nodes have to answer.
    /// All else is as for users.
    pub fn of_maintenance(&self, k: u8) -> Self {
        Self {
            alpha: self.alpha,
            beta: k.into(),
            steps_to_stop: self.steps_to_stop,
            stop: Stop::ClosestAnswered,
            procedure: self.procedure,
            stall_us: self.stall_us,
        }
    }

    /// Returns the number of nodes in a result where buckets have at most `k` entries.
    #[inline]
    pub fn results(&self, k: u8) -> u32 {
        match self.stop {
            Stop::NoProgress | Stop::ClosestAnswered => self.beta,
            Stop::FollowUp => k.into(),
        }
    }

    /// Returns the most contacts of a lookup that are in flight at the same time where buckets have at most `k` entries, those
    /// that have stalled left out.
    pub fn most_in_flight(&self, k: u8) -> u32 {
        match self.procedure {
            Procedure::Iterative | Procedure::PyDht => match self.stop {
                Stop::NoProgress | Stop::ClosestAnswered => self.alpha,
                Stop::FollowUp => self.alpha + u32::from(k),
            },
            Procedure::Rfm19 => self.alpha.max(self.beta),
        }
    }

    /// Returns whether a lookup can end when it starts, in a network of `others` nodes beside the origin.
    pub fn can_end_at_once(&self, others: u32) -> bool {
        match self.procedure {
            Procedure::Iterative => others == 0,
            // Contacts that are still in flight cost nothing.
            Procedure::PyDht => others < self.alpha,
            // The origin may be one of the closest nodes.
            Procedure::Rfm19 => true,
        }
    }

    /// Returns the number of answers near the key with which a lookup ends, where buckets have at most `k` entries.
    pub fn last_answers(&self, k: u8) -> u32 {
        match self.procedure {
            Procedure::Iterative | Procedure::PyDht | Procedure::Rfm19 => match self.stop {
                Stop::NoProgress => self.steps_to_stop,
                Stop::ClosestAnswered | Stop::FollowUp => self.results(k),
            },
        }
    }

    /// Estimates the contacts of a lookup that comes near its key in `hops` hops, where buckets have at most `k` entries.
    pub fn contacts(&self, hops: f64, k: u8) -> f64 {
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        let last = f64::from(self.last_answers(k));
        match self.procedure {
            Procedure::Iterative | Procedure::PyDht => alpha * hops + last,
            Procedure::Rfm19 => alpha + beta * (hops - 1.0),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// When a lookup ends, besides having no node left to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Stop {
    /// After `steps_to_stop` answers in a row without progress (py-dht).
    #[default]
    NoProgress,
    /// When the beta closest known nodes have all answered (Maymounkov and Mazières, section 2.3).
    ClosestAnswered,
    /// When the beta closest known nodes have answered, the lookup contacts all of the k closest that it has not, at once. It
    /// ends when each of the k closest has answered or failed (go-libp2p-kad-dht, `query.go`, `runLookupWithFollowup`).
    ///
    /// Stated differences: nodes that fail in the follow-up are not in the result, and a contact in flight to one of the k
    /// closest is awaited. libp2p keeps the former, and cancels the latter to ask again.
    FollowUp,
}

impl Stop {
    /// All stop rules.
    pub const ALL: [Self; 3] = [Self::NoProgress, Self::ClosestAnswered, Self::FollowUp];

    /// Returns the default of [`Rules::beta`] where a result has `results` nodes: all of them, or 3 under [`Stop::FollowUp`]
    /// (go-libp2p-kad-dht, `amino/defaults.go`).
    pub const fn default_beta(self, results: u32) -> u32 {
        match self {
            Self::NoProgress | Self::ClosestAnswered => results,
            Self::FollowUp => 3,
        }
    }

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoProgress => "no-progress",
            Self::ClosestAnswered => "closest-answered",
            Self::FollowUp => "followup",
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

    /// Returns whether a lookup can have this stop rule.
    pub fn allows(self, stop: Stop) -> bool {
        match self {
            Self::Iterative => true,
            Self::PyDht | Self::Rfm19 => stop == Stop::NoProgress,
        }
    }

    /// Returns whether contacts can stall.
    pub fn allows_stalls(self) -> bool {
        match self {
            Self::Iterative => true,
            Self::PyDht | Self::Rfm19 => false,
        }
    }

    /// Returns whether lookups can run as events by node.
    pub fn allows_events(self) -> bool {
        match self {
            Self::Iterative => true,
            Self::PyDht | Self::Rfm19 => false,
        }
    }

    /// Returns whether answers without progress end a lookup by [`Stop::NoProgress`].
    pub fn counts_steps(self) -> bool {
        match self {
            Self::Iterative | Self::PyDht => true,
            Self::Rfm19 => false,
        }
    }

    /// Returns whether nodes are asked for a bucket of their tables, not for their entries closest to the key.
    pub fn asks_for_buckets(self) -> bool {
        match self {
            Self::Iterative | Self::PyDht => false,
            Self::Rfm19 => true,
        }
    }
}

impl fmt::Display for Procedure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
