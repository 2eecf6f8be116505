//! Reads records of a text file with a header. Commas, semicolons or tabs separate fields, with quotes as in RFC 4180.
//!
//! 1. Memory is bounded: a buffer of [`BUFFER_BYTES`], and a record of at most [`RECORD_BYTES_MAX`] bytes and
//!    [`COLUMNS_MAX`] fields. Unpacked bytes are counted while they are read.
//! 2. Lines are counted as an editor counts them: blank ones too, and those within quotes. A line ends by LF, CR or
//!    both. A record's line is its first.
//! 3. Blank lines are no records.

use std::io::{ErrorKind, Read};
use std::path::Path;

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::error::Place;
use super::source::{Packing, unpack};
use super::{
    COLUMNS_MAX, FILE_BYTES_MAX, ImportError, RECORD_BYTES_MAX, Reason, UNPACKED_BYTES_FREE,
    UNPACKED_TIMES_MAX,
};
use crate::content;
use crate::watch::Watch;

/// Bytes of the buffer that the file is read into.
const BUFFER_BYTES: usize = 1 << 16;
/// Bytes that may separate fields, each with its name in messages.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reader of the records of a text file.
pub(super) struct Records<'a> {
    path: &'a Path,
    packing: Packing,
    watch: Watch<'a>,
    source: Box<dyn Read>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are not consumed yet.
    unused: std::ops::Range<usize>,
    /// Bytes read so far, unpacked.
    read: u64,
    /// Most unpacked bytes that a file of this length may have.
    unpacked_max: u64,
    /// Line of the next byte, from 1.
    line: u64,
    /// Whether the last consumed byte was a CR. An LF behind it ends no line of its own.
    after_cr: bool,
    csv: csv_core::Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

/// One record.
pub(super) struct Record<'a> {
    pub(super) place: Place,
    fields: &'a [u8],
    ends: &'a [usize],
}

impl Record<'_> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn field(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.fields[start..self.ends[place]]
    }
}

impl<'a> Records<'a> {
    /// Opens the file and checks that its first bytes are text.
    pub(super) fn open(
        path: &'a Path,
        packing: Packing,
        watch: Watch<'a>,
    ) -> Result<Self, ImportError> {
        let (file, length) = super::source::open(path)?;
        let fails = |reason| ImportError {
            path: path.into(),
            reason,
        };
        if length == 0 {
            return Err(fails(Reason::Empty));
        }
        let mut records = Self {
            path,
            packing,
            watch,
            source: unpack(file, packing).map_err(|error| fails(error.into()))?,
            buffer: vec![0; BUFFER_BYTES],
            unused: 0..0,
            read: 0,
            unpacked_max: match packing {
                Packing::Plain => u64::MAX,
                _ => (length * UNPACKED_TIMES_MAX).max(UNPACKED_BYTES_FREE),
            },
            line: 1,
            after_cr: false,
            csv: csv_core::Reader::new(),
            fields: vec![0; 1 << 10],
            ends: vec![0; 16],
        };
        records.fill()?;
        let start = &records.buffer[records.unused.clone()];
        if let Some(cause) = content::not_text(start) {
            let remedy = match (packing, cause) {
                (Packing::Plain, cause) if cause.ends_with("gzip") => ": name it .csv.gz",
                (Packing::Plain, cause) if cause.ends_with("zstd") => ": name it .csv.zst",
                (Packing::Plain, cause) if cause.ends_with("Parquet") => ": name it .parquet",
                _ => "",
            };
            return Err(fails(Reason::OtherContent(cause, remedy)));
        }
        if start.starts_with(BYTE_ORDER_MARK) {
            records.unused.start += BYTE_ORDER_MARK.len();
        }
        Ok(records)
    }

    fn error(&self, reason: impl Into<Reason>) -> ImportError {
        ImportError {
            path: self.path.into(),
            reason: reason.into(),
        }
    }

    /// Fills the buffer if all of it is consumed. Returns whether there are bytes left.
    fn fill(&mut self) -> Result<bool, ImportError> {
        if !self.unused.is_empty() {
            return Ok(true);
        }
        self.watch.go_on().map_err(|stopped| self.error(stopped))?;
        let read = loop {
            match self.source.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.packing == Packing::Plain => return Err(self.error(error)),
                Err(error) => return Err(self.error(Reason::Packed(self.packing.name(), error))),
                Ok(read) => break read,
            }
        };
        self.unused = 0..read;
        self.read += read as u64;
        if self.read > FILE_BYTES_MAX {
            return Err(self.error(Reason::TooLong("the unpacked text")));
        }
        if self.read > self.unpacked_max {
            return Err(self.error(Reason::Swells));
        }
        Ok(read > 0)
    }

    /// Consumes `bytes` bytes of the buffer and counts their lines.
    fn consume(&mut self, bytes: usize) {
        let start = self.unused.start;
        for &byte in &self.buffer[start..start + bytes] {
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_cr);
            self.line += u64::from(ends_line);
            self.after_cr = byte == b'\r';
        }
        self.unused.start += bytes;
    }

    /// Skips blank lines. Returns whether another line follows.
    fn skip_blank_lines(&mut self) -> Result<bool, ImportError> {
        while self.fill()? {
            let unused = &self.buffer[self.unused.clone()];
            let blank = unused
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let blank = blank.count();
            let is_all = blank == unused.len();
            self.consume(blank);
            if !is_all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the header, and chooses the separator by which most of the `known` names are columns. Returns the names
    /// without spaces around them.
    pub(super) fn header(&mut self, known: &[&str]) -> Result<Vec<String>, ImportError> {
        if !self.skip_blank_lines()? {
            return Err(self.error(Reason::Empty));
        }
        let line = self.line;
        let header = self.header_bytes()?;
        let split = SEPARATORS.map(|(byte, name)| {
            let names = split(&header, byte);
            let score = names
                .iter()
                .filter(|name| known.contains(&name.as_str()))
                .count();
            (score, byte, name, names)
        });
        let best = split.iter().map(|(score, ..)| *score).max().unwrap_or(0);
        let mut fitting = split.into_iter().filter(|(score, ..)| *score == best);
        let Some((score, byte, first, names)) = fitting.next() else {
            return Ok(Vec::new());
        };
        let mut chosen = (byte, names);
        for (_, byte, second, names) in fitting {
            if score > 0 && names != chosen.1 {
                return Err(self.error(Reason::Separator {
                    line,
                    first,
                    second,
                }));
            }
            // For a header without a known name, the error then shows the most likely columns.
            if names.len() > chosen.1.len() {
                chosen = (byte, names);
            }
        }
        if chosen.1.len() > COLUMNS_MAX {
            return Err(self.error(Reason::TooManyColumns));
        }
        self.csv = ReaderBuilder::new().delimiter(chosen.0).build();
        Ok(chosen.1)
    }

    /// Returns the bytes of the header. It has several lines if one ends within quotes.
    fn header_bytes(&mut self) -> Result<Vec<u8>, ImportError> {
        let place = Place::Line(self.line);
        let mut header = Vec::new();
        let mut quoted = false;
        while self.fill()? {
            let unused = &self.buffer[self.unused.clone()];
            let end = unused.iter().position(|byte| {
                quoted ^= *byte == b'"';
                !quoted && matches!(byte, b'\r' | b'\n')
            });
            let length = end.unwrap_or(unused.len());
            header.extend_from_slice(&unused[..length]);
            self.consume(length);
            if header.len() > RECORD_BYTES_MAX {
                return Err(self.error(Reason::LongRecord(place)));
            }
            if end.is_some() {
                break;
            }
        }
        Ok(header)
    }

    /// Returns the next record, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, ImportError> {
        loop {
            if !self.skip_blank_lines()? {
                return Ok(None);
            }
            let place = Place::Line(self.line);
            let (bytes, fields) = self.record(place)?;
            // A line of spaces is blank too.
            if fields > 1 || !self.fields[..bytes].iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Record {
                    place,
                    fields: &self.fields[..bytes],
                    ends: &self.ends[..fields],
                }));
            }
        }
    }

    /// Splits a record into fields. Returns the number of its bytes and fields.
    fn record(&mut self, place: Place) -> Result<(usize, usize), ImportError> {
        let (mut bytes, mut fields) = (0, 0);
        loop {
            // An empty buffer tells the CSV reader that the file has ended.
            self.fill()?;
            let (result, used, written, ended) = self.csv.read_record(
                &self.buffer[self.unused.clone()],
                &mut self.fields[bytes..],
                &mut self.ends[fields..],
            );
            self.consume(used);
            bytes += written;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if bytes >= RECORD_BYTES_MAX => {
                    return Err(self.error(Reason::LongRecord(place)));
                }
                ReadRecordResult::OutputFull => self.fields.resize(2 * self.fields.len(), 0),
                ReadRecordResult::OutputEndsFull if fields >= COLUMNS_MAX => {
                    return Err(self.error(Reason::TooManyColumns));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record | ReadRecordResult::End => return Ok((bytes, fields)),
            }
        }
    }
}

/// Splits a header by this separator. Returns the names without spaces around them.
fn split(header: &[u8], separator: u8) -> Vec<String> {
    let mut csv = ReaderBuilder::new().delimiter(separator).build();
    let mut fields = vec![0; header.len() + 1];
    let mut ends = vec![0; header.len() + 2];
    let (_, _, mut bytes, mut count) = csv.read_record(header, &mut fields, &mut ends);
    let (_, _, more, ended) = csv.read_record(&[], &mut fields[bytes..], &mut ends[count..]);
    bytes += more;
    count += ended;
    let record = Record {
        place: Place::Line(1),
        fields: &fields[..bytes],
        ends: &ends[..count],
    };
    let name = |place| {
        String::from_utf8_lossy(record.field(place))
            .trim()
            .to_owned()
    };
    (0..count).map(name).collect()
}
