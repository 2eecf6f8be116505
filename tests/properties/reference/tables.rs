//! Routing tables of the reference simulator: given, or as full knowledge makes them at an instant of the past.

use kadsim_engine::random::{Probability, Purpose, Stream};
use kadsim_engine::routing::{Aging, Join, OnLeaving, Policy};

use super::{Node, Reference};

/// Where the tables of the nodes come from.
#[derive(Clone, Debug)]
pub enum Tables {
    /// No table changes.
    Given(Vec<Vec<Node>>),
    /// Tables are made anew from full knowledge at instants.
    Aging(Aging),
}

/// When a table was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// At the start, before any change.
    Start,
    /// At this time, µs, changes of that moment included.
    At(u64),
}

impl Reference {
    /// Returns the table that an online node has at `at_us`, timers before `timers_us` included.
    pub fn table(&self, node: Node, at_us: u64, timers_us: u64) -> Vec<Node> {
        match &self.tables {
            Tables::Given(tables) => tables[node].clone(),
            Tables::Aging(aging) => match self.made(aging, node, at_us, timers_us) {
                Some(instant) => self.full_knowledge(node, instant),
                None => Vec::new(),
            },
        }
    }

    /// Returns when the table was made that a node has at `at_us`, `None` if it is empty. Follows the table from session to
    /// session.
    fn made(&self, aging: &Aging, node: Node, at_us: u64, timers_us: u64) -> Option<Instant> {
        let mut made = None;
        for stay in &self.stays[node] {
            match stay.from_us {
                Some(came_us) if came_us > at_us => break,
                Some(came_us) => match (aging.join, aging.table) {
                    (Join::Ideal, _) => made = Some(Instant::At(came_us)),
                    (Join::None | Join::Protocol, OnLeaving::Lost) => made = None,
                    (Join::None | Join::Protocol, OnLeaving::Kept) => {}
                },
                None => made = Some(Instant::Start),
            }
            let Some(period_us) = aging.renewal_us else {
                continue;
            };
            let first_us = match stay.from_us {
                Some(came_us) => came_us + period_us,
                None => {
                    let key = self.keys[node];
                    Stream::new(self.seed, Purpose::TimerPhase, key, 0).below(period_us)
                }
            };
            let end_us = stay.until_us.min(timers_us);
            if first_us < end_us {
                let periods = (end_us - 1 - first_us) / period_us;
                made = Some(Instant::At(first_us + periods * period_us));
            }
        }
        made
    }

    /// Returns the table of a node that knows the servers that are online at an instant.
    pub fn full_knowledge(&self, node: Node, instant: Instant) -> Vec<Node> {
        let is_there = |other: Node| match instant {
            Instant::Start => self.stays[other]
                .first()
                .is_some_and(|stay| stay.from_us.is_none()),
            Instant::At(at_us) => self.is_online(other, at_us),
        };
        let others = (0..self.keys.len()).filter(|&other| other != node && self.is_server[other]);
        let known: Vec<Node> = others
            .filter(|&other| is_there(other) || self.is_absent[other])
            .collect();
        let mut table = Vec::new();
        for bucket in 0..64 {
            let shared = |other: Node| (self.keys[other] ^ self.keys[node]).leading_zeros();
            let mut candidates: Vec<Node> = known.clone();
            candidates.retain(|&other| shared(other) == bucket);
            if candidates.len() > self.k && self.policy == Policy::Random {
                candidates.sort_unstable_by_key(|&other| self.keys[other]);
                candidates = match instant {
                    Instant::Start => self.sample(node, bucket, &candidates),
                    Instant::At(_) => self.pick(node, bucket, &candidates),
                };
            }
            candidates.sort_unstable_by_key(|&other| self.keys[other] ^ self.keys[node]);
            candidates.truncate(self.k);
            if instant == Instant::Start {
                self.replace_by_clients(node, bucket, &mut candidates);
            }
            table.extend(candidates);
        }
        table
    }

    /// Replaces entries of a bucket of a table of the start by clients of its range, each once at most.
    fn replace_by_clients(&self, node: Node, bucket: u32, entries: &mut [Node]) {
        let key = self.keys[node];
        let share = Probability::new(self.clients_in_tables);
        let mut clients: Vec<Node> = (0..self.keys.len())
            .filter(|&other| !self.is_server[other] && other != node)
            .filter(|&other| (self.keys[other] ^ key).leading_zeros() == bucket)
            .collect();
        if clients.is_empty() || self.clients_in_tables == 0.0 {
            return;
        }
        clients.sort_unstable_by_key(|&other| self.keys[other]);
        entries.sort_unstable_by_key(|&other| self.keys[other]);
        let mut stream = Stream::new(self.seed, Purpose::Replaced, key, u64::from(bucket));
        for index in 0..entries.len() {
            if share.holds(stream.bits()) {
                let client = clients[stream.below(clients.len() as u64) as usize];
                if !entries.contains(&client) {
                    entries[index] = client;
                }
            }
        }
    }

    /// Returns k of the members of a bucket's range: the first k different ones that are drawn from all nodes of the range,
    /// if these are many.
    fn pick(&self, node: Node, bucket: u32, members: &[Node]) -> Vec<Node> {
        let key = self.keys[node];
        let mut range: Vec<Node> = (0..self.keys.len())
            .filter(|&other| other != node && (self.keys[other] ^ key).leading_zeros() == bucket)
            .collect();
        range.sort_unstable_by_key(|&other| self.keys[other]);
        if range.len() >= 4 * self.k {
            let mut stream = self.bucket_stream(node, bucket);
            let mut picked = Vec::new();
            for _ in 0..32 * self.k {
                let drawn = range[stream.below(range.len() as u64) as usize];
                if members.contains(&drawn) && !picked.contains(&drawn) {
                    picked.push(drawn);
                }
                if picked.len() == self.k {
                    return picked;
                }
            }
        }
        self.sample(node, bucket, members)
    }

    fn bucket_stream(&self, node: Node, bucket: u32) -> Stream {
        Stream::new(
            self.seed,
            Purpose::Bucket,
            self.keys[node],
            u64::from(bucket),
        )
    }

    /// Returns k of the candidates of a bucket, in key order, by Floyd's algorithm.
    fn sample(&self, node: Node, bucket: u32, candidates: &[Node]) -> Vec<Node> {
        let mut stream = self.bucket_stream(node, bucket);
        let mut taken = Vec::new();
        for last in candidates.len() - self.k..candidates.len() {
            let drawn = stream.below(last as u64 + 1) as usize;
            taken.push(if taken.contains(&drawn) { last } else { drawn });
        }
        taken.into_iter().map(|place| candidates[place]).collect()
    }
}
