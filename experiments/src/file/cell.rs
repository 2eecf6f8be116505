//! Cells of a sweep: the value that each swept key has in them, and the folders they lie in.

use std::fmt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Longest text of a list or a table, in bytes. A longer one is cut, and a digest of the whole follows.
const TEXT_BYTES_MAX: usize = 200;

/// A value of a swept key.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// An integer.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A string, a label, or the text of a list or a table.
    Text(String),
}

/// Without quotes; a whole number without decimals.
impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                write!(formatter, "{number}")
            }
            Self::Float(number) => write!(formatter, "{number:?}"),
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

impl Setting {
    /// The text of a list or a table, which may have thousands of values.
    pub(super) fn long_text(mut text: String) -> Self {
        if text.len() > TEXT_BYTES_MAX {
            let digest = Sha256::digest(text.as_bytes());
            let digest: String = digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX - digest.len()));
            text.push('…');
            text.push_str(&digest);
        }
        Self::Text(text)
    }

    /// Returns the value as readers of folders and tables understand it. With `as_float`, they read numbers as floats.
    pub(super) fn taken_for(&self, as_float: bool) -> TakenFor {
        let text = self.to_string();
        let of_float = |number: f64| match number {
            _ if number.fract() == 0.0 && number.abs() < 1e38 => TakenFor::Integer(number as i128),
            _ => TakenFor::Float(number.to_bits()),
        };
        match (text.parse::<i128>(), text.parse::<f64>()) {
            (Ok(number), _) if as_float => of_float(number as f64),
            (Ok(number), _) => TakenFor::Integer(number),
            (Err(_), Ok(number)) if number.is_finite() => of_float(number),
            _ => TakenFor::Text(text.to_ascii_lowercase()),
        }
    }
}

/// A value as the readers of folders and tables take it: `1`, `1.0` and the text `01` are one number, and where a file
/// system does not tell cases apart, `A` and `a` are one folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TakenFor {
    Integer(i128),
    /// Its bits.
    Float(u64),
    Text(String),
}

/// A cell of a sweep: its index and its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Index among all cells, from 0.
    pub index: usize,
    /// Value on each axis. The axes are the folders that the cell lies in.
    pub axes: Vec<(String, Setting)>,
    /// Value of each key that the cell sets, by path: the axes, and the keys of its case.
    pub settings: Vec<(String, Setting)>,
}

impl Cell {
    /// Returns the path of the cell in the study's folder: `lookup.alpha=1/network.nodes=1000`. A byte that is no letter, digit or
    /// one of `._-` stands as `%` and two hexadecimal digits, as hive-style readers expect.
    pub fn folder(&self) -> PathBuf {
        let axes = self.axes.iter();
        axes.map(|(key, value)| folder(key, value)).collect()
    }
}

/// `lookup.alpha=1, network.nodes=1000`.
impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (key, value)) in self.axes.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(formatter, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

pub(super) fn folder(key: &str, value: &Setting) -> String {
    let mut text = format!("{key}=");
    for byte in value.to_string().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                text.push(byte.into());
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Returns the key and the value of a folder's name, the inverse of [`folder`]; `None` if it is no such name.
pub(crate) fn setting_of(folder: &str) -> Option<(&str, String)> {
    let (key, value) = folder.split_once('=')?;
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    Some((key, String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_its_setting() {
        for value in ["1", "a b/ä%", "", "{ uniform = [20, 60] }"] {
            let setting = Setting::Text(value.to_owned());
            let name = folder("link.delay_ms", &setting);
            let expected = ("link.delay_ms", setting.to_string());
            assert_eq!(setting_of(&name), Some(expected), "{name}");
        }
        assert_eq!(setting_of("cells"), None);
    }
}
