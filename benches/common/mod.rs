//! Code that the benchmarks share: networks with full tables, operations to run in them, and a phase driven as a run
//! drives it. The ticks table alone is recorded, without recall.

#![allow(dead_code, reason = "each benchmark uses a part")]

pub mod gather;
pub mod svg;

use kadsim_engine::key::{Key, mix};
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::Probability;
use kadsim_engine::record::{Kind, OperationRow};
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::{Policy, Rule};
use kadsim_systems::Network;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::phases::Phase;
use kadsim_systems::rules::{Procedure, Rules};

/// Entries of a bucket.
pub const K: u8 = 20;

/// Seed of all draws.
const SEED: u64 = 42;

/// Operations that become due in a millisecond of simulated time: a million in a minute.
const DUE_PER_MS: u64 = 16;

/// Delays and errors of contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Delays of 50 ms, no errors.
    Constant,
    /// Uniform delays of 50 to 75 ms; fast errors at a rate of 0.10, which take 50 to 100 ms.
    Faulty,
}

impl Links {
    /// Returns the model.
    pub fn model(self) -> UniformLink {
        let uniform = |low_ms: u64, high_ms: u64| Delay::Uniform {
            low: low_ms * 1000,
            high: high_ms * 1000,
        };
        match self {
            Links::Constant => UniformLink {
                delay: Delay::Constant(50_000),
                ..UniformLink::default()
            },
            Links::Faulty => UniformLink {
                delay: uniform(50, 75),
                fast_error: Some(Fault {
                    probability: Probability::new(0.10),
                    delay: uniform(50, 100),
                }),
                ..UniformLink::default()
            },
        }
    }
}

/// A network to measure.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Number of nodes.
    pub nodes: u32,
    /// How tables lie in memory.
    pub layout: LayoutKind,
    /// Which candidates a bucket keeps.
    pub policy: Policy,
    /// Procedure of lookups.
    pub procedure: Procedure,
    /// Delays and errors of contacts.
    pub links: Links,
    /// Gamma: time that each use adds to the overhead of a node, µs.
    pub overhead_us: u64,
}

impl Setup {
    /// Returns iterative lookups without errors and without overhead.
    pub fn new(nodes: u32, layout: LayoutKind, policy: Policy) -> Self {
        Self {
            nodes,
            layout,
            policy,
            procedure: Procedure::Iterative,
            links: Links::Constant,
            overhead_us: 0,
        }
    }

    /// Returns the rule of the tables.
    pub fn rule(&self) -> Rule {
        Rule {
            bucket_size: K,
            answer_size: K,
            policy: self.policy,
            network_seed: SEED,
        }
    }

    /// Returns the network with empty tables.
    pub fn spawn(&self) -> Network {
        let mut network = Network::new(Spec {
            nodes: NodeSet::Generated(self.nodes),
            seed: SEED,
            bucket_size: K,
            policy: self.policy,
            layout: self.layout,
            rules: Rules {
                procedure: self.procedure,
                ..Rules::default()
            },
            link: Box::new(self.links.model()),
            overhead_us: self.overhead_us,
            ..Spec::default()
        })
        .expect("the parameters go together");
        network.recording().recall = false;
        network
    }

    /// Returns the network with full tables.
    pub fn network(&self) -> Network {
        let mut network = self.spawn();
        network.bootstrap();
        network
    }
}

/// Returns the sorted key column of a network of `nodes` nodes.
pub fn keys(nodes: u32) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..u64::from(nodes))
        .map(|id| Key::of_node(id, SEED))
        .collect();
    keys.sort_unstable();
    keys
}

/// Returns whether the command line selects a benchmark: it names none, or a part of this name. Criterion selects too, but
/// only after the benchmark has made a network of gigabytes.
pub fn is_wanted(name: &str) -> bool {
    let mut parts = std::env::args()
        .skip(1)
        .filter(|part| !part.starts_with("--"))
        .peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// Formats a power of ten: 10 000 as `1e4`.
pub fn power_of_ten(nodes: u32) -> String {
    format!("1e{}", nodes.ilog10())
}

/// Operations with random origins, and keys drawn from consecutive numbers.
pub struct Operations {
    nodes: u32,
    number: u64,
    key: u64,
    left: u64,
    start_us: u64,
    made: u64,
}

impl Source for Operations {
    #[inline]
    fn peek(&self) -> Option<Planned> {
        (self.left > 0).then(|| Planned {
            number: self.number,
            origin: Row((((mix(!self.number) >> 32) * u64::from(self.nodes)) >> 32) as u32),
            key: Key(mix(self.key ^ (SEED << 32))),
            due_us: self.start_us + self.made * 1000 / DUE_PER_MS,
            lacks_origin: false,
        })
    }

    #[inline]
    fn advance(&mut self) {
        self.number += 1;
        self.key += 1;
        self.made += 1;
        self.left -= 1;
    }
}

/// Runs a phase of operations for the keys of the numbers from `first_key` on. Calls `each` with every row of the
/// operations table. Returns the number of contacts.
pub fn run_phase(
    network: &mut Network,
    kind: Kind,
    operations: u64,
    first_key: u64,
    mut each: impl FnMut(&OperationRow),
) -> u64 {
    network.reset_overhead();
    let source = Operations {
        nodes: network.len() as u32,
        number: network.next_operation(),
        key: first_key,
        left: operations,
        start_us: network.now_us(),
        made: 0,
    };
    network.begin_phase(Phase {
        number: 0,
        kind,
        source: Box::new(source),
        operations,
        parallel: None,
        start_us: network.now_us(),
        duration_us: 0,
        max_us: None,
        freshness_us: None,
    });
    let mut contacts = 0;
    let mut take = |network: &mut Network| {
        let recorded = network.recorded();
        contacts += recorded
            .ticks
            .iter()
            .map(|tick| tick.connections)
            .sum::<u64>();
        recorded.operations.iter().for_each(&mut each);
        recorded.clear();
    };
    while network.step().unwrap() == Progress::Going {
        take(network);
    }
    network.end_phase().unwrap();
    take(network);
    contacts
}

/// Runs a phase of lookups for keys that no earlier phase has looked up. Returns the number of contacts.
pub fn look_up(network: &mut Network, lookups: u64) -> u64 {
    let first_key = network.next_operation();
    run_phase(network, Kind::Lookup, lookups, first_key, |_| ())
}

/// Returns a pool of `threads` threads.
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("the system starts the threads")
}
