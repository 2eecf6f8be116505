//! The changes of all nodes in the order of time, 4 bytes each, with counts of the nodes that are online.
//!
//! Changes lie in blocks, each with the time of its first change. A block ends after [`BLOCK`] changes, or where an offset
//! from its first change would take more than 31 bits (36 minutes).

/// Most changes of a block.
const BLOCK: usize = 4096;
/// Least offset, µs, that does not fit.
const OFFSET_END_US: u64 = 1 << 31;

/// Changes of presence in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnover {
    /// Nodes that come; a node counts each time.
    pub arrivals: u64,
    /// Nodes that leave; a node counts each time.
    pub departures: u64,
}

/// A block of changes.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Time of the first change, µs.
    first_us: u64,
    /// Index of the first change.
    begin: u32,
    /// Nodes online before the first change.
    online: u32,
}

/// Changes of nodes, in the order of time.
#[derive(Debug, Default)]
pub(super) struct ByTime {
    online_at_start: u32,
    blocks: Vec<Block>,
    /// Of each change, the offset from its block's first, µs, shifted left by one, and whether a node comes.
    changes: Vec<u32>,
}

impl ByTime {
    /// Takes changes in any order: the time, µs, shifted left by one, and whether a node comes. Cost: O(changes log changes),
    /// on all threads.
    pub(super) fn new(online_at_start: u32, mut changes: Vec<u64>) -> Self {
        use rayon::slice::ParallelSliceMut;

        changes.par_sort_unstable();
        let mut online = online_at_start;
        let mut blocks: Vec<Block> = Vec::new();
        let mut offsets = Vec::with_capacity(changes.len());
        for (index, change) in changes.into_iter().enumerate() {
            let (at_us, comes) = (change >> 1, change & 1);
            let is_full = |block: &Block| {
                index - block.begin as usize == BLOCK || at_us - block.first_us >= OFFSET_END_US
            };
            if blocks.last().is_none_or(is_full) {
                blocks.push(Block {
                    first_us: at_us,
                    begin: index as u32,
                    online,
                });
            }
            let offset_us = at_us - blocks[blocks.len() - 1].first_us;
            offsets.push((offset_us << 1 | comes) as u32);
            match comes {
                1 => online += 1,
                _ => online -= 1,
            }
        }
        Self {
            online_at_start,
            blocks,
            changes: offsets,
        }
    }

    /// Returns the number of changes.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns the changes of a block.
    fn of(&self, block: usize) -> &[u32] {
        let end = self.blocks.get(block + 1);
        let end = end.map_or(self.changes.len(), |next| next.begin as usize);
        &self.changes[self.blocks[block].begin as usize..end]
    }

    /// Returns the last block that begins at or before `at_us`, and how many of its changes are at or before it.
    fn passed(&self, at_us: u64) -> Option<(usize, usize)> {
        let block = self
            .blocks
            .partition_point(|block| block.first_us <= at_us)
            .checked_sub(1)?;
        let offset_us = at_us - self.blocks[block].first_us;
        let passed = self
            .of(block)
            .partition_point(|change| u64::from(change >> 1) <= offset_us);
        Some((block, passed))
    }

    /// Returns how many nodes are online at `at_us`, changes of that moment included. Cost: O(log changes).
    pub(super) fn online(&self, at_us: u64) -> u64 {
        let Some((block, passed)) = self.passed(at_us) else {
            return u64::from(self.online_at_start);
        };
        let arrivals = arrivals(&self.of(block)[..passed]);
        u64::from(self.blocks[block].online) + arrivals - (passed as u64 - arrivals)
    }

    /// Returns how many changes there are up to `at_us`, included.
    fn count(&self, at_us: u64) -> u64 {
        let passed = self.passed(at_us);
        passed.map_or(0, |(block, passed)| {
            u64::from(self.blocks[block].begin) + passed as u64
        })
    }

    /// Returns how many nodes come and how many leave from `from_us` to `until_us`, both included.
    pub(super) fn turnover(&self, from_us: u64, until_us: u64) -> Turnover {
        let (changes, before) = match from_us.checked_sub(1) {
            Some(before_us) => (
                self.count(until_us).saturating_sub(self.count(before_us)),
                self.online(before_us),
            ),
            None => (self.count(until_us), u64::from(self.online_at_start)),
        };
        if changes == 0 {
            return Turnover::default();
        }
        // Arrivals and departures add up to the changes, and differ by what the number of nodes online has grown by.
        let arrivals = (changes + self.online(until_us) - before) / 2;
        Turnover {
            arrivals,
            departures: changes - arrivals,
        }
    }

    /// Returns the time of the first change from `from_us` on, µs.
    pub(super) fn next_us(&self, from_us: u64) -> Option<u64> {
        let (block, passed) = match from_us.checked_sub(1).and_then(|us| self.passed(us)) {
            Some((block, passed)) if passed < self.of(block).len() => (block, passed),
            Some((block, _)) => (block + 1, 0),
            None => (0, 0),
        };
        let first_us = self.blocks.get(block)?.first_us;
        Some(first_us + u64::from(self.of(block)[passed] >> 1))
    }

    /// Returns the bytes on the heap.
    pub(super) fn bytes_used(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.changes.capacity() * size_of::<u32>()
    }
}

/// Returns how many nodes come in a part of a block.
fn arrivals(changes: &[u32]) -> u64 {
    let arrivals: u32 = changes.iter().map(|change| change & 1).sum();
    u64::from(arrivals)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes with gaps from none to longer than a block may last, more than a block holds.
    #[test]
    fn blocks_give_what_a_list_of_all_changes_gives() {
        let mut at_us = 0;
        let mut all = Vec::new();
        for index in 0..3 * BLOCK as u64 {
            at_us += match index % 1000 {
                999 => 2 * OFFSET_END_US,
                7 => OFFSET_END_US - 1,
                step => step % 3,
            };
            all.push(at_us << 1 | (index % 2));
        }
        let mut reversed = all.clone();
        reversed.reverse();
        let by_time = ByTime::new(4, reversed);
        assert_eq!(by_time.len(), all.len());
        all.sort_unstable();
        let times = all.iter().step_by(97).map(|change| change >> 1);
        let near = times.flat_map(|us| [us.saturating_sub(1), us, us + 1]);
        for at_us in near.chain([0, u64::MAX >> 1]) {
            let passed = all.iter().filter(|&&change| change >> 1 <= at_us);
            let mut all_by_then = Turnover::default();
            passed.for_each(|change| match change & 1 {
                1 => all_by_then.arrivals += 1,
                _ => all_by_then.departures += 1,
            });
            let online = 4 + all_by_then.arrivals - all_by_then.departures;
            assert_eq!(by_time.online(at_us), online, "{at_us}");
            assert_eq!(by_time.turnover(0, at_us), all_by_then, "{at_us}");
            let from_us = 3 * OFFSET_END_US;
            let later = |&&change: &&u64| (from_us..=at_us).contains(&(change >> 1));
            let later: Vec<u64> = all.iter().filter(later).map(|change| change & 1).collect();
            let arrivals = later.iter().sum();
            let expected = Turnover {
                arrivals,
                departures: later.len() as u64 - arrivals,
            };
            assert_eq!(by_time.turnover(from_us, at_us), expected, "{at_us}");
            let next = all.iter().map(|change| change >> 1).find(|&us| us >= at_us);
            assert_eq!(by_time.next_us(at_us), next, "{at_us}");
        }
    }

    #[test]
    fn without_changes_the_number_stays() {
        let by_time = ByTime::new(3, Vec::new());
        assert_eq!((by_time.online(0), by_time.online(u64::MAX)), (3, 3));
        assert_eq!(by_time.turnover(0, u64::MAX), Turnover::default());
        assert_eq!(by_time.next_us(0), None);
    }
}
