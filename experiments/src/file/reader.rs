//! Reads a section of the experiment file: its keys, each by the table of [`keys`](super::keys), with their defaults.

use super::diagnostic::{Diagnostic, Span};
use super::document::Table;
use super::field::Field;
use super::keys::key::Typed;
use super::keys::table::Micros;
use super::keys::{Key, of_section};
use super::report::Report;
use super::wording::shown;
use super::words::Word;

/// A table of known keys. A section that is absent reads as empty.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report<'a>,
    table: Option<&'a Table>,
    /// Place that errors about missing keys point at.
    pub(super) span: Span,
    /// Path of the table with a dot at its end; empty at the top.
    path: String,
}

impl<'a> Section<'a> {
    /// Reports every key of `table` that is not one of `keys`.
    pub(super) fn new(
        report: &'a Report<'a>,
        (table, span): (Option<&'a Table>, Span),
        path: &str,
        keys: impl IntoIterator<Item = &'static Key>,
    ) -> Self {
        Self::with_refused(report, (table, span), path, keys, &[])
    }

    /// Does what [`Self::new`] does, but leaves out the keys `refused`. The caller reports those with reasons of their
    /// own, and no message suggests them.
    pub(super) fn with_refused(
        report: &'a Report<'a>,
        (table, span): (Option<&'a Table>, Span),
        path: &str,
        keys: impl IntoIterator<Item = &'static Key>,
        refused: &[&'static Key],
    ) -> Self {
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("{path}.")
        };
        let allowed: Vec<_> = keys.into_iter().map(Key::name).collect();
        for entry in table.into_iter().flat_map(|table| table.entries.iter()) {
            let key = entry.key.as_str();
            if allowed.contains(&key) || refused.iter().any(|one| one.name() == key) {
                continue;
            }
            let title = format!("unknown key `{path}{}`", shown(&entry.key));
            let error = report.sources.diagnostic(
                &entry.span,
                title,
                format!("allowed: {}", allowed.join(", ")),
            );
            report.push(
                report
                    .suggestion(&entry.key, allowed.iter().copied())
                    .into_iter()
                    .fold(error, Diagnostic::help),
            );
        }
        Self {
            report,
            table,
            span,
            path,
        }
    }

    /// Opens a table that may have any key.
    pub(super) fn open(report: &'a Report<'a>, table: &'a Table, span: Span, path: &str) -> Self {
        Self {
            report,
            table: Some(table),
            span,
            path: format!("{path}."),
        }
    }

    /// Opens the section `key` of this one.
    pub(super) fn section(&self, key: &'static Key) -> Section<'a> {
        let table = self
            .get(key)
            .and_then(|field| Some((field.table()?, field.value.span)));
        let (table, span) = match table {
            Some((table, span)) => (Some(table), span),
            None => (None, self.span),
        };
        let path = format!("{}{}", self.path, key.name());
        Section::new(self.report, (table, span), &path, of_section(key.path))
    }

    /// Returns whether the file has the section.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn has(&self, key: &'static Key) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn get(&self, key: &'static Key) -> Option<Field<'a>> {
        let entry = self.table?.get(key.name())?;
        Some(Field {
            report: self.report,
            path: format!("{}{}", self.path, key.name()),
            takes: &key.takes,
            key: entry.span,
            value: &entry.value,
        })
    }

    /// Returns the place of a key's value.
    pub(super) fn place(&self, key: &'static Key) -> Option<Span> {
        Some(self.get(key)?.value.span)
    }

    /// Returns the key, or reports that it is missing.
    pub(super) fn required(&self, key: &'static Key) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            let name = key.name();
            let title = format!("missing key `{}{name}`", self.path);
            let label = format!("required: `{name}`, {}", key.takes.described());
            self.report.error(&self.span, title, label);
        }
        field
    }

    /// Reports `key`, if the section has it, as in contradiction to the rest of the file.
    pub(super) fn refuse(&self, key: &'static Key, why: &str, allowed: &str) {
        if let Some(field) = self.get(key) {
            field.report.error(
                &field.key,
                format!("`{}` {why}", field.path),
                format!("allowed: {allowed}"),
            );
        }
    }

    /// Reads an integer of the key's range.
    pub(super) fn integer<T>(&self, key: &'static Key) -> Option<T>
    where
        T: TryFrom<i128>,
    {
        self.get(key)?.integer()
    }

    /// Reads an integer of the key's range, or returns the default.
    pub(super) fn integer_or<T>(&self, key: &'static Typed<T>) -> T
    where
        T: TryFrom<i128> + Copy,
    {
        self.integer(key).unwrap_or(key.default)
    }

    pub(super) fn word_or<T: Word>(&self, key: &'static Typed<T>) -> T {
        self.get(key)
            .and_then(|field| field.word())
            .unwrap_or(key.default)
    }

    pub(super) fn boolean_or(&self, key: &'static Typed<bool>) -> bool {
        self.get(key)
            .and_then(|field| field.boolean())
            .unwrap_or(key.default)
    }

    /// Reads milliseconds. Returns microseconds.
    pub(super) fn micros(&self, key: &'static Key) -> Option<u64> {
        self.get(key)?.micros()
    }

    /// Reads milliseconds, or returns the default. Returns microseconds.
    pub(super) fn micros_or(&self, key: &'static Typed<Micros>) -> u64 {
        self.micros(key).unwrap_or(key.default.0)
    }

    /// Reads a name, which folders, columns and overrides use, and its place.
    pub(super) fn name(&self, key: &'static Key) -> Option<(&'a str, Span)> {
        let field = self.required(key)?;
        let name = field.text()?;
        let fine = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if name.is_empty() || !name.bytes().all(fine) {
            field.is_not_allowed(&format!("\"{}\"", shown(name)));
            return None;
        }
        Some((name, field.value.span))
    }
}
