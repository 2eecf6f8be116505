//! The axes of a sweep: the swept keys and the cases, each with its values, in the order of the text.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use crate::file::cell::{Setting, TakenFor, folder};
use crate::file::diagnostic::Span;
use crate::file::document::{Entry, Node, Part, Table, Value, find, flat, parts};
use crate::file::field::Field;
use crate::file::keys::table as keys;
use crate::file::keys::{Takes, can_be_swept};
use crate::file::reader::Section;
use crate::file::report::Report;
use crate::file::wording::shown;

/// Most cells of a sweep.
pub const CELLS_MAX: usize = 10_000;
/// Most swept keys: each is a folder.
const AXES_MAX: usize = 32;
/// Most keys that a case sets.
const CASE_KEYS_MAX: usize = 100;
/// Longest name of a value's folder, in bytes; file systems allow 255.
const FOLDER_BYTES_MAX: usize = 200;
/// Name of the axis of the cases.
pub(super) const CASE: &str = "case";
/// Type of a swept key in `[sweep]`.
static VALUES: Takes = Takes::List("a list of values, at least one");

/// Returns a value of the tree as a setting.
pub(super) fn setting_of(value: &Value) -> Setting {
    match &value.node {
        Node::Integer(number) => Setting::Integer(*number),
        // Adding 0 takes the sign off -0.
        Node::Float(text) => Setting::Float(text.parse().unwrap_or(f64::NAN) + 0.0),
        Node::Boolean(value) => Setting::Boolean(*value),
        Node::String(text) => Setting::Text(text.clone()),
        Node::Datetime => Setting::Text("date".to_owned()),
        Node::Array(all) => {
            let all: Vec<_> = all.iter().map(|one| setting_of(one).to_string()).collect();
            Setting::long_text(format!("[{}]", all.join(",")))
        }
        Node::Table(table) => {
            let one = |entry: &Entry| format!("{}={}", entry.key, setting_of(&entry.value));
            let all: Vec<_> = table.entries.iter().map(one).collect();
            Setting::long_text(format!("{{{}}}", all.join(",")))
        }
    }
}

/// One value of an axis, with the keys that it sets.
pub(super) struct Step {
    pub(super) value: Setting,
    pub(super) assigns: Vec<Assign>,
}

/// A key and the value that it is set to.
pub(super) struct Assign {
    pub(super) key: String,
    pub(super) path: Vec<Part>,
    pub(super) span: Span,
    pub(super) value: Value,
    /// `value` as folders and columns have it.
    pub(super) setting: Setting,
}

pub(super) struct Axis {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// Reads the axes and reports errors.
struct Reader<'a> {
    report: &'a Report<'a>,
    /// The experiment without its sweep.
    root: &'a Table,
}

/// Reads the axes of a sweep.
pub(super) fn read<'a>(
    report: &'a Report<'a>,
    root: &'a Table,
    (sweep, key): (&'a Value, &Span),
) -> Vec<Axis> {
    Reader { report, root }.axes(sweep, key)
}

impl<'a> Reader<'a> {
    fn axes(&self, sweep: &'a Value, key: &Span) -> Vec<Axis> {
        let whole = self.field("sweep".to_owned(), &keys::SWEEP.takes, (*key, sweep));
        let Some(table) = whole.table() else {
            return Vec::new();
        };
        // A list in an override replaces that of the file.
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
            self.report.error(
                key,
                "`sweep` is empty",
                format!("allowed: {}", keys::SWEEP.takes.allowed()),
            );
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

    fn field(
        &self,
        path: String,
        takes: &'static Takes,
        (key, value): (Span, &'a Value),
    ) -> Field<'a> {
        Field {
            report: self.report,
            path,
            takes,
            key,
            value,
        }
    }

    /// Reads the axis of a key with its list.
    fn list(&self, name: String, key: Span, value: &'a Value) -> Option<Axis> {
        let path = self.path(&name, &key)?;
        let field = self.field(format!("sweep.{name}"), &VALUES, (key, value));
        if let Node::Array(all) = &value.node
            && all.len() > CELLS_MAX
        {
            let title = format!("`{}` has {} values, a cell each", field.path, all.len());
            let label = format!("allowed: up to {CELLS_MAX} cells");
            self.report.error(&key, title, label);
            return None;
        }
        let all = field.list()?;
        if all.is_empty() {
            field.is_not_allowed("an empty list");
        }
        let is_float = |one: &Field<'_>| matches!(one.value.node, Node::Float(_));
        let as_float = all.iter().any(is_float);
        let mut known: HashMap<TakenFor, (Span, String)> = HashMap::new();
        let steps = field.elements(|one| {
            let value = setting_of(one.value);
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

    /// Reads the axis of the cases.
    fn cases(&self, value: &'a Value, span: &Span) -> Option<Axis> {
        let field = self.field("sweep.cases".to_owned(), &keys::CASES.takes, (*span, value));
        let all = field.list()?;
        if all.is_empty() {
            field.is_not_allowed("an empty list");
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut labels: HashMap<&str, Span> = HashMap::new();
        for case in &all {
            let Some(table) = case.table() else {
                continue;
            };
            let section = Section::open(self.report, table, case.value.span, &case.path);
            let Some((label, at)) = section.name(&keys::LABEL) else {
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

    /// Reads the keys and values that a case sets.
    fn assigns(&self, case: &Table) -> Vec<Assign> {
        let keys = flat(case, "", &|_| false);
        keys.into_iter()
            .filter(|(key, _, _)| key != keys::LABEL.name())
            .filter_map(|(key, span, value)| {
                Some(Assign {
                    path: self.path(&key, &span)?,
                    setting: setting_of(value),
                    key,
                    span,
                    value: value.clone(),
                })
            })
            .collect()
    }

    /// Reads the path of a key that may be swept.
    fn path(&self, key: &str, span: &Span) -> Option<Vec<Part>> {
        // The whole key, as it stands in quotes, is the place of each part.
        let path = match parts(self.report.sources, key, |_| *span) {
            Ok(path) => path,
            Err(wrong) => {
                self.report.push(wrong);
                return None;
            }
        };
        if !can_be_swept(key) {
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

    /// Reports a swept key that an override sets, because the sweep would replace that value.
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

    /// Reports keys that a cell would set twice, and keys of which one contains the other.
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

    /// Adds keys to the set keys. Reports those that overlap with earlier ones.
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

/// Places of set keys, by their paths and by the paths of the tables that contain them.
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

    /// Returns the place of a set key that equals `key`, contains it or is contained in it.
    fn overlapping(&self, key: &str) -> Option<Span> {
        let held_by = || holders(key).find_map(|holder| self.keys.get(holder));
        let found = self.keys.get(key).or_else(|| self.holders.get(key));
        found.or_else(held_by).copied()
    }
}

/// Returns the paths of the tables that contain the key of a path.
fn holders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(end, _)| &path[..end])
}
