//! Lets operations start, and lets those follow that wait for them.

use bevy_ecs::prelude::*;

use kadsim_engine::operation::Operations;
use kadsim_engine::segments::Segments;

use crate::advance::Outboxes;
use crate::phases::Phases;
use crate::step::{Course, Window};

/// Operations that start in one step, at most, where the rest can wait.
const BATCH: usize = 1 << 14;

/// The system that puts operations into slots.
pub fn start_operations(
    mut phases: ResMut<Phases>,
    mut window: ResMut<Window>,
    mut operations: ResMut<Operations>,
) {
    match window.course {
        Course::Windows => start_in_window(&mut phases, &mut window, &mut operations),
        Course::InOrder => {
            // An operation is evaluated when no other can start before it: its end may let one start. One
            // that is due has to wait for a place, perhaps until after the next is due.
            phases.take_until_first(window.starts_us);
            let most = if phases.are_limited() { 1 } else { BATCH };
            start(&mut phases, &window, &mut operations, most);
        }
        Course::Whole => {
            phases.take_due(window.starts_us, BATCH);
            start(&mut phases, &window, &mut operations, BATCH);
        }
    }
    window.again = false;
}

/// Starts those that start in the window, which is shortened where they are many.
fn start_in_window(phases: &mut Phases, window: &mut Window, operations: &mut Operations) {
    if !window.again {
        window.until_us = phases.take_due(window.until_us, BATCH);
    }
    let mut started = 0;
    while let Some((task, ready)) = phases.pop(window.until_us) {
        operations.start(ready.planned, &task, ready.start_us);
        started += 1;
        // More would only wait in memory; those that are due together stay together.
        if !window.again && started >= BATCH {
            let next_us = phases.next_start_us().unwrap_or(u64::MAX);
            if next_us > ready.start_us {
                window.until_us = window.until_us.min(next_us);
            }
        }
    }
    window.settled_us = window.until_us;
}

/// Starts the first operations, at most so many.
fn start(phases: &mut Phases, window: &Window, operations: &mut Operations, most: usize) {
    for _ in 0..most {
        let Some((task, ready)) = phases.pop(window.starts_us) else {
            return;
        };
        operations.start(ready.planned, &task, ready.start_us);
    }
}

/// The system that lets operations follow those of the same origin that have ended.
pub fn admit_successors(
    mut phases: ResMut<Phases>,
    mut outboxes: ResMut<Outboxes>,
    mut window: ResMut<Window>,
    mut segments: ResMut<Segments>,
) {
    if phases.are_limited() {
        phases.limited().for_each(|(_, queue)| queue.end_round());
        for out in outboxes.iter_mut() {
            for ended in &out.ended[out.succeeded..] {
                phases.free(ended.place, ended.origin, ended.end_us);
            }
            out.succeeded = out.ended.len();
        }
        phases
            .limited()
            .for_each(|(_, queue)| queue.admit_successors());
    }
    match window.course {
        Course::Windows => {
            window.again = phases.has_ready(window.until_us);
            if !window.again && phases.are_readers_held() {
                phases.release_readers();
                window.again = phases.has_ready(window.until_us);
                if window.again {
                    outboxes.enter_stores(&mut segments);
                }
            }
        }
        Course::Whole | Course::InOrder => {
            window.settled_us = phases.next_start_us().unwrap_or(u64::MAX);
        }
    }
}

/// The system that frees the slots of ended operations, last in a step.
pub fn free_slots(mut operations: ResMut<Operations>, mut outboxes: ResMut<Outboxes>) {
    // From the last one on: the slot that takes a freed one's place is not to be freed itself.
    let mut free: Vec<u32> = outboxes
        .iter_mut()
        .flat_map(|out| out.free.drain(..))
        .collect();
    free.sort_unstable();
    free.into_iter()
        .rev()
        .for_each(|slot| operations.free(slot));
    outboxes.clear();
}
