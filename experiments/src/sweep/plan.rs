//! Plans the number of cells that run at once, and the threads of each.
//!
//! Threads, cells and memory limit the number. No set of cells that run at once needs more memory than the same number
//! of the largest ones, so those decide. Cells that run at once share the threads evenly, each with a pool of its own.

/// Plan for running cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Number of cells that run at once; 0 if there is no cell to run.
    pub at_once: usize,
    /// Threads over all of them.
    pub threads: usize,
    /// The most memory that they will need at once, bytes, by the estimate.
    pub need: u64,
}

impl Plan {
    /// Plans cells that need `needs` bytes each beside the others and `shared` bytes together. Returns `None` if a cell
    /// does not fit.
    pub(super) fn new(mut needs: Vec<u64>, shared: u64, threads: usize, has: u64) -> Option<Self> {
        needs.sort_unstable_by(|a, b| b.cmp(a));
        let mut plan = Self {
            at_once: 0,
            threads,
            need: 0,
        };
        for need in needs.iter().take(threads) {
            let sum = plan.need.max(shared).saturating_add(*need);
            if sum > has {
                break;
            }
            plan.at_once += 1;
            plan.need = sum;
        }
        (plan.at_once > 0 || needs.is_empty()).then_some(plan)
    }

    /// Returns the number of threads of the cells in this slot, from 0 to `at_once` - 1.
    pub(super) fn threads(&self, slot: usize) -> usize {
        self.threads / self.at_once + usize::from(slot < self.threads % self.at_once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(needs: &[u64], threads: usize) -> Option<(usize, u64)> {
        let plan = Plan::new(needs.to_vec(), 0, threads, 100);
        plan.map(|plan| (plan.at_once, plan.need))
    }

    #[test]
    fn memory_threads_and_cells_decide_how_many() {
        assert_eq!(plan(&[10; 24], 2), Some((2, 20)));
        assert_eq!(plan(&[10; 3], 8), Some((3, 30)));
        assert_eq!(plan(&[40; 24], 8), Some((2, 80)));
        // The two largest cells may run at once.
        assert_eq!(plan(&[1, 1, 1, 60, 50], 8), Some((1, 60)));
        assert_eq!(plan(&[1, 60, 30, 1], 3), Some((3, 91)));
        assert_eq!(plan(&[1, 101], 2), None);
        assert_eq!(plan(&[], 2), Some((0, 0)));
        // Shared memory counts once.
        let plan = Plan::new(vec![40; 3], 15, 8, 100).unwrap();
        assert_eq!((plan.at_once, plan.need), (2, 95));
        assert!(Plan::new(vec![90], 15, 8, 100).is_none());
    }

    #[test]
    fn all_threads_are_in_use() {
        for (cells, threads) in [(1, 7), (3, 7), (7, 7), (2, 256)] {
            let plan = Plan::new(vec![1; cells], 0, threads, u64::MAX).unwrap();
            let all: Vec<usize> = (0..plan.at_once).map(|slot| plan.threads(slot)).collect();
            assert_eq!(all.iter().sum::<usize>(), threads);
            assert!(all.iter().max().unwrap() - all.iter().min().unwrap() <= 1);
        }
    }
}
