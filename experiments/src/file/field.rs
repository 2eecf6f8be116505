//! Reads the typed value of a key. Each reader returns the value, or reports what is wrong with it and returns `None`, so
//! that reading goes on. What a key takes comes from the table of [`keys`](super::keys).

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, SHOWN_MAX, Span};
use super::document::{Node, Table, Value};
use super::keys::Least;
use super::keys::key::Takes;
use super::milliseconds::{TOO_FINE, micros, micros_rounded, milliseconds};
use super::report::Report;
use super::wording::{shown, suggestion};
use super::words::Word;

/// Number of wrong elements of a list after which the rest is not read.
const WRONG_ELEMENTS_MAX: usize = SHOWN_MAX;

/// A key of the file and its value.
pub(super) struct Field<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) path: String,
    /// Type and range of the key.
    pub(super) takes: &'static Takes,
    pub(super) key: Span,
    pub(super) value: &'a Value,
}

impl<'a> Field<'a> {
    /// Returns the value as the file spells it.
    pub(super) fn written(&self) -> String {
        shown(self.report.sources.text(&self.value.span))
    }

    /// Reports a value that is not allowed.
    pub(super) fn cannot_be(&self, value: &str, allowed: impl Display) {
        self.report.error(
            &self.value.span,
            format!("`{}` cannot be {value}", self.path),
            format!("allowed: {allowed}"),
        );
    }

    /// Reports a value outside of the key's range.
    pub(super) fn is_not_allowed(&self, value: &str) {
        self.cannot_be(value, self.takes.allowed());
    }

    /// Reports a value of the wrong type.
    pub(super) fn mistyped(&self, allowed: impl Display) {
        let title = format!(
            "`{}` is {}: {}",
            self.path,
            self.value.kind(),
            self.written()
        );
        let error =
            self.report
                .sources
                .diagnostic(&self.value.span, title, format!("allowed: {allowed}"));
        let bare = self.report.sources.overridden(&self.value.span)
            && matches!(&self.value.node, Node::String(text) if text == self.report.sources.text(&self.value.span));
        let why = bare.then_some("it is not valid TOML, so it was taken as a string");
        self.report
            .push(why.into_iter().fold(error, Diagnostic::help));
    }

    /// Makes an error about this key that also marks another place.
    pub(super) fn related(
        &self,
        title: String,
        label: String,
        other: &Span,
        about: &str,
    ) -> Diagnostic {
        let sources = self.report.sources;
        sources
            .diagnostic(&self.value.span, title, label)
            .also(sources.mark(other, about.to_owned()))
    }

    /// Returns an element of a list as a field, with its type and range.
    pub(super) fn element(&self, value: &'a Value, takes: &'static Takes) -> Field<'a> {
        Field {
            report: self.report,
            path: self.path.clone(),
            takes,
            key: self.key,
            value,
        }
    }

    /// Reads a list. Each element is a field with the list's path.
    pub(super) fn list(&self) -> Option<Vec<Field<'a>>> {
        let Node::Array(all) = &self.value.node else {
            self.mistyped(self.takes.described());
            return None;
        };
        Some(
            all.iter()
                .map(|value| self.element(value, self.takes))
                .collect(),
        )
    }

    /// Reads the elements of a list of words or numbers. Stops after [`WRONG_ELEMENTS_MAX`] wrong elements.
    pub(super) fn elements<T>(
        &self,
        mut read: impl FnMut(&Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let all = self.list()?;
        let mut elements = Vec::with_capacity(all.len());
        let mut wrong = 0;
        for one in &all {
            match read(one) {
                Some(element) => elements.push(element),
                None => wrong += 1,
            }
            if wrong == WRONG_ELEMENTS_MAX {
                break;
            }
        }
        (wrong == 0).then_some(elements)
    }

    pub(super) fn table(&self) -> Option<&'a Table> {
        match &self.value.node {
            Node::Table(table) => Some(table),
            _ => {
                match self.takes {
                    Takes::Tables(path) => {
                        self.mistyped(format_args!("a table, written [[{path}]]"))
                    }
                    takes => self.mistyped(takes.described()),
                }
                None
            }
        }
    }

    /// Reads a string.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.text_of(&self.takes.allowed())
    }

    /// Reads a string whose allowed values depend on the rest of the file.
    pub(super) fn text_of(&self, allowed: &str) -> Option<&'a str> {
        match &self.value.node {
            Node::String(text) => Some(text),
            _ => {
                self.mistyped(format_args!("a string, {allowed}"));
                None
            }
        }
    }

    /// Reads a path, which must not be empty.
    pub(super) fn path(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() || text.contains('\0') {
            self.is_not_allowed(&format!("\"{}\"", shown(text)));
            return None;
        }
        Some(text)
    }

    /// Reads the path of a file. Returns it with its place in the text. A relative path starts at the experiment's
    /// `folder`; in an override it starts at the working directory, as any path on a command line does. The returned
    /// path is absolute, so that the resolved experiment can run from any folder.
    pub(super) fn file(&self, folder: &Path) -> Option<(PathBuf, Span)> {
        let text = self.path()?;
        let path = match self.report.sources.overridden(&self.value.span) {
            true => PathBuf::from(text),
            false => folder.join(text),
        };
        // Without a working directory the path stays as it is written.
        let path = std::path::absolute(&path).unwrap_or(path);
        Some((path, self.value.span))
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value.node {
            Node::Boolean(value) => Some(value),
            _ => {
                self.mistyped(self.takes.allowed());
                None
            }
        }
    }

    /// Reads a word of an enum.
    pub(super) fn word<T: Word>(&self) -> Option<T> {
        let words: Vec<_> = T::ALL.iter().map(|word| word.word()).collect();
        let text = self.text()?;
        let found = T::ALL.iter().copied().find(|word| word.word() == text);
        if found.is_none() {
            self.unknown_word(text, &words);
        }
        found
    }

    /// Reports a string that is not one of `words`.
    pub(super) fn unknown_word(&self, text: &str, words: &[&str]) {
        let title = format!("`{}` cannot be \"{}\"", self.path, shown(text));
        let label = format!("allowed: {}", self.takes.allowed());
        let error = self
            .report
            .sources
            .diagnostic(&self.value.span, title, label);
        self.report.push(
            suggestion(text, words.iter().copied())
                .into_iter()
                .fold(error, Diagnostic::help),
        );
    }

    /// Reads an integer of the key's range.
    pub(super) fn integer<T: TryFrom<i128>>(&self) -> Option<T> {
        let &Takes::Integer(low, high, remark) = self.takes else {
            return self.integer_in(i128::MIN..=i128::MAX, "");
        };
        self.integer_in(low..=high, remark)
    }

    /// Reads an integer of the key's range that is also at most `most`, if the rest of the file gives that limit.
    pub(super) fn integer_up_to<T>(&self, most: Option<T>) -> Option<T>
    where
        T: TryFrom<i128> + Into<i128>,
    {
        match (self.takes, most) {
            (&Takes::Integer(low, _, remark), Some(most)) => {
                self.integer_in(low..=most.into(), remark)
            }
            _ => self.integer(),
        }
    }

    /// Reads an integer of a range that depends on the rest of the file. Messages append `remark` to the range.
    pub(super) fn integer_in<T: TryFrom<i128>>(
        &self,
        range: RangeInclusive<i128>,
        remark: &'static str,
    ) -> Option<T> {
        let takes = Takes::Integer(*range.start(), *range.end(), remark);
        let Node::Integer(number) = self.value.node else {
            self.mistyped(takes.described());
            return None;
        };
        if !range.contains(&number) {
            self.cannot_be(&self.written(), takes.allowed());
            return None;
        }
        T::try_from(number).ok()
    }

    /// Reads a finite number.
    pub(super) fn number(&self, allowed: &str) -> Option<f64> {
        let number = match &self.value.node {
            Node::Integer(number) => *number as f64,
            Node::Float(text) => text.parse().unwrap_or(f64::NAN),
            _ => {
                self.mistyped(format_args!("a number, {allowed}"));
                return None;
            }
        };
        if !number.is_finite() {
            self.cannot_be(&self.written(), format_args!("a finite number, {allowed}"));
            return None;
        }
        Some(number)
    }

    /// Reads a number from 0 to 1, or below 1 if the key's range excludes it. -0 becomes 0.
    pub(super) fn share(&self) -> Option<f64> {
        let share = self.number(&self.takes.allowed())?;
        let is_whole_refused = matches!(self.takes, Takes::Share(true));
        if !(0.0..=1.0).contains(&share) || (is_whole_refused && share == 1.0) {
            self.cannot_be(&share.to_string(), self.takes.described());
            return None;
        }
        Some(share.abs())
    }

    /// Reads a number of the key's range.
    pub(super) fn in_range(&self) -> Option<f64> {
        let number = self.number(&self.takes.allowed())?;
        if let Takes::Number(low, high) = self.takes
            && !(f64::from(*low)..=f64::from(*high)).contains(&number)
        {
            self.cannot_be(&self.written(), self.takes.described());
            return None;
        }
        Some(number.abs())
    }

    /// Reads a finite number above 0.
    pub(super) fn positive(&self) -> Option<f64> {
        let number = self.number(&self.takes.allowed())?;
        if number <= 0.0 {
            self.cannot_be(&self.written(), self.takes.described());
            return None;
        }
        Some(number)
    }

    /// Reads milliseconds. Returns microseconds.
    pub(super) fn micros(&self) -> Option<u64> {
        let micros = self.micros_or_mistyped()?;
        if micros == 0 && matches!(self.takes, Takes::Milliseconds(Least::AboveZero)) {
            self.is_not_allowed("0");
            return None;
        }
        Some(micros)
    }

    /// Reads milliseconds like [`Self::micros`], for a key that also takes other types. A value of none of these types
    /// is reported with the type of the key.
    pub(super) fn micros_or_mistyped(&self) -> Option<u64> {
        let read = match &self.value.node {
            Node::Integer(number) => micros(&number.to_string()),
            Node::Float(text) => micros(text),
            _ => {
                self.mistyped(self.takes.described());
                return None;
            }
        };
        read.map_err(|why| {
            let title = format!("`{}` cannot be {}: {why}", self.path, self.written());
            let sources = self.report.sources;
            let label = format!("allowed: {}", Takes::Milliseconds(Least::Zero).allowed());
            let error = sources.diagnostic(&self.value.span, title, label);
            let rounded = match &self.value.node {
                Node::Float(text) if why == TOO_FINE => micros_rounded(text),
                _ => None,
            };
            let remedy = rounded.map(|micros| {
                let ms = milliseconds(micros);
                format!("times are whole microseconds: write {ms}")
            });
            self.report
                .push(remedy.into_iter().fold(error, Diagnostic::help));
        })
        .ok()
    }
}
