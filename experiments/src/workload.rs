//! Draws the operations of a phase one by one as they become due, so that memory does not grow with their number.
//!
//! 1. Due times are drawn in ascending order: each is the minimum of the remaining uniform times.
//! 2. A pseudo-random permutation assigns operations to due times, so the due times of an origin's operations are
//!    independent of each other.
//! 3. Operations are numbered in the order of due times. A provide's key is a function of its number, so a retrieve
//!    needs no list of segments. Withheld segments have the numbers after the last provide.

use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::{Permutation, Purpose, Stream};
use kadsim_systems::Network;

use crate::file::Draw;

/// The segments of a provide phase, whose parts retrieves ask for by number.
#[derive(Clone, Debug)]
pub enum SegmentKeys {
    /// Segments with drawn keys.
    Drawn(DrawnSegments),
    /// Keys from a trace. Each segment is one part.
    Listed(Arc<[Key]>),
}

/// Segments whose keys are drawn.
#[derive(Clone, Copy, Debug)]
pub struct DrawnSegments {
    /// Seed of the network.
    pub network_seed: u64,
    /// Index of the phase in the experiment.
    pub phase: u32,
    /// Number of the operation that provides the first segment.
    pub first: u64,
    /// Number of provided segments.
    pub provided: u64,
    /// Number of withheld segments, which retrieves draw but no operation provides.
    pub withheld: u64,
    /// Parts of each segment.
    pub parts: u32,
}

impl DrawnSegments {
    fn key(&self, segment: u64) -> Key {
        if segment < self.provided {
            return random_key(self.network_seed, self.first + segment);
        }
        let seed = self.network_seed;
        let counter = 2 + u64::from(self.phase);
        Key(Stream::new(seed, Purpose::OperationKey, segment, counter).bits())
    }
}

impl SegmentKeys {
    /// Returns the number of parts.
    pub fn len(&self) -> u64 {
        match self {
            SegmentKeys::Drawn(drawn) => (drawn.provided + drawn.withheld) * u64::from(drawn.parts),
            SegmentKeys::Listed(keys) => keys.len() as u64,
        }
    }

    /// Returns whether there is no part.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the key of the segment that a part belongs to.
    fn key(&self, part: u64) -> Key {
        match self {
            SegmentKeys::Drawn(drawn) => drawn.key(part / u64::from(drawn.parts)),
            SegmentKeys::Listed(keys) => keys[part as usize],
        }
    }
}

/// Draws a uniform key for an operation.
fn random_key(network_seed: u64, operation: u64) -> Key {
    Key(Stream::new(network_seed, Purpose::OperationKey, operation, 0).bits())
}

/// The online nodes of a network, in the order of keys. Operations start at these.
#[derive(Clone, Debug)]
pub enum Online {
    /// All nodes, of this number.
    All(u32),
    /// The nodes in these rows.
    Rows(Arc<[Row]>),
}

impl Online {
    /// Returns the nodes that are online in the network now.
    pub fn of(network: &mut Network) -> Self {
        match network.online_rows() {
            None => Online::All(network.len() as u32),
            Some(rows) => Online::Rows(rows),
        }
    }

    /// Returns their number.
    fn len(&self) -> u64 {
        match self {
            Online::All(nodes) => u64::from(*nodes),
            Online::Rows(rows) => rows.len() as u64,
        }
    }

    /// Returns the row of the online node of index `place`, which is below their number.
    fn row(&self, place: u64) -> Row {
        match self {
            Online::All(_) => Row(place as u32),
            Online::Rows(rows) => rows[place as usize],
        }
    }
}

/// The nodes that operations start at.
#[derive(Clone, Debug)]
pub enum Origins {
    /// A uniform online node, drawn anew for each operation.
    Random,
    /// Every online node, in the order of keys.
    Each,
    /// These nodes.
    Listed(Vec<Row>),
}

impl Origins {
    /// Draws one online node, the same in every phase.
    pub fn one(network_seed: u64, online: &Online) -> Self {
        let place = Stream::new(network_seed, Purpose::Sample, 0, 0).below(online.len());
        Origins::Listed(vec![online.row(place)])
    }

    /// Draws a uniform sample of `size` online nodes, the same in every phase.
    pub fn sample(network_seed: u64, size: u32, online: &Online) -> Self {
        let stream = Stream::new(network_seed, Purpose::Sample, u64::from(size), 0);
        let permutation = Permutation::new(online.len(), stream);
        Origins::Listed(
            (0..u64::from(size))
                .map(|place| online.row(permutation.apply(place)))
                .collect(),
        )
    }
}

/// Keys that operations ask for.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Uniform keys.
    Random,
    /// Keys of generated nodes, offline ones too. This is the seed of the keys.
    GeneratedNodes(u64),
    /// Keys of these nodes.
    ListedNodes(Arc<[Key]>),
    /// Keys of provided segments, and how origins draw them.
    Segments(SegmentKeys, Draw),
}

/// How the operations of a phase are drawn.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of the network.
    pub network_seed: u64,
    /// Index of the phase in the experiment.
    pub phase: u32,
    /// Number of the first operation.
    pub first: u64,
    /// Number of nodes in the network, at least 1.
    pub nodes: u32,
    /// The online nodes, at least 1.
    pub online: Online,
    /// Where operations start.
    pub origins: Origins,
    /// Number of operations: in all for [`Origins::Random`], else per origin.
    pub count: u64,
    /// Number of operations, the last ones, that are drawn but not run.
    pub withheld: u64,
    /// Keys that they ask for.
    pub targets: Targets,
    /// Start of the phase, µs.
    pub start_us: u64,
    /// Time over which due times are uniform, µs.
    pub spread_us: u64,
}

impl Plan {
    /// Returns the number of operations that run.
    pub fn total(&self) -> u64 {
        self.all() - self.withheld
    }

    /// Returns the number of operations, withheld ones included.
    fn all(&self) -> u64 {
        match &self.origins {
            Origins::Random => self.count,
            Origins::Each => self.count * self.online.len(),
            Origins::Listed(rows) => self.count * rows.len() as u64,
        }
    }
}

/// The operations of a plan, in the order of their due times.
pub struct Drawn {
    plan: Plan,
    total: u64,
    order: Permutation,
    /// Permutation of (origin, segment) pairs, for random origins with distinct segments.
    pairs: Option<Permutation>,
    due: DueTimes,
    place: u64,
    next: Option<Planned>,
}

impl Drawn {
    /// Draws the operations of this plan. There must be at most 2⁶² pairs of a node and a segment.
    pub fn new(plan: Plan) -> Self {
        let phase = u64::from(plan.phase);
        let total = plan.total();
        let stream = |entity| Stream::new(plan.network_seed, Purpose::Origin, entity, phase);
        let pairs = match (&plan.origins, &plan.targets) {
            (Origins::Random, Targets::Segments(segments, Draw::Distinct)) => Some(
                Permutation::new(plan.online.len() * segments.len(), stream(u64::MAX)),
            ),
            _ => None,
        };
        let due = DueTimes::new(
            Stream::new(plan.network_seed, Purpose::Due, phase, 0),
            total,
            plan.spread_us,
        );
        let order = Permutation::new(plan.all(), stream(u64::MAX - 1));
        let mut drawn = Self {
            plan,
            total,
            order,
            pairs,
            due,
            place: 0,
            next: None,
        };
        drawn.next = drawn.draw();
        drawn
    }

    fn draw(&mut self) -> Option<Planned> {
        if self.place == self.total {
            return None;
        }
        let plan = &self.plan;
        let number = plan.first + self.place;
        let due_us = plan.start_us.saturating_add(self.due.next());
        let (origin, key) = self.origin_and_key(number);
        Some(Planned {
            number,
            origin,
            key,
            due_us,
            lacks_origin: false,
        })
    }

    fn origin_and_key(&self, number: u64) -> (Row, Key) {
        let plan = &self.plan;
        if let (Some(pairs), Targets::Segments(segments, _)) = (&self.pairs, &plan.targets) {
            let pair = pairs.apply(self.place);
            return (
                plan.online.row(pair / segments.len()),
                segments.key(pair % segments.len()),
            );
        }
        let ordered = if plan.spread_us == 0 {
            self.place
        } else {
            self.order.apply(self.place)
        };
        let (origin, turn) = match &plan.origins {
            Origins::Random => {
                let mut stream = Stream::new(plan.network_seed, Purpose::Origin, number, 0);
                let place = stream.below(plan.online.len());
                (plan.online.row(place), self.place)
            }
            Origins::Each => (plan.online.row(ordered / plan.count), ordered % plan.count),
            Origins::Listed(rows) => (rows[(ordered / plan.count) as usize], ordered % plan.count),
        };
        (origin, self.key(number, origin, turn))
    }

    /// Returns the key of operation `number`, the `turn`-th of its origin.
    fn key(&self, number: u64, origin: Row, turn: u64) -> Key {
        let plan = &self.plan;
        let seed = plan.network_seed;
        let node = |n: u64| Stream::new(seed, Purpose::OperationKey, number, 1).below(n);
        match &plan.targets {
            Targets::Random => random_key(seed, number),
            Targets::GeneratedNodes(key_seed) => {
                Key::of_node(node(u64::from(plan.nodes)), *key_seed)
            }
            Targets::ListedNodes(keys) => keys[node(keys.len() as u64) as usize],
            Targets::Segments(segments, draw) => {
                let count = segments.len();
                let permuted = |entity: u64| {
                    let stream = Stream::new(seed, Purpose::Segment, entity, u64::from(plan.phase));
                    Permutation::new(count, stream).apply(turn % count)
                };
                segments.key(match draw {
                    Draw::Distinct => permuted(u64::from(origin.0)),
                    Draw::Same => permuted(u64::MAX),
                    Draw::Independent => {
                        Stream::new(seed, Purpose::Segment, number, u64::from(plan.phase))
                            .below(count)
                    }
                })
            }
        }
    }
}

impl Source for Drawn {
    fn peek(&self) -> Option<Planned> {
        self.next
    }

    fn advance(&mut self) {
        self.place += 1;
        self.next = self.draw();
    }
}

/// Draws uniform times one by one in ascending order. The minimum of m remaining times leaves a share of U^(1/m) of the
/// remaining time.
struct DueTimes {
    stream: Stream,
    left: u64,
    rest: f64,
    spread_us: u64,
}

impl DueTimes {
    fn new(stream: Stream, count: u64, spread_us: u64) -> Self {
        Self {
            stream,
            left: count,
            rest: 1.0,
            spread_us,
        }
    }

    fn next(&mut self) -> u64 {
        if self.spread_us == 0 || self.left == 0 {
            return 0;
        }
        self.rest *= libm::exp(libm::log(self.stream.unit()) / self.left as f64);
        self.left -= 1;
        (((1.0 - self.rest) * self.spread_us as f64) as u64).min(self.spread_us - 1)
    }
}

/// Operations from a list.
pub struct Listed {
    operations: std::vec::IntoIter<Planned>,
}

impl Listed {
    /// Wraps operations, which must be in the order of (due time, number).
    pub fn new(operations: Vec<Planned>) -> Self {
        Self {
            operations: operations.into_iter(),
        }
    }
}

impl Source for Listed {
    fn peek(&self) -> Option<Planned> {
        self.operations.as_slice().first().copied()
    }

    fn advance(&mut self) {
        self.operations.next();
    }
}

#[cfg(test)]
mod tests;
