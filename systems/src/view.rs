//! The view: what operations read of the network while they run.

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;

use kadsim_engine::answer::Answer;
use kadsim_engine::key::{Distance, Key};
use kadsim_engine::link::{Attempt, Fate, Links};
use kadsim_engine::makeup::Makeup;
use kadsim_engine::node::{Columns, Contacts, Nodes, Received, Row};
use kadsim_engine::operation::Operation;
use kadsim_engine::population::{Owner, Population, RadixIndex};
use kadsim_engine::presence::Timelines;
use kadsim_engine::record::Kind;
use kadsim_engine::routing::{Moment, OnLeaving, Tables, TablesInTime};
use kadsim_engine::segments::Segments;
use kadsim_engine::slot::PhaseSlot;

use crate::living::Living;
use crate::recording::Recording;
use crate::rules::Rules;
use crate::window::Window;

/// Number of the nodes that are online.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Online(pub u64);

/// System parameter: read access to what a [`View`] shows.
#[derive(SystemParam)]
pub struct Readable<'w, 's> {
    nodes: Nodes<'w, 's>,
    index: Res<'w, RadixIndex>,
    tables: Res<'w, Tables>,
    links: Res<'w, Links>,
    segments: Res<'w, Segments>,
    rules: Res<'w, Rules>,
    online: Res<'w, Online>,
    recording: Res<'w, Recording>,
    received: Res<'w, Received>,
    window: Res<'w, Window>,
    timelines: Res<'w, Timelines>,
    makeup: Res<'w, Makeup>,
    living: Res<'w, Living>,
}

impl Readable<'_, '_> {
    /// Returns the view. `contacts` are the nodes' counters, to which the system has write access.
    pub fn view<'a>(&'a self, contacts: &'a [Contacts]) -> View<'a> {
        let columns = self.nodes.columns();
        View {
            population: Population::new(columns.keys, &self.index),
            columns,
            contacts,
            tables: &self.tables,
            links: &self.links,
            segments: &self.segments,
            rules: &self.rules,
            online: self.online.0,
            recording: &self.recording,
            received: &self.received,
            window: *self.window,
            timelines: &self.timelines,
            makeup: &self.makeup,
            living: &self.living,
        }
    }
}

/// Read-only view of the network, shared by all operations of a step. Only relaxed counters are written through it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Full knowledge of the network.
    pub population: Population<'a>,
    /// The nodes' components.
    pub columns: Columns<'a>,
    /// Requests that nodes have received.
    contacts: &'a [Contacts],
    /// Routing tables.
    pub tables: &'a Tables,
    /// Links and overhead.
    pub links: &'a Links,
    /// Segment stores.
    pub segments: &'a Segments,
    /// How lookups are run.
    pub rules: &'a Rules,
    /// Number of the nodes that are online.
    online: u64,
    /// What is recorded.
    pub recording: &'a Recording,
    /// Requests that nodes have received from phases in slots from 1 on.
    received: &'a Received,
    /// The window of time.
    pub window: Window,
    /// Who is online when.
    pub timelines: &'a Timelines,
    /// What nodes are for the whole run.
    pub makeup: &'a Makeup,
    /// How tables and records follow who is online.
    pub living: &'a Living,
}

impl View<'_> {
    /// Returns whether uses of a node cost anything.
    #[inline]
    pub fn is_charged(&self) -> bool {
        self.links.is_charged()
    }

    /// Returns whether contacts wait for the barrier to be charged.
    #[inline]
    pub fn is_charged_at_barrier(&self) -> bool {
        self.is_charged() && self.rules.procedure.is_by_clock()
    }

    /// Returns whether sends are kept for the barrier.
    #[inline]
    pub fn keeps_sends(&self) -> bool {
        self.is_charged() || self.recording.connections
    }

    /// Returns the routing tables, and who is online when.
    #[inline]
    pub fn in_time(&self) -> TablesInTime<'_> {
        TablesInTime {
            population: self.population,
            columns: self.columns,
            tables: self.tables,
            timelines: self.timelines,
            makeup: self.makeup,
            aging: self.living.aging,
        }
    }

    /// Returns whether a node is online at `at_us`, changes of that moment included.
    #[inline]
    pub fn is_online(&self, row: Row, at_us: u64) -> bool {
        // Where every node is online for ever, no column is read.
        self.has_no_absence() || self.in_time().is_online(row, at_us)
    }

    /// Returns whether a node answers a request that reaches it at `at_us`.
    #[inline]
    fn answers(&self, node: Owner, at_us: u64) -> bool {
        self.is_online(node.row, at_us) && self.makeup.is_server(node.key)
    }

    #[inline]
    fn has_no_absence(&self) -> bool {
        self.online as usize == self.columns.presence.len() && !self.timelines.are_living()
    }

    /// Replaces `out` by a node's answer to a request for `key`, or by what it finds in its own table.
    #[inline]
    pub fn answer(&self, owner: Owner, key: Key, moment: Moment, out: &mut Answer) {
        self.in_time().closest(owner, key, moment, out);
    }

    /// Returns whether the operation is a retrieve and the node holds the value at `time_us`.
    #[inline]
    pub fn has_value(&self, operation: &Operation, row: Row, time_us: u64) -> bool {
        if operation.kind != Kind::Retrieve {
            return false;
        }
        if self.living.records == OnLeaving::Lost && self.timelines.are_living() {
            let key = self.population.key(row);
            let since = self.timelines.since(row, key, time_us);
            return since.is_some_and(|since| {
                let key = operation.key();
                self.segments.was_stored(row, key, since.from_us(), time_us)
            });
        }
        let store = self.columns.stores[row.index()];
        self.segments.holds(store, row, operation.key(), time_us)
    }

    /// Draws the fate of a contact that an operation sends at `time_us`.
    #[inline]
    pub fn draw(&self, operation: &Operation, sequence: u32, remote: Owner, time_us: u64) -> Fate {
        let attempt = Attempt {
            network_seed: self.tables.rule().network_seed,
            operation: operation.number,
            sequence,
            from: operation.origin_owner(),
            to: Some(remote),
            time_us,
        };
        let answers = |request_us| self.answers(remote, time_us.saturating_add(request_us));
        self.links.link.draw(attempt, &answers)
    }

    /// Returns the column that [`View::count`] writes, to be prefetched.
    #[inline]
    pub fn counters(&self) -> &[Contacts] {
        self.contacts
    }

    /// Counts a contact at the remote.
    #[inline]
    pub fn count(&self, phase: PhaseSlot, remote: Row) {
        self.received.add(phase, remote, self.contacts);
    }

    /// Returns whether no node but the origin answers at `at_us`, so that a lookup can find none.
    pub fn is_alone(&self, origin: Owner, at_us: u64, scratch: &mut Scratch) -> bool {
        if !self.timelines.are_living() && !self.makeup.has_clients() {
            return self.online == u64::from(self.is_online(origin.row, at_us));
        }
        let nearest = self.closest_online(origin.key, 2, at_us, scratch);
        nearest.iter().all(|&(_, row)| row == origin.row)
    }

    /// Returns the `n` nodes closest to a key that answer at `at_us`, nearest first.
    fn closest_online<'s>(
        &self,
        key: Key,
        n: usize,
        at_us: u64,
        scratch: &'s mut Scratch,
    ) -> &'s [(Distance, Row)] {
        let Scratch { closest, rows } = scratch;
        let answers = |row| self.answers(self.population.owner(row), at_us);
        self.population.closest(key, n, answers, rows, closest);
        closest
    }

    /// Returns whether a node is no client and as close to a key as the network's beta closest nodes that answer at `at_us`.
    pub fn is_among_closest(&self, row: Row, key: Key, at_us: u64, scratch: &mut Scratch) -> bool {
        let node = self.population.owner(row);
        let distance = node.key.distance(key);
        let beta = self.rules.beta as usize;
        if !self.makeup.is_server(node.key) {
            return false;
        }
        let farthest = self.closest_online(key, beta, at_us, scratch).last();
        farthest.is_some_and(|&(farthest, _)| distance <= farthest)
    }

    /// Returns the share of the network's beta closest nodes that answer at `at_us` which are in the operation's result; `None`
    /// if no node but the origin does.
    pub fn recall(&self, operation: &Operation, at_us: u64, scratch: &mut Scratch) -> Option<f32> {
        if self.is_alone(operation.origin_owner(), at_us, scratch) {
            return None;
        }
        let key = operation.key();
        let truth = self.closest_online(key, self.rules.beta as usize, at_us, scratch);
        // Both are sorted by distance, so one pass finds what they share.
        let mut result = operation.result.iter().peekable();
        let mut hits = 0u32;
        for &(distance, row) in truth.iter() {
            while result
                .next_if(|&&other| self.population.key(other).distance(key) < distance)
                .is_some()
            {}
            hits += u32::from(result.next_if(|&&other| other == row).is_some());
        }
        Some(hits as f32 / truth.len() as f32)
    }
}

/// Memory that is reused from operation to operation.
#[derive(Default)]
pub struct Scratch {
    closest: Vec<(Distance, Row)>,
    /// Rows of one bucket, of candidates.
    pub rows: Vec<Row>,
}
