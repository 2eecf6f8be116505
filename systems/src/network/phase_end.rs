//! The end of a phase, and the nodes at that moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use kadsim_engine::counts::Counts;
use kadsim_engine::node::Row;
use kadsim_engine::presence::TimeOnline;

use kadsim_engine::makeup::Region;
use kadsim_engine::routing::{Freshness, OnLeaving};

use super::Network;
use super::read::{Counters, NodesView};
use crate::events::MaintenanceCounts;
use crate::phases::CutOff;

/// The end of a phase. [`Network::read_end`] reads the nodes as of that moment, until the next step.
#[derive(Debug)]
pub struct PhaseEnd {
    /// Number of the phase.
    pub phase: u32,
    /// When the phase started, µs.
    pub start_us: u64,
    /// When the phase ended, µs: with its last operation and its duration, or when it was cut off.
    pub end_us: u64,
    /// Whether it was cut off.
    pub cut_off: CutOff,
    /// Requests received from the phase, by row. Empty for the phase in slot 0, which [`Counters`] counts.
    pub(super) received: Vec<AtomicU32>,
    /// Contacts of maintenance that nodes have sent and received in the phase's shift, by row, if the shift was over before the
    /// phase; empty for none.
    pub(super) maintenance: Option<Vec<MaintenanceCounts>>,
    /// Uses of nodes after the end, by operations of other phases.
    pub(super) later_uses: HashMap<Row, u32>,
    /// Operations by origin.
    pub(super) started: Counts,
    /// Whether rows have the columns of living runs.
    pub(super) is_living: bool,
}

/// A node at the end of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Requests received from operations of the phase.
    pub contacts: u32,
    /// Segments held, stored by any phase.
    pub segments: u32,
    /// Uses of its overhead counter, by any phase.
    pub uses: u32,
    /// Operations of the phase that it has started.
    pub started: u32,
    /// Contacts of maintenance that it has sent in the phase, before the next phase starts.
    pub maintenance_sent: u32,
    /// Requests of maintenance that have reached it in that time.
    pub maintenance_received: u32,
    /// What is known of it where nodes come and leave, cannot be asked, or lie in regions.
    pub life: Option<Life>,
}

/// A node's life up to the end of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Whether it is online at that moment.
    pub is_online: bool,
    /// Whether it answers requests while it is online.
    pub is_server: bool,
    /// Its region, if there are regions.
    pub region: Option<Region>,
    /// Sessions that it has begun, one under way at the start included.
    pub sessions: u32,
    /// How long it was online in the phase, µs.
    pub online_us: u64,
    /// Its routing table, if it is online.
    pub freshness: Option<Freshness>,
}

impl PhaseEnd {
    /// Returns a node's state at that moment.
    fn node(&self, nodes: &NodesView, counters: &Counters, row: Row) -> NodeState {
        let apart = self.received.get(row.index());
        let later = self.later_uses.get(&row).copied().unwrap_or(0);
        let maintenance = match &self.maintenance {
            Some(before) => before.get(row.index()).copied().unwrap_or_default(),
            None => nodes.chunks.maintenance_of(row),
        };
        NodeState {
            maintenance_sent: maintenance.sent,
            maintenance_received: maintenance.received,
            contacts: apart.map_or_else(
                || counters.contacts[row.index()].get(),
                |contacts| contacts.load(Ordering::Relaxed),
            ),
            segments: self.segments(nodes, row),
            uses: counters.overhead[row.index()].uses() - later,
            started: self.started.of(row),
            life: self.is_living.then(|| self.life(nodes, row)),
        }
    }

    /// Returns how many segments a node holds.
    fn segments(&self, nodes: &NodesView, row: Row) -> u32 {
        if nodes.chunks.are_used() {
            return nodes.chunks.of(row).records.of(row);
        }
        let store = nodes.columns.stores[row.index()];
        if nodes.living.records == OnLeaving::Kept || !nodes.in_time.timelines.are_living() {
            return nodes.segments.held(store, self.end_us);
        }
        let key = nodes.population.key(row);
        let since = nodes.in_time.timelines.since(row, key, self.end_us);
        since.map_or(0, |since| {
            nodes
                .segments
                .stored(store, row, since.from_us(), self.end_us)
        })
    }

    /// Returns a node's life.
    fn life(&self, nodes: &NodesView, row: Row) -> Life {
        let (tables, owner) = (nodes.in_time, nodes.population.owner(row));
        let is_online = tables.is_online(row, self.end_us);
        let is_there = nodes.columns.presence[row.index()].is_online();
        let time_online = match (is_there, nodes.in_time.timelines.are_living()) {
            (false, _) => TimeOnline::default(),
            (true, false) => TimeOnline {
                sessions: 1,
                online_us: self.end_us - self.start_us,
            },
            (true, true) => nodes
                .in_time
                .timelines
                .sessions(row, self.start_us, self.end_us),
        };
        let freshness = || tables.freshness(owner, self.end_us, &mut Vec::new());
        Life {
            is_online,
            is_server: nodes.in_time.makeup.is_server(owner.key),
            region: (!nodes.in_time.makeup.regions.is_empty())
                .then(|| nodes.in_time.makeup.region(owner.key)),
            sessions: time_online.sessions,
            online_us: time_online.online_us,
            freshness: is_online.then(freshness),
        }
    }
}

impl Network {
    /// Reads the nodes as of the end of the phase that has just ended.
    pub fn read_end<T>(
        &mut self,
        end: &PhaseEnd,
        read: impl FnOnce(NodesView, &(dyn Fn(Row) -> NodeState + Sync)) -> T,
    ) -> T {
        self.read_all(|nodes, counters| read(nodes, &|row| end.node(&nodes, &counters, row)))
    }
}
