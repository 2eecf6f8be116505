//! The lookup (Maymounkov and Mazières, section 2.3) as a plain state machine.
//!
//! [`poll`] says whose answer an operation reads next, having handled all before it that needs no answer;
//! [`answered`] reads it. Which contact is handled next, and what time that takes, is the procedure's:
//! by the clock (here) or as [`crate::py_dht`] does. Reads key, table, store and status columns, writes the
//! operation's own slot and relaxed counters. Cost: O(k) for each contact handled.

use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::population::Owner;
use kadsim_engine::record::{Kind, Outcome, Request};
use kadsim_engine::shortlist::{Known, Status};

use crate::connection::{Field, Outbox, Send, Sent};
use crate::step::{Procedure, Stop};
use crate::{provide, py_dht, retrieve, rfm19};

/// What an operation does next.
#[must_use]
pub enum Poll {
    /// It reads a node's answer.
    Ask(Question),
    /// Nothing before this time, µs; never again if it has ended.
    Until(u64),
}

/// Whose answer an operation reads.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The node, asked for the operation's key.
    pub owner: Owner,
    /// The contact that brings the answer; `None` for the origin's own table.
    pub contact: Option<Contact>,
}

/// Goes on until an answer is needed or the window ends.
pub fn poll(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) -> Poll {
    if operation.stage == Stage::Planned {
        return begin(field, operation, slot, out);
    }
    if operation.stage == Stage::Lookup {
        let poll = match field.activity.rules.procedure {
            Procedure::Iterative => poll_by_clock(field, operation, slot, out),
            Procedure::PyDht => py_dht::poll(field, operation, slot, out),
            Procedure::Rfm19 => rfm19::poll(field, operation, slot, out),
        };
        if let Some(poll) = poll {
            return poll;
        }
    }
    if operation.stage == Stage::Closing && operation.end_us < field.until_us(operation) {
        finish(field, operation, slot, out);
    }
    Poll::Until(if operation.stage == Stage::Ended {
        u64::MAX
    } else {
        operation.end_us
    })
}

/// Starts an operation: it asks its origin's own table.
fn begin(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) -> Poll {
    let rules = &field.activity.rules;
    out.tick(operation, operation.start_us).started += 1;
    operation.shortlist.reset(rules.beta as usize);
    if rules.procedure.is_by_clock() && retrieve::finds_at_origin(field, operation) {
        operation.lookup_end_us = operation.start_us;
        operation.end_us = operation.start_us;
        finish(field, operation, slot, out);
        return Poll::Until(u64::MAX);
    }
    operation.stage = Stage::Lookup;
    Poll::Ask(Question {
        owner: field.population.owner(operation.origin),
        contact: None,
    })
}

/// Handles failures until an answer is to be read. `None`: the lookup has ended.
fn poll_by_clock(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    out: &mut Outbox,
) -> Option<Poll> {
    while operation.stage == Stage::Lookup {
        let place = first_to_complete(&operation.in_flight)?;
        let completes_us = operation.in_flight[place].completes_us;
        if completes_us >= field.until_us(operation) {
            return Some(Poll::Until(completes_us));
        }
        let contact = operation.in_flight.swap_remove(place);
        if contact.fate.outcome == Outcome::Ok {
            return Some(Poll::Ask(Question::of(operation, contact)));
        }
        fail(operation, &contact);
        go_on(field, operation, slot, (completes_us, false), out);
    }
    None
}

impl Question {
    /// The question that a contact has answered; it counts as handled.
    #[inline]
    pub fn of(operation: &mut Operation, contact: Contact) -> Self {
        operation.succeeded += 1;
        let shortlist = &mut operation.shortlist;
        shortlist.set_status(contact.row, Status::Answered);
        Self {
            owner: Owner {
                row: contact.row,
                key: contact.distance.key_from(operation.key),
            },
            contact: Some(contact),
        }
    }
}

/// Reads the answer to a question, and sends what there is room for.
#[inline]
pub fn answered(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    question: &Question,
    out: &mut Outbox,
) {
    let procedure = field.activity.rules.procedure;
    if procedure == Procedure::Rfm19 {
        return rfm19::answered(field, operation, slot, question, out);
    }
    let by_clock = procedure.is_by_clock();
    field.answer(question.owner, operation.key, &mut out.answer);
    out.reads.answers += 1;
    let depth = question.contact.map_or(0, |contact| contact.depth);
    let origin = by_clock.then_some(operation.origin);
    let progress = operation
        .shortlist
        .join(&out.answer, depth.saturating_add(1), origin);
    let Some(contact) = question.contact else {
        return ask_first(field, operation, slot, out);
    };
    operation.idle_steps = if progress {
        0
    } else {
        operation.idle_steps + 1
    };
    let now_us = contact.completes_us;
    let asked_us = if by_clock {
        Contact::arrival_us(contact.fate, now_us)
    } else {
        operation.start_us
    };
    let is_found = retrieve::finds_at(field, operation, contact.row, contact.depth, asked_us);
    if by_clock {
        go_on(field, operation, slot, (now_us, is_found), out);
    }
}

/// What the origin's own table has named is known: the origin is charged, the first contacts leave.
fn ask_first(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    let rules = &field.activity.rules;
    charge_origin(field, operation, slot, out);
    if rules.procedure == Procedure::PyDht {
        return py_dht::begin(field, operation);
    }
    send_contacts(
        field,
        operation,
        slot,
        (operation.start_us, rules.alpha),
        out,
    );
    if operation.in_flight.is_empty() {
        end(field, operation, slot, operation.start_us, out);
    }
}

/// The origin's use of a lookup that starts, which the barrier charges.
pub fn charge_origin(field: &Field, operation: &Operation, slot: u32, out: &mut Outbox) {
    if field.is_charged() {
        out.sends.push(Send {
            time_us: operation.start_us,
            operation: operation.number,
            slot,
            sequence: 0,
            from: operation.origin,
            what: Sent::Origin,
        });
    }
}

/// Counts a failed contact.
pub fn fail(operation: &mut Operation, contact: &Contact) {
    operation.failed += 1;
    operation.shortlist.set_status(contact.row, Status::Failed);
}

/// A contact has been handled: stops, or sends what its slot is free for.
#[inline]
fn go_on(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    (now_us, is_found): (u64, bool),
    out: &mut Outbox,
) {
    let rules = &field.activity.rules;
    let is_stopped = is_found
        || match rules.stop {
            Stop::NoProgress => operation.idle_steps == rules.steps_to_stop,
            Stop::ClosestAnswered => closest_have_answered(field, operation),
        };
    if !is_stopped {
        send_contacts(field, operation, slot, (now_us, rules.alpha), out);
    }
    if operation.in_flight.is_empty() || is_stopped {
        end(field, operation, slot, now_us, out);
    }
}

/// Whether the beta closest known nodes, failed ones and the origin left out, have all answered.
fn closest_have_answered(field: &Field, operation: &Operation) -> bool {
    let counts = |known: &Known| !matches!(known.note.status(), Status::Failed | Status::Origin);
    nearest(field, operation, counts).all(|known| known.note.status() == Status::Answered)
}

/// The beta nearest known nodes that `counts`, nearest first. They are all in the head, but where most of it
/// does not count.
fn nearest<'a>(
    field: &Field<'a>,
    operation: &'a Operation,
    counts: impl Fn(&Known) -> bool + Copy + 'a,
) -> impl Iterator<Item = Known> + 'a {
    let (beta, shortlist) = (field.activity.rules.beta as usize, &operation.shortlist);
    let head = shortlist.head().filter(counts).take(beta);
    let missing = beta - head.clone().count();
    let mut far = Vec::new();
    if missing > 0 && !shortlist.is_all_sorted() {
        far = shortlist.sorted_far(&field.population, operation.key);
    }
    head.chain(far.into_iter().filter(counts).take(missing))
}

/// Contacts the nearest candidates until `most` contacts are in flight.
#[inline]
fn send_contacts(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    (now_us, most): (u64, u32),
    out: &mut Outbox,
) {
    while operation.in_flight.len() < most as usize
        && let Some(nearest) = operation
            .shortlist
            .take_nearest(&field.population, operation.key)
    {
        send_contact(field, operation, slot, (now_us, nearest), out);
    }
}

/// Contacts a node, by the clock.
#[inline]
pub fn send_contact(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    (now_us, remote): (u64, Known),
    out: &mut Outbox,
) {
    contact(field, operation, slot, (now_us, now_us, remote), out);
    // The barrier adds what the contact is charged.
    if field.is_charged()
        && let Some(contact) = operation.in_flight.last_mut()
    {
        contact.completes_us = Contact::UNCHARGED;
    }
}

/// Contacts a node; what it costs counts from `base_us`. The contact is the last of those in flight.
#[inline]
pub fn contact(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    (now_us, base_us, nearest): (u64, u64, Known),
    out: &mut Outbox,
) {
    let sequence = operation.attempts;
    operation.attempts += 1;
    let fate = field.contact(operation, sequence, nearest.row, out);
    let overhead_us = if field.activity.rules.procedure.is_by_clock() {
        (0, 0)
    } else {
        (operation.origin_overhead_us, field.charge(nearest.row))
    };
    operation.in_flight.push(Contact {
        completes_us: Contact::completion_us(base_us, fate, overhead_us),
        sequence,
        row: nearest.row,
        distance: nearest.distance,
        depth: nearest.note.depth(),
        fate,
    });
    let send = Send {
        time_us: now_us,
        operation: operation.number,
        slot,
        sequence,
        from: operation.origin,
        what: Sent::Contact {
            to: nearest.row,
            request: Request::Lookup,
            fate,
            overhead_us,
        },
    };
    out.sent(field, operation, send);
}

/// The lookup has stopped, with what it knows as its result.
pub fn end(field: &Field, operation: &mut Operation, slot: u32, now_us: u64, out: &mut Outbox) {
    take_result(field, operation);
    if field.activity.recall && operation.holder.is_none() {
        operation.recall = field.recall(operation, &mut out.scratch);
    }
    close(field, operation, slot, now_us, out);
}

/// The lookup has its result: what is still in flight is abandoned, a provide goes on to its stores.
pub fn close(field: &Field, operation: &mut Operation, slot: u32, now_us: u64, out: &mut Outbox) {
    operation.lookup_end_us = now_us;
    operation.abandoned = operation.in_flight.len() as u32;
    operation.in_flight.clear();
    operation.stage = Stage::Closing;
    operation.end_us = now_us;
    if operation.kind == Kind::Provide {
        provide::send_stores(field, operation, slot, out);
    }
}

/// The beta closest of the known nodes; under [`Stop::ClosestAnswered`] without those that failed.
fn take_result(field: &Field, operation: &mut Operation) {
    let without_failed = field.activity.rules.stop == Stop::ClosestAnswered;
    let counts = move |known: &Known| !(without_failed && known.note.status() == Status::Failed);
    let mut result = std::mem::take(&mut operation.result);
    let mut depth = 0;
    for known in nearest(field, operation, counts) {
        result.push(known.row);
        depth = depth.max(known.note.depth());
    }
    operation.result = result;
    if operation.holder.is_none() {
        operation.depth = depth;
    }
}

/// The operation has ended, at its `end_us`, in the window.
fn finish(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) {
    operation.stage = Stage::Ended;
    let end_us = operation.end_us;
    let tick = out.tick(operation, end_us);
    tick.durations_us.push(end_us - operation.start_us);
    if operation.kind == Kind::Retrieve {
        *if operation.holder.is_some() {
            &mut tick.found
        } else {
            &mut tick.missed
        } += 1;
    }
    out.free.push(slot);
    let (ids, keys) = (field.ids, field.columns.keys);
    out.ended
        .push(field.recorded.row(operation, None, ids, keys));
    // Its slot is free at the end of the step only, after thousands of others.
    operation.give_back();
}

/// Of the contacts in flight, the place of the one that completes first; ties in order of sending.
#[inline]
pub fn first_to_complete(in_flight: &[Contact]) -> Option<usize> {
    let order = |&place: &usize| (in_flight[place].completes_us, in_flight[place].sequence);
    (0..in_flight.len()).min_by_key(order)
}
