//! The rules of maintenance.

use bevy_ecs::prelude::*;

use kadsim_engine::node::Row;
use kadsim_engine::routing::live::TableRules;

/// How nodes keep their routing tables.
///
/// [`Default`]: no table ever changes.
#[derive(Resource, Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Whether a node learns servers that ask it.
    pub learn_asker: bool,
    /// Whether a node learns those that answer it.
    pub learn_answerer: bool,
    /// Whether a node learns those that answers name.
    pub learn_named: bool,
    /// Whether a node pings an asker, or a node that an answer names, before it learns it.
    pub verify: bool,
    /// Whether a drawn error counts as a failure of the entry.
    pub errors_count: bool,
    /// Rules of the buckets.
    pub table: TableRules,
    /// Lookups that refresh buckets; `None` for none.
    pub refresh: Option<Refresh>,
    /// Pings that check entries; `None` for none.
    pub check: Option<Check>,
    /// What a node does when it comes.
    pub joining: Joining,
    /// Whether nodes know who is a client, and learn none.
    pub clients_known: bool,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            learn_asker: false,
            learn_answerer: false,
            learn_named: false,
            verify: false,
            errors_count: false,
            table: TableRules::DEFAULT,
            refresh: None,
            check: None,
            joining: Joining::default(),
            clients_known: true,
        }
    }
}

impl Maintenance {
    /// Returns whether idle buckets are refreshed.
    pub fn has_idle_refresh(&self) -> bool {
        matches!(
            self.refresh,
            Some(Refresh {
                what: Refreshed::Idle,
                ..
            })
        )
    }
}

/// Lookups that refresh buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Which keys are looked up.
    pub what: Refreshed,
    /// Period, µs, at least 1.
    pub every_us: u64,
    /// Whether a node looks up its own key too.
    pub own: bool,
}

/// Which keys a refresh looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// A key in the range of each bucket that has seen no lookup for a period.
    Idle,
    /// The own key, then a key in the range of each bucket, one after the other.
    All,
    /// The own key, then this many uniform keys.
    Random(u32),
}

/// Pings that check entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which entries are pinged.
    pub what: Checked,
    /// Period, µs, at least 1.
    pub every_us: u64,
}

/// Which entries a check pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// All that were last heard this long ago or earlier, at once.
    Idle {
        /// Time since the entry was last heard, µs.
        idle_us: u64,
    },
    /// The least recently heard of the table.
    Oldest,
    /// A random one of the table.
    Random,
}

/// What a node does when it comes, where it joins by protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Number of random online servers that a node without entries gets to know, at least 1.
    pub knows: u32,
    /// The nodes that a node without entries gets to know instead.
    pub known: Vec<Row>,
    /// What is looked up after the own key.
    pub refresh: JoinRefresh,
    /// Time after which a lookup of the own key that no node answered begins anew, µs, at least 1.
    pub retry_us: u64,
}

impl Joining {
    /// Default of [`Joining::retry_us`].
    pub const RETRY_US: u64 = 1_000_000;

    /// One random server, and all farther buckets.
    pub const DEFAULT: Self = Self {
        knows: 1,
        known: Vec::new(),
        refresh: JoinRefresh::Farther,
        retry_us: Self::RETRY_US,
    };
}

impl Default for Joining {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a node that joins looks up after its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinRefresh {
    /// A key in the range of each bucket before that of its closest entry.
    Farther,
    /// Nothing.
    Own,
    /// This many uniform keys.
    Random(u32),
}
