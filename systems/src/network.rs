//! A network: its nodes, what they know and hold, and the world that they live in.
//!
//! Several can live side by side; nothing is global. How time passes in one is in [`crate::drive`].

use std::sync::Arc;

use bevy_ecs::archetype::ArchetypeEntity;
use bevy_ecs::change_detection::Tick;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::Schedules;
use rayon::prelude::*;

use kadsim_engine::answer::Answer;
use kadsim_engine::hardware::move_to_huge_pages;
use kadsim_engine::ids::Ids;
use kadsim_engine::key::{Distance, Key};
use kadsim_engine::link::{Link, Links, UniformLink};
use kadsim_engine::node::{self, Columns, NodeBundle, Nodes, Received, Row, Store};
use kadsim_engine::operation::Operations;
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::presence::{Draw, Offline};
use kadsim_engine::random::{Purpose, Stream};
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::{Policy, Rule, Tables};
use kadsim_engine::segments::Segments;

use crate::advance::Outboxes;
use crate::bootstrap;
use crate::drive::{FIRST_LENGTH_US, NodesAtEnd};
use crate::phases::Phases;
use crate::record::{self, Recorded};
use crate::settle::Sends;
use crate::step::{self, Activity, Procedure, Rules, Stop, Window};

/// What a network is made of. [`Default`]: nobody, k = 20, `closest` buckets, `packed`, no delays.
pub struct Spec {
    /// The nodes.
    pub nodes: NodeSet,
    /// Those of them that are offline. [`Offline::Drawn`] goes with generated nodes only.
    pub offline: Offline,
    /// Seed of every draw.
    pub seed: u64,
    /// k, 1 to 255.
    pub bucket_size: u8,
    /// Which candidates a bucket keeps.
    pub policy: Policy,
    /// How tables lie in memory.
    pub layout: LayoutKind,
    /// How lookups are run.
    pub rules: Rules,
    /// Whether contacts succeed and what they cost.
    pub link: Box<dyn Link>,
    /// Gamma, µs a use.
    pub overhead_us: u64,
    /// Length of a row of the ticks table, µs, at least 1.
    pub tick_us: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            nodes: NodeSet::Generated(0),
            offline: Offline::default(),
            seed: 0,
            bucket_size: 20,
            policy: Policy::default(),
            layout: LayoutKind::default(),
            rules: Rules::default(),
            link: Box::new(UniformLink::default()),
            overhead_us: 0,
            tick_us: 50_000,
        }
    }
}

/// The nodes that a network starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeSet {
    /// Ids 0 to n - 1 with uniform keys.
    Generated(u32),
    /// These ids and keys, all different.
    Imported(Vec<(i64, Key)>),
}

/// Why a network cannot be made, or asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Two nodes have one id.
    #[error("node {0} exists already")]
    DuplicateNode(i64),
    /// Two nodes have one key.
    #[error("key {key:#018x} of node {node} belongs to node {other} already", key = .key.0)]
    DuplicateKey {
        /// The key.
        key: Key,
        /// The node that came later.
        node: i64,
        /// The node that has it.
        other: i64,
    },
    /// There is no node with this id.
    #[error("there is no node {0}")]
    UnknownNode(i64),
    /// More nodes than rows can name.
    #[error("a network holds at most 2^31 nodes")]
    TooLarge,
    /// Contacts that cost nothing cannot be charged in order of time.
    #[error("overhead needs contacts that take time: the shortest delay is 0")]
    NoLookahead,
    /// A parameter that must be at least 1 is 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// Nodes to be drawn offline, of nodes that are not generated.
    #[error("offline nodes are drawn from generated nodes only; list the ids of imported ones")]
    DrawnOffline,
    /// Procedures that were made to compare with others know no other stop rule than their own.
    #[error("stop rule closest-answered goes with procedure iterative only")]
    StopRule,
}

/// A simulated Kademlia network.
pub struct Network {
    pub(crate) world: World,
    pub(crate) schedule: Schedule,
    layout: LayoutKind,
    pub(crate) seed: u64,
    pub(crate) now_us: u64,
    pub(crate) next_operation: u64,
    pub(crate) length_us: u64,
    pub(crate) absences: bool,
}

impl Network {
    /// Makes the nodes, with empty tables.
    ///
    /// # Errors
    ///
    /// Ids or keys that are not different; parameters that contradict each other.
    pub fn new(spec: Spec) -> Result<Self, NetworkError> {
        check(&spec)?;
        let (ids, keys) = make_nodes(spec.nodes, spec.seed)?;
        let mut world = World::new();
        let rule = Rule {
            bucket_size: spec.bucket_size,
            policy: spec.policy,
            network_seed: spec.seed,
        };
        world.insert_resource(RadixIndex::new(&keys));
        world.insert_resource(ids);
        world.insert_resource(Tables::new(rule));
        world.insert_resource(Links {
            link: spec.link,
            overhead_us: spec.overhead_us,
        });
        world.insert_resource(Segments::default());
        world.insert_resource(Operations::default());
        world.insert_resource(Outboxes::default());
        world.insert_resource(Sends::default());
        world.insert_resource(Recorded::default());
        world.insert_resource(Phases::default());
        world.insert_resource(Received::default());
        world.insert_resource(step::Timings::default());
        world.insert_resource(Window {
            tick_us: spec.tick_us,
            ..Window::default()
        });
        world.insert_resource(Activity {
            rules: spec.rules,
            network_seed: spec.seed,
            online: keys.len() as u64,
            recall: true,
            connections: false,
            instrumented: false,
        });
        world.init_resource::<Schedules>();
        world.register_system_cached(bootstrap::bootstrap_all);
        world.register_system_cached(bootstrap::forget_all);
        world.register_system_cached(bootstrap::bootstrap_node);
        world.register_system_cached(record::end_phase);
        spawn_nodes(&mut world, keys);
        let mut network = Self {
            world,
            schedule: step::schedule(),
            layout: spec.layout,
            seed: spec.seed,
            now_us: 0,
            next_operation: 0,
            length_us: FIRST_LENGTH_US,
            absences: false,
        };
        network.view(|_, columns, _| {
            move_to_huge_pages(columns.keys);
            move_to_huge_pages(columns.stores);
            move_to_huge_pages(columns.activity);
        });
        network.take_offline(&spec.offline)?;
        Ok(network)
    }

    /// Takes the nodes off the network that are offline from the start. Cost: O(nodes) on all threads where
    /// they are drawn, O(listed) else.
    fn take_offline(&mut self, offline: &Offline) -> Result<(), NetworkError> {
        if !offline.is_any() {
            return Ok(());
        }
        let seed = self.seed;
        let taken = self.view(|population, Columns { keys, activity, .. }, ids| {
            match offline {
                &Offline::Drawn(count) => {
                    let draw = Draw::new(seed, keys.len() as u32, count);
                    activity.par_iter().enumerate().for_each(|(row, activity)| {
                        let id = ids.id(Row(row as u32), keys);
                        activity.set_online(!draw.is_offline(id as u64));
                    });
                }
                Offline::Listed(listed) => {
                    for &id in listed.iter() {
                        let row = ids.row(id, &population);
                        let row = row.ok_or(NetworkError::UnknownNode(id))?;
                        activity[row.index()].set_online(false);
                    }
                }
            }
            let is_offline = |activity: &&node::Activity| !activity.is_online();
            Ok(activity.par_iter().filter(is_offline).count() as u64)
        })?;
        self.world.resource_mut::<Activity>().online -= taken;
        self.absences = true;
        Ok(())
    }

    /// Fills every node's table from full knowledge, in the network's layout.
    pub fn bootstrap(&mut self) {
        let ran = self
            .world
            .run_system_cached_with(bootstrap::bootstrap_all, self.layout);
        debug_assert!(ran.is_ok());
    }

    /// Empties every node's table. Those of a second bootstrap are then not laid out beside those of the
    /// first, where memory might not do for both.
    pub fn forget_tables(&mut self) {
        let ran = self.world.run_system_cached(bootstrap::forget_all);
        debug_assert!(ran.is_ok());
    }

    /// Fills one node's table from full knowledge; nobody else's changes.
    pub fn bootstrap_node(&mut self, row: Row) {
        let ran = self
            .world
            .run_system_cached_with(bootstrap::bootstrap_node, row);
        debug_assert!(ran.is_ok());
    }

    /// Adds a node to the running network. It can be contacted at once, its table is empty until it is
    /// bootstrapped, and nobody else's changes. Cost: O(nodes added so far).
    ///
    /// # Errors
    ///
    /// An id or a key that exists already.
    pub fn add_node(&mut self, id: i64, key: Key) -> Result<Row, NetworkError> {
        if self.row(id).is_some() {
            return Err(NetworkError::DuplicateNode(id));
        }
        let (other, len) = self.view(|population, _, ids| {
            let other = population
                .find(key)
                .map(|row| ids.id(row, population.keys()));
            (other, population.keys().len())
        });
        if let Some(other) = other {
            return Err(NetworkError::DuplicateKey {
                key,
                node: id,
                other,
            });
        }
        if len >= MOST_NODES {
            return Err(NetworkError::TooLarge);
        }
        self.world.spawn(NodeBundle {
            key,
            ..NodeBundle::default()
        });
        self.world.resource_mut::<Ids>().add(id);
        self.world.resource_mut::<Activity>().online += 1;
        Ok(Row(len as u32))
    }

    /// Takes a node off the network, or puts it back. Offline, it answers nobody; its table and its
    /// segments stay.
    pub fn set_online(&mut self, row: Row, online: bool) {
        let was = self.view(|_, columns, _| {
            let activity = &columns.activity[row.index()];
            let was = activity.is_online();
            activity.set_online(online);
            was
        });
        let total = &mut self.world.resource_mut::<Activity>().online;
        *total = *total + u64::from(online) - u64::from(was);
        self.absences |= !online;
    }

    /// The rows of the nodes that are online, in order; `None` if all are. Cost: O(nodes), on all threads.
    pub fn online_rows(&mut self) -> Option<Arc<[Row]>> {
        let online = self.activity().online;
        self.view(|_, columns, _| {
            let activity = columns.activity;
            if online == activity.len() as u64 {
                return None;
            }
            let rows = (0..activity.len() as u32).into_par_iter().map(Row);
            let rows: Vec<Row> = rows
                .filter(|row| activity[row.index()].is_online())
                .collect();
            Some(rows.into())
        })
    }

    /// The node with this id.
    pub fn row(&mut self, id: i64) -> Option<Row> {
        self.view(|population, _, ids| ids.row(id, &population))
    }

    /// Reads the nodes: full knowledge, components by row, ids.
    pub fn view<T>(&mut self, read: impl FnOnce(Population, Columns, &Ids) -> T) -> T {
        self.view_tables(|population, columns, ids, _| read(population, columns, ids))
    }

    /// Reads the nodes and their routing tables.
    pub fn view_tables<T>(
        &mut self,
        read: impl FnOnce(Population, Columns, &Ids, &Tables) -> T,
    ) -> T {
        let mut state =
            bevy_ecs::system::SystemState::<(Nodes, Res<RadixIndex>, Res<Ids>, Res<Tables>)>::new(
                &mut self.world,
            );
        let Ok((nodes, index, ids, tables)) = state.get(&self.world) else {
            unreachable!("a network has its resources from the start");
        };
        let columns = nodes.columns();
        read(
            Population::new(columns.keys, &index),
            columns,
            &ids,
            &tables,
        )
    }

    /// Reads the nodes and what they hold.
    pub(crate) fn view_segments<T>(&mut self, read: impl FnOnce(NodesAtEnd, &Segments) -> T) -> T {
        let mut state = bevy_ecs::system::SystemState::<(
            Nodes,
            Res<RadixIndex>,
            Res<Ids>,
            Res<Tables>,
            Res<Segments>,
        )>::new(&mut self.world);
        let Ok((nodes, index, ids, tables, segments)) = state.get(&self.world) else {
            unreachable!("a network has its resources from the start");
        };
        let columns = nodes.columns();
        let nodes = NodesAtEnd {
            population: Population::new(columns.keys, &index),
            columns,
            ids: &ids,
            tables: &tables,
        };
        read(nodes, &segments)
    }

    /// Reads the nodes and the links between them.
    pub(crate) fn view_links<T>(&mut self, read: impl FnOnce(Columns, &Links) -> T) -> T {
        let mut state = bevy_ecs::system::SystemState::<(Nodes, Res<Links>)>::new(&mut self.world);
        let Ok((nodes, links)) = state.get(&self.world) else {
            unreachable!("a network has its resources from the start");
        };
        read(nodes.columns(), &links)
    }

    /// Number of nodes.
    pub fn len(&mut self) -> usize {
        self.view(|population, _, _| population.keys().len())
    }

    /// Whether there is no node.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Seed of every draw.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network's clock, µs.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The number that the next operation gets.
    pub fn next_operation(&self) -> u64 {
        self.next_operation
    }

    /// The nodes of a node's table that are closest to the key, nearest first, at most k.
    pub fn closest_nodes(&mut self, owner: Row, key: Key) -> Vec<Row> {
        self.view_tables(|population, columns, _, tables| {
            let mut answer = Answer::default();
            let table = columns.tables[owner.index()];
            tables.closest(
                &population,
                population.owner(owner),
                table,
                key,
                &mut answer,
            );
            answer.sorted().into_iter().map(|(_, row)| row).collect()
        })
    }

    /// The n online nodes closest to the key by full knowledge, nearest first.
    pub fn true_closest(&mut self, key: Key, n: usize) -> Vec<Row> {
        self.view(|population, columns, _| {
            let mut closest: Vec<(Distance, Row)> = Vec::new();
            population.closest(
                key,
                n,
                |row| columns.activity[row.index()].is_online(),
                &mut Vec::new(),
                &mut closest,
            );
            closest.into_iter().map(|(_, row)| row).collect()
        })
    }

    /// Sets the overhead counter of every node to zero.
    pub fn reset_overhead(&mut self) {
        self.view(|_, columns, _| {
            columns
                .activity
                .par_iter()
                .for_each(node::Activity::reset_uses)
        });
    }

    /// Forgets every stored segment.
    pub fn clear_segments(&mut self) {
        self.with_stores(|segments, stores| segments.clear(stores));
    }

    /// Gives a node a segment's key to hold, from now on.
    pub fn store(&mut self, row: Row, key: Key) {
        let now_us = self.now_us;
        self.world
            .resource_mut::<Segments>()
            .insert(row, key, now_us);
    }

    /// Whether a node holds a segment now.
    pub fn holds(&mut self, row: Row, key: Key) -> bool {
        let now_us = self.now_us;
        let store = self.view(|_, columns, _| columns.stores[row.index()]);
        self.world
            .resource::<Segments>()
            .holds(store, row, key, now_us)
    }

    /// Rows recorded since the last time they were taken.
    pub fn recorded(&mut self) -> &mut Recorded {
        self.world.resource_mut::<Recorded>().into_inner()
    }

    /// Takes the time that steps have spent since the last call.
    pub fn take_timings(&mut self) -> step::Timings {
        std::mem::take(self.world.resource_mut::<step::Timings>().into_inner())
    }

    /// What operations are and how they are recorded.
    pub fn activity(&mut self) -> &mut Activity {
        self.world.resource_mut::<Activity>().into_inner()
    }

    /// Overhead of each use, µs.
    pub fn overhead_us(&self) -> u64 {
        self.world.resource::<Links>().overhead_us
    }

    /// Bytes on the heap, by what takes them.
    pub fn bytes_used(&self) -> BytesUsed {
        BytesUsed {
            components: component_bytes(&self.world),
            index: self.world.resource::<RadixIndex>().bytes_used(),
            tables: self.world.resource::<Tables>().bytes_used(),
            segments: self.world.resource::<Segments>().bytes_used(),
        }
    }

    /// Bytes that slots of operations take, free ones as they were left, and the number of slots.
    pub fn operation_bytes(&self) -> (usize, usize) {
        self.world.resource::<Operations>().bytes_used()
    }

    /// Rebuilds the arena of segments; nobody asks for a time before `now_us` any more.
    pub(crate) fn merge_segments(&mut self, now_us: u64) {
        self.with_stores(|segments, stores| segments.merge(stores, now_us));
    }

    fn with_stores(&mut self, change: impl FnOnce(&mut Segments, &mut [Store])) {
        let mut nodes = self.world.query::<&mut Store>();
        self.world
            .resource_scope(|world, mut segments: Mut<Segments>| {
                let column = nodes
                    .query_mut(world)
                    .contiguous_iter_inner()
                    .ok()
                    .and_then(|mut tables| tables.next());
                match column {
                    Some(mut column) => change(&mut segments, column.bypass_change_detection()),
                    None => change(&mut segments, &mut []),
                }
            })
    }
}

/// Bytes on the heap that the nodes of a network take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BytesUsed {
    /// Columns of components with their change ticks, and the book of entities.
    pub components: usize,
    /// The index over the keys.
    pub index: usize,
    /// Routing tables.
    pub tables: usize,
    /// The arena of stored segments.
    pub segments: usize,
}

/// Bytes of the nodes as entities. What the ECS keeps of an entity outside its table is private to it: 24
/// bytes of generation, location and tick.
fn component_bytes(world: &World) -> usize {
    const ELSEWHERE: usize = 24;
    let Some(key) = world.component_id::<Key>() else {
        return 0;
    };
    let mut archetypes = world.archetypes().iter();
    let Some(archetype) = archetypes.find(|archetype| archetype.contains(key)) else {
        return 0;
    };
    let components = archetype.iter_components();
    let columns: usize = components
        .filter_map(|id| world.components().get_info(id))
        .map(|component| component.layout().size() + 2 * size_of::<Tick>())
        .sum();
    let rows = world
        .storages()
        .tables
        .get(archetype.table_id())
        .map_or(0, |table| table.entity_capacity());
    rows * (columns + size_of::<Entity>())
        + archetype.len() as usize * (size_of::<ArchetypeEntity>() + ELSEWHERE)
}

/// Most nodes of a network.
const MOST_NODES: usize = 1 << 31;

fn check(spec: &Spec) -> Result<(), NetworkError> {
    let named = [
        (u64::from(spec.bucket_size), "bucket_size"),
        (u64::from(spec.rules.alpha), "alpha"),
        (u64::from(spec.rules.beta), "beta"),
        (u64::from(spec.rules.steps_to_stop), "steps_to_stop"),
        (spec.tick_us, "tick_us"),
    ];
    if let Some((_, name)) = named.into_iter().find(|(value, _)| *value == 0) {
        return Err(NetworkError::Zero(name));
    }
    let procedure = spec.rules.procedure;
    if spec.rules.stop == Stop::ClosestAnswered && procedure != Procedure::Iterative {
        return Err(NetworkError::StopRule);
    }
    let shortest_us = spec.link.shortest_us(spec.offline.is_any());
    if spec.overhead_us > 0 && procedure.is_by_clock() && shortest_us == 0 {
        return Err(NetworkError::NoLookahead);
    }
    let are_drawn = matches!(spec.offline, Offline::Drawn(count) if count > 0);
    if are_drawn && matches!(spec.nodes, NodeSet::Imported(_)) {
        return Err(NetworkError::DrawnOffline);
    }
    Ok(())
}

/// Spawns a node for each key, in the order of the keys.
///
/// Resources and cached systems are entities too, and each resource is a sparse set that takes 4 bytes for
/// every entity older than itself: whatever a network needs for good is in its world before the nodes are.
fn spawn_nodes(world: &mut World, keys: Vec<Key>) {
    reserve_entities(world, keys.len());
    world.spawn_batch(keys.into_iter().map(|key| NodeBundle {
        key,
        ..NodeBundle::default()
    }));
}

/// Sees to it that the book of entities, 24 bytes each, ends up with room for `nodes` more and hardly
/// another.
///
/// It doubles whenever it is full, and all of that is touched. So it gets a length from which doubling leads
/// to the right one: an entity without components is spawned there, and the numbers before it stay unused.
fn reserve_entities(world: &mut World, nodes: usize) {
    /// Times that the book doubles: 0.1 % of the numbers are left out.
    const DOUBLINGS: u32 = 10;
    let length = nodes.div_ceil((1 << DOUBLINGS) - 1) as u32;
    let allocator = world.entity_allocator_mut();
    let last = std::iter::repeat_with(|| allocator.alloc())
        .find(|entity| entity.index_u32() + 1 >= length);
    if let Some(last) = last {
        let spawned = world.spawn_empty_at(last);
        debug_assert!(spawned.is_ok());
    }
}

/// Ids and keys of the nodes, in the order of their keys.
fn make_nodes(nodes: NodeSet, seed: u64) -> Result<(Ids, Vec<Key>), NetworkError> {
    match nodes {
        NodeSet::Generated(nodes) => {
            if nodes as usize > MOST_NODES {
                return Err(NetworkError::TooLarge);
            }
            let key_seed = Stream::new(seed, Purpose::NodeKeys, 0, 0).bits();
            let mut keys: Vec<Key> = (0..nodes)
                .into_par_iter()
                .map(|id| Key::of_node(u64::from(id), key_seed))
                .collect();
            keys.par_sort_unstable();
            Ok((Ids::generated(key_seed, nodes), keys))
        }
        NodeSet::Imported(mut nodes) => {
            if nodes.len() > MOST_NODES {
                return Err(NetworkError::TooLarge);
            }
            nodes.par_sort_unstable_by_key(|&(id, key)| (key, id));
            if let Some(pair) = nodes.windows(2).find(|pair| pair[0].1 == pair[1].1) {
                let [(other, key), (node, _)] = [pair[0], pair[1]];
                return Err(NetworkError::DuplicateKey { key, node, other });
            }
            let mut ids: Vec<i64> = nodes.iter().map(|&(id, _)| id).collect();
            ids.par_sort_unstable();
            if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(NetworkError::DuplicateNode(pair[0]));
            }
            let (ids, keys) = nodes.into_iter().unzip();
            Ok((Ids::imported(ids), keys))
        }
    }
}
