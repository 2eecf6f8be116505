//! `kadsim keys` and `kadsim schema`: the keys of the experiment file for readers and editors. Also the completion of
//! `--set`.

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::Error;
use clap::{Arg, Command};
use kadsim::file::keys::{self, Absent, Key};
use kadsim::table::{Side, TextTable};
use std::ffi::OsStr;

/// The columns of the table.
const COLUMNS: [&str; 6] = ["key", "type", "default", "range", "unit", "meaning"];

/// Returns every key, as a table of at most `width` columns of a terminal.
pub(super) fn table(width: Option<usize>) -> String {
    let mut table = TextTable::new(1, COLUMNS.map(|name| (name, Side::Left)));
    for key in listed() {
        table.push(cells(key));
    }
    table.render(width)
}

/// Returns every key, as a table in Markdown.
pub(super) fn markdown() -> String {
    let line = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
    let head = line(COLUMNS.map(str::to_owned)) + &line(COLUMNS.map(|_| "---".to_owned()));
    let row = |key: &Key| {
        let [path, kind, default, range, unit, meaning] = cells(key);
        let default = match key.absent {
            Absent::Default(_) => format!("`{default}`"),
            _ => default,
        };
        line([format!("`{path}`"), kind, default, range, unit, meaning])
    };
    listed().map(row).fold(head, |text, row| text + &row)
}

/// Returns the keys that hold a value.
fn listed() -> impl Iterator<Item = &'static Key> {
    keys::ALL.iter().copied().filter(|key| !key.is_section())
}

fn cells(key: &Key) -> [String; 6] {
    [
        key.path.to_owned(),
        key.takes.kind().to_owned(),
        key.default_text(),
        key.takes.allowed(),
        key.unit().to_owned(),
        key.meaning(),
    ]
}

/// Parser of `--set`. It accepts any `KEY=VALUE`, and offers the keys to shells for completion. `NAME` stands for the
/// name of a phase.
#[derive(Clone)]
pub(super) struct OverrideParser;

impl TypedValueParser for OverrideParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |key: String| PossibleValue::new(format!("{key}="));
        Some(Box::new(keys::settable().map(value)))
    }
}
