//! How the join of the last node ends, where a network grows by joins.

/// How the join of the last node has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinEnded {
    /// At this time, µs.
    At(u64),
    /// It never will: no node answers.
    Never,
}
