//! Retrieve: a lookup that ends with the first answer that carries the value.
//!
//! The origin looks in its own store first, which costs nothing. An answer also says whether the node held the key when
//! the request reached it. A retrieve that ends without the value is an outcome, not an error.

use bevy_ecs::prelude::*;

use kadsim_engine::operation::{Operation, Operations, Stage};
use kadsim_engine::record::Kind;

use crate::lookup::contacts::{close_lookup, start_operation};
use crate::outbox::{Chunk, Outboxes};
use crate::view::{Readable, View};

/// Distance, in operations, at which the origin's store is prefetched.
const AHEAD: usize = 8;
/// Number of retrieves from which several threads look.
const MANY: usize = 1024;

/// Ends the retrieves whose origin holds the value when they start. Under py-dht's procedure no origin looks in its own
/// store.
pub fn look_in_own_stores(
    readable: Readable,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    let retrieves = |operation: &&Operation| operation.kind == Kind::Retrieve;
    let starting = outboxes.fresh(&operations).iter().filter(retrieves).count();
    // The view needs no counters: the system sends no contact.
    let view = readable.view(&[]);
    if starting > 0 && view.rules.procedure.is_by_clock() {
        let are_many = starting >= MANY;
        outboxes.for_each_chunk(&mut operations, are_many, |chunk| look(chunk, &view));
    }
}

/// Looks in the stores of the origins of a chunk's retrieves, and ends those whose origin holds the value.
fn look(chunk: Chunk, view: &View) {
    let starts = |operation: &Operation| {
        operation.kind == Kind::Retrieve && operation.stage == Stage::Planned
    };
    for index in chunk.fresh..chunk.slots.len() {
        if let Some(ahead) = chunk.slots.get(index + AHEAD).filter(|ahead| starts(ahead))
            && !chunk.out.prefetcher.is_counting()
        {
            let origin = ahead.origin().index();
            chunk
                .out
                .prefetcher
                .item(view.in_time.columns.stores, origin);
        }
        let operation = &mut chunk.slots[index];
        let (origin, start_us) = (operation.origin(), operation.start_us);
        if starts(operation) && view.has_value(operation, origin, start_us) {
            start_operation(view, operation, chunk.out);
            operation.holder = Some(origin);
            close_lookup(chunk.out, operation, start_us);
        }
    }
}
