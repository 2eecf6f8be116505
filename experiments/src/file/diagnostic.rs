//! Errors of an experiment, each with the places in the text that it is about.

mod json;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::cell::Cell;

/// Most errors that are shown. The others are counted.
pub(crate) const SHOWN_MAX: usize = 20;
/// Text before an override in messages, as the user typed it.
const OVERRIDE: &str = "--set ";

/// A place in the text of an experiment. All spans are equal, so that two experiments are equal if they mean the same
/// run. The default span lies in no text; experiments made without a file have it.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    source: usize,
    start: usize,
    end: usize,
}

impl Span {
    pub(super) fn new(source: usize, range: Range<usize>) -> Self {
        Self {
            source,
            start: range.start,
            end: range.end,
        }
    }

    /// Returns whether it lies in the file and holds the place `at`.
    pub(super) fn holds(&self, at: &Range<usize>) -> bool {
        self.source == 0 && self.start <= at.start && at.end <= self.end
    }

    pub(super) fn order(&self) -> (usize, usize, usize) {
        (self.source, self.start, self.end)
    }
}

impl Default for Span {
    fn default() -> Self {
        Self {
            source: usize::MAX,
            start: 0,
            end: 0,
        }
    }
}

impl Span {
    /// Returns whether the span lies in a text.
    pub(crate) fn is_somewhere(&self) -> bool {
        self.source != usize::MAX
    }
}

impl std::hash::Hash for Span {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
}

/// The texts of an experiment: the file, then each override.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Arc<Source>>);

impl Sources {
    pub(super) fn new(name: String, text: String, overrides: &[String]) -> Self {
        let mut all = vec![Arc::new(Source { name, text })];
        all.extend(overrides.iter().map(|text| {
            Arc::new(Source {
                name: "command line".to_owned(),
                text: format!("{OVERRIDE}{text}"),
            })
        }));
        Self(all)
    }

    /// The text of the file.
    pub(super) fn file(&self) -> &str {
        self.0.first().map_or("", |source| &source.text)
    }

    /// Each override, without what stands before it: its source, where it begins there, its text.
    pub(super) fn overrides(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let all = self.0.iter().enumerate().skip(1);
        all.map(|(index, source)| {
            (
                index,
                OVERRIDE.len(),
                source.text.get(OVERRIDE.len()..).unwrap_or(""),
            )
        })
    }

    /// Returns the text at `at`.
    pub(super) fn text(&self, at: &Span) -> &str {
        self.0
            .get(at.source)
            .and_then(|source| source.text.get(at.start..at.end))
            .unwrap_or("")
    }

    /// Returns whether `at` lies in an override.
    pub(super) fn overridden(&self, at: &Span) -> bool {
        at.source > 0 && at.source < self.0.len()
    }

    /// Returns an error at `at`. The `title` says what is wrong; the `label` stands at the caret and says what is allowed.
    pub fn error(&self, at: &Span, title: String, label: String) -> Invalid {
        Invalid::from_all(vec![self.diagnostic(at, title, label)])
    }

    pub(super) fn diagnostic(
        &self,
        at: &Span,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        let marks = self.mark(at, label.into()).into_iter().collect();
        Diagnostic {
            is_warning: false,
            order: at.order(),
            title: title.into().into_boxed_str(),
            marks,
            help: None,
            cells: None,
        }
    }

    pub(super) fn mark(&self, at: &Span, label: String) -> Option<Mark> {
        let source = self.0.get(at.source)?;
        let end = source
            .text
            .floor_char_boundary(at.end.min(source.text.len()));
        let start = source.text.floor_char_boundary(at.start.min(end));
        Some(Mark {
            source: Arc::clone(source),
            range: start..end,
            label,
        })
    }
}

/// A place that a message points at, with a label.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    source: Arc<Source>,
    range: Range<usize>,
    label: String,
}

/// One error or warning. The first mark is its place; the others are related places.
#[derive(Clone, Debug)]
pub(super) struct Diagnostic {
    is_warning: bool,
    order: (usize, usize, usize),
    title: Box<str>,
    marks: Vec<Mark>,
    help: Option<String>,
    /// The cells of a sweep that have it, where not all do.
    cells: Option<String>,
}

impl Diagnostic {
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn also(mut self, mark: Option<Mark>) -> Self {
        self.marks.extend(mark);
        self
    }

    fn group(&self) -> Group<'_> {
        let level = match self.is_warning {
            true => Level::WARNING,
            false => Level::ERROR,
        };
        let mut group = Group::with_title(level.primary_title(&*self.title));
        let mut rest: &[Mark] = &self.marks;
        let mut kind = AnnotationKind::Primary;
        while let Some(first) = rest.first() {
            let same = rest
                .iter()
                .take_while(|mark| Arc::ptr_eq(&mark.source, &first.source))
                .count();
            let mut snippet =
                Snippet::source(first.source.text.as_str()).path(first.source.name.as_str());
            for mark in &rest[..same] {
                snippet =
                    snippet.annotation(kind.span(mark.range.clone()).label(mark.label.as_str()));
                kind = AnnotationKind::Context;
            }
            group = group.element(snippet);
            rest = &rest[same..];
        }
        let cells = self.cells.iter().map(|cells| Level::NOTE.message(cells));
        let help = self.help.iter().map(|help| Level::HELP.message(help));
        cells.chain(help).fold(group, Group::element)
    }

    /// Returns a text that no other diagnostic has.
    fn identity(&self) -> String {
        let marks = self.marks.iter().map(|mark| (&mark.range, &mark.label));
        let marks: Vec<_> = marks.collect();
        format!("{:?} {} {marks:?}", self.order, self.title)
    }
}

/// The errors of an experiment that cannot run, at least one. Each has file, line and caret, if it lies in a text.
#[derive(Clone, Debug)]
pub struct Invalid {
    diagnostics: Vec<Diagnostic>,
}

impl Invalid {
    /// Returns an error that lies in no text.
    pub fn plain(title: String) -> Self {
        Self::from_all(vec![Diagnostic {
            is_warning: false,
            order: (0, 0, 0),
            title: title.into_boxed_str(),
            marks: Vec::new(),
            help: None,
            cells: None,
        }])
    }

    /// Sorts errors into the order of the text.
    pub(super) fn from_all(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| diagnostic.order);
        Self { diagnostics }
    }

    /// Merges `errors` into one, in the order of the text.
    ///
    /// # Errors
    /// There was at least one.
    pub fn merge(errors: impl IntoIterator<Item = Invalid>) -> Result<(), Invalid> {
        let all: Vec<_> = errors
            .into_iter()
            .flat_map(|invalid| invalid.diagnostics)
            .collect();
        if all.is_empty() {
            Ok(())
        } else {
            Err(Self::from_all(all))
        }
    }

    /// Merges the errors of the first `read` of `cells` cells of a sweep. An error that all of them have is one of the
    /// experiment; any other names the first cell that has it.
    ///
    /// # Errors
    /// There was at least one.
    pub(crate) fn merge_cells(
        errors: impl IntoIterator<Item = (Cell, Invalid)>,
        read: usize,
        cells: usize,
    ) -> Result<(), Invalid> {
        let cells = match read {
            _ if read == cells => format!("{cells} cells"),
            _ => format!("first {read} of {cells} cells"),
        };
        let mut found: Vec<(Diagnostic, Cell, usize)> = Vec::new();
        let mut places = HashMap::new();
        for (cell, invalid) in errors {
            for diagnostic in invalid.diagnostics {
                let place = *places.entry(diagnostic.identity()).or_insert_with(|| {
                    found.push((diagnostic, cell.clone(), 0));
                    found.len() - 1
                });
                found[place].2 += 1;
            }
        }
        let named = found.into_iter().map(|(mut diagnostic, cell, times)| {
            let more = match times {
                1 => String::new(),
                _ => format!(" and {} more of the {cells}", times - 1),
            };
            let named = || format!("in cell {} ({cell}){more}", cell.index);
            diagnostic.cells = (times < read).then(named);
            diagnostic
        });
        let all: Vec<_> = named.collect();
        if all.is_empty() {
            Ok(())
        } else {
            Err(Self::from_all(all))
        }
    }

    /// Returns the number of errors.
    pub fn len(&self) -> usize {
        self.diagnostics.len()
    }

    /// Returns whether there is no error. Values of this type from this module have at least one.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Returns the errors as a terminal shows them, with a blank line between two and no line feed at the end.
    pub fn render(&self, color: bool) -> String {
        let all: Vec<_> = self.diagnostics.iter().collect();
        render(&all, "errors", color)
    }
}

/// Warnings about an experiment, possibly none. Each has file, line and caret, if it lies in a text.
#[derive(Clone, Debug, Default)]
pub struct Notices(Vec<Diagnostic>);

impl Notices {
    /// Adds a warning at `at`. The `title` says what it is, the `label` stands at the caret and says what to do, and
    /// `cells` names the cells of a sweep that have it, where not all do.
    pub(crate) fn add(
        &mut self,
        sources: &Sources,
        at: &Span,
        title: &str,
        label: &str,
        cells: Option<String>,
    ) {
        let diagnostic = sources.diagnostic(at, title, label);
        self.0.push(Diagnostic {
            is_warning: true,
            cells,
            ..diagnostic
        });
    }

    /// Returns whether there is no warning.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As [`Invalid::render`].
    pub fn render(&self, color: bool) -> String {
        render(&self.sorted(), "warnings", color)
    }

    /// Returns the warnings in the order of the text.
    fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.order);
        sorted
    }
}

/// Returns up to [`SHOWN_MAX`] diagnostics as a terminal shows them, and the number of the others.
fn render(diagnostics: &[&Diagnostic], what: &str, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let shown = diagnostics.iter().take(SHOWN_MAX);
    let mut parts: Vec<_> = shown
        .map(|diagnostic| renderer.render(&[diagnostic.group()]))
        .collect();
    if let Some(more) = diagnostics.len().checked_sub(SHOWN_MAX + 1) {
        parts.push(format!("and {} {what} more", more + 1));
    }
    parts.join("\n\n")
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Invalid {}
