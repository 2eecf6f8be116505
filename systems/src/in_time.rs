//! System parameter: the routing tables of a network at any moment, and what they follow from.

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;

use kadsim_engine::key::Key;
use kadsim_engine::node::Nodes;
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::routing::{Tables, TablesInTime};

use crate::living::Living;

/// Read access to routing tables, and to who is online when.
#[derive(SystemParam)]
pub struct InTime<'w, 's> {
    nodes: Nodes<'w, 's>,
    index: Res<'w, RadixIndex>,
    tables: Res<'w, Tables>,
    living: Res<'w, Living>,
}

impl InTime<'_, '_> {
    /// Returns the key column.
    pub fn keys(&self) -> &[Key] {
        self.nodes.columns().keys
    }

    /// Returns who is online when, and how tables and records follow.
    pub fn living(&self) -> &Living {
        &self.living
    }

    /// Returns the tables.
    pub fn tables(&self) -> TablesInTime<'_> {
        let columns = self.nodes.columns();
        TablesInTime {
            population: Population::new(columns.keys, &self.index),
            columns,
            tables: &self.tables,
            timelines: &self.living.timelines,
            makeup: &self.living.makeup,
            aging: self.living.aging,
            online: self.living.online,
            live: None,
        }
    }
}
