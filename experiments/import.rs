//! Node ids and traces of operations that come from elsewhere: Parquet or CSV, by the file's extension.
//!
//! Reads columns by name, in any order, and leaves others alone. Integers may be of any width that holds
//! the values (pandas writes keys below 2^63 as int64). Keys are 64 bits wide; longer ids are not read.
//! Every error names the file and, where there is one, the row (the first row of data is row 1) and the
//! value. Between two batches of rows somebody may ask to stop. Cost: one pass, and a sort of the ids to find doubles.

mod columns;
mod error;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use self::error::ImportError;

use self::columns::{Type, read_columns};
use crate::watch::Watch;

/// Most rows of an imported file: node rows are 32 bits wide, and one bit stays free.
pub const MAX_ROWS: u64 = 1 << 31;

/// Largest `start_ms` of a trace, in ms: 285 years.
pub const MAX_START_MS: f64 = 9e12;

/// One operation of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Node id of the node it starts at.
    pub origin: i64,
    /// Key it looks for.
    pub key: u64,
    /// When it is due, in µs from the phase's start.
    pub start_us: u64,
}

/// Reads node ids: columns `node` (int64) and `key` (uint64), each without doubles.
///
/// # Errors
/// Any [`ImportError`]; no rows at all is one.
pub fn read_ids(path: &Path, watch: Watch<'_>) -> Result<Vec<(i64, u64)>, ImportError> {
    let mut ids = Vec::new();
    read_columns(path, ["node", "key"], [Type::Integer; 2], &mut |batch| {
        watch.go_on()?;
        for i in 0..batch.rows {
            ids.push((batch.integer(0, i)?, batch.key(1, i)?));
        }
        Ok(())
    })?;
    if ids.is_empty() {
        return Err(ImportError::NoRows { path: path.into() });
    }
    unique(path, "node", &ids, |id| id.0)?;
    unique(path, "key", &ids, |id| id.1)?;
    Ok(ids)
}

/// Reads a trace: columns `origin` (int64), `key` (uint64) and `start_ms` (float64, from the phase's
/// start, with at most three decimals, 0 to [`MAX_START_MS`]). Rows come back in order of start, those of
/// one start in the order of the file. No rows are a trace too. `wanted_instead` says, of an id that no origin
/// may have, what it must be instead.
///
/// # Errors
/// Any [`ImportError`] but `NoRows` and `Duplicate`.
pub fn read_trace(
    path: &Path,
    wanted_instead: impl Fn(i64) -> Option<&'static str>,
    watch: Watch<'_>,
) -> Result<Vec<TraceRow>, ImportError> {
    let mut trace = Vec::new();
    let types = [Type::Integer, Type::Integer, Type::Number];
    read_columns(path, ["origin", "key", "start_ms"], types, &mut |batch| {
        watch.go_on()?;
        for i in 0..batch.rows {
            let origin = batch.integer(0, i)?;
            if let Some(wanted) = wanted_instead(origin) {
                return Err(batch.value_error(0, i, &origin.to_string(), wanted));
            }
            trace.push(TraceRow {
                origin,
                key: batch.key(1, i)?,
                start_us: batch.start_us(2, i)?,
            });
        }
        Ok(())
    })?;
    trace.sort_by_key(|row| row.start_us);
    Ok(trace)
}

/// Fails at the first row that has an earlier one's value.
fn unique<T: Copy + Ord + std::fmt::Display>(
    path: &Path,
    column: &'static str,
    ids: &[(i64, u64)],
    value: impl Fn(&(i64, u64)) -> T,
) -> Result<(), ImportError> {
    let mut sorted: Vec<(T, u32)> = (0u32..).zip(ids).map(|(i, id)| (value(id), i)).collect();
    sorted.sort_unstable();
    let pairs = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    let Some(pair) = pairs.min_by_key(|pair| pair[1].1) else {
        return Ok(());
    };
    Err(ImportError::Duplicate {
        path: path.into(),
        column,
        value: pair[0].0.to_string(),
        first: u64::from(pair[0].1) + 1,
        second: u64::from(pair[1].1) + 1,
    })
}
