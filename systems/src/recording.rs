//! What is recorded of a network.

use bevy_ecs::prelude::*;

/// What is recorded. Set between phases, never changed by a step.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Recording {
    /// Number of the network in the rows of the tables.
    pub network: u32,
    /// Whether operations carry their result lists.
    pub results: bool,
    /// Whether operations carry their recall.
    pub recall: bool,
    /// Whether single connections are recorded.
    pub connections: bool,
    /// Whether rows have the columns of living runs.
    pub living: bool,
    /// Whether the memory that answers read is counted. Operations then run on one thread, one after the other.
    pub instrumented: bool,
}

impl Default for Recording {
    /// Network 0: operations with their recall.
    fn default() -> Self {
        Self {
            network: 0,
            results: false,
            recall: true,
            connections: false,
            living: false,
            instrumented: false,
        }
    }
}
