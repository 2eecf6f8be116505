//! Routing tables: what a table holds under full knowledge of the network, and where it lies.
//!
//! One bucket for each number of leading bits shared with the owner, at most k entries each, no bucket
//! splitting (Maymounkov and Mazières, section 2.4, with b = 1). A bucket under full knowledge is a
//! function of the key column alone ([`Rule::fill`]); the layouts differ in what of it they store.

use bevy_ecs::resource::Resource;

use crate::answer::Answer;
use crate::hardware::Touch;
use crate::key::Key;
use crate::layout::{Layout, Owner};
use crate::node::{Row, Table};
use crate::population::Population;
use crate::random::{Purpose, Stream};
use crate::sizes::Sizes;

/// Which of its candidates a full bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// The k candidates XOR-closest to the owner, as in py-dht. A hop gains about 2 bits.
    #[default]
    Closest,
    /// A uniform sample of k candidates, as in a converged live network. A hop gains 1.33 + log2 k bits
    /// (Stutzbach and Rejaie, INFOCOM 2006).
    Random,
}

/// What defines every table of a network under full knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// k: most entries of a bucket, and of an answer. 1 to 255.
    pub bucket_size: u8,
    /// Which candidates a bucket keeps.
    pub policy: Policy,
    /// Seed of the network, for the samples of [`Policy::Random`].
    pub network_seed: u64,
}

impl Rule {
    /// k as a length.
    #[inline]
    pub fn k(&self) -> usize {
        usize::from(self.bucket_size)
    }

    /// Appends the sorted rows that bucket `bucket` of the owner holds, in no order. Returns how many
    /// leading bits of the owner's key decided it: owners that share them get the same rows. `None`: no
    /// other owner does.
    #[inline]
    pub fn fill(
        &self,
        population: &Population,
        owner: Key,
        bucket: u32,
        out: &mut Vec<Row>,
    ) -> Option<u32> {
        match self.policy {
            Policy::Closest => {
                let sibling = owner.flipped(bucket);
                Some(population.closest_in(sibling, bucket + 1, self.k(), out))
            }
            Policy::Random => {
                let candidates = population.candidates(owner, bucket);
                if candidates.len() <= self.k() {
                    out.extend(candidates.iter());
                    return Some(bucket + 1);
                }
                let first = out.len();
                self.sample(owner, bucket, candidates.len() as u32, out);
                out[first..]
                    .iter_mut()
                    .for_each(|row| row.0 += candidates.start);
                None
            }
        }
    }

    /// Appends a uniform sample of k of the positions `0..n` (Floyd, in Bentley, *Programming pearls*,
    /// CACM 30(9), 1987). `n` must be above k.
    fn sample(&self, owner: Key, bucket: u32, n: u32, out: &mut Vec<Row>) {
        let mut stream = Stream::new(
            self.network_seed,
            Purpose::Bucket,
            owner.0,
            u64::from(bucket),
        );
        let first = out.len();
        // Low bits of the positions taken: a draw whose bit is not there needs no search.
        let mut taken = [0u64; 16];
        for last in n - u32::from(self.bucket_size)..n {
            let drawn = stream.below(u64::from(last) + 1) as u32;
            let word = taken[drawn as usize / 64 % taken.len()];
            let is_taken = word >> (drawn % 64) & 1 == 1 && out[first..].contains(&Row(drawn));
            let position = if is_taken { last } else { drawn };
            taken[position as usize / 64 % taken.len()] |= 1 << (position % 64);
            out.push(Row(position));
        }
    }

    /// Appends the entries of the whole table of the node `owner` under full knowledge, tail included, in
    /// bucket order. Cost: O(tail log tail) beside the entries.
    pub fn fill_table(&self, population: &Population, owner: Row, out: &mut Vec<Row>) {
        let key = population.key(owner);
        let bucket_of = |row: Row| population.key(row).shared_bits(key);
        let mut tail: Vec<Row> = population.tail().filter(|&row| row != owner).collect();
        tail.sort_unstable_by_key(|&row| (bucket_of(row), population.key(row)));
        let mut tail = &tail[..];
        for bucket in 0..Key::BITS {
            let (late, rest) = tail.split_at(tail.partition_point(|&row| bucket_of(row) == bucket));
            tail = rest;
            if late.is_empty() {
                self.fill(population, key, bucket, out);
            } else {
                self.fill_with_tail(population, key, bucket, late, out);
            }
        }
    }

    /// Like [`Rule::fill`] where `late`, in key order, are candidates too.
    fn fill_with_tail(
        &self,
        population: &Population,
        owner: Key,
        bucket: u32,
        late: &[Row],
        out: &mut Vec<Row>,
    ) {
        let candidates = population.candidates(owner, bucket);
        let total = candidates.len() + late.len();
        if total <= self.k() {
            out.extend(candidates.iter().chain(late.iter().copied()));
            return;
        }
        match self.policy {
            Policy::Closest => {
                let mut rows = Vec::new();
                population.closest_in(owner.flipped(bucket), bucket + 1, self.k(), &mut rows);
                rows.extend_from_slice(late);
                rows.sort_unstable_by_key(|&row| population.key(row).distance(owner));
                out.extend_from_slice(&rows[..self.k()]);
            }
            Policy::Random => {
                // Position p of both merged in key order: the i-th late one stands at i + the number of
                // sorted candidates below it.
                let sorted = &population.keys()[candidates.start as usize..candidates.end as usize];
                let places: Vec<usize> = late
                    .iter()
                    .enumerate()
                    .map(|(i, &row)| i + sorted.partition_point(|&k| k < population.key(row)))
                    .collect();
                let mut positions = Vec::new();
                self.sample(owner, bucket, total as u32, &mut positions);
                out.extend(positions.into_iter().map(|position| {
                    match places.binary_search(&position.index()) {
                        Ok(i) => late[i],
                        Err(i) => Row(candidates.start + position.0 - i as u32),
                    }
                }));
            }
        }
    }
}

/// The routing tables of a network: a layout of what full knowledge gives, and in front of it a sparse
/// overlay of tables that are something else (a newcomer's).
#[derive(Resource)]
pub struct Tables {
    rule: Rule,
    layout: Option<Box<dyn Layout>>,
    overlay: Vec<Vec<Row>>,
}

impl Tables {
    /// No tables yet.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            layout: None,
            overlay: Vec::new(),
        }
    }

    /// What defines the tables.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Takes a layout of the tables of all nodes; they are found there from then on.
    pub fn set_layout(&mut self, layout: Box<dyn Layout>) {
        self.layout = Some(layout);
        self.overlay.clear();
    }

    /// Gives back the memory of every table; whoever calls sees to it that no node's is said to be there.
    pub fn clear(&mut self) {
        self.layout = None;
        self.overlay = Vec::new();
    }

    /// Puts a table of its own in front of the layout, in the place of `table`.
    pub fn set_overlay(&mut self, table: Table, entries: Vec<Row>) -> Table {
        match table.overlay_slot() {
            Some(slot) => {
                self.overlay[slot] = entries;
                table
            }
            None => {
                self.overlay.push(entries);
                Table::overlay(self.overlay.len() as u32 - 1)
            }
        }
    }

    /// Bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        let overlay: usize = self
            .overlay
            .iter()
            .map(|table| table.capacity() * size_of::<Row>())
            .sum();
        self.layout.as_ref().map_or(0, |layout| layout.bytes_used()) + overlay
    }

    /// Where a node's table lies: what its component in `column` says, which is not read where every table is
    /// laid out.
    #[inline]
    pub fn table(&self, population: &Population, column: &[Table], row: Row) -> Table {
        if self.are_laid_out(population) {
            Table::LAID_OUT
        } else {
            column[row.index()]
        }
    }

    /// Whether no table lies anywhere but in the layout.
    #[inline]
    pub fn are_laid_out(&self, population: &Population) -> bool {
        let all = population.sorted() == population.keys().len();
        all && self.layout.is_some() && self.overlay.is_empty()
    }

    /// The layout, if that is where `table` lies.
    #[inline]
    fn laid_out(&self, table: Table) -> Option<&dyn Layout> {
        self.layout.as_deref().filter(|_| table == Table::LAID_OUT)
    }

    /// Replaces `out` by the k entries of the owner's table closest to `key`.
    #[inline]
    pub fn closest(
        &self,
        population: &Population,
        owner: Owner,
        table: Table,
        key: Key,
        out: &mut Answer,
    ) {
        out.clear();
        if let Some(layout) = self.laid_out(table) {
            layout.closest(population, &self.rule, owner, key, out);
        } else if let Some(slot) = table.overlay_slot() {
            out.rows.extend_from_slice(&self.overlay[slot]);
            out.measure(population, key);
            out.keep_nearest(0, self.rule.k());
        }
    }

    /// What [`Tables::closest`] will read; see [`Layout::touch`].
    #[inline]
    pub fn touch(
        &self,
        population: &Population,
        owner: Owner,
        key: Key,
        stage: u32,
        touch: &mut Touch,
    ) {
        // A node added later is not in the layout.
        if owner.row.index() < population.sorted()
            && let Some(layout) = &self.layout
        {
            layout.touch(population, &self.rule, owner, key, stage, touch);
        }
    }

    /// Replaces `out` by the entries of one bucket of the owner's table, in no order.
    pub fn bucket(
        &self,
        population: &Population,
        owner: Owner,
        table: Table,
        bucket: u32,
        out: &mut Vec<Row>,
    ) {
        out.clear();
        if let Some(layout) = self.laid_out(table) {
            layout.bucket(population, &self.rule, owner, bucket, out);
        } else if let Some(slot) = table.overlay_slot() {
            let shared = |row: &Row| population.key(*row).shared_bits(owner.key) == bucket;
            out.extend(self.overlay[slot].iter().copied().filter(shared));
        }
    }

    /// Number of entries of the owner's table, and of its non-empty buckets. For many nodes, see
    /// [`Tables::sizes`].
    pub fn size(&self, population: &Population, owner: Row, table: Table) -> (u32, u8) {
        self.sizes(population).of(owner, table)
    }

    /// Sizes of the tables of one node after the other.
    pub fn sizes<'a>(&'a self, population: &'a Population<'a>) -> Sizes<'a> {
        Sizes::new(self, population)
    }

    /// The entries in front of the layout, if that is where `table` lies.
    pub(crate) fn overlaid(&self, table: Table) -> Option<&[Row]> {
        table.overlay_slot().map(|slot| &self.overlay[slot][..])
    }

    /// Calls `visit` with each non-empty bucket of the owner's table and its entries, nearest to the
    /// owner first.
    pub fn for_each_bucket(
        &self,
        population: &Population,
        owner: Row,
        table: Table,
        rows: &mut Vec<Row>,
        mut visit: impl FnMut(u32, &[Row]),
    ) {
        let key = population.key(owner);
        self.for_each_bucket_unsorted(population, owner, table, rows, |bucket, rows| {
            rows.sort_unstable_by_key(|&row| population.key(row).distance(key));
            visit(bucket, rows);
        });
    }

    /// Calls `visit` with each non-empty bucket of the owner's table and its entries, in no order.
    pub(crate) fn for_each_bucket_unsorted(
        &self,
        population: &Population,
        owner: Row,
        table: Table,
        rows: &mut Vec<Row>,
        mut visit: impl FnMut(u32, &mut [Row]),
    ) {
        if table == Table::EMPTY {
            return;
        }
        let owner = population.owner(owner);
        for bucket in 0..Key::BITS {
            self.bucket(population, owner, table, bucket, rows);
            if !rows.is_empty() {
                visit(bucket, rows);
            }
            let deeper = bucket + 1;
            if table == Table::LAID_OUT && population.subtree(owner.key, deeper).len() <= 1 {
                break;
            }
        }
    }
}
