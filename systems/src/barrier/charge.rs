//! Charges overhead to the contacts of a step, which fixes when they complete.
//!
//! Overhead is charged in the order of (time, operation, sequence). Cost: O(s log s) for s contacts.

use bevy_ecs::prelude::*;
use rayon::slice::ParallelSliceMut;

use kadsim_engine::hardware::Prefetcher;
use kadsim_engine::link::{Charge, Links};
use kadsim_engine::node::{Column, Overhead, Row};
use kadsim_engine::operation::{Contact, Operation, Operations};
use kadsim_engine::record::Request;

use crate::outbox::{Outbox, Outboxes, Send, Sent, Stored};
use crate::provide;
use crate::rules::Rules;

/// Distance, in contacts, at which counters are prefetched; operations at twice that.
const AHEAD: usize = 12;
/// Number of contacts from which several threads sort them.
const MANY: usize = 4096;

/// Contacts and uses of origins of the last step, in the order of charging. Empty if they are neither charged nor
/// recorded.
#[derive(Resource, Default)]
pub struct Sends(pub Vec<Send>);

impl Sends {
    /// Replaces the sends by those of a window's outboxes, in their order.
    pub fn take<'a>(&mut self, outboxes: impl Iterator<Item = &'a mut Outbox>) {
        self.0.clear();
        outboxes.for_each(|out| self.0.append(&mut out.sends));
        match self.0.len() {
            MANY.. => self.0.par_sort_unstable_by_key(Send::order),
            _ => self.0.sort_unstable_by_key(Send::order),
        }
    }
}

/// Charges the contacts of the step and fixes when they complete, and when the operations that sent them go on.
pub fn charge_contacts(
    links: Res<Links>,
    rules: Res<Rules>,
    mut overhead: Column<Overhead>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
    mut sends: ResMut<Sends>,
) {
    sends.take(outboxes.iter_mut());
    let sends = &mut sends.0;
    if sends.is_empty() {
        return;
    }
    // Under py-dht's procedure an operation charges its contacts when it sends them.
    if links.is_charged() && rules.procedure.is_by_clock() {
        let Some(out) = outboxes.iter_mut().next() else {
            unreachable!("contacts come from outboxes");
        };
        let slots = operations.slots_mut();
        let mut charging = Charging {
            overhead: overhead.as_mut_slice(),
            links: &links,
            slots: slots.operations,
            next_events_us: slots.next_event_us,
            stores: &mut out.stores,
        };
        charging.charge_all(sends);
    }
}

/// What charging reads and writes.
struct Charging<'a> {
    overhead: &'a mut [Overhead],
    links: &'a Links,
    slots: &'a mut [Operation],
    next_events_us: &'a mut [u64],
    /// Receives the stores, whose arrival charging fixes.
    stores: &'a mut Vec<Stored>,
}

impl Charging<'_> {
    /// Charges all contacts, in their order.
    fn charge_all(&mut self, sends: &mut [Send]) {
        let mut prefetcher = Prefetcher::default();
        for index in 0..sends.len() {
            if let Some(ahead) = sends.get(index + 2 * AHEAD) {
                prefetcher.item(self.slots, ahead.slot.index());
            }
            if let Some(ahead) = sends.get(index + AHEAD) {
                let in_flight = &self.slots[ahead.slot.index()].in_flight;
                prefetcher.range(in_flight, 0..in_flight.len());
                if let Sent::Contact { to, .. } = ahead.what {
                    prefetcher.item(self.overhead, to.index());
                }
            }
            self.charge(&mut sends[index]);
        }
    }

    /// Charges a contact or the use of an origin, and fixes when the contact completes.
    fn charge(&mut self, send: &mut Send) {
        let Sent::Contact {
            to, request, fate, ..
        } = send.what
        else {
            let origin_us = self.charge_node(send.from);
            self.slots[send.slot.index()].origin_overhead_us = origin_us;
            return;
        };
        let origin_us = match request {
            Request::Lookup => self.slots[send.slot.index()].origin_overhead_us,
            Request::Store => self.charge_node(send.from),
        };
        let charged = Charge {
            origin_us,
            remote_us: self.charge_node(to),
        };
        if let Sent::Contact { charge, .. } = &mut send.what {
            *charge = charged;
        }
        let completes_us = Contact::completion_us(send.time_us, fate, charged);
        let operation = &mut self.slots[send.slot.index()];
        let next_event_us = &mut self.next_events_us[send.slot.index()];
        if request == Request::Store {
            provide::complete_store(operation, to, fate, completes_us, self.stores);
            *next_event_us = operation.before_cut(operation.end_us);
            return;
        }
        // A lookup that has ended since has abandoned the contact.
        let mut in_flight = operation.in_flight.iter_mut();
        if let Some(contact) = in_flight.find(|contact| contact.sequence == send.sequence) {
            contact.completes_us = completes_us;
            *next_event_us = operation.before_cut(completes_us).min(*next_event_us);
        }
    }

    /// Charges a use of a node and returns its overhead, µs.
    #[inline]
    fn charge_node(&mut self, row: Row) -> u64 {
        self.links.charge(&mut self.overhead[row.index()])
    }
}
