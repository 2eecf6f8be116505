//! A single contact outside any operation, and idle time, for callers of the library.
//!
//! The contact is like one of a lookup: it is counted at the remote when it is sent, its fate is drawn, and origin and
//! remote are charged. It takes an operation number of its own, so its draws are independent of all others. Cost: O(1).

use kadsim_engine::link::{Attempt, Charge, Fate, Links};
use kadsim_engine::node::Row;
use kadsim_engine::time::LAST_US;

use crate::network::Network;

/// A contact that was sent outside any operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Single {
    /// The operation number that it took. Its number in that operation is 0.
    pub operation: u64,
    /// When it was sent, µs.
    pub time_us: u64,
    /// Outcome and delay.
    pub fate: Fate,
    /// Overhead of the origin, µs.
    pub origin_overhead_us: u64,
    /// Overhead of the remote, µs; 0 if there is no such node.
    pub remote_overhead_us: u64,
}

impl Single {
    /// Time from sending to the answer of one request, or to the failure, overhead included, µs.
    pub fn total_us(&self) -> u64 {
        self.fate.total_us(Charge {
            origin_us: self.origin_overhead_us,
            remote_us: self.remote_overhead_us,
        })
    }
}

impl Network {
    /// Contacts a node, now. `None` is a node that does not exist: only the origin is charged. The clock does not advance;
    /// a caller that waits for the contact passes its time to [`Network::wait`].
    pub fn contact(&mut self, from: Row, to: Option<Row>) -> Single {
        let operation = self.next_operation;
        self.next_operation += 1;
        let reachable = to.is_some_and(|row| {
            self.read_all(|nodes, counters| {
                counters.contacts[row.index()].add();
                nodes.columns.presence[row.index()].is_online()
            })
        });
        let origin_overhead_us = self.charge(from);
        let remote_overhead_us = to.map_or(0, |to| self.charge(to));
        let mut owner = |row| self.read(|nodes| nodes.population.owner(row));
        let (from, to) = (owner(from), to.map(&mut owner));
        let attempt = Attempt {
            network_seed: self.seed,
            operation,
            sequence: 0,
            from,
            to,
            time_us: self.now_us,
        };
        let links = self.world.resource::<Links>();
        let fate = links.link.draw(attempt, &|_| reachable);
        Single {
            operation,
            time_us: self.now_us,
            fate,
            origin_overhead_us,
            remote_overhead_us,
        }
    }

    /// Charges a use of a node and returns its overhead, µs.
    fn charge(&mut self, row: Row) -> u64 {
        let Ok((links, mut overhead)) = self.states.overhead.get_mut(&mut self.world) else {
            unreachable!("a network has its links from the start");
        };
        links.charge(&mut overhead.as_mut_slice()[row.index()])
    }

    /// Advances the clock by `us` µs, in which nothing happens.
    ///
    /// # Panics
    ///
    /// If the clock would go beyond its last moment, [`LAST_US`].
    pub fn wait(&mut self, us: u64) {
        let now_us = self.now_us.saturating_add(us);
        assert!(
            now_us <= LAST_US,
            "{us} µs from now are beyond {} ms, where times end",
            LAST_US / 1000
        );
        self.now_us = now_us;
    }
}
