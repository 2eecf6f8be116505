//! Reading a delay to draw: a number, or a table with one of its forms.

use std::path::Path;
use std::sync::Arc;

use super::delay::{Choice, Delay};
use super::document::{Node, Value};
use super::field::Field;
use super::keys::table::{
    CHOICE, DELAY_FORMS, LOGNORMAL, LOGNORMAL_KEYS, MEDIAN, QUANTILES, SIGMA, UNIFORM,
};
use super::keys::{Key, Least, Takes};
use super::reader::Section;
use super::report::{Read, Report};

/// Type and range of an element of a list of delays.
static ELEMENT: Takes = Takes::Milliseconds(Least::Zero);

/// Reads one form of a delay. Relative paths start at the folder.
type Form = fn(&Field<'_>, &Path) -> Option<Delay>;

impl Field<'_> {
    /// Reads a delay to draw.
    pub(super) fn delay(&self, folder: &Path) -> Option<Delay> {
        let Node::Table(table) = &self.value.node else {
            return self.micros_or_mistyped().map(Delay::Constant);
        };
        let before = self.report.len();
        let inner = Section::new(
            self.report,
            (Some(table), self.value.span),
            &self.path,
            DELAY_FORMS.iter().copied(),
        );
        let forms: [(&'static Key, Form); 4] = [
            (&UNIFORM, |field, _| field.uniform()),
            (&CHOICE, |field, _| field.choice()),
            (&LOGNORMAL, |field, _| field.lognormal()),
            (&QUANTILES, |field, folder| field.quantiles(folder)),
        ];
        let given = forms
            .into_iter()
            .filter_map(|(key, read)| Some((inner.get(key)?, read)));
        let given: Vec<_> = given.collect();
        match given.as_slice() {
            [(field, read)] => read(field, folder),
            [] if self.report.len() > before => None,
            _ => {
                self.is_not_allowed(&self.written());
                None
            }
        }
    }

    fn lognormal(&self) -> Option<Delay> {
        let place = (Some(self.table()?), self.value.span);
        let section = Section::new(
            self.report,
            place,
            &self.path,
            LOGNORMAL_KEYS.iter().copied(),
        );
        let median_us = section.required(&MEDIAN).and_then(|field| field.micros());
        let sigma = section.required(&SIGMA).and_then(|field| field.in_range());
        Some(Delay::Lognormal {
            median_us: median_us?,
            sigma: sigma?,
        })
    }

    fn quantiles(&self, folder: &Path) -> Option<Delay> {
        let (path, span) = self.file(folder)?;
        Some(Delay::Quantiles { path, span })
    }

    fn uniform(&self) -> Option<Delay> {
        let all = self.list()?;
        let [low, high] = all.as_slice() else {
            self.is_not_allowed(&self.written());
            return None;
        };
        let micros = |one: &Field<'_>| one.element(one.value, &ELEMENT).micros();
        // Both are read before an error returns, so that all errors are reported at once.
        let (low, high) = (micros(low), micros(high));
        let (low, high) = (low?, high?);
        if low > high {
            self.is_not_allowed(&self.written());
            return None;
        }
        Some(Delay::Uniform { low, high })
    }

    fn choice(&self) -> Option<Delay> {
        let Node::Array(list) = &self.value.node else {
            self.mistyped(self.takes.described());
            return None;
        };
        if list.is_empty() {
            self.is_not_allowed("an empty list");
            return None;
        }
        let read = self.read_choice(list);
        read.wrong.into_iter().for_each(|one| self.report.push(one));
        read.choice.map(Delay::Choice)
    }

    /// Reads a list of delays, or returns the remembered result of reading the same list before.
    fn read_choice(&self, list: &Arc<Vec<Value>>) -> Read {
        let address = Arc::as_ptr(list).addr();
        if let Some(read) = self.report.choices.0.borrow().get(&address) {
            return read.clone();
        }
        let report = Report::new(self.report.sources, self.report.choices);
        let field = Field {
            report: &report,
            path: self.path.clone(),
            takes: self.takes,
            key: self.key,
            value: self.value,
        };
        let delays = field.elements(|one| one.element(one.value, &ELEMENT).micros());
        let read = Read {
            _list: Arc::clone(list),
            choice: delays.map(Choice::from),
            wrong: report.into_found(),
        };
        self.report
            .choices
            .0
            .borrow_mut()
            .insert(address, read.clone());
        read
    }
}
