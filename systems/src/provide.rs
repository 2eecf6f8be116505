//! Provide: a lookup to the end, then one store to each node of the result, all at once, no retry.
//!
//! A failed store stores nothing; one that succeeds is held from the moment it reaches the node, one delay before it
//! completes. The operation ends with the slowest store, failed ones included. An origin that is among its own
//! result holds the segment from the lookup's end: nothing is sent, charged or waited for, and nothing can fail.
//! Under py-dht's procedure that store is a connection like any other.

use kadsim_engine::link::Fate;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation};
use kadsim_engine::record::{Outcome, Request};

use crate::connection::{Field, Outbox, Send, Sent, Stored};

/// Sends the stores of the result, in its order, at the moment the lookup has ended.
pub fn send_stores(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let by_clock = field.activity.rules.procedure.is_by_clock();
    let ended_us = operation.lookup_end_us;
    // Contacts of an operation evaluated whole carry its start as their time.
    let time_us = if by_clock {
        ended_us
    } else {
        operation.start_us
    };
    let by_barrier = field.is_charged() && by_clock;
    let mut sequence = operation.attempts;
    for place in 0..operation.result.len() {
        let row = operation.result[place];
        if by_clock && row == operation.origin {
            store_at_origin(operation, out);
            continue;
        }
        let fate = field.contact(operation, sequence, row, out);
        let overhead_us = if by_barrier {
            (0, 0)
        } else {
            let origin_us = field.charge(operation.origin);
            (origin_us, field.charge(row))
        };
        if !by_barrier {
            let completes_us = Contact::completion_us(ended_us, fate, overhead_us);
            complete_store(operation, row, fate, completes_us, &mut out.stores);
        }
        let send = Send {
            time_us,
            operation: operation.number,
            slot,
            sequence,
            from: operation.origin,
            what: Sent::Contact {
                to: row,
                request: Request::Store,
                fate,
                overhead_us,
            },
        };
        out.sent(field, operation, send);
        sequence += 1;
    }
    if by_barrier && sequence > operation.attempts {
        // The barrier knows when they complete, and so when the operation ends.
        operation.end_us = Contact::UNCHARGED;
    }
}

/// The origin keeps the segment itself, from the lookup's end.
fn store_at_origin(operation: &mut Operation, out: &mut Outbox) {
    let visible_us = operation.lookup_end_us;
    operation.stored += 1;
    out.tick(operation, visible_us).stored += 1;
    out.stores.push(Stored {
        row: operation.origin,
        key: operation.key,
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
    operation.end_us = if operation.end_us == Contact::UNCHARGED {
        completes_us
    } else {
        operation.end_us.max(completes_us)
    };
    if fate.outcome == Outcome::Ok {
        operation.stored += 1;
        stores.push(Stored {
            row,
            key: operation.key,
            visible_us: Contact::arrival_us(fate, completes_us),
        });
    } else {
        operation.store_failed += 1;
    }
}
