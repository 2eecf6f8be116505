//! The barrier of a step: what operations share is settled in one order, whatever threads did before.
//!
//! Overhead is charged to each send in (time, operation, sequence) order, which fixes its completion time;
//! stores are entered with the time from which they are visible. Cost: O(s log s) for s sends.

use bevy_ecs::prelude::*;
use rayon::slice::ParallelSliceMut;

use kadsim_engine::hardware::Touch;
use kadsim_engine::link::Links;
use kadsim_engine::node::{Columns, Nodes, Row};
use kadsim_engine::operation::{Contact, Operation, Operations, Stage};
use kadsim_engine::record::Request;
use kadsim_engine::segments::Segments;

use crate::advance::Outboxes;
use crate::connection::{Send, Sent, Stored};
use crate::provide;
use crate::step::Activity;

/// Everything sent in a step, in the order of charging, if anybody needs it.
#[derive(Resource, Default)]
pub struct Sends(pub Vec<Send>);

/// The system.
pub fn settle_contacts(
    nodes: Nodes,
    links: Res<Links>,
    activity: Res<Activity>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
    mut sends: ResMut<Sends>,
    mut segments: ResMut<Segments>,
) {
    let sends = &mut sends.0;
    sends.clear();
    for out in outboxes.iter_mut() {
        sends.append(&mut out.sends);
    }
    outboxes.enter_stores(&mut segments);
    if sends.len() > 4096 {
        sends.par_sort_unstable_by_key(Send::order);
    } else {
        sends.sort_unstable_by_key(Send::order);
    }
    if links.is_charged() && activity.rules.procedure.is_by_clock() {
        let (slots, next_events_us) = operations.slots_mut();
        let mut stores = Vec::new();
        charge(
            nodes.columns(),
            &links,
            sends,
            slots,
            next_events_us,
            &mut stores,
        );
        for Stored {
            row,
            key,
            visible_us,
        } in stores
        {
            segments.insert(row, key, visible_us);
        }
    }
}

/// Charges each of the sends, which are in order, and tells the operations when they complete.
fn charge(
    columns: Columns,
    links: &Links,
    sends: &mut [Send],
    slots: &mut [Operation],
    next_events_us: &mut [u64],
    stores: &mut Vec<Stored>,
) {
    /// Sends ahead whose counter and operation are fetched from memory.
    const AHEAD: usize = 12;
    let use_of = |row: Row| links.charge(&columns.activity[row.index()]);
    let mut touch = Touch::default();
    for place in 0..sends.len() {
        if let Some(ahead) = sends.get(place + 2 * AHEAD) {
            touch.item(slots, ahead.slot as usize);
        }
        if let Some(ahead) = sends.get(place + AHEAD) {
            let in_flight = &slots[ahead.slot as usize].in_flight;
            touch.range(in_flight, 0..in_flight.len());
            if let Sent::Contact { to, .. } = ahead.what {
                touch.item(columns.activity, to.index());
            }
        }
        let send = &mut sends[place];
        let operation = &mut slots[send.slot as usize];
        let next_event_us = &mut next_events_us[send.slot as usize];
        let Sent::Contact {
            to,
            request,
            fate,
            overhead_us,
        } = &mut send.what
        else {
            operation.origin_overhead_us = use_of(send.from);
            continue;
        };
        let origin_us = match request {
            Request::Lookup => operation.origin_overhead_us,
            Request::Store => use_of(send.from),
        };
        *overhead_us = (origin_us, use_of(*to));
        let completes_us = Contact::completion_us(send.time_us, *fate, *overhead_us);
        if *request == Request::Store {
            provide::complete_store(operation, *to, *fate, completes_us, stores);
            debug_assert_eq!(operation.stage, Stage::Closing);
            *next_event_us = operation.before_cut(operation.end_us);
            continue;
        }
        // An operation that stopped in the meantime has abandoned it.
        let mut in_flight = operation.in_flight.iter_mut();
        if let Some(contact) = in_flight.find(|contact| contact.sequence == send.sequence) {
            contact.completes_us = completes_us;
            *next_event_us = operation.before_cut(completes_us).min(*next_event_us);
        }
    }
}
