//! The keys of the experiment file, each in one place: `table` has a row for every key, with its path, what it takes,
//! its default and its meaning.
//!
//! From the rows come the keys that the reader knows, the ranges and words that it checks and names in messages, the
//! defaults, `kadsim keys`, `kadsim schema` and the completion of `--set`. `experiments/README.md` lists the
//! steps to add a key.

pub(super) mod json_schema;
pub(super) mod key;
pub(super) mod table;

pub use self::json_schema::json_schema;
pub use self::key::{Absent, Goes, Key, Least, Takes};
pub use self::table::ALL;

/// Returns the keys of the section of this path. The empty path is the top of the file.
pub fn of_section(section: &str) -> impl Iterator<Item = &'static Key> {
    ALL.iter()
        .copied()
        .filter(move |key| key.section() == section)
}

/// Returns the keys that `--set` takes. `NAME` in a key stands for the name of a phase.
pub fn settable() -> impl Iterator<Item = String> {
    let single = |key: &&&Key| !key.is_section() && !is_in_list(key.path);
    ALL.iter()
        .filter(single)
        .map(|key| match key.path.strip_prefix("phase.") {
            Some(rest) => format!("phase.NAME.{rest}"),
            None => key.path.to_owned(),
        })
}

/// Returns whether the key at a path is a list of tables, or a key of one, phases excepted: their tables have names.
fn is_in_list(path: &str) -> bool {
    let lists = ALL
        .iter()
        .filter(|key| matches!(key.takes, Takes::Tables(_)));
    let mut others = lists.filter(|key| key.path != table::PHASE.path || path == key.path);
    others.any(|list| {
        let inside = path.strip_prefix(list.path);
        inside.is_some_and(|inside| inside.is_empty() || inside.starts_with('.'))
    })
}

/// Returns whether a sweep may vary the key at a path. It may not vary keys that concern the whole study, nor whole
/// sections or lists. It may vary keys of a phase.
pub(super) fn can_be_swept(path: &str) -> bool {
    let (top, inside) = path.split_once('.').unwrap_or((path, ""));
    let is_of_the_study = [
        &table::SCHEMA_VERSION.key,
        &table::NAME.key,
        &table::EXPECT.key,
        &table::SWEEP.key,
    ]
    .iter()
    .any(|key| key.path == top);
    let is_single = ALL
        .iter()
        .any(|key| key.path == top && !key.is_section() && !matches!(key.takes, Takes::Tables(_)));
    let is_listed = is_in_list(path) && top != table::PHASE.path;
    !is_of_the_study && !is_listed && (!inside.is_empty() || is_single) && path != table::DIR.path
}
