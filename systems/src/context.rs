//! What the work of an operation needs: the view, the outbox, and the overhead counters if they are charged at once.

use kadsim_engine::link::Links;
use kadsim_engine::node::{Overhead, Row};

use crate::outbox::Outbox;
use crate::view::View;

/// What the work of an operation reads and writes, besides the operation itself.
pub struct Context<'a> {
    /// What all operations read.
    pub view: &'a View<'a>,
    /// What this chunk of operations leaves.
    pub out: &'a mut Outbox,
    /// Who charges overhead.
    pub charges: Charges<'a>,
}

/// When overhead is charged.
pub enum Charges<'a> {
    /// At the barrier, or never.
    Later,
    /// When a node is used. Operations are evaluated one after the other.
    Now(&'a mut [Overhead]),
}

impl Charges<'_> {
    /// Returns what using a node costs, µs; 0 if it is charged later.
    #[inline]
    pub fn charge(&mut self, links: &Links, row: Row) -> u64 {
        match self {
            Self::Later => 0,
            Self::Now(counters) => links.charge(&mut counters[row.index()]),
        }
    }
}
