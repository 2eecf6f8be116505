//! `procedure = "rfm19"`: the walk by which ProbeLab's RFM 19.1 (of "DHT Routing Table Health", 2022) counts the hops of a
//! lookup, to compare with what was published.
//!
//! A walk goes in rounds. In each round the origin contacts all nodes of a set at once, and each answers with one whole
//! bucket of its table. The first set is the alpha closest nodes of the origin's own answer. Each later set is the beta
//! closest nodes named in the round before; nodes already contacted may be among them. The walk ends with the first
//! answer of a node that is among the network's beta closest, which only a simulator knows. That node is the result;
//! `depth` is the number of rounds, 0 where the node is the origin. A retrieve also ends with the value. A walk with no
//! node left to contact has no result and recall 0. A walk that reached one of the beta closest has recall null.
//!
//! 1. Completion times order the answers of a round, and a round starts when all answers of the round before are
//!    handled. They do not change the number of rounds.
//! 2. `known` counts the nodes named in all rounds.
//! 3. Under full knowledge each round gains at least a bit. In other tables a walk could cycle, so it ends after as many
//!    rounds as a key has bits.

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::Lookup;
use kadsim_engine::population::Population;
use kadsim_engine::shortlist::{Known, Note, Status};

use super::{Answered, Asks, Machine, Next, Recall};
use crate::rules::Rules;

/// The machine, with its rules.
#[derive(Clone, Copy, Debug)]
pub struct Rfm19(pub Rules);

impl Machine for Rfm19 {
    const KNOWS_TRUTH: bool = true;

    fn asks(self, has_value: bool, is_closest: bool) -> Asks {
        match has_value || is_closest {
            true => Asks::Nothing,
            false => Asks::Bucket,
        }
    }

    fn start(self, lookup: &mut Lookup, own: &Answered) {
        learn(lookup, own);
        begin_round(lookup, self.0.alpha);
    }

    fn next(self, lookup: &mut Lookup, _population: &Population) -> Next {
        if lookup.is_stopped {
            return Next::End;
        }
        if lookup.waiting == 0 && lookup.to_contact.is_empty() {
            begin_round(lookup, self.0.beta);
        }
        if let Some((distance, row)) = lookup.to_contact.pop() {
            lookup.waiting += 1;
            return Next::Contact(Known {
                row,
                distance,
                note: Note::new(lookup.round, Status::Contacted),
            });
        }
        match lookup.waiting {
            0 => Next::End,
            _ => Next::Wait,
        }
    }

    fn answered(self, lookup: &mut Lookup, _population: &Population, answered: &Answered) {
        lookup.waiting -= 1;
        learn(lookup, answered);
    }

    fn failed(self, lookup: &mut Lookup, _population: &Population, _row: Row) {
        lookup.waiting -= 1;
    }

    fn result(self, lookup: &Lookup, _population: &Population, result: &mut Vec<Row>) -> u16 {
        result.extend(lookup.reached);
        lookup.round
    }

    fn recall(self, lookup: &Lookup) -> Recall {
        match lookup.reached {
            Some(_) => Recall::Undefined,
            None => Recall::Known(0.0),
        }
    }
}

/// Ends the walk if the answering node has the value or is among the closest; else keeps the nodes that it names.
fn learn(lookup: &mut Lookup, answered: &Answered) {
    if answered.has_value || answered.is_closest {
        lookup.reached = Some(answered.row);
        lookup.is_stopped = true;
        return;
    }
    let origin = Some(lookup.origin);
    lookup
        .shortlist
        .join(answered.named, answered.depth, origin);
    let named = answered.named;
    let named = named.distances.iter().zip(&named.rows);
    lookup
        .named
        .extend(named.map(|(&distance, &row)| (distance, row)));
}

/// Begins the next round: it contacts the `most` closest of the nodes that the round before has named. A walk that has no
/// node to contact, or has had all its rounds, begins none.
fn begin_round(lookup: &mut Lookup, most: u32) {
    let Lookup {
        named,
        to_contact,
        round,
        origin,
        ..
    } = lookup;
    if u32::from(*round) < Key::BITS {
        named.sort_unstable();
        named.dedup();
        named.retain(|(_, row)| row != origin);
        named.truncate(most as usize);
        to_contact.extend(named.iter().rev());
        *round += u16::from(!to_contact.is_empty());
    }
    named.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::{Network, contact, rows};
    use crate::rules::{Procedure, Stop};

    const RULES: Rules = Rules {
        alpha: 1,
        beta: 2,
        steps_to_stop: 3,
        stop: Stop::NoProgress,
        procedure: Procedure::Rfm19,
        stall_us: None,
    };

    #[test]
    fn a_round_begins_when_all_of_the_one_before_are_handled() {
        let network = Network::of_keys(0..20);
        let machine = Rfm19(RULES);
        let mut lookup = network.lookup(machine, 19, &[9, 8]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 8);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        network.answers(machine, &mut lookup, 8, &[6, 5, 7, 19]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 5);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 6);
        network.answers(machine, &mut lookup, 5, &[3]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        network.fails(machine, &mut lookup, 6);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 3);
        assert_eq!(lookup.round, 3);
    }

    #[test]
    fn the_walk_ends_with_a_node_among_the_closest() {
        let network = Network::of_keys(0..20);
        let machine = Rfm19(RULES);
        let mut lookup = network.lookup(machine, 19, &[4]);
        let _ = machine.next(&mut lookup, &network.population());
        network.answers_as_closest(machine, &mut lookup, 4);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        assert_eq!(rows(&network.result(machine, &lookup)), [4]);
        assert_eq!(machine.recall(&lookup), Recall::Undefined);
    }

    #[test]
    fn a_walk_with_no_node_left_has_no_result() {
        let network = Network::of_keys(0..20);
        let machine = Rfm19(RULES);
        let mut lookup = network.lookup(machine, 19, &[4]);
        let _ = machine.next(&mut lookup, &network.population());
        network.fails(machine, &mut lookup, 4);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        assert_eq!(rows(&network.result(machine, &lookup)), []);
        assert_eq!(machine.recall(&lookup), Recall::Known(0.0));
        assert_eq!(lookup.round, 1);
    }
}
