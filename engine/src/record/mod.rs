//! What a run leaves behind: one Parquet file per table, written as time passes.
//!
//! 1. A table is a row struct of plain integers, a `XxxTable` with `create`, `push` and `finish`, and
//!    one `Column` per column. Names, types, order and nulls are fixed: users rely on them.
//! 2. Rows collect in [`BATCH_ROWS`](writer::BATCH_ROWS) long columns. A full batch goes to the table's
//!    own thread, which encodes it while the simulation goes on, and to the file when a row group is full.
//!    A batch that finds [`QUEUE`](writer::QUEUE) others waiting waits itself. So memory is bounded however
//!    long a run is: about [`ROW_GROUP_BYTES`](writer::ROW_GROUP_BYTES) and the batches per table.
//! 3. Times come in as integer microseconds and are written as float milliseconds: `us / 1000`, the
//!    double nearest to the exact value, so equal times are equal bits.
//! 4. A full disk is an error of a call soon after it and of every later one, never a panic. The rows of complete row groups are
//!    saved all the same when the table is finished; see [`writer::TableWriter::finish`].
//!
//! Each column's Arrow field carries `unit` and `description` as metadata.

mod batches;
mod column;
pub mod connections;
pub mod nodes;
pub mod operations;
pub mod routing;
pub mod summary;
pub mod ticks;
pub mod timings;
pub mod writer;

use std::fmt;

pub use connections::{ConnectionRow, ConnectionTable};
pub use nodes::{NodeRow, NodeTable};
pub use operations::{OperationRow, OperationTable};
pub use routing::{RoutingRow, RoutingTable};
pub use summary::{SummaryRow, SummaryTable};
pub use ticks::{TickRow, TickTable};
pub use timings::{TimingRow, TimingTable};
pub use writer::{RecordError, RunInfo};

/// A table that a run writes.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name; its file is `NAME.parquet`.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// The order of rows.
    pub order: &'static str,
    /// Makes its schema: names, types, units and meanings of its columns.
    pub schema: fn() -> arrow::datatypes::Schema,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 7] = [
        ticks::TABLE,
        operations::TABLE,
        nodes::TABLE,
        connections::TABLE,
        routing::TABLE,
        summary::TABLE,
        timings::TABLE,
    ];
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Looks up the nodes closest to a key and stores a segment at them.
    Provide,
    /// Looks up the nodes closest to a key.
    #[default]
    Lookup,
    /// Looks for a node that holds a segment.
    Retrieve,
}

impl Kind {
    /// Every kind, in the order of their discriminants.
    pub const ALL: [Kind; 3] = [Kind::Provide, Kind::Lookup, Kind::Retrieve];

    /// The name in the tables' `kind` column and in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Provide => "provide",
            Kind::Lookup => "lookup",
            Kind::Retrieve => "retrieve",
        }
    }
}

/// Its name.
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What a connection asks of the contacted node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// For the nodes closest to a key (or a segment, in a retrieve).
    Lookup,
    /// To keep a segment.
    Store,
}

impl Request {
    /// Every request, in the order of their discriminants.
    pub const ALL: [Request; 2] = [Request::Lookup, Request::Store];

    /// The name in the connections table's `request` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Request::Lookup => "lookup",
            Request::Store => "store",
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// Failed soon, as a refused connection does.
    FastError,
    /// Failed late, as a timeout does.
    SlowError,
    /// Nobody there.
    NotFound,
}

impl Outcome {
    /// Every outcome, in the order of their discriminants.
    pub const ALL: [Outcome; 4] = [
        Outcome::Ok,
        Outcome::FastError,
        Outcome::SlowError,
        Outcome::NotFound,
    ];

    /// The name in the connections table's `outcome` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::FastError => "fast_error",
            Outcome::SlowError => "slow_error",
            Outcome::NotFound => "not_found",
        }
    }
}

#[cfg(test)]
mod tests;
