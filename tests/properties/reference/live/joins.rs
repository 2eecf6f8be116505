//! Networks that grow by joins before the first phase.

use kadsim_engine::random::{Purpose as Draws, Stream};
use kadsim_engine::record::Kind;

use super::event::{Event, What};
use super::{LiveReference, LiveRules};
use crate::properties::reference::presence::Stay;
use crate::properties::reference::{Node, Phase, Reference};

/// A phase that ends when it is known when.
const UNKNOWN_US: u64 = 1 << 60;

/// How a network grows by joins.
#[derive(Clone, Debug)]
pub struct Joins {
    /// Number of the phase in which they join.
    pub phase: Option<u32>,
    /// The nodes that join, in the order in which they do.
    pub order: Vec<Node>,
    /// When nodes are online by churn, from the first phase on, and up to when that is known, µs.
    stays: Vec<Vec<Stay>>,
    known_us: u64,
    /// When the last node has joined, µs.
    ended_us: Option<u64>,
    /// When the first phase may start, µs.
    first_us: Option<u64>,
}

impl LiveReference {
    /// Makes a network without nodes but the first one. The stays of `base` count from the first phase. Nodes without stays
    /// never join.
    pub fn joined(mut base: Reference, rules: LiveRules, doubling_us: u64) -> Self {
        let nodes = 0..base.keys.len();
        let mut order: Vec<Node> = nodes.filter(|&node| !base.is_absent[node]).collect();
        order.sort_by_key(|&node| {
            let key = base.keys[node];
            let drawn = Stream::new(base.seed, Draws::JoinOrder, key, 0).bits();
            (drawn, key)
        });
        // The first one has to answer.
        if let Some(first) = order.iter().position(|&node| base.is_server[node]) {
            let first = order.remove(first);
            order.insert(0, first);
        }
        let mut stays = vec![Vec::new(); base.keys.len()];
        for (number, &node) in order.iter().enumerate() {
            let after_us = doubling_us as f64 * libm::log2(number as f64);
            stays[node].push(Stay {
                from_us: (number > 0).then_some(after_us as u64),
                until_us: u64::MAX,
            });
        }
        let joins = Joins {
            phase: None,
            ended_us: (order.len() < 2).then_some(0),
            order,
            stays: std::mem::replace(&mut base.stays, stays.into()).to_vec(),
            known_us: std::mem::replace(&mut base.known_us, u64::MAX),
            first_us: None,
        };
        base.is_living = true;
        Self::with_joins(base, rules, Some(joins))
    }

    /// Returns how nodes join, while they do.
    pub(super) fn joining(&self) -> Option<&Joins> {
        let joins = self.joins.as_ref();
        joins.filter(|joins| joins.first_us.is_none())
    }

    /// Returns the node that a newcomer knows.
    pub(super) fn introducer(&self, joins: &Joins, node: Node) -> Node {
        let number = joins.order.iter().position(|&other| other == node).unwrap();
        let elder = joins.order.iter().enumerate();
        let elder = elder.filter(|(other, _)| *other == 0 || 2 * other < number);
        let servers: Vec<Node> = elder
            .map(|(_, &other)| other)
            .filter(|&other| self.base.is_server[other])
            .collect();
        let part = u64::from(self.nodes[node].retries) << 32;
        let key = self.base.keys[node];
        let mut stream = Stream::new(self.base.seed, Draws::Known, key, part);
        servers[stream.below(servers.len() as u64) as usize]
    }

    /// A node has come to the end of its join.
    pub(super) fn join_ended(&mut self, node: Node) {
        let now_us = self.now_us;
        if let Some(joins) = self.joins.as_mut()
            && joins.order.last() == Some(&node)
            && joins.first_us.is_none()
        {
            joins.ended_us = Some(now_us);
        }
    }

    /// Lets the network grow, in a phase of this number.
    pub fn join_all(&mut self, number: u32) {
        self.joins.as_mut().unwrap().phase = Some(number);
        self.begin_phase(
            0,
            &Phase {
                number,
                kind: Kind::Lookup,
                planned: Vec::new(),
                parallel: None,
                start_us: 0,
                lasts_us: UNKNOWN_US,
                cut_us: None,
            },
        );
        loop {
            let next = self
                .heap
                .peek()
                .map(|std::cmp::Reverse(event)| event.time_us);
            let next_us = next.unwrap_or(u64::MAX);
            let ended_us = self.joining().and_then(|joins| joins.ended_us);
            if let Some(ended_us) = ended_us.filter(|&ended_us| ended_us < next_us) {
                self.settle(ended_us);
                continue;
            }
            self.close_until(next_us);
            if self.phases[0].is_over {
                break;
            }
            self.step();
        }
        self.begun.clear();
        self.base.now_us = self.joins.as_ref().unwrap().first_us.unwrap();
    }

    /// The last node has joined: when all requests on their way have arrived, the first phase starts, and nodes come and go.
    fn settle(&mut self, ended_us: u64) {
        let on_their_way = self.contacts.values().filter_map(super::Contact::acts_us);
        let last_us = on_their_way.fold(ended_us, u64::max);
        self.phases[0].described.lasts_us = last_us;
        let first_us = last_us + 1;
        let joins = self.joins.as_mut().unwrap();
        joins.first_us = Some(first_us);
        self.base.known_us = joins.known_us.saturating_add(first_us);
        let later = joins.stays.clone();
        let mut stays = self.base.stays.to_vec();
        for (node, stays) in stays.iter_mut().enumerate() {
            let Some(joined) = stays.last_mut() else {
                continue;
            };
            joined.until_us = first_us;
            for stay in &later[node] {
                let until_us = stay.until_us.saturating_add(first_us);
                let from_us = stay.from_us.map(|from_us| from_us + first_us);
                match from_us {
                    None => stays[0].until_us = until_us,
                    Some(_) => stays.push(Stay { from_us, until_us }),
                }
            }
            for stay in stays.iter() {
                let came_us = stay.from_us.filter(|&from_us| from_us >= first_us);
                let left_us = (stay.until_us < u64::MAX).then_some(stay.until_us);
                let comes = came_us.map(|time_us| (time_us, What::Come));
                let leaves = left_us.map(|time_us| (time_us, What::Leave));
                for (time_us, what) in comes.into_iter().chain(leaves) {
                    self.heap.push(std::cmp::Reverse(Event {
                        time_us,
                        what,
                        operation: 0,
                        sequence: 0,
                        node,
                    }));
                }
            }
        }
        self.base.stays = stays.into();
    }
}
