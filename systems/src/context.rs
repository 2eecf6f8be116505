//! The context of an operation's work: the view, the outbox, and the overhead counters where they are charged on the way.

use kadsim_engine::link::Links;
use kadsim_engine::node::{Overhead, Row};

use crate::outbox::Outbox;
use crate::view::View;

/// What the work of an operation reads and writes besides the operation itself.
pub struct Context<'a> {
    /// The network, as all operations read it.
    pub view: &'a View<'a>,
    /// Outbox of the operation's chunk.
    pub out: &'a mut Outbox,
    /// The overhead counters, if they are charged now.
    pub charges: Charges<'a>,
}

/// When overhead is charged.
pub enum Charges<'a> {
    /// At the barrier, or never.
    Later,
    /// When a node is used. Operations are then evaluated one after the other.
    Now(&'a mut [Overhead]),
}

impl Charges<'_> {
    /// Charges a use of a node and returns its overhead, µs; 0 if overhead is charged later.
    #[inline]
    pub fn charge(&mut self, links: &Links, row: Row) -> u64 {
        match self {
            Self::Later => 0,
            Self::Now(counters) => links.charge(&mut counters[row.index()]),
        }
    }
}
