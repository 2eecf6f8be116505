//! The experiment file: from TOML text and `--set` overrides to a resolved [`Experiment`].
//!
//! ```text
//! text ─ document ─> tree of values, each with its place ─ sections, phases ─> Experiment ─ resolved ─> text
//!                                                   └ sweep ─> a tree for each cell ┘
//! ```
//!
//! Notes on the implementation:
//! 1. Every value keeps its [`Span`], so that an error found long after reading still points at the text that
//!    caused it. An override is a source of its own; its errors point into the command line.
//! 2. A syntax error ends the reading. All other errors are reported at once, in [`Invalid`].
//! 3. Milliseconds are read from the text of the number, never through a float, so that microseconds are exact.
//! 4. This module opens no file but the experiment file, and region files by `read_regions`. The caller checks
//!    whether `ids`, `trace`, `quantiles`, `regions` and the metrics of expectations exist, and reports errors by
//!    [`Sources::error`].
//!
//! The table of [`keys`] has every key with its type, default, range and meaning.

mod cell;
mod churn;
mod defaults;
mod delay;
mod diagnostic;
mod document;
mod drawn_delay;
mod experiment;
mod field;
pub mod keys;
mod link;
mod milliseconds;
mod phase;
mod phases;
mod quoted;
mod reader;
mod region_file;
mod regions;
mod report;
mod resolved;
mod sections;
mod sweep;
#[cfg(test)]
mod tests;
mod wording;
mod words;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use self::report::Choices;
use crate::content;

pub(crate) use self::cell::setting_of;
pub use self::cell::{Cell, Setting};
pub use self::churn::{
    ChurnSection, Class, Event, Leavers, Length, Lengths, MaintenanceSection, Presence,
    RecordsSection,
};
pub use self::defaults::*;
pub use self::delay::{Choice, Delay, ErrorRate};
pub(crate) use self::diagnostic::SHOWN_MAX;
pub use self::diagnostic::{Invalid, Notices, Sources, Span};
pub use self::experiment::*;
pub(crate) use self::milliseconds::micros_rounded;
pub use self::milliseconds::milliseconds;
pub use self::phase::{Origin, Pace, Phase, PhaseSpans, Tables, Work};
pub(crate) use self::region_file::RegionFile;
pub(crate) use self::regions::unknown_region;
pub use self::regions::{
    ClientShares, OneWay, RegionShare, RegionShares, RegionSource, RegionsSection,
};
pub use self::sweep::CELLS_MAX;
pub(crate) use self::sweep::Grid;
pub(crate) use self::wording::shown;
pub use self::words::{
    Bootstrap, DeadlineFrom, Draw, Hash, Join, Keys, Kind, Layout, OnLeaving, PhaseKind, Policy,
    Procedure, RuleSet, Start, Stop,
};

/// Longest experiment file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// The path that stands for the standard input.
pub const STDIN: &str = "-";

/// What an experiment file is called in messages.
const EXPERIMENT: &str = "an experiment file";

/// Errors in the cells of a sweep after which no more cells are read.
pub(crate) const CELL_ERRORS_MAX: usize = 10_000;

/// A valid experiment and the texts it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The experiment.
    pub experiment: Experiment,
    /// The texts that the spans in `experiment` point into.
    pub sources: Sources,
}

/// An experiment as far as it could be read. A key with an error has its default.
pub(crate) struct Draft {
    pub(crate) loaded: Loaded,
    pub(crate) known: Known,
    /// The errors, if there are any.
    pub(crate) wrong: Option<Invalid>,
}

/// The parts of a draft that were read without errors.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// The number of nodes, or the file that lists them.
    pub(crate) nodes: bool,
    /// All of every phase.
    pub(crate) phases: bool,
}

impl Known {
    /// Those of an experiment with nothing wrong.
    pub(crate) const ALL: Self = Self {
        nodes: true,
        phases: true,
    };
}

/// What a file holds.
pub(crate) enum Drafts {
    /// An experiment.
    One(Box<Draft>),
    /// A sweep with its cells, in order, each with its draft or the errors that keep it from being read. After
    /// [`CELL_ERRORS_MAX`] errors the other cells are left out.
    Cells(Grid, Vec<(Cell, Result<Draft, Invalid>)>),
}

impl Drafts {
    /// Returns the only experiment of the file.
    ///
    /// # Errors
    /// It holds a sweep.
    pub(crate) fn single(self) -> Result<Draft, Invalid> {
        match self {
            Self::One(draft) => Ok(*draft),
            Self::Cells(grid, _) => Err(Invalid::plain(format!(
                "the file has a `[sweep]` with {} cells where one experiment is asked for",
                grid.len()
            ))),
        }
    }

    fn valid(self) -> Result<Loaded, Invalid> {
        let draft = self.single()?;
        match draft.wrong {
            None => Ok(draft.loaded),
            Some(wrong) => Err(wrong),
        }
    }
}

/// Reads the experiment file `path`, which has no `[sweep]`, and applies `overrides`, each a `KEY=VALUE`, in order. The
/// path [`STDIN`] is the standard input; relative paths in it start at the working directory.
///
/// # Errors
/// The file cannot be read (the message names it) or does not hold a valid experiment.
pub fn load(path: &Path, overrides: &[String]) -> Result<Loaded, Invalid> {
    drafts(path, overrides)?.valid()
}

/// Reads the file `path` as far as possible, so that a caller can add errors of its own.
///
/// # Errors
/// The file cannot be read or is not TOML, or its `[sweep]` is invalid.
pub(crate) fn drafts(path: &Path, overrides: &[String]) -> Result<Drafts, Invalid> {
    let is_stdin = path == Path::new(STDIN);
    let (name, text) = match is_stdin {
        true => ("stdin".to_owned(), text_of(std::io::stdin(), EXPERIMENT)),
        false => (path.display().to_string(), read(path, EXPERIMENT)),
    };
    let text = text.map_err(|error| {
        Invalid::plain(format!("cannot read the experiment file {name}: {error}"))
    })?;
    let path = if is_stdin { Path::new("") } else { path };
    build(path, name, text, overrides)
}

/// As [`load`], from `text`. Messages call the file `name`. Relative paths in the text start at its folder, those in
/// `overrides` at the working directory.
///
/// # Errors
/// The text is not a valid experiment.
///
/// # Example
/// ```
/// # use kadsim::file::{parse, Delay, OneWay};
/// let text = r#"
/// schema = 1
/// name = "tiny"
/// seed = 7
/// network.nodes = 100
/// [[phase]]
/// name = "looking"
/// kind = "lookup"
/// count = 10
/// "#;
/// let loaded = parse("tiny.toml", text, &["link.delay_ms=12.5".to_owned()])?;
/// assert_eq!(loaded.experiment.link.delay, OneWay::Drawn(Delay::Constant(12_500)));
///
/// let invalid = parse("tiny.toml", text, &["lookup.alpha=0".to_owned()]).unwrap_err();
/// assert!(invalid.to_string().contains("lookup.alpha"));
/// # Ok::<(), kadsim::file::Invalid>(())
/// ```
pub fn parse(name: &str, text: &str, overrides: &[String]) -> Result<Loaded, Invalid> {
    build(Path::new(name), name.to_owned(), text.to_owned(), overrides)?.valid()
}

fn build(path: &Path, name: String, text: String, overrides: &[String]) -> Result<Drafts, Invalid> {
    let sources = Sources::new(name, text, overrides);
    let mut root = document::read(&sources)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let choices = Choices::default();
    let Some(grid) = Grid::take(&mut root, &sources, &choices)? else {
        let draft = sections::read(&root, sources, &choices, folder);
        return Ok(Drafts::One(Box::new(draft)));
    };
    let mut cells = Vec::new();
    let mut wrong = 0;
    for index in 0..grid.len() {
        let cell = grid.cell(index);
        let tree = grid.tree(&cell, &sources);
        let draft = tree.map(|tree| sections::read(&tree, sources.clone(), &choices, folder));
        let errors = match &draft {
            Ok(draft) => draft.wrong.as_ref(),
            Err(invalid) => Some(invalid),
        };
        wrong += errors.map_or(0, Invalid::len);
        cells.push((cell, draft));
        if wrong > CELL_ERRORS_MAX {
            break;
        }
    }
    Ok(Drafts::Cells(grid, cells))
}

/// Reads a region file.
///
/// # Errors
/// The file cannot be read (the message names it and `span`, its place in `sources`) or is no region file.
pub(crate) fn read_regions(
    source: &RegionSource,
    (sources, span): (&Sources, &Span),
) -> Result<RegionFile, Invalid> {
    match source {
        RegionSource::BuiltIn(name) => {
            let built_in = regions::BUILT_IN.iter().find(|(known, _)| known == name);
            region_file::parse(name, built_in.map_or("", |(_, text)| text))
        }
        RegionSource::File(path) => {
            let text = read(path, "a region file").map_err(|error| {
                let title = format!("cannot read the region file {}: {error}", path.display());
                sources.error(span, title, "named here".to_owned())
            })?;
            region_file::parse(&path.display().to_string(), &text)
        }
    }
}

/// Reads a text file; `what` it is, with an article, is part of messages.
fn read(path: &Path, what: &str) -> std::io::Result<String> {
    text_of(File::open(path)?, what)
}

/// Reads a text to its end.
fn text_of(file: impl Read, what: &str) -> std::io::Result<String> {
    use std::io::Error;
    let mut bytes = Vec::new();
    // One byte more than allowed tells too long from just right, also of a device without an end.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::other(format!(
            "longer than {FILE_BYTES_MAX} bytes, the most that is read"
        )));
    }
    if let Some(cause) = content::not_text(&bytes) {
        return Err(Error::other(format!("{cause}; {what} is TOML in UTF-8")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::other(format!("line {line} is not UTF-8: save the file as UTF-8"))
    })
}
