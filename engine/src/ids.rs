//! The user's node ids.
//!
//! An id becomes a row where a user names a node, and a row becomes an id where a table names a node. All other code
//! uses rows.

use std::collections::HashMap;

use bevy_ecs::resource::Resource;

use crate::key::Key;
use crate::node::Row;
use crate::population::Population;

/// How rows and ids of a network correspond.
#[derive(Resource, Clone, Debug)]
pub struct Ids {
    base: Base,
    /// Ids of nodes added later, in the order of their rows.
    added: Vec<i64>,
    /// Rows of nodes added later, by id.
    added_rows: HashMap<i64, Row>,
}

/// Ids of the nodes that the network started with.
#[derive(Clone, Debug)]
enum Base {
    /// Ids `0..nodes`. The key of each is [`Key::of_node`] under `key_seed`.
    Generated { key_seed: u64, nodes: u32 },
    /// Ids from a file or a caller.
    Imported {
        by_row: Vec<i64>,
        rows: HashMap<i64, Row>,
    },
}

impl Ids {
    /// Returns the ids of the generated nodes 0 to n - 1.
    pub fn generated(key_seed: u64, nodes: u32) -> Self {
        Self {
            base: Base::Generated { key_seed, nodes },
            added: Vec::new(),
            added_rows: HashMap::new(),
        }
    }

    /// Returns the ids of imported nodes, given in the order of their keys.
    pub fn imported(by_row: Vec<i64>) -> Self {
        let rows = by_row
            .iter()
            .enumerate()
            .map(|(row, &id)| (id, Row(row as u32)))
            .collect();
        Self {
            base: Base::Imported { by_row, rows },
            added: Vec::new(),
            added_rows: HashMap::new(),
        }
    }

    /// Returns the number of nodes that the network started with.
    fn base_len(&self) -> usize {
        match &self.base {
            Base::Generated { nodes, .. } => *nodes as usize,
            Base::Imported { by_row, .. } => by_row.len(),
        }
    }

    /// Returns the seed of the keys of generated nodes; `None` for imported nodes.
    pub fn key_seed(&self) -> Option<u64> {
        match self.base {
            Base::Generated { key_seed, .. } => Some(key_seed),
            Base::Imported { .. } => None,
        }
    }

    /// Adds the id of the next row.
    pub fn add(&mut self, id: i64) {
        let row = self.base_len() + self.added.len();
        self.added_rows.insert(id, Row(row as u32));
        self.added.push(id);
    }

    /// Returns the id of a node.
    #[inline]
    pub fn id(&self, row: Row, keys: &[Key]) -> i64 {
        if let Some(index) = row.index().checked_sub(self.base_len()) {
            return self.added[index];
        }
        match &self.base {
            Base::Generated { key_seed, .. } => keys[row.index()].node_id(*key_seed) as i64,
            Base::Imported { by_row, .. } => by_row[row.index()],
        }
    }

    /// Returns the row of the node with this id. Cost: O(1).
    pub fn row(&self, id: i64, population: &Population) -> Option<Row> {
        let base = match &self.base {
            Base::Generated { key_seed, nodes } => u64::try_from(id)
                .ok()
                .filter(|&id| id < u64::from(*nodes))
                .and_then(|id| population.find(Key::of_node(id, *key_seed))),
            Base::Imported { rows, .. } => rows.get(&id).copied(),
        };
        base.or_else(|| self.added_rows.get(&id).copied())
    }
}
