//! Origins in networks in which nodes come and go: an operation whose origin is offline ends when it is to start, and one
//! whose origin leaves ends at that moment.

use bevy_ecs::prelude::*;

use kadsim_engine::operation::{Ending, Operation, Operations};

use crate::outbox::{Chunk, Outbox, Outboxes};
use crate::view::{Readable, View};

/// Operations from which on they are worked on by several threads.
const MANY: usize = 1024;

/// Ends the operations that start and have no origin online, and notes when the origins of the others leave. For networks in
/// which nodes come and leave.
pub fn find_origins(
    readable: Readable,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    // The view needs no counters: the system sends no contact.
    let view = readable.view(&[]);
    if !view.in_time.timelines.are_living() {
        return;
    }
    let are_many = outboxes.fresh(&operations).len() >= MANY;
    outboxes.for_each_chunk(&mut operations, are_many, |chunk| find(chunk, &view));
}

/// Does [`find_origins`] for the operations of a chunk that start.
fn find(chunk: Chunk, view: &View) {
    for index in chunk.fresh..chunk.slots.len() {
        let operation = &mut chunk.slots[index];
        let (row, start_us) = (operation.origin(), operation.start_us);
        let key = view.in_time.population.key(row);
        let session = view.in_time.columns.presence[row.index()]
            .is_online()
            .then(|| view.in_time.timelines.session(row, key, start_us))
            .flatten();
        match session {
            Some(session) if !operation.lacks_origin => operation.leaves_us = session.until_us,
            _ => {
                let ending = match operation.lacks_origin {
                    true => Ending::NoOrigin,
                    false => Ending::OriginOffline,
                };
                chunk.out.tick(operation, start_us).started += 1;
                end_early(chunk.out, operation, ending, start_us);
                chunk.next_events_us[index] = Operations::NEVER;
            }
        }
    }
}

/// Ends an operation whose origin has left.
pub fn leave(out: &mut Outbox, operation: &mut Operation) {
    end_early(out, operation, Ending::OriginLeft, operation.leaves_us);
}

fn end_early(out: &mut Outbox, operation: &mut Operation, ending: Ending, at_us: u64) {
    operation.end_early(ending, at_us);
    out.tick(operation, at_us).broken_off += 1;
    out.ended.push(operation.slot);
}
