//! Completion: an operation ends when its last contact completes.

use bevy_ecs::prelude::*;

use kadsim_engine::operation::{Operation, Operations, Stage};
use kadsim_engine::record::Kind;

use crate::origins;
use crate::outbox::{Chunk, Outbox, Outboxes};
use crate::window::Window;

/// Number of operations from which several threads end them.
const MANY: usize = 1024;

/// Ends the operations whose last contact completes in the window.
pub fn complete_operations(
    window: Res<Window>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    let are_many = outboxes.closing() >= MANY;
    outboxes.for_each_chunk(&mut operations, are_many, |chunk| {
        complete_chunk(chunk, &window);
    });
}

/// Ends the operations of a chunk whose last contact completes in the window.
fn complete_chunk(chunk: Chunk, window: &Window) {
    let mut closing = std::mem::take(&mut chunk.out.closing);
    for slot in closing.drain(..) {
        let index = chunk.index(slot);
        let operation = &mut chunk.slots[index];
        complete(window, operation, chunk.out);
        chunk.next_events_us[index] = next_event_us(operation);
    }
    chunk.out.closing = closing;
}

/// Ends an operation whose lookup has ended, if its last contact completes in the window.
pub fn complete(window: &Window, operation: &mut Operation, out: &mut Outbox) {
    if operation.stage == Stage::Ended {
        return;
    }
    let end_us = operation.end_us;
    if operation.next_us(end_us) >= window.until_us(operation) {
        operation.stage = Stage::Closing;
        return;
    }
    if end_us >= operation.leaves_us {
        return origins::leave(out, operation);
    }
    operation.stage = Stage::Ended;
    let tick = out.tick(operation, end_us);
    tick.durations_us.push(end_us - operation.start_us);
    if operation.kind == Kind::Retrieve {
        match operation.holder {
            Some(_) => tick.found += 1,
            None => tick.missed += 1,
        }
    }
    out.ended.push(operation.slot);
    // The memory is given back now: the slot is freed at the end of the step, after thousands of others have ended.
    operation.give_back();
}

/// Returns when an operation whose lookup has ended has its next event, µs.
pub fn next_event_us(operation: &Operation) -> u64 {
    match operation.stage {
        Stage::Ended => Operations::NEVER,
        _ => operation.before_cut(operation.next_us(operation.end_us)),
    }
}
