//! The worker: handles the events of a chunk in a window.

use std::cmp::Reverse;

use kadsim_engine::node::Row;
use kadsim_engine::operation::Task;
use kadsim_engine::population::Owner;
use kadsim_engine::random::{Purpose as Draw, Stream};
use kadsim_engine::record::Kind;
use kadsim_engine::routing::live::{Bucket, Tables};
use kadsim_engine::slot::OperationSlot;

use super::chunk::{Chunk, Due, DueKind, Node};
use super::event::{Event, Return, Timer, What};
use crate::maintenance::Maintenance;
use crate::rules::Rules;
use crate::ticks::TickCounts;
use crate::view::View;

/// What the workers of all chunks read.
pub struct Work<'a> {
    /// The network.
    pub view: View<'a>,
    /// How nodes keep their tables.
    pub maintenance: &'a Maintenance,
    /// How lookups of maintenance are run.
    pub lookups: Rules,
    /// The phase in which maintenance is counted, if it is the shift of one.
    pub counting: Option<Task>,
    /// Rows of a chunk.
    pub rows: usize,
}

/// Handles the events of a chunk.
pub struct Worker<'a> {
    /// What all workers read.
    pub work: &'a Work<'a>,
    /// The chunk.
    pub chunk: &'a mut Chunk,
    /// The routing tables of its nodes.
    pub tables: &'a mut Tables,
}

impl<'a> Work<'a> {
    /// Combines what workers read.
    pub fn new(
        view: View<'a>,
        maintenance: &'a Maintenance,
        counting: Option<Task>,
        rows: usize,
    ) -> Self {
        Self {
            maintenance,
            lookups: view.rules.of_maintenance(view.k()),
            counting,
            rows,
            view,
        }
    }
}

impl Worker<'_> {
    /// Takes the events of the window, in their order.
    pub fn collect(&mut self) {
        let until_us = self.work.view.window.until_us;
        let chunk = &mut *self.chunk;
        let events = &mut chunk.events;
        events.clear();
        chunk.messages.take(until_us, |event| events.push(event));
        chunk.due.take(until_us, |due| events.push(due.event()));
        for (start, index) in chunk.starts.iter().zip(0..) {
            events.push(Event {
                time_us: start.planned.due_us,
                operation: start.planned.number,
                sequence: 0,
                node: start.planned.origin,
                what: What::Start {
                    index,
                    is_retrieve: start.task.kind == Kind::Retrieve,
                },
            });
        }
        chunk.order.sort(events, chunk.first);
    }

    /// Handles the events of the window; returns how many they are.
    pub fn handle_all(&mut self) -> usize {
        let events = std::mem::take(&mut self.chunk.events);
        let order = std::mem::take(&mut self.chunk.order);
        for index in 0..events.len() {
            self.fetch_ahead(&events, &order, index);
            let event = events[order.at(index)];
            self.handle_soon(Some(&event));
            self.handle(event);
        }
        self.handle_soon(None);
        let handled = events.len();
        self.chunk.events = events;
        self.chunk.order = order;
        self.chunk.starts.clear();
        self.chunk.out.count_contacts(&self.work.view);
        handled
    }

    /// Handles the events that those of the window have caused in it, up to one of the others.
    fn handle_soon(&mut self, before: Option<&Event>) {
        while let Some(Reverse(soon)) = self.chunk.soon.peek()
            && before.is_none_or(|before| soon < before)
        {
            let event = *soon;
            self.chunk.soon.pop();
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        let now_us = event.time_us;
        match event.what {
            What::Leave => self.leave(event.node, now_us),
            What::Come => self.come(event.node, now_us),
            What::Expire(key) => self.expire(event.node, key, now_us),
            What::Lookup { .. } | What::Ping { .. } | What::Store { .. } => self.arrived(event),
            What::Answer { .. } => self.answered(event),
            What::Completion { .. } => self.completed(event),
            What::Stall(back) => self.stalled(&event, back),
            What::Close(slot) => self.close(slot, event.operation, now_us),
            What::Timer(timer) => self.fire(event.node, timer, now_us),
            What::Start { index, .. } => self.start(index, now_us),
            What::Vouch { .. } => self.vouch(event),
        }
    }

    /// Returns a node's state.
    #[inline]
    pub fn node(&mut self, node: Row) -> &mut Node {
        self.chunk.node(node)
    }

    /// Returns a node with its key.
    #[inline]
    pub fn owner(&self, row: Row) -> Owner {
        self.work.view.in_time.population.owner(row)
    }

    /// Returns the bucket of a node that another one belongs to.
    ///
    /// # Panics
    ///
    /// If they are one node.
    #[inline]
    pub fn bucket(&mut self, owner: Row, other: Row) -> Bucket<'_> {
        let bucket = self.owner(owner).key.bucket_of(self.owner(other).key);
        let bucket = bucket.expect("keys of different nodes differ");
        self.tables.bucket(owner, bucket)
    }

    /// Returns the counts of maintenance of the tick in which `now_us` lies.
    #[inline]
    pub fn tick(&mut self, now_us: u64) -> &mut TickCounts {
        match self.work.counting {
            Some(counting) => self.chunk.out.ticks[counting.slot.index()].at(now_us),
            None => &mut self.chunk.uncounted,
        }
    }

    /// Returns where an answer to a node belongs now.
    pub fn back(&mut self, from: Row, slot: OperationSlot) -> Return {
        let session = self.node(from).session;
        Return {
            from,
            session,
            slot,
        }
    }

    /// Returns whether a node is still in the session in which it sent a contact.
    #[inline]
    pub fn is_same_session(&mut self, back: Return) -> bool {
        let node = self.node(back.from);
        node.is_online && node.session == back.session
    }

    /// Returns the stream of a node's next choice.
    pub fn next_choice(&mut self, owner: Row) -> Stream {
        let key = self.owner(owner).key;
        let seed = self.work.view.in_time.tables.rule().network_seed;
        let number = self.node(owner).choices;
        Stream::new(seed, Draw::Choice, key.0, number.into())
    }

    /// Returns a random number below `count`, of a node's own draws.
    pub fn choose(&mut self, owner: Row, count: usize) -> usize {
        let mut choice = self.next_choice(owner);
        self.node(owner).choices += 1;
        choice.below(count as u64) as usize
    }

    /// Adds an event of a node of the chunk.
    #[inline]
    pub fn schedule(&mut self, event: Event) {
        match event.time_us < self.work.view.window.until_us {
            true => self.chunk.soon.push(Reverse(event)),
            false => self.chunk.messages.push(event),
        }
    }

    /// Sends a message to any node.
    ///
    /// # Panics
    ///
    /// If it would arrive in this window.
    #[inline]
    pub fn post(&mut self, event: Event) {
        assert!(
            event.time_us >= self.work.view.window.until_us,
            "a message takes longer than the window"
        );
        let to = event.node.index() / self.work.rows;
        let mail = &mut self.chunk.mail[to].events;
        if mail.is_empty() {
            self.chunk.mailed.push(to as u32);
        }
        mail.push(event);
    }

    /// Adds what is due at a node of the chunk.
    pub fn expect(&mut self, node: Row, what: DueKind, time_us: u64) {
        let due = Due {
            time_us,
            node,
            what,
        };
        match time_us < self.work.view.window.until_us {
            true => self.chunk.soon.push(Reverse(due.event())),
            false => self.chunk.due.push(due),
        }
    }

    /// Sets a timer of a node, which was set to another time or not at all.
    pub fn set_timer(&mut self, node: Row, timer: Timer, time_us: u64) {
        self.chunk.timers_us.insert((node, timer), time_us);
        self.expect(node, DueKind::Timer(timer), time_us);
    }

    /// A timer of a node fires, unless it has been set to another time since.
    fn fire(&mut self, node: Row, timer: Timer, now_us: u64) {
        if self.chunk.timers_us.get(&(node, timer)) != Some(&now_us) {
            return;
        }
        self.chunk.timers_us.remove(&(node, timer));
        match timer {
            Timer::IdleBuckets => self.refresh_idle(node, now_us),
            Timer::WholeTable => self.refresh_table(node, now_us),
            Timer::Check => self.check(node, now_us),
            Timer::Republish => self.republish(node, now_us),
            Timer::JoinAnew => self.join_anew(node, now_us),
            Timer::Renewal => self.renew(node, now_us),
        }
    }
}
