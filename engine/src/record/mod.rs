//! The output tables of a run: one Parquet file for each table, written while the run goes on.
//!
//! 1. A table consists of a row struct, a `XxxTable` with `create`, `push` and `finish`, and a list of columns. The macro
//!    `table!` declares the list and the methods that all tables have. A line of the list states all that defines a column:
//!    name, type, unit, meaning, and its value for a row. Users rely on names, types, order and nulls, so these do not
//!    change.
//! 2. Rows collect in batches of [`BATCH_ROWS`](writer::BATCH_ROWS). Each table has a thread that encodes full batches
//!    while the simulation goes on, and writes a row group to the file when it is full. At most
//!    [`QUEUE`](writer::QUEUE) batches wait for that thread; the simulation waits when there are more. The memory of a
//!    table is therefore bounded by [`ROW_GROUP_BYTES`](writer::ROW_GROUP_BYTES) and a few batches, however long a run is.
//! 3. Times are integer microseconds in rows and float milliseconds in files: `us / 1000`, the double nearest to the
//!    exact value, so equal times are equal bits.
//! 4. A full disk never panics. A call soon after it, and every later call, returns an error. Finishing the table still
//!    saves the rows of complete row groups; see [`writer::TableWriter::finish`].
//!
//! The Arrow field of each column carries `unit` and `description` as metadata.

mod batches;
mod column;
pub mod connections;
mod error;
pub mod footer;
pub mod nodes;
pub mod operations;
pub mod routing;
pub mod summary;
mod table;
pub mod ticks;
pub mod timings;
pub mod writer;

use std::fmt;

pub use connections::{ConnectionRow, ConnectionTable};
pub use error::RecordError;
pub use footer::RunInfo;
pub use nodes::{NodeRow, NodeTable};
pub use operations::{OperationRow, OperationTable};
pub use routing::{RoutingRow, RoutingTable};
pub use summary::{SummaryRow, SummaryTable};
pub use ticks::{TickRow, TickTable};
pub use timings::{TimingRow, TimingTable};

/// Description of a table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name of the table, whose file is `NAME.parquet`.
    pub name: &'static str,
    /// What a row stands for, and notes on several columns.
    pub about: &'static str,
    /// The order of rows.
    pub order: &'static str,
    /// Returns the schema: names, types, units and meanings of the columns.
    pub schema: fn() -> arrow::datatypes::Schema,
}

impl Table {
    /// All tables that a run can write.
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

/// Kind of an operation.
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

    /// Returns the name in the column `kind` and in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Provide => "provide",
            Kind::Lookup => "lookup",
            Kind::Retrieve => "retrieve",
        }
    }
}

/// Writes the name of [`Kind::as_str`].
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It came to its end.
    #[default]
    Done,
    /// Its origin left the network.
    OriginLeft,
    /// Its origin was offline when it was to start.
    OriginOffline,
    /// None of the nodes drawn for its origin was online.
    NoOrigin,
    /// Its phase was cut off.
    CutOff,
}

impl Ending {
    /// Every ending, in the order of their discriminants.
    pub const ALL: [Self; 5] = [
        Self::Done,
        Self::OriginLeft,
        Self::OriginOffline,
        Self::NoOrigin,
        Self::CutOff,
    ];

    /// Returns the name in the column `ended`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::OriginLeft => "origin_left",
            Self::OriginOffline => "origin_offline",
            Self::NoOrigin => "no_origin",
            Self::CutOff => "cut_off",
        }
    }
}

/// Request of a connection to the contacted node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Request {
    /// Asks for the nodes closest to a key, or for a segment, in a retrieve.
    #[default]
    Lookup,
    /// Asks to keep a segment.
    Store,
}

impl Request {
    /// Every request, in the order of their discriminants.
    pub const ALL: [Request; 2] = [Request::Lookup, Request::Store];

    /// Returns the name in the column `request` of the connections table.
    pub fn as_str(self) -> &'static str {
        match self {
            Request::Lookup => "lookup",
            Request::Store => "store",
        }
    }
}

/// What a connection is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// An operation of the phase.
    #[default]
    User,
    /// A lookup that refreshes a bucket.
    Refresh,
    /// A lookup of a node that joins.
    Join,
    /// A ping that checks an entry.
    Check,
    /// A ping before a node becomes an entry: of the node, or of the entry that it would replace.
    Ping,
    /// A segment that is provided again.
    Republish,
}

impl Purpose {
    /// Every purpose, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::User,
        Self::Refresh,
        Self::Join,
        Self::Check,
        Self::Ping,
        Self::Republish,
    ];

    /// Returns the name in the column `purpose` of the connections table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Refresh => "refresh",
            Self::Join => "join",
            Self::Check => "check",
            Self::Ping => "ping",
            Self::Republish => "republish",
        }
    }
}

/// Outcome of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered.
    #[default]
    Ok,
    /// Failed early, as a refused connection does.
    FastError,
    /// Failed late, as a timeout does.
    SlowError,
    /// Failed because the contacted node is offline.
    NotFound,
    /// Answered after the timeout, when the origin has given up.
    Late,
}

impl Outcome {
    /// Every outcome, in the order of their discriminants.
    pub const ALL: [Outcome; 5] = [
        Outcome::Ok,
        Outcome::FastError,
        Outcome::SlowError,
        Outcome::NotFound,
        Outcome::Late,
    ];

    /// Returns the name in the column `outcome` of the connections table.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::FastError => "fast_error",
            Outcome::SlowError => "slow_error",
            Outcome::NotFound => "not_found",
            Outcome::Late => "late",
        }
    }
}

#[cfg(test)]
mod tests;
