//! `procedure = "iterative"`: the lookup by the clock (Maymounkov and Mazières, section 2.3).
//!
//! Up to alpha contacts are in flight, always to the nearest candidates. The lookup ends by its [`Stop`] rule, with the
//! value of a retrieve, or when it has no node left to contact.
//!
//! A follow-up ([`Stop::FollowUp`]) asks the k closest nodes of the moment at which it begins, without those that failed. It
//! adds no nodes to those known, and it ignores contacts in flight to other nodes. The result of the lookup is the nodes of
//! the follow-up that have answered, and the origin if it is among the closest.

use kadsim_engine::key::Distance;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{FollowUp, Lookup};
use kadsim_engine::population::Population;
use kadsim_engine::shortlist::{Known, Status};

use super::{Answered, Machine, Next};
use crate::rules::{Rules, Stop};

/// The machine, with its rules.
#[derive(Clone, Copy, Debug)]
pub struct Iterative {
    rules: Rules,
    /// Nodes in a result.
    results: usize,
}

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
        if self.may_contact(lookup)
            && let Some(nearest) = lookup.shortlist.take_nearest(population, lookup.key)
        {
            lookup.waiting += 1;
            if let Some(follow_up) = &mut lookup.follow_up {
                follow_up.unasked -= 1;
            }
            return Next::Contact(nearest);
        }
        match lookup.waiting {
            0 => Next::End,
            _ => Next::Wait,
        }
    }

    // Without being told to, the compiler leaves it a call, at each contact.
    #[inline(always)]
    fn answered(self, lookup: &mut Lookup, population: &Population, answered: &Answered) {
        if let Some(follow_up) = lookup.follow_up {
            lookup.is_stopped = answered.has_value;
            return complete(
                follow_up,
                lookup,
                population,
                answered.row,
                Status::Answered,
            );
        }
        lookup.waiting -= 1;
        let origin = Some(lookup.origin);
        learn(lookup, answered, origin);
        lookup.is_stopped = answered.has_value || self.stops(lookup, population);
    }

    #[inline]
    fn failed(self, lookup: &mut Lookup, population: &Population, row: Row) {
        if let Some(follow_up) = lookup.follow_up {
            return complete(follow_up, lookup, population, row, Status::Failed);
        }
        lookup.waiting -= 1;
        lookup.shortlist.set_status(row, Status::Failed);
        lookup.is_stopped = self.stops(lookup, population);
    }

    fn result(self, lookup: &Lookup, population: &Population, result: &mut Vec<Row>) -> u16 {
        let with_failed = self.rules.stop == Stop::NoProgress;
        let counts = move |known: &Known| match (known.note.status(), lookup.follow_up) {
            (Status::Answered | Status::Origin, Some(follow_up)) => {
                known.distance <= follow_up.farthest
            }
            (_, Some(_)) => false,
            (status, None) => with_failed || status != Status::Failed,
        };
        take(lookup.nearest(population, self.results, counts), result)
    }
}

impl Iterative {
    /// Returns the machine for networks whose buckets have at most `k` entries.
    #[inline]
    pub fn new(rules: Rules, k: u8) -> Self {
        Self {
            rules,
            results: rules.results(k) as usize,
        }
    }

    /// Returns the number of nodes in a result.
    #[inline]
    pub fn results(self) -> usize {
        self.results
    }

    /// Returns whether the lookup may have one more contact in flight.
    #[inline]
    fn may_contact(self, lookup: &Lookup) -> bool {
        match lookup.follow_up {
            None => lookup.waiting - lookup.stalled < self.rules.alpha,
            Some(follow_up) => follow_up.unasked > 0,
        }
    }

    /// Returns whether the stop rule ends the lookup. Begins the follow-up if there is one and it is time.
    #[inline]
    fn stops(self, lookup: &mut Lookup, population: &Population) -> bool {
        match self.rules.stop {
            Stop::NoProgress => lookup.idle_steps == self.rules.steps_to_stop,
            Stop::ClosestAnswered => self.have_closest_answered(lookup, population),
            Stop::FollowUp => {
                if self.have_closest_answered(lookup, population) {
                    self.begin_follow_up(lookup, population);
                }
                false
            }
        }
    }

    /// Returns whether the beta closest nodes have answered.
    #[inline]
    fn have_closest_answered(self, lookup: &Lookup, population: &Population) -> bool {
        let mut left = self.rules.beta;
        for known in lookup.shortlist.head() {
            match known.note.status() {
                Status::Candidate | Status::Contacted => return false,
                Status::Failed | Status::Origin => {}
                Status::Answered if left == 1 => return true,
                Status::Answered => left -= 1,
            }
        }
        // The head alone does not tell: the lookup knows few nodes, or many have failed.
        lookup
            .nearest(population, self.rules.beta as usize, may_answer)
            .all(|known| known.note.status() == Status::Answered)
    }

    /// Begins the follow-up.
    #[cold]
    fn begin_follow_up(self, lookup: &mut Lookup, population: &Population) {
        let mut follow_up = FollowUp {
            unasked: 0,
            farthest: Distance(u64::MAX),
        };
        let (mut waiting, mut asked) = (0, 0);
        for known in lookup.nearest(population, self.results, may_answer) {
            follow_up.unasked += u32::from(known.note.status() == Status::Candidate);
            waiting += u32::from(known.note.status() == Status::Contacted);
            asked += 1;
            if asked == self.results {
                follow_up.farthest = known.distance;
            }
        }
        lookup.waiting = waiting;
        lookup.follow_up = Some(follow_up);
    }
}

/// Counts a contact that has completed during a follow-up, which waits for those of its nodes alone.
#[cold]
fn complete(
    follow_up: FollowUp,
    lookup: &mut Lookup,
    population: &Population,
    row: Row,
    status: Status,
) {
    lookup.shortlist.set_status(row, status);
    let distance = population.key(row).distance(lookup.key);
    lookup.waiting -= u32::from(distance <= follow_up.farthest);
}

/// Returns whether a known node has answered or still may.
#[inline]
fn may_answer(known: &Known) -> bool {
    !matches!(known.note.status(), Status::Failed | Status::Origin)
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

    const RULES: Rules = Rules {
        alpha: 2,
        beta: 3,
        steps_to_stop: 2,
        stop: Stop::NoProgress,
        ..Rules::DEFAULT
    };

    #[test]
    fn it_keeps_alpha_contacts_in_flight_nearest_first() {
        let network = Network::of_keys(0..20);
        let machine = Iterative::new(RULES, 3);
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
        let machine = Iterative::new(RULES, 3);
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
        let machine = Iterative::new(
            Rules {
                stop: Stop::ClosestAnswered,
                ..RULES
            },
            3,
        );
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

    /// A machine that follows up when the closest node has answered.
    fn with_follow_up(alpha: u32, k: u8) -> Iterative {
        let rules = Rules {
            alpha,
            beta: 1,
            stop: Stop::FollowUp,
            ..RULES
        };
        Iterative::new(rules, k)
    }

    #[test]
    fn a_follow_up_asks_all_of_the_k_closest_at_once() {
        let network = Network::of_keys(0..20);
        let machine = with_follow_up(2, 4);
        let mut lookup = network.lookup(machine, 19, &[9, 12, 5]);
        let contact_next =
            |lookup: &mut Lookup| contact(machine.next(lookup, &network.population()));
        assert_eq!(contact_next(&mut lookup), 5);
        assert_eq!(contact_next(&mut lookup), 9);
        network.answers(machine, &mut lookup, 5, &[2, 3, 4, 6]);
        assert_eq!(contact_next(&mut lookup), 2);
        // 2 is the closest. It has answered, so 3, 4 and 5 are asked too, although 9 is still in flight.
        network.answers(machine, &mut lookup, 2, &[3, 4]);
        assert_eq!(contact_next(&mut lookup), 3);
        assert_eq!(contact_next(&mut lookup), 4);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        // What a follow-up hears of is not asked.
        network.answers(machine, &mut lookup, 3, &[1]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        network.fails(machine, &mut lookup, 4);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        // A node that failed leaves a gap: 6 was not asked.
        assert_eq!(rows(&network.result(machine, &lookup)), [2, 3, 5]);
    }

    /// The origin fills no gap that a node of the follow-up leaves.
    #[test]
    fn the_origin_is_in_the_result_of_a_follow_up_if_it_is_near() {
        let network = Network::of_keys(0..20);
        let machine = with_follow_up(1, 3);
        for (origin, result) in [(3, vec![1, 3]), (5, vec![1, 4])] {
            let mut lookup = network.lookup(machine, origin, &[1, 2, 4]);
            assert_eq!(contact(machine.next(&mut lookup, &network.population())), 1);
            network.answers(machine, &mut lookup, 1, &[origin]);
            for row in [2, 4] {
                let next = machine.next(&mut lookup, &network.population());
                assert_eq!(contact(next), row);
            }
            network.fails(machine, &mut lookup, 2);
            match origin {
                3 => network.fails(machine, &mut lookup, 4),
                _ => network.answers(machine, &mut lookup, 4, &[]),
            }
            assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
            assert_eq!(rows(&network.result(machine, &lookup)), result);
        }
    }

    #[test]
    fn a_follow_up_waits_for_its_own_contacts_only() {
        let network = Network::of_keys(0..20);
        let machine = with_follow_up(3, 2);
        let mut lookup = network.lookup(machine, 19, &[1, 2, 3]);
        for row in [1, 2, 3] {
            assert_eq!(
                contact(machine.next(&mut lookup, &network.population())),
                row
            );
        }
        network.answers(machine, &mut lookup, 1, &[]);
        // 3 is none of the two closest.
        network.answers(machine, &mut lookup, 3, &[]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        network.answers(machine, &mut lookup, 2, &[]);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::End);
        assert_eq!(rows(&network.result(machine, &lookup)), [1, 2]);
    }

    #[test]
    fn a_contact_that_has_stalled_makes_room_for_another() {
        let network = Network::of_keys(0..20);
        let machine = Iterative::new(Rules { alpha: 1, ..RULES }, 3);
        let mut lookup = network.lookup(machine, 19, &[1, 2]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 1);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
        lookup.stalled = 1;
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 2);
        assert_eq!(machine.next(&mut lookup, &network.population()), Next::Wait);
    }

    #[test]
    fn it_ends_with_the_value_or_with_no_node_left() {
        let network = Network::of_keys(0..20);
        let machine = Iterative::new(RULES, 3);
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
        let machine = Iterative::new(RULES, 3);
        let mut lookup = network.lookup(machine, 0, &[3]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 3);
        network.answers(machine, &mut lookup, 3, &[0, 2]);
        assert_eq!(contact(machine.next(&mut lookup, &network.population())), 2);
        let mut result = Vec::new();
        let depth = machine.result(&lookup, &network.population(), &mut result);
        assert_eq!((rows(&result), depth), (vec![0, 2, 3], 2));
    }
}
