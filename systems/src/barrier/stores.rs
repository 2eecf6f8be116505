//! Enters the stores of a step.

use bevy_ecs::prelude::*;

use kadsim_engine::segments::Segments;

use crate::outbox::Outboxes;

/// Enters the stores of the step, each with the time from which it is visible.
pub fn enter_stores(mut outboxes: ResMut<Outboxes>, mut segments: ResMut<Segments>) {
    outboxes.enter_stores(&mut segments);
}
