//! Text of a TOML file: strings, and keys that may be absent.

use std::fmt::{self, Display, Write};
use std::path::Path;

/// Writes a key that may be absent.
pub(super) fn optional(
    out: &mut String,
    key: &str,
    value: Option<impl Display>,
    none: &str,
) -> fmt::Result {
    match value {
        Some(value) => writeln!(out, "{key} = {value}"),
        None => writeln!(out, "# {key}: {none}"),
    }
}

/// Returns a path as a TOML string, with replacement characters where the path is not Unicode.
pub(super) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Returns a TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(letter)))
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns a key as TOML spells it: in quotes unless it is bare.
pub(super) fn bare_or_quoted(key: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    match !key.is_empty() && key.chars().all(is_bare) {
        true => key.to_owned(),
        false => quoted(key),
    }
}
