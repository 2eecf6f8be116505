//! The end of a phase, and the nodes at that moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use kadsim_engine::counts::Counts;
use kadsim_engine::node::Row;

use super::Network;
use super::read::{Counters, NodesView};
use crate::phases::CutOff;

/// The end of a phase. [`Network::read_end`] reads the nodes as of that moment, until the next step.
#[derive(Debug)]
pub struct PhaseEnd {
    /// Number of the phase.
    pub phase: u32,
    /// When the phase ended, µs: with its last operation and its duration, or when it was cut off.
    pub end_us: u64,
    /// Whether it was cut off.
    pub cut_off: CutOff,
    /// Requests received from the phase, by row. Empty for the phase in slot 0, which [`Counters`] counts.
    pub(super) received: Vec<AtomicU32>,
    /// Uses of nodes after the end, by operations of other phases.
    pub(super) later_uses: HashMap<Row, u32>,
    /// Operations by origin.
    pub(super) started: Counts,
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
}

impl PhaseEnd {
    /// Returns a node's state at that moment.
    fn node(&self, nodes: &NodesView, counters: &Counters, row: Row) -> NodeState {
        let apart = self.received.get(row.index());
        let later = self.later_uses.get(&row).copied().unwrap_or(0);
        let store = nodes.columns.stores[row.index()];
        NodeState {
            contacts: apart.map_or_else(
                || counters.contacts[row.index()].get(),
                |contacts| contacts.load(Ordering::Relaxed),
            ),
            segments: nodes.segments.held(store, self.end_us),
            uses: counters.overhead[row.index()].uses() - later,
            started: self.started.of(row),
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
