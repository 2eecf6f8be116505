//! py-dht's own way to schedule a lookup's contacts (`procedure = "py-dht"`), kept to compare
//! with what was published.
//!
//! An operation is evaluated whole when it starts, and ends at its start plus its duration. Contacts are
//! evaluated at once and wait in a buffer of alpha, from which the cheapest is handled; time is kept in
//! alpha lanes. Differences from the lookup by the clock: with fewer than alpha candidates nothing is
//! handled any more, the origin can be contacted, and it does not look in its own store.

use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::record::Outcome;

use crate::connection::{Field, Outbox};
use crate::lookup::{self, Poll, Question, first_to_complete};

/// What the origin's own table has named is known: the origin is charged. With overhead on, operations must
/// come in the order of (start, number).
pub fn begin(field: &Field, operation: &mut Operation) {
    operation.origin_overhead_us = field.charge(operation.origin);
    // With more lanes than nodes there are never enough contacts to handle one.
    let lanes = field.population.keys().len();
    let lanes = lanes.min(field.activity.rules.alpha as usize);
    operation.lanes_us.resize(lanes, 0);
}

/// Handles failures until an answer is to be read. `None`: the lookup has ended.
pub fn poll(field: &Field, operation: &mut Operation, slot: u32, out: &mut Outbox) -> Option<Poll> {
    let rules = &field.activity.rules;
    let start_us = operation.start_us;
    while operation.holder.is_none()
        && operation.idle_steps != rules.steps_to_stop
        && operation.shortlist.has_candidate()
    {
        // Costs are kept as completion times from 0.
        while operation.in_flight.len() < rules.alpha as usize
            && let Some(nearest) = operation
                .shortlist
                .take_nearest(&field.population, operation.key)
        {
            lookup::contact(field, operation, slot, (start_us, 0, nearest), out);
        }
        if operation.in_flight.len() < rules.alpha as usize {
            break;
        }
        let Some(cheapest) = first_to_complete(&operation.in_flight) else {
            break;
        };
        let contact = operation.in_flight.swap_remove(cheapest);
        if let Some(lane_us) = operation.lanes_us.iter_mut().min() {
            *lane_us = Contact::later_us(*lane_us, contact.completes_us);
        }
        if contact.fate.outcome == Outcome::Ok {
            return Some(Poll::Ask(Question::of(operation, contact)));
        }
        lookup::fail(operation, &contact);
    }
    let longest_us = operation.lanes_us.iter().copied().max().unwrap_or(0);
    let end_us = Contact::later_us(start_us, longest_us);
    lookup::end(field, operation, slot, end_us, out);
    debug_assert_eq!(operation.stage, Stage::Closing);
    None
}
