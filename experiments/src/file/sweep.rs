//! `[sweep]`: the grid of an experiment, and the tree of values that each of its cells is read from.
//!
//! An axis is a key of `[sweep]` with its list of values, or all `[[sweep.cases]]` together, whose name is `case`.
//! Axes are in the order of the text, the last one is the fastest; a list that an override gives stays in the place
//! of the one it replaces. A cell is read as any experiment is, from the file's tree with its settings assigned, so
//! that whatever is wrong with a value is said where it stands in the sweep.

mod resolved;

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::{Diagnostic, Invalid, Sources, Span};
use super::document::{Entry, Node, Part, Table, Value, assign, find, parts};
use super::reader::{Choices, Field, Report, Section, shown, some};

/// Most cells of a sweep.
pub const CELLS_MAX: usize = 10_000;
/// Most values that the cells have together, each counted as often as there are cells: all cells are in memory.
const VALUES_MAX: usize = 4_000_000;
/// Most swept keys: each is a folder.
const AXES_MAX: usize = 32;
/// Most keys that a case sets.
const CASE_KEYS_MAX: usize = 100;
/// Longest text of a list or a table, in bytes. A longer one is cut, with a digest of all of it.
const TEXT_BYTES_MAX: usize = 200;
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
            // Adding 0 takes the sign off -0.
            Node::Float(text) => Self::Float(text.parse().unwrap_or(f64::NAN) + 0.0),
            Node::Boolean(value) => Self::Boolean(*value),
            Node::String(text) => Self::Text(text.clone()),
            Node::Datetime => Self::Text("date".to_owned()),
            Node::Array(all) => {
                let all: Vec<_> = all.iter().map(|one| Self::of(one).to_string()).collect();
                Self::long_text(format!("[{}]", all.join(",")))
            }
            Node::Table(table) => {
                let one = |entry: &Entry| format!("{}={}", entry.key, Self::of(&entry.value));
                let all: Vec<_> = table.entries.iter().map(one).collect();
                Self::long_text(format!("{{{}}}", all.join(",")))
            }
        }
    }

    /// The text of a list or a table, which may have thousands of values.
    fn long_text(mut text: String) -> Self {
        if text.len() > TEXT_BYTES_MAX {
            let digest = Sha256::digest(text.as_bytes());
            let digest: String = digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX - digest.len()));
            text.push('…');
            text.push_str(&digest);
        }
        Self::Text(text)
    }

    /// What the readers of folders and tables take the value for; with `as_float` they read numbers as floats.
    fn taken_for(&self, as_float: bool) -> TakenFor {
        let text = self.to_string();
        let of_float = |number: f64| match number {
            _ if number.fract() == 0.0 && number.abs() < 1e38 => TakenFor::Integer(number as i128),
            _ => TakenFor::Float(number.to_bits()),
        };
        match (text.parse::<i128>(), text.parse::<f64>()) {
            (Ok(number), _) if as_float => of_float(number as f64),
            (Ok(number), _) => TakenFor::Integer(number),
            (Err(_), Ok(number)) if number.is_finite() => of_float(number),
            _ => TakenFor::Text(text.to_ascii_lowercase()),
        }
    }
}

/// A value as the readers of folders and tables take it: `1`, `1.0` and the text `01` are one number, and where a file
/// system does not tell cases apart, `A` and `a` are one folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TakenFor {
    Integer(i128),
    /// Its bits.
    Float(u64),
    Text(String),
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
    /// What `value` is called.
    setting: Setting,
}

struct Axis {
    name: String,
    steps: Vec<Step>,
}

/// An `[[expect]]`: the cells it is for, by the settings they have, and by an axis and its steps for each setting.
#[derive(Default)]
struct Where(Vec<(String, Setting)>, Vec<(usize, Steps)>);

/// Steps of an axis, ascending.
type Steps = Arc<Vec<usize>>;

/// The swept keys in order, and of each the axis that sets it and the steps that have a value of it.
struct Swept<'a> {
    keys: Vec<&'a str>,
    steps: HashMap<&'a str, (usize, HashMap<TakenFor, Steps>)>,
}

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
    pub(super) fn take(
        root: &mut Table,
        sources: &Sources,
        choices: &Choices,
    ) -> Result<Option<Self>, Invalid> {
        let Some(sweep) = root.remove("sweep") else {
            return Ok(None);
        };
        let report = Report::new(sources, choices);
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
            grid.limit_values(&report, &sweep.span);
        }
        match report.into_errors() {
            None => Ok(Some(grid)),
            Some(invalid) => Err(invalid),
        }
    }

    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
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
        let axes = self.axes.iter().zip(self.places(index));
        axes.map(|(axis, place)| (axis.name.as_str(), &axis.steps[place]))
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
            let set = |assign: &Assign| (assign.key.clone(), assign.setting.clone());
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
            let places = self.places(cell.index);
            let mut wheres = self.wheres.iter();
            expects.retain(|_| wheres.next().is_none_or(|place| place.holds(&places)));
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
        let places = self.places(cell.index);
        let wheres = self.wheres.iter().filter(move |place| place.holds(&places));
        wheres.map(|place| place.0.as_slice())
    }

    /// Takes the `where`s out of the expectations.
    fn take_wheres(&mut self, report: &Report<'_>) {
        let swept = Swept::of(&self.axes);
        let mut wheres = Vec::new();
        for expect in expects(&mut self.root).into_iter().flatten() {
            let place = match &mut expect.node {
                Node::Table(table) if table.get("where").is_some() => table.remove("where"),
                _ => None,
            };
            let read = |entry: Entry| read_where(report, &entry.value, &swept);
            wheres.push(place.map_or_else(Where::default, read));
        }
        self.wheres = wheres;
    }

    /// Reports a sweep whose cells have more values together than there is memory for.
    fn limit_values(&self, report: &Report<'_>, sweep: &Span) {
        let (cells, values) = (self.len(), self.root.weight());
        if cells.saturating_mul(values) > VALUES_MAX {
            let title = format!("the sweep has {cells} cells of {values} values each");
            let label = format!("allowed: up to {VALUES_MAX} values in all cells together");
            report.error(sweep, title, label);
        }
    }
}

/// The expectations in a tree, as far as they are a list.
fn expects(root: &mut Value) -> Option<&mut Vec<Value>> {
    let Node::Table(table) = &mut root.node else {
        return None;
    };
    match &mut table.get_mut("expect")?.value.node {
        Node::Array(all) => Some(Arc::make_mut(all)),
        _ => None,
    }
}

impl Where {
    /// Whether it is for the cell at these places of the axes.
    fn holds(&self, places: &[usize]) -> bool {
        let all = &mut self.1.iter();
        all.all(|(axis, steps)| steps.binary_search(&places[*axis]).is_ok())
    }

    /// Whether there is a cell it is for.
    fn is_possible(&self, axes: usize) -> bool {
        (0..axes).all(|axis| {
            let of_axis = self.1.iter().filter(|(other, _)| *other == axis);
            let mut of_axis = of_axis.map(|(_, steps)| steps);
            let Some(first) = of_axis.next() else {
                return true;
            };
            let rest: Vec<_> = of_axis.collect();
            let has = |step: &usize| rest.iter().all(|other| other.binary_search(step).is_ok());
            first.iter().any(has)
        })
    }
}

impl<'a> Swept<'a> {
    fn of(axes: &'a [Axis]) -> Self {
        let mut keys = Vec::new();
        let mut found: HashMap<&str, (usize, HashMap<TakenFor, Vec<usize>>)> = HashMap::new();
        let mut add = |key: &'a str, axis: usize, value: &Setting, step: usize| {
            let (_, of_key) = found.entry(key).or_insert_with(|| {
                keys.push(key);
                (axis, HashMap::new())
            });
            of_key.entry(value.taken_for(false)).or_default().push(step);
        };
        for (index, axis) in axes.iter().enumerate() {
            for (place, step) in axis.steps.iter().enumerate() {
                add(&axis.name, index, &step.value, place);
                let assigns = step.assigns.iter().filter(|_| axis.name == CASE);
                for assign in assigns {
                    add(&assign.key, index, &assign.setting, place);
                }
            }
        }
        let shared = |of_key: HashMap<TakenFor, Vec<usize>>| {
            let all = of_key.into_iter();
            all.map(|(value, steps)| (value, Arc::new(steps))).collect()
        };
        let steps = found.into_iter();
        let steps = steps.map(|(key, (axis, of_key))| (key, (axis, shared(of_key))));
        Self {
            steps: steps.collect(),
            keys,
        }
    }
}

/// A `where`, which some cell has to meet.
fn read_where(report: &Report<'_>, value: &Value, swept: &Swept<'_>) -> Where {
    const ALLOWED: &str = "a table of swept keys and values";
    let field = Field {
        report,
        path: "expect.where".to_owned(),
        key: value.span,
        value,
    };
    let mut place = Where::default();
    let Some(table) = field.table(ALLOWED) else {
        return place;
    };
    let before = report.len();
    for (key, span, value) in flat(table, "", &|key| !swept.steps.contains_key(key)) {
        let Some((axis, values)) = swept.steps.get(key.as_str()) else {
            let title = format!("`expect.where` has `{}`, which is not swept", shown(&key));
            let label = format!("allowed: {}", some(&swept.keys));
            let error = report.sources.diagnostic(&span, title, label);
            let meant = report.suggestion(&key, swept.keys.iter().copied());
            report.push(meant.into_iter().fold(error, Diagnostic::help));
            continue;
        };
        let setting = Setting::of(value);
        match values.get(&setting.taken_for(false)) {
            Some(steps) => place.1.push((*axis, Arc::clone(steps))),
            None => {
                let title = format!("no cell has {key}={}", shown(&setting.to_string()));
                let label = "allowed: one of the values that the key is given in [sweep]";
                report.error(&value.span, title, label);
            }
        }
        place.0.push((key, setting));
    }
    let axes = swept.steps.values().map(|(axis, _)| axis + 1).max();
    if report.len() == before && !place.is_possible(axes.unwrap_or(0)) {
        let label = "allowed: values that some cell has together";
        report.error(&value.span, "no cell is as `expect.where` says", label);
    }
    place
}

/// The keys of a table by path, each with its place. Tables are gone into where `enter` says so of their path.
fn flat<'t>(
    table: &'t Table,
    before: &str,
    enter: &impl Fn(&str) -> bool,
) -> Vec<(String, Span, &'t Value)> {
    let mut found = Vec::new();
    for entry in table.entries.iter() {
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
        let mut places: HashMap<String, usize> = HashMap::new();
        for (name, span, value) in flat(table, "", &|_| true) {
            match places.get(&name).map(|place| &mut lists[*place]) {
                Some(known) if self.report.sources.overridden(&span) => {
                    known.2 = value;
                }
                Some((_, first, _)) => self.twice(&name, &span, first),
                None => {
                    places.insert(name.clone(), lists.len());
                    lists.push((name, span, value));
                }
            }
        }
        if lists.len() > AXES_MAX {
            let title = format!("the sweep has {} keys", lists.len());
            let label = format!("allowed: up to {AXES_MAX}; keys that change together in cases");
            self.report.error(key, title, label);
            return Vec::new();
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
    fn list(&self, name: String, key: Span, value: &'a Value) -> Option<Axis> {
        let path = self.path(&name, &key)?;
        let field = self.field(format!("sweep.{name}"), key, value);
        if let Node::Array(all) = &value.node
            && all.len() > CELLS_MAX
        {
            let title = format!("`{}` has {} values, a cell each", field.path, all.len());
            let label = format!("allowed: up to {CELLS_MAX} cells");
            self.report.error(&key, title, label);
            return None;
        }
        let all = field.list(VALUES)?;
        if all.is_empty() {
            field.cannot_be("an empty list", VALUES);
        }
        let is_float = |one: &Field<'_>| matches!(one.value.node, Node::Float(_));
        let as_float = all.iter().any(is_float);
        let mut known: HashMap<TakenFor, (Span, String)> = HashMap::new();
        let steps = field.elements(VALUES, |one| {
            let value = Setting::of(one.value);
            let (span, text) = (one.value.span, value.to_string());
            match known.entry(value.taken_for(as_float)) {
                Occupied(first) => {
                    self.twice_valued(&field.path, &text, &span, first.get());
                    return None;
                }
                Vacant(new) => new.insert((span, text)),
            };
            if folder(&name, &value).len() > FOLDER_BYTES_MAX {
                let title = format!("`{}` has a value too long for a folder's name", field.path);
                let label = "allowed: shorter ones, or a [[sweep.cases]] with a label for each";
                self.report.error(&span, title, label);
                return None;
            }
            let assign = Assign {
                key: name.clone(),
                path: path.clone(),
                span: key,
                value: one.value.clone(),
                setting: value.clone(),
            };
            Some(Step {
                value,
                assigns: vec![assign],
            })
        });
        Some(Axis {
            name,
            steps: steps?,
        })
    }

    /// Reports a value of the key `path` that readers take for another one.
    fn twice_valued(&self, path: &str, text: &str, span: &Span, (first, other): &(Span, String)) {
        let sources = self.report.sources;
        let title = format!("`{path}` has {} twice", shown(text));
        let error = if text == other {
            sources.diagnostic(span, title, "allowed: each value once")
        } else {
            let label = format!("readers of the cells' folders take it for {}", shown(other));
            let help = "[[sweep.cases]] with a label for each tells them apart";
            sources.diagnostic(span, title, label).help(help)
        };
        self.report
            .push(error.also(sources.mark(first, "the first".to_owned())));
    }

    /// The axis of the cases.
    fn cases(&self, value: &'a Value, span: &Span) -> Option<Axis> {
        let field = self.field("sweep.cases".to_owned(), *span, value);
        let all = field.list(CASES)?;
        if all.is_empty() {
            field.cannot_be("an empty list", CASES);
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut labels: HashMap<&str, Span> = HashMap::new();
        for case in &all {
            let Some(table) = case.table("a table, written [[sweep.cases]]") else {
                continue;
            };
            let section = Section::open(self.report, table, case.value.span, &case.path);
            let Some((label, at)) = section.named("label") else {
                continue;
            };
            if let Some(first) = labels.get(label) {
                let sources = self.report.sources;
                let title = format!("two cases have the label \"{label}\"");
                let error = sources.diagnostic(&at, title, "allowed: a label of its own");
                self.report
                    .push(error.also(sources.mark(first, "the first".to_owned())));
            }
            labels.entry(label).or_insert(at);
            if table.entries.len() > CASE_KEYS_MAX {
                let title = format!("case \"{label}\" sets {} keys", table.entries.len());
                let allowed = format!("allowed: up to {CASE_KEYS_MAX}");
                self.report.error(&at, title, allowed);
                continue;
            }
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
                    setting: Setting::of(value),
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
        let mut swept = Known::default();
        for axis in lists {
            // All steps set the same key.
            let assign = axis.steps.first().and_then(|step| step.assigns.first());
            self.add(&Known::default(), &mut swept, assign);
        }
        for step in cases.iter().flat_map(|axis| &axis.steps) {
            self.add(&swept, &mut Known::default(), &step.assigns);
        }
    }

    /// Adds keys to those that are known, beside others.
    fn add<'s>(
        &self,
        others: &Known<'s>,
        known: &mut Known<'s>,
        new: impl IntoIterator<Item = &'s Assign>,
    ) {
        for assign in new {
            match others
                .overlapping(&assign.key)
                .or(known.overlapping(&assign.key))
            {
                Some(other) => self.twice(&assign.key, &assign.span, &other),
                None => known.insert(assign),
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

/// Keys that are set, and where: by their paths, and by the paths of what holds them.
#[derive(Default)]
struct Known<'s> {
    keys: HashMap<&'s str, Span>,
    holders: HashMap<&'s str, Span>,
}

impl<'s> Known<'s> {
    fn insert(&mut self, assign: &'s Assign) {
        self.keys.insert(&assign.key, assign.span);
        let holders = holders(&assign.key).map(|holder| (holder, assign.span));
        self.holders.extend(holders);
    }

    /// Where a key is set that is `key`, holds it or is held by it.
    fn overlapping(&self, key: &str) -> Option<Span> {
        let held_by = || holders(key).find_map(|holder| self.keys.get(holder));
        let found = self.keys.get(key).or_else(|| self.holders.get(key));
        found.or_else(held_by).copied()
    }
}

/// The paths of what holds the key of a path.
fn holders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(end, _)| &path[..end])
}
