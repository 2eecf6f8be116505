//! The operations of a phase that have not started. One starts when it is due and, where at most so many may
//! be in flight per origin, when one of its origin has ended. Those that wait for a place are kept, 32 bytes
//! each.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, VecDeque};

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};

/// Operations that have not started.
pub struct Queue {
    source: Box<dyn Source>,
    parallel: Option<u32>,
    origins: HashMap<Row, Origin>,
    waiting: u64,
    /// Those under a limit whose start is known, the first to start on top.
    ready: BinaryHeap<Reverse<Ready>>,
    /// Origins of those under a limit that have started or ended in this round.
    changed: Vec<Row>,
}

/// An operation whose start is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// When it starts, µs.
    pub start_us: u64,
    /// The operation.
    pub planned: Planned,
}

impl Ready {
    /// The order in which operations start.
    pub fn order(&self) -> (u64, u64) {
        (self.start_us, self.planned.number)
    }
}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The operations of an origin under a limit.
#[derive(Default)]
struct Origin {
    /// Places that have been taken at least once.
    opened: u32,
    /// When places became free, µs.
    free_us: BinaryHeap<Reverse<u64>>,
    waiting: VecDeque<Planned>,
    /// Starts of those that were admitted and have not run yet, µs.
    admitted_us: BinaryHeap<Reverse<u64>>,
}

impl Queue {
    /// Operations of this source, at most `parallel` in flight per origin.
    pub fn new(source: Box<dyn Source>, parallel: Option<u32>) -> Self {
        Self {
            source,
            parallel,
            origins: HashMap::new(),
            waiting: 0,
            ready: BinaryHeap::new(),
            changed: Vec::new(),
        }
    }

    /// Whether an operation may have to wait for another one's end.
    pub fn is_limited(&self) -> bool {
        self.parallel.is_some()
    }

    /// When the next operation of the source is due, µs.
    fn next_due_us(&self) -> Option<u64> {
        self.source.peek().map(|planned| planned.due_us)
    }

    /// When the next operation starts, at the earliest, µs.
    pub fn next_start_us(&self) -> Option<u64> {
        let ready_us = self.ready.peek().map(|ready| ready.0.start_us);
        [ready_us, self.next_due_us()].into_iter().flatten().min()
    }

    /// The operation that starts next, with the earliest time that it may start at, µs.
    pub fn next(&self) -> Option<Ready> {
        let due = self.source.peek().map(|planned| Ready {
            start_us: planned.due_us,
            planned,
        });
        let ready = self.ready.peek().map(|ready| ready.0);
        [ready, due].into_iter().flatten().min()
    }

    /// Whether nothing is left to start.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.next_start_us().is_none()
    }

    /// Takes operations due before `until_us` from the source and lets them wait for a place, until
    /// `enough` are taken or ready and the next one is due at another time. Returns when that is, if there
    /// is one.
    pub fn take_due(&mut self, until_us: u64, enough: usize) -> Option<u64> {
        let mut last_us = None;
        let mut taken = 0;
        loop {
            let planned = self
                .source
                .peek()
                .filter(|planned| planned.due_us < until_us)?;
            if taken.max(self.ready.len()) >= enough && last_us != Some(planned.due_us) {
                return Some(planned.due_us);
            }
            last_us = Some(planned.due_us);
            taken += 1;
            self.source.advance();
            let origin = self.origins.entry(planned.origin).or_default();
            origin.waiting.push_back(planned);
            self.waiting += 1;
            self.admit(planned.origin);
        }
    }

    /// Takes operations due before `until_us` from the source until it is known which starts first.
    pub fn take_until_first(&mut self, until_us: u64) {
        while let Some(due_us) = self.next_due_us().filter(|&due_us| due_us < until_us)
            && self
                .ready
                .peek()
                .is_none_or(|first| due_us <= first.0.start_us)
        {
            self.take_due(due_us + 1, usize::MAX);
        }
    }

    /// Lets waiting operations of an origin take its free places, earliest place first.
    ///
    /// A place that became free later than an operation just admitted starts may not be the earliest any
    /// more once that operation has ended: it has to wait for the next round.
    fn admit(&mut self, row: Row) {
        let (Some(parallel), Some(origin)) = (self.parallel, self.origins.get_mut(&row)) else {
            return;
        };
        while let Some(&planned) = origin.waiting.front() {
            let fresh = origin.opened < parallel;
            let free_us = if fresh {
                0
            } else {
                origin.free_us.peek().map_or(u64::MAX, |free| free.0)
            };
            let first_us = origin
                .admitted_us
                .peek()
                .map_or(u64::MAX - 1, |first| first.0);
            if free_us > first_us {
                return;
            }
            if fresh {
                origin.opened += 1;
            } else {
                origin.free_us.pop();
            }
            origin.waiting.pop_front();
            self.waiting -= 1;
            let start_us = free_us.max(planned.due_us);
            origin.admitted_us.push(Reverse(start_us));
            self.ready.push(Reverse(Ready { start_us, planned }));
        }
    }

    /// The operation that starts first, of those whose start is known.
    pub fn first(&self) -> Option<Ready> {
        if self.is_limited() {
            return self.ready.peek().map(|ready| ready.0);
        }
        self.source.peek().map(|planned| Ready {
            start_us: planned.due_us,
            planned,
        })
    }

    /// Takes out the operation that starts first, of those whose start is known.
    pub fn pop(&mut self) {
        if !self.is_limited() {
            return self.source.advance();
        }
        if let Some(Reverse(ready)) = self.ready.pop() {
            self.changed.push(ready.planned.origin);
        }
    }

    /// Those that have started have run: places that had to wait for them need not any more.
    pub fn end_round(&mut self) {
        for origin in &self.changed {
            if let Some(origin) = self.origins.get_mut(origin) {
                origin.admitted_us.pop();
            }
        }
    }

    /// An operation of this origin has ended.
    pub fn free(&mut self, origin: Row, end_us: u64) {
        if let Some(places) = self.origins.get_mut(&origin) {
            places.free_us.push(Reverse(end_us));
            self.changed.push(origin);
        }
    }

    /// Lets operations take the places that have become free in this round.
    pub fn admit_successors(&mut self) {
        for origin in std::mem::take(&mut self.changed) {
            self.admit(origin);
        }
    }
}
