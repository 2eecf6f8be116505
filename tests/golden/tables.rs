//! Routing tables, row by row, in every layout.

use std::collections::BTreeMap;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::network::read::NodesView;

use crate::golden::data::{Golden, GoldenRow};
use crate::golden::world::{N200, N1000, Setting, Variation, World};

/// Members of each bucket by (node, bucket), nearest to the owner first.
type Buckets = BTreeMap<(i64, u32), Vec<i64>>;

fn golden(setting: Setting) -> Buckets {
    let golden = Golden::read(setting.routing_tables);
    let bucket = |row: &GoldenRow| u32::try_from(row.int("bucket")).unwrap();
    golden
        .rows()
        .map(|row| ((row.int("node"), bucket(&row)), row.ints("members")))
        .collect()
}

fn every_row_matches(setting: Setting) {
    let expected = golden(setting);
    let filled = expected
        .values()
        .filter(|members| !members.is_empty())
        .count();
    for layout in LayoutKind::ALL {
        let variation = Variation {
            layout,
            seed: 1,
            ..Variation::default()
        };
        let mut world = World::new(setting, variation);
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
        for (bucket, members) in &expected {
            let found = found.get(bucket).map_or(&[][..], |members| members);
            assert_eq!(found, members, "{layout:?}: (node, bucket) {bucket:?}");
        }
        closest_nodes_match(&mut world, layout, &expected, usize::from(setting.k));
    }
}

/// Compares the closest nodes with a full sort of the golden table, for keys near and far.
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
