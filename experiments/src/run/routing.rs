//! Reads the routing tables of a network before its first phase: writes the output table `routing`, and counts in-degrees.
//! Where the network has grown by joins, they are those that traffic has given it.

use kadsim_engine::in_degree::InDegrees;
use kadsim_engine::key::BucketIndex;
use kadsim_engine::node::Row;
use kadsim_engine::record::{RecordError, RoutingRow};
use kadsim_systems::Network;
use kadsim_systems::network::read::NodesView;

use crate::output::Writers;
use crate::watch::Watch;

/// Nodes between two checks whether the run should go on.
const CHUNK: usize = 1 << 16;

/// Counts the routing tables that name each node.
///
/// # Errors
///
/// [`crate::watch::Stopped`].
pub(super) fn count_in_degrees(network: &mut Network, watch: Watch) -> anyhow::Result<InDegrees> {
    let _line = watch.busy("counting in-degrees".to_owned());
    let is_joined = network.is_joined();
    network.read(
        |NodesView {
             population,
             columns,
             tables,
             in_time,
             ..
         }| {
            let nodes = columns.tables.len() as u32;
            let degrees = InDegrees::new(nodes as usize);
            for start in (0..nodes).step_by(CHUNK) {
                watch.go_on()?;
                let owners = start..nodes.min(start.saturating_add(CHUNK as u32));
                match in_time.live.filter(|_| is_joined) {
                    Some(live) => degrees.count_live(live, owners),
                    None => degrees.count(tables, &population, columns.tables, owners),
                }
            }
            Ok(degrees)
        },
    )
}

/// Writes the routing tables of network `number`.
///
/// # Errors
///
/// [`crate::watch::Stopped`]; the table cannot be written.
pub(super) fn write(
    number: u32,
    network: &mut Network,
    writers: &mut Writers,
    watch: Watch,
) -> anyhow::Result<()> {
    let _line = watch.busy("writing the routing tables".to_owned());
    let is_joined = network.is_joined();
    network.read(|nodes| {
        let mut rows = Vec::new();
        for owner in (0..nodes.columns.keys.len() as u32).map(Row) {
            watch.go_on()?;
            write_table((number, is_joined), &nodes, owner, &mut rows, writers)?;
        }
        Ok(())
    })
}

/// Writes the routing table of `owner` in a network with this number, which may have grown by joins. `rows` is a buffer
/// for a bucket.
fn write_table(
    (number, is_joined): (u32, bool),
    nodes: &NodesView,
    owner: Row,
    rows: &mut Vec<Row>,
    writers: &mut Writers,
) -> Result<(), RecordError> {
    let NodesView {
        population,
        columns,
        ids,
        tables,
        in_time,
        ..
    } = nodes;
    let node = ids.id(owner, columns.keys);
    let mut write = |bucket: BucketIndex, peers: &[Row]| {
        peers.iter().enumerate().try_for_each(|(position, &peer)| {
            writers.routing(&RoutingRow {
                network: number,
                node,
                bucket: bucket.get(),
                position: position as u8,
                peer: ids.id(peer, columns.keys),
            })
        })
    };
    if let Some(live) = in_time.live.filter(|_| is_joined) {
        return BucketIndex::all().try_for_each(|bucket| {
            live.row_entries(owner, bucket, rows);
            rows.sort_unstable_by_key(|&row| {
                population.key(row).distance(columns.keys[owner.index()])
            });
            write(bucket, rows)
        });
    }
    let mut written = Ok(());
    let table = columns.tables[owner.index()];
    tables.for_each_bucket(population, owner, table, rows, |bucket, peers| {
        if written.is_ok() {
            written = write(bucket, peers);
        }
    });
    written
}
