//! Reads a region file: the names of regions, their weights, and the round trips between them.

use std::collections::HashSet;

use kadsim_engine::link::Cell;

use super::defaults::REGIONS_MAX;
use super::diagnostic::{Invalid, Sources, Span};
use super::document;
use super::field::Field;
use super::keys::table::{FILE_WEIGHTS, MEDIANS, NAMES, P90S, REGION_FILE};
use super::keys::{Least, Takes};
use super::link::is_name;
use super::milliseconds::milliseconds;
use super::reader::Section;
use super::report::{Choices, Report};
use super::wording::shown;

/// What a region file holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RegionFile {
    /// Names of the regions, 1 to [`REGIONS_MAX`].
    pub(crate) names: Vec<String>,
    /// Shares of the nodes, one a region, which sum to 1.
    pub(crate) weights: Vec<f64>,
    /// Round trips by region and region, row by row; symmetric.
    pub(crate) cells: Vec<Cell>,
}

/// Type and range of an element of a matrix.
static ELEMENT: Takes = Takes::Milliseconds(Least::AboveZero);
/// Type and range of a name.
static NAME: Takes = Takes::Text("letters, digits, _ and -, at least one");

/// Reads the region file `name` from its text.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub(crate) fn parse(name: &str, text: &str) -> Result<RegionFile, Invalid> {
    let sources = Sources::new(name.to_owned(), text.to_owned(), &[]);
    let root = document::read(&sources)?;
    let choices = Choices::default();
    let report = Report::new(&sources, &choices);
    let place = (Some(&root), Span::new(0, 0..0));
    let section = Section::new(&report, place, "", REGION_FILE.iter().copied());
    let file = file(&section);
    match (report.into_errors(), file) {
        (None, Some(file)) => Ok(file),
        (Some(wrong), _) => Err(wrong),
        (None, None) => Err(Invalid::plain(format!("{name} is no region file"))),
    }
}

fn file(section: &Section<'_>) -> Option<RegionFile> {
    let names = section.required(&NAMES).and_then(|field| names(&field));
    let medians = section.required(&MEDIANS);
    let p90s = section.required(&P90S);
    let names = names?;
    let weights = weights(section, &names);
    // Both are read before an error returns, so that all errors are reported at once.
    let medians = medians.and_then(|field| matrix(&field, &names));
    let p90s = p90s.and_then(|field| matrix(&field, &names));
    let cells = cells(section.report, &medians?, &p90s?)?;
    Some(RegionFile {
        names,
        weights: weights?,
        cells,
    })
}

fn names(field: &Field<'_>) -> Option<Vec<String>> {
    let count = field.list()?.len();
    if count == 0 || count > REGIONS_MAX {
        field.is_not_allowed(&format!("a list of {count}"));
        return None;
    }
    let mut known = HashSet::new();
    field.elements(|one| {
        let one = one.element(one.value, &NAME);
        let name = one.text()?;
        if !is_name(name) {
            one.is_not_allowed(&format!("\"{}\"", shown(name)));
            return None;
        }
        if !known.insert(name) {
            let title = format!("`{}` has \"{name}\" twice", one.path);
            let label = "allowed: each region once";
            one.report.error(&one.value.span, title, label);
            return None;
        }
        Some(name.to_owned())
    })
}

fn weights(section: &Section<'_>, names: &[String]) -> Option<Vec<f64>> {
    let Some(field) = section.get(&FILE_WEIGHTS) else {
        return Some(vec![1.0 / names.len() as f64; names.len()]);
    };
    let weights = field.weights()?;
    let unknown = match weights.of(names) {
        Ok(weights) => return Some(weights),
        Err(unknown) => unknown,
    };
    let (title, label) = unknown.message(&field.path, names);
    section.report.error(&unknown.span, title, label);
    None
}

/// A time in microseconds and its place.
type Time = (u64, Span);

/// Reads a matrix with a row and a column for each region. Reports the first pair that is not symmetric.
fn matrix(field: &Field<'_>, names: &[String]) -> Option<Vec<Vec<Time>>> {
    let count = names.len();
    let is_long = |one: &Field<'_>, length: usize, what: &str| {
        if length != count {
            let title = format!("`{}` has {length} {what} for {count} regions", one.path);
            let label = format!("allowed: {}", one.takes.allowed());
            one.report.error(&one.value.span, title, label);
        }
        length == count
    };
    if !is_long(field, field.list()?.len(), "rows") {
        return None;
    }
    let rows = field.elements(|row| {
        if !is_long(row, row.list()?.len(), "columns") {
            return None;
        }
        row.elements(|one| {
            let one = one.element(one.value, &ELEMENT);
            Some((one.micros()?, one.value.span))
        })
    })?;
    for (one, other) in pairs(count) {
        let ((below, span), (above, mirrored)) = (rows[other][one], rows[one][other]);
        if below != above {
            let title = format!(
                "`{}` is not symmetric: {} from {} to {}, {} back",
                field.path,
                milliseconds(above),
                names[one],
                names[other],
                milliseconds(below)
            );
            let sources = field.report.sources;
            let error = sources.diagnostic(&span, title, "allowed: the same both ways");
            let mark = sources.mark(&mirrored, "the other way".to_owned());
            field.report.push(error.also(mark));
            return None;
        }
    }
    Some(rows)
}

/// Makes the cells of both matrices. Reports percentiles below their medians.
fn cells(report: &Report<'_>, medians: &[Vec<Time>], p90s: &[Vec<Time>]) -> Option<Vec<Cell>> {
    let mut is_fine = true;
    for (one, other) in pairs(medians.len()) {
        let ((median, median_span), (p90, span)) = (medians[one][other], p90s[one][other]);
        if p90 < median {
            is_fine = false;
            let title = format!("`p90_ms` cannot be {}", milliseconds(p90));
            let label = format!("allowed: from {}, the median", milliseconds(median));
            let sources = report.sources;
            let error = sources.diagnostic(&span, title, label);
            let mark = sources.mark(&median_span, "the median".to_owned());
            report.push(error.also(mark));
        }
    }
    let both = medians.iter().flatten().zip(p90s.iter().flatten());
    let cell = |(median, p90): (&Time, &Time)| Cell::of_percentiles(median.0 as f64, p90.0 as f64);
    is_fine.then(|| both.map(cell).collect())
}

/// Returns each pair of the first `count` numbers, the lower one first; equal ones are pairs too.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |one| (one..count).map(move |other| (one, other)))
}
