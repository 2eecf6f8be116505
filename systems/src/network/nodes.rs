//! Makes the nodes of a network, and measures their memory.

use bevy_ecs::archetype::ArchetypeEntity;
use bevy_ecs::change_detection::Tick;
use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::ids::Ids;
use kadsim_engine::key::Key;
use kadsim_engine::node::NodeBundle;
use kadsim_engine::random::{Purpose, Stream};

use super::spec::{NODES_MAX, NetworkError, NodeSet};

/// Makes the ids and keys of the nodes, in the order of their keys.
pub(super) fn make_nodes(nodes: NodeSet, seed: u64) -> Result<(Ids, Vec<Key>), NetworkError> {
    match nodes {
        NodeSet::Generated(nodes) => {
            if nodes as usize > NODES_MAX {
                return Err(NetworkError::TooLarge);
            }
            let key_seed = key_seed(seed);
            let mut keys: Vec<Key> = (0..nodes)
                .into_par_iter()
                .map(|id| Key::of_node(u64::from(id), key_seed))
                .collect();
            keys.par_sort_unstable();
            Ok((Ids::generated(key_seed, nodes), keys))
        }
        NodeSet::Imported(mut nodes) => {
            if nodes.len() > NODES_MAX {
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

/// Spawns a node for each key, in the order of the keys.
///
/// Resources and cached systems are entities too, and each resource is a sparse set that takes 4 bytes for every entity
/// older than itself. So a network inserts its resources and registers its systems before it spawns nodes.
pub(super) fn spawn_nodes(world: &mut World, keys: Vec<Key>) {
    reserve_entities(world, keys.len());
    world.spawn_batch(keys.into_iter().map(|key| NodeBundle {
        key,
        ..NodeBundle::default()
    }));
}

/// Reserves room for `nodes` more entities, 24 bytes each, and hardly more.
///
/// The book of entities, in which bevy keeps the location of each entity, doubles when it is full, and is then written
/// whole. So it gets a length from which doubling leads to the right one: an entity without components is spawned there,
/// and the numbers before it stay unused.
fn reserve_entities(world: &mut World, nodes: usize) {
    /// Times that the book doubles: 0.1 % of the numbers are left out.
    const DOUBLINGS: u32 = 10;
    let length = nodes.div_ceil((1 << DOUBLINGS) - 1) as u32;
    let allocator = world.entity_allocator_mut();
    let last = std::iter::repeat_with(|| allocator.alloc())
        .find(|entity| entity.index_u32() + 1 >= length);
    if let Some(last) = last {
        world
            .spawn_empty_at(last)
            .expect("an entity that has just been allocated is free");
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

/// Returns the bytes of the nodes as entities. What the ECS keeps of an entity outside its table is private to it: 24
/// bytes of generation, location and tick.
pub(super) fn component_bytes(world: &World) -> usize {
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

/// Returns the seed of the keys of generated nodes.
pub fn key_seed(network_seed: u64) -> u64 {
    Stream::new(network_seed, Purpose::NodeKeys, 0, 0).bits()
}
