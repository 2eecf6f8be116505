//! Bucket layouts: how the routing tables of a network lie in memory.
//!
//! What a table holds is fixed by [`Rule`]; a layout decides where its entries lie. Every layout gives the
//! same answers; they differ in bytes, in the time to fill them, and in the cache lines that an answer
//! touches.
//!
//! # Adding one
//!
//! 1. Write a file beside this one. A layout that stores entries implements the private trait `Stored`, or `Slices` if its entries lie one after the other:
//!    append the entries of a bucket, in any order; the rest follows. `packed.rs` is the shortest example,
//!    `spans.rs` one that computes what it does not store. Fill tables with `fill_chunks`, which works on all
//!    threads and hands each a `Filler` that knows buckets shared with the owner before. A layout that
//!    answers in another way than bucket by bucket implements [`Layout`] itself, as `implicit.rs` does.
//! 2. Name it in [`LayoutKind`]: the variant, `ALL`, `as_str`, `build`. Experiment files then know it as
//!    `engine.layout`.
//! 3. Say in `experiments/estimate/nodes.rs` how many bytes of a node it takes: the compiler asks. `run` and
//!    `layouts` refuse what does not fit into memory.
//!
//! What a layout has to keep to:
//!
//! - Rows of [`Population`] are ranks of keys, and the population does not change once tables are laid out.
//!   A layout sees sorted nodes only; tables of nodes added later lie in the overlay of
//!   [`Tables`](crate::routing::Tables) in front of it.
//! - Buckets from some depth on hold a handful of nodes together (`deep_from`): storing all 64 of them one
//!   by one is where bytes go.
//! - [`Layout::closest`] is called by millions a second: no allocation, entries read counted in
//!   [`Answer::read`]. [`Layout::touch`] says in three stages what it will read. The engine fetches that
//!   ahead for many lookups at once, and counts it in an instrumented run: what is left out is both
//!   waited for and not counted.
//! - Large arenas come from [`with_huge_pages`], in one piece for a chunk of owners.
//!
//! # What is checked
//!
//! `cargo test -p kadsim-engine layout` runs the property suite below over every layout of
//! [`LayoutKind::ALL`], on random populations, k, policies and seeds: every bucket is that of brute force
//! (`closest`), or a subset of its candidates of the right size that is the same in every layout (`random`);
//! [`Layout::closest`] is a full sort of the table, for keys near, far and equal to the owner's;
//! [`Layout::touch`] may be asked anything that is answered. `cargo test` adds what py-dht recorded
//! (`tests/golden/tables.rs`), whole runs against a reference simulator (`tests/properties/`) and results
//! that do not depend on the layout.
//!
//! # What it costs
//!
//! `kadsim layouts FILE` runs an experiment under every layout, checks that each of its operations came out
//! the same, and prints a line for each: time to fill the tables, time and contacts per second of the
//! lookups, bytes of a node by part, entries read and cache lines touched for an answer, cache misses of a
//! contact where the machine counts them. `--set` changes the experiment:
//!
//! ```text
//! kadsim layouts experiments/quickstart.toml --set network.nodes=1_000_000 --set network.bootstrap=random
//! ```
//!
//! `cargo bench --bench bootstrap` and `--bench contacts` time the pieces.

mod dense;
mod implicit;
mod packed;
mod spans;

use std::fmt;

use rayon::prelude::*;

pub use dense::Dense;
pub use implicit::Implicit;
pub use packed::Packed;
pub use spans::Spans;

use crate::answer::Answer;
use crate::hardware::{Touch, with_huge_pages};
use crate::key::Key;
use crate::node::Row;
use crate::population::Population;
use crate::routing::Rule;

/// A node whose table is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node.
    pub row: Row,
    /// Its key.
    pub key: Key,
}

/// Routing tables of all nodes of a population that was complete when they were laid out.
pub trait Layout: Send + Sync {
    /// Appends the entries of one bucket (0 to 63) of the owner's table, in no order.
    fn bucket(
        &self,
        population: &Population,
        rule: &Rule,
        owner: Owner,
        bucket: u32,
        out: &mut Vec<Row>,
    );

    /// Puts the k entries of the owner's table closest to `key` into the empty `out`, with their distances.
    fn closest(
        &self,
        population: &Population,
        rule: &Rule,
        owner: Owner,
        key: Key,
        out: &mut Answer,
    );

    /// What [`Layout::closest`] with the same arguments will read. Called with stages 0 to
    /// [`TOUCH_STAGES`] - 1, other work in between: each stage may read what the one before has touched.
    fn touch(
        &self,
        population: &Population,
        rule: &Rule,
        owner: Owner,
        key: Key,
        stage: u32,
        touch: &mut Touch,
    );

    /// Bytes on the heap.
    fn bytes_used(&self) -> usize;
}

/// How often [`Layout::touch`] is called before an answer is read: for where the entries lie, for the
/// entries, for their keys.
pub const TOUCH_STAGES: u32 = 3;

/// What a layout that stores entries has to say; the rest of [`Layout`] follows from it.
trait Stored: Send + Sync {
    /// Buckets from this one on are stored together.
    fn deep(&self) -> u32;

    /// Appends the owner's entries of a bucket below `deep`, or of all others for `deep` itself.
    fn append(&self, owner: Row, bucket: u32, out: &mut Vec<Row>);

    /// The same for an answer to a request for `key`; all that is in it has been measured.
    #[inline]
    fn answer(
        &self,
        population: &Population,
        key: Key,
        (owner, bucket): (Row, u32),
        out: &mut Answer,
    ) {
        self.append(owner, bucket, &mut out.rows);
        out.measure(population, key);
    }

    /// What [`Stored::append`] will read: where the entries lie (stage 0), the entries (stage 1), and, with
    /// those at hand, the keys of the entries (stage 2).
    fn touch(&self, owner: Row, bucket: u32, keys: &[Key], stage: u32, touch: &mut Touch);

    /// Bytes on the heap.
    fn bytes_used(&self) -> usize;
}

/// What a layout that stores entries one after the other has to say; the rest of [`Stored`] follows from it.
trait Slices: Send + Sync {
    /// See [`Stored::deep`].
    fn deep(&self) -> u32;

    /// The owner's entries of a bucket below `deep`, or of all others for `deep` itself.
    fn entries(&self, owner: Row, bucket: u32) -> &[Row];

    /// What [`Slices::entries`] will read to find them.
    fn touch_place(&self, owner: Row, bucket: u32, touch: &mut Touch);

    /// Bytes on the heap.
    fn bytes_used(&self) -> usize;
}

impl<T: Slices> Stored for T {
    #[inline]
    fn deep(&self) -> u32 {
        Slices::deep(self)
    }

    #[inline]
    fn append(&self, owner: Row, bucket: u32, out: &mut Vec<Row>) {
        out.extend_from_slice(self.entries(owner, bucket));
    }

    #[inline]
    fn touch(&self, owner: Row, bucket: u32, keys: &[Key], stage: u32, touch: &mut Touch) {
        if stage == 0 {
            return self.touch_place(owner, bucket, touch);
        }
        let entries = self.entries(owner, bucket);
        if stage == 1 {
            touch.range(entries, 0..entries.len());
        } else {
            entries.iter().for_each(|row| touch.item(keys, row.index()));
        }
    }

    fn bytes_used(&self) -> usize {
        Slices::bytes_used(self)
    }
}

impl<T: Stored> Layout for T {
    fn bucket(
        &self,
        population: &Population,
        _: &Rule,
        owner: Owner,
        bucket: u32,
        out: &mut Vec<Row>,
    ) {
        let first = out.len();
        self.append(owner.row, bucket.min(self.deep()), out);
        if bucket >= self.deep() {
            let is_wanted = |&row: &Row| population.key(row).shared_bits(owner.key) == bucket;
            let deep = out.split_off(first);
            out.extend(deep.into_iter().filter(is_wanted));
        }
    }

    #[inline]
    fn closest(
        &self,
        population: &Population,
        rule: &Rule,
        owner: Owner,
        key: Key,
        out: &mut Answer,
    ) {
        let answer =
            |bucket, out: &mut Answer| self.answer(population, key, (owner.row, bucket), out);
        closest_by_bucket((owner.key, key), (self.deep(), rule.k()), out, answer);
    }

    #[inline]
    fn touch(
        &self,
        population: &Population,
        _: &Rule,
        owner: Owner,
        key: Key,
        stage: u32,
        touch: &mut Touch,
    ) {
        let bucket = owner.key.shared_bits(key).min(self.deep());
        Stored::touch(self, owner.row, bucket, population.keys(), stage, touch);
    }

    fn bytes_used(&self) -> usize {
        Stored::bytes_used(self)
    }
}

/// The layouts by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LayoutKind {
    /// A fixed array for each bucket.
    Dense,
    /// One arena of entries and offsets for each node.
    #[default]
    Packed,
    /// A first row and a bit mask for each bucket.
    Spans,
    /// Nothing stored: computed when asked for.
    Implicit,
}

impl LayoutKind {
    /// Every layout.
    pub const ALL: [LayoutKind; 4] = [
        LayoutKind::Dense,
        LayoutKind::Packed,
        LayoutKind::Spans,
        LayoutKind::Implicit,
    ];

    /// Its name in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            LayoutKind::Dense => "dense",
            LayoutKind::Packed => "packed",
            LayoutKind::Spans => "spans",
            LayoutKind::Implicit => "implicit",
        }
    }

    /// Lays out the tables of all nodes of a sorted population, on all threads of the current pool.
    pub fn build(self, population: &Population, rule: &Rule) -> Box<dyn Layout> {
        match self {
            LayoutKind::Dense => Box::new(Dense::build(population, rule)),
            LayoutKind::Packed => Box::new(Packed::build(population, rule)),
            LayoutKind::Spans => Box::new(Spans::build(population, rule)),
            LayoutKind::Implicit => Box::new(Implicit),
        }
    }
}

/// Its name.
impl fmt::Display for LayoutKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Buckets below this are stored one by one, those from it on together: there a whole subtree has about k
/// nodes. A function of the number of nodes, so that no node needs to store it.
fn deep_from(nodes: usize, rule: &Rule) -> u32 {
    (nodes / rule.k())
        .checked_ilog2()
        .map_or(0, |bits| bits + 1)
}

/// Puts the k entries closest to `key` into `out`, given what appends, measured, the entries of buckets below
/// `deep` one by one and of all others together (as bucket `deep`).
///
/// Buckets are visited in the order of distance. With d = owner XOR key, an entry of bucket j has distance
/// d with bit j flipped and lower bits free: if d has the bit, the bucket is closer than everything
/// deeper; if not, farther.
#[inline]
fn closest_by_bucket(
    (owner, key): (Key, Key),
    (deep, k): (u32, usize),
    out: &mut Answer,
    mut append: impl FnMut(u32, &mut Answer),
) {
    let mut visit = |bucket: u32| {
        let before = out.rows.len();
        append(bucket, out);
        out.read += (out.rows.len() - before) as u64;
        out.keep_nearest(before, k - before);
        out.rows.len() == k
    };
    let distance = owner.distance(key).0;
    let mut nearer = distance;
    while nearer != 0 {
        let bucket = nearer.leading_zeros();
        if bucket >= deep {
            break;
        }
        if visit(bucket) {
            return;
        }
        nearer &= !(1 << (Key::BITS - 1 - bucket));
    }
    if visit(deep) {
        return;
    }
    for bucket in (0..deep).rev() {
        if distance & (1 << (Key::BITS - 1 - bucket)) == 0 && visit(bucket) {
            return;
        }
    }
}

/// Fills tables of consecutive owners. Neighbours in key order agree in most of their bits, so a bucket of
/// one is mostly the same as that of the one before: it is kept with the number of bits that decided it.
struct Filler<'a> {
    population: &'a Population<'a>,
    rule: &'a Rule,
    kept: Vec<Kept>,
}

#[derive(Clone, Default)]
struct Kept {
    owner: Key,
    bits: Option<u32>,
    rows: Vec<Row>,
}

impl<'a> Filler<'a> {
    fn new(population: &'a Population<'a>, rule: &'a Rule) -> Self {
        Self {
            population,
            rule,
            kept: vec![Kept::default(); Key::BITS as usize],
        }
    }

    /// Entries of one bucket of the owner.
    fn bucket(&mut self, owner: Key, bucket: u32) -> &[Row] {
        let kept = &mut self.kept[bucket as usize];
        if kept
            .bits
            .is_none_or(|bits| kept.owner.shared_bits(owner) < bits)
        {
            kept.rows.clear();
            kept.bits = self
                .rule
                .fill(self.population, owner, bucket, &mut kept.rows);
            kept.owner = owner;
        }
        &kept.rows
    }

    /// Appends the entries of all buckets from `deep` on.
    fn deep(&mut self, owner: Row, deep: u32, out: &mut Vec<Row>) {
        let key = self.population.key(owner);
        for bucket in deep..Key::BITS {
            let rest = self.population.subtree(key, bucket);
            if rest.len() <= self.rule.k() + 1 {
                // Every bucket in it holds all its candidates.
                out.extend(rest.iter().filter(|&row| row != owner));
                return;
            }
            out.extend_from_slice(self.bucket(key, bucket));
        }
    }
}

/// Owners whose tables are filled as one piece of work, and lie in one piece of memory.
const OWNERS_PER_CHUNK: usize = 4096;

/// Fills the tables of all nodes, chunk by chunk in parallel.
fn fill_chunks<T: Send>(
    population: &Population,
    rule: &Rule,
    fill: impl Fn(&mut Filler, std::ops::Range<u32>) -> T + Sync,
) -> Vec<T> {
    let nodes = population.sorted();
    (0..nodes.div_ceil(OWNERS_PER_CHUNK))
        .into_par_iter()
        .map_init(
            || Filler::new(population, rule),
            |filler, chunk| {
                let start = chunk * OWNERS_PER_CHUNK;
                fill(
                    filler,
                    start as u32..nodes.min(start + OWNERS_PER_CHUNK) as u32,
                )
            },
        )
        .collect()
}

#[cfg(test)]
mod tests;
