//! Heap memory of a network, counted by the global allocator of this binary. It holds one test, since no other
//! code may allocate meanwhile.
//!
//! - A node takes 130 bytes as an entity and at most 4 in the index over the keys. No other structure grows with the
//!   number of nodes.
//! - Once each operation slot has been used, 200 contacts allocate less than once. The margin is for the lists of a step,
//!   and for a slot whose list grows beyond its longest one. The test counts without overhead, where an operation runs
//!   from its first contact to its last, and with overhead and recorded connections, where each step ends in a barrier.
//! - A contact in flight takes less than 3000 bytes where tables learn from traffic, with its share of the operation.
//! - The lists of an operation are as long as what it knows, whatever beta is. A slot gives an unusually long list back.

use std::alloc::System;

use kadsim::engine::key::{Key, mix};
use kadsim::engine::link::{Delay, UniformLink};
use kadsim::engine::node::Row;
use kadsim::engine::operation::{Planned, SlotBytes, Source};
use kadsim::engine::record::Kind;
use kadsim::systems::Network;
use kadsim::systems::maintenance::Maintenance;
use kadsim::systems::network::run_loop::Progress;
use kadsim::systems::network::{NodeSet, Spec};
use kadsim::systems::phases::Phase;
use kadsim::systems::rules::{Rules, Stop};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NODES: u32 = 5000;

/// Lookups from random nodes for random keys, some in a millisecond, so that slots are taken again.
struct Lookups {
    number: u64,
    left: u64,
    due_us: u64,
    every_us: u64,
}

impl Source for Lookups {
    fn peek(&self) -> Option<Planned> {
        (self.left > 0).then(|| Planned {
            number: self.number,
            origin: Row((mix(!self.number) % u64::from(NODES)) as u32),
            key: Key(mix(self.number)),
            due_us: self.due_us,
            lacks_origin: false,
        })
    }

    fn advance(&mut self) {
        self.number += 1;
        self.left -= 1;
        self.due_us += self.every_us;
    }
}

/// Bytes of a contact in flight where tables learn from traffic, with all capacities: messages, answers on their way, and its
/// share of the operation, which has three contacts in flight.
fn contacts_in_flight_take_less_than_3000_bytes() {
    const DELAY_US: u64 = 50_000;
    const LOOKUPS: u64 = 40_000;
    let mut network = Network::new(Spec {
        nodes: NodeSet::Generated(NODES),
        maintenance: Some(Maintenance {
            learn_asker: true,
            learn_answerer: true,
            ..Maintenance::default()
        }),
        rules: Rules {
            stop: Stop::ClosestAnswered,
            ..Rules::default()
        },
        link: Box::new(UniformLink {
            delay: Delay::Constant(DELAY_US),
            ..UniformLink::default()
        }),
        ..Spec::default()
    })
    .unwrap();
    network.bootstrap();
    let region = Region::new(HEAP);
    // As many contacts are in flight as are sent in the time that one takes.
    let began_us = network.now_us();
    let (contacts, _) = look_up(&mut network, LOOKUPS, 60);
    let sent_in_us = network.now_us() - began_us;
    let in_flight = contacts as f64 * (2 * DELAY_US) as f64 / sent_in_us as f64;
    let change = region.change();
    let held = (change.bytes_allocated - change.bytes_deallocated) as f64;
    let each = held / in_flight;
    println!("{each:.0} bytes a contact in flight, of which there are {in_flight:.0}");
    assert!(each < 3000.0, "{each} bytes a contact in flight");
}

/// Contacts of a phase of lookups, and allocations and growths on the way.
fn look_up(network: &mut Network, lookups: u64, every_us: u64) -> (u64, usize) {
    let source = Lookups {
        number: network.next_operation(),
        left: lookups,
        due_us: network.now_us(),
        every_us,
    };
    // Else each phase takes longer than the one before, and more are in flight.
    network.reset_overhead();
    let start_us = network.now_us();
    network.begin_phase(Phase {
        number: 0,
        kind: Kind::Lookup,
        source: Box::new(source),
        operations: lookups,
        parallel: None,
        start_us,
        duration_us: 0,
        max_us: None,
        freshness_us: None,
    });
    let region = Region::new(HEAP);
    let mut contacts = 0;
    let mut progress = Progress::Going;
    while progress == Progress::Going {
        progress = network.step().unwrap();
        network.end_phase().unwrap();
        let recorded = network.recorded();
        let attempts = recorded.operations.iter().map(|row| row.attempts);
        contacts += attempts.map(u64::from).sum::<u64>();
        recorded.clear();
    }
    let change = region.change();
    (contacts, change.allocations + change.reallocations)
}

#[test]
fn a_node_takes_130_bytes_and_a_contact_allocates_nothing() {
    // The pool's own threads allocate when they like.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.unwrap().install(|| {
        nodes_take_130_bytes();
        contacts_allocate_nothing(0, false);
        contacts_allocate_nothing(20, true);
        lists_follow_what_is_known();
        contacts_in_flight_take_less_than_3000_bytes();
    });
}

/// Results of up to 65 536 nodes: as many would take 2 MB an operation. Overhead, so that all are in flight at the
/// same time.
fn lists_follow_what_is_known() {
    const LOOKUPS: u64 = 300;
    let mut network = Network::new(Spec {
        nodes: NodeSet::Generated(NODES),
        overhead_us: 20,
        rules: Rules {
            beta: 65_536,
            ..Rules::default()
        },
        link: Box::new(UniformLink {
            delay: Delay::Constant(50_000),
            ..UniformLink::default()
        }),
        ..Spec::default()
    })
    .unwrap();
    network.bootstrap();
    let region = Region::new(HEAP);
    look_up(&mut network, LOOKUPS, 600);
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    println!("{held} bytes held after {LOOKUPS} lookups");
    // Each knows some hundred nodes, of 16 bytes each, and has contacts in flight and a result.
    assert!(held < LOOKUPS as usize * (32 << 10), "{held} bytes held");
    // Each comes to know every node.
    network.rules().stop = Stop::ClosestAnswered;
    look_up(&mut network, 20, 600);
    let SlotBytes { bytes, slots } = network.operation_bytes();
    println!("{bytes} bytes in {slots} slots");
    assert!(slots >= 20);
    // The result of the last one is still there.
    let most = slots * (32 << 10) + 2 * 4 * NODES as usize;
    assert!(bytes < most, "{bytes} bytes in {slots} slots");
}

fn nodes_take_130_bytes() {
    // The book of entities would be twice too long if it doubled from a length of its own.
    const NODES: u32 = (1 << 18) + 1000;
    const BYTES: usize = 131;
    let region = Region::new(HEAP);
    let network = Network::new(Spec {
        nodes: NodeSet::Generated(NODES),
        ..Spec::default()
    })
    .unwrap();
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    let each = held as f64 / f64::from(NODES);
    println!("{each:.1} bytes a node");
    assert!(held < BYTES * NODES as usize, "{each} bytes a node");
    assert_eq!(network.len(), NODES as usize);
}

fn contacts_allocate_nothing(overhead_us: u64, connections: bool) {
    let mut network = Network::new(Spec {
        nodes: NodeSet::Generated(NODES),
        overhead_us,
        // One tick for all: each has lists of its own.
        tick_us: 3_600_000_000,
        link: Box::new(UniformLink {
            delay: Delay::Constant(50_000),
            ..UniformLink::default()
        }),
        ..Spec::default()
    })
    .unwrap();
    network.recording().connections = connections;
    network.bootstrap();
    // The slots, and whatever else is kept from step to step, get the memory that most operations need.
    look_up(&mut network, 40_000, 600);
    look_up(&mut network, 40_000, 600);
    let (contacts, allocations) = look_up(&mut network, 40_000, 600);
    println!("overhead {overhead_us} µs: {allocations} allocations for {contacts} contacts");
    assert!(contacts > 400_000, "{contacts}");
    assert!(
        (allocations as u64) < contacts / 200,
        "overhead {overhead_us} µs: {allocations} allocations for {contacts} contacts"
    );
}
