//! `[sweep]`: the grid of an experiment, and the tree of values that each of its cells is read from.
//!
//! An axis is a key of `[sweep]` with its list of values, or all `[[sweep.cases]]` together, whose name is `case`.
//! Axes are in the order of the text, the last one is the fastest; a list that an override gives stays in the place
//! of the one it replaces. A cell is read as any experiment is, from the file's tree with its settings assigned, so
//! that whatever is wrong with a value is said where it stands in the sweep.

mod resolved;

use std::fmt;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Invalid, Sources, Span};
use super::document::{Entry, Node, Part, Table, Value, assign, find, parts};
use super::reader::{Field, Report, Section, shown, suggestion};

/// Most cells of a sweep.
pub const CELLS_MAX: usize = 10_000;
/// Longest name of a folder that a value gives, in bytes; file systems allow 255.
const FOLDER_BYTES_MAX: usize = 200;
/// The axis of the cases.
const CASE: &str = "case";
/// Keys at the top that may be swept; of sections, only what is in them.
const TOP_SWEPT: [&str; 2] = ["seed", "networks"];
const LISTS: &str = "keys by path with lists of values, and [[sweep.cases]]";
const VALUES: &str = "a list of values, at least one";
const CASES: &str = "one [[sweep.cases]] or several, each with a label and keys by path";

/// A value of a swept key.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// An integer.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A string, a label, or the text of a list or a table.
    Text(String),
}

/// Without quotes; a whole number without decimals.
impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                write!(formatter, "{number}")
            }
            Self::Float(number) => write!(formatter, "{number:?}"),
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

impl Setting {
    fn of(value: &Value) -> Self {
        match &value.node {
            Node::Integer(number) => Self::Integer(*number),
            Node::Float(text) => Self::Float(text.parse().unwrap_or(f64::NAN)),
            Node::Boolean(value) => Self::Boolean(*value),
            Node::String(text) => Self::Text(text.clone()),
            Node::Datetime => Self::Text("date".to_owned()),
            Node::Array(all) => {
                let all: Vec<_> = all.iter().map(|one| Self::of(one).to_string()).collect();
                Self::Text(format!("[{}]", all.join(",")))
            }
            Node::Table(table) => {
                let one = |entry: &Entry| format!("{}={}", entry.key, Self::of(&entry.value));
                let all: Vec<_> = table.entries.iter().map(one).collect();
                Self::Text(format!("{{{}}}", all.join(",")))
            }
        }
    }
}

/// A cell of a sweep: where it is in the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its place among all cells, from 0.
    pub index: usize,
    /// The value on each axis: the folders it lies in.
    pub axes: Vec<(String, Setting)>,
    /// What it sets, by path: the axes, and what its case sets.
    pub settings: Vec<(String, Setting)>,
}

impl Cell {
    /// Where it lies in the study's folder: `lookup.alpha=1/network.nodes=1000`. What is not a letter, a digit or
    /// one of `._-` stands as `%` and two hexadecimal digits, as hive-style readers expect.
    pub fn folder(&self) -> PathBuf {
        let axes = self.axes.iter();
        axes.map(|(key, value)| folder(key, value)).collect()
    }
}

/// `lookup.alpha=1, network.nodes=1000`.
impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (key, value)) in self.axes.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(formatter, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

fn folder(key: &str, value: &Setting) -> String {
    let mut text = format!("{key}=");
    for byte in value.to_string().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                text.push(byte.into());
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// One value of an axis, and what it sets.
struct Step {
    value: Setting,
    assigns: Vec<Assign>,
}

/// A key that is set.
struct Assign {
    key: String,
    path: Vec<Part>,
    span: Span,
    value: Value,
}

struct Axis {
    name: String,
    steps: Vec<Step>,
}

/// An `[[expect]]`: the cells it is for.
struct Where(Vec<(String, Setting)>);

/// The grid of an experiment.
pub(crate) struct Grid {
    /// The tree of the experiment without its sweep and without each `where`.
    root: Value,
    axes: Vec<Axis>,
    wheres: Vec<Where>,
}

impl Grid {
    /// Takes the sweep out of the tree `root`, if it has one.
    ///
    /// # Errors
    /// Something is wrong with the sweep itself or with a `where`; values are not looked at.
    pub(super) fn take(root: &mut Table, sources: &Sources) -> Result<Option<Self>, Invalid> {
        let Some(sweep) = root.remove("sweep") else {
            return Ok(None);
        };
        let report = Report::new(sources);
        let reader = Reader {
            report: &report,
            root,
        };
        let axes = reader.axes(&sweep.value, &sweep.span);
        let mut grid = Grid {
            root: Value {
                node: Node::Table(root.clone()),
                span: Span::new(0, 0..0),
            },
            axes,
            wheres: Vec::new(),
        };
        if report.len() == 0 {
            grid.take_wheres(&report);
        }
        match report.into_errors() {
            None => Ok(Some(grid)),
            Some(invalid) => Err(invalid),
        }
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.steps.len()).product()
    }

    /// The place of a cell on each axis.
    fn places(&self, index: usize) -> Vec<usize> {
        let mut rest = index;
        let axes = self.axes.iter().rev();
        let place = axes.map(|axis| {
            let place = rest % axis.steps.len();
            rest /= axis.steps.len();
            place
        });
        let mut places: Vec<_> = place.collect();
        places.reverse();
        places
    }

    /// The steps of a cell, one an axis.
    fn steps(&self, index: usize) -> Vec<(&str, &Step)> {
        let places = self.places(index).into_iter();
        let steps = self.axes.iter().zip(places);
        steps
            .map(|(axis, place)| (axis.name.as_str(), &axis.steps[place]))
            .collect()
    }

    pub(super) fn cell(&self, index: usize) -> Cell {
        let steps = self.steps(index);
        let axes: Vec<_> = steps
            .iter()
            .map(|(name, step)| ((*name).to_owned(), step.value.clone()))
            .collect();
        let mut settings = axes.clone();
        for (_, step) in steps.iter().filter(|(name, _)| *name == CASE) {
            let set = |assign: &Assign| (assign.key.clone(), Setting::of(&assign.value));
            settings.extend(step.assigns.iter().map(set));
        }
        Cell {
            index,
            axes,
            settings,
        }
    }

    /// What a cell is read from.
    ///
    /// # Errors
    /// A key leads to where there can be no value.
    pub(super) fn tree(&self, cell: &Cell, sources: &Sources) -> Result<Table, Invalid> {
        let mut root = self.root.clone();
        if let Some(expects) = expects(&mut root) {
            let mut wheres = self.wheres.iter();
            expects.retain(|_| wheres.next().is_none_or(|place| place.holds(cell)));
        }
        let steps = self.steps(cell.index);
        let assigns = steps.iter().flat_map(|(_, step)| &step.assigns);
        let wrong: Vec<Diagnostic> = assigns
            .filter_map(|one| assign(sources, &mut root, &one.path, one.value.clone()).err())
            .collect();
        match root.node {
            Node::Table(root) if wrong.is_empty() => Ok(root),
            _ => Err(Invalid::from_all(wrong)),
        }
    }

    /// The `where` of each expectation that is for the cell, in order.
    pub(crate) fn wheres(&self, cell: &Cell) -> impl Iterator<Item = &[(String, Setting)]> {
        let wheres = self.wheres.iter().filter(|place| place.holds(cell));
        wheres.map(|place| place.0.as_slice())
    }

    /// Takes the `where`s out of the expectations.
    fn take_wheres(&mut self, report: &Report<'_>) {
        let cells: Vec<Cell> = (0..self.len()).map(|index| self.cell(index)).collect();
        let mut wheres = Vec::new();
        for expect in expects(&mut self.root).into_iter().flatten() {
            let place = match &mut expect.node {
                Node::Table(table) => table.remove("where"),
                _ => None,
            };
            wheres.push(Where(place.map_or_else(Vec::new, |entry| {
                read_where(report, &entry.value, &cells)
            })));
        }
        self.wheres = wheres;
    }
}

/// The expectations in a tree, as far as they are a list.
fn expects(root: &mut Value) -> Option<&mut Vec<Value>> {
    let Node::Table(table) = &mut root.node else {
        return None;
    };
    match &mut table.get_mut("expect")?.value.node {
        Node::Array(all) => Some(all),
        _ => None,
    }
}

impl Where {
    fn holds(&self, cell: &Cell) -> bool {
        self.0.iter().all(|one| has(cell, one))
    }
}

/// Whether a cell has this value of this key.
fn has(cell: &Cell, (key, value): &(String, Setting)) -> bool {
    let of_key =
        |(other, set): &(String, Setting)| other == key && set.to_string() == value.to_string();
    cell.settings.iter().any(of_key)
}

/// A `where`, which some cell has to meet.
fn read_where(report: &Report<'_>, value: &Value, cells: &[Cell]) -> Vec<(String, Setting)> {
    const ALLOWED: &str = "a table of swept keys and values";
    let field = Field {
        report,
        path: "expect.where".to_owned(),
        key: value.span,
        value,
    };
    let Some(table) = field.table(ALLOWED) else {
        return Vec::new();
    };
    let mut swept: Vec<&str> = Vec::new();
    for (key, _) in cells.iter().flat_map(|cell| &cell.settings) {
        if !swept.contains(&key.as_str()) {
            swept.push(key);
        }
    }
    let before = report.len();
    let mut found = Vec::new();
    for (key, span, value) in flat(table, "", &|key| !swept.contains(&key)) {
        if !swept.contains(&key.as_str()) {
            let title = format!("`expect.where` has `{}`, which is not swept", shown(&key));
            let label = format!("allowed: {}", swept.join(", "));
            let error = report.sources.diagnostic(&span, title, label);
            let meant = suggestion(&key, swept.iter().copied());
            report.push(meant.into_iter().fold(error, Diagnostic::help));
            continue;
        }
        let one = (key, Setting::of(value));
        if !cells.iter().any(|cell| has(cell, &one)) {
            let title = format!("no cell has {}={}", one.0, shown(&one.1.to_string()));
            let label = "allowed: one of the values that the key is given in [sweep]";
            report.error(&value.span, title, label);
        }
        found.push(one);
    }
    let place = Where(found);
    if report.len() == before && !cells.iter().any(|cell| place.holds(cell)) {
        let label = "allowed: values that some cell has together";
        report.error(&value.span, "no cell is as `expect.where` says", label);
    }
    place.0
}

/// The keys of a table by path, each with its place. Tables are gone into where `enter` says so of their path.
fn flat<'t>(
    table: &'t Table,
    before: &str,
    enter: &impl Fn(&str) -> bool,
) -> Vec<(String, Span, &'t Value)> {
    let mut found = Vec::new();
    for entry in &table.entries {
        let path = format!("{before}{}", entry.key);
        match &entry.value.node {
            Node::Table(inner) if enter(&path) => {
                found.extend(flat(inner, &format!("{path}."), enter));
            }
            _ => found.push((path, entry.span, &entry.value)),
        }
    }
    found.sort_by_key(|(_, span, _)| span.order());
    found
}

/// Reads the axes; reports what is wrong.
struct Reader<'a> {
    report: &'a Report<'a>,
    /// The experiment without its sweep.
    root: &'a Table,
}

impl<'a> Reader<'a> {
    fn axes(&self, sweep: &'a Value, key: &Span) -> Vec<Axis> {
        let whole = self.field("sweep".to_owned(), *key, sweep);
        let Some(table) = whole.table(LISTS) else {
            return Vec::new();
        };
        // A list of an override takes the place of the file's.
        let mut lists: Vec<(String, Span, &Value)> = Vec::new();
        for (name, span, value) in flat(table, "", &|_| true) {
            match lists.iter_mut().find(|(other, _, _)| *other == name) {
                Some(known) if self.report.sources.overridden(&span) => {
                    known.2 = value;
                }
                Some((_, first, _)) => self.twice(&name, &span, first),
                None => lists.push((name, span, value)),
            }
        }
        if lists.is_empty() {
            self.report
                .error(key, "`sweep` is empty", format!("allowed: {LISTS}"));
        }
        let axes: Vec<Axis> = lists
            .into_iter()
            .filter_map(|(name, span, value)| match name.as_str() {
                "cases" => self.cases(value, &span),
                _ => self.list(name, span, value),
            })
            .collect();
        self.distinct(&axes);
        let cells = axes.iter().map(|axis| axis.steps.len());
        let cells = cells.fold(1, usize::saturating_mul);
        if cells > CELLS_MAX {
            let title = format!("the sweep has {cells} cells");
            self.report
                .error(key, title, format!("allowed: up to {CELLS_MAX}"));
        }
        axes
    }

    fn field(&self, path: String, key: Span, value: &'a Value) -> Field<'a> {
        Field {
            report: self.report,
            path,
            key,
            value,
        }
    }

    /// The axis of a key with its list.
    fn list(&self, name: String, span: Span, value: &'a Value) -> Option<Axis> {
        let path = self.path(&name, &span)?;
        let field = self.field(format!("sweep.{name}"), span, value);
        let all = field.list(VALUES)?;
        if all.is_empty() {
            field.cannot_be("an empty list", VALUES);
        }
        let mut steps: Vec<Step> = Vec::new();
        for one in &all {
            let value = Setting::of(one.value);
            let text = value.to_string();
            if steps.iter().any(|step| step.value.to_string() == text) {
                let title = format!("`{}` has {} twice", field.path, shown(&text));
                let span = &one.value.span;
                self.report.error(span, title, "allowed: each value once");
            }
            if folder(&name, &value).len() > FOLDER_BYTES_MAX {
                let title = format!("`{}` has a value too long for a folder's name", field.path);
                let label = "allowed: shorter ones, or a [[sweep.cases]] with a label for each";
                self.report.error(&one.value.span, title, label);
            }
            let assign = Assign {
                key: name.clone(),
                path: path.clone(),
                span,
                value: one.value.clone(),
            };
            steps.push(Step {
                value,
                assigns: vec![assign],
            });
        }
        Some(Axis { name, steps })
    }

    /// The axis of the cases.
    fn cases(&self, value: &'a Value, span: &Span) -> Option<Axis> {
        let field = self.field("sweep.cases".to_owned(), *span, value);
        let all = field.list(CASES)?;
        if all.is_empty() {
            field.cannot_be("an empty list", CASES);
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut labels: Vec<(&str, Span)> = Vec::new();
        for case in &all {
            let Some(table) = case.table("a table, written [[sweep.cases]]") else {
                continue;
            };
            let keys: Vec<&str> = table
                .entries
                .iter()
                .map(|entry| entry.key.as_str())
                .collect();
            let place = case.value.span;
            let section = Section::new(self.report, Some(table), place, &case.path, &keys);
            let Some((label, at)) = section.named("label") else {
                continue;
            };
            if let Some((_, first)) = labels.iter().find(|(other, _)| *other == label) {
                let sources = self.report.sources;
                let title = format!("two cases have the label \"{label}\"");
                let error = sources.diagnostic(&at, title, "allowed: a label of its own");
                self.report
                    .push(error.also(sources.mark(first, "the first".to_owned())));
            }
            labels.push((label, at));
            steps.push(Step {
                value: Setting::Text(label.to_owned()),
                assigns: self.assigns(table),
            });
        }
        Some(Axis {
            name: CASE.to_owned(),
            steps,
        })
    }

    /// What a case sets.
    fn assigns(&self, case: &Table) -> Vec<Assign> {
        let keys = flat(case, "", &|_| false);
        keys.into_iter()
            .filter(|(key, _, _)| key != "label")
            .filter_map(|(key, span, value)| {
                Some(Assign {
                    path: self.path(&key, &span)?,
                    key,
                    span,
                    value: value.clone(),
                })
            })
            .collect()
    }

    /// The path of a key that may be swept.
    fn path(&self, key: &str, span: &Span) -> Option<Vec<Part>> {
        // The whole key, as it stands in quotes, is the place of each part.
        let path = match parts(self.report.sources, key, |_| *span) {
            Ok(path) => path,
            Err(wrong) => {
                self.report.push(wrong);
                return None;
            }
        };
        let first = path.first().map_or("", |(part, _)| part);
        let fixed = matches!(first, "schema" | "name" | "expect" | "sweep");
        let whole = path.len() == 1 && !TOP_SWEPT.contains(&first);
        if fixed || whole || key == "output.dir" {
            let title = format!("`{}` cannot be swept", shown(key));
            let label = "allowed: seed, networks, and keys in sections and phases";
            let error = self.report.sources.diagnostic(span, title, label);
            let help = "write the whole path of a key in quotes, as in \"lookup.alpha\"";
            self.report.push(error.help(help));
            return None;
        }
        self.overridden(key, span, &path);
        Some(path)
    }

    /// Reports a swept key that the command line sets, which would count for nothing.
    fn overridden(&self, key: &str, span: &Span, path: &[Part]) {
        let sources = self.report.sources;
        let set = find(self.root, path).filter(|entry| sources.overridden(&entry.span));
        if let Some(set) = set {
            let title = format!("`{key}` is set here and swept");
            let label = format!("allowed: --set sweep.{key}=[..]");
            let error = sources.diagnostic(&set.span, title, label);
            let mark = sources.mark(span, "swept here".to_owned());
            self.report.push(error.also(mark));
        }
    }

    /// Reports keys that a cell would set twice, or of which one holds the other.
    fn distinct(&self, axes: &[Axis]) {
        let (cases, lists): (Vec<_>, Vec<_>) = axes.iter().partition(|axis| axis.name == CASE);
        let mut swept: Vec<&Assign> = Vec::new();
        for axis in lists {
            // All steps set the same key.
            self.add(
                &mut swept,
                axis.steps.first().and_then(|step| step.assigns.first()),
            );
        }
        for step in cases.iter().flat_map(|axis| &axis.steps) {
            self.add(&mut swept.clone(), &step.assigns);
        }
    }

    fn add<'s>(&self, known: &mut Vec<&'s Assign>, new: impl IntoIterator<Item = &'s Assign>) {
        for assign in new {
            match known.iter().find(|other| overlap(&assign.key, &other.key)) {
                Some(other) => self.twice(&assign.key, &assign.span, &other.span),
                None => known.push(assign),
            }
        }
    }

    fn twice(&self, key: &str, span: &Span, first: &Span) {
        let sources = self.report.sources;
        let title = format!("`{}` is swept twice", shown(key));
        let error = sources.diagnostic(span, title, "allowed: each key, or what holds it, once");
        self.report
            .push(error.also(sources.mark(first, "the first".to_owned())));
    }
}

/// Whether one of two paths is the other, or holds it.
fn overlap(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let rest = long.strip_prefix(short);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
