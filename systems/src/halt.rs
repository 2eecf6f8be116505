//! Why a network cannot go on.

use kadsim_engine::presence::TooManyChanges;
use kadsim_engine::time::LAST_US;

/// Why a network cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// An operation goes on beyond the last moment of the clock.
    #[error("operation {operation} goes beyond {} ms, where times end", LAST_US / 1000)]
    OperationBeyondClock {
        /// Number of its phase.
        phase: u32,
        /// Its number.
        operation: u64,
    },
    /// The joins that make the network go on beyond the last moment of the clock.
    #[error("the last node has not joined at {} ms, where times end", LAST_US / 1000)]
    JoinBeyondClock,
    /// No node answers the last one that joins, however often it asks.
    #[error("the last node cannot join: it asks and asks, and no node answers")]
    JoinUnanswered,
    /// Nodes come and leave more often than can be kept.
    #[error(transparent)]
    TooManyChanges(#[from] TooManyChanges),
}
