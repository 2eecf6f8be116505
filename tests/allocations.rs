//! What a run asks of the heap, counted by the allocator itself. Nothing else may run in this process.
//!
//! An operation reuses its slot's memory, and a contact asks for nothing: once the slots are there, twice
//! the operations, and so twice the contacts, allocate next to nothing more.

use std::alloc::System;

use kadsim::engine::key::{Key, mix};
use kadsim::engine::link::{Delay, UniformLink};
use kadsim::engine::node::Row;
use kadsim::engine::operation::{Planned, Source};
use kadsim::engine::record::Kind;
use kadsim::systems::Network;
use kadsim::systems::network::{NodeSet, Progress, Spec};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NODES: u32 = 5000;

/// Lookups from random nodes for random keys, some in a millisecond, so that slots are taken again.
struct Lookups {
    number: u64,
    left: u64,
    due_us: u64,
}

impl Source for Lookups {
    fn peek(&self) -> Option<Planned> {
        (self.left > 0).then(|| Planned {
            number: self.number,
            origin: Row((mix(!self.number) % u64::from(NODES)) as u32),
            key: Key(mix(self.number)),
            due_us: self.due_us,
        })
    }

    fn advance(&mut self) {
        self.number += 1;
        self.left -= 1;
        self.due_us += 600;
    }
}

/// Contacts of a phase of lookups, and allocations and growths on the way.
fn look_up(network: &mut Network, lookups: u64) -> (u64, usize) {
    let source = Lookups {
        number: network.next_operation(),
        left: lookups,
        due_us: network.now_us(),
    };
    // Else each phase takes longer than the one before, and more are in flight.
    network.reset_overhead();
    network.begin_phase(0, Kind::Lookup, Box::new(source), None, None);
    let region = Region::new(HEAP);
    let mut contacts = 0;
    while network.step() == Progress::Going {
        let recorded = network.recorded();
        let attempts = recorded.operations.iter().map(|row| row.attempts);
        contacts += attempts.map(u64::from).sum::<u64>();
        recorded.clear();
    }
    let change = region.change();
    let _ = network.end_phase(lookups);
    network.recorded().clear();
    (contacts, change.allocations + change.reallocations)
}

/// Without overhead: whole operations at a time.
#[test]
fn a_contact_allocates_nothing() {
    // The pool's own threads allocate when they like.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.unwrap().install(count);
}

fn count() {
    let overhead_us = 0;
    {
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
        network.bootstrap();
        // The slots, and whatever else is kept from step to step, get their memory.
        look_up(&mut network, 40_000);
        let [few, many] = [20_000, 40_000].map(|lookups| look_up(&mut network, lookups));
        let contacts = many.0 - few.0;
        let allocations = many.1.saturating_sub(few.1);
        println!("overhead {overhead_us} µs: {few:?}, {many:?} (contacts, allocations)");
        assert!(contacts > 200_000, "{contacts}");
        assert!(
            (allocations as u64) < contacts / 500,
            "overhead {overhead_us} µs: {allocations} allocations for {contacts} contacts"
        );
    }
}
