//! Writes a sweep as a file with every key: the resolved experiment with its `[sweep]` and each `[[expect]]`.
//!
//! The file reads as the same sweep: the same cells, in the same folders, each with an equal experiment. So a key
//! stands above `[sweep]` only if it means the same there as in the original:
//!
//! 1. If the sweep assigns a key in a cell, or a table that contains it, the cell does not decide the key. The other
//!    cells decide its value.
//! 2. If the other cells differ, the value is a default that follows from a swept key, as `link.timeout_ms` follows
//!    from the slow error's delay. The key is left out, so that each cell has its own default again.
//!
//! Values are compared as the cells' `resolved.toml` spells them, line by line, and key by key within a table in
//! braces.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::super::cell::Setting;
use super::super::document::{Entry, Node, Part, Value, name, parse};
use super::super::experiment::Experiment;
use super::super::quoted::{bare_or_quoted, quoted};
use super::axes::{Axis, CASE, Step};
use super::{Grid, expects};

impl Grid {
    /// Returns the sweep as a file. `cells` are the experiments of all cells, in order.
    pub(crate) fn to_toml<'a>(&self, cells: impl Iterator<Item = &'a Experiment>) -> String {
        let mut base = Base::new(self);
        let mut before = None;
        for (index, cell) in cells.enumerate() {
            base.add(index, &cell.sections(before));
            before = Some(cell);
        }
        let mut text = base.to_toml();
        self.write_axes(&mut text);
        self.write_expects(&mut text);
        text
    }

    fn write_axes(&self, out: &mut String) {
        *out += "\n[sweep]\n";
        let last = self.axes.len().saturating_sub(1);
        for (place, axis) in self.axes.iter().enumerate() {
            if axis.name != CASE {
                let assigns = axis.steps.iter().flat_map(|step| &step.assigns);
                let values: Vec<_> = assigns.map(|assign| toml(&assign.value)).collect();
                let _ = writeln!(out, "{} = [{}]", quoted(&axis.name), values.join(", "));
                continue;
            }
            let cases = axis.steps.iter().map(|step| {
                let label = format!("label = {}", quoted(&step.value.to_string()));
                let assigns = step.assigns.iter();
                let assigns =
                    assigns.map(|one| format!("{} = {}", quoted(&one.key), toml(&one.value)));
                std::iter::once(label).chain(assigns).collect::<Vec<_>>()
            });
            if place == last {
                for case in cases {
                    let _ = writeln!(out, "\n[[sweep.cases]]\n{}", case.join("\n"));
                }
            } else {
                // The cases keep their place among the axes; a `[[sweep.cases]]` would end the table `[sweep]`.
                *out += "cases = [\n";
                for case in cases {
                    let _ = writeln!(out, "    {{ {} }},", case.join(", "));
                }
                *out += "]\n";
            }
        }
    }

    fn write_expects(&self, out: &mut String) {
        let mut root = self.root.clone();
        let expects = expects(&mut root).map(std::mem::take).unwrap_or_default();
        for (expect, place) in expects.iter().zip(&self.wheres) {
            let Node::Table(table) = &expect.node else {
                continue;
            };
            *out += "\n[[expect]]\n";
            for key in ["metric", "within", "source"] {
                if let Some(entry) = table.get(key) {
                    let _ = writeln!(out, "{key} = {}", toml(&entry.value));
                }
            }
            if !place.0.is_empty() {
                let one = |(key, value): &(String, Setting)| {
                    format!("{} = {}", quoted(key), setting(value))
                };
                let all: Vec<_> = place.0.iter().map(one).collect();
                let _ = writeln!(out, "where = {{ {} }}", all.join(", "));
            }
        }
    }
}

/// The part above `[sweep]`.
struct Base<'g> {
    grid: &'g Grid,
    /// The paths that each value of each axis assigns.
    assigned: Vec<Vec<HashSet<String>>>,
    sections: Vec<Section>,
}

/// A section or a phase.
struct Section {
    /// `[link]`; empty for the keys at the top.
    header: String,
    /// Prefix of its keys in paths, with a dot at the end.
    prefix: String,
    /// Name of the phase, if the section is one.
    name: Option<String>,
    /// Keys in the order of the text.
    keys: Vec<Key>,
    /// Whether some cell does not have the section. It has no key then that means the same in all cells.
    is_partial: bool,
}

/// A line of a section.
struct Key {
    name: String,
    /// The line in the cell that was added last, if the cell has it.
    text: Option<String>,
    /// The comment that replaces the line.
    comment: Option<String>,
    leaves: Vec<Leaf>,
}

/// A value, or one of a table in braces.
struct Leaf {
    /// Path from the key on.
    path: Vec<String>,
    /// Path from the top, with dots between the parts.
    whole: String,
    /// Value in the cell that was added last.
    now: Option<String>,
    /// The first cell that has it.
    first: usize,
    others: Others,
}

/// What a value is in the cells that do not assign it.
#[derive(Clone, PartialEq)]
enum Others {
    /// There is no such cell.
    None,
    /// The same in all of them, or in none of them there.
    Agree(Option<String>),
    Differ,
}

impl Others {
    fn add(&mut self, value: &Option<String>) {
        match self {
            Self::None => *self = Self::Agree(value.clone()),
            Self::Agree(known) if known == value => {}
            _ => *self = Self::Differ,
        }
    }
}

impl<'g> Base<'g> {
    fn new(grid: &'g Grid) -> Self {
        let paths = |step: &Step| step.assigns.iter().map(|one| joined(&one.path)).collect();
        let of_axis = |axis: &Axis| axis.steps.iter().map(paths).collect();
        Self {
            assigned: grid.axes.iter().map(of_axis).collect(),
            sections: Vec::new(),
            grid,
        }
    }

    /// Adds the cell `index` by the text of its sections; `None` where it is that of the cell before.
    fn add(&mut self, index: usize, texts: &[Option<String>]) {
        if self.sections.is_empty() {
            let mut names = phase_names(&self.grid.root).into_iter();
            let texts = texts.iter().map(|text| text.as_deref().unwrap_or(""));
            self.sections = texts.map(|text| Section::new(text, &mut names)).collect();
        }
        for (section, text) in self.sections.iter_mut().zip(texts) {
            if let Some(text) = text {
                section.read(index, text);
            }
        }
        let places = self.grid.places(index);
        let leaves = self.sections.iter_mut().flat_map(|one| &mut one.keys);
        for leaf in leaves.flat_map(|key| &mut key.leaves) {
            if !is_assigned(&self.assigned, &places, &leaf.whole) {
                leaf.others.add(&leaf.now);
            }
        }
    }

    fn to_toml(&self) -> String {
        let mut text = String::new();
        for section in self.sections.iter().filter(|section| !section.is_partial) {
            text += &section.header;
            for key in &section.keys {
                let name = section.name.as_ref().filter(|_| key.name == "name");
                let line = name.map(|name| format!("name = {}", quoted(name)));
                text += &line.or_else(|| self.line(key)).unwrap_or_default();
                text += "\n";
            }
        }
        text
    }

    /// The line of a key.
    fn line(&self, key: &Key) -> Option<String> {
        let value = |leaf: &Leaf| {
            // Not there in the cells before the first that has it.
            let is_other = |index: usize| {
                let places = self.grid.places(index);
                !is_assigned(&self.assigned, &places, &leaf.whole)
            };
            match &leaf.others {
                Others::Agree(Some(value)) if !(0..leaf.first).any(is_other) => Some(value.clone()),
                _ => None,
            }
        };
        let mut said = Inline::default();
        for leaf in &key.leaves {
            if let Some(value) = value(leaf) {
                said.set(&leaf.path, value);
            }
        }
        if let Some(text) = said.to_toml() {
            return Some(format!("{} = {text}", key.name));
        }
        let is_swept = |leaf: &Leaf| {
            let all = self.assigned.iter().flatten();
            all.into_iter().any(|step| holds(step, &leaf.whole))
        };
        match key.leaves.as_slice() {
            [] => Some(format!("# {}: {}", key.name, key.comment.as_ref()?)),
            leaves if leaves.iter().any(is_swept) => Some(format!("# {}: swept", key.name)),
            _ => Some(format!("# {}: follows from what is swept", key.name)),
        }
    }
}

/// Whether the step in `places` of some axis assigns the value at `path`, or a table around it.
fn is_assigned(assigned: &[Vec<HashSet<String>>], places: &[usize], path: &str) -> bool {
    let mut steps = assigned.iter().zip(places);
    steps.any(|(axis, place)| holds(&axis[*place], path))
}

/// Whether `path` or a beginning of it is among `paths`.
fn holds(paths: &HashSet<String>, path: &str) -> bool {
    let dots = path.match_indices('.').map(|(dot, _)| dot);
    let mut ends = dots.chain([path.len()]);
    !paths.is_empty() && ends.any(|end| paths.contains(&path[..end]))
}

fn joined(path: &[Part]) -> String {
    let parts: Vec<&str> = path.iter().map(|(part, _)| part.as_str()).collect();
    parts.join(".")
}

/// The names of the phases in the file.
fn phase_names(root: &Value) -> Vec<String> {
    let Node::Table(root) = &root.node else {
        return Vec::new();
    };
    match root.get("phase").map(|entry| &entry.value.node) {
        Some(Node::Array(all)) => all
            .iter()
            .map(|one| name(one).unwrap_or("").to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns the header in the text of a section; empty without one.
fn header(text: &str) -> &str {
    let is_header = |line: &&str| line.starts_with('[');
    text.lines().find(is_header).unwrap_or("")
}

impl Section {
    /// A section without keys; a phase takes the next of `names`.
    fn new(text: &str, names: &mut impl Iterator<Item = String>) -> Self {
        let header = header(text);
        let name = (header == "[[phase]]").then(|| names.next()).flatten();
        let section = header.trim_matches(['[', ']']);
        Self {
            prefix: match &name {
                Some(name) => format!("{section}.{name}."),
                None if section.is_empty() => String::new(),
                None => format!("{section}."),
            },
            header: match header {
                "" => String::new(),
                header => format!("\n{header}\n"),
            },
            name,
            keys: Vec::new(),
            is_partial: false,
        }
    }

    /// Takes what the text of the cell `index` says.
    fn read(&mut self, index: usize, text: &str) {
        self.is_partial |= header(text) != self.header.trim();
        let mut said: HashMap<&str, (Option<&str>, Option<&str>)> = HashMap::new();
        let mut place = 0;
        for line in text.lines() {
            let comment = line
                .strip_prefix("# ")
                .and_then(|line| line.split_once(": "));
            let (name, text) = match (line.split_once(" = "), comment) {
                (_, Some((name, comment))) => (name, (None, Some(comment))),
                (Some((name, text)), None) => (name, (Some(text), None)),
                (None, None) => continue,
            };
            said.insert(name, text);
            match self.keys.iter().position(|key| key.name == name) {
                Some(known) => place = known + 1,
                None => {
                    self.keys.insert(place, Key::new(name));
                    place += 1;
                }
            }
        }
        for key in &mut self.keys {
            let (text, comment) = said.get(key.name.as_str()).copied().unwrap_or_default();
            key.comment = comment.map(str::to_owned).or(key.comment.take());
            if key.text.as_deref() != text {
                key.read(index, &self.prefix, text);
            }
        }
    }
}

impl Key {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: None,
            comment: None,
            leaves: Vec::new(),
        }
    }

    /// Takes what the line says in the cell `index`.
    fn read(&mut self, index: usize, prefix: &str, text: Option<&str>) {
        self.text = text.map(str::to_owned);
        let leaves = text.map_or_else(Vec::new, |text| leaves(&self.name, text));
        self.leaves.iter_mut().for_each(|leaf| leaf.now = None);
        for (path, value) in leaves {
            let known = self.leaves.iter_mut().find(|leaf| leaf.path == path);
            if let Some(known) = known {
                known.now = Some(value);
                continue;
            }
            self.leaves.push(Leaf {
                whole: format!("{prefix}{}", path.join(".")),
                path,
                now: Some(value),
                first: index,
                others: Others::None,
            });
        }
    }
}

/// The values in the text of a key, each with its path.
fn leaves(key: &str, text: &str) -> Vec<(Vec<String>, String)> {
    let parsed = text.starts_with('{').then(|| parse(text)).flatten();
    let Some(Value {
        node: Node::Table(table),
        ..
    }) = parsed
    else {
        return vec![(vec![key.to_owned()], text.to_owned())];
    };
    let mut found = Vec::new();
    let mut tables = vec![(vec![key.to_owned()], &table)];
    while let Some((before, table)) = tables.pop() {
        for entry in table.entries.iter() {
            let path = [&before[..], std::slice::from_ref(&entry.key)].concat();
            match &entry.value.node {
                Node::Table(inner) => tables.push((path, inner)),
                _ => found.push((path, toml(&entry.value))),
            }
        }
    }
    found
}

/// A value, or a table in braces of some.
#[derive(Default)]
struct Inline {
    value: Option<String>,
    inner: Vec<(String, Inline)>,
}

impl Inline {
    /// Sets the value at the end of a path, of which the first part is this.
    fn set(&mut self, path: &[String], value: String) {
        let mut at = self;
        for part in path.iter().skip(1) {
            let known = at.inner.iter().position(|(key, _)| key == part);
            let place = known.unwrap_or_else(|| {
                at.inner.push((part.clone(), Self::default()));
                at.inner.len() - 1
            });
            at = &mut at.inner[place].1;
        }
        at.value = Some(value);
    }

    fn to_toml(&self) -> Option<String> {
        if self.value.is_some() || self.inner.is_empty() {
            return self.value.clone();
        }
        let all = self.inner.iter().filter_map(|(key, inner)| {
            let text = inner.to_toml()?;
            Some(format!("{} = {text}", bare_or_quoted(key)))
        });
        Some(braces(all.collect()))
    }
}

/// A value as it can be read again.
fn toml(value: &Value) -> String {
    match &value.node {
        Node::String(text) => quoted(text),
        Node::Integer(number) => number.to_string(),
        Node::Float(text) => text.clone(),
        Node::Boolean(value) => value.to_string(),
        // No key takes a date: there is no valid cell with one.
        Node::Datetime => "1970-01-01".to_owned(),
        Node::Array(all) => {
            let all: Vec<_> = all.iter().map(toml).collect();
            format!("[{}]", all.join(", "))
        }
        Node::Table(table) => {
            let entries = table.entries.iter();
            let one = |entry: &Entry| {
                let value = toml(&entry.value);
                format!("{} = {value}", bare_or_quoted(&entry.key))
            };
            braces(entries.map(one).collect())
        }
    }
}

fn braces(all: Vec<String>) -> String {
    match all.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", all.join(", ")),
    }
}

/// As [`toml`], of a value without its place.
fn setting(value: &Setting) -> String {
    match value {
        Setting::Text(text) => quoted(text),
        other => other.to_string(),
    }
}
