//! The operations of a phase that have not started.
//!
//! An operation starts when it is due. Where a phase limits the operations in flight per origin (`parallel`), an origin
//! has that many permits. An operation takes the permit that has been free longest, and starts when it is due and that
//! permit is free. Ties in start are broken by number. Operations that are due and wait for a permit take 32 bytes each.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, VecDeque};

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};

/// The queue of a phase's operations that have not started.
pub struct Queue {
    source: Box<dyn Source>,
    parallel: Option<u32>,
    origins: HashMap<Row, Origin>,
    waiting: u64,
    /// Operations that have a permit, the first to start at the top.
    ready: BinaryHeap<Reverse<Ready>>,
    /// Origins under a limit of which an operation has started or ended in this round.
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
    /// Returns the order in which operations start.
    pub fn order(&self) -> impl Ord + use<> {
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
    /// Permits that have been taken at least once.
    opened: u32,
    /// When permits became free, µs.
    free_us: BinaryHeap<Reverse<u64>>,
    waiting: VecDeque<Planned>,
    /// Starts of operations that were admitted and have not run yet, µs.
    admitted_us: BinaryHeap<Reverse<u64>>,
}

impl Queue {
    /// Makes the queue of a source's operations, at most `parallel` of them in flight per origin.
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

    /// Returns whether an operation may have to wait for another one's end.
    pub fn is_limited(&self) -> bool {
        self.parallel.is_some()
    }

    /// Returns the most operations in flight per origin; `None` for no limit.
    pub fn parallel(&self) -> Option<u32> {
        self.parallel
    }

    /// Takes the next operation from the source, if it is due before `until_us`. No permit is asked for.
    pub fn take_planned(&mut self, until_us: u64) -> Option<Planned> {
        let planned = self
            .source
            .peek()
            .filter(|planned| planned.due_us < until_us)?;
        self.source.advance();
        Some(planned)
    }

    /// Returns when the next operation of the source is due, µs.
    fn next_due_us(&self) -> Option<u64> {
        self.source.peek().map(|planned| planned.due_us)
    }

    /// Returns when the next operation starts at the earliest, µs.
    pub fn next_start_us(&self) -> Option<u64> {
        let ready_us = self.ready.peek().map(|ready| ready.0.start_us);
        [ready_us, self.next_due_us()].into_iter().flatten().min()
    }

    /// Returns the operation that starts next, with the earliest time at which it may start, µs.
    pub fn next(&self) -> Option<Ready> {
        let due = self.source.peek().map(|planned| Ready {
            start_us: planned.due_us,
            planned,
        });
        let ready = self.ready.peek().map(|ready| ready.0);
        [ready, due].into_iter().flatten().min()
    }

    /// Returns whether no operation is left to start.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.next_start_us().is_none()
    }

    /// Takes operations due before `until_us` from the source and lets them wait for a permit, until `enough` are taken
    /// or ready and the next one is due at another time. Returns that time, if there is a next one.
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

    /// Lets waiting operations of an origin take its free permits, the earliest first.
    ///
    /// A permit that became free after an operation just admitted starts may not be the earliest any more once that
    /// operation has ended: it has to wait for the next round.
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

    /// Returns the operation that starts first among those whose start is known.
    pub fn first(&self) -> Option<Ready> {
        if self.is_limited() {
            return self.ready.peek().map(|ready| ready.0);
        }
        self.source.peek().map(|planned| Ready {
            start_us: planned.due_us,
            planned,
        })
    }

    /// Removes the operation that starts first among those whose start is known.
    pub fn pop(&mut self) {
        if !self.is_limited() {
            return self.source.advance();
        }
        if let Some(Reverse(ready)) = self.ready.pop() {
            self.changed.push(ready.planned.origin);
        }
    }

    /// Ends a round: the operations that started in it have run, so no permit waits for them any more.
    pub fn end_round(&mut self) {
        for origin in &self.changed {
            if let Some(origin) = self.origins.get_mut(origin) {
                origin.admitted_us.pop();
            }
        }
    }

    /// Frees the permit of an operation of `origin` that ended at `end_us`.
    pub fn free(&mut self, origin: Row, end_us: u64) {
        if let Some(permits) = self.origins.get_mut(&origin) {
            permits.free_us.push(Reverse(end_us));
            self.changed.push(origin);
        }
    }

    /// Lets waiting operations take the permits that have become free in this round.
    pub fn admit_successors(&mut self) {
        for origin in std::mem::take(&mut self.changed) {
            self.admit(origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use kadsim_engine::key::Key;

    use super::*;

    /// Operations of these origins and due times, µs, in order.
    struct Listed(VecDeque<Planned>);

    impl Source for Listed {
        fn peek(&self) -> Option<Planned> {
            self.0.front().copied()
        }

        fn advance(&mut self) {
            self.0.pop_front();
        }
    }

    fn queue(operations: &[(u32, u64)], parallel: Option<u32>) -> Queue {
        let planned = operations.iter().zip(0..);
        let planned = planned.map(|(&(origin, due_us), number)| Planned {
            number,
            origin: Row(origin),
            key: Key(0),
            due_us,
            lacks_origin: false,
        });
        Queue::new(Box::new(Listed(planned.collect())), parallel)
    }

    /// Starts the operations that are ready; returns their numbers and starts, µs.
    fn starts(queue: &mut Queue) -> Vec<(u64, u64)> {
        let mut started = Vec::new();
        while let Some(ready) = queue.first() {
            queue.pop();
            started.push((ready.planned.number, ready.start_us));
        }
        started
    }

    /// Ends operations of an origin.
    fn end(queue: &mut Queue, origin: u32, ends_us: &[u64]) {
        queue.end_round();
        ends_us
            .iter()
            .for_each(|&end_us| queue.free(Row(origin), end_us));
        queue.admit_successors();
    }

    #[test]
    fn without_a_limit_operations_start_when_they_are_due() {
        let mut queue = queue(&[(1, 5), (1, 5), (2, 9)], None);
        assert!(!queue.is_limited());
        assert_eq!(queue.next_start_us(), Some(5));
        assert_eq!(starts(&mut queue), [(0, 5), (1, 5), (2, 9)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn operations_take_the_permit_that_is_free_first() {
        let mut queue = queue(&[(1, 0), (1, 0), (1, 1), (1, 2)], Some(2));
        assert_eq!(queue.take_due(10, usize::MAX), None);
        assert_eq!(starts(&mut queue), [(0, 0), (1, 0)]);
        assert!(!queue.is_empty());
        end(&mut queue, 1, &[30, 20]);
        // The operation that takes the permit of 20 may end before 30.
        assert_eq!(starts(&mut queue), [(2, 20)]);
        end(&mut queue, 1, &[25]);
        assert_eq!(starts(&mut queue), [(3, 25)]);
        end(&mut queue, 1, &[26]);
        assert!(queue.is_empty());
    }

    #[test]
    fn origins_do_not_wait_for_one_another() {
        let mut queue = queue(&[(1, 0), (1, 0), (2, 3)], Some(1));
        queue.take_due(10, usize::MAX);
        assert_eq!(starts(&mut queue), [(0, 0), (2, 3)]);
    }

    #[test]
    fn those_due_at_one_time_are_taken_together() {
        let mut queue = queue(&[(1, 0), (2, 0), (3, 0), (4, 7)], Some(1));
        assert_eq!(queue.take_due(10, 1), Some(7));
        assert_eq!(starts(&mut queue), [(0, 0), (1, 0), (2, 0)]);
    }

    #[test]
    fn operations_are_taken_until_the_first_is_known() {
        let mut queue = queue(&[(1, 0), (2, 4), (3, 9)], Some(1));
        queue.take_until_first(100);
        assert_eq!(starts(&mut queue), [(0, 0)]);
        assert_eq!(queue.next_start_us(), Some(4));
    }
}
