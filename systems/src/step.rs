//! The step: the systems of a window of time, in their order.
//!
//! | stage | system | does | writes |
//! |---|---|---|---|
//! | [`Stages::Start`] | [`admission::start_operations`] | puts operations that start into slots | phases, window, operations |
//! | | [`events::start_events`] | hands operations that are due to the nodes that ask ([`Execution::Events`]) | chunks |
//! | [`Stages::Advance`] | [`origins::find_origins`] | ends operations whose origin is offline | operations |
//! | | [`retrieve::look_in_own_stores`] | ends retrieves whose origin holds the value | operations |
//! | | [`lookup::advance_lookups`] | handles answers and failures, sends contacts | contacts, operations |
//! | | [`provide::provide_segments`] | sends the stores of lookups that have ended | contacts, operations |
//! | | [`completion::complete_operations`] | ends operations whose last contact completes | operations |
//! | | [`lookup::evaluate_in_order`] | does all four, one operation after the other ([`Execution::Sequential`]) | contacts, overhead, operations |
//! | | [`events::handle_events`] | handles the events of each node ([`Execution::Events`]) | contacts, chunks, tables |
//! | | [`admission::admit_successors`] | lets operations follow those that have ended | phases, window |
//! | [`Stages::Barrier`] | [`barrier::charge_contacts`] | charges overhead in the order of time, which fixes completions | overhead, operations |
//! | | [`barrier::enter_stores`] | makes stores visible from their arrival on | segments |
//! | | [`barrier::exchange_messages`] | delivers what nodes have sent each other ([`Execution::Events`]) | chunks |
//! | [`Stages::Record`] | [`record::record_operations`] | makes rows of operations that have ended | recorded, phases |
//! | | [`record::record_events`] | the same of operations that run as events | recorded, phases, chunks |
//! | | [`record::record_ticks`] | makes rows of ticks that are over | recorded |
//! | | [`record::record_connections`] | makes rows of connections | recorded |
//! | | [`admission::free_slots`] | frees the slots of operations that have ended | operations |
//!
//! Every system reads the nodes through [`View`](crate::view::View), and notes what it does in
//! [`Outboxes`](crate::outbox::Outboxes). Bootstrap ([`crate::bootstrap`]) runs before the first step. If operations that
//! end let others start in the window, the first two stages run again before the barrier.
//!
//! The executor runs one system after the other; systems use all threads inside. Two systems that could run in either
//! order with different results are an error when the schedule is built.

use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, ScheduleBuildSettings, ScheduleLabel, SystemSet,
};

use crate::window::{Execution, Window};
use crate::{admission, barrier, completion, events, lookup, origins, provide, record, retrieve};

/// The four stages of a step, in this order.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stages {
    /// Operations that are due start.
    Start,
    /// Operations handle contacts that complete, and send new ones.
    Advance,
    /// Overhead counters and segment stores, which operations share, are updated.
    Barrier,
    /// Rows of the tables are made.
    Record,
}

/// Label of the schedule of a step.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step;

/// Returns the schedule of a step.
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
            (Stages::Barrier, Stages::Record)
                .chain()
                .run_if(is_last_round),
        )
            .chain(),
    );
    schedule.add_systems((
        (
            start_clock,
            admission::start_operations.run_if(not(are_events)),
            events::start_events.run_if(are_events),
            lap(0),
        )
            .chain()
            .in_set(Stages::Start),
        (
            origins::find_origins.run_if(not(are_events)),
            (
                retrieve::look_in_own_stores,
                lookup::advance_lookups,
                provide::provide_segments,
                completion::complete_operations,
            )
                .chain()
                .run_if(is_parallel),
            lookup::evaluate_in_order.run_if(is_sequential),
            events::handle_events.run_if(are_events),
            admission::admit_successors.run_if(not(are_events)),
            lap(1),
        )
            .chain()
            .in_set(Stages::Advance),
        (
            (barrier::charge_contacts, barrier::enter_stores)
                .chain()
                .run_if(not(are_events)),
            barrier::exchange_messages.run_if(are_events),
            lap(2),
        )
            .chain()
            .in_set(Stages::Barrier),
        (
            record::record_operations.run_if(not(are_events)),
            record::record_events.run_if(are_events),
            record::record_ticks,
            record::record_connections,
            admission::free_slots.run_if(not(are_events)),
            lap(3),
        )
            .chain()
            .in_set(Stages::Record),
    ));
    schedule
}

/// Whether operations of the window are run side by side or whole.
fn is_parallel(window: Res<Window>) -> bool {
    matches!(window.execution, Execution::Windowed | Execution::Whole)
}

/// Whether operations of the window run one after the other.
fn is_sequential(window: Res<Window>) -> bool {
    window.execution == Execution::Sequential
}

/// Whether operations of the window run as events.
fn are_events(window: Res<Window>) -> bool {
    window.execution == Execution::Events
}

/// Whether no operation starts in this window any more.
fn is_last_round(window: Res<Window>) -> bool {
    window.is_last_round()
}

/// Wall time spent in the stages of steps since [`Network::take_timings`](crate::Network::take_timings).
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct Timings {
    /// By stage, in the order of [`Timings::STAGES`].
    pub stages: [Duration; 4],
    /// Number of steps.
    pub steps: u64,
    last: Option<Instant>,
}

impl Timings {
    /// Names of the stages.
    pub const STAGES: [&'static str; 4] = ["start", "advance", "barrier", "record"];
}

/// Starts the clock of the step's timings.
fn start_clock(mut timings: ResMut<Timings>) {
    timings.last = Some(Instant::now());
}

/// Returns a system that adds the time since the last lap to a stage.
fn lap(stage: usize) -> impl FnMut(ResMut<Timings>) {
    move |mut timings| {
        let now = Instant::now();
        if let Some(last) = timings.last.replace(now) {
            timings.stages[stage] += now - last;
        }
        timings.steps += u64::from(stage + 1 == Timings::STAGES.len());
    }
}
