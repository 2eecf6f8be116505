//! The order in which a chunk handles the events of a window.
//!
//! Events are large, so numbers are sorted in their place: first by node with a radix sort, then those of each node by time,
//! which are few.

use kadsim_engine::node::Row;

use super::event::Event;

/// Bits of a digit of the radix sort.
const DIGIT_BITS: u32 = 7;
/// Values of a digit.
const DIGITS: usize = 1 << DIGIT_BITS;
/// Events from which on the radix sort is faster.
const MANY: usize = 128;
/// Position of the node in a number, which has its time (64 bits), its rank (8) and its index (32) below.
const NODE: u32 = 104;

/// The order of events.
#[derive(Debug, Default)]
pub struct Order {
    numbers: Vec<u128>,
    /// Memory of the radix sort, reused.
    spare: Vec<u128>,
}

impl Order {
    /// Sorts the events of a chunk that begins at row `first`. Cost: O(events · log(events of one node)).
    pub fn sort(&mut self, events: &[Event], first: Row) {
        self.numbers.clear();
        let numbered = events.iter().zip(0u32..).map(|(event, index)| {
            let (node, rank) = (event.node.0 - first.0, event.what.rank());
            let (time_us, rank) = (u128::from(event.time_us), u128::from(rank));
            u128::from(node) << NODE | time_us << 40 | rank << 32 | u128::from(index)
        });
        self.numbers.extend(numbered);
        if events.len() < MANY {
            self.numbers.sort_unstable();
        } else {
            self.sort_by_node();
            let nodes = self
                .numbers
                .chunk_by_mut(|one, other| one >> NODE == other >> NODE);
            nodes.for_each(<[u128]>::sort_unstable);
        }
        let ties = self
            .numbers
            .chunk_by_mut(|one, other| one >> 32 == other >> 32);
        for ties in ties.filter(|ties| ties.len() > 1) {
            ties.sort_unstable_by_key(|&number| events[number as u32 as usize].ties());
        }
    }

    /// Sorts the numbers by their node, digit by digit, the lowest first.
    fn sort_by_node(&mut self) {
        let most = self.numbers.iter().map(|number| number >> NODE).max();
        let most = most.unwrap_or(0);
        for shift in (NODE..).step_by(DIGIT_BITS as usize) {
            if most >> (shift - NODE) == 0 {
                return;
            }
            let digit = |number: u128| (number >> shift) as usize % DIGITS;
            let mut places = [0usize; DIGITS];
            for &number in &self.numbers {
                places[digit(number)] += 1;
            }
            let mut before = 0;
            for place in &mut places {
                before += std::mem::replace(place, before);
            }
            self.spare.clear();
            self.spare.resize(self.numbers.len(), 0);
            for &number in &self.numbers {
                let place = &mut places[digit(number)];
                self.spare[*place] = number;
                *place += 1;
            }
            std::mem::swap(&mut self.numbers, &mut self.spare);
        }
    }

    /// Returns the index of the event that is handled as number `position`.
    #[inline]
    pub fn at(&self, position: usize) -> usize {
        self.numbers[position] as u32 as usize
    }

    /// Returns the index of the event that is handled as number `position`; `None` after the last.
    #[inline]
    pub fn get(&self, position: usize) -> Option<usize> {
        Some(*self.numbers.get(position)? as u32 as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::event::What;

    proptest! {
        #[test]
        fn events_stand_in_their_order(
            parts in proptest::collection::vec((0u32..40_000, 0u64..4, 0u8..3, 0u64..3, 0u32..2), 0..400),
            few in 1u32..40_000,
        ) {
            let first = Row(17);
            let event = |&(node, time_us, what, operation, sequence)| Event {
                time_us: time_us << 40,
                operation,
                sequence,
                node: Row(first.0 + node % few),
                what: match what {
                    0 => What::Leave,
                    1 => What::Come,
                    _ => What::Ping { from: Row(0) },
                },
            };
            let events: Vec<Event> = parts.iter().map(event).collect();
            let mut order = Order::default();
            order.sort(&events, first);
            let ordered: Vec<Event> = (0..events.len()).map(|at| events[order.at(at)]).collect();
            let mut sorted = events.clone();
            sorted.sort();
            prop_assert_eq!(ordered, sorted);
            let mut indices: Vec<_> = (0..events.len()).map(|at| order.at(at)).collect();
            indices.sort_unstable();
            prop_assert!(indices.into_iter().eq(0..events.len()));
        }
    }
}
