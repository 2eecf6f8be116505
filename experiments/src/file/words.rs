//! Enums of keys that take one of a few words. Enums of `engine` and `systems` have the words of the file themselves.

use std::fmt;

use kadsim_systems::maintenance::sets::{self, Protocol};

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
/// Which of its candidates a bucket keeps.
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
/// Which entries are evicted: `maintenance.evict`. Which replacement takes a place: `maintenance.replacement`.
pub use kadsim_engine::routing::live::{Evict, Replacement};
/// What a node that comes knows: `churn.join`. Whether a node that leaves keeps what it has: `churn.table`, `churn.records`.
pub use kadsim_engine::routing::{Join, OnLeaving};

words_of!(
    Layout,
    Procedure,
    Stop,
    Start,
    Join,
    OnLeaving,
    Evict,
    Replacement
);

words! {
    /// How routing tables follow who is online: `maintenance.rules`.
    RuleSet {
        /// They do not, unless other keys say how.
        None = "none",
        /// Full knowledge makes them anew at a period.
        Ideal = "ideal",
        /// By [`sets::KADEMLIA`].
        Kademlia = "kademlia",
        /// By [`sets::KADEMLIA_4_1`].
        Kademlia41 = "kademlia-4.1",
        /// By [`sets::LIBP2P`].
        Libp2p = "libp2p",
        /// By [`sets::DISCV5`].
        Discv5 = "discv5",
        /// By [`sets::MAINLINE`].
        Mainline = "mainline",
    }
}

impl RuleSet {
    /// Returns the parameters of a protocol, which are the defaults of many keys.
    pub fn protocol(self) -> Option<&'static Protocol> {
        match self {
            Self::None | Self::Ideal => None,
            Self::Kademlia => Some(&sets::KADEMLIA),
            Self::Kademlia41 => Some(&sets::KADEMLIA_4_1),
            Self::Libp2p => Some(&sets::LIBP2P),
            Self::Discv5 => Some(&sets::DISCV5),
            Self::Mainline => Some(&sets::MAINLINE),
        }
    }
}

words! {
    /// What nodes know at first: `network.bootstrap`.
    Bootstrap {
        /// Full knowledge; a bucket keeps the candidates closest to the owner.
        Closest = "closest",
        /// Full knowledge; a bucket keeps a sample of its candidates.
        Random = "random",
        /// What they have learned by joining one after the other.
        Joined = "joined",
    }
}

impl Bootstrap {
    /// Returns which candidates a bucket keeps where full knowledge gives a table.
    pub fn policy(self) -> Policy {
        match self {
            Self::Closest => Policy::Closest,
            Self::Random | Self::Joined => Policy::Random,
        }
    }
}

words! {
    /// What a full bucket does when its owner hears from a node that is not in it: `maintenance.full`.
    WhenFull {
        /// The node becomes a replacement.
        Keep = "keep",
        /// The least recently heard entry is pinged.
        PingOldest = "ping-oldest",
    }
}

words! {
    /// Which entries a check pings: `maintenance.check`.
    CheckWord {
        /// All that were not heard for some time.
        Idle = "idle",
        /// The least recently heard of the table.
        Oldest = "oldest",
        /// A random one of the table.
        Random = "random",
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
