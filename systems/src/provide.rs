//! Provide: a lookup to its end, then one store to each node of the result, all at the same time, without retry.
//!
//! A failed store stores nothing. One that succeeds is held from the moment it reaches the node, one delay before it
//! completes. The operation ends with the slowest store, failed ones included. An origin that is among its own result
//! holds the segment from the lookup's end: that store is no connection, costs nothing and cannot fail. Under
//! py-dht's procedure it is a connection like any other.

use bevy_ecs::prelude::*;

use kadsim_engine::link::{Charge, Fate};
use kadsim_engine::node::{Column, Contacts, Row};
use kadsim_engine::operation::{Contact, Operation, Operations, Stage};
use kadsim_engine::record::{Kind, Outcome, Purpose, Request};
use kadsim_engine::slot::OperationSlot;

use crate::context::{Charges, Context};
use crate::outbox::{Chunk, Outbox, Outboxes, Send, Sent, Stored};
use crate::view::{Readable, View};

/// Distance, in operations, at which results are prefetched.
const AHEAD: usize = 4;
/// Number of provides from which several threads send their stores.
const MANY: usize = 64;

/// Sends the stores of the provides whose lookup has ended in this round.
pub fn provide_segments(
    readable: Readable,
    mut contacts: Column<Contacts>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    let provides = |slot: &&OperationSlot| operations.get(**slot).kind == Kind::Provide;
    let closing = outboxes.iter().flat_map(|out| &out.closing);
    let closing = closing.filter(provides).count();
    let view = readable.view(contacts.as_mut_slice());
    if closing > 0 {
        let are_many = closing >= MANY;
        outboxes.for_each_chunk(&mut operations, are_many, |chunk| provide(chunk, &view));
    }
}

/// Sends the stores of a chunk's provides.
fn provide(chunk: Chunk, view: &View) {
    let closing = std::mem::take(&mut chunk.out.closing);
    for (nth, &slot) in closing.iter().enumerate() {
        if let Some(&ahead) = closing.get(nth + AHEAD) {
            let result = &chunk.slots[chunk.index(ahead)].result;
            chunk.out.prefetcher.range(result, 0..result.len());
        }
        let index = chunk.index(slot);
        let mut context = Context {
            view,
            out: chunk.out,
            charges: Charges::Later,
        };
        send_stores(&mut context, &mut chunk.slots[index]);
    }
    chunk.out.closing = closing;
}

/// Sends the stores of a provide whose lookup has just ended, in the order of its result.
pub fn send_stores(context: &mut Context, operation: &mut Operation) {
    if operation.kind != Kind::Provide || operation.stage != Stage::LookedUp {
        return;
    }
    operation.stage = Stage::Closing;
    if operation.lookup_end_us >= operation.leaves_us {
        // By py-dht's procedure, a lookup may be evaluated beyond the moment when its origin leaves.
        return;
    }
    let view = context.view;
    let by_clock = view.rules.procedure.is_by_clock();
    let mut sequence = operation.attempts;
    for index in 0..operation.result.len() {
        let row = operation.result[index];
        if by_clock && row == operation.origin() {
            store_at_origin(context.out, operation);
        } else {
            send_store(context, operation, sequence, row);
            sequence += 1;
        }
    }
    if view.is_charged_at_barrier() && sequence > operation.attempts {
        // The barrier fixes when the stores complete, and so when the operation ends.
        operation.end_us = Contact::UNCHARGED;
    }
    context.out.count_contacts(view);
}

/// Sends a store to a node, at the lookup's end.
fn send_store(context: &mut Context, operation: &mut Operation, sequence: u32, row: Row) {
    let view = context.view;
    let by_clock = view.rules.procedure.is_by_clock();
    let ended_us = operation.lookup_end_us;
    context.out.contacted(view, operation, row);
    // The contacts of an operation evaluated whole carry its start as their time.
    let time_us = match by_clock {
        true => ended_us,
        false => operation.start_us,
    };
    // Whether the remote is there is judged from when the store leaves.
    let fate = view.draw(
        operation,
        sequence,
        view.in_time.population.owner(row),
        ended_us,
    );
    let mut charge = Charge::default();
    if !view.is_charged_at_barrier() {
        charge = Charge {
            origin_us: context.charges.charge(view.links, operation.origin()),
            remote_us: context.charges.charge(view.links, row),
        };
        let completes_us = Contact::completion_us(ended_us, fate, charge);
        complete_store(operation, row, fate, completes_us, &mut context.out.stores);
    }
    let send = Send {
        time_us,
        operation: operation.number,
        phase: operation.phase,
        purpose: Purpose::User,
        slot: operation.slot,
        sequence,
        from: operation.origin(),
        what: Sent::Contact {
            to: row,
            request: Request::Store,
            fate,
            charge,
        },
    };
    context.out.send(view, operation, send);
}

/// Stores the segment at the origin itself, at the lookup's end.
fn store_at_origin(out: &mut Outbox, operation: &mut Operation) {
    let visible_us = operation.lookup_end_us;
    operation.stored += 1;
    out.tick(operation, visible_us).stored += 1;
    out.stores.push(Stored {
        row: operation.origin(),
        key: operation.key(),
        visible_us,
    });
}

/// Counts a store that completes at a known time.
pub fn complete_store(
    operation: &mut Operation,
    row: Row,
    fate: Fate,
    completes_us: u64,
    stores: &mut Vec<Stored>,
) {
    operation.end_us = match operation.end_us {
        Contact::UNCHARGED => completes_us,
        end_us => end_us.max(completes_us),
    };
    match fate.outcome {
        Outcome::Ok => operation.stored += 1,
        Outcome::Late => {
            operation.store_failed += 1;
            operation.store_late += 1;
        }
        _ => operation.store_failed += 1,
    }
    // A remote whose answer comes too late has stored all the same.
    if matches!(fate.outcome, Outcome::Ok | Outcome::Late) {
        stores.push(Stored {
            row,
            key: operation.key(),
            visible_us: Contact::arrival_us(fate, completes_us),
        });
    }
}
