//! Text tables, folded to the width of a terminal.
//!
//! A table that is too wide is folded in three steps, each only if the one before is not enough:
//!
//! 1. A header breaks at spaces and behind dots, a text at spaces, into lines of its own cell. Numbers stay whole.
//! 2. Columns that do not fit go into a block below, which repeats the key columns.
//! 3. A block of a single column that still does not fit breaks anywhere.
//!
//! Control characters in cells are shown escaped.

use std::ops::Range;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use serde_json::{Value, json};

/// Spaces between two columns.
const GAP: u16 = 2;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table of text.
#[derive(Clone, Debug)]
pub struct TextTable {
    columns: Vec<(String, Side)>,
    /// Number of key columns. They come first, and each block repeats them.
    keys: usize,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// Makes a table without rows. The first `keys` columns are repeated in each block.
    pub fn new<N: AsRef<str>>(keys: usize, columns: impl IntoIterator<Item = (N, Side)>) -> Self {
        let columns = columns.into_iter();
        let named = |(name, side): (N, Side)| (clean(name.as_ref()), side);
        Self {
            columns: columns.map(named).collect(),
            keys,
            rows: Vec::new(),
        }
    }

    /// Appends a row, which has a cell for each column.
    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows
            .push(row.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// Returns the table as JSON: the names of the columns, and the cells of each row, as texts.
    pub fn to_json(&self) -> Value {
        let names = self.columns.iter().map(|(name, _)| name);
        json!({ "columns": names.collect::<Vec<_>>(), "rows": self.rows })
    }

    /// Formats the table in lines of at most `width` columns of a terminal. With `None`, each row is one line.
    pub fn render(&self, width: Option<usize>) -> String {
        let all = 0..self.columns.len();
        let whole = self.build(&all, str::to_owned, str::to_owned);
        let Some(width) = width.filter(|width| needed(&whole) > *width) else {
            return whole.trim_fmt() + "\n";
        };
        let mut blocks = Vec::new();
        let mut rest = self.keys.min(all.end)..all.end;
        while !rest.is_empty() || blocks.is_empty() {
            let fits = |end: &usize| needed(&self.least(&(rest.start..*end))) <= width;
            let end = (rest.start + 1..=rest.end).rev().find(fits);
            let end = end.unwrap_or(rest.start + 1).min(all.end);
            blocks.push(self.block(&(rest.start..end), width));
            rest.start = end;
        }
        blocks.join("\n")
    }

    /// Formats the key columns and these others in lines of at most `width`.
    fn block(&self, others: &Range<usize>, width: usize) -> String {
        let mut table = self.build(others, folded, str::to_owned);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        let least = self.least(others);
        if needed(&least) <= width {
            // The columns fit without broken words, so none may become narrower than its longest word.
            let least = least.column_max_content_widths();
            for (column, least) in table.column_iter_mut().zip(least) {
                let least = Width::Fixed(least + column.padding_width());
                column.set_constraint(ColumnConstraint::LowerBoundary(least));
            }
        }
        table.trim_fmt() + "\n"
    }

    /// Builds the block as narrow as possible without breaking a word.
    fn least(&self, others: &Range<usize>) -> Table {
        self.build(others, folded, |text| text.replace(' ', "\n"))
    }

    /// Builds a table of the key columns and these others. The functions break headers and cells into lines.
    fn build(
        &self,
        others: &Range<usize>,
        header: fn(&str) -> String,
        cell: fn(&str) -> String,
    ) -> Table {
        let keys = 0..self.keys.min(self.columns.len());
        let others = others.clone().filter(|place| !keys.contains(place));
        let places: Vec<usize> = keys.clone().chain(others).collect();
        let aligned = |place: usize, text: String| {
            Cell::new(text).set_alignment(match self.columns[place].1 {
                Side::Left => CellAlignment::Left,
                Side::Right => CellAlignment::Right,
            })
        };
        let mut table = Table::new();
        table.load_style(NOTHING);
        let name = |place: &usize| aligned(*place, header(&self.columns[*place].0));
        table.set_header(places.iter().map(name));
        for row in &self.rows {
            let text = |place: usize| row.get(place).map_or("", String::as_str);
            let cell = |place: &usize| aligned(*place, cell(text(*place)));
            table.add_row(places.iter().map(cell));
        }
        let last = places.len().saturating_sub(1);
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if place < last { GAP } else { 0 }));
        }
        table
    }
}

/// Returns the width of a table that is not folded further.
fn needed(table: &Table) -> usize {
    let widths = table.column_max_content_widths();
    let gaps = usize::from(GAP) * widths.len().saturating_sub(1);
    widths.into_iter().map(usize::from).sum::<usize>() + gaps
}

/// Breaks a text at spaces into lines of at most `width`. A longer word stays whole.
pub fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let (mut lines, mut taken) = (String::new(), 0);
    for word in text.split(' ') {
        let letters = word.chars().count();
        let (gap, before) = match taken {
            0 => ("", 0),
            _ if taken + 1 + letters <= width => (" ", taken + 1),
            _ => ("\n", 0),
        };
        lines = lines + gap + word;
        taken = before + letters;
    }
    lines
}

/// Breaks a header into a line for each word and each part of a path: `duration_ms.p50` becomes two lines.
fn folded(header: &str) -> String {
    header.replace(' ', "\n").replace('.', ".\n")
}

/// Escapes control characters, so that a text is one line and has no effect on the terminal.
fn clean(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut shown = String::new();
    for letter in text.chars() {
        match letter.is_control() {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> TextTable {
        let numbers = ["duration_ms.p50", "duration_ms.p99", "attempts.mean"];
        let numbers = numbers.map(|name| (name, Side::Right));
        let mut table = TextTable::new(1, [("phase", Side::Left)].into_iter().chain(numbers));
        table.push(["seeding", "741.8", "1162.3", "15.67"].map(str::to_owned));
        table.push(["sampling", "487.6", "900.0", "13.13"].map(str::to_owned));
        table
    }

    fn width(text: &str) -> usize {
        text.lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_table_that_fits_has_a_line_for_each_row() {
        let wanted = "phase     duration_ms.p50  duration_ms.p99  attempts.mean\n\
                      seeding             741.8           1162.3          15.67\n\
                      sampling            487.6            900.0          13.13\n";
        assert_eq!(metrics().render(None), wanted);
        assert_eq!(metrics().render(Some(width(wanted))), wanted);
    }

    #[test]
    fn headers_break_before_columns_go_into_a_block_below() {
        let wanted = "phase     duration_ms.  duration_ms.  attempts.\n\
                      \x20                  p50           p99       mean\n\
                      seeding          741.8        1162.3      15.67\n\
                      sampling         487.6         900.0      13.13\n";
        assert_eq!(metrics().render(Some(56)), wanted);
        let wanted = "phase     duration_ms.  duration_ms.\n\
                      \x20                  p50           p99\n\
                      seeding          741.8        1162.3\n\
                      sampling         487.6         900.0\n\
                      \n\
                      phase     attempts.\n\
                      \x20              mean\n\
                      seeding       15.67\n\
                      sampling      13.13\n";
        assert_eq!(metrics().render(Some(40)), wanted);
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        for most in 12..70 {
            let text = metrics().render(Some(most));
            assert!(width(&text) <= most, "{most}:\n{text}");
            let numbers = ["741.8", "1162.3", "15.67", "487.6", "900.0", "13.13"];
            let is_whole = |number: &str| text.split_whitespace().any(|word| word == number);
            assert!(
                most < 22 || numbers.into_iter().all(is_whole),
                "{most}:\n{text}"
            );
        }
    }

    #[test]
    fn texts_break_at_spaces() {
        let columns = [("column", Side::Left), ("description", Side::Left)];
        let mut table = TextTable::new(1, columns);
        table.push(["time_ms", "Start of the tick, since the run's own"].map(str::to_owned));
        let wanted = "column   description\n\
                      time_ms  Start of the tick,\n\
                      \x20        since the run's own\n";
        assert_eq!(table.render(Some(28)), wanted);
    }

    #[test]
    fn a_line_breaks_at_spaces_and_a_path_stays_whole() {
        let text = "out/a-rather-long-name in 0.3 s";
        assert_eq!(wrapped(text, None), text);
        assert_eq!(wrapped(text, Some(31)), text);
        assert_eq!(wrapped(text, Some(30)), "out/a-rather-long-name in 0.3\ns");
        assert_eq!(wrapped(text, Some(8)), "out/a-rather-long-name\nin 0.3 s");
    }

    #[test]
    fn what_a_terminal_would_act_on_is_shown_escaped() {
        let mut table = TextTable::new(1, [("a\nb", Side::Left)]);
        table.push(["\u{1b}[31mred\r\t".to_owned()]);
        assert_eq!(table.render(None), "a\\nb\n\\u{1b}[31mred\\r\\t\n");
    }

    #[test]
    fn wide_letters_count_as_what_they_take() {
        let columns = [("case", Side::Left), ("n", Side::Right)];
        let mut table = TextTable::new(1, columns);
        table.push(["日本".to_owned(), "1".to_owned()]);
        assert_eq!(table.render(None), "case  n\n日本  1\n");
    }
}
