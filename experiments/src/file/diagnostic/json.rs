//! Errors and warnings as JSON, for programs that call this one.

use serde_json::{Value, json};

use super::{Diagnostic, Invalid, Mark, Notices, OVERRIDE, SHOWN_MAX, Source, render};
use crate::file::document;

impl Invalid {
    /// Returns the errors as JSON: the first `SHOWN_MAX` in `errors`, the number of the others in `more`, and all as a
    /// terminal shows them, without colors, in `text`.
    pub fn to_json(&self) -> Value {
        let all: Vec<_> = self.diagnostics.iter().collect();
        list(&all, "errors")
    }
}

impl Notices {
    /// Returns the warnings as JSON, as [`Invalid::to_json`] does, in `warnings`.
    pub fn to_json(&self) -> Value {
        list(&self.sorted(), "warnings")
    }
}

fn list(diagnostics: &[&Diagnostic], what: &str) -> Value {
    let shown = diagnostics.iter().take(SHOWN_MAX);
    let shown: Vec<_> = shown.map(|diagnostic| diagnostic.to_json()).collect();
    json!({
        what: shown,
        "more": diagnostics.len().saturating_sub(SHOWN_MAX),
        "text": render(diagnostics, what, false),
    })
}

impl Diagnostic {
    /// Returns message, place, and what is allowed. What does not exist is null.
    fn to_json(&self) -> Value {
        let mark = self.marks.first();
        let label = mark
            .map(|mark| &mark.label)
            .filter(|label| !label.is_empty());
        let place = mark.map(Mark::place);
        let (line, column) = place.unzip();
        json!({
            "message": self.title,
            "file": mark.map(|mark| &mark.source.name),
            "line": line,
            "column": column,
            "key": mark.and_then(Mark::key),
            "label": label,
            "help": self.help,
            "cells": self.cells,
        })
    }
}

impl Mark {
    /// Returns line and column of its first character, both from 1.
    fn place(&self) -> (usize, usize) {
        let before = &self.source.text[..self.range.start];
        let line = before.matches('\n').count() + 1;
        let begins = before.rfind('\n').map_or(0, |feed| feed + 1);
        (line, before[begins..].chars().count() + 1)
    }

    /// Returns the path of the key that it is about, as `--set` names it, if there is one.
    fn key(&self) -> Option<String> {
        let Source { text, .. } = &*self.source;
        match text.strip_prefix(OVERRIDE) {
            Some(given) => Some(given.split('=').next()?.trim().to_owned()),
            None => document::key_at(text, &self.range),
        }
    }
}
