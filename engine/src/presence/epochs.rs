//! Epochs: stretches of time of equal length, with two bits a node and epoch. Whether a node is online is then mostly one
//! read of memory that stays in a cache, since the questions of a step are about few epochs.
//!
//! All epochs together take at most twice [`EPOCHS_PER_CHANGE`] bits a change of a node, and at least 2 bits a node.

use rayon::prelude::*;

use crate::hardware::in_huge_pages;
use crate::node::Row;

/// Most epochs for each change of the average node: with two bits a node and epoch, a change takes at most 3.75 bytes.
const EPOCHS_PER_CHANGE: usize = 15;

/// Words that a thread fills at a time.
const CHUNK: usize = 1 << 8;

/// The bits of 64 nodes in an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    /// Online before the epoch's first moment.
    online: u64,
    /// Comes or leaves in the epoch.
    changes: u64,
}

/// The nodes online at the begin of each epoch, and those that change in it.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// Binary logarithm of an epoch's length in µs.
    shift: u32,
    /// Words of an epoch.
    words: usize,
    /// Words of all epochs, one epoch after the other.
    bits: Vec<Word>,
}

/// What an epoch knows of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum During {
    /// It is online all the time, or offline all the time.
    Whole(bool),
    /// It comes or leaves.
    Changing,
}

impl Epochs {
    /// Returns the epochs up to `horizon_us`, included. `of` returns whether a node is online before its first change, and its
    /// changes up to the horizon, µs, ascending. Cost: O(nodes epochs + changes), on all threads.
    pub(super) fn new<'a>(
        nodes: usize,
        changes: usize,
        horizon_us: u64,
        of: impl Fn(Row) -> (bool, &'a [u64]) + Sync,
    ) -> Self {
        let most = (EPOCHS_PER_CHANGE * changes / nodes.max(1)).max(1) as u64;
        let least_us = (horizon_us / most).saturating_add(1);
        let shift = least_us.checked_next_power_of_two();
        let shift = shift.map_or(u64::BITS - 1, u64::trailing_zeros);
        let epochs = (horizon_us >> shift) as usize + 1;
        let words = nodes.div_ceil(64);
        let mut bits = in_huge_pages(Word::default(), words * epochs);
        let mut passed = vec![0u32; nodes];
        for (epoch, bits) in bits.chunks_mut(words.max(1)).enumerate() {
            let last_us = (epoch as u64) << shift | ((1 << shift) - 1);
            let chunks = bits.par_chunks_mut(CHUNK).enumerate();
            let chunks = chunks.zip(passed.par_chunks_mut(64 * CHUNK));
            chunks.for_each(|((chunk, words), passed)| {
                for (index, passed) in passed.iter_mut().enumerate() {
                    let row = chunk * 64 * CHUNK + index;
                    let (at_start, changes_us) = of(Row(row as u32));
                    let (word, bit) = (&mut words[index / 64], 1 << (row % 64));
                    let before = *passed as usize;
                    let within = changes_us[before..].iter();
                    let within = within.take_while(|&&us| us <= last_us).count();
                    if at_start ^ (before % 2 == 1) {
                        word.online |= bit;
                    }
                    if within > 0 {
                        word.changes |= bit;
                        *passed += within as u32;
                    }
                }
            });
        }
        Self { shift, words, bits }
    }

    /// Returns what the epoch of `at_us` knows of a node. `at_us` is at most the horizon.
    #[inline]
    pub(super) fn during(&self, row: Row, at_us: u64) -> During {
        let epoch = (at_us >> self.shift) as usize;
        let word = self.bits[epoch * self.words + row.index() / 64];
        let bit = row.index() % 64;
        match word.changes >> bit & 1 {
            0 => During::Whole(word.online >> bit & 1 == 1),
            _ => During::Changing,
        }
    }

    /// Returns the bytes on the heap.
    pub(super) fn bytes_used(&self) -> usize {
        self.bits.capacity() * size_of::<Word>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_know_what_the_changes_say() {
        let horizon_us = 1000;
        // Nodes of 0 to 4 changes, more than a chunk of words.
        let changes_us: Vec<Vec<u64>> = (0..64 * CHUNK as u64 + 100)
            .map(|row| (0..row % 5).map(|n| (row * 37 + n * 211) % 997).collect())
            .map(|mut changes: Vec<u64>| {
                changes.sort_unstable();
                changes
            })
            .collect();
        let total = changes_us.iter().map(Vec::len).sum();
        let of = |row: Row| (row.0.is_multiple_of(3), &changes_us[row.index()][..]);
        let epochs = Epochs::new(changes_us.len(), total, horizon_us, of);
        let count = (horizon_us >> epochs.shift) + 1;
        assert!(count > 3);
        assert!(4 * epochs.bytes_used() <= EPOCHS_PER_CHANGE * total + 64);
        for (row, changes_us) in (0..).map(Row).zip(&changes_us) {
            for at_us in [0, 1, 63, 64, 127, 128, 500, 999, 1000] {
                let epoch = at_us >> epochs.shift;
                let is_within = |us: &&u64| **us >> epochs.shift == epoch;
                let passed = changes_us.iter().filter(|&&us| us <= at_us).count();
                let is_online = row.0.is_multiple_of(3) ^ (passed % 2 == 1);
                let expected = match changes_us.iter().find(is_within) {
                    Some(_) => During::Changing,
                    None => During::Whole(is_online),
                };
                assert_eq!(epochs.during(row, at_us), expected, "{row:?} {at_us}");
            }
        }
    }

    #[test]
    fn without_changes_one_epoch_has_all_time() {
        let epochs = Epochs::new(70, 0, u64::MAX, |row| (row.0 == 65, &[]));
        assert_eq!(epochs.during(Row(65), u64::MAX), During::Whole(true));
        assert_eq!(epochs.during(Row(64), 0), During::Whole(false));
    }
}
