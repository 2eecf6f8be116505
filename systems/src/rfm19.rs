//! The walk by which ProbeLab's RFM 19.1 (of "DHT Routing Table Health", 2022) counts the hops of a lookup
//! (`procedure = "rfm19"`), kept to compare with what was published.
//!
//! A walk goes in rounds. In each round the origin asks all nodes of a set at once, and each answers with one whole
//! bucket of its table. The first set is the alpha closest nodes of the origin's own answer. Each later set is the beta
//! closest nodes named in the round before; nodes already asked may be among them. The walk ends with the first answer
//! of a node that is among the network's beta closest, which only a simulator knows. That node is the result; `depth` is
//! the number of rounds, 0 where the node is the origin. A retrieve also ends with the value. A walk with no node left
//! to ask has no result and recall 0. A walk that reached one of the beta closest has recall null.
//!
//! 1. Completion times order the answers of a round, and a round starts when all of the one before are
//!    handled; they do not change the number of rounds.
//! 2. What is `known` are the nodes named in all rounds.
//! 3. Under full knowledge each round gains a bit at least. Where tables are something else a walk could go
//!    round in circles: it ends after as many rounds as a key has bits.

use kadsim_engine::answer::Answer;
use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::population::Owner;
use kadsim_engine::record::Outcome;
use kadsim_engine::shortlist::{Known, Note, Status};

use crate::connection::{Field, Outbox, Scratch};
use crate::lookup::{self, Poll, Question, first_to_complete};
use crate::retrieve;

/// Handles failures, which name nobody, until an answer is to be read. `None`: the walk has ended.
pub fn poll(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) -> Option<Poll> {
    while operation.stage == Stage::Lookup {
        let place = first_to_complete(&operation.in_flight)?;
        let completes_us = operation.in_flight[place].completes_us;
        if completes_us >= field.until_us(operation) {
            return Some(Poll::Until(completes_us));
        }
        let contact = operation.in_flight.swap_remove(place);
        if contact.fate.outcome == Outcome::Ok {
            operation.succeeded += 1;
            return Some(Poll::Ask(Question {
                owner: field.population.owner(contact.row),
                contact: Some(contact),
            }));
        }
        operation.failed += 1;
        go_on(field, operation, slot, (completes_us, contact.depth), out);
    }
    None
}

/// Reads the answer to a question: the walk ends, or goes on once its round is over.
pub fn answered(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    question: &Question,
    out: &mut Outbox,
) {
    out.reads.answers += 1;
    let asked = question.owner.row;
    let is_there = field.is_among_closest(asked, operation.key, &mut out.scratch);
    let (depth, asked_us, now_us) = match question.contact {
        Some(Contact {
            depth,
            fate,
            completes_us,
            ..
        }) => (depth, Contact::arrival_us(fate, completes_us), completes_us),
        None => (0, operation.start_us, operation.start_us),
    };
    if retrieve::finds_at(field, operation, asked, depth, asked_us) || is_there {
        operation.result.push(asked);
        operation.depth = depth;
        return lookup::close(field, operation, slot, now_us, out);
    }
    let key = operation.key;
    read_bucket(
        field,
        question.owner,
        key,
        &mut out.answer,
        &mut out.scratch,
    );
    let origin = Some(operation.origin);
    operation.shortlist.join(&out.answer, depth, origin);
    let named = out.answer.distances.iter().zip(&out.answer.rows);
    operation
        .named
        .extend(named.map(|(&distance, &row)| (distance, row)));
    if question.contact.is_none() {
        lookup::charge_origin(field, operation, slot, out);
        let first = field.activity.rules.alpha;
        return ask(field, operation, slot, (now_us, first, depth), out);
    }
    go_on(field, operation, slot, (now_us, depth), out);
}

/// A contact of round number `depth` has been handled: if it was the last one, the next round begins.
fn go_on(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    (now_us, depth): (u64, u16),
    out: &mut Outbox,
) {
    if !operation.in_flight.is_empty() {
        return;
    }
    let next = field.activity.rules.beta;
    ask(field, operation, slot, (now_us, next, depth), out);
}

/// Round number `depth` is over: asks the `most` closest of the nodes that it has named, and forgets them, for the
/// next round's set comes of its own answers alone. With nobody to ask, or after as many rounds as may be, the
/// walk has ended without a result.
fn ask(
    field: &Field,
    operation: &mut Operation,
    slot: u32,
    (now_us, most, depth): (u64, u32, u16),
    out: &mut Outbox,
) {
    let mut named = std::mem::take(&mut operation.named);
    if u32::from(depth) < Key::BITS {
        named.sort_unstable();
        named.dedup();
        named.retain(|&(_, row)| row != operation.origin);
        for &(distance, row) in named.iter().take(most as usize) {
            let remote = Known {
                row,
                distance,
                note: Note::new(depth + 1, Status::Contacted),
            };
            lookup::send_contact(field, operation, slot, (now_us, remote), out);
        }
    }
    named.clear();
    operation.named = named;
    if operation.in_flight.is_empty() {
        operation.depth = depth;
        if field.activity.recall && !field.is_alone(operation.origin) {
            operation.recall = Some(0.0);
        }
        lookup::close(field, operation, slot, now_us, out);
    }
}

/// Replaces `out` by the bucket of the owner's table that `key` belongs to or, if that is empty, all deeper
/// ones together or, if those are, the nearest shallower one that is not.
fn read_bucket(field: &Field, owner: Owner, key: Key, out: &mut Answer, scratch: &mut Scratch) {
    let column = field.columns.tables;
    let table = field.tables.table(&field.population, column, owner.row);
    let (population, rows) = (&field.population, &mut scratch.rows);
    out.clear();
    let mut read = |bucket: u32, all: &mut Vec<Row>| {
        field.tables.bucket(population, owner, table, bucket, rows);
        all.append(rows);
    };
    // A table has no bucket of its owner's own key.
    let shared = owner.key.shared_bits(key).min(Key::BITS - 1);
    read(shared, &mut out.rows);
    if out.rows.is_empty() {
        (shared + 1..Key::BITS).for_each(|bucket| read(bucket, &mut out.rows));
    }
    let mut shallower = (0..shared).rev();
    while out.rows.is_empty()
        && let Some(bucket) = shallower.next()
    {
        read(bucket, &mut out.rows);
    }
    out.read += out.rows.len() as u64;
    out.measure(population, key);
}
