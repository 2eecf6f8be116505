//! Memory of the next events, fetched ahead.
//!
//! Events of a window lie in order before the first is handled, so their memory is known ahead. It is fetched in stages,
//! because each stage reads where the memory of the next one lies.

use kadsim_engine::hardware::Prefetcher;
use kadsim_engine::key::{BucketIndex, Key};
use kadsim_engine::node::Row;
use kadsim_engine::slot::OperationSlot;

use super::event::{ContactKind, Event, What};
use super::order::Order;
use super::worker::Worker;

/// Events between two stages.
const APART: usize = 3;
/// Number of stages.
pub const STAGES: usize = 3;

/// What an event reads.
struct Reads {
    /// The node whose bucket the event may change.
    peer: Option<Row>,
    /// The key whose closest entries the event asks for.
    key: Option<Key>,
    /// The operation that the event belongs to, if it is one of the node.
    slot: Option<OperationSlot>,
    /// The list of nodes that the event carries.
    named: Option<u32>,
    /// Whether the event may read any bucket.
    is_whole_table: bool,
}

impl Worker<'_> {
    /// Prefetches what the first events of the window read in a stage. [`Worker::fetch_ahead`] comes too late for them.
    pub fn fetch_head(&self, stage: usize) {
        for position in 0..(STAGES - stage) * APART {
            let Some(index) = self.chunk.order.get(position) else {
                break;
            };
            self.fetch(&self.chunk.events[index], stage);
        }
    }

    /// Prefetches what the events after the one at `index` of `order` read, each in the stage that its distance asks for.
    #[inline]
    pub fn fetch_ahead(&self, events: &[Event], order: &Order, index: usize) {
        if let Some(ahead) = order.get(index + (STAGES + 1) * APART) {
            Prefetcher::default().item(events, ahead);
        }
        for stage in 0..STAGES {
            if let Some(ahead) = order.get(index + (STAGES - stage) * APART) {
                self.fetch(&events[ahead], stage);
            }
        }
    }

    /// Returns what an event reads.
    #[inline(always)]
    fn reads(&self, event: &Event) -> Reads {
        let mut reads = Reads {
            peer: None,
            key: None,
            slot: None,
            named: None,
            is_whole_table: false,
        };
        match event.what {
            What::Lookup { back, key, .. } => {
                reads.peer = Some(back.from);
                reads.key = Some(key);
            }
            What::Ping { from } | What::Store { from, .. } => reads.peer = Some(from),
            What::Answer {
                back,
                remote,
                named,
                ..
            } => {
                reads.peer = Some(remote);
                reads.slot = Some(back.slot);
                reads.named = Some(named);
                reads.is_whole_table = self.work.maintenance.learn_named;
            }
            What::Completion {
                back,
                remote,
                contact,
                ..
            } => {
                reads.peer = Some(remote);
                reads.slot = (contact == ContactKind::Lookup).then_some(back.slot);
            }
            What::Start { index, .. } => {
                reads.key = Some(self.chunk.starts[index as usize].planned.key);
            }
            What::Close(slot) => {
                reads.slot = Some(slot);
                reads.is_whole_table = true;
            }
            What::Stall(back) => reads.slot = Some(back.slot),
            What::Leave | What::Come | What::Timer(_) => reads.is_whole_table = true,
            What::Expire(_) | What::Vouch { .. } => {}
        }
        reads
    }

    /// Prefetches what an event reads: where it lies (stage 0), heads of buckets and lists (1), entries of buckets and keys of
    /// the nodes named (2). To fetch ahead the keys among which an answer chooses gains nothing.
    #[inline(always)]
    fn fetch(&self, event: &Event, stage: usize) {
        let reads = self.reads(event);
        let (node, index) = (event.node, self.chunk.index(event.node));
        let population = self.work.view.in_time.population;
        // Not the chunk's: an instrumented run counts the lines of answers alone.
        let to = &mut Prefetcher::default();
        let bucket_of = |key: Key| {
            let bucket = population.key(node).bucket_of(key);
            bucket.map_or(usize::MAX, BucketIndex::index)
        };
        let n = self.work.view.in_time.tables.rule().answer_size();
        match stage {
            0 => {
                to.item(&self.chunk.nodes, index);
                to.item(population.keys(), node.index());
                self.tables.prefetch(node, to);
                if let Some(peer) = reads.peer {
                    to.item(population.keys(), peer.index());
                }
                if let Some(slot) = reads.slot {
                    self.chunk.pool.prefetch(slot, to);
                }
                if let Some(named) = reads.named {
                    self.chunk.named.prefetch(named, to);
                }
            }
            1 => {
                if let Some(peer) = reads.peer {
                    let bucket = bucket_of(population.key(peer));
                    self.tables.prefetch_head(node, bucket, to);
                }
                if let Some(key) = reads.key {
                    self.tables.prefetch_heads(node, bucket_of(key), to);
                } else if reads.is_whole_table {
                    self.tables.prefetch_heads(node, 0, to);
                }
                if let Some(slot) = reads.slot {
                    self.chunk.pool.prefetch_lists(slot, to);
                }
            }
            _ => {
                if let Some(peer) = reads.peer {
                    let bucket = bucket_of(population.key(peer));
                    self.tables.prefetch_bucket(node, bucket, to);
                }
                if let Some(key) = reads.key {
                    self.tables.prefetch_near(node, bucket_of(key), n, to);
                }
                if let Some(named) = reads.named {
                    for row in self.chunk.named.get(named) {
                        to.item(population.keys(), row.index());
                    }
                }
            }
        }
    }
}
