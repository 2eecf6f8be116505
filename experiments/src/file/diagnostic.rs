//! What is wrong with an experiment and where: places in texts, and errors that show them.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::cell::Cell;

/// Errors shown at most; of the rest only their number is.
pub(crate) const SHOWN_MAX: usize = 20;
/// What stands before an override's text, as it was typed.
const OVERRIDE: &str = "--set ";

/// A place in the text of an experiment. All spans are equal, so that two experiments are equal if they mean the same
/// run; the default one is nowhere, for experiments made without a file.
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
    /// Whether it is a place in a text.
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

/// The texts that an experiment came from: the file, then each override.
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

    /// What stands at `at`.
    pub(super) fn text(&self, at: &Span) -> &str {
        self.0
            .get(at.source)
            .and_then(|source| source.text.get(at.start..at.end))
            .unwrap_or("")
    }

    /// Whether `at` lies in an override.
    pub(super) fn overridden(&self, at: &Span) -> bool {
        at.source > 0 && at.source < self.0.len()
    }

    /// An error of meaning at `at`: `title` says what is wrong, `label` stands at the caret and says what is allowed.
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

/// A place pointed at, and what is said about it.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    source: Arc<Source>,
    range: Range<usize>,
    label: String,
}

/// One thing that is wrong. The first mark is where, the others are what it has to do with.
#[derive(Clone, Debug)]
pub(super) struct Diagnostic {
    is_warning: bool,
    order: (usize, usize, usize),
    title: Box<str>,
    marks: Vec<Mark>,
    help: Option<String>,
    /// In which cells of a sweep, where not in all.
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

    /// What tells it from another one.
    fn identity(&self) -> String {
        let marks = self.marks.iter().map(|mark| (&mark.range, &mark.label));
        let marks: Vec<_> = marks.collect();
        format!("{:?} {} {marks:?}", self.order, self.title)
    }
}

/// Why an experiment cannot run: one error or several, each with file, line and caret where there is one.
#[derive(Clone, Debug)]
pub struct Invalid {
    diagnostics: Vec<Diagnostic>,
}

impl Invalid {
    /// An error that has no place in a text.
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

    /// Errors in the order of the text.
    pub(super) fn from_all(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| diagnostic.order);
        Self { diagnostics }
    }

    /// All of `errors` as one, in the order of the text: what a caller with checks of its own ends them with.
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

    /// What is wrong in the first `read` of the `cells` cells of a sweep, as one: an error that is in all of them is
    /// one of the experiment, any other names the first cell that has it.
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

    /// How many errors there are.
    pub fn len(&self) -> usize {
        self.diagnostics.len()
    }

    /// Whether there is none, which no function here returns.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The errors as a terminal shows them, with a blank line between two and no line feed at the end.
    pub fn render(&self, color: bool) -> String {
        let all: Vec<_> = self.diagnostics.iter().collect();
        render(&all, "errors", color)
    }
}

/// What may not mean what was meant, with file, line and caret where there is one. Empty where there is nothing.
#[derive(Clone, Debug, Default)]
pub struct Notices(Vec<Diagnostic>);

impl Notices {
    /// Adds one at `at`: `title` says what it is, `label` stands at the caret and says what to do, `cells` in which
    /// cells of a sweep, where not in all.
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

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As [`Invalid::render`].
    pub fn render(&self, color: bool) -> String {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.order);
        render(&sorted, "warnings", color)
    }
}

/// Diagnostics as a terminal shows them, as many as are shown.
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
