//! `procedure = "iterative"`: the lookup by the clock (Maymounkov and Mazières, section 2.3).
//!
//! Up to alpha contacts are in flight, always to the nearest candidates. The lookup ends by its [`Stop`] rule, with the
//! value of a retrieve, or when it has no node left to contact.

use kadsim_engine::node::Row;
use kadsim_engine::operation::Lookup;
use kadsim_engine::population::Population;
use kadsim_engine::shortlist::{Known, Status};

use super::{Answered, Machine, Next};
use crate::rules::{Rules, Stop};

/// The machine, with its rules.
#[derive(Clone, Copy, Debug)]
pub struct Iterative(pub Rules);

impl Machine for Iterative {
    #[inline]
    fn start(self, lookup: &mut Lookup, own: &Answered) {
        let origin = Some(lookup.origin);
        lookup.shortlist.join(own.named, 1, origin);
    }

    #[inline]
    fn next(self, lookup: &mut Lookup, population: &Population) -> Next {
        if lookup.is_stopped {
            return Next::End;
        }
        if lookup.waiting < self.0.alpha
            && let Some(nearest) = lookup.shortlist.take_nearest(population, lookup.key)
        {
            lookup.waiting += 1;
            return Next::Contact(nearest);
        }
        match lookup.waiting {
            0 => Next::End,
            _ => Next::Wait,
        }
    }

    #[inline]
    fn answered(self, lookup: &mut Lookup, population: &Population, answered: &Answered) {
        lookup.waiting -= 1;
        let origin = Some(lookup.origin);
        learn(lookup, answered, origin);
        lookup.is_stopped = answered.has_value || self.stops(lookup, population);
    }

    #[inline]
    fn failed(self, lookup: &mut Lookup, population: &Population, row: Row) {
        lookup.waiting -= 1;
        lookup.shortlist.set_status(row, Status::Failed);
        lookup.is_stopped = self.stops(lookup, population);
    }

    fn result(self, lookup: &Lookup, population: &Population, result: &mut Vec<Row>) -> u16 {
        let without_failed = self.0.stop == Stop::ClosestAnswered;
        let counts =
            move |known: &Known| !(without_failed && known.note.status() == Status::Failed);
        take(
            lookup.nearest(population, self.0.beta as usize, counts),
            result,
        )
    }
}

impl Iterative {
    /// Returns whether the stop rule ends the lookup.
    #[inline]
    fn stops(self, lookup: &Lookup, population: &Population) -> bool {
        match self.0.stop {
            Stop::NoProgress => lookup.idle_steps == self.0.steps_to_stop,
            Stop::ClosestAnswered => {
                let counts =
                    |known: &Known| !matches!(known.note.status(), Status::Failed | Status::Origin);
                lookup
                    .nearest(population, self.0.beta as usize, counts)
                    .all(|known| known.note.status() == Status::Answered)
            }
        }
    }
}

/// Adds the nodes of an answer to the shortlist. Progress is a new node that is closer than the farthest one known
/// before. `origin` is never contacted.
#[inline]
pub(super) fn learn(lookup: &mut Lookup, answered: &Answered, origin: Option<Row>) {
    let shortlist = &mut lookup.shortlist;
    shortlist.set_status(answered.row, Status::Answered);
    let depth = answered.depth.saturating_add(1);
    let progress = shortlist.join(answered.named, depth, origin);
    lookup.idle_steps = if progress { 0 } else { lookup.idle_steps + 1 };
}

/// Appends nodes to a result and returns their largest depth.
pub(super) fn take(nodes: impl Iterator<Item = Known>, result: &mut Vec<Row>) -> u16 {
    let mut depth = 0;
    for known in nodes {
        result.push(known.row);
        depth = depth.max(known.note.depth());
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::{Network, contact, rows};
    use crate::rules::Procedure;

    const RULES: Rules = Rules {
        alpha: 2,
        beta: 3,
        steps_to_stop: 2,
        stop: Stop::NoProgress,
        procedure: Procedure::Iterative,
    };

    #[test]
    fn it_keeps_alpha_contacts_in_flight_nearest_first() {
        let network = Network::of_keys(0..20);
        let machine = Iterative(RULES);
        let mut lookup = network.lookup(machine, 19, &[9, 5, 7]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 5);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 7);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        network.answers(machine, &mut lookup, 7, &[4, 9]);
        // A nearer node that the answer names goes first.
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 4);
    }

    #[test]
    fn it_stops_after_answers_in_a_row_without_progress() {
        let network = Network::of_keys(0..20);
        let machine = Iterative(RULES);
        let mut lookup = network.lookup(machine, 19, &[1, 2, 3, 4]);
        let _ = machine.next(&mut lookup, &network.population());
        let _ = machine.next(&mut lookup, &network.population());
        network.answers(machine, &mut lookup, 1, &[2, 3]);
        // A failure is no answer.
        network.fails(machine, &mut lookup, 2);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 3);
        // The farthest known node does not count as progress, nor does one beyond it.
        network.answers(machine, &mut lookup, 3, &[4, 18]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        // A node that failed may be in the result.
        assert_eq!(rows(&network.result(machine, &lookup)), [1, 2, 3]);
    }

    #[test]
    fn it_stops_once_the_closest_have_answered_and_leaves_out_those_that_failed() {
        let network = Network::of_keys(0..20);
        let machine = Iterative(Rules {
            stop: Stop::ClosestAnswered,
            ..RULES
        });
        let mut lookup = network.lookup(machine, 19, &[1, 2, 3, 4]);
        for row in [1, 2, 3] {
            let _ = machine.next(&mut lookup, &network.population());
            if row == 2 {
                network.fails(machine, &mut lookup, row);
            } else {
                network.answers(machine, &mut lookup, row, &[]);
            }
            assert!(!lookup.is_stopped);
        }
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 4);
        network.answers(machine, &mut lookup, 4, &[]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        assert_eq!(rows(&network.result(machine, &lookup)), [1, 3, 4]);
    }

    #[test]
    fn it_ends_with_the_value_or_with_no_node_left() {
        let network = Network::of_keys(0..20);
        let machine = Iterative(RULES);
        let mut lookup = network.lookup(machine, 19, &[1, 2]);
        let _ = machine.next(&mut lookup, &network.population());
        network.answers_with_value(machine, &mut lookup, 1, &[0]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        // The answer that carries the value has joined what is known.
        assert_eq!(rows(&network.result(machine, &lookup)), [0, 1, 2]);

        let mut lookup = network.lookup(machine, 19, &[1]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 1);
        network.fails(machine, &mut lookup, 1);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
    }

    #[test]
    fn it_never_contacts_the_origin_and_counts_depth_from_its_table() {
        let network = Network::of_keys(0..20);
        let machine = Iterative(RULES);
        let mut lookup = network.lookup(machine, 0, &[3]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 3);
        network.answers(machine, &mut lookup, 3, &[0, 2]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 2);
        let mut result = Vec::new();
        let depth = machine.result(&lookup, &network.population(), &mut result);
        assert_eq!((rows(&result), depth), (vec![0, 2, 3], 2));
    }
}
