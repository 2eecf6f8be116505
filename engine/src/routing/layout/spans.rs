//! `spans`: a bucket as the first of its rows and a bit for each of the 64 rows from there.
//!
//! Under the `closest` policy a bucket's entries are neighbours in key order, and rows are ranks of keys. 20 entries
//! usually lie within 64 rows, so 12 bytes stand for 80. The entries of other buckets (some of a large k, all of the
//! `random` policy) lie in an arena, as in `packed`. At a million nodes, k = 20 and `closest` buckets, a table takes
//! 0.2 kB, a seventh of `packed`. An answer reads one cache line, then the keys.

use super::face::{Stored, deep_from};
use super::fill::{OWNERS_PER_CHUNK, fill_chunks};
use crate::answer::Answer;
use crate::hardware::{Prefetcher, with_huge_pages};
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::Population;
use crate::routing::knowledge::Knowledge;

/// Tables whose buckets are a first row and a bit mask.
pub struct Spans {
    deep: u32,
    chunks: Vec<Chunk>,
}

/// Tables of [`OWNERS_PER_CHUNK`] consecutive nodes.
struct Chunk {
    /// `deep + 1` groups a node.
    spans: Vec<Span>,
    /// Groups that are no spans: for each the number of entries, then the entries.
    others: Vec<u32>,
}

/// The entries of a group: rows `first + i` for each bit `i` of the mask, whose low half comes first. If no bit is set,
/// the entries lie at `first` of [`Chunk::others`].
#[derive(Clone, Copy)]
struct Span {
    first: u32,
    mask: [u32; 2],
}

impl Span {
    /// Returns the span of `rows`; `None` if there are no rows, or if one lies more than 63 rows behind the first.
    fn of(rows: &[Row]) -> Option<Self> {
        let first = rows.iter().min()?.0;
        let mut mask = 0u64;
        for row in rows {
            mask |= 1u64.checked_shl(row.0 - first)?;
        }
        Some(Self {
            first,
            mask: [mask as u32, (mask >> 32) as u32],
        })
    }

    /// Returns both halves of the mask.
    #[inline]
    fn mask(self) -> u64 {
        u64::from(self.mask[0]) | u64::from(self.mask[1]) << 32
    }
}

impl Spans {
    /// Lays out the tables of all nodes.
    pub fn build(knowledge: Knowledge) -> Self {
        let deep = deep_from(knowledge);
        let chunks = fill_chunks(knowledge, |filler, owners| {
            let mut chunk = Chunk {
                spans: with_huge_pages(owners.len() * (deep as usize + 1)),
                others: Vec::new(),
            };
            let mut rest = Vec::new();
            for owner in owners {
                for bucket in (0..deep).map(BucketIndex::new) {
                    chunk.push(filler.bucket(owner, bucket));
                }
                rest.clear();
                filler.deep(owner, deep, &mut rest);
                chunk.push(&rest);
            }
            chunk.others.shrink_to_fit();
            chunk
        });
        Self { deep, chunks }
    }

    #[inline]
    fn chunk(&self, owner: Row) -> &Chunk {
        &self.chunks[owner.index() / OWNERS_PER_CHUNK]
    }

    /// Returns the index of a group in the chunk of its owner.
    #[inline]
    fn index(&self, owner: Row, group: u32) -> usize {
        owner.index() % OWNERS_PER_CHUNK * (self.deep as usize + 1) + group as usize
    }
}

impl Chunk {
    /// Appends a group.
    fn push(&mut self, rows: &[Row]) {
        let span = Span::of(rows).unwrap_or_else(|| {
            let first = self.others.len() as u32;
            self.others.push(rows.len() as u32);
            self.others.extend(rows.iter().map(|row| row.0));
            Span {
                first,
                mask: [0, 0],
            }
        });
        self.spans.push(span);
    }

    /// Returns the entries at `first` of the arena.
    #[inline]
    fn others(&self, first: u32) -> &[u32] {
        let first = first as usize;
        &self.others[first + 1..][..self.others[first] as usize]
    }
}

impl Stored for Spans {
    #[inline]
    fn deep(&self) -> u32 {
        self.deep
    }

    #[inline]
    fn append(&self, owner: Row, group: u32, out: &mut Vec<Row>) {
        let chunk = self.chunk(owner);
        let span = chunk.spans[self.index(owner, group)];
        let mut mask = span.mask();
        if mask == 0 {
            out.extend(chunk.others(span.first).iter().copied().map(Row));
            return;
        }
        let count = mask.count_ones() as usize;
        out.extend((0..count).map(|_| {
            let row = Row(span.first + mask.trailing_zeros());
            mask &= mask - 1;
            row
        }));
    }

    #[inline]
    fn answer(&self, population: &Population, key: Key, owner: Row, group: u32, out: &mut Answer) {
        let span = self.chunk(owner).spans[self.index(owner, group)];
        if span.mask() == 0 {
            self.append(owner, group, &mut out.rows);
            out.measure(population, key);
        } else {
            out.push_span(population, key, Row(span.first), span.mask());
        }
    }

    #[inline]
    fn prefetch(
        &self,
        owner: Row,
        group: u32,
        keys: &[Key],
        stage: u32,
        prefetcher: &mut Prefetcher,
    ) {
        let chunk = self.chunk(owner);
        let index = self.index(owner, group);
        if stage == 0 {
            prefetcher.item(&chunk.spans, index);
            return;
        }
        let span = chunk.spans[index];
        match (stage, span.mask()) {
            (1, 0) => {
                let first = span.first as usize;
                prefetcher.range(&chunk.others, first..first + 1);
            }
            (1, mask) => {
                let first = span.first as usize;
                let length = (u64::BITS - mask.leading_zeros()) as usize;
                prefetcher.range(keys, first..first + length);
            }
            (_, 0) => {
                let rows = chunk.others(span.first);
                prefetcher.range(rows, 0..rows.len());
                rows.iter()
                    .for_each(|&row| prefetcher.item(keys, row as usize));
            }
            _ => {}
        }
    }

    fn bytes_used(&self) -> usize {
        let chunk = |chunk: &Chunk| {
            chunk.spans.capacity() * size_of::<Span>() + chunk.others.capacity() * 4
        };
        self.chunks.iter().map(chunk).sum()
    }
}
