//! Reads the `[[phase]]`s, and checks rules across them.

mod earlier;
mod work;

use std::collections::HashMap;
use std::path::Path;

use self::earlier::{Earlier, Seen};
use super::defaults::{DEADLINES_MAX, RESET_OVERHEAD_IN_FLIGHT};
use super::diagnostic::Span;
use super::document::Node;
use super::field::Field;
use super::keys::table as keys;
use super::keys::{Goes, Key, Least, Takes, of_section};
use super::phase::{Pace, Phase, PhaseSpans, Work};
use super::reader::Section;
use super::wording::shown;
use super::words::{DeadlineFrom, Kind, PhaseKind};

/// Type and range of an element of a list of deadlines.
static ELEMENT: Takes = Takes::Milliseconds(Least::Zero);

/// Names that a phase cannot have, each with the reason: two rows or two metrics would have the same name.
const RESERVED: [(&str, &str); 4] = [
    (
        "bootstrap",
        "`timings` calls the filling of the routing tables so",
    ),
    ("end", "`timings` calls the closing of the tables so"),
    (
        "nodes",
        "metrics of the nodes table begin so in summary.json",
    ),
    ("warnings", "summary.json has its warnings there"),
];

/// Returns the entry of [`RESERVED`] for `name`, if there is one.
fn reserved(name: &str) -> Option<(&'static str, &'static str)> {
    RESERVED.into_iter().find(|(reserved, _)| *reserved == name)
}

/// Reads all phases. The pair is the number of nodes and of online nodes, if known. `takes_time` says whether every
/// contact takes time.
pub(super) fn read(
    top: &Section<'_>,
    (nodes, online): (Option<u32>, Option<u32>),
    takes_time: bool,
    folder: &Path,
) -> Vec<Phase> {
    let Some(field) = top.get(&keys::PHASE) else {
        top.report.error(
            &top.span,
            "missing key `phase`",
            "required: at least one [[phase]]",
        );
        return Vec::new();
    };
    let Some(all) = field.list() else {
        return Vec::new();
    };
    if all.is_empty() {
        field.is_not_allowed("an empty list");
    }
    let mut earlier = Earlier {
        nodes,
        online,
        folder,
        seen: Vec::new(),
        places: HashMap::new(),
        provides: Vec::new(),
        waiting: None,
        total: 0,
    };
    let phases: Vec<Phase> = all
        .iter()
        .enumerate()
        .map(|(index, field)| earlier.phase(index, field))
        .collect();
    if !takes_time {
        refuse_at_once(top, &phases);
    }
    phases
}

/// Reports phases that provide and retrieve at the same time while a contact may take no time. Stores and answers would
/// have no order then.
fn refuse_at_once(top: &Section<'_>, phases: &[Phase]) {
    let first = phases
        .iter()
        .enumerate()
        .take_while(|(place, phase)| *place == 0 || phase.start_us.is_some())
        .map(|(_, phase)| phase);
    let provides = first.clone().find(|phase| phase.does(Kind::Provide));
    let retrieves = first.clone().find(|phase| phase.does(Kind::Retrieve));
    let (Some(provides), Some(retrieves)) = (provides, retrieves) else {
        return;
    };
    let later = first.filter(|phase| phase.start_us.is_some()).last();
    let Some(start) = later.map(|phase| phase.spans.start) else {
        return;
    };
    let sources = top.report.sources;
    let title = format!(
        "phases \"{}\" and \"{}\" at the same time need contacts that take time",
        provides.name, retrieves.name
    );
    let label = "allowed: no `start_ms`, or shortest delays in [link] above 0";
    top.report.push(
        sources
            .diagnostic(&start, title, label)
            .help("a contact takes twice `link.delay_ms`, or the delay of the error it meets"),
    );
}

impl<'a> Earlier<'a> {
    fn phase(&mut self, index: usize, field: &Field<'a>) -> Phase {
        let table = field.table();
        let path = match table
            .and_then(|table| table.get(keys::PHASE_NAME.name()))
            .map(|entry| &entry.value.node)
        {
            Some(Node::String(name)) => format!("phase.{}", shown(name)),
            _ => format!("phase.{}", index + 1),
        };
        let place = (table, field.value.span);
        let section = Section::new(field.report, place, &path, of_section(keys::PHASE.path));
        let mut seen = Seen {
            name: None,
            kind: None,
            segments: None,
            waits: index > 0 && !section.has(&keys::START),
        };
        let mut spans = PhaseSpans::default();
        let mut work = Work::Drawn {
            kind: Kind::Lookup,
            origin: keys::ORIGIN.default,
            pace: Pace::NONE,
            keys: keys::KEYS.default,
            segments: None,
            draw: keys::DRAW.default,
            withheld: keys::WITHHELD.default,
            parts: keys::PARTS.default,
        };
        if table.is_some() {
            seen.name = self.name(&section);
            seen.kind = section.required(&keys::KIND).and_then(|field| field.word());
            let kind = seen.kind.map(PhaseKind::operations);
            (work, seen.segments) = match (kind, section.get(&keys::TRACE)) {
                (Some(None), _) => (idle(&section), None),
                (_, Some(trace)) => (self.trace(&section, kind.flatten(), &trace), None),
                (_, None) => self.drawn(&section, kind.flatten(), &mut spans),
            };
        }
        let (name, span) = seen.name.unwrap_or_default();
        spans.name = span;
        spans.deadline = section.place(&keys::DEADLINE).unwrap_or_default();
        spans.max = section.place(&keys::MAX).unwrap_or_default();
        let start_us = self.start(&section, &mut spans);
        let phase = Phase {
            name: name.to_owned(),
            work,
            start_us,
            parallel: section.integer(&keys::PARALLEL),
            reset_overhead: reset_overhead(&section),
            max_us: section.micros(&keys::MAX),
            deadlines_us: section
                .get(&keys::DEADLINE)
                .map_or_else(Vec::new, |field| deadlines(&field)),
            deadline_from: deadline_from(&section),
            spans,
        };
        self.see(seen);
        phase
    }

    fn name(&self, section: &Section<'a>) -> Option<(&'a str, Span)> {
        let (name, span) = section.name(&keys::PHASE_NAME)?;
        let field = section.get(&keys::PHASE_NAME);
        if let (Some((_, what)), Some(field)) = (reserved(name), &field) {
            field.cannot_be(&format!("\"{name}\": {what}"), "any other name");
        }
        let earlier = self.named(name).and_then(|(_, seen)| seen.name);
        if let (Some((_, other)), Some(field)) = (earlier, field) {
            let title = format!("two phases have the name \"{name}\"");
            let label = "allowed: a name that no other phase has".to_owned();
            section
                .report
                .push(field.related(title, label, &other, "the other one"));
        }
        Some((name, span))
    }

    /// Reads the start of the phase, if it has one.
    fn start(&self, section: &Section<'a>, spans: &mut PhaseSpans) -> Option<u64> {
        let field = section.get(&keys::START)?;
        spans.start = field.value.span;
        if let Some(waiting) = self.waiting.and_then(|index| self.seen.get(index)) {
            let (name, span) = waiting.name.unwrap_or_default();
            let title = format!(
                "`{}` cannot follow phase \"{name}\", which waits for those before it",
                field.path
            );
            let label = "allowed: no `start_ms` here, or one in every phase before but the first";
            let about = "nobody knows when this starts";
            section
                .report
                .push(field.related(title, label.to_owned(), &span, about));
        }
        field.micros()
    }

    fn trace(&self, section: &Section<'a>, kind: Option<Kind>, trace: &Field<'a>) -> Work {
        let is_drawn = |key: &&Key| matches!(key.goes, Goes::Drawn | Goes::With(_));
        let drawn = of_section(keys::PHASE.path).filter(is_drawn);
        for key in drawn.chain([&*keys::DURATION]) {
            let allowed = format!("`trace` or `{}`", key.name());
            section.refuse(key, "cannot be given with `trace`, which says it", &allowed);
        }
        let (path, span) = trace.file(self.folder).unwrap_or_default();
        let kind = kind.unwrap_or(Kind::Lookup);
        Work::Trace { kind, path, span }
    }
}

/// Reads an idle phase.
fn idle(section: &Section<'_>) -> Work {
    let others = of_section(keys::PHASE.path).filter(|key| key.goes != Goes::Anywhere);
    for key in others {
        let allowed = format!("no `{}`, or another kind", key.name());
        section.refuse(key, "does not go with kind = \"idle\"", &allowed);
    }
    let duration = section.required(&keys::DURATION);
    Work::Idle {
        duration_us: duration.and_then(|field| field.micros()).unwrap_or(0),
    }
}

/// Reads whether overhead counters start from zero. They cannot while other phases that use them may be in flight.
fn reset_overhead(section: &Section<'_>) -> bool {
    let Some(start) = section.get(&keys::START) else {
        return section.boolean_or(&keys::RESET_OVERHEAD);
    };
    let Some(field) = section.get(&keys::RESET_OVERHEAD) else {
        return RESET_OVERHEAD_IN_FLIGHT;
    };
    if field.boolean() == Some(true) {
        let title = format!("`{}` cannot be true with `start_ms`", field.path);
        let label = "allowed: false, or no `start_ms`".to_owned();
        let about = "phases that are in flight then use the same counters";
        section
            .report
            .push(field.related(title, label, &start.key, about));
    }
    RESET_OVERHEAD_IN_FLIGHT
}

/// Reads one deadline or several.
fn deadlines(field: &Field<'_>) -> Vec<u64> {
    if !matches!(field.value.node, Node::Array(_)) {
        return field.micros().into_iter().collect();
    }
    let one = |one: &Field<'_>| one.element(one.value, &ELEMENT).micros();
    let Some(deadlines) = field.elements(one) else {
        return Vec::new();
    };
    if deadlines.len() > DEADLINES_MAX {
        let many = format!("a list of {} deadlines", deadlines.len());
        field.cannot_be(&many, format_args!("up to {DEADLINES_MAX} of them"));
        return Vec::new();
    }
    if deadlines.is_empty() || !deadlines.is_sorted_by(|a, b| a < b) {
        field.is_not_allowed(&field.written());
    }
    deadlines
}

/// Reads the moment from which deadlines count.
fn deadline_from(section: &Section<'_>) -> DeadlineFrom {
    if !section.has(&keys::DEADLINE) {
        section.refuse(
            &keys::DEADLINE_FROM,
            "needs `deadline_ms`",
            "a `deadline_ms`, or no `deadline_from`",
        );
    }
    section.word_or(&keys::DEADLINE_FROM)
}
