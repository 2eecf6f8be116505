//! A network: its nodes with their routing tables and segments, in a bevy world of its own.
//!
//! Several networks can live side by side; nothing is global. [`run_loop`] says how time passes in one.

mod joins;
mod nodes;
pub mod phase_end;
pub mod presences;
pub mod read;
pub mod run_loop;
pub mod single;
mod spec;

pub use nodes::{BytesUsed, key_seed};
pub use spec::{NetworkError, NodeSet, Spec};

use std::collections::HashMap;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::Schedules;
use rayon::prelude::*;

use kadsim_engine::hardware::move_to_huge_pages;
use kadsim_engine::ids::Ids;
use kadsim_engine::key::Key;
use kadsim_engine::link::Links;
use kadsim_engine::makeup::Makeup;
use kadsim_engine::node::{Contacts, NodeBundle, Overhead, Presence, Received, Row};
use kadsim_engine::operation::{Operations, SlotBytes};
use kadsim_engine::population::RadixIndex;
use kadsim_engine::presence::{Churn, Draw, Offline, Timelines, TooManyChanges};
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::live::LiveTables;
use kadsim_engine::routing::{OnLeaving, Rule, Tables};
use kadsim_engine::segments::Segments;
use kadsim_engine::time::LAST_US;

use crate::barrier::charge::Sends;
use crate::events::Chunks;
use crate::living::Living;
use crate::lookahead::Lookahead;
use crate::outbox::Outboxes;
use crate::phases::Phases;
use crate::record::{self, Recorded};
use crate::recording::Recording;
use crate::rules::Rules;
use crate::step::Timings;
use crate::window::{Execution, Window};
use crate::{bootstrap, events};

use joins::Joins;
use nodes::{component_bytes, make_nodes, spawn_nodes};
use read::States;
use spec::NODES_MAX;

/// A simulated Kademlia network.
pub struct Network {
    world: World,
    /// Made when they are first needed.
    schedules: HashMap<Execution, Schedule>,
    states: States,
    layout: LayoutKind,
    seed: u64,
    nodes: usize,
    now_us: u64,
    next_operation: u64,
    lookahead: Lookahead,
    /// Whether a node is or has been offline, so that contacts may time out.
    absences: bool,
    /// Whether operations run as events.
    events: bool,
    /// Longest window of events, µs; `None` for as long as the lookahead allows.
    window_us: Option<u64>,
    /// How the network grows by joins, if it does.
    joins: Option<Joins>,
}

impl Network {
    /// Makes the nodes, with empty tables.
    ///
    /// # Errors
    ///
    /// Ids or keys that are not different, offline nodes that do not exist, too many nodes, or parameters that contradict
    /// each other.
    pub fn new(spec: Spec) -> Result<Self, NetworkError> {
        spec.check()?;
        let events = spec.runs_as_events();
        let (ids, keys) = make_nodes(spec.nodes, spec.seed)?;
        let nodes = keys.len();
        let mut world = World::new();
        let rule = Rule {
            bucket_size: spec.bucket_size,
            policy: spec.policy,
            answer_size: spec.answer.unwrap_or(spec.bucket_size),
            network_seed: spec.seed,
        };
        world.insert_resource(RadixIndex::new(&keys));
        world.insert_resource(ids);
        world.insert_resource(Tables::new(rule));
        world.insert_resource(Links {
            link: spec.link,
            overhead_us: spec.overhead_us,
        });
        world.insert_resource(spec.rules);
        world.insert_resource(Recording::default());
        world.insert_resource(Segments::default());
        world.insert_resource(Operations::default());
        world.insert_resource(Outboxes::default());
        world.insert_resource(Sends::default());
        world.insert_resource(Recorded::default());
        world.insert_resource(Phases::default());
        world.insert_resource(Received::default());
        world.insert_resource(Living {
            timelines: Timelines::default(),
            makeup: Makeup {
                network_seed: spec.seed,
                ..spec.makeup
            },
            online: nodes as u64,
            aging: spec.aging,
            records: spec.records,
            ttl_us: spec.ttl_us,
            republish_us: spec.republish_us,
            clients_in_tables: spec.clients_in_tables,
        });
        world.insert_resource(spec.maintenance.unwrap_or_default());
        world.insert_resource(Chunks::default());
        world.insert_resource(LiveTables::default());
        world.insert_resource(Timings::default());
        world.insert_resource(Window {
            tick_us: spec.tick_us,
            ..Window::default()
        });
        // The schedule would insert it when it first runs, after the nodes.
        world.init_resource::<Schedules>();
        world.register_system_cached(events::prepare);
        world.register_system_cached(bootstrap::bootstrap_all);
        world.register_system_cached(bootstrap::forget_all);
        world.register_system_cached(bootstrap::bootstrap_node);
        world.register_system_cached(record::end_phase);
        spawn_nodes(&mut world, keys);
        let mut network = Self {
            states: States::new(&mut world),
            world,
            schedules: HashMap::new(),
            layout: spec.layout,
            seed: spec.seed,
            nodes,
            now_us: 0,
            next_operation: 0,
            lookahead: Lookahead::default(),
            absences: false,
            events,
            window_us: None,
            joins: None,
        };
        network.read_all(|nodes, counters| {
            move_to_huge_pages(nodes.columns.keys);
            move_to_huge_pages(nodes.columns.stores);
            move_to_huge_pages(nodes.columns.presence);
            move_to_huge_pages(counters.contacts);
            move_to_huge_pages(counters.overhead);
        });
        network.take_offline(&spec.offline)?;
        if spec.records == OnLeaving::Lost && spec.churn.is_some() {
            network.world.resource_mut::<Segments>().keep_times();
        }
        match (spec.doubling_us, spec.churn) {
            (Some(doubling_us), churn) => network.grow(doubling_us, churn, spec.horizon_us)?,
            (None, Some(churn)) => network.come_and_go(churn, spec.horizon_us)?,
            (None, None) => {}
        }
        Ok(network)
    }

    /// Returns who is online when, and how tables and records follow.
    fn living(&self) -> &Living {
        self.world.resource::<Living>()
    }

    /// Replaces who is online when.
    fn set_timelines(&mut self, timelines: Timelines) {
        self.world.resource_mut::<Living>().timelines = timelines;
    }

    /// Lets nodes come and go, and works out when they do up to `horizon_us`.
    fn come_and_go(&mut self, churn: Churn, horizon_us: u64) -> Result<(), NetworkError> {
        self.absences |= !churn.is_never();
        let makeup = self.living().makeup.clone();
        let timelines = self.read(|nodes| {
            let (keys, presence) = (nodes.columns.keys, nodes.columns.presence);
            Timelines::new(churn, makeup, keys, presence, horizon_us)
        })?;
        self.set_timelines(timelines);
        Ok(())
    }

    /// Works out who is online when up to `until_us`, and some time longer.
    ///
    /// # Errors
    ///
    /// Nodes come and leave more often than can be kept.
    pub(super) fn extend_presence(&mut self, until_us: u64) -> Result<(), TooManyChanges> {
        match self.knows_presence(until_us) {
            true => Ok(()),
            false => self.make_presence(until_us.saturating_add(until_us / 4).min(LAST_US)),
        }
    }

    /// Returns whether the changes of presence up to `until_us` are kept.
    fn knows_presence(&self, until_us: u64) -> bool {
        let timelines = &self.living().timelines;
        !timelines.are_living() || until_us <= timelines.horizon_us()
    }

    /// Keeps the changes of presence up to `horizon_us`, if it does not yet.
    pub(super) fn know_presence(&mut self, horizon_us: u64) -> Result<(), TooManyChanges> {
        match self.knows_presence(horizon_us) {
            true => Ok(()),
            false => self.make_presence(horizon_us),
        }
    }

    /// Works out the presence of all nodes up to `horizon_us`.
    fn make_presence(&mut self, horizon_us: u64) -> Result<(), TooManyChanges> {
        let mut timelines = self.living().timelines.clone();
        self.read(|nodes| {
            let (keys, presence) = (nodes.columns.keys, nodes.columns.presence);
            timelines.extend(keys, presence, horizon_us)
        })?;
        self.set_timelines(timelines);
        Ok(())
    }

    /// Takes off the network the nodes that are offline from the start. Cost: O(nodes), on all threads if they are drawn.
    fn take_offline(&mut self, offline: &Offline) -> Result<(), NetworkError> {
        if !offline.is_any() {
            return Ok(());
        }
        let seed = self.seed;
        let presence: Vec<Presence> = self.read(|nodes| {
            let keys = nodes.columns.keys;
            match offline {
                &Offline::Drawn(count) => {
                    let draw = Draw::new(seed, keys.len() as u32, count);
                    let rows = (0..keys.len() as u32).into_par_iter().map(Row);
                    let presence = rows.map(|row| {
                        let is_offline = draw.is_offline(nodes.ids.id(row, keys) as u64);
                        Presence::of(!is_offline)
                    });
                    Ok::<Vec<Presence>, NetworkError>(presence.collect())
                }
                Offline::Listed(listed) => {
                    let mut presence = vec![Presence::Online; keys.len()];
                    for &id in listed.iter() {
                        let row = nodes.ids.row(id, &nodes.population);
                        let row = row.ok_or(NetworkError::UnknownNode(id))?;
                        presence[row.index()] = Presence::Offline;
                    }
                    Ok(presence)
                }
            }
        })?;
        let online = presence.par_iter().filter(|one| one.is_online()).count();
        self.presence(|column| column.copy_from_slice(&presence));
        self.world.resource_mut::<Living>().online = online as u64;
        self.absences = true;
        Ok(())
    }

    /// Calls `write` with the presence of the nodes.
    fn presence<T>(&mut self, write: impl FnOnce(&mut [Presence]) -> T) -> T {
        let Ok(mut presence) = self.states.presence.get_mut(&mut self.world) else {
            unreachable!("a query has no conditions");
        };
        write(presence.as_mut_slice())
    }

    /// Fills every node's table from full knowledge, in the network's layout. A network that grows by joins does so
    /// instead, the first time, and its clock goes on; [`Network::begin_joins`] is for those who want to see it.
    ///
    /// # Panics
    ///
    /// If it grows by joins and no node answers the last one, however often it asks.
    pub fn bootstrap(&mut self) {
        if self.is_joined() {
            return self.join_all();
        }
        // Tables that traffic changes are copies of those of the layout, which then need no memory.
        let layout = match self.events {
            true => LayoutKind::Implicit,
            false => self.layout,
        };
        self.world
            .run_system_cached_with(bootstrap::bootstrap_all, layout)
            .expect(REGISTERED);
        if self.events {
            self.world
                .run_system_cached(events::prepare)
                .expect(REGISTERED);
        }
    }

    /// Limits the windows of events to `window_us` µs, at least 1. It changes no result.
    pub fn set_window_us(&mut self, window_us: u64) {
        self.window_us = Some(window_us.max(1));
    }

    /// Empties every node's table and frees its memory. A caller that bootstraps again calls it first, so that
    /// two sets of tables are never in memory at once.
    pub fn forget_tables(&mut self) {
        self.world
            .run_system_cached(bootstrap::forget_all)
            .expect(REGISTERED);
    }

    /// Panics if operations run as events, which have tables, presence and records of their own.
    fn assert_no_events(&self) {
        assert!(
            !self.events,
            "single nodes are not changed where operations run as events"
        );
    }

    /// Fills one node's table from full knowledge; no other table changes.
    ///
    /// # Panics
    ///
    /// If operations run as events.
    pub fn bootstrap_node(&mut self, row: Row) {
        self.assert_no_events();
        self.world
            .run_system_cached_with(bootstrap::bootstrap_node, row)
            .expect(REGISTERED);
    }

    /// Adds a node to the network. It can be contacted from now on, its table is empty until it is bootstrapped, and no
    /// other table changes. Cost: O(√added), amortised; where nodes come and leave, O(nodes + changes).
    ///
    /// # Errors
    ///
    /// An id or a key that exists already; more than 2³¹ changes of presence; a network whose operations run as events.
    pub fn add_node(&mut self, id: i64, key: Key) -> Result<Row, NetworkError> {
        if self.events {
            return Err(NetworkError::Complete);
        }
        if self.row(id).is_some() {
            return Err(NetworkError::DuplicateNode(id));
        }
        let other = self.read(|nodes| {
            let other = nodes.population.find(key);
            other.map(|row| nodes.ids.id(row, nodes.columns.keys))
        });
        if let Some(other) = other {
            return Err(NetworkError::DuplicateKey {
                key,
                node: id,
                other,
            });
        }
        if self.nodes >= NODES_MAX {
            return Err(NetworkError::TooLarge);
        }
        self.world.spawn(NodeBundle {
            key,
            ..NodeBundle::default()
        });
        self.world.resource_mut::<RadixIndex>().add(key);
        self.world.resource_mut::<Ids>().add(id);
        self.world.resource_mut::<Living>().online += 1;
        self.nodes += 1;
        self.renew_presence()?;
        Ok(Row(self.nodes as u32 - 1))
    }

    /// Works out anew who is online when, for nodes that were added or are offline for the whole run since.
    fn renew_presence(&mut self) -> Result<(), TooManyChanges> {
        let timelines = &self.living().timelines;
        match timelines.are_living() {
            true => self.make_presence(timelines.horizon_us()),
            false => Ok(()),
        }
    }

    /// Takes a node off the network, or puts it back. Offline, it answers no request; its table and its segments stay. Where
    /// nodes come and leave, one that is put back does so too, and the cost is O(nodes + changes).
    ///
    /// # Panics
    ///
    /// If nodes come and leave more often than can be kept; if operations run as events.
    pub fn set_online(&mut self, row: Row, online: bool) {
        self.assert_no_events();
        let was = self.presence(|column| {
            let new = Presence::of(online);
            std::mem::replace(&mut column[row.index()], new).is_online()
        });
        let total = &mut self.world.resource_mut::<Living>().online;
        *total = *total + u64::from(online) - u64::from(was);
        self.absences |= !online;
        if let Err(error) = self.renew_presence() {
            panic!("{error}");
        }
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes
    }

    /// Returns whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// Returns the number of the nodes that are online.
    pub fn online(&self) -> u64 {
        self.living().online
    }

    /// Returns the seed of every draw.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the network's clock, µs.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Returns the number that the next operation gets.
    pub fn next_operation(&self) -> u64 {
        self.next_operation
    }

    /// Sets the overhead counter of every node to zero.
    pub fn reset_overhead(&mut self) {
        let Ok((_, mut overhead)) = self.states.overhead.get_mut(&mut self.world) else {
            unreachable!("a network has its links from the start");
        };
        overhead.as_mut_slice().fill(Overhead::default());
    }

    /// Sets the contacts of every node to zero.
    fn reset_contacts(&mut self) {
        let Ok(mut contacts) = self.states.contacts.get_mut(&mut self.world) else {
            unreachable!("a query has no conditions");
        };
        let contacts = contacts.as_mut_slice().par_iter_mut();
        contacts.for_each(Contacts::reset);
    }

    /// Removes every stored segment.
    pub fn clear_segments(&mut self) {
        self.with_stores(|segments, stores| segments.clear(stores));
    }

    /// Stores a segment's key at a node, from now on.
    ///
    /// # Panics
    ///
    /// If operations run as events.
    pub fn store(&mut self, row: Row, key: Key) {
        self.assert_no_events();
        let now_us = self.now_us;
        self.world
            .resource_mut::<Segments>()
            .insert(row, key, now_us);
    }

    /// Returns the rows recorded since the last time they were taken.
    pub fn recorded(&mut self) -> &mut Recorded {
        self.world.resource_mut::<Recorded>().into_inner()
    }

    /// Returns what is recorded, to be changed between phases.
    pub fn recording(&mut self) -> &mut Recording {
        self.world.resource_mut::<Recording>().into_inner()
    }

    /// Returns the rules of lookups, to be changed between phases.
    pub fn rules(&mut self) -> &mut Rules {
        self.world.resource_mut::<Rules>().into_inner()
    }

    /// Returns the time that steps have spent since the last call.
    pub fn take_timings(&mut self) -> Timings {
        std::mem::take(self.world.resource_mut::<Timings>().into_inner())
    }

    /// Returns the overhead of each use, µs.
    pub fn overhead_us(&self) -> u64 {
        self.world.resource::<Links>().overhead_us
    }

    /// Returns the bytes on the heap, by what takes them.
    pub fn bytes_used(&self) -> BytesUsed {
        BytesUsed {
            components: component_bytes(&self.world),
            index: self.world.resource::<RadixIndex>().bytes_used(),
            tables: self.world.resource::<Tables>().bytes_used()
                + self.world.resource::<LiveTables>().bytes_used(),
            segments: self.world.resource::<Segments>().bytes_used(),
        }
    }

    /// Returns what the slots of operations take, free ones included.
    pub fn operation_bytes(&self) -> SlotBytes {
        self.world.resource::<Operations>().bytes_used()
    }
}

/// Why running a system of the network cannot fail: [`Network::new`] registers each.
const REGISTERED: &str = "the network has registered the system";
