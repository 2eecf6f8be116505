//! Access to the nodes of a network between steps.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemState;
use rayon::prelude::*;

use kadsim_engine::answer::Answer;
use kadsim_engine::ids::Ids;
use kadsim_engine::key::{Distance, Key};
use kadsim_engine::link::Links;
use kadsim_engine::node::{Column, Columns, Contacts, Overhead, Presence, Row, Store};
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::routing::live::LiveTables;
use kadsim_engine::routing::{Tables, TablesInTime};
use kadsim_engine::segments::Segments;

use super::Network;
use crate::events::Chunks;
use crate::in_time::InTime;
use crate::living::Living;

/// Access to components and resources. It is kept from call to call, because making it takes microseconds.
pub(super) struct States {
    read: SystemState<Readable<'static, 'static>>,
    counters: SystemState<Counting<'static, 'static>>,
    keys: SystemState<Keys<'static, 'static>>,
    pub(super) presence: SystemState<Column<'static, 'static, Presence>>,
    pub(super) contacts: SystemState<Column<'static, 'static, Contacts>>,
    pub(super) overhead: SystemState<(Res<'static, Links>, Column<'static, 'static, Overhead>)>,
    stores: SystemState<(ResMut<'static, Segments>, Column<'static, 'static, Store>)>,
}

impl States {
    pub(super) fn new(world: &mut World) -> Self {
        Self {
            read: SystemState::new(world),
            counters: SystemState::new(world),
            keys: SystemState::new(world),
            presence: SystemState::new(world),
            contacts: SystemState::new(world),
            overhead: SystemState::new(world),
            stores: SystemState::new(world),
        }
    }
}

/// Components and resources that [`NodesView`] shows.
type Readable<'w, 's> = (
    InTime<'w, 's>,
    Res<'w, Ids>,
    Res<'w, Segments>,
    Res<'w, LiveTables>,
    Res<'w, Chunks>,
);

/// Components that [`Counters`] shows.
type Counting<'w, 's> = (
    Query<'w, 's, &'static Contacts>,
    Query<'w, 's, &'static Overhead>,
);

/// Components and resources that lead from an id to a row.
type Keys<'w, 's> = (
    Query<'w, 's, &'static Key>,
    Res<'w, RadixIndex>,
    Res<'w, Ids>,
);

/// Read-only view of the nodes of a network, with their routing tables and stored segments.
#[derive(Clone, Copy)]
pub struct NodesView<'a> {
    /// Full knowledge of the network.
    pub population: Population<'a>,
    /// The nodes' components.
    pub columns: Columns<'a>,
    /// The nodes' ids.
    pub ids: &'a Ids,
    /// Routing tables.
    pub tables: &'a Tables,
    /// Segment stores.
    pub segments: &'a Segments,
    /// The routing tables at any moment, and who is online when.
    pub in_time: TablesInTime<'a>,
    /// How tables and records follow who is online.
    pub living: &'a Living,
    /// What events have changed; without chunks where operations do not run as events.
    pub chunks: &'a Chunks,
}

/// The nodes' counters, by row.
#[derive(Clone, Copy)]
pub struct Counters<'a> {
    /// Requests received from the phase in slot 0.
    pub contacts: &'a [Contacts],
    /// Overhead counters.
    pub overhead: &'a [Overhead],
}

impl Network {
    /// Reads the nodes, their routing tables and their stored segments.
    pub fn read<T>(&mut self, read: impl FnOnce(NodesView) -> T) -> T {
        self.read_all(|nodes, _| read(nodes))
    }

    /// Reads the nodes and their counters.
    pub(super) fn read_all<T>(&mut self, read: impl FnOnce(NodesView, Counters) -> T) -> T {
        let states = &mut self.states;
        let Ok(shown) = states.read.get(&self.world) else {
            unreachable!("a network has its resources from the start");
        };
        let Ok((contacts, overhead)) = states.counters.get(&self.world) else {
            unreachable!("queries have no conditions");
        };
        let (readable, ids, segments, live, chunks) = shown;
        let in_time = TablesInTime {
            live: Some(&live),
            ..readable.tables()
        };
        let nodes = NodesView {
            population: in_time.population,
            columns: in_time.columns,
            ids: &ids,
            tables: in_time.tables,
            segments: &segments,
            in_time,
            living: readable.living(),
            chunks: &chunks,
        };
        let counters = Counters {
            contacts: column(&contacts),
            overhead: column(&overhead),
        };
        read(nodes, counters)
    }

    /// Returns the row of the node with this id.
    pub fn row(&mut self, id: i64) -> Option<Row> {
        let Ok((keys, index, ids)) = self.states.keys.get(&self.world) else {
            unreachable!("a network has its resources from the start");
        };
        ids.row(id, &Population::new(column(&keys), &index))
    }

    /// Returns whether a node is online.
    pub fn is_online(&mut self, row: Row) -> bool {
        self.read(|nodes| nodes.columns.presence[row.index()].is_online())
    }

    /// Returns the requests that a node has received in the phase in slot 0, or since the start.
    pub fn contacts(&mut self, row: Row) -> u32 {
        self.read_all(|_, counters| counters.contacts[row.index()].get())
    }

    /// Returns the uses of a node's overhead counter.
    pub fn uses(&mut self, row: Row) -> u32 {
        self.read_all(|_, counters| counters.overhead[row.index()].uses())
    }

    /// Returns the rows of the nodes that are online, in order; `None` if all are. Cost: O(nodes), on all threads.
    pub fn online_rows(&mut self) -> Option<Arc<[Row]>> {
        let online = self.online();
        self.read(|nodes| {
            let presence = nodes.columns.presence;
            if online == presence.len() as u64 {
                return None;
            }
            let rows = (0..presence.len() as u32).into_par_iter().map(Row);
            let rows: Vec<Row> = rows
                .filter(|row| presence[row.index()].is_online())
                .collect();
            Some(rows.into())
        })
    }

    /// Returns the nodes of a node's table that are closest to the key, nearest first, at most k.
    pub fn closest_nodes(&mut self, owner: Row, key: Key) -> Vec<Row> {
        self.read(|nodes| {
            let population = &nodes.population;
            let mut answer = Answer::default();
            let table = nodes.columns.tables[owner.index()];
            let owner = population.owner(owner);
            nodes
                .tables
                .closest(population, owner, table, key, &mut answer);
            answer.sort(population, key);
            answer.rows
        })
    }

    /// Returns the n online nodes closest to the key by full knowledge, nearest first.
    pub fn true_closest(&mut self, key: Key, n: usize) -> Vec<Row> {
        self.read(|nodes| {
            let mut closest: Vec<(Distance, Row)> = Vec::new();
            let is_online = |row: Row| nodes.columns.presence[row.index()].is_online();
            nodes
                .population
                .closest(key, n, is_online, &mut Vec::new(), &mut closest);
            closest.into_iter().map(|(_, row)| row).collect()
        })
    }

    /// Returns whether a node holds a segment now.
    pub fn holds(&mut self, row: Row, key: Key) -> bool {
        let now_us = self.now_us;
        self.read(|nodes| {
            let store = nodes.columns.stores[row.index()];
            nodes.segments.holds(store, row, key, now_us)
        })
    }

    /// Changes the segments and the nodes' spans of them.
    pub(super) fn with_stores(&mut self, change: impl FnOnce(&mut Segments, &mut [Store])) {
        let Ok((mut segments, mut stores)) = self.states.stores.get_mut(&mut self.world) else {
            unreachable!("a network has its resources from the start");
        };
        change(&mut segments, stores.as_mut_slice());
    }
}

/// Returns a column of components.
fn column<'a, C: Component>(query: &'a Query<&'static C>) -> &'a [C] {
    let Ok(mut tables) = query.contiguous_iter() else {
        unreachable!("node components are stored in tables");
    };
    tables.next().unwrap_or_default()
}
