//! The lookup (Maymounkov and Mazières, section 2.3).
//!
//! A lookup procedure is a [`Machine`]: it decides which node is contacted next, what an answer or a failure means, when
//! the lookup ends and what its result is. It knows no clock, no links and no network. [`contacts`] drives it: it
//! sends the contacts that the machine asks for, draws their fates, and passes each answer or failure to the machine when
//! it is due. The README of this crate lists the steps to add a procedure.

pub mod contacts;
mod iterative;
mod py_dht;
mod rfm19;

use bevy_ecs::prelude::*;

use kadsim_engine::answer::Answer;
use kadsim_engine::node::{Column, Contacts, Overhead, Row};
use kadsim_engine::operation::{Lookup, Operation, Operations};
use kadsim_engine::population::Population;
use kadsim_engine::shortlist::Known;

use crate::context::{Charges, Context};
use crate::interleaving::INTERLEAVED_MAX;
use crate::outbox::Outboxes;
use crate::rules::Procedure;
use crate::view::{Readable, View};
use crate::{completion, provide};

pub use iterative::Iterative;
use py_dht::PyDht;
use rfm19::Rfm19;

/// What a lookup does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// It contacts this node.
    Contact(Known),
    /// It waits for a contact in flight.
    Wait,
    /// It ends. Contacts in flight are abandoned.
    End,
}

/// What a lookup asks a node for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The k nodes of its table that are closest to the key.
    Closest,
    /// The whole bucket that the key falls in. If it is empty, all deeper buckets together; if they are empty too, the
    /// nearest shallower bucket that is not.
    Bucket,
    /// Nothing: the lookup does not read the nodes that an answer would name.
    Nothing,
}

/// An answer, as a machine reads it.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The node that answered.
    pub row: Row,
    /// Its depth; 0 for the origin's own table.
    pub depth: u16,
    /// The nodes it names.
    pub named: &'a Answer,
    /// Whether the answer carries the value of a retrieve.
    pub has_value: bool,
    /// Whether the node is among the network's beta closest to the key; `false` for machines without
    /// [`Machine::KNOWS_TRUTH`].
    pub is_closest: bool,
}

/// How the recall of a result is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recall {
    /// By comparison with the network's beta closest online nodes.
    Compared,
    /// It is this share, 0 to 1.
    Known(f32),
    /// It is not defined.
    Undefined,
}

/// A lookup procedure: a state machine without a world. Its state is the [`Lookup`].
pub trait Machine: Copy + Send + Sync {
    /// Whether contacts are handled when they complete. Otherwise each is evaluated when it is sent, they are handled in
    /// the order of cost, and time is kept in alpha lanes.
    const BY_CLOCK: bool = true;
    /// Whether [`Answered::is_closest`] is computed, from full knowledge of the network, which only a simulator has.
    const KNOWS_TRUTH: bool = false;

    /// Returns what to ask a node for, given whether it has the value and whether it is among the closest.
    fn asks(self, _has_value: bool, _is_closest: bool) -> Asks {
        Asks::Closest
    }

    /// Handles the answer of the origin's own table.
    fn start(self, lookup: &mut Lookup, own: &Answered);

    /// Decides what the lookup does next. Called again after each [`Next::Contact`].
    fn next(self, lookup: &mut Lookup, population: &Population) -> Next;

    /// Handles the answer to a contact.
    fn answered(self, lookup: &mut Lookup, population: &Population, answered: &Answered);

    /// Handles the failure of a contact.
    fn failed(self, lookup: &mut Lookup, population: &Population, row: Row);

    /// Puts the result into `result`, nearest first, and returns its largest depth.
    fn result(self, lookup: &Lookup, population: &Population, result: &mut Vec<Row>) -> u16;

    /// Returns how the recall of the result is found.
    fn recall(self, _lookup: &Lookup) -> Recall {
        Recall::Compared
    }
}

/// Work that is compiled once for each machine.
trait WithMachine {
    fn run(self, machine: impl Machine);
}

/// Runs the work with the machine of the rules' procedure.
fn with_machine(view: &View, work: impl WithMachine) {
    let rules = *view.rules;
    match rules.procedure {
        Procedure::Iterative => work.run(Iterative::new(rules, view.k())),
        Procedure::PyDht => work.run(PyDht(rules)),
        Procedure::Rfm19 => work.run(Rfm19(rules)),
    }
}

/// Advances all lookups that have an event in the window, in parallel. Cost: O(operations in flight) to find them, then
/// O(k) for each contact handled.
pub fn advance_lookups(
    readable: Readable,
    mut contacts: Column<Contacts>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    struct Advance<'a>(&'a View<'a>, &'a mut Operations, &'a mut Outboxes);
    impl WithMachine for Advance<'_> {
        fn run(self, machine: impl Machine) {
            let Advance(view, operations, outboxes) = self;
            let instrumented = view.recording.instrumented;
            let interleaved = if instrumented { 1 } else { INTERLEAVED_MAX };
            outboxes.for_each_chunk(operations, !instrumented, |chunk| {
                contacts::advance(chunk, view, machine, interleaved);
            });
        }
    }
    let view = readable.view(contacts.as_mut_slice());
    with_machine(&view, Advance(&view, &mut operations, &mut outboxes));
}

/// Evaluates operations whole, one after the other, in the order of (start, number): lookup, stores and end. Overhead is
/// charged on the way, because under py-dht's procedure an operation's charges precede those of the next one.
pub fn evaluate_in_order(
    readable: Readable,
    mut contacts: Column<Contacts>,
    mut overhead: Column<Overhead>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    struct Evaluate<'a, 'b>(&'a mut Context<'b>, &'a mut Operation);
    impl WithMachine for Evaluate<'_, '_> {
        fn run(self, machine: impl Machine) {
            contacts::evaluate(self.0, self.1, machine);
        }
    }
    let view = readable.view(contacts.as_mut_slice());
    let overhead = overhead.as_mut_slice();
    for chunk in outboxes.chunks(&mut operations) {
        for (operation, next_event_us) in chunk.slots.iter_mut().zip(chunk.next_events_us) {
            if *next_event_us >= view.window.until_us {
                continue;
            }
            let mut context = Context {
                view: &view,
                out: chunk.out,
                charges: Charges::Now(&mut *overhead),
            };
            with_machine(&view, Evaluate(&mut context, operation));
            provide::send_stores(&mut context, operation);
            completion::complete(&view.window, operation, context.out);
            *next_event_us = completion::next_event_us(operation);
        }
        chunk.out.closing.clear();
    }
}

#[cfg(test)]
mod tests;
