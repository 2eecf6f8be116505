//! A read-only copy of a node's routing table.

use std::fmt;

use kadsim_engine::ids::Ids;
use kadsim_engine::key::{BucketIndex, Distance, Key};
use kadsim_engine::node::Row;
use kadsim_engine::population::Population;
use kadsim_systems::Network;
use kadsim_systems::network::read::NodesView;

/// A node's routing table (py-dht's `RoutingTable`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingTable {
    /// The owner.
    pub node: i64,
    /// The owner's key.
    pub key: Key,
    /// k: most members of a bucket.
    pub bucket_size: u8,
    /// The buckets by the number of leading bits that their members share with the owner, up to the last
    /// that is not empty.
    pub buckets: Vec<Bucket>,
}

/// A bucket: the nodes that share the same number of leading bits with the owner (py-dht's `KBucket`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The nodes, nearest to the owner first.
    pub members: Vec<Member>,
}

/// An entry of a routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub id: i64,
    /// Its key.
    pub key: Key,
}

impl RoutingTable {
    /// Returns the ids of all entries, bucket by bucket, nearest to the owner first within each.
    pub fn nodes(&self) -> impl Iterator<Item = i64> {
        self.buckets
            .iter()
            .flat_map(|bucket| &bucket.members)
            .map(|member| member.id)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(Bucket::len).sum()
    }

    /// Returns whether the routing table is empty.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Returns the k entries closest to the key, nearest first.
    pub fn closest_nodes(&self, key: Key) -> Vec<i64> {
        let mut entries: Vec<(Distance, i64)> = self
            .buckets
            .iter()
            .flat_map(|bucket| bucket.distances(key))
            .map(|(id, distance)| (distance, id))
            .collect();
        entries.sort_unstable();
        entries.truncate(usize::from(self.bucket_size));
        entries.into_iter().map(|(_, id)| id).collect()
    }
}

/// Prints the size of each bucket as py-dht's summary of a routing table does: `b0:20 b1:20 b2:7`.
impl fmt::Display for RoutingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, bucket) in self.buckets.iter().enumerate() {
            let space = if place > 0 { " " } else { "" };
            write!(f, "{space}b{place}:{}", bucket.len())?;
        }
        Ok(())
    }
}

impl Bucket {
    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether the bucket is empty.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns each member's id and its distance to the key.
    pub fn distances(&self, key: Key) -> impl Iterator<Item = (i64, Distance)> {
        self.members
            .iter()
            .map(move |member| (member.id, member.key.distance(key)))
    }
}

/// Copies the routing table of a node.
pub(super) fn own(network: &mut Network, id: i64, row: Row) -> RoutingTable {
    network.read(
        |NodesView {
             population,
             columns,
             ids,
             tables,
             ..
         }| {
            let mut table = RoutingTable::empty(id, population.key(row), tables.rule().bucket_size);
            let (mut rows, place) = (Vec::new(), columns.tables[row.index()]);
            for bucket in BucketIndex::all() {
                tables.bucket(&population, population.owner(row), place, bucket, &mut rows);
                table.add(&rows, &population, ids);
            }
            table
        },
    )
}

/// Makes the routing table that full knowledge gives a node.
pub(super) fn best(network: &mut Network, id: i64, row: Row) -> RoutingTable {
    network.read(
        |NodesView {
             population,
             ids,
             tables,
             ..
         }| {
            let mut table = RoutingTable::empty(id, population.key(row), tables.rule().bucket_size);
            let mut rows = Vec::new();
            tables.rule().fill_table(&population, row, &mut rows);
            table.add(&rows, &population, ids);
            table
        },
    )
}

impl RoutingTable {
    fn empty(node: i64, key: Key, bucket_size: u8) -> Self {
        Self {
            node,
            key,
            bucket_size,
            buckets: Vec::new(),
        }
    }

    /// Inserts nodes into their buckets, ordered by distance.
    fn add(&mut self, rows: &[Row], population: &Population, ids: &Ids) {
        for &row in rows {
            let member = Member {
                id: ids.id(row, population.keys()),
                key: population.key(row),
            };
            let bucket = self.key.shared_bits(member.key) as usize;
            if self.buckets.len() <= bucket {
                self.buckets.resize_with(bucket + 1, Bucket::default);
            }
            let members = &mut self.buckets[bucket].members;
            let nearer =
                |other: &Member| other.key.distance(self.key) < member.key.distance(self.key);
            members.insert(members.partition_point(nearer), member);
        }
    }
}
