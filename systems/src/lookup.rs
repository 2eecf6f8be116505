//! The lookup by the clock (Maymounkov and Mazières, section 2.3).
//!
//! A plain state machine: [`begin`] asks the origin's own table, [`advance`] handles every contact that
//! completes before the window ends, at its exact time, and sends the next one at that moment. Reads key,
//! table, store and status columns, writes the operation's own slot and relaxed counters. Cost: O(known)
//! for each contact handled.

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::record::{Kind, Outcome, Request};
use kadsim_engine::shortlist::Status;

use crate::connection::{Field, Outbox, Send, Sent, first_to_complete};
use crate::step::Stop;
use crate::{provide, retrieve};

/// Starts the operation in `slot` and sends its first contacts.
pub fn begin(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let start_us = operation.start_us;
    out.tick(start_us).started += 1;
    if retrieve::finds_at_origin(field, operation) {
        finish(field, operation, slot, start_us, out);
        return;
    }
    operation.stage = Stage::Lookup;
    field.answer(operation.origin, operation.key, &mut out.scratch);
    operation
        .shortlist
        .join(&mut out.scratch.answer, 1, Some(operation.origin));
    if field.is_charged() {
        out.sends.push(Send {
            time_us: start_us,
            operation: operation.number,
            slot,
            sequence: 0,
            from: operation.origin,
            what: Sent::Origin,
        });
    }
    send_contacts(field, operation, slot, start_us, out);
    if operation.in_flight.is_empty() {
        end_lookup(field, operation, slot, start_us, out);
    }
}

/// Handles all that completes before the window ends. Returns when the next contact completes, µs.
pub fn advance(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) -> u64 {
    while operation.stage == Stage::Lookup {
        let Some(place) = first_to_complete(&operation.in_flight) else {
            break;
        };
        let completes_us = operation.in_flight[place].completes_us;
        if completes_us >= field.window.until_us {
            return completes_us;
        }
        let contact = operation.in_flight.swap_remove(place);
        handle(field, operation, slot, &contact, out);
    }
    if operation.stage == Stage::Closing && operation.end_us < field.window.until_us {
        finish(field, operation, slot, operation.end_us, out);
    }
    operation.end_us
}

/// Handles one answer or failure, and sends what its slot is free for.
fn handle(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    contact: &Contact,
    out: &mut Outbox,
) {
    let now_us = contact.completes_us;
    let mut is_stopped = false;
    if contact.fate.outcome == Outcome::Ok {
        operation.succeeded += 1;
        operation
            .shortlist
            .set_status(contact.distance, Status::Answered);
        field.answer(contact.row, operation.key, &mut out.scratch);
        let progress = operation.shortlist.join(
            &mut out.scratch.answer,
            contact.depth.saturating_add(1),
            Some(operation.origin),
        );
        operation.idle_steps = if progress {
            0
        } else {
            operation.idle_steps + 1
        };
        is_stopped = retrieve::finds_at(field, operation, contact.row, contact.depth, now_us);
    } else {
        operation.failed += 1;
        operation
            .shortlist
            .set_status(contact.distance, Status::Failed);
    }
    is_stopped |= match field.activity.rules.stop {
        Stop::NoProgress => operation.idle_steps == field.activity.rules.steps_to_stop,
        Stop::ClosestAnswered => {
            closest_have_answered(operation, field.activity.rules.beta as usize)
        }
    };
    if !is_stopped {
        send_contacts(field, operation, slot, now_us, out);
    }
    if operation.in_flight.is_empty() || is_stopped {
        end_lookup(field, operation, slot, now_us, out);
    }
}

/// Whether the beta closest known nodes, failed ones and the origin left out, have all answered.
fn closest_have_answered(operation: &Operation, beta: usize) -> bool {
    let entries = operation.shortlist.entries().iter();
    entries
        .filter(|entry| !matches!(entry.status, Status::Failed | Status::Origin))
        .take(beta)
        .all(|entry| entry.status == Status::Answered)
}

/// Contacts the nearest candidates until alpha contacts are in flight.
fn send_contacts(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    now_us: u64,
    out: &mut Outbox,
) {
    while operation.in_flight.len() < field.activity.rules.alpha as usize {
        let Some(entry) = operation.shortlist.take_nearest() else {
            return;
        };
        let sequence = operation.attempts;
        operation.attempts += 1;
        let fate = field.contact(operation.number, sequence, entry.row);
        let completes_us = if field.is_charged() {
            Contact::UNCHARGED
        } else {
            Contact::completion_us(now_us, fate.cost_us())
        };
        operation.in_flight.push(Contact {
            completes_us,
            sequence,
            row: entry.row,
            distance: entry.distance,
            depth: entry.depth,
            fate,
        });
        out.sent(
            field,
            now_us,
            (operation, slot),
            sequence,
            entry.row,
            Request::Lookup,
            fate,
            (0, 0),
        );
    }
}

/// The lookup has stopped: what is still in flight is abandoned, a provide goes on to its stores.
fn end_lookup(field: &Field, operation: &mut Operation, slot: u32, now_us: u64, out: &mut Outbox) {
    operation.lookup_end_us = now_us;
    operation.in_flight.clear();
    take_result(field, operation);
    if operation.kind == Kind::Provide && !operation.result.is_empty() {
        provide::send_stores(field, operation, slot, out);
    } else {
        finish(field, operation, slot, now_us, out);
    }
}

/// The beta closest of the known nodes; under [`Stop::ClosestAnswered`] without those that failed.
pub fn take_result(field: &Field, operation: &mut Operation) {
    let without_failed = field.activity.rules.stop == Stop::ClosestAnswered;
    let entries = operation.shortlist.entries().iter();
    let counted = entries.filter(|entry| !(without_failed && entry.status == Status::Failed));
    let mut depth = 0;
    for entry in counted.take(field.activity.rules.beta as usize) {
        operation.result.push(entry.row);
        depth = depth.max(entry.depth);
    }
    if operation.holder.is_none() {
        operation.depth = depth;
    }
}

/// The operation has ended at a time in the window.
pub fn finish(field: &Field, operation: &mut Operation, slot: u32, end_us: u64, out: &mut Outbox) {
    operation.end_us = end_us;
    operation.stage = Stage::Ended;
    out.ended.push(slot);
    let tick = out.tick(end_us);
    tick.durations_us.push(end_us - operation.start_us);
    if operation.kind == Kind::Retrieve {
        *if operation.holder.is_some() {
            &mut tick.found
        } else {
            &mut tick.missed
        } += 1;
    }
    if field.activity.recall && operation.holder.is_none() {
        operation.recall = recall(field, operation, out);
    }
}

/// Share of the network's beta closest online nodes that the result names.
fn recall(field: &Field, operation: &Operation, out: &mut Outbox) -> Option<f32> {
    let beta = field.activity.rules.beta as usize;
    let activity = field.columns.activity;
    let everybody = field.activity.online as usize == activity.len();
    let is_online = |row: Row| everybody || activity[row.index()].is_online();
    let truth = &mut out.scratch.answer;
    field
        .population
        .closest(operation.key, beta, is_online, truth);
    if truth.is_empty() {
        return None;
    }
    // Both are sorted by distance, so one pass finds what they share.
    let mut result = operation.result.iter().peekable();
    let mut hits = 0u32;
    for &(distance, row) in truth.iter() {
        while result
            .next_if(|&&other| field.population.key(other).distance(operation.key) < distance)
            .is_some()
        {}
        hits += u32::from(result.next_if(|&&other| other == row).is_some());
    }
    Some(hits as f32 / truth.len() as f32)
}
