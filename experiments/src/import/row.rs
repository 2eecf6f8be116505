//! A row of the wanted columns and its values, for every format of file.

use std::str;

use super::error::{Place, Reason, shorten};
use super::identifier::KeyTexts;
use super::text::Record;
use super::{MAX_START_MS, PEER_ID_BYTES_MAX};
use crate::file::{self, TIME_MAX_US};

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    /// An integer, or text that [`KeyTexts`] reads.
    Key,
    /// A number.
    Number,
    Text,
    Flag,
}

/// A wanted column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// The names of all columns of a file.
pub(super) struct Header {
    pub(super) names: Vec<String>,
}

impl Header {
    pub(super) fn has(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column)
    }

    /// Fails if the column is missing. `hint` says what it is needed for, if the column's name does not.
    pub(super) fn need(&self, column: &'static str, hint: &'static str) -> Result<(), Reason> {
        if self.has(column) {
            return Ok(());
        }
        Err(Reason::MissingColumn {
            column,
            hint,
            present: self.names.clone(),
        })
    }

    /// Returns the position of each wanted column in the file, if the file has it.
    pub(super) fn places<const N: usize>(
        &self,
        columns: &[Column; N],
    ) -> Result<[Option<usize>; N], Reason> {
        let mut found = [None; N];
        for (place, column) in found.iter_mut().zip(columns) {
            let names = self.names.iter().enumerate();
            let mut places = names.filter(|(_, name)| *name == column.name);
            *place = places.next().map(|(place, _)| place);
            if places.next().is_some() {
                return Err(Reason::TwiceColumn(column.name));
            }
        }
        Ok(found)
    }
}

/// A value as it is in the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    /// The file has no such column.
    NoColumn,
    /// The value is missing.
    Null,
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// Text without spaces around it; of a text file, any value.
    Text(&'a str),
}

/// Function that takes each row.
pub(super) type Take<'a, const N: usize> = dyn FnMut(&Row<'_, N>) -> Result<(), Reason> + 'a;

/// A row of the wanted columns, in their order.
pub(super) struct Row<'a, const N: usize> {
    pub(super) place: Place,
    pub(super) columns: &'a [Column; N],
    pub(super) cells: [Cell<'a>; N],
}

impl<'a, const N: usize> Row<'a, N> {
    /// Makes a row of a record, whose fields at `places` are the wanted columns.
    pub(super) fn of_record(
        record: &'a Record<'_>,
        columns: &'a [Column; N],
        places: &[Option<usize>; N],
    ) -> Result<Self, Reason> {
        let mut cells = [Cell::NoColumn; N];
        for ((cell, place), column) in cells.iter_mut().zip(places).zip(columns) {
            let Some(place) = *place else { continue };
            let text = str::from_utf8(record.field(place)).map_err(|_| Reason::NotUtf8 {
                place: record.place,
                column: column.name.to_owned(),
            })?;
            *cell = Cell::Text(text.trim());
        }
        Ok(Self {
            place: record.place,
            columns,
            cells,
        })
    }

    /// Returns whether the file has column `c`.
    pub(super) fn has(&self, c: usize) -> bool {
        !matches!(self.cells[c], Cell::NoColumn)
    }

    /// Returns whether the value of column `c` is missing.
    pub(super) fn is_missing(&self, c: usize) -> bool {
        matches!(self.cells[c], Cell::NoColumn | Cell::Null | Cell::Text(""))
    }

    /// Returns the value of column `c`; an error if it is missing.
    fn cell(&self, c: usize) -> Result<Cell<'a>, Reason> {
        if self.is_missing(c) {
            return Err(Reason::Null {
                place: self.place,
                column: self.columns[c].name,
            });
        }
        Ok(self.cells[c])
    }

    /// Returns the error that the value of column `c` is not `expected`.
    pub(super) fn wrong(&self, c: usize, expected: impl Into<String>) -> Reason {
        let value = match self.cells[c] {
            Cell::NoColumn | Cell::Null => "absent".to_owned(),
            Cell::Integer(number) => number.to_string(),
            Cell::Float(number) => number.to_string(),
            Cell::Boolean(flag) => flag.to_string(),
            Cell::Text(text) => format!("`{}`", shorten(text)),
        };
        Reason::Value {
            place: self.place,
            column: self.columns[c].name,
            value,
            expected: expected.into(),
        }
    }

    pub(super) fn integer(&self, c: usize) -> Result<i64, Reason> {
        let value = match self.cell(c)? {
            Cell::Integer(number) => i64::try_from(number).ok(),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        };
        value.ok_or_else(|| self.wrong(c, "an integer that 64 bits with a sign hold"))
    }

    pub(super) fn key(&self, c: usize, texts: &mut KeyTexts) -> Result<u64, Reason> {
        const EXPECTED: &str = "an integer from 0 to 18446744073709551615";
        match self.cell(c)? {
            Cell::Integer(number) => u64::try_from(number).map_err(|_| EXPECTED.to_owned()),
            Cell::Text(text) => texts.read(text),
            _ => Err(EXPECTED.to_owned()),
        }
        .map_err(|expected| self.wrong(c, expected))
    }

    pub(super) fn text(&self, c: usize) -> Result<&'a str, Reason> {
        match self.cell(c)? {
            Cell::Text(text) if text.trim().is_empty() => Err(Reason::Null {
                place: self.place,
                column: self.columns[c].name,
            }),
            Cell::Text(text) if text.len() > PEER_ID_BYTES_MAX => {
                Err(self.wrong(c, format!("a text of at most {PEER_ID_BYTES_MAX} bytes")))
            }
            Cell::Text(text) => Ok(text.trim()),
            _ => Err(self.wrong(c, "a text")),
        }
    }

    pub(super) fn flag(&self, c: usize) -> Result<bool, Reason> {
        let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
        match self.cell(c)? {
            Cell::Boolean(flag) => Ok(flag),
            Cell::Integer(1) => Ok(true),
            Cell::Integer(0) => Ok(false),
            Cell::Text(text) if text == "1" || is(text, "true") => Ok(true),
            Cell::Text(text) if text == "0" || is(text, "false") => Ok(false),
            _ => Err(self.wrong(c, "true, false, 1 or 0")),
        }
    }

    /// Returns a number from 0 to `most`.
    pub(super) fn number(&self, c: usize, most: f64) -> Result<f64, Reason> {
        let number = match self.cell(c)? {
            Cell::Integer(number) => Some(number as f64),
            Cell::Float(number) => Some(number),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        };
        let in_range = number.filter(|number| (0.0..=most).contains(number));
        in_range.ok_or_else(|| self.wrong(c, format!("a number from 0 to {most}")))
    }

    /// Returns a time in milliseconds as whole microseconds, with halves rounded away from zero.
    pub(super) fn micros(&self, c: usize) -> Result<u64, Reason> {
        let rounded = match self.cell(c)? {
            Cell::Integer(ms) => file::micros_rounded(&ms.to_string()),
            Cell::Float(ms) => float_micros(ms),
            Cell::Text(text) if text.parse::<f64>().is_ok() => file::micros_rounded(text),
            _ => None,
        };
        rounded.ok_or_else(|| self.wrong(c, "a number of milliseconds from 0 to 9e12"))
    }
}

/// Rounds the shortest decimal that reads as this float, so that a time is the same in every format of file.
fn float_micros(ms: f64) -> Option<u64> {
    if !(0.0..=MAX_START_MS).contains(&ms) {
        return None;
    }
    let us = ms * 1000.0;
    // Near a half, the product may lie on the other side.
    if (us.fract() - 0.5).abs() < 1e-3 {
        return file::micros_rounded(&format!("{ms:e}"));
    }
    Some((us.round() as u64).min(TIME_MAX_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_round_as_their_decimals_do() {
        for (ms, us) in [
            (0.0, 0),
            (0.0004, 0),
            (0.0005, 1),
            (1.0055, 1006),
            (1.2345, 1235),
            (0.1 + 0.2, 300),
            (1e6 + 0.0005, 1_000_000_001),
            (9e12, TIME_MAX_US),
        ] {
            assert_eq!(float_micros(ms), Some(us), "{ms}");
            assert_eq!(file::micros_rounded(&format!("{ms}")), Some(us), "{ms}");
        }
        for ms in [-0.001, f64::NAN, f64::INFINITY, 9.001e12] {
            assert_eq!(float_micros(ms), None, "{ms}");
        }
        // Every microsecond survives the way through a float of milliseconds.
        let mut us = 1u64;
        while us < 9_000_000_000_000_000 {
            for us in [us, us + 1, us * 10 - 1].map(|us| us.min(TIME_MAX_US)) {
                let found = float_micros(us as f64 / 1000.0).unwrap();
                assert!(found.abs_diff(us) <= us >> 50, "{us} {found}");
            }
            us = us * 3 + 7;
        }
    }
}
