//! Reading typed values out of the tree: each reader returns what is there, or reports what is wrong and goes on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Invalid, SHOWN_MAX, Sources, Span};
use super::document::{Node, Table, Value};
use super::experiment::{Choice, Delay, TIME_MAX_US, Word};
use super::resolved::milliseconds;

/// Longest excerpt of input in a message, in characters.
const SHOWN_CHARS_MAX: usize = 60;
/// Names listed in a message.
const NAMES_LISTED_MAX: usize = 10;
/// How alike two words must be, from 0 to 1, for one to be suggested for the other.
const ALIKE_MIN: f64 = 0.8;
/// Longest word that a suggestion is sought for, in bytes.
const SUGGESTED_BYTES_MAX: usize = 64;
/// Wrong elements of a list of words or numbers after which the rest of it is not read.
const WRONG_ELEMENTS_MAX: usize = SHOWN_MAX;
/// What a `_ms` value may be.
const MILLISECONDS: &str = "a number from 0 to 9e12 with at most three decimals";
/// What a delay may be.
const DELAYS: &str = "a number of milliseconds, { uniform = [lo, hi] } or { choice = [..] }";

/// Input as it stands in a message: on one line and not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Names, as many as fit a message.
pub(super) fn some(names: &[&str]) -> String {
    let shown = &names[..names.len().min(NAMES_LISTED_MAX)];
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The word of `allowed` that `word` was likely meant to be, as a question.
pub(super) fn suggestion<'a>(
    word: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if word.len() > SUGGESTED_BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let scored = allowed
        .into_iter()
        .map(|one| (strsim::jaro_winkler(&lower, one), one));
    let best = scored
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, one)| format!("did you mean `{one}`?"))
}

/// Lists of delays that have been read: a list that the cells of a sweep share is read once.
#[derive(Default)]
pub(super) struct Choices(RefCell<HashMap<usize, Read>>);

/// A list of delays, and what came of reading it.
#[derive(Clone)]
struct Read {
    /// Keeps the list where it is: its address is the key.
    _list: Arc<Vec<Value>>,
    choice: Option<Choice>,
    wrong: Vec<Diagnostic>,
}

/// All that was found wrong so far.
pub(super) struct Report<'a> {
    pub(super) sources: &'a Sources,
    choices: &'a Choices,
    found: RefCell<Vec<Diagnostic>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(sources: &'a Sources, choices: &'a Choices) -> Self {
        Self {
            sources,
            choices,
            found: RefCell::default(),
        }
    }

    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// As [`suggestion`], of words without an end: nothing once there are more errors than are shown.
    pub(super) fn suggestion<'w>(
        &self,
        word: &str,
        allowed: impl IntoIterator<Item = &'w str>,
    ) -> Option<String> {
        (self.len() <= 2 * SHOWN_MAX)
            .then(|| suggestion(word, allowed))
            .flatten()
    }

    pub(super) fn error(&self, at: &Span, title: impl Into<String>, label: impl Into<String>) {
        self.push(self.sources.diagnostic(at, title, label));
    }

    /// How many errors there are.
    pub(super) fn len(&self) -> usize {
        self.found.borrow().len()
    }

    /// All of it, if anything is wrong.
    pub(super) fn into_errors(self) -> Option<Invalid> {
        let found = self.found.into_inner();
        (!found.is_empty()).then(|| Invalid::from_all(found))
    }
}

/// A table of known keys. One that is not there reads as empty.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report<'a>,
    table: Option<&'a Table>,
    /// Where to point if a key is missing.
    pub(super) span: Span,
    /// Path of the table with a dot at its end; empty at the top.
    path: String,
}

impl<'a> Section<'a> {
    /// Reports every key of `table` that is not `allowed`.
    pub(super) fn new(
        report: &'a Report<'a>,
        table: Option<&'a Table>,
        span: Span,
        path: &str,
        allowed: &[&str],
    ) -> Self {
        Self::with_refused(report, table, span, path, allowed, &[])
    }

    /// As [`Self::new`], with keys that are reported elsewhere, by their own reason: nobody is led to them.
    pub(super) fn with_refused(
        report: &'a Report<'a>,
        table: Option<&'a Table>,
        span: Span,
        path: &str,
        allowed: &[&str],
        refused: &[&str],
    ) -> Self {
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("{path}.")
        };
        for entry in table.into_iter().flat_map(|table| table.entries.iter()) {
            let key = entry.key.as_str();
            if allowed.contains(&key) || refused.contains(&key) {
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

    /// A table in which any key is known.
    pub(super) fn open(report: &'a Report<'a>, table: &'a Table, span: Span, path: &str) -> Self {
        Self {
            report,
            table: Some(table),
            span,
            path: format!("{path}."),
        }
    }

    /// The table `key` of this one.
    pub(super) fn section(&self, key: &str, allowed: &[&str]) -> Section<'a> {
        let path = format!("{}{key}", self.path);
        match self
            .get(key)
            .and_then(|field| Some((field.table("a table")?, field.value.span)))
        {
            Some((table, span)) => Section::new(self.report, Some(table), span, &path, allowed),
            None => Section::new(self.report, None, self.span, &path, allowed),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.table?.get(key)?;
        let path = format!("{}{key}", self.path);
        Some(Field {
            report: self.report,
            path,
            key: entry.span,
            value: &entry.value,
        })
    }

    /// Where the value of a key stands.
    pub(super) fn place(&self, key: &str) -> Option<Span> {
        Some(self.get(key)?.value.span)
    }

    /// As [`Self::get`]; reports its absence.
    pub(super) fn required(&self, key: &str, allowed: &str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            let title = format!("missing key `{}{key}`", self.path);
            self.report
                .error(&self.span, title, format!("required: `{key}`, {allowed}"));
        }
        field
    }

    /// Reports that `key`, if it is there, does not go with the rest.
    pub(super) fn refuse(&self, key: &str, why: &str, allowed: &str) {
        if let Some(field) = self.get(key) {
            field.report.error(
                &field.key,
                format!("`{}` {why}", field.path),
                format!("allowed: {allowed}"),
            );
        }
    }

    pub(super) fn integer_or<T>(&self, key: &str, range: RangeInclusive<T>, default: T) -> T
    where
        T: TryFrom<i128> + Into<i128> + Copy,
    {
        self.get(key)
            .and_then(|field| field.integer(range, ""))
            .unwrap_or(default)
    }

    pub(super) fn word_or<T: Word>(&self, key: &str, default: T) -> T {
        self.get(key)
            .and_then(|field| field.word())
            .unwrap_or(default)
    }

    pub(super) fn boolean_or(&self, key: &str, default: bool) -> bool {
        self.get(key)
            .and_then(|field| field.boolean())
            .unwrap_or(default)
    }

    pub(super) fn micros(&self, key: &str) -> Option<u64> {
        self.get(key)?.micros()
    }

    /// `name`: what folders, columns and overrides call it.
    pub(super) fn name(&self) -> Option<(&'a str, Span)> {
        self.named("name")
    }

    /// As [`Self::name`], under another key.
    pub(super) fn named(&self, key: &str) -> Option<(&'a str, Span)> {
        const ALLOWED: &str = "letters a to z, digits, _ and -, at least one";
        let field = self.required(key, ALLOWED)?;
        let name = field.text(ALLOWED)?;
        let fine = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if name.is_empty() || !name.bytes().all(fine) {
            field.cannot_be(&format!("\"{}\"", shown(name)), ALLOWED);
            return None;
        }
        Some((name, field.value.span))
    }
}

/// A key that is there, and its value.
pub(super) struct Field<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) path: String,
    pub(super) key: Span,
    pub(super) value: &'a Value,
}

impl<'a> Field<'a> {
    /// The value as it is written.
    fn written(&self) -> String {
        shown(self.report.sources.text(&self.value.span))
    }

    /// Reports a value that is not among what is allowed.
    pub(super) fn cannot_be(&self, value: &str, allowed: impl Display) {
        self.report.error(
            &self.value.span,
            format!("`{}` cannot be {value}", self.path),
            format!("allowed: {allowed}"),
        );
    }

    /// Reports a value of the wrong type.
    fn mistyped(&self, allowed: impl Display) {
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

    /// The elements of a list, each as a field of the list's path.
    pub(super) fn list(&self, allowed: &str) -> Option<Vec<Field<'a>>> {
        let Node::Array(all) = &self.value.node else {
            self.mistyped(allowed);
            return None;
        };
        let field = |value: &'a Value| Field {
            report: self.report,
            path: self.path.clone(),
            key: self.key,
            value,
        };
        Some(all.iter().map(field).collect())
    }

    /// Reads the elements of a list of words or numbers, the rest of it not once [`WRONG_ELEMENTS_MAX`] are wrong.
    pub(super) fn elements<T>(
        &self,
        allowed: &str,
        mut read: impl FnMut(&Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let all = self.list(allowed)?;
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

    pub(super) fn table(&self, allowed: &str) -> Option<&'a Table> {
        match &self.value.node {
            Node::Table(table) => Some(table),
            _ => {
                self.mistyped(allowed);
                None
            }
        }
    }

    /// A string.
    pub(super) fn text(&self, allowed: &str) -> Option<&'a str> {
        match &self.value.node {
            Node::String(text) => Some(text),
            _ => {
                self.mistyped(format_args!("a string, {allowed}"));
                None
            }
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value.node {
            Node::Boolean(value) => Some(value),
            _ => {
                self.mistyped("true or false");
                None
            }
        }
    }

    /// One of the words that there are.
    pub(super) fn word<T: Word>(&self) -> Option<T> {
        let words: Vec<_> = T::ALL.iter().map(|word| word.word()).collect();
        let allowed = words.join(", ");
        let text = self.text(&allowed)?;
        let found = T::ALL.iter().copied().find(|word| word.word() == text);
        if found.is_none() {
            self.unknown_word(text, &words);
        }
        found
    }

    /// Reports a string that is none of `words`.
    pub(super) fn unknown_word(&self, text: &str, words: &[&str]) {
        let title = format!("`{}` cannot be \"{}\"", self.path, shown(text));
        let label = format!("allowed: {}", words.join(", "));
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

    /// An integer of a range; `remark` is added to what is allowed.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>, remark: &str) -> Option<T>
    where
        T: TryFrom<i128> + Into<i128> + Copy,
    {
        let (low, high): (i128, i128) = ((*range.start()).into(), (*range.end()).into());
        let allowed = format!("{low} to {high}{remark}");
        let Node::Integer(number) = self.value.node else {
            self.mistyped(format_args!("an integer, {allowed}"));
            return None;
        };
        if number < low || number > high {
            self.cannot_be(&self.written(), allowed);
            return None;
        }
        T::try_from(number).ok()
    }

    /// A finite number.
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

    /// Milliseconds, in microseconds.
    pub(super) fn micros(&self) -> Option<u64> {
        self.micros_or_mistyped(MILLISECONDS)
    }

    fn micros_or_mistyped(&self, allowed: &str) -> Option<u64> {
        let read = match &self.value.node {
            Node::Integer(number) => micros(&number.to_string()),
            Node::Float(text) => micros(text),
            _ => {
                self.mistyped(allowed);
                return None;
            }
        };
        read.map_err(|why| {
            let title = format!("`{}` cannot be {}: {why}", self.path, self.written());
            let sources = self.report.sources;
            let label = format!("allowed: {MILLISECONDS}");
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

    /// A delay to draw.
    pub(super) fn delay(&self) -> Option<Delay> {
        let Node::Table(table) = &self.value.node else {
            return self.micros_or_mistyped(DELAYS).map(Delay::Constant);
        };
        let before = self.report.len();
        let inner = Section::new(
            self.report,
            Some(table),
            self.value.span,
            &self.path,
            &["uniform", "choice"],
        );
        match (inner.get("uniform"), inner.get("choice")) {
            (Some(uniform), None) => uniform.uniform(),
            (None, Some(choice)) => choice.choice(),
            (None, None) if self.report.len() > before => None,
            _ => {
                self.cannot_be(&self.written(), DELAYS);
                None
            }
        }
    }

    fn uniform(&self) -> Option<Delay> {
        const ALLOWED: &str = "[lo, hi] in milliseconds, lo not above hi";
        let all = self.list(ALLOWED)?;
        let [low, high] = all.as_slice() else {
            self.cannot_be(&self.written(), ALLOWED);
            return None;
        };
        // Both are read before either may end this: all errors at once.
        let (low, high) = (low.micros(), high.micros());
        let (low, high) = (low?, high?);
        if low > high {
            self.cannot_be(&self.written(), ALLOWED);
            return None;
        }
        Some(Delay::Uniform { low, high })
    }

    fn choice(&self) -> Option<Delay> {
        const ALLOWED: &str = "a list of at least one number of milliseconds";
        let Node::Array(list) = &self.value.node else {
            self.mistyped(ALLOWED);
            return None;
        };
        if list.is_empty() {
            self.cannot_be("an empty list", ALLOWED);
            return None;
        }
        let read = self.read_choice(list, ALLOWED);
        read.wrong.into_iter().for_each(|one| self.report.push(one));
        read.choice.map(Delay::Choice)
    }

    /// Reads a list of delays, or remembers what came of it.
    fn read_choice(&self, list: &Arc<Vec<Value>>, allowed: &str) -> Read {
        let address = Arc::as_ptr(list).addr();
        if let Some(read) = self.report.choices.0.borrow().get(&address) {
            return read.clone();
        }
        let report = Report::new(self.report.sources, self.report.choices);
        let field = Field {
            report: &report,
            path: self.path.clone(),
            key: self.key,
            value: self.value,
        };
        let delays = field.elements(allowed, |one| one.micros());
        let read = Read {
            _list: Arc::clone(list),
            choice: delays.map(Choice::from),
            wrong: report.found.into_inner(),
        };
        self.report
            .choices
            .0
            .borrow_mut()
            .insert(address, read.clone());
        read
    }
}

/// Why a number of milliseconds is no whole number of microseconds.
const TOO_FINE: &str = "more than three decimals";

/// The microseconds of a number of milliseconds, exactly as its text says. Zeros at the end of the decimals do not
/// count as decimals: 1.5000 is 1.5.
pub(super) fn micros(text: &str) -> Result<u64, &'static str> {
    match decimal(text)? {
        (_, true) => Err(TOO_FINE),
        (micros, false) => Ok(micros),
    }
}

/// The microseconds of a number of milliseconds, halves rounded away from zero; `None` if it is none from 0 to 9e12.
pub(crate) fn micros_rounded(text: &str) -> Option<u64> {
    Some(decimal(text).ok()?.0)
}

/// The microseconds of a number of milliseconds, and whether they are rounded.
fn decimal(text: &str) -> Result<(u64, bool), &'static str> {
    const TOO_LARGE: &str = "above 9e12";
    let text = text.to_ascii_lowercase();
    if text.contains("nan") || text.contains("inf") {
        return Err("not a finite number");
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{decimals}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok((0, false));
    }
    if negative {
        return Err("below zero");
    }
    // An exponent beyond 64 bits is beyond all bounds, to the side of its sign.
    let beyond = if exponent.starts_with('-') {
        i64::MIN / 4
    } else {
        i64::MAX / 4
    };
    let exponent = exponent
        .parse::<i64>()
        .unwrap_or(beyond)
        .clamp(i64::MIN / 4, i64::MAX / 4);
    let zeros = (digits.len() - significant.len()) as i64;
    let scale = exponent - decimals.len() as i64 + zeros + 3;
    let significant = significant.trim_start_matches('0');
    if scale < 0 {
        let dropped = usize::try_from(-scale).unwrap_or(usize::MAX);
        let Some(kept) = significant.len().checked_sub(dropped) else {
            return Ok((0, true));
        };
        let rounds_up = significant.as_bytes()[kept] >= b'5';
        let whole = match &significant[..kept] {
            "" => 0,
            kept => kept.parse::<u64>().map_err(|_| TOO_LARGE)?,
        };
        let micros = whole.saturating_add(rounds_up.into());
        return match micros <= TIME_MAX_US {
            true => Ok((micros, true)),
            false => Err(TOO_LARGE),
        };
    }
    let value = significant.parse::<u64>().ok();
    let factor = u32::try_from(scale)
        .ok()
        .and_then(|scale| 10_u64.checked_pow(scale));
    let micros = value
        .zip(factor)
        .and_then(|(value, factor)| value.checked_mul(factor));
    micros
        .filter(|micros| *micros <= TIME_MAX_US)
        .map(|micros| (micros, false))
        .ok_or(TOO_LARGE)
}
