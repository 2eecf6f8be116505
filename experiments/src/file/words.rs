//! Enums of keys that take one of a few words. Enums of `engine` and `systems` have the words of the file themselves.

use std::fmt;

/// A fixed set of words of the file.
pub(super) trait Word: Copy + 'static {
    const ALL: &'static [Self];
    fn word(self) -> &'static str;
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        /// As the file spells it.
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.word())
            }
        }
    };
}

words! {
    /// Hash that makes a key from a peer id: `network.hash`.
    Hash {
        /// SHA-256, as of libp2p.
        Sha256 = "sha256",
        /// Keccak-256, as of Ethereum.
        Keccak256 = "keccak256",
    }
}

/// What the operations of a phase do: `kind`.
pub use kadsim_engine::record::Kind;
/// Which of a bucket's candidates bootstrapping keeps: `network.bootstrap`.
pub use kadsim_engine::routing::Policy;
/// How routing tables lie in memory: `engine.layout`. Never changes a result.
pub use kadsim_engine::routing::layout::LayoutKind as Layout;
/// When a lookup ends: `lookup.stop`. How a lookup schedules its contacts: `lookup.procedure`.
pub use kadsim_systems::rules::{Procedure, Stop};

/// Implements [`Word`] for enums of `engine` and `systems`.
macro_rules! words_of {
    ($($name:ident),+) => {
        $(impl Word for $name {
            const ALL: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        })+
    };
}

/// The state of nodes at the start: `churn.start`.
pub use kadsim_engine::presence::Start;
/// What a node that comes knows: `churn.join`. Whether a node that leaves keeps what it has: `churn.table`, `churn.records`.
pub use kadsim_engine::routing::{Join, OnLeaving};

words_of!(Layout, Policy, Procedure, Stop, Start, Join, OnLeaving);

words! {
    /// How routing tables follow who is online: `maintenance.rules`.
    RuleSet {
        /// They do not.
        None = "none",
        /// Full knowledge makes them anew at a period.
        Ideal = "ideal",
    }
}

/// What a phase does: `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhaseKind {
    /// It has operations of this kind.
    Operations(Kind),
    /// Time passes, without operations.
    Idle,
}

impl PhaseKind {
    /// Returns the kind of its operations, if it has any.
    pub fn operations(self) -> Option<Kind> {
        match self {
            Self::Operations(kind) => Some(kind),
            Self::Idle => None,
        }
    }
}

impl Word for PhaseKind {
    const ALL: &'static [Self] = &[
        Self::Operations(Kind::Provide),
        Self::Operations(Kind::Lookup),
        Self::Operations(Kind::Retrieve),
        Self::Idle,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Operations(kind) => kind.as_str(),
            Self::Idle => "idle",
        }
    }
}

/// As the file spells it.
impl fmt::Display for PhaseKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

words! {
    /// What is looked up: `keys`.
    Keys {
        /// Uniform keys.
        Random = "random",
        /// Keys of existing nodes, offline ones too.
        Nodes = "nodes",
        /// Keys of nodes that are online and answer when the operation is due.
        Online = "online",
    }
}

words! {
    /// Start of the time that a deadline allows: `deadline_from`.
    DeadlineFrom {
        /// When the operation is due.
        Due = "due",
        /// At the run's start: the clock of a slot.
        Run = "run",
    }
}

words! {
    /// Which segments an origin retrieves: `draw`.
    Draw {
        /// Without repetition.
        Distinct = "distinct",
        /// Each segment independent of the others.
        Independent = "independent",
        /// The same segments for all origins.
        Same = "same",
    }
}
