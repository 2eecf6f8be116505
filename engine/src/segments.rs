//! Segment stores: which node holds which keys, and from when.
//!
//! A node's [`Store`] component is a span of one arena, its keys in ascending order. New stores wait in a
//! map until they are worth a rebuild of the arena (sort, then spans by one pass), so a store costs O(log)
//! however many there are: the two levels of a log-structured merge tree.

use std::collections::HashMap;

use bevy_ecs::resource::Resource;
use rayon::slice::ParallelSliceMut;

use crate::key::Key;
use crate::node::{Row, Store};

/// The segments held in a network. A key is held from its time of visibility (µs) on.
#[derive(Resource, Debug, Default)]
pub struct Segments {
    arena: Vec<Key>,
    recent: HashMap<(Row, Key), u64>,
}

impl Segments {
    /// Notes that a node holds a key from `visible_us` on; the earliest time counts.
    pub fn insert(&mut self, row: Row, key: Key, visible_us: u64) {
        let visible = self.recent.entry((row, key)).or_insert(visible_us);
        *visible = visible_us.min(*visible);
    }

    /// Whether the node holds the key at `now_us`.
    #[inline]
    pub fn holds(&self, store: Store, row: Row, key: Key, now_us: u64) -> bool {
        self.span(store).binary_search(&key).is_ok()
            || (!self.recent.is_empty()
                && self
                    .recent
                    .get(&(row, key))
                    .is_some_and(|&visible| visible <= now_us))
    }

    /// The keys of a span of the arena.
    #[inline]
    fn span(&self, store: Store) -> &[Key] {
        &self.arena[store.start as usize..][..store.len as usize]
    }

    /// Whether so many stores wait that the arena should be rebuilt before many reads.
    pub fn wants_merge(&self) -> bool {
        self.recent.len() > 64 + self.arena.len() / 4
    }

    /// Rebuilds the arena with all that is visible at `now_us`; later ones go on waiting, and so do all
    /// where spans cannot name that many keys (2³²).
    pub fn merge(&mut self, stores: &mut [Store], now_us: u64) {
        if self.arena.len() + self.recent.len() > u32::MAX as usize {
            return;
        }
        let mut added: Vec<(Row, Key)> = Vec::with_capacity(self.recent.len());
        self.recent.retain(|&held, &mut visible| {
            let is_visible = visible <= now_us;
            if is_visible {
                added.push(held);
            }
            !is_visible
        });
        if added.is_empty() {
            return;
        }
        self.recent.shrink_to(64);
        added.par_sort_unstable();
        let mut arena = Vec::with_capacity(self.arena.len() + added.len());
        let mut added = added.into_iter().peekable();
        for (row, store) in stores.iter_mut().enumerate() {
            let start = arena.len();
            arena.extend_from_slice(&self.arena[store.start as usize..][..store.len as usize]);
            let old = arena.len();
            while let Some((_, key)) = added.next_if(|&(owner, _)| owner.index() == row) {
                if arena[start..old].binary_search(&key).is_err() {
                    arena.push(key);
                }
            }
            if arena.len() > old {
                arena[start..].sort_unstable();
            }
            *store = Store {
                start: start as u32,
                len: (arena.len() - start) as u32,
            };
        }
        self.arena = arena;
    }

    /// Forgets every segment.
    pub fn clear(&mut self, stores: &mut [Store]) {
        self.arena = Vec::new();
        self.recent.clear();
        stores.fill(Store::default());
    }

    /// Bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.arena.capacity() * size_of::<Key>()
            + self.recent.capacity() * (size_of::<((Row, Key), u64)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn holds_what_was_stored_once_it_is_visible(
            stores in proptest::collection::vec((0u32..8, 0u64..30, 0u64..5), 0..80),
            merges in proptest::collection::vec(0usize..80, 0..4),
        ) {
            let mut segments = Segments::default();
            let mut spans = [Store::default(); 8];
            let mut held = BTreeSet::new();
            for (i, &(row, key, delay)) in stores.iter().enumerate() {
                let now = i as u64;
                segments.insert(Row(row), Key(key), now + delay);
                held.insert((row, key, now + delay));
                if merges.contains(&i) {
                    segments.merge(&mut spans, now);
                }
                for row in 0..8 {
                    for key in 0..30 {
                        let expected = held.iter().any(|&(r, k, visible)| r == row && k == key && visible <= now);
                        prop_assert_eq!(segments.holds(spans[row as usize], Row(row), Key(key), now), expected);
                    }
                }
            }
            segments.merge(&mut spans, 1000);
            for row in 0..8 {
                let distinct: BTreeSet<u64> = held.iter().filter(|held| held.0 == row).map(|held| held.1).collect();
                prop_assert_eq!(spans[row as usize].len as usize, distinct.len());
            }
        }
    }
}
