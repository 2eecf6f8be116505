//! The error of what goes on beyond the end of a network's clock.

use kadsim_engine::time::LAST_US;

/// Something goes on beyond the last moment of the clock: the network cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfTime {
    /// An operation.
    #[error("operation {operation} goes beyond {} ms, where times end", LAST_US / 1000)]
    Operation {
        /// Number of its phase.
        phase: u32,
        /// Its number.
        operation: u64,
    },
    /// The joins by which the network comes to be.
    #[error("the network does not come to be: the last node asks and asks, and no node answers it")]
    Join,
}
