//! Parses TOML text into a tree in which every value keeps its place, and applies overrides to it.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Invalid, Sources, Span};
use super::wording::{shown, some, suggestion};

/// Most parts of a key in an override: more than any key has.
const PATH_PARTS_MAX: usize = 8;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) node: Node,
    pub(super) span: Span,
}

/// A value. Numbers keep their text, so that they can be checked exactly. Clones share lists and tables until one of
/// them changes, so that a cell of a sweep costs what it changes.
#[derive(Clone, Debug)]
pub(super) enum Node {
    String(String),
    /// An integer. One beyond 128 bits becomes the nearest one that fits.
    Integer(i128),
    Float(String),
    Boolean(bool),
    Datetime,
    Array(Arc<Vec<Value>>),
    Table(Table),
}

/// Keys and values.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Arc<Vec<Entry>>,
}

/// A key, its place, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) span: Span,
    pub(super) value: Value,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Removes the entry of a key, if there is one.
    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(Arc::make_mut(&mut self.entries).remove(index))
    }

    /// Returns the entry of a key, to change it.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Arc::make_mut(&mut self.entries).get_mut(index)
    }

    fn set(&mut self, key: &str, span: Span, value: Value) -> &mut Value {
        let index = self
            .entries
            .iter()
            .position(|entry| entry.key == key)
            .unwrap_or(self.entries.len());
        let entry = Entry {
            key: key.to_owned(),
            span,
            value,
        };
        let entries = Arc::make_mut(&mut self.entries);
        if index < entries.len() {
            entries[index] = entry;
        } else {
            entries.push(entry);
        }
        &mut entries[index].value
    }
}

impl Value {
    /// Returns the type of the value, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self.node {
            Node::String(_) => "a string",
            Node::Integer(_) => "an integer",
            Node::Float(_) => "a float",
            Node::Boolean(_) => "a boolean",
            Node::Datetime => "a date",
            Node::Array(_) => "a list",
            Node::Table(_) => "a table",
        }
    }

    /// Returns the number of values in it, itself included. A list without tables and lists counts as one value, because
    /// it is read once for all cells that share it.
    pub(super) fn weight(&self) -> usize {
        let inside: usize = match &self.node {
            Node::Array(all) => {
                let is_plain = |one: &Value| !matches!(one.node, Node::Array(_) | Node::Table(_));
                let inside = all.iter().filter(|one| !is_plain(one));
                inside.map(Value::weight).sum()
            }
            Node::Table(table) => table.entries.iter().map(|entry| entry.value.weight()).sum(),
            _ => 0,
        };
        1 + inside
    }
}

/// Parses the file and applies the overrides in order.
pub(super) fn read(sources: &Sources) -> Result<Table, Invalid> {
    let parsed = DeTable::parse(sources.file()).map_err(|error| {
        let at = Span::new(0, error.span().unwrap_or(0..0));
        Invalid::from_all(vec![sources.diagnostic(
            &at,
            "the file is not valid TOML",
            error.message(),
        )])
    })?;
    let mut root = Value {
        node: Node::Table(table(parsed.get_ref(), 0, 0)),
        span: Span::new(0, 0..0),
    };
    let mut wrong = Vec::new();
    for (source, start, text) in sources.overrides() {
        let setting = Override {
            sources,
            source,
            start,
            text,
        };
        wrong.extend(setting.apply(&mut root).err());
    }
    match root.node {
        Node::Table(root) if wrong.is_empty() => Ok(root),
        _ => Err(Invalid::from_all(wrong)),
    }
}

/// Parses a text that is a single value.
pub(super) fn parse(text: &str) -> Option<Value> {
    let parsed = DeValue::parse(text).ok()?;
    Some(value(&parsed, 0, 0))
}

fn table(parsed: &DeTable<'_>, source: usize, start: usize) -> Table {
    let entry = |(key, parsed): (&Spanned<_>, &Spanned<DeValue<'_>>)| Entry {
        key: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
        span: place(key.span(), source, start),
        value: value(parsed, source, start),
    };
    Table {
        entries: Arc::new(parsed.iter().map(entry).collect()),
    }
}

fn value(parsed: &Spanned<DeValue<'_>>, source: usize, start: usize) -> Value {
    let node = match parsed.get_ref() {
        DeValue::String(text) => Node::String(text.to_string()),
        DeValue::Integer(number) => Node::Integer(integer(number.as_str(), number.radix())),
        DeValue::Float(number) => Node::Float(number.as_str().replace('_', "")),
        DeValue::Boolean(value) => Node::Boolean(*value),
        DeValue::Datetime(_) => Node::Datetime,
        DeValue::Array(all) => {
            let all = all.iter().map(|one| value(one, source, start));
            Node::Array(Arc::new(all.collect()))
        }
        DeValue::Table(inner) => Node::Table(table(inner, source, start)),
    };
    Value {
        node,
        span: place(parsed.span(), source, start),
    }
}

fn place(range: Range<usize>, source: usize, start: usize) -> Span {
    Span::new(
        source,
        start.saturating_add(range.start)..start.saturating_add(range.end),
    )
}

fn integer(text: &str, radix: u32) -> i128 {
    let text = text.replace('_', "");
    let beyond = if text.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    };
    i128::from_str_radix(&text, radix).unwrap_or(beyond)
}

/// One `--set KEY=VALUE`.
struct Override<'a> {
    sources: &'a Sources,
    source: usize,
    start: usize,
    text: &'a str,
}

impl Override<'_> {
    fn at(&self, range: Range<usize>) -> Span {
        place(range, self.source, self.start)
    }

    fn wrong(&self, at: &Span, title: String, label: impl Into<String>) -> Diagnostic {
        self.sources.diagnostic(at, title, label)
    }

    fn apply(&self, root: &mut Value) -> Result<(), Diagnostic> {
        let Some((path, given)) = self.text.split_once('=') else {
            let at = self.at(0..self.text.len());
            return Err(self.wrong(
                &at,
                format!("`--set {}` has no value", shown(self.text)),
                "allowed: KEY=VALUE",
            ));
        };
        let given = self.value(given, path.len() + 1);
        assign(self.sources, root, &self.parts(path)?, given)
    }

    /// Reads the value, which begins at byte `start` of the override, without spaces around it. A text that is not TOML
    /// is a string.
    fn value(&self, text: &str, start: usize) -> Value {
        let start = start + text.len() - text.trim_start().len();
        let text = text.trim();
        match DeValue::parse(text) {
            Ok(parsed) => value(&parsed, self.source, self.start.saturating_add(start)),
            Err(_) => Value {
                node: Node::String(text.to_owned()),
                span: self.at(start..start + text.len()),
            },
        }
    }

    /// Returns the parts of the key and their places.
    fn parts(&self, path: &str) -> Result<Vec<Part>, Diagnostic> {
        parts(self.sources, path, |range| self.at(range))
    }
}

/// A part of a key's path, and its place.
pub(super) type Part = (String, Span);

/// Splits the path `path` into its parts. `at` returns the place of a range of its bytes.
pub(super) fn parts(
    sources: &Sources,
    path: &str,
    at: impl Fn(Range<usize>) -> Span,
) -> Result<Vec<Part>, Diagnostic> {
    let mut start = 0;
    let mut parts = Vec::new();
    for part in path.split('.') {
        let first = start + part.len() - part.trim_start().len();
        start += part.len() + 1;
        let part = part.trim();
        let at = at(first..first + part.len());
        if part.is_empty() {
            let title = format!("`{}` is not a key", shown(path));
            return Err(sources.diagnostic(
                &at,
                title,
                "allowed: names with a dot between two, as in link.fast_error.rate",
            ));
        }
        parts.push((part.to_owned(), at));
    }
    if let Some((_, at)) = parts.get(PATH_PARTS_MAX) {
        let title = format!("`{}` is not a key", shown(path));
        return Err(sources.diagnostic(
            at,
            title,
            format!("allowed: up to {PATH_PARTS_MAX} parts"),
        ));
    }
    Ok(parts)
}

/// Sets the value at the end of a path, and replaces an existing one.
pub(super) fn assign(
    sources: &Sources,
    root: &mut Value,
    path: &[Part],
    given: Value,
) -> Result<(), Diagnostic> {
    let Some(((last, last_span), way)) = path.split_last() else {
        return Ok(());
    };
    let mut at = root;
    let mut before = String::new();
    for (part, span) in way {
        at = step(sources, at, part, span, &before)?;
        let dot = if before.is_empty() { "" } else { "." };
        before = format!("{before}{dot}{part}");
    }
    match &mut at.node {
        Node::Table(table) => table.set(last, *last_span, given),
        Node::Array(_) => {
            let title =
                format!("`{before}` is a list: one key `{last}` cannot be set in all of it");
            return Err(sources.diagnostic(
                last_span,
                title,
                format!("allowed: {before}.NAME.KEY"),
            ));
        }
        _ => {
            let (kind, place) = (at.kind(), at.span);
            return Err(not_a_table(sources, kind, &place, last, last_span, &before));
        }
    };
    Ok(())
}

/// Returns the value `part` of `at`, whose path is `before`. Makes a table if it is missing.
fn step<'v>(
    sources: &Sources,
    at: &'v mut Value,
    part: &str,
    span: &Span,
    before: &str,
) -> Result<&'v mut Value, Diagnostic> {
    let (kind, place) = (at.kind(), at.span);
    match &mut at.node {
        Node::Table(table) => match table.entries.iter().position(|entry| entry.key == part) {
            Some(index) => Ok(&mut Arc::make_mut(&mut table.entries)[index].value),
            None => Ok(table.set(
                part,
                *span,
                Value {
                    node: Node::Table(Table::default()),
                    span: *span,
                },
            )),
        },
        Node::Array(all) => match all.iter().position(|one| name(one) == Some(part)) {
            Some(index) => Ok(&mut Arc::make_mut(all)[index]),
            None => {
                let names: Vec<_> = all.iter().filter_map(name).collect();
                let title = format!("no `{before}` has the name `{}`", shown(part));
                let allowed = if names.is_empty() {
                    "none has a name".to_owned()
                } else {
                    some(&names)
                };
                let error = sources.diagnostic(span, title, format!("allowed: {allowed}"));
                Err(suggestion(part, names)
                    .into_iter()
                    .fold(error, Diagnostic::help))
            }
        },
        _ => Err(not_a_table(sources, kind, &place, part, span, before)),
    }
}

/// Returns the entry at the end of a path, if there is one.
pub(super) fn find<'t>(root: &'t Table, path: &[Part]) -> Option<&'t Entry> {
    let ((first, _), rest) = path.split_first()?;
    let entry = root.get(first)?;
    match (&entry.value.node, rest) {
        (_, []) => Some(entry),
        (Node::Table(inner), _) => find(inner, rest),
        (Node::Array(all), [(part, _), rest @ ..]) => {
            let one = all.iter().find(|one| name(one) == Some(part))?;
            match &one.node {
                Node::Table(inner) => find(inner, rest),
                _ => None,
            }
        }
        _ => None,
    }
}

fn not_a_table(
    sources: &Sources,
    kind: &str,
    place: &Span,
    part: &str,
    span: &Span,
    before: &str,
) -> Diagnostic {
    let title = format!(
        "`{before}` is {kind}, not a table: it has no key `{}`",
        shown(part)
    );
    let mark = sources.mark(place, format!("`{before}` is set here"));
    sources
        .diagnostic(span, title, format!("set `{before}` as a whole"))
        .also(mark)
}

/// Returns the path of the innermost key whose name or value begins at the place `at` of a text or holds it, as an
/// override names it. An element of a list stands by its name, if it has one. Returns `None` outside of all keys, and for
/// a text that is not TOML.
pub(super) fn key_at(text: &str, at: &Range<usize>) -> Option<String> {
    let parsed = DeTable::parse(text).ok()?;
    innermost(&table(parsed.get_ref(), 0, 0), at)
}

/// Returns the path of the innermost key in `table` that is at a place.
fn innermost(table: &Table, at: &Range<usize>) -> Option<String> {
    let inside = |value: &Value| match &value.node {
        Node::Table(inner) => innermost(inner, at),
        Node::Array(all) => all.iter().find_map(|one| match &one.node {
            Node::Table(inner) => {
                let below = innermost(inner, at);
                let own = (below.is_none() && one.span.holds(at)).then(String::new);
                let path = below.or(own)?;
                let parts = [name(one).unwrap_or(""), &path];
                let parts = parts.into_iter().filter(|part| !part.is_empty());
                Some(parts.collect::<Vec<_>>().join("."))
            }
            _ => None,
        }),
        _ => None,
    };
    table.entries.iter().find_map(|entry| {
        let path = match inside(&entry.value) {
            Some(below) if below.is_empty() => entry.key.clone(),
            Some(below) => format!("{}.{below}", entry.key),
            None if entry.span.holds(at) || entry.value.span.holds(at) => entry.key.clone(),
            None => return None,
        };
        Some(path)
    })
}

/// Returns the name of an element of a list.
pub(super) fn name(value: &Value) -> Option<&str> {
    let Node::Table(table) = &value.node else {
        return None;
    };
    match &table.get("name")?.value.node {
        Node::String(name) => Some(name),
        _ => None,
    }
}

/// Returns the keys of a table by path, each with its place, in the order of the text. Enters a table where `enter`
/// returns true for its path.
pub(super) fn flat<'t>(
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
