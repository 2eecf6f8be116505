//! Joining by protocol: a newcomer looks up its own key, then others (Maymounkov and Mazières, section 2.3).

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::random::{Purpose as Draw, Stream};
use kadsim_engine::record::Purpose;

use super::JoinRefresh;
use super::chain::Rest;
use crate::events::{Timer, Worker};
use crate::joining::JoinEnded;

/// Draws for each node that a newcomer gets to know, after which it knows fewer.
const DRAWS: u32 = 64;

impl Worker<'_> {
    /// A node that has come joins. `retries` counts how often it has begun to join before in this session.
    pub fn join(&mut self, node: Row, retries: u32, now_us: u64) {
        if self.tables.deepest(node).is_none() {
            self.get_to_know(node, retries, now_us);
        }
        let rest = match self.work.maintenance.joining.refresh {
            JoinRefresh::Farther => Rest::Buckets(0),
            JoinRefresh::Own => Rest::Random(0),
            JoinRefresh::Random(count) => Rest::Random(count),
        };
        self.begin_chain(node, Purpose::Join, rest, retries, now_us);
    }

    /// The join of a node has come to its end, or never will.
    pub fn join_ended(&mut self, node: Row, ended: JoinEnded) {
        let growth = self.work.view.in_time.timelines.growing_by();
        if growth.is_some_and(|growth| growth.last() == Some(node)) {
            self.chunk.join_ended = Some(ended);
        }
    }

    /// No node has answered the lookup of the own key: the join begins anew.
    pub fn join_anew(&mut self, node: Row, now_us: u64) {
        if let Some(chain) = self.chunk.chains.remove(&(node, Purpose::Join)) {
            self.join(node, chain.retries + 1, now_us);
        }
    }

    /// A node without entries gets to know some.
    fn get_to_know(&mut self, node: Row, retries: u32, now_us: u64) {
        let joining = &self.work.maintenance.joining;
        let growth = self.work.view.in_time.timelines.growing_by();
        let known = match (growth, joining.known.is_empty()) {
            (Some(growth), _) => {
                let makeup = self.work.view.in_time.makeup;
                let key = self.owner(node).key;
                vec![growth.introducer(makeup, node, key, retries)]
            }
            (None, true) => self.random_servers(node, retries, now_us),
            (None, false) => joining.known.clone(),
        };
        let heard_s = (now_us / 1_000_000) as u32;
        for other in known {
            let may_enter = other != node && self.may_be_learned(other);
            if may_enter && self.bucket(node, other).put(other, heard_s) {
                self.tick(now_us).learned += 1;
            }
        }
    }

    /// Returns random servers that are online.
    fn random_servers(&mut self, node: Row, retries: u32, now_us: u64) -> Vec<Row> {
        let in_time = self.work.view.in_time;
        let (key, session) = (self.owner(node).key, self.node(node).session);
        let part = u64::from(retries) << 32 | u64::from(session);
        let seed = in_time.tables.rule().network_seed;
        let mut stream = Stream::new(seed, Draw::Known, key.0, part);
        let (nodes, mut known) = (in_time.population.keys().len() as u64, Vec::new());
        for _ in 0..self.work.maintenance.joining.knows {
            let mut draws = (0..DRAWS).map(|_| Row(stream.below(nodes) as u32));
            let server = draws
                .find(|&row| row != node && !known.contains(&row) && in_time.answers(row, now_us));
            known.extend(server);
        }
        known
    }

    /// Sets the timers of a node that has come at `came_us`, or that is online at the start if that is `None`.
    pub fn set_timers(&mut self, node: Row, came_us: Option<u64>) {
        let maintenance = self.work.maintenance;
        let key = self.owner(node).key;
        let seed = self.work.view.in_time.tables.rule().network_seed;
        let first_us = |timer: u64, every_us: u64| match came_us {
            Some(came_us) => came_us.saturating_add(every_us),
            None => Stream::new(seed, Draw::TimerPhase, key.0, timer).below(every_us),
        };
        if let Some(every_us) = self.idle_refresh_us() {
            let (first, buckets) = (self.tables.first_bucket(node), self.tables.buckets(node));
            for bucket in 0..buckets {
                self.chunk.idle_us[first + bucket] = first_us(bucket as u64, every_us);
            }
            self.set_idle_timer(node);
        } else if let Some(refresh) = maintenance.refresh {
            let at_us = first_us(u64::from(Key::BITS), refresh.every_us);
            self.set_timer(node, Timer::WholeTable, at_us);
        }
        if let Some(check) = maintenance.check {
            let at_us = first_us(u64::from(Key::BITS) + 1, check.every_us);
            self.set_timer(node, Timer::Check, at_us);
        }
        // Where none comes or leaves, a table that is made anew stays what it was.
        if let Some(every_us) = self.work.view.living.aging.renewal_us
            && self.work.view.in_time.timelines.are_living()
        {
            self.set_timer(node, Timer::Renewal, first_us(0, every_us));
        }
    }
}
