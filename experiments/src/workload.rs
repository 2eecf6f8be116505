//! The operations of a phase, made one by one as they become due, so that memory does not grow with their number.
//!
//! 1. Due times come in order: each is drawn as the least of the uniform times that are left.
//! 2. Which operation has which due time is a pseudo-random permutation, so the times of an origin's
//!    operations are independent of each other.
//! 3. Numbers of operations follow due times. A provide's key is a function of its number, so a retrieve
//!    needs no list of what was provided. Segments that are withheld are those after the last number.

use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::{Permutation, Purpose, Stream};
use kadsim_systems::Network;

use crate::file::Draw;

/// What may be retrieved of a provide phase: the parts of its segments, by number.
#[derive(Clone, Debug)]
pub enum SegmentKeys {
    /// Drawn for its operations.
    Drawn(DrawnSegments),
    /// Listed in a trace; each is one part.
    Listed(Arc<[Key]>),
}

/// Segments whose keys are drawn.
#[derive(Clone, Copy, Debug)]
pub struct DrawnSegments {
    /// Seed of the network.
    pub network_seed: u64,
    /// Index of the phase in the experiment.
    pub phase: u32,
    /// Number of the operation that provides the first.
    pub first: u64,
    /// Number of segments that are provided.
    pub provided: u64,
    /// Number of segments that are withheld: drawn by retrieves, but never provided.
    pub withheld: u64,
    /// Parts of each.
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

    /// The key of the segment that a part belongs to.
    fn key(&self, part: u64) -> Key {
        match self {
            SegmentKeys::Drawn(drawn) => drawn.key(part / u64::from(drawn.parts)),
            SegmentKeys::Listed(keys) => keys[part as usize],
        }
    }
}

/// A uniform key for an operation.
fn random_key(network_seed: u64, operation: u64) -> Key {
    Key(Stream::new(network_seed, Purpose::OperationKey, operation, 0).bits())
}

/// The online nodes of a network, in the order of keys. Operations start at these.
#[derive(Clone, Debug)]
pub enum Online {
    /// All of this many nodes.
    All(u32),
    /// Those in these rows.
    Rows(Arc<[Row]>),
}

impl Online {
    /// Of a network as it is now.
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

/// The nodes that operations start at, by place.
#[derive(Clone, Debug)]
pub enum Origins {
    /// Any node that is online, anew for each operation.
    Random,
    /// Every node that is online, in the order of keys.
    Each,
    /// These.
    Listed(Vec<Row>),
}

impl Origins {
    /// One uniform node that is online, the same in every phase.
    pub fn one(network_seed: u64, online: &Online) -> Self {
        let place = Stream::new(network_seed, Purpose::Sample, 0, 0).below(online.len());
        Origins::Listed(vec![online.row(place)])
    }

    /// A uniform sample of `size` nodes that are online, the same in every phase.
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
    /// Keys of generated nodes, offline ones too, whose keys come of this seed.
    GeneratedNodes(u64),
    /// Keys of these nodes.
    ListedNodes(Arc<[Key]>),
    /// What was provided.
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
    /// Those that are online, at least 1.
    pub online: Online,
    /// Where operations start.
    pub origins: Origins,
    /// Operations in all for [`Origins::Random`], else per origin.
    pub count: u64,
    /// Number of operations that do not take place, the last ones.
    pub withheld: u64,
    /// Keys that they ask for.
    pub targets: Targets,
    /// When the phase starts, µs.
    pub start_us: u64,
    /// Due times are uniform over this, µs.
    pub spread_us: u64,
}

impl Plan {
    /// Operations that take place.
    pub fn total(&self) -> u64 {
        self.all() - self.withheld
    }

    /// Operations, those that do not take place included.
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
    /// Of (origin, segment), for origins that are drawn anew and take distinct segments.
    pairs: Option<Permutation>,
    due: DueTimes,
    place: u64,
    next: Option<Planned>,
}

impl Drawn {
    /// The operations of this plan. Pairs of nodes and segments to retrieve must be at most 2⁶².
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

    /// The key of an origin's operation number `turn`.
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

/// Uniform times in ascending order, one at a time: of m that are left, the least leaves a share of
/// U^(1/m) of the remaining time behind it.
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

/// Operations that are listed.
pub struct Listed {
    operations: std::vec::IntoIter<Planned>,
}

impl Listed {
    /// These, which must be in the order of (due time, number).
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
