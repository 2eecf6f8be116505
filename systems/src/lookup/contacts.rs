//! Drives the lookups of a chunk: sends contacts, draws their fates, and handles answers and failures when they are due.

use kadsim_engine::key::{BucketIndex, Key};
use kadsim_engine::link::Charge;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::population::Owner;
use kadsim_engine::record::{Kind, Outcome, Purpose, Request};
use kadsim_engine::routing::Moment;
use kadsim_engine::routing::layout::PREFETCH_STAGES;
use kadsim_engine::shortlist::Known;

use super::{Answered, Asks, Machine, Next, Recall};
use crate::context::{Charges, Context};
use crate::interleaving::{Interleaved, Question};
use crate::origins;
use crate::outbox::{Chunk, Outbox, Send, Sent};
use crate::view::View;

/// Where [`poll`] leaves a lookup.
#[must_use]
enum Poll {
    /// The lookup reads a node's answer next.
    Ask(Question),
    /// The lookup's next event is at this time, µs, after the window.
    Until(u64),
    /// The lookup has ended.
    Ended,
}

/// Advances the lookups of a chunk to the end of the window, `most` at a time. Adds the operations whose last contact
/// completes in the window to [`Outbox::closing`].
pub fn advance(chunk: Chunk, view: &View, machine: impl Machine, most: usize) {
    let Chunk {
        slots,
        next_events_us,
        out,
        ..
    } = chunk;
    let Interleaved {
        mut operations,
        mut questions,
    } = std::mem::take(&mut out.interleaved);
    let mut context = Context {
        view,
        out,
        charges: Charges::Later,
    };
    let mut waiting = 0..slots.len();
    loop {
        while operations.len() < most
            && let Some(index) = waiting.next()
        {
            if next_events_us[index] >= view.window.until_us {
                continue;
            }
            let operation = &slots[index];
            match operation.stage {
                Stage::Closing => context.out.closing.push(operation.slot),
                Stage::LookedUp | Stage::Ended => {}
                Stage::Planned | Stage::Lookup => {
                    fetch_operation(view, operation, context.out);
                    operations.push(index);
                }
            }
        }
        if operations.is_empty() {
            break;
        }
        questions.clear();
        operations.retain(|&index| {
            let operation = &mut slots[index];
            match poll(&mut context, operation, machine) {
                Poll::Ask(question) => {
                    fetch_node(view, operation, &question, context.out);
                    questions.push((index, question));
                    true
                }
                Poll::Until(next_us) => {
                    next_events_us[index] = operation.before_cut(next_us);
                    false
                }
                Poll::Ended => false,
            }
        });
        fetch_answers(view, slots, &questions, context.out);
        for (index, question) in &questions {
            answered(&mut context, &mut slots[*index], question, machine);
        }
    }
    questions.clear();
    out.interleaved = Interleaved {
        operations,
        questions,
    };
    out.count_contacts(view);
}

/// Evaluates an operation's lookup from start to end.
pub fn evaluate(context: &mut Context, operation: &mut Operation, machine: impl Machine) {
    while matches!(operation.stage, Stage::Planned | Stage::Lookup)
        && let Poll::Ask(question) = poll(context, operation, machine)
    {
        answered(context, operation, &question, machine);
    }
    context.out.count_contacts(context.view);
}

/// Prefetches what an operation's next event reads.
#[inline]
fn fetch_operation(view: &View, operation: &Operation, out: &mut Outbox) {
    if operation.stage == Stage::Planned {
        out.prefetcher
            .item(view.in_time.columns.keys, operation.origin().index());
    }
    // An instrumented run counts what answers read.
    if !out.prefetcher.is_counting() {
        operation.prefetch(&mut out.prefetcher);
    }
}

/// Prefetches the components of the node that is asked.
#[inline]
fn fetch_node(view: &View, operation: &Operation, question: &Question, out: &mut Outbox) {
    let asked = question.owner.row.index();
    if !view.in_time.tables.are_laid_out(&view.in_time.population) {
        out.prefetcher.item(view.in_time.columns.tables, asked);
    }
    if operation.kind == Kind::Retrieve {
        out.prefetcher.item(view.in_time.columns.stores, asked);
    }
    if view.in_time.timelines.are_living() {
        let row = question.owner.row;
        view.in_time.timelines.prefetch(row, 0, &mut out.prefetcher);
    }
}

/// Prefetches what the answers to the questions read.
#[inline]
fn fetch_answers(
    view: &View,
    slots: &[Operation],
    questions: &[(usize, Question)],
    out: &mut Outbox,
) {
    if view.in_time.timelines.are_living() {
        for (_, question) in questions {
            let row = question.owner.row;
            view.in_time.timelines.prefetch(row, 1, &mut out.prefetcher);
        }
    }
    for stage in 0..PREFETCH_STAGES {
        for (index, question) in questions {
            let (owner, key) = (question.owner, slots[*index].key());
            let Outbox {
                prefetcher,
                scratch,
                ..
            } = &mut *out;
            let rows = &mut scratch.rows;
            view.in_time.tables.prefetch(
                &view.in_time.population,
                owner,
                key,
                stage,
                prefetcher,
                rows,
            );
        }
    }
    for (index, question) in questions {
        if slots[*index].kind == Kind::Retrieve {
            let store = view.in_time.columns.stores[question.owner.row.index()];
            view.segments.prefetch(store, &mut out.prefetcher);
        }
    }
    out.count_contacts(view);
    out.reads.lines += out.prefetcher.take_lines();
}

/// Handles contacts that complete, until the lookup reads an answer, or the window or the lookup ends.
#[inline]
fn poll(context: &mut Context, operation: &mut Operation, machine: impl Machine) -> Poll {
    if operation.stage == Stage::Planned {
        return ask_own_table(context, operation);
    }
    while operation.stage == Stage::Lookup {
        let Some(index) = Contact::first_to_complete(&operation.in_flight) else {
            unreachable!("a lookup waits for a contact in flight");
        };
        let completes_us = operation.in_flight[index].completes_us;
        let stall = stall_before(context.view, operation, completes_us, machine);
        let event_us = stall.map_or(completes_us, |(_, stalls_us)| stalls_us);
        if is_after_window(context.view, operation, event_us, machine) {
            return Poll::Until(operation.next_us(event_us));
        }
        if is_after_leaving(operation, event_us, machine) {
            origins::leave(context.out, operation);
            return Poll::Ended;
        }
        if let Some((stalled, _)) = stall {
            stall_contact(context, operation, stalled, event_us, machine);
            continue;
        }
        let contact = operation.take_contact(index);
        keep_time(operation, completes_us, machine);
        if contact.fate.outcome == Outcome::Ok {
            let key = contact.distance.key_from(operation.key());
            let owner = Owner {
                row: contact.row,
                key,
            };
            return Poll::Ask(Question {
                owner,
                contact: Some(contact),
            });
        }
        operation.count_failure(contact.fate.outcome);
        let population = &context.view.in_time.population;
        machine.failed(&mut operation.lookup, population, contact.row);
        go_on(context, operation, completes_us, machine);
    }
    Poll::Ended
}

/// Returns the contact that stalls next, and when, µs, if it stalls before one completes at `completes_us`.
#[inline]
fn stall_before<M: Machine>(
    view: &View,
    operation: &Operation,
    completes_us: u64,
    _machine: M,
) -> Option<(usize, u64)> {
    if !M::BY_CLOCK || view.rules.stall_us.is_none() {
        return None;
    }
    first_stall(operation).filter(|&(_, stalls_us)| stalls_us < completes_us)
}

/// Returns the contact that stalls first, and when, µs. Apart from [`stall_before`], so that lookups whose contacts do not
/// stall only read a rule.
#[cold]
fn first_stall(operation: &Operation) -> Option<(usize, u64)> {
    let first = Contact::first_to_stall(&operation.in_flight)?;
    Some((first, operation.in_flight[first].stalls_us))
}

/// Lets a contact stall at `now_us`, and sends the contacts that follow from it.
#[cold]
fn stall_contact(
    context: &mut Context,
    operation: &mut Operation,
    index: usize,
    now_us: u64,
    machine: impl Machine,
) {
    operation.stall(index);
    go_on(context, operation, now_us, machine);
}

/// Returns whether an event of an operation at `event_us` is handled in a later window.
#[inline]
fn is_after_window<M: Machine>(
    view: &View,
    operation: &Operation,
    event_us: u64,
    _machine: M,
) -> bool {
    M::BY_CLOCK && operation.next_us(event_us) >= view.window.until_us(operation)
}

/// Returns whether the origin leaves before it handles an event at `event_us`. By py-dht's procedure this is known when the
/// operation has been evaluated.
#[inline]
fn is_after_leaving<M: Machine>(operation: &Operation, event_us: u64, _machine: M) -> bool {
    M::BY_CLOCK && event_us >= operation.leaves_us
}

/// Adds what a handled contact cost to the lane that is free first, where time is kept in lanes.
#[inline]
fn keep_time<M: Machine>(operation: &mut Operation, cost_us: u64, _machine: M) {
    if !M::BY_CLOCK
        && let Some(lane_us) = operation.lanes_us.iter_mut().min()
    {
        *lane_us = Contact::later_us(*lane_us, cost_us);
    }
}

/// Starts an operation, which reads its origin's own table next.
fn ask_own_table(context: &mut Context, operation: &mut Operation) -> Poll {
    start_operation(context.view, operation, context.out);
    Poll::Ask(Question {
        owner: context.view.in_time.population.owner(operation.origin()),
        contact: None,
    })
}

/// Starts an operation: counts it, and empties its shortlist.
pub fn start_operation(view: &View, operation: &mut Operation, out: &mut Outbox) {
    out.tick(operation, operation.start_us).started += 1;
    operation.origin_key = view.in_time.population.key(operation.origin());
    operation.lookup.shortlist.reset(view.results());
    operation.stage = Stage::Lookup;
}

/// Handles the answer to a question, and sends the contacts that follow from it.
#[inline]
fn answered<M: Machine>(
    context: &mut Context,
    operation: &mut Operation,
    question: &Question,
    machine: M,
) {
    let view = context.view;
    let row = question.owner.row;
    let depth = question.contact.map_or(0, |contact| contact.depth);
    let asked_us = match question.contact {
        Some(contact) if M::BY_CLOCK => Contact::arrival_us(contact.fate, contact.completes_us),
        // Where nodes come and leave, what the remote is when the request arrives decides by every procedure.
        Some(contact) if view.in_time.timelines.are_living() => {
            Contact::later_us(operation.start_us, contact.fate.request_us)
        }
        _ => operation.start_us,
    };
    let is_closest = M::KNOWS_TRUTH
        && view.is_among_closest(row, operation.key(), asked_us, &mut context.out.scratch);
    // `retrieve::look_in_own_stores` has looked in the origin's store, except under py-dht's procedure.
    let has_value = question.contact.is_some() && view.has_value(operation, row, asked_us);
    let moment = match question.contact {
        Some(_) => Moment::of_arrivals(asked_us),
        None => Moment::end_of(asked_us),
    };
    read_answer(
        context,
        question.owner,
        operation.key(),
        moment,
        machine.asks(has_value, is_closest),
    );
    context.out.reads.answers += 1;
    let answered = Answered {
        row,
        depth,
        named: &context.out.answer,
        has_value,
        is_closest,
    };
    let Some(contact) = question.contact else {
        machine.start(&mut operation.lookup, &answered);
        return send_first_contacts(context, operation, machine);
    };
    operation.succeeded += 1;
    machine.answered(&mut operation.lookup, &view.in_time.population, &answered);
    if has_value {
        operation.holder = Some(row);
        operation.depth = depth;
    }
    go_on(context, operation, contact.completes_us, machine);
}

/// Replaces the outbox's answer by that of a node.
#[inline]
fn read_answer(context: &mut Context, owner: Owner, key: Key, moment: Moment, asks: Asks) {
    let (view, out) = (context.view, &mut *context.out);
    match asks {
        Asks::Closest => view.answer(owner, key, moment, &mut out.answer),
        Asks::Bucket => read_bucket(view, owner, key, moment, out),
        Asks::Nothing => out.answer.clear(),
    }
}

/// Replaces the outbox's answer by [`Asks::Bucket`].
fn read_bucket(view: &View, owner: Owner, key: Key, moment: Moment, out: &mut Outbox) {
    let (rows, answer) = (&mut out.scratch.rows, &mut out.answer);
    answer.clear();
    let mut read = |bucket: BucketIndex, all: &mut Vec<Row>| {
        view.in_time.bucket(owner, bucket, moment, rows);
        all.append(rows);
    };
    // A table has no bucket of its owner's own key.
    let own = owner.key.bucket_of(key);
    let own = own.unwrap_or(BucketIndex::new(Key::BITS - 1));
    read(own, &mut answer.rows);
    if answer.rows.is_empty() {
        let deeper = BucketIndex::all().skip(own.index() + 1);
        deeper.for_each(|bucket| read(bucket, &mut answer.rows));
    }
    let mut shallower = BucketIndex::all().take(own.index()).rev();
    while answer.rows.is_empty()
        && let Some(bucket) = shallower.next()
    {
        read(bucket, &mut answer.rows);
    }
    answer.read += answer.rows.len() as u64;
    answer.measure(&view.in_time.population, key);
}

/// Charges the origin, unless its own answer ends the lookup, and sends the first contacts.
fn send_first_contacts<M: Machine>(context: &mut Context, operation: &mut Operation, machine: M) {
    let view = context.view;
    if !operation.lookup.is_stopped {
        operation.origin_overhead_us = context.charges.charge(view.links, operation.origin());
        if view.is_charged() {
            context.out.sends.push(Send {
                time_us: operation.start_us,
                operation: operation.number,
                phase: operation.phase,
                purpose: Purpose::User,
                slot: operation.slot,
                sequence: 0,
                from: operation.origin(),
                what: Sent::Origin,
            });
        }
    }
    if !M::BY_CLOCK {
        // With alpha above the number of nodes no contact is ever handled: more lanes would only take memory.
        let lanes = view.in_time.population.keys().len();
        let lanes = lanes.min(view.rules.alpha as usize);
        operation.lanes_us.resize(lanes, 0);
    }
    go_on(context, operation, operation.start_us, machine);
}

/// Does at `now_us` what the machine decides, until the lookup waits or ends.
#[inline]
fn go_on(context: &mut Context, operation: &mut Operation, now_us: u64, machine: impl Machine) {
    loop {
        match machine.next(&mut operation.lookup, &context.view.in_time.population) {
            Next::Contact(remote) => contact(context, operation, now_us, remote, machine),
            Next::Wait => return,
            Next::End => return end(context, operation, now_us, machine),
        }
    }
}

/// Contacts a node at `now_us`.
#[inline]
fn contact<M: Machine>(
    context: &mut Context,
    operation: &mut Operation,
    now_us: u64,
    remote: Known,
    _machine: M,
) {
    let view = context.view;
    let sequence = operation.attempts;
    operation.attempts += 1;
    context.out.contacted(view, operation, remote.row);
    // An operation evaluated whole keeps costs, and its contacts carry its start as their time.
    let (time_us, base_us) = match M::BY_CLOCK {
        true => (now_us, now_us),
        false => (operation.start_us, 0),
    };
    let key = remote.distance.key_from(operation.key());
    let owner = Owner {
        row: remote.row,
        key,
    };
    let fate = view.draw(operation, sequence, owner, time_us);
    let charge = match M::BY_CLOCK {
        true => Charge::default(),
        false => Charge {
            origin_us: operation.origin_overhead_us,
            remote_us: context.charges.charge(view.links, remote.row),
        },
    };
    let completes_us = match M::BY_CLOCK && view.is_charged() {
        true => Contact::UNCHARGED,
        false => Contact::completion_us(base_us, fate, charge),
    };
    operation.in_flight.push(Contact {
        completes_us,
        stalls_us: Contact::stall_time_us(now_us, view.rules.stall_us),
        sequence,
        row: remote.row,
        distance: remote.distance,
        depth: remote.note.depth(),
        is_stalled: false,
        fate,
    });
    let send = Send {
        time_us,
        operation: operation.number,
        phase: operation.phase,
        purpose: Purpose::User,
        slot: operation.slot,
        sequence,
        from: operation.origin(),
        what: Sent::Contact {
            to: remote.row,
            request: Request::Lookup,
            fate,
            charge,
        },
    };
    context.out.send(view, operation, send);
}

/// Ends the lookup, which has handled its last contact at `now_us`.
fn end<M: Machine>(context: &mut Context, operation: &mut Operation, now_us: u64, machine: M) {
    let view = context.view;
    let lookup = &operation.lookup;
    let depth = machine.result(lookup, &view.in_time.population, &mut operation.result);
    let end_us = match M::BY_CLOCK {
        true => now_us,
        false => {
            let longest_us = operation.lanes_us.iter().copied().max().unwrap_or(0);
            Contact::later_us(operation.start_us, longest_us)
        }
    };
    if operation.holder.is_none() {
        operation.depth = depth;
        if view.recording.recall {
            operation.recall = recall(context, operation, end_us, machine);
        }
    }
    close_lookup(context.out, operation, end_us);
}

/// Returns the recall of an operation's result; `None` where it is not defined.
fn recall(
    context: &mut Context,
    operation: &Operation,
    end_us: u64,
    machine: impl Machine,
) -> Option<f32> {
    let (view, scratch) = (context.view, &mut context.out.scratch);
    match machine.recall(&operation.lookup) {
        Recall::Compared => view.recall(operation, end_us, scratch),
        Recall::Known(share) => {
            let is_alone = view.is_alone(operation.origin_owner(), end_us, scratch);
            (!is_alone).then_some(share)
        }
        Recall::Undefined => None,
    }
}

/// Closes an operation's lookup, which ended at `end_us`. Contacts in flight are abandoned.
pub fn close_lookup(out: &mut Outbox, operation: &mut Operation, end_us: u64) {
    operation.lookup_end_us = end_us;
    operation.end_us = end_us;
    operation.abandoned = operation.in_flight.len() as u32;
    operation.known = operation.lookup.shortlist.len() as u32;
    operation.in_flight.clear();
    operation.stage = Stage::LookedUp;
    out.closing.push(operation.slot);
}
