//! Draws the operations of a phase one by one as they become due, so that memory does not grow with their number.
//!
//! 1. Due times are drawn in ascending order: each is the minimum of the remaining uniform times or, by rate, an
//!    exponential gap after the one before.
//! 2. A pseudo-random permutation assigns operations to due times, so the due times of an origin's operations are
//!    independent of each other. By rate, each operation draws its origin.
//! 3. Operations are numbered in the order of due times. A provide's key is a function of its number, so a retrieve
//!    needs no list of segments. Withheld segments have the numbers after the last provide.

mod due;

use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::{Permutation, Purpose, Stream};
use kadsim_systems::Network;
use kadsim_systems::network::presences::Presences;

use self::due::DueTimes;
use crate::file::{Draw, Pace};

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
    /// A uniform online node, drawn anew for each operation. In a living network it is one that is online when the
    /// operation is due, if it is among the first [`DRAWS_MAX`] nodes drawn.
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

/// Most nodes that are drawn until one is online.
pub const DRAWS_MAX: usize = 64;

/// Keys that operations ask for.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Uniform keys.
    Random,
    /// Keys of generated nodes, offline ones too. This is the seed of the keys.
    GeneratedNodes(u64),
    /// Keys of these nodes.
    ListedNodes(Arc<[Key]>),
    /// Keys of nodes that are online and answer when the operation is due.
    OnlineNodes(Box<Presences>),
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
    /// How many operations there are, and when they are due.
    pub pace: Pace,
    /// Number of operations, the last ones, that are drawn but not run.
    pub withheld: u64,
    /// Keys that they ask for.
    pub targets: Targets,
    /// Start of the phase, µs.
    pub start_us: u64,
    /// Who is online when, in a living network, for random origins.
    pub presences: Option<Presences>,
}

impl Plan {
    /// Returns the number of nodes that are origins or may be drawn.
    fn sites(&self) -> u64 {
        match &self.origins {
            Origins::Random | Origins::Each => self.online.len(),
            Origins::Listed(rows) => rows.len() as u64,
        }
    }

    /// Returns the row of the node of index `site`.
    fn site(&self, site: u64) -> Row {
        match &self.origins {
            Origins::Random | Origins::Each => self.online.row(site),
            Origins::Listed(rows) => rows[site as usize],
        }
    }

    /// Returns the number of operations of each origin; `None` if each operation draws its own.
    fn count_each(&self) -> Option<u64> {
        match self.origins {
            Origins::Random => None,
            Origins::Each | Origins::Listed(_) => self.pace.count(),
        }
    }

    /// Returns the number of operations, withheld ones included; 0 by rate.
    fn all(&self) -> u64 {
        let each = self.count_each().map(|each| each * self.sites());
        each.or(self.pace.count()).unwrap_or(0)
    }
}

/// The operations of a plan, in the order of their due times.
pub struct Drawn {
    plan: Plan,
    total: u64,
    order: Permutation,
    /// Permutation of (origin, segment) pairs and their number, for drawn origins with distinct segments.
    pairs: Option<(Permutation, u64)>,
    due: DueTimes,
    place: u64,
    next: Option<Planned>,
}

impl Drawn {
    /// Draws the operations of this plan. There must be at most 2⁶³ pairs of a node and a segment.
    pub fn new(plan: Plan) -> Self {
        let phase = u64::from(plan.phase);
        let stream = |entity| Stream::new(plan.network_seed, Purpose::Origin, entity, phase);
        let pairs = match (plan.count_each(), &plan.targets) {
            (None, Targets::Segments(segments, Draw::Distinct)) => {
                let pairs = plan.sites() * segments.len();
                Some((Permutation::new(pairs, stream(u64::MAX)), pairs))
            }
            _ => None,
        };
        let most = plan.all().saturating_sub(plan.withheld);
        let due = DueTimes::new(plan.network_seed, plan.phase, plan.pace, most);
        let total = due.len();
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

    /// Returns the number of operations.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn draw(&mut self) -> Option<Planned> {
        let due_us = self.due.next()?;
        let number = self.plan.first + self.place;
        let mut planned = Planned {
            number,
            origin: Row(0),
            key: Key(0),
            due_us: self.plan.start_us.saturating_add(due_us),
            lacks_origin: false,
        };
        match self.plan.count_each() {
            Some(count_each) => self.take_turn(&mut planned, count_each),
            None => self.draw_origin(&mut planned),
        }
        Some(planned)
    }

    /// Gives the operation the origin whose turn it is, and a key.
    fn take_turn(&self, planned: &mut Planned, count_each: u64) {
        let ordered = match self.plan.pace.spread_us() {
            0 => self.place,
            _ => self.order.apply(self.place),
        };
        planned.origin = self.plan.site(ordered / count_each);
        planned.key = self.key(planned, ordered % count_each);
    }

    /// Draws an origin and a key for the operation.
    fn draw_origin(&self, planned: &mut Planned) {
        let plan = &self.plan;
        let mut stream = Stream::new(plan.network_seed, Purpose::Origin, planned.number, 0);
        let mut draw = || plan.site(stream.below(plan.sites()));
        match (&self.pairs, &plan.targets) {
            (Some((permutation, pairs)), Targets::Segments(segments, _)) => {
                // By rate there may be more operations than pairs.
                let pair = permutation.apply(self.place % pairs);
                planned.origin = plan.site(pair / segments.len());
                planned.key = segments.key(pair % segments.len());
            }
            _ => {
                planned.origin = draw();
                planned.key = self.key(planned, self.place);
            }
        }
        let (Some(presences), Origins::Random) = (&plan.presences, &plan.origins) else {
            return;
        };
        let others = std::iter::repeat_with(draw).take(DRAWS_MAX - 1);
        let mut drawn = std::iter::once(planned.origin).chain(others);
        match drawn.find(|&row| presences.is_online(row, planned.due_us)) {
            Some(online) => planned.origin = online,
            None => planned.lacks_origin = true,
        }
    }

    /// Returns the key of an operation, the `turn`-th of its origin.
    fn key(&self, planned: &Planned, turn: u64) -> Key {
        let plan = &self.plan;
        let (seed, number) = (plan.network_seed, planned.number);
        let node = |n: u64| Stream::new(seed, Purpose::OperationKey, number, 1).below(n);
        match &plan.targets {
            Targets::Random => random_key(seed, number),
            Targets::GeneratedNodes(key_seed) => {
                Key::of_node(node(u64::from(plan.nodes)), *key_seed)
            }
            Targets::ListedNodes(keys) => keys[node(keys.len() as u64) as usize],
            Targets::OnlineNodes(presences) => {
                let mut stream = Stream::new(seed, Purpose::OperationKey, number, 1);
                let mut draw = || plan.online.row(stream.below(plan.online.len()));
                let mut row = draw();
                for _ in 1..DRAWS_MAX {
                    if presences.answers(row, planned.due_us) {
                        break;
                    }
                    row = draw();
                }
                presences.key(row)
            }
            Targets::Segments(segments, draw) => {
                let count = segments.len();
                let permuted = |entity: u64| {
                    let stream = Stream::new(seed, Purpose::Segment, entity, u64::from(plan.phase));
                    Permutation::new(count, stream).apply(turn % count)
                };
                segments.key(match draw {
                    Draw::Distinct => permuted(u64::from(planned.origin.0)),
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
