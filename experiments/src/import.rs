//! Reads node lists, traces of operations and of presence, and quantiles from Parquet files or texts with separators. The
//! ending of the file's name says which.
//!
//! 1. Columns are found by name, in any order; others are ignored. Integers may be of any width that holds the values
//!    (pandas writes keys below 2^63 as int64).
//! 2. Every error names the file and, where there is one, the place and the value. The place is a line of a text file,
//!    counted as an editor counts it, header included, or a row of a Parquet file.
//! 3. Every input has a limit, which is a constant here and is enforced while reading. The limit is on the unpacked
//!    content of a compressed file. So memory is bounded by the rows kept, about 40 bytes each, and some MB (with a
//!    column `peer_id`, its text too; with zstd, its window of up to 128 MiB).
//! 4. Cost: one pass, and a sort of the ids to find duplicates. Duplicates are looked for while reading too, so that a
//!    file of equal rows is refused early.

mod columns;
mod error;
mod identifier;
mod presence;
mod row;
mod source;
#[cfg(test)]
mod tests;
mod text;

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use arrow::array::StringArray;
use kadsim_engine::distribution::Quantiles;

pub use self::error::{ImportError, Place, Reason};
pub use self::presence::{Interval, read_presence};
pub(crate) use self::source::open;

use self::identifier::{KeyTexts, PeerIds};
use self::row::{Column, Header, Kind, Row, Take};
use self::source::{Format, format};
use self::text::Records;
use crate::file::Hash;
use crate::watch::Watch;

/// Longest file, and longest text that a compressed file unpacks to, in bytes: 4 GiB.
pub const FILE_BYTES_MAX: u64 = 1 << 32;
/// Largest ratio of a compressed text's unpacked length to its own, beyond [`UNPACKED_BYTES_FREE`]. Lists and traces
/// shrink to about a tenth; a file with a larger ratio is made to fill the machine.
pub const UNPACKED_TIMES_MAX: u64 = 100;
/// Unpacked length that every compressed text may have whatever its own, in bytes: 64 MiB.
pub const UNPACKED_BYTES_FREE: u64 = 64 << 20;
/// Most rows of a file: 2^26, 67 million.
pub const ROWS_MAX: u64 = 1 << 26;
/// Most columns of a file.
pub const COLUMNS_MAX: usize = 1024;
/// Longest line of a text file, in bytes; with a quoted field over several lines, all of them: 1 MiB.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Longest metadata of a Parquet file, in bytes: 16 MiB.
pub const METADATA_BYTES_MAX: u64 = 16 << 20;
/// Longest `peer_id`, in bytes.
pub const PEER_ID_BYTES_MAX: usize = 256;
/// Most bytes of all `peer_id`s together: 2 GiB.
pub const PEER_IDS_BYTES_MAX: usize = i32::MAX as usize;
/// Largest `start_ms` of a trace, in ms: 285 years.
pub const MAX_START_MS: f64 = 9e12;

/// Number of rows at which duplicates in a node list are first looked for, while it is read. Each further look comes at
/// this many times the rows of the one before.
const DOUBLES_FIRST: usize = 1 << 12;
const DOUBLES_FACTOR: usize = 4;

/// One operation of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Node id of the origin.
    pub origin: i64,
    /// Key that the operation asks for.
    pub key: u64,
    /// Due time, in µs from the phase's start.
    pub start_us: u64,
}

/// The nodes of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeList {
    /// Id and key of each node, in the order of the file.
    pub nodes: Vec<(i64, u64)>,
    /// Ids of the offline nodes, in the order of the file.
    pub offline: Vec<i64>,
    /// `peer_id` of each node, in the order of their keys, if the file has that column.
    pub labels: Option<Arc<StringArray>>,
}

/// Columns of a node list, in the order of the constants below.
const IDS: [Column; 4] = [
    column("node", Kind::Integer),
    column("key", Kind::Key),
    column("peer_id", Kind::Text),
    column("online", Kind::Flag),
];
const NODE: usize = 0;
const KEY: usize = 1;
const PEER_ID: usize = 2;
const ONLINE: usize = 3;

const TRACE: [Column; 3] = [
    column("origin", Kind::Integer),
    column("key", Kind::Key),
    column("start_ms", Kind::Number),
];

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// Reads a node list: columns `node` (int64), `key` (uint64 or text, see experiments/README.md), `peer_id` (text)
/// and `online` (boolean).
///
/// `key` is needed without a `hash`, `peer_id` with one, which makes the keys. Without `node`, which only a file with
/// `peer_id` need not have, ids are 0, 1, 2 in the order of the file. Without `online`, all nodes are online. Node ids,
/// keys and peer ids are each unique.
///
/// # Errors
/// An invalid file or header, the first invalid row, two rows with the same node, key or peer id, or no rows.
pub fn read_ids(
    path: &Path,
    hash: Option<Hash>,
    watch: Watch<'_>,
) -> Result<NodeList, ImportError> {
    let mut reader = IdReader::new(hash.map(PeerIds::new));
    let check = |header: &Header| check_ids(header, hash);
    read(path, &IDS, &check, watch, &mut |row| reader.take(row))?;
    reader.finish().map_err(|reason| ImportError {
        path: path.into(),
        reason,
    })
}

/// Checks that the file has the columns that ids and keys are made of.
fn check_ids(header: &Header, hash: Option<Hash>) -> Result<(), Reason> {
    let has_peer_id = header.has(IDS[PEER_ID].name);
    match hash {
        Some(_) => {
            header.need("peer_id", ", which `network.hash` makes keys from")?;
            if header.has("key") {
                let why =
                    "is there, and `network.hash` makes keys too: leave out the one or the other";
                return Err(Reason::SurplusColumn { column: "key", why });
            }
        }
        None if has_peer_id => {
            let hint =
                ", and no `network.hash` = \"sha256\" or \"keccak256\" to make keys from `peer_id`";
            header.need("key", hint)?;
        }
        None => header.need("key", "")?,
    }
    if !has_peer_id {
        header.need("node", "")?;
    }
    Ok(())
}

/// State of reading a node list.
struct IdReader {
    list: NodeList,
    /// Line or row of each node. Files are too short for more than 32 bits.
    places: Vec<u32>,
    /// Makes such a number a line or a row.
    place: fn(u64) -> Place,
    texts: PeerTexts,
    keys: KeyTexts,
    peer_ids: Option<PeerIds>,
    /// Number of nodes at which duplicates are looked for next.
    look_at: usize,
}

impl IdReader {
    fn new(peer_ids: Option<PeerIds>) -> Self {
        Self {
            list: NodeList::default(),
            places: Vec::new(),
            place: Place::Row,
            texts: PeerTexts::default(),
            keys: KeyTexts::default(),
            peer_ids,
            look_at: DOUBLES_FIRST,
        }
    }

    fn take(&mut self, row: &Row<'_, { IDS.len() }>) -> Result<(), Reason> {
        let id = match row.has(NODE) {
            true => row.integer(NODE)?,
            false => self.list.nodes.len() as i64,
        };
        if row.has(PEER_ID) {
            self.texts.push(row.text(PEER_ID)?)?;
        }
        let key = match &mut self.peer_ids {
            Some(ids) => {
                let key = ids.key(row.text(PEER_ID)?);
                key.map_err(|expected| row.wrong(PEER_ID, expected))?
            }
            None => row.key(KEY, &mut self.keys)?,
        };
        if row.has(ONLINE) && !row.flag(ONLINE)? {
            self.list.offline.push(id);
        }
        self.list.nodes.push((id, key));
        let (place, number): (fn(u64) -> Place, u64) = match row.place {
            Place::Line(number) => (Place::Line, number),
            Place::Row(number) => (Place::Row, number),
        };
        self.place = place;
        self.places.push(number as u32);
        if self.list.nodes.len() == self.look_at {
            self.look_at *= DOUBLES_FACTOR;
            self.distinct()?;
        }
        Ok(())
    }

    /// Fails at the first row that repeats a node, key or peer id of an earlier row.
    fn distinct(&self) -> Result<(), Reason> {
        let nodes = self.list.nodes.iter();
        self.distinct_in("node", nodes.clone().map(|node| node.0))?;
        self.distinct_in("peer_id", self.texts.iter())?;
        self.distinct_in("key", nodes.map(|node| node.1))
    }

    fn distinct_in<T: Copy + Ord + Display>(
        &self,
        column: &'static str,
        values: impl Iterator<Item = T>,
    ) -> Result<(), Reason> {
        let mut sorted: Vec<(T, u32)> = values.zip(0..).collect();
        sorted.sort_unstable();
        let pairs = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let Some(pair) = pairs.min_by_key(|pair| pair[1].1) else {
            return Ok(());
        };
        let place = |(_, row): (T, u32)| (self.place)(self.places[row as usize].into());
        Err(Reason::Duplicate {
            column,
            value: error::shorten(&pair[0].0.to_string()),
            first: place(pair[0]),
            second: place(pair[1]),
        })
    }

    fn finish(mut self) -> Result<NodeList, Reason> {
        if self.list.nodes.is_empty() {
            return Err(Reason::NoRows);
        }
        self.distinct()?;
        if !self.texts.ends.is_empty() {
            let nodes = &self.list.nodes;
            let mut by_key: Vec<u32> = (0..nodes.len() as u32).collect();
            by_key.sort_unstable_by_key(|&row| nodes[row as usize].1);
            self.list.labels = Some(Arc::new(self.texts.in_order(&by_key)));
        }
        Ok(self.list)
    }
}

/// Texts of peer ids in one string, in the order of the file.
#[derive(Default)]
struct PeerTexts {
    text: String,
    ends: Vec<u32>,
}

impl PeerTexts {
    fn push(&mut self, text: &str) -> Result<(), Reason> {
        self.text.push_str(text);
        // Offsets of an Arrow array have 31 bits.
        if self.text.len() > PEER_IDS_BYTES_MAX {
            return Err(Reason::LongPeerIds);
        }
        self.ends.push(self.text.len() as u32);
        Ok(())
    }

    fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[row] as usize]
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|row| self.get(row))
    }

    fn in_order(&self, rows: &[u32]) -> StringArray {
        StringArray::from_iter_values(rows.iter().map(|&row| self.get(row as usize)))
    }
}

/// Reads a trace: columns `origin` (int64), `key` (as of a node list) and `start_ms` (float64, from the phase's start,
/// 0 to [`MAX_START_MS`]), which is rounded to whole microseconds, halves away from zero. Returns rows in the order of
/// start, those of one start in the order of the file. A trace may have no rows. For an id that no origin may have,
/// `wanted_instead` returns what the id must be instead.
///
/// # Errors
/// An invalid file or header, or the first invalid row.
pub fn read_trace(
    path: &Path,
    mut wanted_instead: impl FnMut(i64) -> Option<&'static str>,
    watch: Watch<'_>,
) -> Result<Vec<TraceRow>, ImportError> {
    let mut trace = Vec::new();
    let mut keys = KeyTexts::default();
    let check = |header: &Header| {
        TRACE
            .iter()
            .try_for_each(|column| header.need(column.name, ""))
    };
    read(path, &TRACE, &check, watch, &mut |row| {
        let origin = row.integer(0)?;
        if let Some(wanted) = wanted_instead(origin) {
            return Err(row.wrong(0, wanted));
        }
        trace.push(TraceRow {
            origin,
            key: row.key(1, &mut keys)?,
            start_us: row.micros(2)?,
        });
        Ok(())
    })?;
    trace.sort_by_key(|row| row.start_us);
    Ok(trace)
}

const QUANTILES: [Column; 2] = [column("p", Kind::Number), column("ms", Kind::Number)];

/// Reads quantiles: columns `p` (float64, 0 to 1) and `ms` (float64, 0 to [`MAX_START_MS`]), both in ascending order.
///
/// # Errors
/// An invalid file or header, the first invalid row, fewer than two rows, or no length above 0.
pub fn read_quantiles(path: &Path, watch: Watch<'_>) -> Result<Quantiles, ImportError> {
    let fails = |reason| ImportError {
        path: path.into(),
        reason,
    };
    let mut points: Vec<(f64, f64)> = Vec::new();
    let check = |header: &Header| {
        QUANTILES
            .iter()
            .try_for_each(|column| header.need(column.name, ""))
    };
    read(path, &QUANTILES, &check, watch, &mut |row| {
        let (p, us) = (row.number(0, 1.0)?, 1e3 * row.number(1, MAX_START_MS)?);
        if let Some(&(p_before, us_before)) = points.last() {
            if p <= p_before {
                return Err(row.wrong(0, format!("above {p_before}, the one before")));
            }
            if us < us_before {
                let before = us_before / 1e3;
                return Err(row.wrong(1, format!("at least {before}, the one before")));
            }
        }
        points.push((p, us));
        Ok(())
    })?;
    Quantiles::new(points).map_err(|error| fails(Reason::Quantiles(error)))
}

/// Calls `take` with each row of a file, if `check` accepts its header.
fn read<const N: usize>(
    path: &Path,
    columns: &[Column; N],
    check: &dyn Fn(&Header) -> Result<(), Reason>,
    watch: Watch<'_>,
    take: &mut Take<'_, N>,
) -> Result<(), ImportError> {
    let fails = |reason| ImportError {
        path: path.into(),
        reason,
    };
    let packing = match format(path).map_err(fails)? {
        Format::Parquet => return columns::read(path, columns, check, watch, take),
        Format::Text(packing) => packing,
    };
    let mut records = Records::open(path, packing, watch)?;
    let names = records.header(&columns.map(|column| column.name))?;
    let header = Header { names };
    check(&header).map_err(fails)?;
    let places = header.places(columns).map_err(fails)?;
    let mut rows = 0;
    while let Some(record) = records.next()? {
        rows += 1;
        if rows > ROWS_MAX {
            return Err(fails(Reason::TooManyRows));
        }
        if record.len() != header.names.len() {
            return Err(fails(Reason::Fields {
                place: record.place,
                found: record.len(),
                columns: header.names.len(),
            }));
        }
        let row = Row::of_record(&record, columns, &places);
        row.and_then(|row| take(&row)).map_err(fails)?;
    }
    Ok(())
}
