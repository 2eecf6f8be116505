//! Events: what happens at a node.
//!
//! An event touches one node only. What it causes at another node is a message, which takes at least one delay, and so is
//! an event of a later window.

use std::cmp::Ordering;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::record::Outcome;
use kadsim_engine::slot::OperationSlot;

use super::calendar::Timed;

/// An event of a node.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When it happens, µs.
    pub time_us: u64,
    /// The operation that it belongs to; of timers, their kind.
    pub operation: u64,
    /// Number of the contact in the operation; of timers, the bucket.
    pub sequence: u32,
    /// The node at which it happens.
    pub node: Row,
    /// What happens.
    pub what: What,
}

/// Where the answer or the failure of a contact belongs.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    /// The node that asks.
    pub from: Row,
    /// Its session when it asked.
    pub session: u32,
    /// Slot of the operation, in the chunk of `from`.
    pub slot: OperationSlot,
}

/// What happens at a node.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// The node leaves.
    Leave,
    /// The node comes.
    Come,
    /// A record of this key may expire.
    Expire(Key),
    /// A request for the nodes closest to a key arrives.
    Lookup {
        /// Where the answer goes.
        back: Return,
        /// The key.
        key: Key,
        /// Whether the value is asked for too.
        wants_value: bool,
        /// When the answer arrives, µs; 0 if it comes too late to be handled.
        answered_us: u64,
    },
    /// A request that asks for nothing arrives.
    Ping {
        /// The node that asks.
        from: Row,
    },
    /// A store arrives.
    Store {
        /// The node that asks.
        from: Row,
        /// Key of the segment.
        key: Key,
        /// When it was published, µs.
        published_us: u64,
    },
    /// An answer with nodes arrives.
    Answer {
        /// Where it belongs.
        back: Return,
        /// The node that answered.
        remote: Row,
        /// Index of the list of nodes in the chunk, or in the outgoing mail.
        named: u32,
        /// Whether the answer carries the value.
        has_value: bool,
    },
    /// A contact completes whose answer names no nodes, or that failed.
    Completion {
        /// Where it belongs.
        back: Return,
        /// The node contacted.
        remote: Row,
        /// How the contact ended.
        outcome: Outcome,
        /// What the contact was for.
        contact: ContactKind,
    },
    /// A contact of a lookup stalls, if it is still in flight.
    Stall(Return),
    /// The last store of a provide has completed.
    Close(OperationSlot),
    /// A timer fires.
    Timer(Timer),
    /// An operation of a phase is due.
    Start {
        /// Its index among those that are due in the window.
        index: u32,
        /// Whether it is a retrieve, which looks in its origin's store.
        is_retrieve: bool,
    },
    /// A node that has been asked for a value says whether it holds it.
    Vouch {
        /// Where the answer goes.
        back: Return,
        /// The key.
        key: Key,
        /// Index of the list of nodes in the chunk.
        named: u32,
        /// When the answer arrives, µs.
        answered_us: u64,
    },
}

impl What {
    /// Returns whether a request arrives.
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Self::Lookup { .. } | Self::Ping { .. } | Self::Store { .. }
        )
    }
}

/// What a contact was for, where that matters when it completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactKind {
    /// A request of a lookup.
    Lookup,
    /// A store.
    Store,
    /// A ping of an entry.
    Check,
    /// A ping of the least recently heard entry of a full bucket, while a node waits.
    Oldest {
        /// The node that waits.
        waiting: Row,
    },
    /// A ping of a node that is learned if it answers.
    Verify,
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Timer {
    /// Some buckets may be idle.
    IdleBuckets,
    /// The whole table is to be refreshed.
    WholeTable,
    /// Entries are to be checked.
    Check,
    /// A provide may have to be repeated.
    Republish,
    /// A join that no node answered begins anew.
    JoinAnew,
    /// The table is made anew from full knowledge.
    Renewal,
}

impl Timer {
    /// All timers.
    pub const ALL: [Self; 6] = [
        Self::IdleBuckets,
        Self::WholeTable,
        Self::Check,
        Self::Republish,
        Self::JoinAnew,
        Self::Renewal,
    ];
}

/// Bit of the numbers of maintenance operations, so that they follow those of users in every order.
const MAINTENANCE: u64 = 1 << 63;

/// Returns the number of the `n`-th maintenance operation of a node.
pub fn maintenance_number(node: Row, n: u32) -> u64 {
    MAINTENANCE | u64::from(node.0) << 32 | u64::from(n)
}

/// Returns whether an operation is one of maintenance.
#[inline]
pub fn is_maintenance(operation: u64) -> bool {
    operation & MAINTENANCE != 0
}

impl What {
    /// Returns the rank of events at one moment at one node. A record that reaches a node is seen by whatever looks for it
    /// there in the same microsecond, so looks come last.
    #[inline]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Leave => 0,
            Self::Come => 1,
            Self::Expire(_) => 2,
            Self::Lookup { .. } | Self::Ping { .. } | Self::Store { .. } => 3,
            Self::Answer { .. } | Self::Completion { .. } | Self::Close(_) => 5,
            Self::Stall(_) => 6,
            Self::Timer(_) => 7,
            Self::Start { is_retrieve, .. } => 8 + u8::from(*is_retrieve),
            Self::Vouch { .. } => 10,
        }
    }
}

impl Event {
    /// Returns the order of events at one moment at one node that have one rank.
    #[inline]
    pub fn ties(&self) -> (u64, u32) {
        (self.operation, self.sequence)
    }

    /// Returns the order in which a chunk handles events: node by node, each node's own in the order of time.
    #[inline]
    fn order(&self) -> (u32, u64, u8, u64, u32) {
        let rank = self.what.rank();
        let Self {
            time_us,
            operation,
            sequence,
            node,
            ..
        } = *self;
        (node.0, time_us, rank, operation, sequence)
    }
}

impl Timed for Event {
    #[inline]
    fn time_us(&self) -> u64 {
        self.time_us
    }
}

impl Ord for Event {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Event {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Event {}
