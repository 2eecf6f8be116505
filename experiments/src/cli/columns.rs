//! `kadsim columns`: the columns of the tables that a run writes.

use kadsim::inspect::type_name;
use kadsim::table::{Side, TextTable};
use kadsim_engine::record::Table;

/// The columns of a table's description.
const COLUMNS: [&str; 4] = ["column", "type", "unit", "meaning"];

/// Every column, as a text of at most `width` columns of a terminal.
pub(super) fn text(width: Option<usize>) -> String {
    let table = |table: &Table| {
        let mut columns = TextTable::new(1, COLUMNS.map(|name| (name, Side::Left)));
        cells(table).for_each(|cells| columns.push(cells));
        format!("{}\n{}", head(table), columns.render(width))
    };
    let tables: Vec<String> = Table::ALL.iter().map(table).collect();
    tables.join("\n")
}

/// Every column, in Markdown.
pub(super) fn markdown() -> String {
    let line = |cells: [String; 4]| format!("| {} |\n", cells.join(" | "));
    let table = |table: &Table| {
        let head = format!("### `{}`\n\n{}\n\n", table.name, row(table));
        let columns = line(COLUMNS.map(str::to_owned)) + &line(COLUMNS.map(|_| "---".to_owned()));
        cells(table).fold(head + &columns, |text, [name, kind, unit, meaning]| {
            text + &line([format!("`{name}`"), kind, unit, meaning])
        })
    };
    let tables: Vec<String> = Table::ALL.iter().map(table).collect();
    tables.join("\n")
}

/// What a row of a table is, and the order of rows.
fn row(table: &Table) -> String {
    format!("One row: {}. Order: {}.", lower(table.about), table.order)
}

fn head(table: &Table) -> String {
    format!("{}: {}", table.name, row(table))
}

/// The text with a small first letter.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(letters).collect()
}

/// Name, type, unit and meaning of each column of a table.
fn cells(table: &Table) -> impl Iterator<Item = [String; 4]> {
    let schema = (table.schema)();
    let cells = |field: &arrow::datatypes::FieldRef| {
        let metadata = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        let unit = match metadata("unit").as_str() {
            "1" => String::new(),
            unit => unit.to_owned(),
        };
        let mark = if field.is_nullable() { "?" } else { "" };
        let kind = format!("{}{mark}", type_name(field.data_type()));
        [field.name().clone(), kind, unit, metadata("description")]
    };
    schema
        .fields()
        .iter()
        .map(cells)
        .collect::<Vec<_>>()
        .into_iter()
}
