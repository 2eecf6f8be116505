//! `procedure = "py-dht"`: py-dht's own way to schedule the contacts of a lookup, to compare with what was published.
//!
//! An operation is evaluated whole when it starts, and ends at its start plus its duration. Contacts are evaluated when
//! they are sent and wait in a buffer of alpha, from which the cheapest is handled. Time is kept in alpha lanes.
//! Differences from the lookup by the clock:
//!
//! 1. With fewer than alpha candidates no contact is handled any more, and the buffer is dropped.
//! 2. The origin can be contacted, and does not look in its own store.

use kadsim_engine::node::Row;
use kadsim_engine::operation::Lookup;
use kadsim_engine::population::Population;
use kadsim_engine::shortlist::Status;

use super::iterative::{learn, take};
use super::{Answered, Machine, Next};
use crate::rules::Rules;

/// The machine, with its rules. Its stop rule is [`Stop::NoProgress`](crate::rules::Stop::NoProgress).
#[derive(Clone, Copy, Debug)]
pub struct PyDht(pub Rules);

impl Machine for PyDht {
    const BY_CLOCK: bool = false;

    fn start(self, lookup: &mut Lookup, own: &Answered) {
        lookup.shortlist.join(own.named, 1, None);
    }

    #[inline]
    fn next(self, lookup: &mut Lookup, population: &Population) -> Next {
        if lookup.is_stopped {
            return Next::End;
        }
        if lookup.waiting >= self.0.alpha {
            return Next::Wait;
        }
        match lookup.shortlist.take_nearest(population, lookup.key) {
            Some(nearest) => {
                lookup.waiting += 1;
                Next::Contact(nearest)
            }
            None => Next::End,
        }
    }

    #[inline]
    fn answered(self, lookup: &mut Lookup, _population: &Population, answered: &Answered) {
        lookup.waiting -= 1;
        learn(lookup, answered, None);
        lookup.is_stopped = answered.has_value || lookup.idle_steps == self.0.steps_to_stop;
    }

    #[inline]
    fn failed(self, lookup: &mut Lookup, _population: &Population, row: Row) {
        lookup.waiting -= 1;
        lookup.shortlist.set_status(row, Status::Failed);
    }

    fn result(self, lookup: &Lookup, population: &Population, result: &mut Vec<Row>) -> u16 {
        take(
            lookup.nearest(population, self.0.beta as usize, |_| true),
            result,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::{Network, contact, rows};
    use crate::rules::{Procedure, Stop};

    const RULES: Rules = Rules {
        alpha: 2,
        beta: 3,
        steps_to_stop: 2,
        stop: Stop::NoProgress,
        procedure: Procedure::PyDht,
        stall_us: None,
    };

    #[test]
    fn with_fewer_than_alpha_candidates_it_handles_no_contact() {
        let network = Network::of_keys(0..20);
        let machine = PyDht(RULES);
        let mut lookup = network.lookup(machine, 19, &[6]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 6);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        assert_eq!(lookup.waiting, 1);
    }

    #[test]
    fn it_waits_with_a_full_buffer_even_if_no_candidate_is_left() {
        let network = Network::of_keys(0..20);
        let machine = PyDht(RULES);
        let mut lookup = network.lookup(machine, 19, &[6, 7]);
        let _ = machine.next(&mut lookup, &network.population());
        let _ = machine.next(&mut lookup, &network.population());
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        network.answers(machine, &mut lookup, 7, &[]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        assert_eq!(rows(&network.result(machine, &lookup)), [6, 7]);
    }

    #[test]
    fn it_contacts_the_origin_as_any_other_node() {
        let network = Network::of_keys(0..20);
        let machine = PyDht(RULES);
        let mut lookup = network.lookup(machine, 0, &[0, 3]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 0);
    }
}
