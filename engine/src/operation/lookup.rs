//! The state of a lookup, apart from time, links and the network.

use super::give_back;
use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;
use crate::shortlist::{Known, Shortlist};

/// What a lookup knows and how far it has got. A lookup procedure reads and writes nothing else.
///
/// Which fields a procedure uses is its own business. All are here, because slots are reused with their memory.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// What is looked up.
    pub key: Key,
    /// The node that asks.
    pub origin: Row,
    /// The known nodes.
    pub shortlist: Shortlist,
    /// Contacts sent and not handled.
    pub waiting: u32,
    /// Handled answers in a row that brought no progress.
    pub idle_steps: u32,
    /// Whether the procedure has decided to stop.
    pub is_stopped: bool,
    /// The number of the round, of a walk in rounds; 0 before the first.
    pub round: u16,
    /// Nodes that the answers of this round have named, of a walk in rounds; some more than once.
    pub named: Vec<(Distance, Row)>,
    /// Nodes that this round has still to contact, of a walk in rounds, farthest first.
    pub to_contact: Vec<(Distance, Row)>,
    /// The node that a walk was looking for, once it has answered.
    pub reached: Option<Row>,
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

    /// Returns the `n` nearest known nodes that `counts`, nearest first. They are all in the shortlist's head, but where
    /// most of it does not count.
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

    /// Gives back the memory of lists longer than `kept` items.
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
