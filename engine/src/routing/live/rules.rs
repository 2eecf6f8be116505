//! What a bucket does when its owner hears from a node, or a node fails.

use std::fmt;

/// Rules of the buckets of every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRules {
    /// What a full bucket does when its owner hears from a node that is not in it.
    pub full: Full,
    /// Most replacements that a bucket keeps.
    pub replacements: u8,
    /// Which replacement takes the place of an entry that is evicted.
    pub replacement: Replacement,
    /// Failures in a row after which an entry may be evicted, 1 to [`TableRules::FAILURES_MAX`]; `None`: never.
    pub evict_after: Option<u8>,
    /// Which of these entries are evicted when they fail.
    pub evict: Evict,
    /// Whether an answer names entries whose last contact failed.
    pub names_failed: bool,
}

impl TableRules {
    /// Most failures in a row that an entry counts.
    pub const FAILURES_MAX: u8 = 31;

    /// Buckets that never change: nothing is evicted.
    pub const DEFAULT: Self = Self {
        full: Full::Keep,
        replacements: 0,
        replacement: Replacement::Newest,
        evict_after: None,
        evict: Evict::Always,
        names_failed: true,
    };
}

impl Default for TableRules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a full bucket does when its owner hears from a node that is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The node becomes a replacement.
    Keep,
    /// The least recently heard entry is pinged if it was last heard this long ago or earlier, µs, and the node waits for
    /// the outcome (Maymounkov and Mazières, section 2.2).
    PingOldest {
        /// Time since the entry was last heard, µs.
        idle_us: u64,
    },
}

/// Which replacement takes the place of an entry that is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Replacement {
    /// The one heard last.
    #[default]
    Newest,
    /// A random one (geth, `p2p/discover/table.go`).
    Random,
}

impl Replacement {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Newest, Self::Random];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Random => "random",
        }
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Which entries with [`TableRules::evict_after`] failures are evicted when they fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Evict {
    /// All of them.
    #[default]
    Always,
    /// Those for which there is a replacement (Maymounkov and Mazières, section 4.1).
    Replaced,
}

impl Evict {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Always, Self::Replaced];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for Evict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
