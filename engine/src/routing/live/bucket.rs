//! A bucket that learns from traffic (Maymounkov and Mazières, section 2.2).
//!
//! Entries stand in the order in which their owner last heard from them, the least recently heard first. Replacements
//! stand in the same order. No node stands twice among the entries and replacements of a bucket.
//!
//! A bucket decides nothing about time and traffic: a method receives what has happened, and returns what has become of
//! the bucket. Cost of each: O(k + replacements).

use super::{Evict, Full, Replacement, TableRules};
use crate::node::Row;

/// An entry of a bucket: a node, when its owner last heard from it, and its failures in a row since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Entry {
    row: u32,
    /// Seconds in the upper bits, failures in the lower ones.
    heard: u32,
}

const _: () = assert!(
    size_of::<Entry>() == 8,
    "an entry is stored by the hundred millions"
);

/// Bits of the failures.
const FAILURE_BITS: u32 = u8::BITS - TableRules::FAILURES_MAX.leading_zeros();

impl Entry {
    /// Last second at which a node can be heard, some four years after the start.
    pub const LAST_S: u32 = u32::MAX >> FAILURE_BITS;

    /// Returns an entry without failures, heard at `heard_s`, in seconds; 0 too if it was never heard.
    ///
    /// # Panics
    ///
    /// If that is after [`Entry::LAST_S`].
    #[inline]
    pub fn new(row: Row, heard_s: u32) -> Self {
        assert!(heard_s <= Self::LAST_S, "a living network ends before");
        Self {
            row: row.0,
            heard: heard_s << FAILURE_BITS,
        }
    }

    /// Returns the node.
    #[inline]
    pub fn row(self) -> Row {
        Row(self.row)
    }

    /// Returns when the node was last heard, in seconds, rounded down.
    #[inline]
    pub fn heard_s(self) -> u32 {
        self.heard >> FAILURE_BITS
    }

    /// Returns the failures in a row, at most [`TableRules::FAILURES_MAX`].
    #[inline]
    pub fn failures(self) -> u8 {
        (self.heard & u32::from(TableRules::FAILURES_MAX)) as u8
    }

    /// Counts a failure.
    fn fail(&mut self) {
        self.heard += u32::from(self.failures() < TableRules::FAILURES_MAX);
    }

    /// Returns whether the node was last heard `idle_us` before `now_us`, or earlier.
    pub fn is_idle(self, idle_us: u64, now_us: u64) -> bool {
        (u64::from(self.heard_s()) * 1_000_000).saturating_add(idle_us) <= now_us
    }
}

/// What is fixed of a bucket, and how much of it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Head {
    /// Number of the entries of the owner's buckets before this one, free ones included.
    pub(super) offset: u16,
    /// Most entries: k, or the number of nodes in the range if that is less.
    pub(super) capacity: u8,
    /// Number of entries.
    pub(super) len: u8,
    /// Number of replacements.
    pub(super) replacements: u8,
    /// Number of entries with failures.
    pub(super) failing: u8,
    /// Whether its least recently heard entry is being pinged while a node waits for the outcome.
    pub(super) is_pinging: bool,
}

const _: () = assert!(
    size_of::<Head>() == 8,
    "the estimate of memory counts on it"
);

/// A bucket.
pub struct Bucket<'a> {
    pub(super) head: &'a mut Head,
    /// Entries, and room for more.
    pub(super) entries: &'a mut [Entry],
    /// Replacements, and room for more.
    pub(super) replacements: &'a mut [Row],
}

/// What has become of a bucket whose owner heard from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// The node is an entry already. It stands at the tail now, without failures.
    Refreshed,
    /// The node was appended.
    Appended,
    /// The node was appended, and an entry that had failed too often was evicted.
    Replaced,
    /// The bucket is full: this least recently heard entry is to be pinged, and the node waits for the outcome.
    Pinging(Row),
    /// The bucket is full: the node is a replacement.
    Kept,
    /// The bucket is full: it does not remember the node.
    Dropped,
}

/// What has become of a bucket after a contact of its owner to a node failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Failed {
    /// The node is no entry, nor a replacement any more.
    Unknown,
    /// The failure was counted.
    Counted,
    /// The entry was evicted.
    Evicted,
    /// The entry was evicted, and a replacement appended.
    Replaced,
}

impl Bucket<'_> {
    /// Returns the entries, the least recently heard first.
    #[inline]
    pub fn entries(&self) -> &[Entry] {
        &self.entries[..self.head.len as usize]
    }

    /// Returns the replacements, the newest last.
    pub fn replacements(&self) -> &[Row] {
        &self.replacements[..self.head.replacements as usize]
    }

    #[inline]
    fn position(&self, node: Row) -> Option<usize> {
        // Most nodes that are heard are not there. The first loop finds that without a branch for each entry.
        let mut is_there = false;
        for entry in self.entries() {
            is_there |= entry.row == node.0;
        }
        if !is_there {
            return None;
        }
        self.entries().iter().position(|entry| entry.row == node.0)
    }

    /// Returns whether there is room for an entry.
    #[inline]
    fn has_room(&self) -> bool {
        self.head.len < self.head.capacity
    }

    /// Returns the position of the first entry that has failed often enough to give way.
    fn given_up(&self, rules: &TableRules) -> Option<usize> {
        let most = rules.evict_after?;
        if self.head.failing == 0 {
            return None;
        }
        self.entries()
            .iter()
            .position(|entry| entry.failures() >= most)
    }

    /// Returns whether a node is an entry.
    #[inline]
    pub fn holds(&self, node: Row) -> bool {
        self.position(node).is_some()
    }

    /// Returns whether [`Bucket::hear`] would append a node that is no entry yet.
    pub fn would_append(&self, node: Row, rules: &TableRules) -> bool {
        !self.holds(node) && (self.has_room() || self.given_up(rules).is_some())
    }

    /// Returns whether [`Bucket::name`] would append a node that is no entry yet.
    pub fn has_room_for(&self, node: Row) -> bool {
        !self.holds(node) && self.has_room()
    }

    /// The owner has heard from a node: a request of it, or its answer.
    #[inline]
    pub fn hear(&mut self, node: Row, now_us: u64, rules: &TableRules) -> Heard {
        if let Some(at) = self.position(node) {
            self.move_to_tail(at, now_us);
            return Heard::Refreshed;
        }
        if self.has_room() {
            self.append(node, second(now_us));
            return Heard::Appended;
        }
        if let Some(at) = self.given_up(rules) {
            self.remove(at);
            self.append(node, second(now_us));
            return Heard::Replaced;
        }
        match rules.full {
            Full::Keep => self.keep(node),
            Full::PingOldest { idle_us } => match self.entries().first() {
                Some(&oldest) if !self.head.is_pinging && oldest.is_idle(idle_us, now_us) => {
                    self.head.is_pinging = true;
                    Heard::Pinging(oldest.row())
                }
                _ => Heard::Dropped,
            },
        }
    }

    /// An answer to the owner has named a node, which the owner has not heard itself.
    pub fn name(&mut self, node: Row) -> Heard {
        if self.holds(node) {
            // Hearsay refreshes nothing.
            return Heard::Dropped;
        }
        if self.has_room() {
            self.append(node, 0);
            return Heard::Appended;
        }
        self.keep(node)
    }

    /// A contact of the owner to a node has failed. `random` returns a number below its argument.
    pub fn fail(
        &mut self,
        node: Row,
        now_us: u64,
        rules: &TableRules,
        random: impl FnOnce(usize) -> usize,
    ) -> Failed {
        let Some(at) = self.position(node) else {
            self.forget(node);
            return Failed::Unknown;
        };
        self.head.failing += u8::from(self.entries[at].failures() == 0);
        self.entries[at].fail();
        let has_replacement = self.head.replacements > 0;
        let is_due = rules
            .evict_after
            .is_some_and(|most| self.entries[at].failures() >= most);
        let gives_way = match rules.evict {
            Evict::Always => true,
            Evict::Replaced => has_replacement,
        };
        if !is_due || !gives_way {
            return Failed::Counted;
        }
        self.remove(at);
        if !has_replacement {
            return Failed::Evicted;
        }
        let count = self.head.replacements as usize;
        let chosen = match rules.replacement {
            Replacement::Newest => count - 1,
            Replacement::Random => random(count),
        };
        self.append(self.replacements[chosen], second(now_us));
        Failed::Replaced
    }

    /// The entry that [`Heard::Pinging`] named has answered. Returns whether it is still an entry.
    pub fn pinged(&mut self, oldest: Row, now_us: u64) -> bool {
        self.head.is_pinging = false;
        let at = self.position(oldest);
        if let Some(at) = at {
            self.move_to_tail(at, now_us);
        }
        at.is_some()
    }

    /// The ping of [`Heard::Pinging`] has ended without a verdict about the entry.
    pub fn ping_over(&mut self) {
        self.head.is_pinging = false;
    }

    /// The entry that [`Heard::Pinging`] named has failed: it is evicted whatever its failures, and the node
    /// that waits takes its place.
    pub fn ping_failed(&mut self, oldest: Row, waiting: Row, now_us: u64) -> PingFailed {
        self.head.is_pinging = false;
        let at = self.position(oldest);
        match at {
            Some(at) => self.remove(at),
            None => self.forget(oldest),
        }
        let appended = self.has_room() && !self.holds(waiting);
        if appended {
            self.append(waiting, second(now_us));
        }
        PingFailed {
            evicted: at.is_some(),
            appended,
        }
    }

    /// Appends an entry that was never heard, if there is room; returns whether there was.
    pub fn put(&mut self, node: Row, heard_s: u32) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.append(node, heard_s);
        }
        has_room
    }

    /// Removes all entries and replacements; returns the number of entries. A ping in flight goes on.
    pub fn clear(&mut self) -> u32 {
        self.head.replacements = 0;
        self.head.failing = 0;
        u32::from(std::mem::take(&mut self.head.len))
    }

    fn move_to_tail(&mut self, at: usize, now_us: u64) {
        let len = self.head.len as usize;
        let row = self.entries[at].row();
        self.head.failing -= u8::from(self.entries[at].failures() > 0);
        self.entries.copy_within(at + 1..len, at);
        self.entries[len - 1] = Entry::new(row, second(now_us));
    }

    fn remove(&mut self, at: usize) {
        let len = self.head.len as usize;
        self.head.failing -= u8::from(self.entries[at].failures() > 0);
        self.entries.copy_within(at + 1..len, at);
        self.head.len -= 1;
    }

    /// Appends an entry, for which there is room, and takes it out of the replacements.
    fn append(&mut self, node: Row, heard_s: u32) {
        self.forget(node);
        self.entries[self.head.len as usize] = Entry::new(node, heard_s);
        self.head.len += 1;
    }

    /// Takes a node out of the replacements.
    #[inline]
    fn forget(&mut self, node: Row) {
        let count = self.head.replacements as usize;
        if let Some(at) = self.replacements().iter().position(|&row| row == node) {
            self.replacements.copy_within(at + 1..count, at);
            self.head.replacements -= 1;
        }
    }

    /// Makes a node the newest replacement. The oldest one drops out where there are too many.
    fn keep(&mut self, node: Row) -> Heard {
        if self.replacements.is_empty() {
            return Heard::Dropped;
        }
        self.forget(node);
        let mut count = self.head.replacements as usize;
        if count == self.replacements.len() {
            self.replacements.copy_within(1.., 0);
            count -= 1;
        }
        self.replacements[count] = node;
        self.head.replacements = count as u8 + 1;
        Heard::Kept
    }
}

/// What has become of a bucket whose least recently heard entry did not answer a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PingFailed {
    /// Whether the entry was still there, and was evicted.
    pub evicted: bool,
    /// Whether the node that waited was appended.
    pub appended: bool,
}

/// Returns the second in which a time lies.
#[inline]
fn second(now_us: u64) -> u32 {
    u32::try_from(now_us / 1_000_000).unwrap_or(u32::MAX)
}
