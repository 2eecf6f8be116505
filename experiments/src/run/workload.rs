//! Makes the operations of a phase from the experiment.

use std::collections::HashSet;
use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_systems::Network;
use kadsim_systems::network::NetworkError;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::phases::{NoOperations, Phase};

use crate::file::{self, Experiment, Kind, Origin, Work};
use crate::import::TraceRow;
use crate::inputs::Inputs;
use crate::workload::{Drawn, DrawnSegments, Listed, Online, Origins, Plan, SegmentKeys, Targets};

/// The operations of a phase.
pub(crate) struct Workload {
    pub(crate) source: Box<dyn Source>,
    /// Number of operations.
    pub(crate) total: u64,
    /// The different keys that the operations ask for. A later phase may retrieve them if this one provides.
    pub(crate) keys: SegmentKeys,
}

/// The nodes and segments that workloads of a network are drawn from.
pub(crate) struct Pool {
    /// The nodes that operations start at.
    online: Online,
    /// Segments of each phase that has begun, in order; `None` for a phase that does not provide.
    provided: Vec<Option<SegmentKeys>>,
}

impl Pool {
    /// Makes the pool of a network in which no phase has begun.
    pub(crate) fn new(network: &mut Network) -> Self {
        Self {
            online: Online::of(network),
            provided: Vec::new(),
        }
    }

    /// Adds the segments of the next phase, which has begun.
    pub(crate) fn add(&mut self, provided: Option<SegmentKeys>) {
        self.provided.push(provided);
    }
}

impl Workload {
    /// Makes the workload of the phase of index `place`. It starts at its `start_ms`, or else now.
    ///
    /// # Errors
    ///
    /// Nodes come and go more often than can be kept.
    pub(crate) fn new(
        experiment: &Experiment,
        inputs: &Inputs,
        place: usize,
        network: &mut Network,
        pool: &Pool,
    ) -> Result<Self, NetworkError> {
        let phase = &experiment.phases[place];
        let start_us = start_us(phase, network);
        let (origin, pace, withheld, parts) = match phase.work {
            Work::Idle { .. } => return Ok(Self::idle()),
            Work::Trace { .. } => {
                let rows = inputs.traces[place].as_deref().unwrap_or_default();
                return Ok(Self::traced(rows, network, start_us));
            }
            Work::Drawn {
                origin,
                pace,
                withheld,
                parts,
                ..
            } => (origin, pace, withheld, parts),
        };
        let network_seed = network.seed();
        let due_us = pace.spread_us().min(phase.max_us.unwrap_or(u64::MAX));
        let due_until_us = start_us.saturating_add(due_us);
        let is_living = network.is_living() && origin == Origin::Random;
        let presences = match is_living {
            true => Some(network.presences(due_until_us)?),
            false => None,
        };
        let plan = Plan {
            network_seed,
            phase: place as u32,
            first: network.next_operation(),
            nodes: inputs.nodes,
            online: pool.online.clone(),
            origins: match origin {
                Origin::Random => Origins::Random,
                Origin::Each => Origins::Each,
                Origin::One => Origins::one(network_seed, &pool.online),
                Origin::Sample(size) => Origins::sample(network_seed, size, &pool.online),
                Origin::Node(id) => Origins::Listed(network.row(id).into_iter().collect()),
            },
            pace,
            withheld,
            targets: targets(&phase.work, network, &pool.provided, due_until_us)?,
            start_us,
            presences,
        };
        let (phase, first) = (plan.phase, plan.first);
        let source = Drawn::new(plan);
        let total = source.total();
        let keys = SegmentKeys::Drawn(DrawnSegments {
            network_seed,
            phase,
            first,
            provided: total,
            withheld,
            parts,
        });
        Ok(Self {
            source: Box::new(source),
            total,
            keys,
        })
    }

    /// Begins the phase of index `place` with this workload. Returns the segments that it provides.
    pub(crate) fn begin(
        self,
        place: usize,
        phase: &file::Phase,
        freshness_us: Option<u64>,
        network: &mut Network,
    ) -> Option<SegmentKeys> {
        network.begin_phase(Phase {
            number: place as u32,
            kind: phase.kind().operations().unwrap_or_default(),
            source: self.source,
            operations: self.total,
            parallel: phase.parallel,
            start_us: start_us(phase, network),
            duration_us: phase.duration_us(),
            max_us: phase.max_us,
            freshness_us,
        });
        phase.does(Kind::Provide).then_some(self.keys)
    }

    fn idle() -> Self {
        Self {
            source: Box::new(NoOperations),
            total: 0,
            keys: SegmentKeys::Listed(Arc::default()),
        }
    }

    fn traced(rows: &[TraceRow], network: &mut Network, start_us: u64) -> Self {
        let first = network.next_operation();
        let planned: Vec<Planned> = (first..)
            .zip(rows)
            .map(|(number, row)| Planned {
                number,
                // Reading the trace checked that each origin is an online node.
                origin: network.row(row.origin).unwrap_or(Row(0)),
                key: Key(row.key),
                due_us: start_us.saturating_add(row.start_us),
                lacks_origin: false,
            })
            .collect();
        let mut seen = HashSet::new();
        let keys = rows.iter().map(|row| Key(row.key));
        let keys: Arc<[Key]> = keys.filter(|key| seen.insert(*key)).collect();
        Self {
            source: Box::new(Listed::new(planned)),
            total: rows.len() as u64,
            keys: SegmentKeys::Listed(keys),
        }
    }
}

/// Returns when a phase starts that is to begin, µs. Its `start_ms` counts from the moment when the network has grown.
pub(crate) fn start_us(phase: &file::Phase, network: &Network) -> u64 {
    let after_us = phase.start_us;
    let start_us = after_us.map(|after_us| after_us.saturating_add(network.first_us()));
    start_us.unwrap_or(network.now_us())
}

/// Returns the keys that the operations of a phase ask for, the last of which is due before `due_until_us`.
fn targets(
    work: &Work,
    network: &mut Network,
    provided: &[Option<SegmentKeys>],
    due_until_us: u64,
) -> Result<Targets, NetworkError> {
    let Work::Drawn {
        keys,
        segments,
        draw,
        ..
    } = work
    else {
        return Ok(Targets::Random);
    };
    let segments = segments.and_then(|provide| provided.get(provide).cloned().flatten());
    Ok(match (segments, keys) {
        // Provides by rate may be none. Then nobody holds what retrieves ask for.
        (Some(segments), _) if segments.is_empty() => Targets::Random,
        (Some(segments), _) => Targets::Segments(segments, *draw),
        (None, file::Keys::Random) => Targets::Random,
        (None, file::Keys::Online) => {
            Targets::OnlineNodes(Box::new(network.presences(due_until_us)?))
        }
        (None, file::Keys::Nodes) => network.read(
            |NodesView {
                 population, ids, ..
             }| match ids.key_seed() {
                Some(key_seed) => Targets::GeneratedNodes(key_seed),
                None => Targets::ListedNodes(population.keys().into()),
            },
        ),
    })
}
