//! The step: the systems of a window of time, in their order.
//!
//! | stage | system | runs under | does | writes |
//! |---|---|---|---|---|
//! | start | [`admission::start_operations`] | windowed, whole, sequential | puts operations that start into slots | phases, window, operations |
//! | | [`events::start_events`] | events | hands operations that are due to the nodes that ask | chunks |
//! | advance | [`origins::find_origins`] | windowed, whole, sequential | ends operations whose origin is offline | operations |
//! | | [`retrieve::look_in_own_stores`] | windowed, whole | ends retrieves whose origin holds the value | operations |
//! | | [`lookup::advance_lookups`] | windowed, whole | handles answers and failures, sends contacts | contacts, operations |
//! | | [`provide::provide_segments`] | windowed, whole | sends the stores of lookups that have ended | contacts, operations |
//! | | [`completion::complete_operations`] | windowed, whole | ends operations whose last contact completes | operations |
//! | | [`lookup::evaluate_in_order`] | sequential | does all four, one operation after the other | contacts, overhead, operations |
//! | | [`events::handle_events`] | events | handles the events of each node | contacts, chunks, tables |
//! | | [`admission::admit_successors`] | windowed, whole, sequential | lets operations follow those that have ended | phases, window |
//! | barrier | [`barrier::charge_contacts`] | windowed, whole, sequential | charges overhead in the order of time, which fixes completions | overhead, operations |
//! | | [`barrier::enter_stores`] | windowed, whole, sequential | makes stores visible from their arrival on | segments |
//! | | [`barrier::exchange_messages`] | events | delivers what nodes have sent each other | chunks |
//! | | [`barrier::order_contacts`] | events | brings the contacts sent into order, if they are recorded | chunks, sends |
//! | record | [`record::record_operations`] | windowed, whole, sequential | makes rows of operations that have ended | recorded, phases |
//! | | [`admission::free_slots`] | windowed, whole, sequential | frees the slots of operations that have ended | operations |
//! | | [`record::record_events`] | events | makes rows of operations that have ended as events, frees their slots, adds counts to the open ticks | recorded, phases, chunks |
//! | | [`record::count_ticks`] | windowed, whole, sequential | adds the counts of the step to the open ticks | recorded |
//! | | [`record::record_ticks`] | all | makes rows of ticks that are over | recorded, phases |
//! | | [`record::record_connections`] | windowed, sequential, events | makes rows of connections | recorded |
//!
//! "Runs under" names the [`Execution`] of the window. Each has a schedule of its own. Conditions leave out systems that have
//! nothing to do. Neighbours share a condition where they can, because a step with one event spends most of its time fetching
//! what systems and conditions read. `cargo bench --bench operations -- "one event"` measures it.
//!
//! Every system reads the nodes through [`View`](crate::view::View), and notes what it does in
//! [`Outboxes`]. Bootstrap ([`crate::bootstrap`]) runs before the first step. If operations that
//! end let others start in the window, the first two stages run again before the barrier.
//!
//! The executor runs one system after the other; systems use all threads inside. Two systems that could run in either
//! order with different results are an error when the schedule is built.

use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, ScheduleBuildSettings, ScheduleConfigs, ScheduleLabel,
};
use bevy_ecs::system::ScheduleSystem;

use kadsim_engine::operation::Operations;

use crate::outbox::Outboxes;
use crate::record::Recorded;
use crate::recording::Recording;
use crate::window::{Execution, Window};
use crate::{admission, barrier, completion, events, lookup, origins, provide, record, retrieve};

/// Label of the schedule of a step under an execution.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step(Execution);

/// Systems in their order.
type Systems = ScheduleConfigs<ScheduleSystem>;

/// Returns the schedule of a step.
pub fn schedule(execution: Execution) -> Schedule {
    let mut schedule = Schedule::new(Step(execution));
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        ..Default::default()
    });
    let [start, advance, barrier, record] = match execution {
        Execution::Windowed | Execution::Whole => rounds(
            (origins::find_origins, retrieve::look_in_own_stores).chain(),
            (
                lookup::advance_lookups,
                (provide::provide_segments, completion::complete_operations)
                    .chain()
                    .run_if(are_closing),
            )
                .chain(),
        ),
        Execution::Sequential => rounds(
            origins::find_origins.into_configs(),
            lookup::evaluate_in_order.into_configs(),
        ),
        Execution::Events => [
            events::start_events.into_configs(),
            events::handle_events.into_configs(),
            (
                barrier::exchange_messages,
                barrier::order_contacts.run_if(are_connections_recorded),
            )
                .chain(),
            record::record_events.into_configs(),
        ],
    };
    let record = (
        record,
        record::record_ticks.run_if(may_ticks_be_over),
        record::record_connections.run_if(are_connections_recorded),
    )
        .chain();
    schedule.add_systems(
        (
            start,
            lap(0),
            advance,
            lap(1),
            (barrier, lap(2), record).chain().run_if(is_last_round),
        )
            .chain(),
    );
    schedule
}

/// Returns the stages of a step whose operations lie in slots: `started` looks at operations that have just started, and
/// `advance` advances all.
fn rounds(started: Systems, advance: Systems) -> [Systems; 4] {
    [
        admission::start_operations.into_configs(),
        (
            started.run_if(have_started),
            advance,
            admission::admit_successors,
        )
            .chain(),
        (barrier::charge_contacts, barrier::enter_stores).chain(),
        (
            (record::record_operations, admission::free_slots)
                .chain()
                .run_if(have_ended),
            record::count_ticks,
        )
            .chain(),
    ]
}

/// Whether operations have started in this round.
fn have_started(operations: Res<Operations>, outboxes: Res<Outboxes>) -> bool {
    !outboxes.fresh(&operations).is_empty()
}

/// Whether the lookup of an operation has ended in this round, or its last contact completes in this window.
fn are_closing(outboxes: Res<Outboxes>) -> bool {
    outboxes.closing() > 0
}

/// Whether an operation has ended in this window.
fn have_ended(outboxes: Res<Outboxes>) -> bool {
    outboxes.iter().any(|out| !out.ended.is_empty())
}

/// Whether rows of ticks or operations may be made that waited for the end of a tick.
fn may_ticks_be_over(window: Res<Window>, recorded: Res<Recorded>) -> bool {
    recorded.has_rows_before(window.final_us)
}

/// Whether rows of connections are made.
fn are_connections_recorded(recording: Res<Recording>) -> bool {
    recording.connections
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

    /// Starts the clock of a round.
    pub fn start(&mut self) {
        self.last = Some(Instant::now());
    }

    /// Adds the time since the last lap, or the start, to a stage.
    fn lap(&mut self, stage: usize) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.stages[stage] += now - last;
        }
    }

    /// Ends the last round of a step.
    pub fn end(&mut self) {
        self.lap(Self::STAGES.len() - 1);
        self.steps += 1;
    }
}

/// Returns a system that adds the time since the last lap to a stage.
fn lap(stage: usize) -> impl FnMut(ResMut<Timings>) {
    move |mut timings| timings.lap(stage)
}
