//! Provide: a lookup to the end, then one store to each node of the result, all at once, no retry.
//!
//! A failed store stores nothing; one that succeeds is visible from the moment it completes. The operation
//! ends with the slowest store, failed ones included.

use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::record::{Outcome, Request};

use crate::connection::{Field, Outbox, Stored};
use crate::lookup;

/// Sends the stores of the result, in its order, at the moment the lookup has ended.
pub fn send_stores(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let now_us = operation.lookup_end_us;
    operation.stage = Stage::Closing;
    operation.end_us = now_us;
    for place in 0..operation.result.len() {
        let row = operation.result[place];
        let sequence = operation.attempts + place as u32;
        let fate = field.contact(operation.number, sequence, row);
        out.sent(
            field,
            now_us,
            (operation, slot),
            sequence,
            row,
            Request::Store,
            fate,
            (0, 0),
        );
        if !field.is_charged() {
            complete_store(
                operation,
                row,
                fate.outcome,
                Contact::completion_us(now_us, fate.cost_us()),
                &mut out.stores,
            );
        }
    }
    if field.is_charged() {
        // The barrier knows when they complete, and so when the operation ends.
        operation.end_us = Contact::UNCHARGED;
    } else if operation.end_us < field.window.until_us {
        lookup::finish(field, operation, slot, operation.end_us, out);
    }
}

/// Counts a store that completes at a known time.
pub fn complete_store(
    operation: &mut Operation,
    row: kadsim_engine::node::Row,
    outcome: Outcome,
    completes_us: u64,
    stores: &mut Vec<Stored>,
) {
    operation.end_us = if operation.end_us == Contact::UNCHARGED {
        completes_us
    } else {
        operation.end_us.max(completes_us)
    };
    if outcome == Outcome::Ok {
        operation.stored += 1;
        stores.push(Stored {
            row,
            key: operation.key,
            visible_us: completes_us,
        });
    } else {
        operation.store_failed += 1;
    }
}
