//! Memory of nodes, routing tables and imported files.

use arrow::array::Array;

use kadsim_engine::key::Key;

use super::entries::table_entries;
use super::maintenance;
use crate::file::{Experiment, Keys, Layout, Leavers, Origin, Phase, Policy, Work};
use crate::inputs::{self, Inputs};

/// Bytes a node takes as an entity with six components: 29 of data, 48 of change ticks, 48 of the ECS's own book; and
/// 8 of its key beside the column while it is made. A test counts them (`tests/allocations.rs`).
const NODE_BYTES: f64 = 134.0;
/// Bytes of a counter of each node: operations started, online nodes, or in-degree.
const COUNT_BYTES: f64 = 4.0;
/// Bytes of an imported node beyond its entity: id and key as read, and the id by row.
const ID_BYTES: f64 = 24.0;
/// Bytes of an entry of the map from id to row, with the map's free slots.
const ROW_OF_ID_BYTES: f64 = 17.0 * 2.0;
/// Bytes of a row of a trace: the row as read, the planned operation, its key as a segment, and an entry of a set of
/// keys.
const TRACE_BYTES: f64 = 96.0;
/// Bytes of a row that says when a node is online: the row as read, and its times by key.
const PRESENCE_BYTES: f64 = 96.0;
/// Bytes of a node in the timelines.
const TIMELINE_BYTES: f64 = 4.0;
/// Bytes of a change in the timelines.
const CHANGE_BYTES: f64 = 16.0;
/// Bytes of a node in the order of joins: its number, and its place among the servers.
const JOIN_BYTES: f64 = 12.0;
/// Largest k at which most buckets fit the 64 rows of a span, under the `closest` policy.
const SPAN_K_MAX: f64 = 32.0;

/// Returns bytes of the imported nodes and traces, of presence too.
pub(super) fn import_bytes(inputs: &Inputs) -> f64 {
    let traced: usize = inputs.traces.iter().flatten().map(|rows| rows.len()).sum();
    let ids = inputs.ids.as_ref().map_or(0, |ids| ids.len());
    let labels = inputs.labels.as_ref();
    let labels = labels.map_or(0, |labels| labels.get_array_memory_size());
    // Offline nodes are kept in a list and in a set.
    let offline = inputs.offline.len() as f64 * (8.0 + ROW_OF_ID_BYTES);
    let rows = ids as f64 * (ID_BYTES + ROW_OF_ID_BYTES) + traced as f64 * TRACE_BYTES;
    let listed = inputs.churn.trace.as_ref().map_or(0, |rows| rows.len());
    rows + offline + labels as f64 + listed as f64 * PRESENCE_BYTES
}

/// Returns bytes of the nodes as entities, of their counters, and of when they are online.
pub(super) fn node_bytes(experiment: &Experiment, inputs: &Inputs) -> f64 {
    let mut each = NODE_BYTES + COUNT_BYTES;
    if inputs.online < inputs.nodes {
        each += COUNT_BYTES;
    }
    if experiment.output.in_degree {
        each += COUNT_BYTES;
    }
    // A phase keeps the keys of all nodes to draw some that are online: those to look up, or origins in a living network.
    let draws_online = |phase: &Phase| match phase.work {
        Work::Drawn { keys, origin, .. } => {
            keys == Keys::Online || (experiment.is_living() && origin == Origin::Random)
        }
        Work::Idle { .. } | Work::Trace { .. } => false,
    };
    if experiment.phases.iter().any(draws_online) {
        each += size_of::<Key>() as f64;
    }
    f64::from(inputs.nodes) * each + timeline_bytes(experiment, inputs)
}

/// Returns bytes of the changes of presence up to the horizon, by the mean lengths of sessions and absences. Joins are
/// changes too; timelines of joins are there while those of sessions are made.
fn timeline_bytes(experiment: &Experiment, inputs: &Inputs) -> f64 {
    let joins = match experiment.network.doubling_us {
        Some(_) => JOIN_BYTES + 2.0 * (TIMELINE_BYTES + CHANGE_BYTES),
        None => 0.0,
    };
    f64::from(inputs.nodes) * joins + session_bytes(experiment, inputs)
}

/// Returns bytes of the changes by sessions.
fn session_bytes(experiment: &Experiment, inputs: &Inputs) -> f64 {
    let Some(churn) = &experiment.churn else {
        return 0.0;
    };
    let horizon_us = inputs::horizon_us(experiment, inputs) as f64;
    let lengths = churn.lengths();
    let drawn = lengths.iter().map(|(share, lengths)| {
        let session_us = inputs.churn.mean_us(&lengths.session);
        let absence_us = inputs.churn.mean_us(&lengths.absence);
        let changes = match (session_us.is_finite(), absence_us.is_finite()) {
            (false, _) => 0.0,
            (true, false) => (horizon_us / session_us).min(1.0),
            (true, true) => 2.0 * horizon_us / (session_us + absence_us),
        };
        share * changes
    });
    let together = churn.events.iter().map(|event| match event.leavers {
        Leavers::Share(share) => 2.0 * share,
        Leavers::Region { .. } => 2.0,
    });
    let each: f64 = drawn.chain(together).sum();
    let listed = inputs.churn.trace.as_ref().map_or(0, |rows| rows.len());
    let changes = f64::from(inputs.online) * each + 2.0 * listed as f64;
    f64::from(inputs.nodes) * TIMELINE_BYTES + changes * CHANGE_BYTES
}

/// Returns bytes of the routing tables and of the index over the keys.
pub(super) fn table_bytes(experiment: &Experiment, nodes: u32) -> f64 {
    if let Some(kept) = experiment.maintenance() {
        return maintenance::table_bytes(experiment, &kept, nodes);
    }
    let nodes = f64::from(nodes);
    let k = f64::from(experiment.network.bucket_size);
    // Buckets that are stored one by one. The deeper ones are stored together.
    let deep = (nodes / k).max(0.5).log2().floor() + 1.0;
    let rest = table_entries(nodes, k, deep as i32);
    let all = table_entries(nodes, k, 0);
    let table = match experiment.layout {
        Layout::Dense => deep * (4.0 * k + 1.0) + rest * 4.0 + 4.0,
        Layout::Packed => all * 4.0 + deep + 4.0,
        Layout::Spans => {
            let spans = 12.0 * (deep + 1.0);
            let fits = experiment.network.bootstrap == Policy::Closest && k <= SPAN_K_MAX;
            spans + if fits { 0.0 } else { (all + deep + 1.0) * 4.0 }
        }
        Layout::Implicit => 0.0,
    };
    // The index takes 4 bytes for each of up to n prefixes.
    nodes * (table + 4.0)
}
