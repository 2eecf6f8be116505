//! Errors of writing a table.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use thiserror::Error;

/// Error of writing a table.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file could not be created, written or synchronised.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path of the table.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Parquet could not encode or write, for instance because the disk is full.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// Path of the table.
        path: PathBuf,
        /// Error of the encoder.
        source: ParquetError,
    },
    /// The columns do not form a batch, for instance because a phase has no name.
    #[error("{}: {source}", path.display())]
    Batch {
        /// Path of the table.
        path: PathBuf,
        /// Error of Arrow.
        source: ArrowError,
    },
    /// An earlier write failed, and this one was not tried.
    #[error("{}: not written after an earlier error: {cause}", path.display())]
    Failed {
        /// Path of the table.
        path: PathBuf,
        /// Text of the earlier error.
        cause: String,
    },
}

impl RecordError {
    /// Returns the function that makes an error of the table at `path` from an error of the operating system.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the function that makes an error of the table at `path` from an error of Parquet.
    pub(super) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self {
        move |source| Self::Parquet {
            path: path.to_owned(),
            source,
        }
    }
}
