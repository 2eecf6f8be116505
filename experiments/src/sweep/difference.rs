//! Differences between the basis of a finished cell and its basis now.

use std::fmt;

use crate::output::{CELL, RESOLVED};

/// Version of the running kadsim.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A difference between the basis that a cell was run with and its basis now.
#[derive(Debug, PartialEq)]
pub enum Difference {
    /// Another version of kadsim has run it.
    Version(String),
    /// The file that a key names has another content.
    Content(String),
    /// A key has another value.
    Key {
        /// Path of the key.
        key: String,
        /// The value that the cell was run with, if any.
        old: Option<String>,
        /// The value now, if any.
        new: Option<String>,
    },
    /// The basis that the cell was run with cannot be read.
    Unknown,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(old) => write!(formatter, "kadsim {old} has run it, this is {VERSION}"),
            Self::Content(key) => {
                write!(formatter, "the file of `{key}` has another content")
            }
            Self::Key { key, old, new } => {
                let [old, new] = [old, new].map(|value| value.as_deref().unwrap_or("not set"));
                write!(formatter, "`{key}` was {old} and is {new}")
            }
            Self::Unknown => write!(formatter, "its {RESOLVED} or {CELL} cannot be read"),
        }
    }
}

/// Returns whether the only difference is that the cell has more networks now.
pub(super) fn has_grown(differences: &[Difference]) -> bool {
    let number = |value: &Option<String>| value.as_ref()?.parse::<u64>().ok();
    match differences {
        [Difference::Key { key, old, new }] if key == "networks" => number(old) < number(new),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_grows_by_networks_alone() {
        let key = |key: &str, old: &str, new: &str| Difference::Key {
            key: key.to_owned(),
            old: Some(old.to_owned()),
            new: Some(new.to_owned()),
        };
        assert!(has_grown(&[key("networks", "9", "10")]));
        assert!(!has_grown(&[key("networks", "10", "9")]));
        assert!(!has_grown(&[key("seed", "9", "10")]));
        assert!(!has_grown(&[
            key("networks", "9", "10"),
            key("seed", "1", "2")
        ]));
        assert!(!has_grown(&[]));
    }
}
