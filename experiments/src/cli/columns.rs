//! `kadsim columns`: the columns of the tables that a run and a study write.

use kadsim::inspect::type_name;
use kadsim::sweep::STUDY_TABLE;
use kadsim::table::{Side, TextTable, wrapped};
use kadsim_engine::record::Table;

/// The columns of a table's description.
const COLUMNS: [&str; 4] = ["column", "type", "unit", "meaning"];

/// Returns the tables of a run, and the one that only a study has.
fn all() -> impl Iterator<Item = Table> {
    Table::ALL.into_iter().chain([STUDY_TABLE])
}

/// Returns the names of all tables.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|table| table.name)
}

/// Describes the table called `name`, or every table, in lines of at most `width` characters.
pub(super) fn text(name: Option<&str>, width: Option<usize>) -> String {
    describe(name, |table| {
        let mut columns = TextTable::new(1, COLUMNS.map(|name| (name, Side::Left)));
        cells(table).into_iter().for_each(|row| columns.push(row));
        let head = format!("{}: {}", table.name, row(table));
        format!("{}\n{}", wrapped(&head, width), columns.render(width))
    })
}

/// Describes the table called `name`, or every table, in Markdown.
pub(super) fn markdown(name: Option<&str>) -> String {
    let line = |cells: [String; 4]| format!("| {} |\n", cells.join(" | "));
    describe(name, |table| {
        let head = format!("### `{}`\n\n{}\n\n", table.name, row(table));
        let columns = line(COLUMNS.map(str::to_owned)) + &line(COLUMNS.map(|_| "---".to_owned()));
        let rows = cells(table).into_iter();
        let rows = rows
            .map(|[name, kind, unit, meaning]| line([format!("`{name}`"), kind, unit, meaning]));
        head + &columns + &rows.collect::<String>()
    })
}

/// Joins the descriptions of the table called `name`, or of every table.
fn describe(name: Option<&str>, table: impl Fn(&Table) -> String) -> String {
    let chosen = all().filter(|table| name.is_none_or(|name| name == table.name));
    let tables: Vec<String> = chosen.map(|one| table(&one)).collect();
    tables.join("\n")
}

/// Says what a row of a table is, and the order of rows.
fn row(table: &Table) -> String {
    let (first, rest) = table.about.split_at(1);
    let first = first.to_lowercase();
    format!("One row: {first}{rest}. Order: {}.", table.order)
}

/// Returns name, type, unit and meaning of each column of a table.
fn cells(table: &Table) -> Vec<[String; 4]> {
    let schema = (table.schema)();
    let cells = schema.fields().iter().map(|field| {
        let metadata = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        let unit = match metadata("unit").as_str() {
            "1" => String::new(),
            unit => unit.to_owned(),
        };
        let mark = if field.is_nullable() { "?" } else { "" };
        let kind = format!("{}{mark}", type_name(field.data_type()));
        [field.name().clone(), kind, unit, metadata("description")]
    });
    cells.collect()
}
