//! Reads when nodes are online.

use std::path::Path;

use super::row::{Column, Header, Kind};
use super::{ImportError, Place, Reason, column, read};
use crate::watch::Watch;

/// From when until when a node is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// Node id.
    pub node: i64,
    /// When it comes, in µs from the run's start.
    pub from_us: u64,
    /// When it leaves; `u64::MAX` if never.
    pub until_us: u64,
}

const PRESENCE: [Column; 3] = [
    column("node", Kind::Integer),
    column("online_ms", Kind::Number),
    column("offline_ms", Kind::Number),
];

/// Reads when nodes are online: columns `node` (int64), `online_ms` and `offline_ms` (float64, from the run's start, 0
/// to [`MAX_START_MS`](super::MAX_START_MS)), which are rounded to whole microseconds. A node without a value of
/// `offline_ms` stays. Returns the intervals in the order of nodes and times; those of a node that touch are one.
/// For an id that no node has, `wanted_instead` returns what the id must be instead.
///
/// # Errors
/// An invalid file or header, the first invalid row, or two rows that overlap.
pub fn read_presence(
    path: &Path,
    mut wanted_instead: impl FnMut(i64) -> Option<&'static str>,
    watch: Watch<'_>,
) -> Result<Vec<Interval>, ImportError> {
    let mut rows: Vec<(Interval, Place)> = Vec::new();
    let check = |header: &Header| {
        let mut columns = PRESENCE.iter();
        columns.try_for_each(|column| header.need(column.name, ""))
    };
    read(path, &PRESENCE, &check, watch, &mut |row| {
        let node = row.integer(0)?;
        if let Some(wanted) = wanted_instead(node) {
            return Err(row.wrong(0, wanted));
        }
        let from_us = row.micros(1)?;
        let until_us = match row.is_missing(2) {
            true => u64::MAX,
            false => row.micros(2)?,
        };
        if until_us <= from_us {
            return Err(row.wrong(2, "a time after `online_ms`"));
        }
        let interval = Interval {
            node,
            from_us,
            until_us,
        };
        rows.push((interval, row.place));
        Ok(())
    })?;
    rows.sort_by_key(|(interval, _)| *interval);
    let mut intervals: Vec<Interval> = Vec::with_capacity(rows.len());
    let mut before: Option<Place> = None;
    for (interval, place) in rows {
        match (intervals.last_mut(), before.replace(place)) {
            (Some(last), Some(first)) if last.node == interval.node => {
                if interval.from_us < last.until_us {
                    let reason = Reason::Overlap {
                        node: interval.node,
                        first,
                        second: place,
                    };
                    return Err(ImportError {
                        path: path.into(),
                        reason,
                    });
                }
                if interval.from_us == last.until_us {
                    last.until_us = interval.until_us;
                    continue;
                }
                intervals.push(interval);
            }
            _ => intervals.push(interval),
        }
    }
    Ok(intervals)
}
