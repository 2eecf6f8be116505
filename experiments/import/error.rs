//! What can be wrong with an imported file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::MAX_ROWS;
use crate::watch::Stopped;

/// Why a file of node ids or a trace is not taken. Rows count from 1.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Somebody has asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its name ends in neither `.parquet` nor `.csv`.
    #[error("{}: the name must end in .parquet or .csv", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// It has no bytes at all.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is not Parquet, or damaged.
    #[error("{}: not a readable Parquet file: {reason}", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// It is not CSV: a row of another length, or not UTF-8.
    #[error("{}: not a readable CSV file: {reason}", path.display())]
    NotCsv {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A column is not there.
    #[error("{}: no column `{column}`; the columns are {}", path.display(), list(present))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that was looked for.
        column: &'static str,
        /// The columns that are there.
        present: Vec<String>,
    },
    /// Two columns have one name.
    #[error("{}: two columns are named `{column}`", path.display())]
    TwiceColumn {
        /// The file.
        path: PathBuf,
        /// Their name.
        column: &'static str,
    },
    /// A column is of a type that cannot be taken.
    #[error("{}: column `{column}` is {found}, not {expected}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its type.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A value is missing.
    #[error("{}: row {row}: no value in column `{column}`", path.display())]
    Null {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// A value is not allowed.
    #[error("{}: row {row}: `{column}` is {value}, not {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Two rows have one node id or one key.
    #[error("{}: rows {first} and {second} have the same {column}, {value}", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// `node` or `key`.
        column: &'static str,
        /// What they share.
        value: String,
        /// The earlier row, from 1.
        first: u64,
        /// The later row, from 1.
        second: u64,
    },
    /// A file of node ids without a row.
    #[error("{}: no rows; a network needs at least one node", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// More rows than [`MAX_ROWS`].
    #[error("{}: more than {MAX_ROWS} rows", path.display())]
    TooManyRows {
        /// The file.
        path: PathBuf,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
