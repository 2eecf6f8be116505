//! Lookups of maintenance that follow one another: of a node that joins, and of a refresh of the whole table.

use kadsim_engine::random::{Purpose as Draws, Stream};
use kadsim_engine::record::Kind;

use super::LiveReference;
use super::contacts::Purpose;
use super::event::Timer;
use crate::properties::reference::Node;

/// What is looked up after the own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// A key in the range of each bucket before that of the closest entry.
    Farther,
    /// This many uniform keys.
    Random(u32),
}

/// Lookups, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    pub purpose: Purpose,
    pub then: Then,
    /// Number of the lookups that have begun.
    pub begun: u32,
}

/// Returns a key that shares `bucket` leading bits with `key` and not the next one; uniform bits are the rest.
pub fn key_of_range(key: u64, bucket: u32, bits: u64) -> u64 {
    let flipped = key ^ (1 << (63 - bucket));
    let free = (1 << (63 - bucket)) - 1;
    (flipped & !free) | (bits & free)
}

impl LiveReference {
    /// Begins the lookups of a chain.
    pub(super) fn begin_chain(&mut self, node: Node, purpose: Purpose, then: Then) {
        let chain = Chain {
            purpose,
            then,
            begun: 0,
        };
        self.begin_next(node, chain);
    }

    /// Goes on with a chain whose last lookup has ended.
    pub(super) fn go_on(&mut self, node: Node, chain: Chain, is_answered: bool) {
        if chain.purpose == Purpose::Join && chain.begun == 1 && !is_answered {
            let again_us = self.now_us + self.timeout_us();
            return self.set_timer(node, Timer::JoinAgain, again_us);
        }
        self.begin_next(node, chain);
    }

    fn begin_next(&mut self, node: Node, chain: Chain) {
        let own = self.base.keys[node];
        let number = self.nodes[node].operations;
        let key = match (chain.begun.checked_sub(1), chain.then) {
            (None, _) => Some(own),
            (Some(bucket), Then::Farther) => {
                let deepest = self.nodes[node].table.deepest();
                let is_farther = deepest.is_some_and(|deepest| bucket < deepest);
                is_farther.then(|| key_of_range(own, bucket, self.refresh_bits(node, number)))
            }
            (Some(index), Then::Random(count)) => {
                (index < count).then(|| self.refresh_bits(node, number))
            }
            (Some(_), Then::Nothing) => None,
        };
        match key {
            Some(key) => {
                let chain = Chain {
                    begun: chain.begun + 1,
                    ..chain
                };
                let id = self.next_operation(node);
                self.maintain(id, (node, key), Kind::Lookup, chain.purpose, Some(chain));
            }
            None if chain.purpose == Purpose::Refresh => self.nodes[node].is_refreshing = false,
            None => self.join_ended(node),
        }
    }

    /// Returns the uniform bits of a key that a node's maintenance operation looks up.
    pub(super) fn refresh_bits(&self, node: Node, number: u64) -> u64 {
        let key = self.base.keys[node];
        Stream::new(self.base.seed, Draws::RefreshKey, key, number).bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_range_shares_the_bits_of_its_bucket() {
        for bucket in 0..64 {
            for bits in [0, u64::MAX, 0x1234_5678_9abc_def0] {
                let key = key_of_range(0xfeed_f00d_dead_beef, bucket, bits);
                assert_eq!((key ^ 0xfeed_f00d_dead_beef).leading_zeros(), bucket);
            }
        }
        assert_eq!(key_of_range(0, 0, 5), 1 << 63 | 5);
    }
}
