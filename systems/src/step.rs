//! The step: which window of time comes next, and the order of the systems in it.
//!
//! `start operations -> advance -> settle -> record`, as a single-threaded bevy schedule whose systems use
//! all threads inside. What happens in a window depends on the [`Course`]:
//!
//! - [`Course::Windows`], where overhead is charged or connections are recorded. Where overhead is charged, a window is
//!   no longer than the shortest contact, so no contact sent in it completes in it. Where phases in flight provide and
//!   retrieve, a window is no longer than the shortest delay, so no store sent in it reaches another node in it. An
//!   operation that ends may let a waiting one of the same origin start within the window. The schedule then runs over
//!   the same window again, and settles and records only when nothing is left to start. Retrieves start in the last of
//!   these rounds, because an origin that is in its own result holds the segment at once.
//! - [`Course::Whole`], where operations share nothing but segments. A step takes some thousands of them from start to
//!   end. Their rows are recorded once no operation that starts later can come before them. Where phases in flight
//!   provide and retrieve, retrieves wait for the step in which every store is known, with its time.
//! - [`Course::InOrder`], by py-dht's procedure where either is so. One operation is evaluated after the other.
//!
//! Neither the course nor the length of a window ever changes a result.

use std::fmt;
use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, ScheduleBuildSettings, ScheduleLabel, SystemSet,
};

use kadsim_engine::link::Links;

use crate::{advance, record, settle, start};

/// How a lookup is run; see the fields of the experiment file's `[lookup]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Contacts kept in flight, at least 1.
    pub alpha: u32,
    /// Nodes in a result, at least 1.
    pub beta: u32,
    /// Handled answers in a row without progress that end a lookup.
    pub steps_to_stop: u32,
    /// When a lookup ends.
    pub stop: Stop,
    /// How contacts are scheduled.
    pub procedure: Procedure,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            alpha: 3,
            beta: 20,
            steps_to_stop: 3,
            stop: Stop::NoProgress,
            procedure: Procedure::Iterative,
        }
    }
}

/// When a lookup ends, besides having nobody left to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stop {
    /// After `steps_to_stop` answers in a row that named nobody new and near (py-dht).
    #[default]
    NoProgress,
    /// When the beta closest known nodes have all answered (libp2p; Maymounkov and Mazières, section 2.3).
    ClosestAnswered,
}

impl Stop {
    /// Every stop rule.
    pub const ALL: [Stop; 2] = [Stop::NoProgress, Stop::ClosestAnswered];

    /// Its word in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Stop::NoProgress => "no-progress",
            Stop::ClosestAnswered => "closest-answered",
        }
    }
}

/// Its word in an experiment file.
impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How a lookup's contacts are scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Procedure {
    /// By the clock: each answer is handled when it arrives.
    #[default]
    Iterative,
    /// As py-dht does: evaluated at once, handled in the order of cost, the time kept in alpha lanes.
    PyDht,
    /// As ProbeLab's RFM19.1 counts hops: by the clock, round by round, until a node among the beta closest of
    /// the network has answered.
    Rfm19,
}

impl Procedure {
    /// Every procedure.
    pub const ALL: [Procedure; 3] = [Procedure::Iterative, Procedure::PyDht, Procedure::Rfm19];

    /// Its word in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Procedure::Iterative => "iterative",
            Procedure::PyDht => "py-dht",
            Procedure::Rfm19 => "rfm19",
        }
    }

    /// Whether contacts are handled at the time they complete.
    #[inline]
    pub fn is_by_clock(self) -> bool {
        match self {
            Self::Iterative | Self::Rfm19 => true,
            Self::PyDht => false,
        }
    }
}

/// Its word in an experiment file.
impl fmt::Display for Procedure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What is going on in a network now.
#[derive(Resource, Clone, Debug)]
pub struct Activity {
    /// How lookups are run.
    pub rules: Rules,
    /// Seed of the network.
    pub network_seed: u64,
    /// Number of nodes that answer.
    pub online: u64,
    /// Whether ended operations carry their recall.
    pub recall: bool,
    /// Whether single connections are recorded.
    pub connections: bool,
    /// Whether what answers read is counted; one operation after the other then.
    pub instrumented: bool,
}

/// How operations go through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Course {
    /// Side by side, window by window: something that they share is settled in the order of time.
    #[default]
    Windows,
    /// Each at once from start to end, many in parallel, in any order: they share nothing.
    Whole,
    /// Each at once from start to end, one after the other in the order of (start, number).
    InOrder,
}

impl Course {
    /// For operations under these rules.
    pub fn of(activity: &Activity, links: &Links) -> Self {
        if !links.is_charged() && !activity.connections {
            Self::Whole
        } else if activity.rules.procedure.is_by_clock() {
            Self::Windows
        } else {
            Self::InOrder
        }
    }

    /// Whether the order of operations within a window matters.
    #[inline]
    pub fn is_in_order(self) -> bool {
        self == Self::InOrder
    }
}

/// The window of time that is being simulated, µs.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct Window {
    /// How operations go through it.
    pub course: Course,
    /// Its first microsecond.
    pub from_us: u64,
    /// The one after its last: nothing is handled from then on.
    pub until_us: u64,
    /// Operations that start from then on wait for a later step.
    pub starts_us: u64,
    /// Nothing more will happen before this time. The end of the window; where operations go through time
    /// whole, the start of the next one.
    pub settled_us: u64,
    /// Length of a row of the ticks table.
    pub tick_us: u64,
    /// Whether operations that ended let others start in the same window.
    pub again: bool,
}

/// The four stages of a step, in this order.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stages {
    /// Operations that are due enter.
    Start,
    /// What completes is handled, contacts are sent.
    Advance,
    /// Sends are charged, stores entered.
    Settle,
    /// What happened is written down.
    Record,
}

/// Name of the schedule of a step.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step;

/// The schedule of a step.
pub fn schedule() -> Schedule {
    let mut schedule = Schedule::new(Step);
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        ..Default::default()
    });
    schedule.configure_sets(
        (
            Stages::Start,
            Stages::Advance,
            Stages::Settle,
            Stages::Record,
        )
            .chain(),
    );
    schedule.add_systems((
        (start_clock, start::start_operations, lap(0))
            .chain()
            .in_set(Stages::Start),
        (advance::advance_operations, start::admit_successors, lap(1))
            .chain()
            .in_set(Stages::Advance),
        (settle::settle_contacts, lap(2))
            .chain()
            .in_set(Stages::Settle)
            .run_if(is_complete),
        (record::record_step, start::free_slots, lap(3))
            .chain()
            .in_set(Stages::Record)
            .run_if(is_complete),
    ));
    schedule
}

/// Wall time spent in the stages of steps since it was last taken.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct Timings {
    /// By stage, in the order of [`Timings::STAGES`].
    pub stages: [Duration; 4],
    /// Steps.
    pub steps: u64,
    last: Option<Instant>,
}

impl Timings {
    /// Names of the stages.
    pub const STAGES: [&'static str; 4] = ["start", "advance", "settle", "record"];
}

fn start_clock(mut timings: ResMut<Timings>) {
    timings.last = Some(Instant::now());
}

/// A system that books the time since the one before to a stage.
fn lap(stage: usize) -> impl FnMut(ResMut<Timings>) {
    move |mut timings| {
        let now = Instant::now();
        if let Some(last) = timings.last.replace(now) {
            timings.stages[stage] += now - last;
        }
        timings.steps += u64::from(stage + 1 == Timings::STAGES.len());
    }
}

/// Whether nothing more starts in this window.
fn is_complete(window: Res<Window>) -> bool {
    !window.again
}
