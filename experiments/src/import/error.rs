//! Errors of imported files.

use std::fmt;
use std::io;
use std::path::PathBuf;

use kadsim_engine::distribution::QuantilesError;
use thiserror::Error;

use super::{
    COLUMNS_MAX, FILE_BYTES_MAX, METADATA_BYTES_MAX, PEER_ID_BYTES_MAX, PEER_IDS_BYTES_MAX,
    RECORD_BYTES_MAX, ROWS_MAX, UNPACKED_BYTES_FREE, UNPACKED_TIMES_MAX,
};
use crate::watch::Stopped;

/// A place in a file: the line of a text file, counted as an editor counts it, or the row of a Parquet file. Both count
/// from 1; the first line of a text file is its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file.
    Line(u64),
    /// Row of a Parquet file.
    Row(u64),
}

/// `line 6` or `row 5`.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, number) = self.parts();
        write!(formatter, "{unit} {number}")
    }
}

impl Place {
    fn parts(self) -> (&'static str, u64) {
        match self {
            Place::Line(number) => ("line", number),
            Place::Row(number) => ("row", number),
        }
    }
}

/// Reason that a node list, a trace or quantiles cannot be read, with its file.
#[derive(Debug, Error)]
#[error("{}: {reason}", path.display())]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub reason: Reason,
}

/// Reason that a file cannot be read.
#[derive(Debug, Error)]
pub enum Reason {
    /// The user has stopped the program.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The file cannot be opened or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The path names a folder, a device, a pipe or a socket.
    #[error("this is {0}, not a file; only files are read, because some are read more than once")]
    NotAFile(&'static str),
    /// The ending of the name is not that of a format.
    #[error(
        "the name must end in .parquet, .csv or .tsv, or in .csv.gz, .csv.zst, .tsv.gz or .tsv.zst"
    )]
    Extension,
    /// The file is empty or has only blank lines.
    #[error("the file is empty")]
    Empty,
    /// The file, or its unpacked content, is too long.
    #[error("{0} is longer than {FILE_BYTES_MAX} bytes, the most that is read")]
    TooLong(&'static str),
    /// The unpacked content of a compressed file is too long for the file's length.
    #[error(
        "it unpacks to more than {UNPACKED_TIMES_MAX} times its length, the most that is read beyond {UNPACKED_BYTES_FREE} bytes"
    )]
    Swells,
    /// A line, or a quoted field over several lines, is too long.
    #[error(
        "{0}: longer than {RECORD_BYTES_MAX} bytes, the most for a line; is there a quote that does not end?"
    )]
    LongRecord(Place),
    /// There are too many columns.
    #[error("more than {COLUMNS_MAX} columns, the most that is read")]
    TooManyColumns,
    /// There are too many rows.
    #[error("more than {ROWS_MAX} rows, the most that is read")]
    TooManyRows,
    /// The peer ids together are too long.
    #[error("the peer ids take more than {PEER_IDS_BYTES_MAX} bytes, the most that is read")]
    LongPeerIds,
    /// The footer of a Parquet file is too long.
    #[error("the metadata take more than {METADATA_BYTES_MAX} bytes, the most that is read")]
    LongMetadata,
    /// A column of a Parquet file is too long for its values.
    #[error(
        "column `{0}` takes more than {PEER_ID_BYTES_MAX} bytes a value, the most that is read"
    )]
    LongColumn(String),
    /// The content is not of the format that the name says.
    #[error("{0}{1}")]
    OtherContent(&'static str, &'static str),
    /// The file cannot be unpacked.
    #[error("not readable as {0}: {1}")]
    Packed(&'static str, io::Error),
    /// The file is not Parquet, or is damaged.
    #[error("not a readable Parquet file: {0}")]
    NotParquet(String),
    /// The header can be split by two separators.
    #[error("line {line}: the header fits {first} and {second} as separators: use one of them")]
    Separator {
        /// Line of the header.
        line: u64,
        /// One separator.
        first: &'static str,
        /// Another one.
        second: &'static str,
    },
    /// A line has more or fewer fields than the header.
    #[error("{place}: {found} {}, but the header has {columns}", plural(*found, "field"))]
    Fields {
        /// Where.
        place: Place,
        /// Fields of the line.
        found: usize,
        /// Columns of the header.
        columns: usize,
    },
    /// A text is not UTF-8.
    #[error("{place}: `{column}` is not UTF-8: save the file as UTF-8")]
    NotUtf8 {
        /// Where.
        place: Place,
        /// The column.
        column: String,
    },
    /// A required column is missing.
    #[error("no column `{column}`{hint}; the columns are {}", list(present))]
    MissingColumn {
        /// The missing column.
        column: &'static str,
        /// What it is needed for, if the column's name does not say it.
        hint: &'static str,
        /// The columns that are there.
        present: Vec<String>,
    },
    /// A column contradicts the other columns or the experiment.
    #[error("column `{column}` {why}")]
    SurplusColumn {
        /// The column.
        column: &'static str,
        /// Why, and what to do.
        why: &'static str,
    },
    /// Two columns have one name.
    #[error("two columns are named `{0}`")]
    TwiceColumn(&'static str),
    /// A column has a type that is not read.
    #[error("column `{column}` is {found}, not {expected}")]
    WrongType {
        /// The column.
        column: &'static str,
        /// Its type.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A value is missing.
    #[error("{place}: no value in column `{column}`")]
    Null {
        /// Where.
        place: Place,
        /// The column.
        column: &'static str,
    },
    /// A value is not allowed.
    #[error("{place}: `{column}` is {value}, not {expected}")]
    Value {
        /// Where.
        place: Place,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// Two rows have one node id, one key or one peer id.
    #[error("{}s {} and {} have the same {column}, {value}", first.parts().0, first.parts().1, second.parts().1)]
    Duplicate {
        /// `node`, `key` or `peer_id`.
        column: &'static str,
        /// The value that both have.
        value: String,
        /// The earlier row.
        first: Place,
        /// The later row.
        second: Place,
    },
    /// Two rows say that a node is online at the same time.
    #[error("{}s {} and {} overlap: node {node} is online in both", first.parts().0, first.parts().1, second.parts().1)]
    Overlap {
        /// Id of the node.
        node: i64,
        /// The row that begins first.
        first: Place,
        /// The other row.
        second: Place,
    },
    /// The rows are no quantiles.
    #[error(transparent)]
    Quantiles(#[from] QuantilesError),
    /// A file of node ids without a row.
    #[error("no rows; a network needs at least one node")]
    NoRows,
}

fn plural(number: usize, word: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{word}{s}")
}

/// Columns shown at most: a file may have a thousand.
const LISTED_MAX: usize = 20;

fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED_MAX);
    let quoted: Vec<String> = shown.map(|name| format!("`{}`", shorten(name))).collect();
    let more = match names.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    quoted.join(", ") + &more
}

/// A text as it stands in a message: on one line and not too long.
pub(super) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut short: String = text
        .chars()
        .take(CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}
