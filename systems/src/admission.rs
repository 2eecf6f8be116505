//! Admission: an operation starts when it is due and, where its origin has a limit, another operation of it has ended.

use bevy_ecs::prelude::*;

use kadsim_engine::operation::Operations;
use kadsim_engine::segments::Segments;

use crate::outbox::Outboxes;
use crate::phases::Phases;
use crate::recording::Recording;
use crate::window::{Execution, Window};

/// Most operations that start in one step, where the rest can wait.
const BATCH: usize = 1 << 14;

/// Puts operations that start in the window into slots, and begins a round of the window. The first round empties the
/// outboxes of the last window.
pub fn start_operations(
    recording: Res<Recording>,
    mut phases: ResMut<Phases>,
    mut window: ResMut<Window>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    if !window.again {
        outboxes.clear();
    }
    let before = operations.active();
    match window.execution {
        Execution::Windowed => start_in_window(&mut phases, &mut window, &mut operations),
        Execution::Sequential => {
            // Under a limit the end of an operation may let another start before the next one that is due. So operations
            // start one a step, and sources are read until the first start is known.
            phases.take_until_first(window.starts_us);
            let most = if phases.are_limited() { 1 } else { BATCH };
            start(&mut phases, &window, &mut operations, most);
        }
        Execution::Whole => {
            phases.take_due(window.starts_us, BATCH);
            start(&mut phases, &window, &mut operations, BATCH);
        }
        Execution::Events => unreachable!("events start operations of their own"),
    }
    window.again = false;
    let fresh = before..operations.active();
    outboxes.begin_round(fresh, &window, &recording, phases.slots());
}

/// Starts the operations of the window, and shortens the window if they are many.
fn start_in_window(phases: &mut Phases, window: &mut Window, operations: &mut Operations) {
    if !window.again {
        window.until_us = phases.take_due(window.until_us, BATCH);
    }
    let mut started = 0;
    while let Some((task, ready)) = phases.pop(window.until_us) {
        operations.start(ready.planned, &task, ready.start_us);
        started += 1;
        // Further operations would only wait in memory. Operations that start together stay together.
        if !window.again && started >= BATCH {
            let next_us = phases.next_start_us().unwrap_or(u64::MAX);
            if next_us > ready.start_us {
                window.until_us = window.until_us.min(next_us);
            }
        }
    }
    window.final_us = window.until_us;
}

/// Starts the first operations, at most `most`.
fn start(phases: &mut Phases, window: &Window, operations: &mut Operations, most: usize) {
    for _ in 0..most {
        let Some((task, ready)) = phases.pop(window.starts_us) else {
            return;
        };
        operations.start(ready.planned, &task, ready.start_us);
    }
}

/// Lets operations follow those of their origin that have ended, and decides whether the window takes another round.
pub fn admit_successors(
    operations: Res<Operations>,
    mut phases: ResMut<Phases>,
    mut outboxes: ResMut<Outboxes>,
    mut window: ResMut<Window>,
    mut segments: ResMut<Segments>,
) {
    if phases.are_limited() {
        phases.limited().for_each(|(_, queue)| queue.end_round());
        for out in outboxes.iter_mut() {
            for &slot in &out.ended[out.succeeded..] {
                let ended = operations.get(slot);
                phases.free(ended.phase_slot, ended.origin(), ended.end_us);
            }
            out.succeeded = out.ended.len();
        }
        phases
            .limited()
            .for_each(|(_, queue)| queue.admit_successors());
    }
    match window.execution {
        Execution::Windowed => {
            window.again = phases.has_ready(window.until_us);
            if !window.again && phases.are_retrieves_held() {
                phases.release_retrieves();
                window.again = phases.has_ready(window.until_us);
                if window.again {
                    outboxes.enter_stores(&mut segments);
                }
            }
        }
        Execution::Whole | Execution::Sequential => {
            window.final_us = phases.next_start_us().unwrap_or(u64::MAX);
        }
        Execution::Events => unreachable!("events admit operations of their own"),
    }
}

/// Frees the slots of the operations that have ended in the step.
pub fn free_slots(mut operations: ResMut<Operations>, outboxes: Res<Outboxes>) {
    let ended = outboxes.iter().flat_map(|out| out.ended.iter().copied());
    operations.free(ended.collect());
}

#[cfg(test)]
mod tests {
    use bevy_ecs::system::RunSystemOnce;
    use kadsim_engine::key::Key;
    use kadsim_engine::node::Row;
    use kadsim_engine::operation::{Planned, Source, Stage};
    use kadsim_engine::record::Kind;

    use super::*;
    use crate::phases::{Accounting, Phase};

    /// Operations of one origin that are due 10 µs apart.
    struct Due(std::ops::Range<u64>);

    impl Source for Due {
        fn peek(&self) -> Option<Planned> {
            let number = (!self.0.is_empty()).then_some(self.0.start)?;
            Some(Planned {
                number,
                origin: Row(7),
                key: Key(number),
                due_us: 10 * number,
                lacks_origin: false,
            })
        }

        fn advance(&mut self) {
            self.0.start += 1;
        }
    }

    /// A world in which a phase of `count` operations has begun, with a window until `until_us`.
    fn world(count: u64, parallel: Option<u32>, until_us: u64) -> World {
        let mut phases = Phases::default();
        let phase = Phase {
            number: 0,
            kind: Kind::Lookup,
            source: Box::new(Due(0..count)),
            operations: count,
            parallel,
            start_us: 0,
            duration_us: 0,
            max_us: None,
            freshness_us: None,
        };
        phases.begin(phase, Accounting::Full);
        let mut world = World::new();
        world.insert_resource(phases);
        world.insert_resource(Recording::default());
        world.insert_resource(Operations::default());
        world.insert_resource(Outboxes::default());
        world.insert_resource(Segments::default());
        world.insert_resource(Window {
            until_us,
            tick_us: 1000,
            ..Window::default()
        });
        world
    }

    fn starts(world: &World) -> Vec<(u64, u64)> {
        let operations = world.resource::<Operations>();
        let start = operations.slots().iter();
        start
            .map(|operation| (operation.number, operation.start_us))
            .collect()
    }

    /// Ends the operations in flight, each 15 µs after its start.
    fn end_all(world: &mut World) {
        let ended: Vec<_> = world.resource_scope(|_, mut operations: Mut<Operations>| {
            let slots = operations.slots_mut().operations;
            let running = slots
                .iter_mut()
                .filter(|operation| operation.stage != Stage::Ended);
            running
                .map(|operation| {
                    operation.stage = Stage::Ended;
                    operation.end_us = operation.start_us + 15;
                    operation.slot
                })
                .collect()
        });
        let mut outboxes = world.resource_mut::<Outboxes>();
        outboxes.as_mut_slice()[0].ended.extend(ended);
        world.run_system_once(admit_successors).unwrap();
    }

    #[test]
    fn operations_start_in_the_window_in_which_they_are_due() {
        let mut world = world(5, None, 25);
        world.run_system_once(start_operations).unwrap();
        assert_eq!(starts(&world), [(0, 0), (1, 10), (2, 20)]);
        end_all(&mut world);
        assert!(world.resource::<Window>().is_last_round());
    }

    #[test]
    fn operations_of_an_origin_follow_one_another_within_the_window() {
        let mut world = world(5, Some(1), 40);
        world.run_system_once(start_operations).unwrap();
        assert_eq!(starts(&world), [(0, 0)]);
        end_all(&mut world);
        assert!(!world.resource::<Window>().is_last_round());
        world.run_system_once(start_operations).unwrap();
        assert_eq!(starts(&world), [(0, 0), (1, 15)]);
        end_all(&mut world);
        world.run_system_once(start_operations).unwrap();
        assert_eq!(starts(&world), [(0, 0), (1, 15), (2, 30)]);
        // The next one starts at 45, after the window.
        end_all(&mut world);
        assert!(world.resource::<Window>().is_last_round());
        world.run_system_once(free_slots).unwrap();
        assert_eq!(starts(&world), []);
    }
}
