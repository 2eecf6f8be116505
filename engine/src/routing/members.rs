//! Bootstrapped tables of a network of which some nodes are not members: those that are offline at the start, and clients.
//!
//! The members are a population of their own, with keys, index and ranks, so that every layout holds their tables as it
//! holds those of a whole network. Ranks are translated to rows in each answer. A node that is no member and yet has a table,
//! a client that is online at the start, has it computed. Takes 20 bytes a node.

use super::layout::{Implicit, Layout, closest_by_bucket};
use super::rule::{Knowledge, Rule, Size};
use crate::answer::Answer;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::{Owner, Population, RadixIndex};
use crate::random::{Probability, Purpose, Stream};

/// Rank of a node that is no member.
const NO_RANK: u32 = u32::MAX;

/// The nodes that bootstrapped tables name.
pub struct Members {
    /// Keys of the members, ascending.
    keys: Vec<Key>,
    index: RadixIndex,
    /// Rows of the members, by rank.
    rows: Vec<Row>,
    /// Rank of each row.
    ranks: Vec<u32>,
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
        is_member: &[bool],
        clients: Vec<Row>,
        share: Probability,
    ) -> Self {
        let all = (0..).map(Row).zip(is_member);
        let rows: Vec<Row> = all.filter(|&(_, &is)| is).map(|(row, _)| row).collect();
        let keys: Vec<Key> = rows.iter().map(|&row| population.key(row)).collect();
        let mut ranks = vec![NO_RANK; is_member.len()];
        for (rank, row) in rows.iter().enumerate() {
            ranks[row.index()] = rank as u32;
        }
        let are_replaced = share.is_possible() && !clients.is_empty();
        Self {
            index: RadixIndex::new(&keys),
            keys,
            rows,
            ranks,
            clients: are_replaced.then_some(Clients {
                share,
                rows: clients,
            }),
        }
    }

    /// Returns the members as a population.
    pub fn population(&self) -> Population<'_> {
        Population::new(&self.keys, &self.index)
    }

    /// Returns the owner by its rank among the members, if it is one.
    #[inline]
    fn ranked(&self, owner: Owner) -> Option<Owner> {
        let rank = self.ranks[owner.row.index()];
        (rank != NO_RANK).then_some(Owner {
            row: Row(rank),
            key: owner.key,
        })
    }

    /// Returns the layout that has the owner's table, and the owner as that layout knows it.
    #[inline]
    pub fn holder<'a>(&self, layout: &'a dyn Layout, owner: Owner) -> (&'a dyn Layout, Owner) {
        match self.ranked(owner) {
            Some(owner) => (layout, owner),
            None => {
                let row = Row(NO_RANK);
                (&Implicit, Owner { row, ..owner })
            }
        }
    }

    /// Appends the entries of one bucket of the owner's table, in no order.
    pub fn bucket(
        &self,
        layout: &dyn Layout,
        all: Knowledge,
        owner: Owner,
        bucket: BucketIndex,
        out: &mut Vec<Row>,
    ) {
        let rule = all.rule;
        let first = out.len();
        let population = &self.population();
        let knowledge = Knowledge { population, rule };
        let (layout, known) = self.holder(layout, owner);
        layout.bucket(knowledge, known, bucket, out);
        for rank in &mut out[first..] {
            *rank = self.rows[rank.index()];
        }
        if let Some(clients) = &self.clients {
            out[first..].sort_unstable();
            let entries = &mut out[first..];
            clients.replace(rule.network_seed, all.population, owner, bucket, entries);
        }
    }

    /// Puts the entries of the owner's table closest to `key` into the empty `out`, with their distances. `all` are all
    /// nodes.
    pub fn closest(
        &self,
        layout: &dyn Layout,
        all: Knowledge,
        owner: Owner,
        key: Key,
        out: &mut Answer,
    ) {
        let rule = all.rule;
        if self.clients.is_some() {
            let append = |group: u32, out: &mut Answer| {
                if group < Key::BITS {
                    let bucket = BucketIndex::new(group);
                    self.bucket(layout, all, owner, bucket, &mut out.rows);
                }
                out.measure(all.population, key);
            };
            let answer_size = rule.answer_size();
            closest_by_bucket(owner.key, key, Key::BITS, answer_size, out, append);
            return;
        }
        let population = &self.population();
        let knowledge = Knowledge { population, rule };
        let (layout, owner) = self.holder(layout, owner);
        layout.closest(knowledge, owner, key, out);
        for rank in &mut out.rows {
            *rank = self.rows[rank.index()];
        }
    }

    /// Returns the size of the owner's table.
    pub fn size(&self, rule: &Rule, owner: Owner) -> Size {
        let population = self.population();
        let mut size = Size::default();
        let own = usize::from(self.ranked(owner).is_some());
        for bucket in BucketIndex::all() {
            let candidates = population.candidates(owner.key, bucket).len();
            size.entries += candidates.min(rule.k()) as u32;
            size.buckets += u8::from(candidates > 0);
            if population.subtree(owner.key, bucket.depth()).len() <= own {
                break;
            }
        }
        size
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        let clients = self.clients.as_ref();
        self.keys.capacity() * size_of::<Key>()
            + self.index.bytes_used()
            + self.rows.capacity() * size_of::<Row>()
            + self.ranks.capacity() * size_of::<u32>()
            + clients.map_or(0, |clients| clients.rows.capacity() * size_of::<Row>())
    }
}

impl Clients {
    /// Replaces entries of a bucket, which are in the order of rows, each with the share's probability, by
    /// a uniform client of the bucket's range. A client takes the place of one entry at most; an entry whose client is there
    /// already stays, as does one in whose range there is no client.
    fn replace(
        &self,
        network_seed: u64,
        all: &Population,
        owner: Owner,
        bucket: BucketIndex,
        entries: &mut [Row],
    ) {
        let range = all.candidates(owner.key, bucket);
        let first = self.rows.partition_point(|row| row.0 < range.start);
        let clients = &self.rows[first..];
        let clients = &clients[..clients.partition_point(|row| row.0 < range.end)];
        if clients.is_empty() {
            return;
        }
        let part = u64::from(bucket.get());
        let mut stream = Stream::new(network_seed, Purpose::Replaced, owner.key.0, part);
        for index in 0..entries.len() {
            if self.share.holds(stream.bits()) {
                let client = clients[stream.below(clients.len() as u64) as usize];
                if !entries.contains(&client) {
                    entries[index] = client;
                }
            }
        }
    }
}
