//! The view: what operations read of the network while they run.

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;

use kadsim_engine::answer::Answer;
use kadsim_engine::key::{Distance, Key};
use kadsim_engine::link::{Attempt, Fate, Links};
use kadsim_engine::node::{Contacts, Received, Row};
use kadsim_engine::operation::Operation;
use kadsim_engine::population::Owner;
use kadsim_engine::record::Kind;
use kadsim_engine::routing::{Moment, OnLeaving, TablesInTime};
use kadsim_engine::segments::Segments;
use kadsim_engine::slot::PhaseSlot;

use crate::in_time::InTime;
use crate::living::Living;
use crate::recording::Recording;
use crate::rules::Rules;
use crate::window::Window;

/// System parameter: read access to what a [`View`] shows.
#[derive(SystemParam)]
pub struct Readable<'w, 's> {
    in_time: InTime<'w, 's>,
    links: Res<'w, Links>,
    segments: Res<'w, Segments>,
    rules: Res<'w, Rules>,
    recording: Res<'w, Recording>,
    received: Res<'w, Received>,
    window: Res<'w, Window>,
}

impl Readable<'_, '_> {
    /// Returns the view. `contacts` are the nodes' counters, to which the system has write access.
    pub fn view<'a>(&'a self, contacts: &'a [Contacts]) -> View<'a> {
        View {
            in_time: self.in_time.tables(),
            contacts,
            links: &self.links,
            segments: &self.segments,
            rules: &self.rules,
            recording: &self.recording,
            received: &self.received,
            window: *self.window,
            living: self.in_time.living(),
        }
    }
}

/// Read-only view of the network, shared by all operations of a step. Only relaxed counters are written through it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The nodes, their routing tables, and who is online when.
    pub in_time: TablesInTime<'a>,
    /// Requests that nodes have received.
    contacts: &'a [Contacts],
    /// Links and overhead.
    pub links: &'a Links,
    /// Segment stores.
    pub segments: &'a Segments,
    /// How lookups are run.
    pub rules: &'a Rules,
    /// What is recorded.
    pub recording: &'a Recording,
    /// Requests that nodes have received from phases in slots from 1 on.
    received: &'a Received,
    /// The window of time.
    pub window: Window,
    /// How tables and records follow who is online.
    pub living: &'a Living,
}

impl View<'_> {
    /// Returns whether uses of a node cost anything.
    #[inline]
    pub fn is_charged(&self) -> bool {
        self.links.is_charged()
    }

    /// Returns whether contacts wait for the barrier to be charged.
    #[inline]
    pub fn is_charged_at_barrier(&self) -> bool {
        self.is_charged() && self.rules.procedure.is_by_clock()
    }

    /// Returns whether sends are kept for the barrier.
    #[inline]
    pub fn keeps_sends(&self) -> bool {
        self.is_charged() || self.recording.connections
    }

    /// Returns whether a node answers a request that reaches it at `at_us`.
    #[inline]
    fn answers(&self, node: Owner, at_us: u64) -> bool {
        self.in_time.is_online(node.row, at_us) && self.in_time.makeup.is_server(node.key)
    }

    /// Replaces `out` by a node's answer to a request for `key`, or by what it finds in its own table.
    #[inline]
    pub fn answer(&self, owner: Owner, key: Key, moment: Moment, out: &mut Answer) {
        self.in_time.closest(owner, key, moment, out);
    }

    /// Returns whether the operation is a retrieve and the node holds the value at `time_us`.
    #[inline]
    pub fn has_value(&self, operation: &Operation, row: Row, time_us: u64) -> bool {
        if operation.kind != Kind::Retrieve {
            return false;
        }
        if self.living.records == OnLeaving::Lost && self.in_time.timelines.are_living() {
            let key = self.in_time.population.key(row);
            let since = self.in_time.timelines.since(row, key, time_us);
            return since.is_some_and(|since| {
                let key = operation.key();
                self.segments.was_stored(row, key, since.from_us(), time_us)
            });
        }
        let store = self.in_time.columns.stores[row.index()];
        self.segments.holds(store, row, operation.key(), time_us)
    }

    /// Draws the fate of a contact that an operation sends at `time_us`.
    #[inline]
    pub fn draw(&self, operation: &Operation, sequence: u32, remote: Owner, time_us: u64) -> Fate {
        let (number, origin) = (operation.number, operation.origin_owner());
        self.fate(number, sequence, origin, remote, time_us)
    }

    /// Draws the fate of the contact with this number of an operation, from one node to another, sent at `time_us`.
    #[inline]
    pub fn fate(
        &self,
        operation: u64,
        sequence: u32,
        from: Owner,
        remote: Owner,
        time_us: u64,
    ) -> Fate {
        let attempt = Attempt {
            network_seed: self.in_time.tables.rule().network_seed,
            operation,
            sequence,
            from,
            to: Some(remote),
            time_us,
        };
        let answers = |request_us| self.answers(remote, time_us.saturating_add(request_us));
        self.links.link.draw(attempt, &answers)
    }

    /// Returns when a node leaves that is online at `at_us`, µs; `u64::MAX` if never.
    pub fn leaves_us(&self, row: Row, at_us: u64) -> u64 {
        if !self.in_time.timelines.are_living() {
            return u64::MAX;
        }
        let key = self.in_time.population.key(row);
        let change_us = self.in_time.timelines.change_after(row, key, at_us);
        change_us.unwrap_or(u64::MAX)
    }

    /// Returns the column that [`View::count`] writes, to be prefetched.
    #[inline]
    pub fn counters(&self) -> &[Contacts] {
        self.contacts
    }

    /// Counts a contact at the remote.
    #[inline]
    pub fn count(&self, phase: PhaseSlot, remote: Row) {
        self.received.add(phase, remote, self.contacts);
    }

    /// Returns whether no node but the origin answers at `at_us`, so that a lookup can find none.
    pub fn is_alone(&self, origin: Owner, at_us: u64, scratch: &mut Scratch) -> bool {
        if !self.in_time.timelines.are_living() && !self.in_time.makeup.has_clients() {
            let is_online = self.in_time.is_online(origin.row, at_us);
            return self.in_time.online == u64::from(is_online);
        }
        let nearest = self.closest_online(origin.key, 2, at_us, scratch);
        nearest.iter().all(|&(_, row)| row == origin.row)
    }

    /// Returns k, the most entries of a bucket.
    #[inline]
    pub fn k(&self) -> u8 {
        self.in_time.tables.rule().bucket_size
    }

    /// Returns the number of nodes in a result.
    #[inline]
    pub fn results(&self) -> usize {
        self.rules.results(self.k()) as usize
    }

    /// Returns the `n` nodes closest to a key that answer at `at_us`, nearest first.
    fn closest_online<'s>(
        &self,
        key: Key,
        n: usize,
        at_us: u64,
        scratch: &'s mut Scratch,
    ) -> &'s [(Distance, Row)] {
        let Scratch { closest, rows } = scratch;
        let answers = |row| self.in_time.answers(row, at_us);
        self.in_time
            .population
            .closest(key, n, answers, rows, closest);
        closest
    }

    /// Returns whether a node is no client and as close to a key as the network's beta closest nodes that answer at `at_us`.
    pub fn is_among_closest(&self, row: Row, key: Key, at_us: u64, scratch: &mut Scratch) -> bool {
        let node = self.in_time.population.owner(row);
        let distance = node.key.distance(key);
        let beta = self.results();
        if !self.in_time.makeup.is_server(node.key) {
            return false;
        }
        let farthest = self.closest_online(key, beta, at_us, scratch).last();
        farthest.is_some_and(|&(farthest, _)| distance <= farthest)
    }

    /// Returns the share of the network's beta closest nodes that answer at `at_us` which are in the operation's result; `None`
    /// if no node but the origin does.
    pub fn recall(&self, operation: &Operation, at_us: u64, scratch: &mut Scratch) -> Option<f32> {
        if self.is_alone(operation.origin_owner(), at_us, scratch) {
            return None;
        }
        let key = operation.key();
        let truth = self.closest_online(key, self.results(), at_us, scratch);
        // Both are sorted by distance, so one pass finds what they share.
        let mut result = operation.result.iter().peekable();
        let mut hits = 0u32;
        for &(distance, row) in truth.iter() {
            while result
                .next_if(|&&other| self.in_time.population.key(other).distance(key) < distance)
                .is_some()
            {}
            hits += u32::from(result.next_if(|&&other| other == row).is_some());
        }
        Some(hits as f32 / truth.len() as f32)
    }
}

/// Memory that is reused from operation to operation.
#[derive(Default)]
pub struct Scratch {
    closest: Vec<(Distance, Row)>,
    /// Rows of one bucket, of candidates.
    pub rows: Vec<Row>,
}
