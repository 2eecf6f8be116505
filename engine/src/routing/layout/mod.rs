//! Bucket layouts: how the routing tables of a network lie in memory.
//!
//! [`Rule`](super::Rule) fixes what a table holds. A layout decides where the entries lie. Every layout gives the same
//! answers. Layouts differ in bytes, in the time to fill them, and in the cache lines that an answer reads.
//!
//! # Adding a layout
//!
//! 1. Write a file in this folder. A layout that stores entries implements the trait `Stored` of `face.rs`, which
//!    appends the entries of a group in any order: a bucket, or all deep buckets together. If the entries of a group lie
//!    one after the other, it implements the shorter trait `Slices`.
//!    `packed.rs` is the shortest example; `spans.rs` computes what it does not store. Fill the tables with
//!    `fill_chunks` of `fill.rs`: it works on all threads and hands each of them a `Filler`, which reuses buckets that
//!    neighbours in key order share. A layout that does not answer bucket by bucket implements [`Layout`] itself, as
//!    `implicit.rs` does.
//! 2. Declare the file below, and name the layout in [`LayoutKind`]: the variant, `ALL`, `as_str`, `build`. Experiment
//!    files then know it as `engine.layout`.
//! 3. Say in `experiments/src/estimate/nodes.rs` how many bytes of a node it takes; the compiler asks for it. `run` and
//!    `layouts` refuse an experiment that does not fit into memory.
//! 4. Renew the reference of keys, which lists the layouts: `SNAPSHOTS=overwrite cargo test --test tests cli::keys`.
//!
//! A layout relies on and keeps to the following:
//!
//! - Rows of a [`Population`](crate::population::Population) are ranks of keys. The population does not change after the tables were laid out. A
//!   layout holds tables of sorted nodes only; tables of nodes added later lie in front of it, in
//!   [`Tables`](crate::routing::Tables).
//! - Buckets from `deep_from` on hold a handful of nodes together, so they are one group. Storing all 64 buckets one by
//!   one wastes most bytes.
//! - [`Layout::closest`] is called millions of times a second. It allocates nothing, and adds the entries that it reads
//!   to [`Answer::read`](crate::answer::Answer::read). [`Layout::prefetch`] prefetches in three stages what it will read,
//!   for many lookups at once. An instrumented run counts the cache lines prefetched. A line that is not prefetched delays
//!   the lookup and is missing from the count.
//! - Large arenas come from [`with_huge_pages`](crate::hardware::with_huge_pages), one for each chunk of owners.
//!
//! # Checks
//!
//! `cargo test --lib layout` runs the property suite of `tests.rs` over every layout of [`LayoutKind::ALL`], on random
//! populations, k, policies and seeds. Every bucket equals the one of brute force (`closest`), or is a subset of its
//! candidates of the right size, the same in every layout (`random`). [`Layout::closest`] equals a full sort of the
//! table, for keys near, far and equal to the owner's. [`Layout::prefetch`] does not
//! panic for any of these keys.
//! `cargo test` adds what py-dht recorded (`tests/golden/tables.rs`), whole runs against a reference simulator
//! (`tests/properties/`), and results that do not depend on the layout.
//!
//! # Costs
//!
//! `kadsim layouts FILE` runs an experiment under every layout, checks that each of its operations came out
//! the same, and prints a line for each: time to fill the tables, time and contacts per second of the
//! lookups, bytes of a node by part, entries read and cache lines prefetched for an answer, and cache misses of a
//! contact where the machine counts them. `--set` changes the experiment:
//!
//! ```text
//! kadsim layouts experiments/quickstart.toml --set network.nodes=1_000_000 --set network.bootstrap=random
//! ```
//!
//! `cargo bench --bench bootstrap` and `--bench contacts` time the pieces.

mod dense;
mod face;
mod fill;
mod implicit;
mod packed;
mod spans;

use std::fmt;

pub use dense::Dense;
pub use face::{Layout, PREFETCH_STAGES};
pub(super) use face::{closest_by_bucket, deep_from};
pub use implicit::Implicit;
pub use packed::Packed;
pub use spans::Spans;

use super::knowledge::Knowledge;

/// A layout by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LayoutKind {
    /// A fixed array for each bucket.
    Dense,
    /// One arena of entries and offsets for each node.
    #[default]
    Packed,
    /// A first row and a bit mask for each bucket.
    Spans,
    /// Nothing stored: buckets are computed when they are read.
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

    /// Returns the layout's name in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            LayoutKind::Dense => "dense",
            LayoutKind::Packed => "packed",
            LayoutKind::Spans => "spans",
            LayoutKind::Implicit => "implicit",
        }
    }

    /// Lays out the tables of all nodes of a sorted population, on all threads of the current pool.
    pub fn build(self, knowledge: Knowledge) -> Box<dyn Layout> {
        match self {
            LayoutKind::Dense => Box::new(Dense::build(knowledge)),
            LayoutKind::Packed => Box::new(Packed::build(knowledge)),
            LayoutKind::Spans => Box::new(Spans::build(knowledge)),
            LayoutKind::Implicit => Box::new(Implicit),
        }
    }
}

/// Writes the layout's name in an experiment file.
impl fmt::Display for LayoutKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests;
