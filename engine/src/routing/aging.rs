//! How tables that no traffic changes follow who is online: each is what full knowledge gave at an instant of the past.

use std::fmt;

use crate::key::Key;
use crate::population::Owner;
use crate::presence::{Since, Timelines};
use crate::random::{Purpose, Stream};

/// What a node that comes knows at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Join {
    /// The table that full knowledge gives at that instant.
    #[default]
    Ideal,
    /// What it knew when it left.
    None,
    /// What it learns by lookups after it has come, from nodes that it knows.
    Protocol,
}

impl Join {
    /// Every way to join.
    pub const ALL: [Self; 3] = [Self::Ideal, Self::None, Self::Protocol];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ideal => "ideal",
            Self::None => "none",
            Self::Protocol => "protocol",
        }
    }
}

impl fmt::Display for Join {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Whether a node that leaves keeps its table, or its records, for its next session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnLeaving {
    /// The node has them in its next session.
    #[default]
    Kept,
    /// They are gone.
    Lost,
}

impl OnLeaving {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Kept, Self::Lost];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for OnLeaving {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// When tables are made anew from full knowledge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aging {
    /// What a node that comes knows at first.
    pub join: Join,
    /// Whether a node has its table in its next session.
    pub table: OnLeaving,
    /// Period of renewals, µs; `None` for none. A node that is online at the start begins at a random phase of it, one that
    /// comes a period after it has come.
    pub renewal_us: Option<u64>,
}

/// When a table was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// At the bootstrap, before any change.
    Bootstrap,
    /// At this time, µs, changes of that moment included.
    At(u64),
    /// Never: it is empty.
    Never,
}

impl Aging {
    /// Returns when the table was made that a node has at `at_us`; never, if it is offline then. Renewals due before
    /// `renewals_us`, which is `at_us` or one more, have been made.
    pub fn made(&self, timelines: &Timelines, owner: Owner, at_us: u64, renewals_us: u64) -> Made {
        let (row, key) = (owner.row, owner.key);
        let Some(since) = timelines.since(row, key, at_us) else {
            return Made::Never;
        };
        let renewed = |first_us: u64, period_us: u64| {
            let last_us = renewals_us.checked_sub(1)?;
            let passed_us = last_us.checked_sub(first_us)?;
            Some(Made::At(last_us - passed_us % period_us))
        };
        let Since::Came(came_us) = since else {
            let renewed = self.renewal_us.and_then(|period_us| {
                let phase_us = self.phase_us(timelines.network_seed(), key, period_us);
                renewed(phase_us, period_us)
            });
            return renewed.unwrap_or(Made::Bootstrap);
        };
        if let Some(period_us) = self.renewal_us
            && let Some(made) = renewed(came_us.saturating_add(period_us), period_us)
        {
            return made;
        }
        match (self.join, self.table) {
            (Join::Ideal, _) => Made::At(came_us),
            (Join::None | Join::Protocol, OnLeaving::Lost) => Made::Never,
            (Join::None | Join::Protocol, OnLeaving::Kept) => {
                self.made_before(timelines, owner, came_us)
            }
        }
    }

    /// Returns when the table was made that a node brings from its earlier sessions.
    fn made_before(&self, timelines: &Timelines, owner: Owner, came_us: u64) -> Made {
        match timelines.last_session_end_us(owner.row, owner.key, came_us) {
            // A node that leaves makes nothing anew at that moment.
            Some(left_us) if left_us > 0 && self.renewal_us.is_some() => {
                self.made(timelines, owner, left_us - 1, left_us)
            }
            Some(_) if timelines.is_online_at_start(owner.row) => Made::Bootstrap,
            _ => Made::Never,
        }
    }

    fn phase_us(&self, network_seed: u64, key: Key, period_us: u64) -> u64 {
        Stream::new(network_seed, Purpose::TimerPhase, key.0, 0).below(period_us)
    }
}
