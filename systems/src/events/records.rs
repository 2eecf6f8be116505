//! Records: what nodes hold, and until when.

use std::collections::HashMap;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;

/// A copy of a record at a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copied {
    key: Key,
    published_us: u64,
    /// When it is gone, µs; `u64::MAX` if never.
    expires_us: u64,
}

/// What has become of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whether the holder had no copy before.
    pub is_new: bool,
    /// When the copy expires, µs, if that is still to be awaited.
    pub expires_us: Option<u64>,
}

/// Records by holder.
#[derive(Default)]
pub struct Records {
    /// Copies of each holder, by key.
    copies: HashMap<Row, Vec<Copied>>,
    /// Number of copies.
    held: u64,
}

impl Records {
    /// Stores a record that was published at `published_us`, unless a copy that was published later is there.
    pub fn store(
        &mut self,
        holder: Row,
        key: Key,
        published_us: u64,
        ttl_us: Option<u64>,
    ) -> Stored {
        let expires_us = ttl_us.map_or(u64::MAX, |ttl_us| published_us.saturating_add(ttl_us));
        let new = Copied {
            key,
            published_us,
            expires_us,
        };
        let copies = self.copies.entry(holder).or_default();
        let mut stored = Stored {
            is_new: false,
            expires_us: (expires_us < u64::MAX).then_some(expires_us),
        };
        match copies.binary_search_by_key(&key, |copied| copied.key) {
            Ok(at) if copies[at].published_us >= published_us => stored.expires_us = None,
            Ok(at) => copies[at] = new,
            Err(at) => {
                copies.insert(at, new);
                self.held += 1;
                stored.is_new = true;
            }
        }
        stored
    }

    /// Removes the copy of a key that expires at `now_us` or has expired; returns whether there was one.
    pub fn expire(&mut self, holder: Row, key: Key, now_us: u64) -> bool {
        let Some(copies) = self.copies.get_mut(&holder) else {
            return false;
        };
        match copies.binary_search_by_key(&key, |copied| copied.key) {
            Ok(at) if copies[at].expires_us <= now_us => {
                copies.remove(at);
                self.held -= 1;
                true
            }
            _ => false,
        }
    }

    /// Returns whether a node holds a key.
    pub fn holds(&self, holder: Row, key: Key) -> bool {
        let copies = self.copies.get(&holder);
        copies.is_some_and(|copies| {
            copies
                .binary_search_by_key(&key, |copied| copied.key)
                .is_ok()
        })
    }

    /// Returns the keys of the records that a node holds.
    pub fn keys(&self, holder: Row) -> impl Iterator<Item = Key> {
        let copies = self.copies.get(&holder).into_iter().flatten();
        copies.map(|copied| copied.key)
    }

    /// Returns the number of records that a node holds.
    pub fn of(&self, holder: Row) -> u32 {
        self.copies
            .get(&holder)
            .map_or(0, |copies| copies.len() as u32)
    }

    /// Removes all copies of a node.
    pub fn wipe(&mut self, holder: Row) {
        let wiped = self.copies.remove(&holder);
        self.held -= wiped.map_or(0, |copies| copies.len() as u64);
    }

    /// Returns the number of copies.
    pub fn held(&self) -> u64 {
        self.held
    }
}
