//! The nodes that bootstrapped tables name, where these are not all: those that are offline at the start and clients are
//! left out.
//!
//! The members are a population of their own, with keys and index, from which buckets are filled. Their ranks in it are
//! translated to rows when a bucket is filled, so that layouts store rows. Takes 16 bytes a member and 2 bits a node.

use fixedbitset::FixedBitSet;

use crate::key::Key;
use crate::node::Row;
use crate::population::{Population, RadixIndex, Rows};
use crate::random::{Probability, Stream};

/// The nodes that bootstrapped tables name, and those that have a table.
pub struct Members {
    /// Keys of the members, ascending.
    keys: Vec<Key>,
    index: RadixIndex,
    /// Rows of the members, by rank.
    rows: Vec<Row>,
    /// Of each row, whether it is a member.
    is_member: FixedBitSet,
    /// Of each row, whether it has a table. A client has one though it is no member.
    has_table: FixedBitSet,
    /// Clients that take the places of entries.
    clients: Option<Clients>,
}

/// Clients in bootstrapped tables.
struct Clients {
    /// Share of the entries that are replaced.
    share: Probability,
    /// Rows of the clients, ascending.
    rows: Vec<Row>,
}

impl Members {
    /// Returns the members among all nodes, and the share of entries that clients take the places of. `clients` are rows, in
    /// order.
    pub fn new(
        population: &Population,
        is_member: FixedBitSet,
        has_table: FixedBitSet,
        clients: Vec<Row>,
        share: Probability,
    ) -> Self {
        let rows: Vec<Row> = is_member.ones().map(|row| Row(row as u32)).collect();
        let keys: Vec<Key> = rows.iter().map(|&row| population.key(row)).collect();
        let are_replaced = share.is_possible() && !clients.is_empty();
        Self {
            index: RadixIndex::new(&keys),
            keys,
            rows,
            is_member,
            has_table,
            clients: are_replaced.then_some(Clients {
                share,
                rows: clients,
            }),
        }
    }

    /// Returns the members as a population.
    #[inline]
    pub fn population(&self) -> Population<'_> {
        Population::new(&self.keys, &self.index)
    }

    /// Returns the row of a member by its rank among the members.
    #[inline]
    pub(super) fn row(&self, rank: Row) -> Row {
        self.rows[rank.index()]
    }

    /// Returns whether a node is a member.
    #[inline]
    pub fn is_member(&self, row: Row) -> bool {
        self.is_member.contains(row.index())
    }

    /// Returns whether a node has a table.
    #[inline]
    pub fn has_table(&self, row: Row) -> bool {
        self.has_table.contains(row.index())
    }

    /// Returns whether clients take the places of entries.
    #[inline]
    pub(super) fn has_clients(&self) -> bool {
        self.clients.is_some()
    }

    /// Replaces entries of a bucket, each with the share's probability, by a uniform client of the bucket's `range`. Draws from
    /// `stream`, in the order of rows. A client takes the place of one entry at most; an entry whose client is there already
    /// stays, as does one in whose range there is no client.
    pub(super) fn replace_by_clients(&self, range: Rows, mut stream: Stream, entries: &mut [Row]) {
        let Some(Clients { share, rows }) = &self.clients else {
            return;
        };
        let first = rows.partition_point(|row| row.0 < range.start);
        let clients = &rows[first..];
        let clients = &clients[..clients.partition_point(|row| row.0 < range.end)];
        if clients.is_empty() {
            return;
        }
        entries.sort_unstable();
        for index in 0..entries.len() {
            if share.holds(stream.bits()) {
                let client = clients[stream.below(clients.len() as u64) as usize];
                if !entries.contains(&client) {
                    entries[index] = client;
                }
            }
        }
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        let clients = self.clients.as_ref();
        let bits = |bits: &FixedBitSet| size_of_val(bits.as_slice());
        self.keys.capacity() * size_of::<Key>()
            + self.index.bytes_used()
            + self.rows.capacity() * size_of::<Row>()
            + bits(&self.is_member)
            + bits(&self.has_table)
            + clients.map_or(0, |clients| clients.rows.capacity() * size_of::<Row>())
    }
}
