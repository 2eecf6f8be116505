//! System parameter: the routing tables of a network at any moment, and what they follow from.

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;

use kadsim_engine::key::Key;
use kadsim_engine::makeup::Makeup;
use kadsim_engine::node::Nodes;
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::presence::Timelines;
use kadsim_engine::routing::{Tables, TablesInTime};

use crate::living::Living;

/// Number of the nodes that are not offline for the whole run.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Online(pub u64);

/// Read access to routing tables, and to who is online when.
#[derive(SystemParam)]
pub struct InTime<'w, 's> {
    nodes: Nodes<'w, 's>,
    index: Res<'w, RadixIndex>,
    tables: Res<'w, Tables>,
    timelines: Res<'w, Timelines>,
    makeup: Res<'w, Makeup>,
    living: Res<'w, Living>,
    online: Res<'w, Online>,
}

impl InTime<'_, '_> {
    /// Returns the key column.
    pub fn keys(&self) -> &[Key] {
        self.nodes.columns().keys
    }

    /// Returns the number of the nodes that are not offline for the whole run.
    pub fn online(&self) -> u64 {
        self.online.0
    }

    /// Returns whether records expire or are provided again.
    pub fn are_records_kept(&self) -> bool {
        self.living.are_records_kept()
    }

    /// Returns the tables.
    pub fn tables(&self) -> TablesInTime<'_> {
        let columns = self.nodes.columns();
        TablesInTime {
            population: Population::new(columns.keys, &self.index),
            columns,
            tables: &self.tables,
            timelines: &self.timelines,
            makeup: &self.makeup,
            aging: self.living.aging,
            online: self.online.0,
            live: None,
        }
    }
}
