//! The errors of a reading, and the lists that the trees of a sweep share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::delay::Choice;
use super::diagnostic::{Diagnostic, Invalid, SHOWN_MAX, Sources, Span};
use super::document::Value;
use super::wording::suggestion;

/// Lists of delays already read. The cells of a sweep share a list, and it is read once.
#[derive(Default)]
pub(super) struct Choices(pub(super) RefCell<HashMap<usize, Read>>);

/// A list of delays and its delays or errors.
#[derive(Clone)]
pub(super) struct Read {
    /// Keeps the list alive, because its address is the key.
    pub(super) _list: Arc<Vec<Value>>,
    pub(super) choice: Option<Choice>,
    pub(super) wrong: Vec<Diagnostic>,
}

/// The errors found so far.
pub(super) struct Report<'a> {
    pub(super) sources: &'a Sources,
    pub(super) choices: &'a Choices,
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

    /// Suggests a word as [`suggestion`] does. Returns `None` once there are more errors than are shown, so that many
    /// errors stay cheap.
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

    /// Returns the number of errors.
    pub(super) fn len(&self) -> usize {
        self.found.borrow().len()
    }

    /// Returns all errors, in the order in which they were found.
    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }

    /// Returns all errors, if there are any.
    pub(super) fn into_errors(self) -> Option<Invalid> {
        let found = self.found.into_inner();
        (!found.is_empty()).then(|| Invalid::from_all(found))
    }
}
