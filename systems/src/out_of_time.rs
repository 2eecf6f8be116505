//! The error of an operation that goes on beyond the end of a network's clock.

use kadsim_engine::time::LAST_US;

/// An operation goes on beyond the last moment of the clock: the network cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation {operation} goes beyond {} ms, where times end", LAST_US / 1000)]
pub struct OutOfTime {
    /// Number of its phase.
    pub phase: u32,
    /// Its number.
    pub operation: u64,
}
