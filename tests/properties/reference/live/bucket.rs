//! A bucket of a table that traffic changes: what its owner hears, what fails, and which node takes a vacancy.

use kadsim_engine::routing::live::{Evict, Full, Replacement, TableRules};

use crate::properties::reference::Node;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// A node in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub node: Node,
    /// When the owner heard of it last, whole seconds; 0 for never.
    pub heard_s: u64,
    /// Failures in a row.
    pub failures: u8,
}

impl Entry {
    pub fn heard(node: Node, now_us: u64) -> Self {
        Self {
            node,
            heard_s: now_us / SECOND_US,
            failures: 0,
        }
    }

    pub fn never_heard(node: Node) -> Self {
        Self::heard(node, 0)
    }

    /// Returns whether the owner heard of it `idle_us` ago or earlier.
    pub fn is_idle(&self, now_us: u64, idle_us: u64) -> bool {
        self.heard_s * SECOND_US + idle_us <= now_us
    }
}

/// The least recently heard entry of a full bucket is being pinged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinged {
    pub head: Node,
    /// The node that takes its place if it does not answer.
    pub waiting: Node,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The least recently heard first.
    pub entries: Vec<Entry>,
    /// The newest last.
    pub replacements: Vec<Node>,
    pub pinged: Option<Pinged>,
}

/// What a bucket did when its owner heard of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The node was an entry, and is the most recently heard now.
    Renewed,
    /// The node became an entry.
    Appended,
    /// The node became an entry in place of one that had failed.
    Replaced,
    /// The node waits until this entry, which is to be pinged, has answered or failed.
    Ping(Node),
    /// The node became a replacement, or was dropped.
    NoEntry,
}

/// What a bucket did when a contact of its owner failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// No entry left.
    Kept,
    /// The entry left, and no node took its place.
    Evicted,
    /// The entry left, and a replacement took its place.
    Replaced,
}

impl Bucket {
    fn place(&self, node: Node) -> Option<usize> {
        self.entries.iter().position(|entry| entry.node == node)
    }

    pub fn has(&self, node: Node) -> bool {
        self.place(node).is_some()
    }

    pub fn has_room(&self, k: usize) -> bool {
        self.entries.len() < k
    }

    /// Returns the first entry that may be replaced because of its failures.
    fn first_failed(&self, rules: &TableRules) -> Option<usize> {
        let evict_after = rules.evict_after?;
        let mut entries = self.entries.iter();
        entries.position(|entry| entry.failures >= evict_after)
    }

    /// Returns whether a node that is heard now would become an entry at once (T1 b, c).
    pub fn would_append(&self, rules: &TableRules, k: usize, node: Node) -> bool {
        !self.has(node) && (self.has_room(k) || self.first_failed(rules).is_some())
    }

    /// The owner hears of a node (T1).
    pub fn heard(&mut self, rules: &TableRules, k: usize, node: Node, now_us: u64) -> Heard {
        if let Some(place) = self.place(node) {
            self.entries.remove(place);
            self.entries.push(Entry::heard(node, now_us));
            return Heard::Renewed;
        }
        if self.has_room(k) {
            self.append(Entry::heard(node, now_us));
            return Heard::Appended;
        }
        if let Some(place) = self.first_failed(rules) {
            self.entries.remove(place);
            self.append(Entry::heard(node, now_us));
            return Heard::Replaced;
        }
        match rules.full {
            Full::PingOldest { idle_us } => {
                let head = self.entries[0];
                if self.pinged.is_some() || !head.is_idle(now_us, idle_us) {
                    return Heard::NoEntry;
                }
                self.pinged = Some(Pinged {
                    head: head.node,
                    waiting: node,
                });
                Heard::Ping(head.node)
            }
            Full::Keep => {
                self.keep(rules, node);
                Heard::NoEntry
            }
        }
    }

    /// Appends an entry, which is no replacement then.
    pub fn append(&mut self, entry: Entry) {
        self.replacements.retain(|&other| other != entry.node);
        self.entries.push(entry);
    }

    /// Makes a node the newest replacement (T1 e).
    pub fn keep(&mut self, rules: &TableRules, node: Node) {
        self.replacements.retain(|&other| other != node);
        self.replacements.push(node);
        if self.replacements.len() > usize::from(rules.replacements) {
            self.replacements.remove(0);
        }
    }

    /// A contact of the owner to a node failed (T2). `pick` draws a number below its argument.
    pub fn failed(
        &mut self,
        rules: &TableRules,
        node: Node,
        now_us: u64,
        pick: impl FnOnce(usize) -> usize,
    ) -> Failed {
        self.replacements.retain(|&other| other != node);
        let Some(place) = self.place(node) else {
            return Failed::Kept;
        };
        let entry = &mut self.entries[place];
        entry.failures = (entry.failures + 1).min(TableRules::FAILURES_MAX);
        let is_worn = rules.evict_after.is_some_and(|most| entry.failures >= most);
        let may_go = match rules.evict {
            Evict::Always => true,
            Evict::Replaced => !self.replacements.is_empty(),
        };
        if !is_worn || !may_go {
            return Failed::Kept;
        }
        self.entries.remove(place);
        if self.replacements.is_empty() {
            return Failed::Evicted;
        }
        let newest = self.replacements.len() - 1;
        let place = match rules.replacement {
            Replacement::Newest => newest,
            Replacement::Random => pick(self.replacements.len()),
        };
        let replacement = self.replacements.remove(place);
        self.entries.push(Entry::heard(replacement, now_us));
        Failed::Replaced
    }

    /// The entry that was pinged failed (T3). Returns how many entries left, and how many came.
    pub fn head_failed(&mut self, k: usize, pinged: Pinged, now_us: u64) -> (u64, u64) {
        let Pinged { head, waiting } = pinged;
        self.replacements.retain(|&other| other != head);
        let before = self.entries.len();
        self.entries.retain(|entry| entry.node != head);
        let evicted = before - self.entries.len();
        let comes = !self.has(waiting) && self.has_room(k);
        if comes {
            self.append(Entry::heard(waiting, now_us));
        }
        (evicted as u64, u64::from(comes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: usize = 3;
    const KEEP: TableRules = TableRules {
        replacements: 2,
        evict_after: Some(2),
        ..TableRules::DEFAULT
    };

    fn bucket(nodes: &[Node], replacements: &[Node]) -> Bucket {
        Bucket {
            entries: nodes.iter().map(|&node| Entry::heard(node, 0)).collect(),
            replacements: replacements.to_vec(),
            pinged: None,
        }
    }

    fn nodes(bucket: &Bucket) -> Vec<Node> {
        bucket.entries.iter().map(|entry| entry.node).collect()
    }

    fn fails(bucket: &mut Bucket, rules: &TableRules, node: Node) -> Failed {
        bucket.failed(rules, node, 9_000_000, |_| 0)
    }

    #[test]
    fn an_entry_that_is_heard_moves_to_the_tail_without_failures() {
        let mut bucket = bucket(&[1, 2, 3], &[]);
        assert_eq!(fails(&mut bucket, &KEEP, 1), Failed::Kept);
        assert_eq!(bucket.entries[0].failures, 1);
        assert_eq!(bucket.heard(&KEEP, K, 1, 7_999_999), Heard::Renewed);
        assert_eq!(nodes(&bucket), [2, 3, 1]);
        let renewed = Entry {
            node: 1,
            heard_s: 7,
            failures: 0,
        };
        assert_eq!(bucket.entries[2], renewed);
    }

    #[test]
    fn a_node_that_becomes_an_entry_is_no_replacement() {
        let mut bucket = bucket(&[1, 2], &[8, 9]);
        assert_eq!(bucket.heard(&KEEP, K, 9, 0), Heard::Appended);
        assert_eq!(
            (nodes(&bucket), &*bucket.replacements),
            (vec![1, 2, 9], &[8][..])
        );
    }

    #[test]
    fn the_first_entry_with_enough_failures_makes_room() {
        let rules = TableRules {
            evict: Evict::Replaced,
            ..KEEP
        };
        let mut bucket = bucket(&[1, 2, 3], &[]);
        for node in [3, 2, 3, 2] {
            assert_eq!(fails(&mut bucket, &rules, node), Failed::Kept);
        }
        assert!(bucket.would_append(&rules, K, 4) && !bucket.would_append(&rules, K, 1));
        assert_eq!(bucket.heard(&rules, K, 4, 0), Heard::Replaced);
        assert_eq!(nodes(&bucket), [1, 3, 4]);
    }

    #[test]
    fn a_full_bucket_keeps_the_newest_replacements_each_once() {
        let mut bucket = bucket(&[1, 2, 3], &[]);
        for (node, kept) in [(4, &[4][..]), (5, &[4, 5]), (4, &[5, 4]), (6, &[4, 6])] {
            assert_eq!(bucket.heard(&KEEP, K, node, 0), Heard::NoEntry);
            assert_eq!(bucket.replacements, kept);
        }
        let none = TableRules {
            replacements: 0,
            ..KEEP
        };
        bucket.replacements.clear();
        assert_eq!(bucket.heard(&none, K, 4, 0), Heard::NoEntry);
        assert!(bucket.replacements.is_empty());
    }

    #[test]
    fn an_entry_is_evicted_after_its_failures_and_the_newest_replacement_follows() {
        let mut bucket = bucket(&[1, 2, 3], &[8, 9]);
        assert_eq!(fails(&mut bucket, &KEEP, 1), Failed::Kept);
        assert_eq!(fails(&mut bucket, &KEEP, 1), Failed::Replaced);
        assert_eq!(
            (nodes(&bucket), &*bucket.replacements),
            (vec![2, 3, 9], &[8][..])
        );
        assert_eq!(
            (bucket.entries[2].heard_s, bucket.entries[2].failures),
            (9, 0)
        );
        // A replacement that fails goes.
        assert_eq!(fails(&mut bucket, &KEEP, 8), Failed::Kept);
        assert!(bucket.replacements.is_empty());
        fails(&mut bucket, &KEEP, 2);
        assert_eq!(fails(&mut bucket, &KEEP, 2), Failed::Evicted);
        assert_eq!(nodes(&bucket), [3, 9]);
    }

    #[test]
    fn a_random_replacement_follows_where_the_rules_say_so() {
        let rules = TableRules {
            replacement: Replacement::Random,
            evict_after: Some(1),
            ..KEEP
        };
        let mut bucket = bucket(&[1, 2, 3], &[8, 9]);
        let pick = |count| {
            assert_eq!(count, 2);
            0
        };
        assert_eq!(bucket.failed(&rules, 3, 0, pick), Failed::Replaced);
        assert_eq!(
            (nodes(&bucket), &*bucket.replacements),
            (vec![1, 2, 8], &[9][..])
        );
    }

    #[test]
    fn without_eviction_failures_are_counted_up_to_a_bound() {
        let mut bucket = bucket(&[1], &[8]);
        for _ in 0..40 {
            assert_eq!(fails(&mut bucket, &TableRules::DEFAULT, 1), Failed::Kept);
        }
        assert_eq!(bucket.entries[0].failures, TableRules::FAILURES_MAX);
    }

    #[test]
    fn an_entry_is_evicted_when_replaced_only_if_there_is_a_replacement() {
        let rules = TableRules {
            evict: Evict::Replaced,
            evict_after: Some(1),
            ..KEEP
        };
        let mut bucket = bucket(&[1, 2, 3], &[]);
        assert_eq!(fails(&mut bucket, &rules, 1), Failed::Kept);
        bucket.replacements.push(9);
        assert_eq!(fails(&mut bucket, &rules, 1), Failed::Replaced);
        assert_eq!(nodes(&bucket), [2, 3, 9]);
    }

    #[test]
    fn the_oldest_entry_is_pinged_once_at_a_time_if_it_is_idle() {
        let rules = TableRules {
            full: Full::PingOldest { idle_us: 5_000_000 },
            ..KEEP
        };
        let mut bucket = bucket(&[1, 2, 3], &[]);
        assert_eq!(bucket.heard(&rules, K, 4, 4_999_999), Heard::NoEntry);
        assert_eq!(bucket.heard(&rules, K, 4, 5_000_000), Heard::Ping(1));
        assert_eq!(bucket.heard(&rules, K, 5, 9_000_000), Heard::NoEntry);
        let pinged = bucket.pinged.take().unwrap();
        assert_eq!((pinged.head, pinged.waiting), (1, 4));
        assert!(bucket.replacements.is_empty());
    }

    #[test]
    fn the_node_that_waits_takes_the_place_of_a_head_that_fails() {
        let pinged = Pinged {
            head: 1,
            waiting: 4,
        };
        let mut one = bucket(&[1, 2, 3], &[4]);
        assert_eq!(one.head_failed(K, pinged, 0), (1, 1));
        assert_eq!((nodes(&one), one.replacements.len()), (vec![2, 3, 4], 0));
        // The head is gone already, and there is no room.
        let mut one = bucket(&[2, 3, 5], &[1]);
        assert_eq!(one.head_failed(K, pinged, 0), (0, 0));
        assert_eq!((nodes(&one), one.replacements.len()), (vec![2, 3, 5], 0));
        // The waiting node is there already.
        let mut one = bucket(&[1, 4, 5], &[]);
        assert_eq!(one.head_failed(K, pinged, 0), (1, 0));
        assert_eq!(nodes(&one), [4, 5]);
    }
}
