//! Routing tables, row by row, in every layout.

use std::collections::BTreeMap;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::rules::Procedure;

use crate::golden::data::Golden;
use crate::golden::world::{N200, N1000, Place, World, constant_link};

/// Members of each (node, bucket), nearest to the owner first.
type Buckets = BTreeMap<(i64, u32), Vec<i64>>;

fn golden(place: Place) -> Buckets {
    let golden = Golden::read(place.routing_tables);
    let bucket = |row: &crate::golden::data::GoldenRow| u32::try_from(row.int("bucket")).unwrap();
    golden
        .rows()
        .map(|row| ((row.int("node"), bucket(&row)), row.ints("members")))
        .collect()
}

fn every_row_matches(place: Place) {
    let expected = golden(place);
    let filled = expected
        .values()
        .filter(|members| !members.is_empty())
        .count();
    for layout in LayoutKind::ALL {
        let mut world = World::new(place, layout, Procedure::Iterative, constant_link(), 0, 1);
        let found: Buckets = world.network.read(
            |NodesView {
                 population,
                 columns,
                 ids,
                 tables,
                 ..
             }| {
                let mut found = Buckets::new();
                let mut rows = Vec::new();
                for owner in (0..population.keys().len() as u32).map(Row) {
                    let (id, table) = (
                        ids.id(owner, population.keys()),
                        columns.tables[owner.index()],
                    );
                    tables.for_each_bucket(&population, owner, table, &mut rows, |bucket, rows| {
                        let members = rows.iter().map(|&row| ids.id(row, population.keys()));
                        found.insert((id, u32::from(bucket.get())), members.collect());
                    });
                }
                found
            },
        );
        assert_eq!(
            found.len(),
            filled,
            "{layout:?}: number of non-empty buckets"
        );
        for (place, members) in &expected {
            let found = found.get(place).map_or(&[][..], |members| members);
            assert_eq!(found, members, "{layout:?}: (node, bucket) {place:?}");
        }
        closest_nodes_match(&mut world, layout, &expected, usize::from(place.k));
    }
}

/// Against a full sort of the golden table, for keys near and far.
fn closest_nodes_match(world: &mut World, layout: LayoutKind, buckets: &Buckets, k: usize) {
    let keys = world.keys.clone();
    let mut tables: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for ((node, _), members) in buckets {
        tables.entry(*node).or_default().extend(members);
    }
    let nodes = keys.len() as i64;
    for (&owner, members) in &tables {
        let row = world.row(owner);
        let other = keys[&((owner * 7 + 3) % nodes)];
        for key in [
            keys[&owner],
            other,
            Key(!keys[&owner].0),
            Key(other.0 ^ 1),
            Key(0),
        ] {
            let mut expected = members.clone();
            expected.sort_unstable_by_key(|member| keys[member].distance(key));
            expected.truncate(k);
            let closest = world.network.closest_nodes(row, key);
            assert_eq!(
                world.ids(&closest),
                expected,
                "{layout:?}: node {owner}, key {key:?}"
            );
        }
    }
}

#[test]
fn every_bucket_of_200_nodes() {
    every_row_matches(N200);
}

#[test]
fn every_bucket_of_1000_nodes() {
    every_row_matches(N1000);
}
