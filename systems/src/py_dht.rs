//! py-dht's own way to schedule a lookup's contacts (`procedure = "py-dht"`), kept to compare
//! with what was published.
//!
//! An operation is evaluated whole when it starts, and ends at its start plus its duration. Contacts are
//! evaluated at once and wait in a buffer of alpha, from which the cheapest is handled; time is kept in
//! alpha lanes. Differences from the lookup by the clock: with fewer than alpha candidates nothing is
//! handled any more, the origin can be contacted, and it does not look in its own store.

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::record::{Kind, Outcome, Request};
use kadsim_engine::shortlist::Status;

use crate::connection::{Field, Outbox, first_to_complete};
use crate::provide::complete_store;
use crate::{lookup, retrieve};

/// Evaluates the operation in `slot`. With overhead on, operations must be given in the order of
/// (start, number).
pub fn evaluate(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let start_us = operation.start_us;
    out.tick(start_us).started += 1;
    if field.is_charged() {
        operation.origin_overhead_us = field.charge(operation.origin);
    }
    look_up(field, operation, slot, out);
    operation.in_flight.clear();
    lookup::take_result(field, operation);
    operation.stage = Stage::Closing;
    operation.end_us = operation.lookup_end_us;
    if operation.kind == Kind::Provide {
        store(field, operation, slot, out);
    }
    if operation.end_us < field.window.until_us {
        lookup::finish(field, operation, slot, operation.end_us, out);
    }
}

fn look_up(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let rules = &field.activity.rules;
    let mut lanes = vec![0u64; rules.alpha as usize];
    field.answer(operation.origin, operation.key, &mut out.scratch);
    operation.shortlist.join(&mut out.scratch.answer, 1, None);
    let mut found = false;
    while !found
        && operation.idle_steps != rules.steps_to_stop
        && operation.shortlist.has_candidate()
    {
        contact_nearest(field, operation, slot, out);
        if operation.in_flight.len() < rules.alpha as usize {
            continue;
        }
        // Costs are kept as completion times from 0.
        let Some(cheapest) = first_to_complete(&operation.in_flight) else {
            continue;
        };
        let contact = operation.in_flight.swap_remove(cheapest);
        if let Some(lane) = lanes.iter_mut().min() {
            *lane = Contact::completion_us(*lane, contact.completes_us);
        }
        found = handle(field, operation, &contact, out);
    }
    operation.lookup_end_us =
        Contact::completion_us(operation.start_us, lanes.into_iter().max().unwrap_or(0));
}

/// Contacts the nearest candidates until the buffer holds alpha results or no candidate is left.
fn contact_nearest(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    while operation.in_flight.len() < field.activity.rules.alpha as usize {
        let Some(entry) = operation.shortlist.take_nearest() else {
            return;
        };
        let sequence = operation.attempts;
        operation.attempts += 1;
        let fate = field.contact(operation.number, sequence, entry.row);
        let overhead_us = (operation.origin_overhead_us, charge(field, entry.row));
        operation.in_flight.push(Contact {
            completes_us: fate.cost_us() + overhead_us.0 + overhead_us.1,
            sequence,
            row: entry.row,
            distance: entry.distance,
            depth: entry.depth,
            fate,
        });
        let start_us = operation.start_us;
        out.sent(
            field,
            start_us,
            (operation, slot),
            sequence,
            entry.row,
            Request::Lookup,
            fate,
            overhead_us,
        );
    }
}

/// Handles one result. Says whether it carried the value.
fn handle(field: &Field, operation: &mut Operation, contact: &Contact, out: &mut Outbox) -> bool {
    if contact.fate.outcome != Outcome::Ok {
        operation.failed += 1;
        operation
            .shortlist
            .set_status(contact.distance, Status::Failed);
        return false;
    }
    operation.succeeded += 1;
    operation
        .shortlist
        .set_status(contact.distance, Status::Answered);
    field.answer(contact.row, operation.key, &mut out.scratch);
    let progress = operation.shortlist.join(
        &mut out.scratch.answer,
        contact.depth.saturating_add(1),
        None,
    );
    operation.idle_steps = if progress {
        0
    } else {
        operation.idle_steps + 1
    };
    retrieve::finds_at(
        field,
        operation,
        contact.row,
        contact.depth,
        operation.start_us,
    )
}

/// The store requests of a provide, in the order of the result.
fn store(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let sent_us = operation.lookup_end_us;
    for place in 0..operation.result.len() {
        let row = operation.result[place];
        let sequence = operation.attempts + place as u32;
        let fate = field.contact(operation.number, sequence, row);
        let origin_us = charge(field, operation.origin);
        let overhead_us = (origin_us, charge(field, row));
        let start_us = operation.start_us;
        out.sent(
            field,
            start_us,
            (operation, slot),
            sequence,
            row,
            Request::Store,
            fate,
            overhead_us,
        );
        let completes_us =
            Contact::completion_us(sent_us, fate.cost_us() + overhead_us.0 + overhead_us.1);
        complete_store(operation, row, fate.outcome, completes_us, &mut out.stores);
    }
}

fn charge(field: &Field, row: Row) -> u64 {
    if field.is_charged() {
        field.charge(row)
    } else {
        0
    }
}
