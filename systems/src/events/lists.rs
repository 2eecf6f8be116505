//! Lists of the nodes that answers on their way name.

use kadsim_engine::hardware::Prefetcher;
use kadsim_engine::node::Row;

/// Lists of nodes in one array, each with room for as many as an answer names at most.
///
/// The list that was freed last is reused first, so that the memory in use stays small and near.
#[derive(Debug, Default)]
pub struct Lists {
    /// Most nodes of a list.
    most: usize,
    rows: Vec<Row>,
    /// Length of each list.
    lens: Vec<u8>,
    free: Vec<u32>,
}

impl Lists {
    /// Returns no lists, each of which will have at most `most` nodes, at most 255.
    pub fn new(most: usize) -> Self {
        assert!(most <= usize::from(u8::MAX), "an answer is that long");
        Self {
            most,
            ..Self::default()
        }
    }

    /// Adds a list and returns its index.
    ///
    /// # Panics
    ///
    /// If it has more nodes than a list may have.
    #[inline]
    pub fn add(&mut self, list: &[Row]) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.lens.push(0);
            self.rows.resize(self.lens.len() * self.most, Row(0));
            self.lens.len() as u32 - 1
        });
        let first = index as usize * self.most;
        self.rows[first..first + self.most][..list.len()].copy_from_slice(list);
        self.lens[index as usize] = list.len() as u8;
        index
    }

    /// Returns a list.
    #[inline]
    pub fn get(&self, index: u32) -> &[Row] {
        let first = index as usize * self.most;
        &self.rows[first..][..usize::from(self.lens[index as usize])]
    }

    /// Removes a list.
    #[inline]
    pub fn remove(&mut self, index: u32) {
        self.lens[index as usize] = 0;
        self.free.push(index);
    }

    /// Removes all lists.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.lens.clear();
        self.free.clear();
    }

    /// Prefetches a list.
    #[inline]
    pub fn prefetch(&self, index: u32, prefetcher: &mut Prefetcher) {
        let first = index as usize * self.most;
        prefetcher.item(&self.lens, index as usize);
        prefetcher.range(&self.rows, first..first + self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_freed_last_is_reused_first() {
        let mut lists = Lists::new(3);
        let rows = |rows: &[u32]| rows.iter().copied().map(Row).collect::<Vec<_>>();
        let added: Vec<u32> = (0..4).map(|n| lists.add(&rows(&[n, n + 1]))).collect();
        assert_eq!(lists.get(added[2]), rows(&[2, 3]));
        lists.remove(added[1]);
        lists.remove(added[3]);
        assert_eq!(lists.add(&rows(&[7, 8, 9])), added[3]);
        assert_eq!(lists.add(&[]), added[1]);
        assert_eq!(lists.get(added[3]), rows(&[7, 8, 9]));
        assert_eq!(lists.get(added[1]), rows(&[]));
        assert_eq!(lists.get(added[0]), rows(&[0, 1]));
    }
}
