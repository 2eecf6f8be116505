//! How many nodes that are online hold each record, at any instant of a window.
//!
//! Workers note what changes at the nodes of their chunks: a copy comes or goes, or its holder does. After the window, the
//! changes of all chunks are applied in the order of time, and operations that have ended in between see the numbers of
//! their last microsecond. Cost: O(changes), and O(records of a node) changes when it comes or leaves.

use std::collections::HashMap;

use kadsim_engine::key::Key;

/// A change of the number of online holders of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderChange {
    /// When it happens, µs.
    pub time_us: u64,
    /// The key.
    pub key: Key,
    /// Whether there is one more, or one less.
    pub is_more: bool,
}

/// An operation that asks how many nodes hold a key at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its end, µs.
    pub time_us: u64,
    /// The key.
    pub key: Key,
    /// Its index among the operations that have ended.
    pub index: usize,
}

/// Numbers of online holders by key, up to the end of a window.
#[derive(Default)]
pub struct Holders {
    /// Keys with holders. Changes of one microsecond apply in any order, so a number may fall below 0 in between.
    counts: HashMap<Key, i64>,
}

impl Holders {
    /// Applies the changes of a window. Passes the index of each operation in `asked` to `counted`, with the number of holders of
    /// its key at the end of its microsecond. Sorts both by time.
    ///
    /// # Panics
    ///
    /// If more copies of a key have gone by then than have come.
    pub fn advance(
        &mut self,
        changes: &mut [HolderChange],
        asked: &mut [Asked],
        mut counted: impl FnMut(usize, u32),
    ) {
        changes.sort_unstable_by_key(|change| change.time_us);
        asked.sort_unstable_by_key(|operation| (operation.time_us, operation.index));
        let mut rest = changes.iter().peekable();
        for operation in asked.iter() {
            while let Some(change) = rest.next_if(|change| change.time_us <= operation.time_us) {
                self.apply(change);
            }
            let count = self.counts.get(&operation.key).copied().unwrap_or(0);
            let count = count.try_into().expect("a copy comes before it goes");
            counted(operation.index, count);
        }
        rest.for_each(|change| self.apply(change));
    }

    fn apply(&mut self, change: &HolderChange) {
        let count = self.counts.entry(change.key).or_default();
        *count += if change.is_more { 1 } else { -1 };
        if *count == 0 {
            self.counts.remove(&change.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(time_us: u64, key: u64, is_more: bool) -> HolderChange {
        HolderChange {
            time_us,
            key: Key(key),
            is_more,
        }
    }

    fn asked_of(time_us: u64, key: u64, index: usize) -> Asked {
        Asked {
            time_us,
            key: Key(key),
            index,
        }
    }

    #[test]
    fn an_operation_sees_the_changes_of_its_last_microsecond_and_no_later_ones() {
        let mut holders = Holders::default();
        let mut changes = [
            change(7, 1, true),
            change(5, 1, false),
            change(3, 1, true),
            change(5, 1, true),
            change(4, 2, true),
        ];
        let mut asked = [
            asked_of(6, 1, 0),
            asked_of(2, 1, 1),
            asked_of(5, 1, 2),
            asked_of(6, 2, 3),
        ];
        let at_9 = asked_of(9, 1, 0);
        let mut seen = [None; 4];
        holders.advance(&mut changes, &mut asked, |index, count| {
            seen[index] = Some(count);
        });
        assert_eq!(seen, [Some(1), Some(0), Some(1), Some(1)]);
        holders.advance(&mut [], &mut [at_9], |_, count| assert_eq!(count, 2));
    }
}
