//! Segment stores: which node holds which keys, and from when.
//!
//! A node's [`Store`] component is a span of one arena, its keys in ascending order. New segments wait in a map until
//! they are numerous enough for a rebuild of the arena (sort, then one pass over the spans). So n segments cost
//! O(log n) each, amortised: the map and the arena are the two levels of a log-structured merge tree. The arena keeps
//! times beside its keys only while some of them lie in the future.

use std::collections::HashMap;

use bevy_ecs::resource::Resource;
use rayon::slice::ParallelSliceMut;

use crate::hardware::Prefetcher;
use crate::key::Key;
use crate::node::{Row, Store};

/// The segments held in a network. A node holds a key from the time at which the request to store it arrives, µs.
#[derive(Resource, Debug, Default)]
pub struct Segments {
    arena: Vec<Key>,
    /// Time from which each key of the arena is held, µs; empty if all times have passed.
    visible_us: Vec<u64>,
    /// Segments that are not in the arena yet, with the time from which they are held, µs.
    recent: HashMap<(Row, Key), u64>,
    /// All times at which a node was sent a key, µs, if they are kept.
    times_us: Option<HashMap<(Row, Key), Vec<u64>>>,
}

impl Segments {
    /// Records that a node holds a key from `visible_us` on. Of several times for the same key, the earliest counts.
    pub fn insert(&mut self, row: Row, key: Key, visible_us: u64) {
        let visible = self.recent.entry((row, key)).or_insert(visible_us);
        *visible = visible_us.min(*visible);
        if let Some(times_us) = &mut self.times_us {
            times_us.entry((row, key)).or_default().push(visible_us);
        }
    }

    /// Prefetches the key that [`Segments::holds`] compares first.
    #[inline]
    pub fn prefetch(&self, store: Store, prefetcher: &mut Prefetcher) {
        if store.len > 0 {
            prefetcher.item(&self.arena, (store.start + store.len / 2) as usize);
        }
    }

    /// Keeps the times of all stores from now on, for holders that lose what they were sent before.
    pub fn keep_times(&mut self) {
        self.times_us.get_or_insert_default();
    }

    /// Returns whether the node was sent the key to store at a time from `since_us` to `now_us`, both included. Only after
    /// [`Segments::keep_times`].
    pub fn was_stored(&self, row: Row, key: Key, since_us: u64, now_us: u64) -> bool {
        let times_us = self.times_us.as_ref().and_then(|all| all.get(&(row, key)));
        times_us.is_some_and(|times_us| times_us.iter().any(|&us| since_us <= us && us <= now_us))
    }

    /// Returns how many keys of its span the node was sent at a time from `since_us` to `now_us`. After [`Segments::merge`]
    /// these are all that it was sent.
    pub fn stored(&self, store: Store, row: Row, since_us: u64, now_us: u64) -> u32 {
        let keys = self.span(store).iter();
        keys.filter(|&&key| self.was_stored(row, key, since_us, now_us))
            .count() as u32
    }

    /// Returns whether the node holds the key at `now_us`.
    #[inline]
    pub fn holds(&self, store: Store, row: Row, key: Key, now_us: u64) -> bool {
        self.span(store)
            .binary_search(&key)
            .is_ok_and(|index| self.is_visible(store.start as usize + index, now_us))
            || (!self.recent.is_empty()
                && self
                    .recent
                    .get(&(row, key))
                    .is_some_and(|&visible| visible <= now_us))
    }

    /// Returns the keys of a span of the arena.
    #[inline]
    fn span(&self, store: Store) -> &[Key] {
        &self.arena[store.start as usize..][..store.len as usize]
    }

    /// Returns whether the key at `index` of the arena is held at `now_us`.
    #[inline]
    fn is_visible(&self, index: usize, now_us: u64) -> bool {
        self.visible_us.is_empty() || self.visible_us[index] <= now_us
    }

    /// Returns how many keys of its span a node holds at `now_us`. After [`Segments::merge`] these are all that it holds.
    pub fn held(&self, store: Store, now_us: u64) -> u32 {
        let span = store.start as usize..(store.start + store.len) as usize;
        match self.visible_us.get(span) {
            Some(visible_us) => visible_us.iter().filter(|&&us| us <= now_us).count() as u32,
            None => store.len,
        }
    }

    /// Returns whether so large a share of the segments waits that a rebuild of the arena pays before many reads.
    pub fn wants_merge(&self) -> bool {
        self.recent.len() > 64 + self.arena.len() / 4
    }

    /// Rebuilds the arena with all segments. Does nothing if they are more than 2³² - 1, which spans cannot number. Later
    /// calls must not ask for a time before `now_us`.
    pub fn merge(&mut self, stores: &mut [Store], now_us: u64) {
        if self.arena.len() + self.recent.len() > u32::MAX as usize {
            return;
        }
        if self.recent.is_empty() {
            if self.visible_us.iter().all(|&us| us <= now_us) {
                self.visible_us = Vec::new();
            }
            return;
        }
        let mut added: Vec<(Row, Key, u64)> = std::mem::take(&mut self.recent)
            .into_iter()
            .map(|((row, key), visible_us)| (row, key, visible_us))
            .collect();
        added.par_sort_unstable();
        let mut merged: Vec<(Key, u64)> = Vec::new();
        let mut arena = Vec::with_capacity(self.arena.len() + added.len());
        let is_later = |&(_, _, visible_us): &(Row, Key, u64)| visible_us > now_us;
        let is_timed = added.iter().any(is_later) || self.visible_us.iter().any(|&us| us > now_us);
        let mut visible_us = Vec::with_capacity(if is_timed { arena.capacity() } else { 0 });
        let mut added = added.into_iter().peekable();
        for (row, store) in stores.iter_mut().enumerate() {
            let start = arena.len();
            let old = store.start as usize..store.start as usize + store.len as usize;
            merged.clear();
            merged.extend(old.map(|index| {
                let us = self.visible_us.get(index).copied().unwrap_or(0);
                (self.arena[index], us)
            }));
            let held = merged.len();
            while let Some((_, key, us)) = added.next_if(|&(owner, ..)| owner.index() == row) {
                merged.push((key, us));
            }
            if merged.len() > held {
                // The earliest time of a key comes first and counts.
                merged.sort_unstable();
                merged.dedup_by_key(|&mut (key, _)| key);
            }
            arena.extend(merged.iter().map(|&(key, _)| key));
            if is_timed {
                visible_us.extend(merged.iter().map(|&(_, us)| us));
            }
            *store = Store {
                start: start as u32,
                len: (arena.len() - start) as u32,
            };
        }
        self.arena = arena;
        self.visible_us = visible_us;
    }

    /// Removes every segment.
    pub fn clear(&mut self, stores: &mut [Store]) {
        self.arena = Vec::new();
        self.visible_us = Vec::new();
        self.recent.clear();
        self.times_us.iter_mut().for_each(HashMap::clear);
        stores.fill(Store::default());
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.arena.capacity() * size_of::<Key>()
            + self.visible_us.capacity() * size_of::<u64>()
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
                        for now in [now, now + 2] {
                            let expected = held.iter().any(|&(r, k, visible)| r == row && k == key && visible <= now);
                            prop_assert_eq!(segments.holds(spans[row as usize], Row(row), Key(key), now), expected);
                        }
                    }
                }
            }
            let end = stores.len() as u64;
            for now in [end, end + 2, end + 5] {
                segments.merge(&mut spans, now);
                for row in 0..8 {
                    let visible = held.iter().filter(|held| held.0 == row && held.2 <= now);
                    let distinct: BTreeSet<u64> = visible.map(|held| held.1).collect();
                    prop_assert_eq!(segments.held(spans[row as usize], now) as usize, distinct.len());
                }
            }
            prop_assert!(segments.visible_us.is_empty());
        }
    }
}
