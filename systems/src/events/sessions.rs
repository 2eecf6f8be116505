//! Nodes that leave and come.

use kadsim_engine::key::BucketIndex;
use kadsim_engine::node::Row;
use kadsim_engine::operation::Ending;
use kadsim_engine::population::Owner;
use kadsim_engine::routing::live::Entry;
use kadsim_engine::routing::{Join, OnLeaving};

use super::chunk::DueKind;
use super::event::Timer;
use super::worker::Worker;

impl Worker<'_> {
    /// A node leaves: its operations end, its timers are void.
    pub fn leave(&mut self, node: Row, now_us: u64) {
        let state = self.node(node);
        state.is_online = false;
        state.session += 1;
        let own = self
            .chunk
            .pool
            .in_flight()
            .filter(|one| one.origin() == node);
        let mut slots: Vec<_> = own.map(|one| (one.number, one.slot)).collect();
        slots.sort_unstable();
        for (_, slot) in slots {
            self.break_off(slot, Ending::OriginLeft, now_us);
        }
        self.chunk.chains.retain(|(owner, _), _| *owner != node);
        self.chunk.verifying.remove(&node);
        Timer::ALL.iter().for_each(|&timer| {
            self.chunk.timers_us.remove(&(node, timer));
        });
        self.tables.forget_pings(node);
        self.change_holder_of_all(node, false, now_us);
        let living = self.work.view.living;
        if living.aging.table == OnLeaving::Lost {
            self.tables.clear(node);
        }
        if living.records == OnLeaving::Lost {
            self.chunk.records.wipe(node);
        }
        self.expect_change(node, now_us);
    }

    /// A node comes: it sets its timers and joins.
    pub fn come(&mut self, node: Row, now_us: u64) {
        self.node(node).is_online = true;
        self.change_holder_of_all(node, true, now_us);
        self.expect_change(node, now_us);
        self.set_timers(node, Some(now_us));
        let is_growing = self.work.view.in_time.timelines.growing_by().is_some();
        match self.work.view.living.aging.join {
            _ if is_growing => self.join(node, 0, now_us),
            Join::Ideal => self.fill(node, now_us),
            Join::Protocol => self.join(node, 0, now_us),
            Join::None => {}
        }
        self.set_republish_timer(node, now_us);
    }

    /// Adds the next change of a node's presence after `now_us`.
    pub fn expect_change(&mut self, node: Row, now_us: u64) {
        let timelines = self.work.view.in_time.timelines;
        let key = self.owner(node).key;
        let Some(change_us) = timelines.change_after(node, key, now_us) else {
            return;
        };
        let what = match self.node(node).is_online {
            true => DueKind::Leave,
            false => DueKind::Come,
        };
        self.expect(node, what, change_us);
    }

    /// Adds the first change of a node's presence.
    pub fn expect_first_change(&mut self, node: Row) {
        let timelines = self.work.view.in_time.timelines;
        let key = self.owner(node).key;
        if let Some(change_us) = timelines.first_change(node, key) {
            let what = match self.node(node).is_online {
                true => DueKind::Leave,
                false => DueKind::Come,
            };
            self.expect(node, what, change_us);
        }
    }

    /// Makes a node's table anew from full knowledge of the servers that are online, the nearest first. No entry of it counts
    /// as learned, and none that goes as evicted.
    pub fn fill(&mut self, node: Row, now_us: u64) {
        let heard_s = (now_us / 1_000_000).min(u64::from(Entry::LAST_S)) as u32;
        self.tables.clear(node);
        let owner = self.owner(node);
        let in_time = self.work.view.in_time;
        in_time.made(owner, now_us, &mut Vec::new(), |bucket, rows| {
            self.fill_bucket(owner, bucket, rows, heard_s);
        });
    }

    /// Puts what full knowledge gives a bucket into it, the nearest first.
    pub fn fill_bucket(&mut self, owner: Owner, bucket: BucketIndex, rows: &[Row], heard_s: u32) {
        let answer = &mut self.chunk.out.answer;
        answer.clear();
        answer.rows.extend_from_slice(rows);
        answer.sort(&self.work.view.in_time.population, owner.key);
        let mut bucket = self.tables.bucket(owner.row, bucket);
        for &row in &answer.rows {
            let was_put = bucket.put(row, heard_s);
            assert!(was_put, "a bucket has room for what full knowledge gives");
        }
    }
}
