//! A key of the experiment file: its path, what it takes, its default and its meaning.

use std::fmt::Display;
use std::ops::Deref;

use crate::file::words::{Kind, Word};

/// A key of the experiment file.
#[derive(Debug)]
pub struct Key {
    /// Path, with dots, as `link.fast_error.rate`; of a key in a phase as `phase.count`, without the phase's name.
    pub path: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What the key means if the file does not have it.
    pub absent: Absent,
    /// The phases that may have it.
    pub goes: Goes,
    /// One or two sentences of Markdown.
    pub(super) text: &'static str,
}

/// A key with its default, which is `()` for a key without one.
#[derive(Debug)]
pub(in crate::file) struct Typed<T> {
    pub(super) key: Key,
    pub(in crate::file) default: T,
}

impl<T> Deref for Typed<T> {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

/// What a key means if the file does not have it.
#[derive(Debug)]
pub enum Absent {
    /// A section: read as an empty one.
    Section,
    /// An error: the key is required.
    Required,
    /// An error unless one of these keys is present.
    OneOf(&'static str),
    /// No value. The text says what that means.
    Means(&'static str),
    /// Its default, as the file spells it, strings without quotes.
    Default(fn() -> String),
}

/// The phases that a key of a phase goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// All phases.
    Anywhere,
    /// Phases with operations.
    Operations,
    /// Phases without a trace. A trace itself determines the value.
    Drawn,
    /// Phases of this kind without a trace.
    With(Kind),
}

/// Type and range of a key.
#[derive(Debug)]
pub enum Takes {
    /// A table of other keys, described by this text.
    Table(&'static str),
    /// A list of tables, each written with this path in double brackets.
    Tables(&'static str),
    /// A table of keys by path in quotes, described by this text.
    Paths(&'static str),
    /// A list, described by this text.
    List(&'static str),
    /// The shortest and the longest time.
    Uniform,
    /// A list of times.
    Choice,
    /// An integer of a range. Messages append the remark to the range.
    Integer(i128, i128, &'static str),
    /// A number from 0 to 1. With `true`, 1 is excluded.
    Share(bool),
    /// A number of a range.
    Number(u32, u32),
    /// Shares by region that sum to 1.
    Shares,
    /// A share, or shares by region.
    Clients,
    /// A number above 0.
    Positive,
    /// True or false.
    Boolean,
    /// A time, in milliseconds, with its lower bound.
    Milliseconds(Least),
    /// A time, or a list in ascending order of at most this length.
    Deadlines(usize),
    /// A delay to draw.
    Delay,
    /// A delay to draw, or one by the regions of both nodes.
    OneWay,
    /// A length of time to draw.
    Length,
    /// A share of the nodes, or a region.
    Leave,
    /// One of these words, or a table with one of these keys.
    WordOr(&'static [&'static str], &'static [&'static Key]),
    /// A list of different node ids, from one up to so many.
    Ids(usize),
    /// A table of these keys, described by this text.
    Form(&'static [&'static Key], &'static str),
    /// A name of a phase, a case or an experiment.
    Name,
    /// A string, described by this text.
    Text(&'static str),
    /// One of a few words.
    Word(fn() -> Vec<&'static str>),
    /// A list of different words.
    Words(&'static [&'static str]),
    /// The origin of a phase's operations.
    Origin,
    /// A list of two numbers.
    Bounds,
}

/// Lower bound of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// 0.
    Zero,
    /// One microsecond.
    AboveZero,
}

/// Returns the words of an enum.
pub(super) fn words<T: Word>() -> Vec<&'static str> {
    T::ALL.iter().map(|word| word.word()).collect()
}

/// Words of `origin`, which also takes a table with `sample` or `node`.
pub(in crate::file) const ORIGIN_WORDS: [&str; 3] = ["random", "one", "each"];
/// Words of `maintenance.refresh`, which also takes a table with `random`.
pub(in crate::file) const REFRESH_WORDS: [&str; 2] = ["idle", "all"];
/// Words of `churn.join_refresh`, which also takes a table with `random`.
pub(in crate::file) const JOIN_REFRESH_WORDS: [&str; 2] = ["farther", "own"];
/// The word of a session or an absence without an end.
pub(in crate::file) const NEVER: &str = "never";
/// The forms of a delay as messages write them.
const A_DELAY: &str = "a number of milliseconds, { uniform = [lo, hi] }, { choice = [..] }, \
                       { lognormal = { median_ms = .., sigma = .. } }";
/// The forms of a length as messages write them, beside [`NEVER`].
const A_LENGTH: &str = "{ exponential = { mean_ms = .. } }, { weibull = { shape = .., scale_ms = .. } }, \
                        { lognormal = { median_ms = .., sigma = .. } }, { quantiles = FILE } or { fixed_ms = .. }";
const QUANTILES: &str = "{ quantiles = FILE }";
const REGIONS: &str = "{ regions = NAME or FILE, weights = { .. }, floor_ms = .. }";
/// Largest `_ms` value as messages write it.
const MILLISECONDS: &str = "a number from 0 to 9e12 with at most three decimals";

impl Takes {
    /// Returns the type in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) | Self::Paths(_) | Self::Form(..) | Self::Shares => "table",
            Self::Tables(_) => "list of tables",
            Self::List(_) | Self::Uniform | Self::Choice => "list",
            Self::Integer(..) => "integer",
            Self::Share(_) | Self::Number(..) | Self::Positive => "number",
            Self::Boolean => "boolean",
            Self::Milliseconds(_) => "number",
            Self::Deadlines(_) => "number or list",
            Self::Delay | Self::OneWay | Self::Clients | Self::Leave => "number or table",
            Self::Length => "string or table",
            Self::Name | Self::Text(_) | Self::Word(_) => "string",
            Self::Words(_) => "list of strings",
            Self::Ids(_) => "list of integers",
            Self::Origin | Self::WordOr(..) => "string or table",
            Self::Bounds => "list of numbers",
        }
    }

    /// Returns the allowed values, as messages name them.
    pub fn allowed(&self) -> String {
        match self {
            Self::Tables(path) => format!("one [[{path}]] or several"),
            Self::Integer(low, high, remark) if low == high => format!("{low}{remark}"),
            Self::Integer(low, high, remark) => format!("{low} to {high}{remark}"),
            Self::Share(false) => "from 0 to 1".to_owned(),
            Self::Share(true) => "from 0 up to but below 1".to_owned(),
            Self::Number(low, high) => format!("from {low} to {high}"),
            Self::Shares => "{ REGION = SHARE, .. } with shares that sum to 1".to_owned(),
            Self::Clients => {
                "from 0 up to but below 1, or { REGION = SHARE, .. } with shares from 0 to 1"
                    .to_owned()
            }
            Self::Positive => "above 0".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Milliseconds(Least::Zero) => MILLISECONDS.to_owned(),
            Self::Milliseconds(Least::AboveZero) => "a number of milliseconds above 0".to_owned(),
            Self::Deadlines(_) => {
                "a number of milliseconds, or a list of them in ascending order".to_owned()
            }
            Self::Delay => format!("{A_DELAY} or {QUANTILES}"),
            Self::Length => format!("\"{NEVER}\", {A_LENGTH}"),
            Self::Leave => "a share above 0 and up to 1, or { region = NAME }".to_owned(),
            Self::OneWay => format!("{A_DELAY}, {QUANTILES} or {REGIONS}"),
            Self::Name => "letters a to z, digits, _ and -, at least one".to_owned(),
            Self::Table(allowed)
            | Self::Form(_, allowed)
            | Self::Paths(allowed)
            | Self::List(allowed)
            | Self::Text(allowed) => (*allowed).to_owned(),
            Self::Word(words) => words().join(", "),
            Self::Words(words) => words.join(", "),
            Self::Origin => {
                let words = ORIGIN_WORDS.map(|word| format!("\"{word}\"")).join(", ");
                format!("{words}, {{ sample = SIZE }} or {{ node = ID }}")
            }
            Self::WordOr(words, forms) => {
                let words = words.iter().map(|word| format!("\"{word}\""));
                let forms = forms
                    .iter()
                    .map(|key| format!("{{ {} = {} }}", key.name(), key.takes.allowed()));
                words.chain(forms).collect::<Vec<_>>().join(", ")
            }
            Self::Ids(most) => format!("a list of 1 to {most} different node ids"),
            Self::Uniform => "[lo, hi] in milliseconds, lo not above hi".to_owned(),
            Self::Choice => "a list of at least one number of milliseconds".to_owned(),
            Self::Bounds => "[lo, hi], two finite numbers, lo not above hi".to_owned(),
        }
    }

    /// Returns type and range, as messages name them.
    pub fn described(&self) -> String {
        let allowed = self.allowed();
        match self {
            Self::Integer(..) => format!("an integer, {allowed}"),
            Self::Share(_) | Self::Number(..) | Self::Positive => format!("a number, {allowed}"),
            Self::Name | Self::Text(_) | Self::Word(_) => format!("a string, {allowed}"),
            Self::Words(_) => format!("a list of {allowed}"),
            _ => allowed,
        }
    }
}

impl Key {
    /// Returns the last part of the path.
    pub fn name(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or(self.path, |(_, name)| name)
    }

    /// Returns the path without its last part; empty for a key at the top.
    pub fn section(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    /// Returns whether the key is a section, which only holds other keys.
    pub fn is_section(&self) -> bool {
        matches!(self.absent, Absent::Section)
    }

    /// Returns the meaning, a few sentences of Markdown, with the phases that may have the key, if not all.
    pub fn meaning(&self) -> String {
        let text = self.text.trim_start();
        match self.goes {
            Goes::Anywhere => text.to_owned(),
            Goes::Operations => format!("{text} Not with `kind = \"idle\"`."),
            Goes::Drawn => format!("{text} Not with `trace`."),
            Goes::With(kind) => format!("{text} For phases of kind `{kind}` without `trace`."),
        }
    }

    /// Returns the unit of its numbers; empty without one.
    pub fn unit(&self) -> &'static str {
        match self.takes {
            Takes::Milliseconds(_) | Takes::Deadlines(_) | Takes::Delay | Takes::OneWay => "ms",
            _ => "",
        }
    }

    /// Returns, in words, what the key means if the file does not have it.
    pub fn default_text(&self) -> String {
        match &self.absent {
            Absent::Section => String::new(),
            Absent::Required => "required".to_owned(),
            Absent::OneOf(others) => format!("required, or {others}"),
            Absent::Means(text) => (*text).to_owned(),
            Absent::Default(spell) => spell(),
        }
    }
}

/// Formats a default as the file spells it.
pub(super) fn spelled(value: &impl Display) -> String {
    value.to_string()
}
