//! Chains of lookups: each begins when the one before it has ended.

use kadsim_engine::key::{BucketIndex, Key};
use kadsim_engine::node::Row;
use kadsim_engine::population::Owner;
use kadsim_engine::random::{Purpose as Draw, Stream};
use kadsim_engine::record::{Kind, Purpose};

use crate::events::{Errand, Timer, Worker};
use crate::joining::JoinEnded;

/// Most times that the last node begins its join anew. After that the join counts as unanswered.
const RETRIES_MAX: u32 = 10_000;

/// Lookups of a node that follow one another: its own key, then others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What is still to be looked up.
    pub rest: Rest,
    /// Whether the own key is being looked up.
    pub is_own: bool,
    /// How often a join was begun anew.
    pub retries: u32,
}

/// What a chain has still to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// A key of each bucket from this one on that lies before the closest entry's.
    Buckets(u32),
    /// This many uniform keys.
    Random(u32),
}

impl Worker<'_> {
    /// Begins a chain with a lookup of the node's own key.
    pub fn begin_chain(
        &mut self,
        node: Row,
        purpose: Purpose,
        rest: Rest,
        retries: u32,
        now_us: u64,
    ) {
        let chain = Chain {
            rest,
            is_own: true,
            retries,
        };
        self.chunk.chains.insert((node, purpose), chain);
        let key = self.owner(node).key;
        self.maintain(node, Kind::Lookup, key, Errand::Chain(purpose), now_us);
    }

    /// A lookup of a chain has ended: the next one begins.
    pub fn follow(&mut self, node: Row, purpose: Purpose, was_answered: bool, now_us: u64) {
        let Some(mut chain) = self.chunk.chains.remove(&(node, purpose)) else {
            return;
        };
        if chain.is_own && purpose == Purpose::Join && !was_answered {
            if chain.retries >= RETRIES_MAX {
                self.join_ended(node, JoinEnded::Never);
            }
            let anew_us = now_us.saturating_add(self.work.maintenance.joining.retry_us);
            self.chunk.chains.insert((node, purpose), chain);
            return self.set_timer(node, Timer::JoinAnew, anew_us);
        }
        chain.is_own = false;
        match self.next_key(node, &mut chain.rest) {
            Some(key) => {
                self.chunk.chains.insert((node, purpose), chain);
                self.maintain(node, Kind::Lookup, key, Errand::Chain(purpose), now_us);
            }
            None if purpose == Purpose::Join => self.join_ended(node, JoinEnded::At(now_us)),
            None => {}
        }
    }

    /// Returns the key that a chain looks up next; `None` at its end.
    fn next_key(&mut self, node: Row, rest: &mut Rest) -> Option<Key> {
        let owner = self.owner(node);
        let random = self.random_key(owner);
        match rest {
            Rest::Buckets(next) => {
                let bucket = BucketIndex::new(*next);
                let deepest = self.tables.deepest(node)?;
                *next += 1;
                (bucket < deepest).then(|| in_range(owner.key, bucket, random))
            }
            Rest::Random(0) => None,
            Rest::Random(left) => {
                *left -= 1;
                Some(random)
            }
        }
    }

    /// Returns a uniform key, drawn for the next maintenance operation of a node.
    pub fn random_key(&mut self, owner: Owner) -> Key {
        let seed = self.work.view.in_time.tables.rule().network_seed;
        let number = self.node(owner.row).operations;
        Key(Stream::new(seed, Draw::RefreshKey, owner.key.0, number.into()).bits())
    }
}

/// Returns the key of a bucket's range whose other bits are those of `random`.
pub fn in_range(owner: Key, bucket: BucketIndex, random: Key) -> Key {
    let shared = bucket.depth();
    let free = match shared {
        Key::BITS.. => 0,
        _ => u64::MAX >> shared,
    };
    Key(owner.flipped(bucket).0 & !free | random.0 & free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_of_a_range_is_in_it(owner: u64, bucket in 0u32..64, random: u64) {
            let bucket = BucketIndex::new(bucket);
            let key = in_range(Key(owner), bucket, Key(random));
            prop_assert_eq!(Key(owner).bucket_of(key), Some(bucket));
        }
    }
}
