//! Adds the stores of a step to the segments.

use bevy_ecs::prelude::*;

use kadsim_engine::segments::Segments;

use crate::outbox::Outboxes;

/// Adds the stores of the step to the segments, each with the time from which it is visible.
pub fn enter_stores(mut outboxes: ResMut<Outboxes>, mut segments: ResMut<Segments>) {
    outboxes.enter_stores(&mut segments);
}
