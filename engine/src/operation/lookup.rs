//! The state of a lookup, apart from time, links and the network.

use super::give_back;
use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;
use crate::shortlist::{Known, Shortlist};

/// State of a lookup. A lookup procedure reads and writes nothing else.
///
/// A procedure uses some of these fields. They stand in one type, so that a slot keeps their memory whatever the
/// procedure.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// The key looked up.
    pub key: Key,
    /// The node that asks.
    pub origin: Row,
    /// The known nodes.
    pub shortlist: Shortlist,
    /// Contacts sent and not handled; in a follow-up, to the nodes that it asks.
    pub waiting: u32,
    /// Contacts in flight that have stalled, for which the lookup sends others.
    pub stalled: u32,
    /// Answers handled since the last one that brought progress.
    pub idle_steps: u32,
    /// Whether the procedure has decided to stop.
    pub is_stopped: bool,
    /// The follow-up of the lookup, once it has begun.
    pub follow_up: Option<FollowUp>,
    /// Number of the current round of a walk in rounds; 0 before the first.
    pub round: u16,
    /// Nodes that the answers of the current round of a walk have named; some stand here more than once.
    pub named: Vec<(Distance, Row)>,
    /// Nodes that the current round of a walk has still to contact, farthest first.
    pub to_contact: Vec<(Distance, Row)>,
    /// The node that a walk looks for, once that node has answered.
    pub reached: Option<Row>,
}

/// The end of a lookup that asks all of the k closest nodes it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Nodes that it still has to contact: the nearest candidates.
    pub unasked: u32,
    /// Largest distance from the key of the nodes that it asks.
    pub farthest: Distance,
}

impl Lookup {
    /// Starts anew, keeping the memory. The shortlist is reset when the lookup begins.
    pub(super) fn restart(&mut self, key: Key, origin: Row) {
        let shortlist = std::mem::take(&mut self.shortlist);
        let mut named = std::mem::take(&mut self.named);
        let mut to_contact = std::mem::take(&mut self.to_contact);
        named.clear();
        to_contact.clear();
        *self = Self {
            key,
            origin,
            shortlist,
            named,
            to_contact,
            ..Self::default()
        };
    }

    /// Returns the `n` nearest known nodes for which `counts` holds, nearest first. Reads the shortlist's head; sorts the
    /// nodes beyond it only if fewer than `n` nodes of the head count.
    #[inline]
    pub fn nearest<'a>(
        &'a self,
        population: &Population,
        n: usize,
        counts: impl Fn(&Known) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = Known> + 'a {
        let head = self.shortlist.head().filter(counts).take(n);
        let missing = n - head.clone().count();
        let mut far = Vec::new();
        if missing > 0 && !self.shortlist.is_all_sorted() {
            far = self.shortlist.sorted_far(population, self.key);
        }
        head.chain(far.into_iter().filter(counts).take(missing))
    }

    /// Frees the memory of lists with room for more than `kept` items.
    pub(super) fn give_back(&mut self, kept: usize) {
        self.shortlist.give_back(kept);
        give_back(&mut self.named, kept);
        give_back(&mut self.to_contact, kept);
    }

    /// Returns the bytes on the heap.
    pub(super) fn bytes_used(&self) -> usize {
        self.shortlist.bytes_used()
            + (self.named.capacity() + self.to_contact.capacity()) * size_of::<(Distance, Row)>()
    }
}
