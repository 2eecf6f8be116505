//! How time passes in a network: the loop that drives its world.
//!
//! Experiments drive phases of operations ([`Network::begin_phase`], [`Network::step`],
//! [`Network::end_phase`]), several at a time if they like; callers of the library use one operation at a time
//! ([`Network::lookup`], [`Network::provide`], [`Network::retrieve`]) on the same engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use kadsim_engine::counts::Counts;
use kadsim_engine::ids::Ids;
use kadsim_engine::key::Key;
use kadsim_engine::link::Links;
use kadsim_engine::node::{self, Columns, Received, Row};
use kadsim_engine::operation::{Operations, Planned, Source, Stage};
use kadsim_engine::population::Population;
use kadsim_engine::record::Kind;
use kadsim_engine::routing::Tables;
use kadsim_engine::segments::Segments;
use kadsim_engine::time::LAST_US;

use crate::network::Network;
use crate::out_of_time::OutOfTime;
use crate::phases::{CutOff, Phase, Phases};
use crate::record::{self, Recorded};
use crate::settle::Sends;
use crate::step::{Activity, Course, Window};

/// Length of the first window of a phase, µs; what happens in it says how long the next one may be.
pub(crate) const FIRST_LENGTH_US: u64 = 1000;

/// What is left after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Something is going on.
    Going,
    /// Every operation has ended or is cut off.
    Done,
    /// An operation goes on beyond the end of the clock, and the network cannot.
    OutOfTime(OutOfTime),
}

/// A phase that has ended, and what is known of the nodes at that moment. Valid until the next step.
#[derive(Debug)]
pub struct PhaseEnd {
    /// Its number.
    pub phase: u32,
    /// When it ended, µs: with its last operation, or when it was cut off.
    pub end_us: u64,
    /// Whether it was cut off.
    pub cut_off: CutOff,
    /// Contacts by row, if they were counted apart.
    received: Vec<AtomicU32>,
    /// Uses of nodes that came later: other phases have gone on.
    later_uses: HashMap<Row, u32>,
    /// Operations by origin.
    started: Counts,
}

/// The nodes of a network as the end of a phase is read.
#[derive(Clone, Copy)]
pub struct NodesAtEnd<'a> {
    /// Full knowledge of the network.
    pub population: Population<'a>,
    /// The nodes' components.
    pub columns: Columns<'a>,
    /// The nodes' ids.
    pub ids: &'a Ids,
    /// Routing tables.
    pub tables: &'a Tables,
}

/// A node at the end of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Requests received from operations of the phase.
    pub contacts: u32,
    /// Segments held, by whatever phase they were stored.
    pub segments: u32,
    /// Uses of its overhead counter, by whatever phase.
    pub uses: u32,
    /// Operations of the phase that it has started.
    pub started: u32,
}

impl PhaseEnd {
    /// A node at that moment, of the network that the phase ended in.
    pub fn node(&self, columns: &Columns, segments: &Segments, row: Row) -> NodeState {
        let activity = &columns.activity[row.index()];
        let apart = self.received.get(row.index());
        let later = self.later_uses.get(&row).copied().unwrap_or(0);
        NodeState {
            contacts: apart.map_or_else(
                || activity.contacts(),
                |contacts| contacts.load(Ordering::Relaxed),
            ),
            segments: segments.held(columns.stores[row.index()], self.end_us),
            uses: activity.uses() - later,
            started: self.started.of(row),
        }
    }
}

impl Network {
    /// Begins a phase, beside those that are in flight. Where some of them provide and some retrieve, contacts
    /// must take time.
    pub fn begin_phase(&mut self, phase: Phase) {
        debug_assert!(phase.start_us >= self.now_us);
        self.next_operation += phase.operations;
        let number = phase.number;
        let started = Counts::new(self.len(), phase.operations);
        let place = self.open_phase(phase);
        self.world
            .resource_mut::<Recorded>()
            .begin_phase(place, number, started);
        if place == 0 {
            self.view(|_, columns, _| {
                let activity = columns.activity.par_iter();
                activity.for_each(node::Activity::reset_contacts);
            });
        } else {
            let nodes = self.len();
            self.world.resource_mut::<Received>().begin(place, nodes);
        }
    }

    /// Puts a phase among those in flight; returns its place.
    fn open_phase(&mut self, phase: Phase) -> u32 {
        let is_alone = self.world.resource::<Phases>().is_empty();
        if is_alone && self.world.resource::<Segments>().wants_merge() {
            self.merge_segments(self.now_us);
        }
        let course = Course::of(
            self.world.resource::<Activity>(),
            self.world.resource::<Links>(),
        );
        self.length_us = FIRST_LENGTH_US;
        let mut window = self.world.resource_mut::<Window>();
        window.course = course;
        window.settled_us = 0;
        self.world.resource_mut::<Phases>().begin(phase)
    }

    /// Simulates the next window of time in which something happens. Returns what is left.
    pub fn step(&mut self) -> Progress {
        let event_us = self.world.resource::<Operations>().next_event_us();
        let start_us = self.world.resource::<Phases>().next_start_us();
        let Some(from_us) = event_us.into_iter().chain(start_us).min() else {
            self.world.resource_mut::<Window>().settled_us = u64::MAX;
            return Progress::Done;
        };
        if from_us > LAST_US {
            return self.out_of_time();
        }
        let (until_us, starts_us) = self.bounds(from_us);
        let mut window = self.world.resource_mut::<Window>();
        window.from_us = from_us;
        window.until_us = until_us;
        window.starts_us = starts_us;
        self.merge_shared(from_us);
        loop {
            self.schedule.run(&mut self.world);
            if !self.world.resource::<Window>().again {
                break;
            }
        }
        self.adapt_length();
        match self.world.resource::<Recorded>().out_of_time {
            Some(out_of_time) => Progress::OutOfTime(out_of_time),
            None => Progress::Going,
        }
    }

    /// Nothing is left but what happens after the end of the clock: says whose turn would be first.
    fn out_of_time(&self) -> Progress {
        let event = self.world.resource::<Operations>().first_after(LAST_US);
        let start = self.world.resource::<Phases>().first_after(LAST_US);
        let Some((_, operation, phase)) = event.into_iter().chain(start).min() else {
            unreachable!("something was to happen after the end of the clock");
        };
        Progress::OutOfTime(OutOfTime { phase, operation })
    }

    /// Ends the phase that is over first, if one is: every operation has ended or is cut off, and whatever
    /// else is in flight has come as far. The clock stands at the latest end of a phase.
    pub fn end_phase(&mut self) -> Option<PhaseEnd> {
        let settled_us = self.world.resource::<Window>().settled_us;
        let (place, phase, end_us) = self.world.resource::<Phases>().over(settled_us)?;
        let ended = self
            .world
            .run_system_cached_with(record::end_phase, (place, end_us));
        debug_assert!(ended.is_ok());
        let are_counted = self.world.resource::<Links>().is_charged();
        let later_uses = match are_counted && self.world.resource::<Phases>().are_several() {
            true => record::uses_after(self.world.resource::<Sends>(), end_us),
            false => HashMap::new(),
        };
        let cut_off = self.world.resource_mut::<Phases>().remove(place);
        let received = self.world.resource_mut::<Received>().take(place);
        let started = self.world.resource_mut::<Recorded>().take_started(place);
        self.merge_segments(self.first_arrival_us(end_us));
        self.now_us = self.now_us.max(end_us);
        Some(PhaseEnd {
            phase,
            end_us,
            cut_off,
            received,
            later_uses,
            started,
        })
    }

    /// Reads the nodes as the phase that has just ended left them.
    pub fn view_end<T>(
        &mut self,
        end: &PhaseEnd,
        read: impl FnOnce(NodesAtEnd, &(dyn Fn(Row) -> NodeState + Sync)) -> T,
    ) -> T {
        self.view_segments(|nodes, segments| {
            let columns = nodes.columns;
            read(nodes, &|row| end.node(&columns, segments, row))
        })
    }

    /// Rebuilds the arena of segments if many have been stored since and are retrieved at the same time.
    fn merge_shared(&mut self, from_us: u64) {
        let course = self.world.resource::<Window>().course;
        let mut phases = self.world.resource_mut::<Phases>();
        phases.hold_readers(course);
        let is_read = match course {
            Course::Whole => phases.share_segments() && !phases.are_readers_held(),
            Course::Windows | Course::InOrder => phases.share_segments(),
        };
        // A phase that has been cut off may still be to end: it asks what was held then.
        let now_us = phases
            .first_cut_us()
            .map_or(from_us, |cut_us| cut_us.min(from_us));
        if is_read && self.world.resource::<Segments>().wants_merge() {
            self.merge_segments(self.first_arrival_us(now_us));
        }
    }

    /// The earliest time, up to `now_us`, for which anybody may still ask what a node holds: answers under way are
    /// those of the moment when the request reached the node.
    fn first_arrival_us(&self, now_us: u64) -> u64 {
        let arrival_us = self.world.resource::<Operations>().first_arrival_us();
        arrival_us.map_or(now_us, |arrival_us| arrival_us.min(now_us))
    }

    /// The end of a window that begins at `from_us`, and when what starts in it starts at the latest.
    ///
    /// What one operation sends another must not meet within the window, where they share counters or stores. A
    /// contact is charged at the window's end, so it must not complete before. A store must not reach its node before
    /// the window's end either: an operation that starts may look there. Nor may an answer of the window be one of a
    /// moment within it, for the origin of a provide may store at itself at any moment; and an answer comes back one
    /// delay after that moment.
    fn bounds(&self, from_us: u64) -> (u64, u64) {
        const END_US: u64 = LAST_US + 1;
        let links = self.world.resource::<Links>();
        let is_shared = self.world.resource::<Phases>().share_segments();
        let completion_us = match links.is_charged() {
            true => links.link.shortest_us(self.absences),
            false => u64::MAX,
        };
        let arrival_us = match is_shared {
            true => links.link.shortest_delay_us(),
            false => u64::MAX,
        };
        let after_us = |us: u64| from_us.saturating_add(us.max(1)).min(END_US);
        match self.world.resource::<Window>().course {
            Course::Windows => {
                let until_us = after_us(self.length_us.min(completion_us).min(arrival_us));
                (until_us, until_us)
            }
            Course::InOrder => (END_US, after_us(arrival_us)),
            Course::Whole => (END_US, END_US),
        }
    }

    /// Chooses how long a window is convenient: enough to do for every thread, little to keep.
    fn adapt_length(&mut self) {
        const FEW: u64 = 1 << 15;
        const MANY: u64 = 1 << 18;
        let sent = self.world.resource::<Recorded>().connections_sent;
        if sent < FEW {
            self.length_us = self.length_us.saturating_mul(2).min(1 << 50);
        } else if sent > MANY {
            self.length_us = (self.length_us / 2).max(1);
        }
    }

    /// Runs one operation from now to its end; its row is the last of [`Recorded::operations`]. Returns
    /// its result.
    fn run_one(&mut self, kind: Kind, origin: Row, key: Key) -> Vec<Row> {
        let planned = Planned {
            number: self.next_operation,
            origin,
            key,
            due_us: self.now_us,
        };
        self.next_operation += 1;
        let place = self.open_phase(Phase {
            number: 0,
            kind,
            source: Box::new(One(Some(planned))),
            operations: 1,
            parallel: None,
            start_us: self.now_us,
            max_us: None,
        });
        self.world
            .resource_mut::<Recorded>()
            .begin_phase(place, 0, Counts::default());
        loop {
            match self.step() {
                Progress::Going => {}
                Progress::Done => break,
                // As the sum of an `Instant` and a `Duration` that no clock reaches.
                Progress::OutOfTime(out_of_time) => panic!("{out_of_time}"),
            }
        }
        let mut phases = self.world.resource_mut::<Phases>();
        if let Some((.., end_us)) = phases.over(u64::MAX) {
            self.now_us = end_us;
        }
        phases.remove(place);
        // Slots are reused as they are: the one just freed still has its result.
        self.world
            .resource::<Operations>()
            .last_freed()
            .map_or_else(Vec::new, |operation| {
                debug_assert_eq!(operation.stage, Stage::Ended);
                operation.result.clone()
            })
    }

    /// Looks up the nodes closest to a key, from now to the end; returns them nearest first.
    ///
    /// # Panics
    ///
    /// If it goes beyond the last moment of the clock, 9e12 ms.
    pub fn lookup(&mut self, origin: Row, key: Key) -> Vec<Row> {
        self.run_one(Kind::Lookup, origin, key)
    }

    /// Looks up the nodes closest to a key and stores the key there; returns them nearest first.
    ///
    /// # Panics
    ///
    /// If it goes beyond the last moment of the clock, 9e12 ms.
    pub fn provide(&mut self, origin: Row, key: Key) -> Vec<Row> {
        self.run_one(Kind::Provide, origin, key)
    }

    /// Looks for a node that holds the key; returns the closest nodes known at the end.
    ///
    /// # Panics
    ///
    /// If it goes beyond the last moment of the clock, 9e12 ms.
    pub fn retrieve(&mut self, origin: Row, key: Key) -> Vec<Row> {
        self.run_one(Kind::Retrieve, origin, key)
    }
}

/// A single operation.
struct One(Option<Planned>);

impl Source for One {
    fn peek(&self) -> Option<Planned> {
        self.0
    }

    fn advance(&mut self) {
        self.0 = None;
    }
}
