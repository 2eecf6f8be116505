//! Events, in the order in which they happen.

use crate::properties::reference::Node;

/// A timer of a node. Timers of one instant go off in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A bucket has seen no lookup for a period.
    RefreshBucket(u32),
    /// The whole table is refreshed.
    RefreshTable,
    Check,
    /// The segment of this key is provided again.
    Republish(u64),
    /// A lookup of the own key that no node answered begins anew.
    JoinAgain,
    /// The table is made anew from full knowledge.
    Renew,
}

/// What happens in an event. Events of one instant happen in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Leave,
    Come,
    /// A request reaches the node.
    Arrive,
    /// A contact of the node is answered, or fails.
    Complete,
    /// A contact of a lookup of the node stalls, if it is still in flight.
    Stall,
    /// A timer that was set in this session of the node goes off.
    Timer(Timer, u32),
    /// An operation of a user is due, or admitted.
    Start,
}

/// An event at a node. `operation` and `sequence` tell contacts and operations apart; they are 0 for other events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub time_us: u64,
    pub what: What,
    pub operation: u64,
    pub sequence: u32,
    pub node: Node,
}
