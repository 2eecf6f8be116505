//! How a network grows by joins: which node comes when, and which node it knows.
//!
//! Nodes come in a random order. Number 0 is there from the start; number i >= 1 comes at `doubling · log2(i)`, rounded
//! down, and knows a random one of the servers numbered below max(1, i / 2), all of which have come before. The first
//! server of the order is number 0, since a client answers no request.

use rayon::prelude::*;

use crate::key::Key;
use crate::makeup::Makeup;
use crate::node::{Presence, Row};
use crate::random::{Purpose, Stream};
use crate::time::LAST_US;

/// Number of a node that never joins, because it is offline for the whole run.
const NEVER: u32 = u32::MAX;

/// Why a network cannot grow by joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGrowth {
    /// No node answers.
    #[error("no node is a server, so that none can join")]
    NoServer,
    /// The last node comes after the last moment of the clock.
    #[error("the last node joins beyond {} ms, where times end", LAST_US / 1000)]
    TooSlow,
}

/// The order in which nodes join. Cost: 4 bytes a node, 8 more a server.
#[derive(Debug)]
pub struct Growth {
    doubling_us: u64,
    /// The number of each row, or [`NEVER`].
    numbers: Vec<u32>,
    /// The servers with their numbers, in the order of numbers.
    servers: Vec<(u32, Row)>,
    /// The number of nodes that join, and the last of them.
    nodes: u32,
    last: Option<Row>,
}

impl Growth {
    /// Draws the order of the nodes that are not offline for the whole run. `doubling_us` is at least 1. Cost: O(nodes log
    /// nodes), on all threads.
    ///
    /// # Errors
    ///
    /// See [`NoGrowth`].
    pub fn new(
        doubling_us: u64,
        makeup: &Makeup,
        keys: &[Key],
        presence: &[Presence],
    ) -> Result<Self, NoGrowth> {
        let rows = (0..keys.len() as u32).into_par_iter().map(Row);
        let joins = rows.filter(|row| presence[row.index()].is_online());
        let mut order: Vec<(u64, Row)> = joins
            .map(|row| {
                let key = keys[row.index()].0;
                let mut stream = Stream::new(makeup.network_seed, Purpose::JoinOrder, key, 0);
                (stream.bits(), row)
            })
            .collect();
        // Rows are in the order of keys, which tells equal draws apart.
        order.par_sort_unstable();
        let is_server = |row: Row| makeup.is_server(keys[row.index()]);
        match order.iter().position(|&(_, row)| is_server(row)) {
            Some(first) => order[..=first].rotate_right(1),
            None if order.len() > 1 => return Err(NoGrowth::NoServer),
            None => {}
        }
        let mut growth = Self {
            doubling_us,
            numbers: vec![NEVER; keys.len()],
            servers: Vec::new(),
            nodes: order.len() as u32,
            last: order.last().map(|&(_, row)| row),
        };
        for (&(_, row), number) in order.iter().zip(0..) {
            growth.numbers[row.index()] = number;
            if is_server(row) {
                growth.servers.push((number, row));
            }
        }
        match growth.last_us() > LAST_US {
            true => Err(NoGrowth::TooSlow),
            false => Ok(growth),
        }
    }

    /// Returns the number of a node; `None` if it never joins.
    fn number(&self, row: Row) -> Option<u32> {
        let number = self.numbers.get(row.index()).copied();
        number.filter(|&number| number != NEVER)
    }

    /// Returns when a node comes, µs; `None` if it is there from the start or never joins.
    #[inline]
    pub fn comes_us(&self, row: Row) -> Option<u64> {
        let number = self.number(row)?;
        (number > 0).then(|| self.number_comes_us(number))
    }

    /// Returns when the node of a number from 1 on comes, µs.
    fn number_comes_us(&self, number: u32) -> u64 {
        // From 1 on the logarithm is not negative. Beyond the clock the product need not be exact.
        (self.doubling_us as f64 * libm::log2(f64::from(number))) as u64
    }

    /// Returns whether a node is there from the start.
    pub fn is_first(&self, row: Row) -> bool {
        self.number(row) == Some(0)
    }

    /// Returns the node that comes last, if it comes after the start.
    pub fn last(&self) -> Option<Row> {
        self.last.filter(|_| self.nodes > 1)
    }

    /// Returns when the last node comes, µs.
    pub fn last_us(&self) -> u64 {
        self.last
            .and_then(|row| self.comes_us(row))
            .unwrap_or_default()
    }

    /// Returns the number of nodes that join, the first one included.
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// Returns how many of them have come by `at_us`.
    pub fn come_by(&self, at_us: u64) -> u32 {
        let (mut come, mut rest) = (1.min(self.nodes), self.nodes);
        while come < rest {
            let middle = come + (rest - come) / 2;
            match self.number_comes_us(middle) <= at_us {
                true => come = middle + 1,
                false => rest = middle,
            }
        }
        come
    }

    /// Returns the node that a newcomer knows which has begun to join anew `retries` times: a random server of those
    /// numbered below max(1, i / 2). Only for nodes that come.
    ///
    /// # Panics
    ///
    /// If the node is there from the start or never joins.
    pub fn introducer(&self, makeup: &Makeup, row: Row, key: Key, retries: u32) -> Row {
        let number = self.number(row).filter(|&number| number > 0);
        let number = number.expect("a newcomer has a number above 0");
        let below = number.div_ceil(2).max(1);
        let elder = self.servers.partition_point(|&(other, _)| other < below);
        let part = u64::from(retries) << 32;
        let mut stream = Stream::new(makeup.network_seed, Purpose::Known, key.0, part);
        self.servers[stream.below(elder as u64) as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::makeup::Clients;
    use crate::random::Probability;

    const NODES: u64 = 3000;

    fn keys() -> Vec<Key> {
        let mut keys: Vec<Key> = (0..NODES).map(|id| Key::of_node(id, 3)).collect();
        keys.sort_unstable();
        keys
    }

    fn makeup(clients: f64) -> Makeup {
        Makeup {
            network_seed: 7,
            clients: Clients::Share(Probability::new(clients)),
            ..Makeup::default()
        }
    }

    #[test]
    fn each_node_knows_a_server_of_the_elder_half() {
        let (keys, makeup) = (keys(), makeup(0.7));
        let mut presence = vec![Presence::Online; keys.len()];
        presence[10] = Presence::Offline;
        let growth = Growth::new(1_000_000, &makeup, &keys, &presence).unwrap();
        assert_eq!(growth.nodes(), NODES as u32 - 1);
        assert_eq!(
            (growth.number(Row(10)), growth.comes_us(Row(10))),
            (None, None)
        );
        let mut seen = vec![false; keys.len()];
        let mut halves = [0; 2];
        for (row, &key) in (0..).map(Row).zip(&keys) {
            let Some(number) = growth.number(row) else {
                continue;
            };
            assert!(!std::mem::replace(&mut seen[number as usize], true));
            let Some(comes_us) = growth.comes_us(row) else {
                assert!(growth.is_first(row) && makeup.is_server(key));
                continue;
            };
            let at_us = 1e6 * f64::from(number).log2();
            assert!((comes_us as f64 - at_us).abs() <= 1.0, "{number}");
            assert!(growth.come_by(comes_us) > number);
            assert!(comes_us == 0 || growth.come_by(comes_us - 1) <= number);
            for retries in 0..3 {
                let known = growth.introducer(&makeup, row, key, retries);
                assert!(makeup.is_server(keys[known.index()]));
                let known = growth.number(known).unwrap();
                assert!(known == 0 || 2 * known < number, "{known} of {number}");
                halves[usize::from(4 * known < number)] += 1;
            }
        }
        // Uniform: as many of the elder half of those as of the younger one.
        let [younger, elder] = halves.map(f64::from);
        assert!((younger - elder).abs() < 4.0 * (younger + elder).sqrt());
        let last = growth.last().unwrap();
        assert_eq!(growth.comes_us(last), Some(growth.last_us()));
        assert_eq!(growth.come_by(growth.last_us()), growth.nodes());
        assert_eq!((growth.come_by(0), growth.come_by(999_999)), (2, 2));
    }

    #[test]
    fn networks_that_cannot_come_to_be_are_refused() {
        let keys = keys();
        let presence = vec![Presence::Online; keys.len()];
        let no_server = Growth::new(1, &makeup(1.0), &keys, &presence);
        assert_eq!(no_server.err(), Some(NoGrowth::NoServer));
        let slow = Growth::new(LAST_US / 10, &makeup(0.0), &keys, &presence);
        assert_eq!(slow.err(), Some(NoGrowth::TooSlow));
        for nodes in 0..2 {
            let few = Growth::new(LAST_US, &makeup(1.0), &keys[..nodes], &presence);
            let few = few.unwrap();
            assert_eq!((few.last(), few.last_us()), (None, 0));
            assert_eq!(few.come_by(0) as usize, nodes);
        }
    }

    /// Each node comes first, and last, about as often.
    #[test]
    fn the_order_is_that_of_a_draw() {
        let keys = &keys()[..10];
        let presence = [Presence::Online; 10];
        let mut firsts = [0; 10];
        for seed in 0..1000 {
            let makeup = Makeup {
                network_seed: seed,
                ..Makeup::default()
            };
            let growth = Growth::new(1000, &makeup, keys, &presence).unwrap();
            let first = (0..10).map(Row).find(|&row| growth.is_first(row));
            firsts[first.unwrap().index()] += 1;
        }
        assert!(
            firsts.iter().all(|count| (60..140).contains(count)),
            "{firsts:?}"
        );
    }
}
