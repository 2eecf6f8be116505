//! A calendar queue: items by the time at which they are due (Brown 1988, "Calendar queues").
//!
//! Time is divided into slots of equal width, and slots into epochs. The items of the current epoch lie in a list for each
//! slot, those of later epochs in a list for each epoch, which is distributed over the slots when its epoch begins. So an
//! item is moved once or twice, and adding or taking one costs O(1), and O(log epochs) where it is far ahead.
//!
//! Windows never cross the boundary of a slot, so nothing is added to an epoch that has passed.

use std::collections::BTreeMap;

/// Slots of an epoch.
const SLOTS: u64 = 1024;
/// Most emptied lists that are kept for reuse.
const SPARE_MAX: usize = 16;

/// An item of a calendar.
pub trait Timed {
    /// Returns when it is due, µs.
    fn time_us(&self) -> u64;
}

/// Items of a slot or of an epoch.
#[derive(Debug)]
struct List<T> {
    /// When the first of them is due, µs.
    first_us: u64,
    items: Vec<T>,
}

impl<T: Timed> List<T> {
    fn push(&mut self, item: T) {
        self.first_us = self.first_us.min(item.time_us());
        self.items.push(item);
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            first_us: u64::MAX,
            items: Vec::new(),
        }
    }
}

/// A calendar.
#[derive(Debug)]
pub struct Calendar<T> {
    width_us: u64,
    /// Slots of the current epoch; none until something is due in it.
    near: Vec<List<T>>,
    /// The slots that have items, a bit each.
    occupied: [u64; SLOTS as usize / 64],
    /// The current epoch.
    epoch: u64,
    /// Later epochs.
    far: BTreeMap<u64, List<T>>,
    spare: Vec<Vec<T>>,
}

impl<T: Timed> Calendar<T> {
    /// Returns an empty calendar with slots of this width, µs, at least 1.
    pub fn new(width_us: u64) -> Self {
        Self {
            width_us: width_us.max(1),
            near: Vec::new(),
            occupied: [0; SLOTS as usize / 64],
            epoch: 0,
            far: BTreeMap::new(),
            spare: Vec::new(),
        }
    }

    /// Adds an item, which is not due before the window that was taken last.
    #[inline]
    pub fn push(&mut self, item: T) {
        let slot = item.time_us() / self.width_us;
        let epoch = slot / SLOTS;
        debug_assert!(epoch >= self.epoch, "the epoch of the item has not passed");
        if epoch > self.epoch {
            self.far.entry(epoch).or_default().push(item);
            return;
        }
        if self.near.is_empty() {
            self.near.resize_with(SLOTS as usize, List::default);
        }
        let slot = (slot % SLOTS) as usize;
        let list = &mut self.near[slot];
        if list.items.is_empty() {
            self.occupied[slot / 64] |= 1 << (slot % 64);
            if list.items.capacity() == 0
                && let Some(spare) = self.spare.pop()
            {
                list.items = spare;
            }
        }
        list.push(item);
    }

    /// Returns the first slot of the current epoch that has items.
    #[inline]
    fn first_slot(&self) -> Option<usize> {
        let word = self.occupied.iter().position(|&word| word != 0)?;
        Some(word * 64 + self.occupied[word].trailing_zeros() as usize)
    }

    /// Returns when the first item is due, µs.
    #[inline]
    pub fn next_us(&self) -> Option<u64> {
        match self.first_slot() {
            Some(slot) => Some(self.near[slot].first_us),
            None => self.far.first_key_value().map(|(_, list)| list.first_us),
        }
    }

    /// Calls `each` with the items that are due before `until_us`, in no order, and removes them.
    pub fn take(&mut self, until_us: u64, mut each: impl FnMut(T)) {
        loop {
            let Some(slot) = self.first_slot() else {
                let next = self.far.first_entry();
                let Some(next) = next.filter(|next| next.get().first_us < until_us) else {
                    return;
                };
                let (epoch, list) = next.remove_entry();
                self.epoch = epoch;
                list.items.into_iter().for_each(|item| self.push(item));
                continue;
            };
            let list = &mut self.near[slot];
            if list.first_us >= until_us {
                return;
            }
            let mut items = std::mem::take(&mut list.items);
            list.first_us = u64::MAX;
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            let mut later = Vec::new();
            for item in items.drain(..) {
                match item.time_us() < until_us {
                    true => each(item),
                    false => later.push(item),
                }
            }
            if self.spare.len() < SPARE_MAX {
                self.spare.push(items);
            }
            later.into_iter().for_each(|item| self.push(item));
        }
    }

    /// Returns all items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let lists = self.near.iter().chain(self.far.values());
        lists.flat_map(|list| &list.items)
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        let lists = self.near.iter().chain(self.far.values());
        let items = lists.map(|list| list.items.capacity()).sum::<usize>()
            + self.spare.iter().map(Vec::capacity).sum::<usize>();
        items * size_of::<T>() + self.near.capacity() * size_of::<List<T>>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Timed for u64 {
        fn time_us(&self) -> u64 {
            *self
        }
    }

    proptest! {
        /// Whatever is added ahead, each window takes what is due in it.
        #[test]
        fn a_window_takes_what_is_due_in_it(
            width_us in 1u64..50,
            adds in proptest::collection::vec((0u64..5, 0u64..200_000), 1..200),
            stops in proptest::collection::vec(0u64..3, 1..200),
        ) {
            let mut calendar = Calendar::new(width_us);
            let mut waiting: Vec<u64> = Vec::new();
            let mut now_us = 0;
            for (&(few, ahead_us), &stop) in adds.iter().zip(stops.iter().cycle()) {
                for n in 0..few {
                    let due_us = now_us + ahead_us / (n + 1);
                    calendar.push(due_us);
                    waiting.push(due_us);
                }
                prop_assert_eq!(calendar.next_us(), waiting.iter().min().copied());
                let mut all: Vec<u64> = calendar.iter().copied().collect();
                all.sort_unstable();
                waiting.sort_unstable();
                prop_assert_eq!(&all, &waiting);
                let Some(next_us) = calendar.next_us() else { continue };
                // A window ends with its slot at the latest.
                let end_us = (next_us / width_us + 1) * width_us;
                let until_us = end_us.min(next_us + 1 + stop);
                let mut taken = Vec::new();
                calendar.take(until_us, |due_us| taken.push(due_us));
                taken.sort_unstable();
                let mut due: Vec<u64> = waiting.iter().copied().filter(|&us| us < until_us).collect();
                due.sort_unstable();
                prop_assert_eq!(taken, due);
                waiting.retain(|&us| us >= until_us);
                now_us = until_us - 1;
            }
        }
    }
}
