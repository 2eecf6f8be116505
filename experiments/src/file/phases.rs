//! The `[[phase]]`s: which operations each has, and what must be true across them.

use std::collections::HashMap;
use std::path::Path;

use super::diagnostic::{Diagnostic, Span};
use super::document::Node;
use super::experiment::*;
use super::reader::{Field, Section, shown, some, suggestion};
use super::schema::{file, related};

const KEYS: [&str; 18] = [
    "name",
    "kind",
    "origin",
    "count",
    "count_each",
    "keys",
    "spread_ms",
    "start_ms",
    "withheld",
    "parts",
    "parallel",
    "reset_overhead",
    "max_ms",
    "segments",
    "draw",
    "deadline_ms",
    "deadline_from",
    "trace",
];
/// What a trace says itself.
const NOT_WITH_TRACE: [&str; 9] = [
    "origin",
    "count",
    "count_each",
    "keys",
    "spread_ms",
    "segments",
    "draw",
    "withheld",
    "parts",
];
const ORIGINS: &str = "\"random\", \"one\", \"each\", { sample = SIZE } or { node = ID }";
const ORIGIN_WORDS: [&str; 3] = ["random", "one", "each"];
const OPERATIONS: &str = "an integer from 0";
/// Names that a phase cannot have, and what has them: two rows or metrics could not be told apart.
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

/// A name that no phase can have, if this is one.
fn reserved(name: &str) -> Option<(&'static str, &'static str)> {
    RESERVED.into_iter().find(|(reserved, _)| *reserved == name)
}

/// Reads all phases. `nodes` is the number of nodes, and that of those online, where it is known; `takes_time`: whether
/// every contact does.
pub(super) fn read(
    top: &Section<'_>,
    (nodes, online): (Option<u32>, Option<u32>),
    takes_time: bool,
    folder: &Path,
) -> Vec<Phase> {
    let Some(field) = top.get("phase") else {
        top.report.error(
            &top.span,
            "missing key `phase`",
            "required: at least one [[phase]]",
        );
        return Vec::new();
    };
    let Some(all) = field.list("one [[phase]] or several") else {
        return Vec::new();
    };
    if all.is_empty() {
        field.cannot_be("an empty list", "one [[phase]] or several");
    }
    let mut reader = Reader {
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
        .map(|(index, field)| reader.phase(index, field))
        .collect();
    if !takes_time {
        refuse_at_once(top, &phases);
    }
    phases
}

/// Reports phases that provide and retrieve at the same time where a contact may take no time: whether a store comes
/// before an answer then has no order.
fn refuse_at_once(top: &Section<'_>, phases: &[Phase]) {
    let first = phases
        .iter()
        .enumerate()
        .take_while(|(place, phase)| *place == 0 || phase.start_us.is_some())
        .map(|(_, phase)| phase);
    let provides = first.clone().find(|phase| phase.kind == Kind::Provide);
    let retrieves = first.clone().find(|phase| phase.kind == Kind::Retrieve);
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

/// What later phases ask of an earlier one.
struct Seen<'a> {
    name: Option<(&'a str, Span)>,
    kind: Option<Kind>,
    /// How many parts of segments there are to draw, where that is known.
    segments: Option<u64>,
    /// Whether it waits for those before it.
    waits: bool,
}

struct Reader<'a> {
    nodes: Option<u32>,
    online: Option<u32>,
    folder: &'a Path,
    seen: Vec<Seen<'a>>,
    /// The first phase of each name, as an index in `seen`.
    places: HashMap<&'a str, usize>,
    /// The names of the phases that provide.
    provides: Vec<&'a str>,
    /// The first phase that waits for those before it.
    waiting: Option<usize>,
    /// Operations so far, as far as they are known.
    total: u64,
}

/// `count` or `count_each`, whichever goes with the origin.
struct Count<'a> {
    field: Field<'a>,
    number: u64,
}

impl<'a> Reader<'a> {
    fn phase(&mut self, index: usize, field: &Field<'a>) -> Phase {
        let table = field.table("a table, written [[phase]]");
        let path = match table
            .and_then(|table| table.get("name"))
            .map(|entry| &entry.value.node)
        {
            Some(Node::String(name)) => format!("phase.{}", shown(name)),
            _ => format!("phase.{}", index + 1),
        };
        let section = Section::new(field.report, table, field.value.span, &path, &KEYS);
        let mut seen = Seen {
            name: None,
            kind: None,
            segments: None,
            waits: index > 0 && !section.has("start_ms"),
        };
        let mut spans = PhaseSpans::default();
        let mut work = Work::Drawn {
            origin: DEFAULT_ORIGIN,
            count: 0,
            keys: DEFAULT_KEYS,
            spread_us: 0,
            segments: None,
            draw: DEFAULT_DRAW,
            withheld: DEFAULT_WITHHELD,
            parts: DEFAULT_PARTS,
        };
        if table.is_some() {
            seen.name = self.name(&section);
            seen.kind = section
                .required("kind", "provide, lookup or retrieve")
                .and_then(|field| field.word());
            (work, seen.segments) = match section.get("trace") {
                Some(trace) => (self.trace(&section, &trace), None),
                None => self.drawn(&section, seen.kind, &mut spans),
            };
        }
        let (name, span) = seen.name.unwrap_or_default();
        spans.name = span;
        spans.deadline = section.place("deadline_ms").unwrap_or_default();
        spans.max = section.place("max_ms").unwrap_or_default();
        let start_us = self.start(&section, &mut spans);
        let phase = Phase {
            name: name.to_owned(),
            kind: seen.kind.unwrap_or(Kind::Lookup),
            work,
            start_us,
            parallel: section
                .get("parallel")
                .and_then(|field| field.integer(1..=u32::MAX, "")),
            reset_overhead: reset_overhead(&section),
            max_us: section.micros("max_ms"),
            deadlines_us: section
                .get("deadline_ms")
                .map_or_else(Vec::new, |field| deadlines(&field)),
            deadline_from: deadline_from(&section),
            spans,
        };
        self.see(seen);
        phase
    }

    /// Keeps what later phases ask of one.
    fn see(&mut self, seen: Seen<'a>) {
        let place = self.seen.len();
        if let Some((name, _)) = seen.name {
            self.places.entry(name).or_insert(place);
            if seen.kind == Some(Kind::Provide) {
                self.provides.push(name);
            }
        }
        if seen.waits {
            self.waiting.get_or_insert(place);
        }
        self.seen.push(seen);
    }

    /// The first phase of a name, and its place.
    fn named(&self, name: &str) -> Option<(usize, &Seen<'a>)> {
        let place = *self.places.get(name)?;
        Some((place, self.seen.get(place)?))
    }

    fn name(&self, section: &Section<'a>) -> Option<(&'a str, Span)> {
        let (name, span) = section.name()?;
        let field = section.get("name");
        if let (Some((_, what)), Some(field)) = (reserved(name), &field) {
            field.cannot_be(&format!("\"{name}\": {what}"), "any other name");
        }
        let earlier = self.named(name).and_then(|(_, seen)| seen.name);
        if let (Some((_, other)), Some(field)) = (earlier, field) {
            let title = format!("two phases have the name \"{name}\"");
            let label = "allowed: a name that no other phase has".to_owned();
            section
                .report
                .push(related(&field, title, label, &other, "the other one"));
        }
        Some((name, span))
    }

    /// When the phase starts, if it says so.
    fn start(&self, section: &Section<'a>, spans: &mut PhaseSpans) -> Option<u64> {
        let field = section.get("start_ms")?;
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
                .push(related(&field, title, label.to_owned(), &span, about));
        }
        field.micros()
    }

    fn trace(&self, section: &Section<'a>, trace: &Field<'a>) -> Work {
        for key in NOT_WITH_TRACE {
            section.refuse(
                key,
                "cannot be given with `trace`, which says it",
                &format!("`trace` or `{key}`"),
            );
        }
        let (path, span) = file(trace, self.folder).unwrap_or_default();
        Work::Trace { path, span }
    }

    /// The work, and how many segments it makes if it provides and that is known.
    fn drawn(
        &mut self,
        section: &Section<'a>,
        kind: Option<Kind>,
        spans: &mut PhaseSpans,
    ) -> (Work, Option<u64>) {
        let origin = match section.get("origin") {
            Some(field) => self.origin(&field).map(|(origin, span)| {
                spans.origin = span;
                origin
            }),
            None => Some(DEFAULT_ORIGIN),
        };
        let count = count(section, origin);
        if let Some(count) = &count {
            spans.count = count.field.value.span;
        }
        let operations = match (&count, origin.and_then(|origin| self.origins(origin))) {
            (Some(count), Some(origins)) => self.add(count, origins),
            _ => None,
        };
        if kind.is_some_and(|kind| kind != Kind::Lookup) {
            section.refuse("keys", "is for lookups", "kind = \"lookup\" or no `keys`");
        }
        let (withheld, parts) = self.provided(section, kind, operations, spans);
        let mut segments = None;
        let draw = section.word_or("draw", DEFAULT_DRAW);
        match kind {
            Some(Kind::Retrieve) => {
                segments = self.segments(section);
                if let (Draw::Same, Some(Origin::Random), Some(field)) =
                    (draw, origin, section.get("draw"))
                {
                    field.cannot_be(
                        "\"same\" with origin = \"random\"",
                        "distinct, independent, or an origin with count_each",
                    );
                }
                if let (Some(origin), Some(count)) = (origin, &count) {
                    self.enough(section, segments, origin, draw, count);
                }
            }
            Some(_) => {
                section.refuse(
                    "segments",
                    "is for retrieves",
                    "kind = \"retrieve\" or no `segments`",
                );
                section.refuse(
                    "draw",
                    "is for retrieves",
                    "kind = \"retrieve\" or no `draw`",
                );
            }
            None => {}
        }
        let work = Work::Drawn {
            origin: origin.unwrap_or(DEFAULT_ORIGIN),
            count: count.map_or(0, |count| count.number),
            keys: section.word_or("keys", DEFAULT_KEYS),
            spread_us: section.micros("spread_ms").unwrap_or(DEFAULT_SPREAD_US),
            segments,
            draw,
            withheld,
            parts,
        };
        let provided = operations.filter(|_| kind == Some(Kind::Provide));
        (
            work,
            provided.map(|segments| segments.saturating_mul(parts.into())),
        )
    }

    /// How many segments of a provide phase are withheld, and how many parts each has.
    fn provided(
        &self,
        section: &Section<'a>,
        kind: Option<Kind>,
        segments: Option<u64>,
        spans: &mut PhaseSpans,
    ) -> (u64, u32) {
        if kind.is_some_and(|kind| kind != Kind::Provide) {
            for key in ["withheld", "parts"] {
                let allowed = format!("kind = \"provide\" or no `{key}`");
                section.refuse(key, "is for provides", &allowed);
            }
            return (DEFAULT_WITHHELD, DEFAULT_PARTS);
        }
        let withheld = section.get("withheld").and_then(|field| {
            spans.withheld = field.value.span;
            field.integer(
                0..=segments.unwrap_or(u64::MAX),
                " (the segments of the phase)",
            )
        });
        let parts = section.integer_or("parts", 1..=PARTS_MAX, DEFAULT_PARTS);
        (withheld.unwrap_or(DEFAULT_WITHHELD), parts)
    }

    /// By how many origins a count is multiplied, where that is known.
    fn origins(&self, origin: Origin) -> Option<u64> {
        match (origin, self.online) {
            (Origin::Each, None) => None,
            (_, online) => Some(origin.nodes(online.unwrap_or(0)).unwrap_or(1)),
        }
    }

    /// The operations of a phase, added to the total.
    fn add(&mut self, count: &Count<'_>, origins: u64) -> Option<u64> {
        let operations = count.number.checked_mul(origins);
        match operations.and_then(|operations| self.total.checked_add(operations)) {
            Some(total) if total <= OPERATIONS_MAX => self.total = total,
            _ => count.field.cannot_be(
                &count.number.to_string(),
                format_args!("up to {OPERATIONS_MAX} operations over all phases"),
            ),
        }
        operations
    }

    /// The origin, and where it stands.
    fn origin(&self, field: &Field<'a>) -> Option<(Origin, Span)> {
        let table = match &field.value.node {
            Node::Table(table) => table,
            Node::String(text) => {
                return origin_word(field, text).map(|origin| (origin, field.value.span));
            }
            _ => {
                field.table(ORIGINS);
                return None;
            }
        };
        let before = field.report.len();
        let inner = Section::new(
            field.report,
            Some(table),
            field.value.span,
            &field.path,
            &["sample", "node"],
        );
        match (inner.get("sample"), inner.get("node")) {
            (Some(sample), None) => {
                let remark = match self.online {
                    None => " (2^31)",
                    Some(_) if self.online == self.nodes => " (the number of nodes)",
                    Some(_) => " (the number of nodes online)",
                };
                sample
                    .integer(1..=self.online.unwrap_or(NODES_MAX), remark)
                    .map(|size| (Origin::Sample(size), sample.value.span))
            }
            (None, Some(node)) => match self.nodes {
                Some(nodes) => {
                    node.integer(0..=i64::from(nodes) - 1, " (the ids of generated nodes)")
                }
                None => node.integer(i64::MIN..=i64::MAX, ""),
            }
            .map(|id| (Origin::Node(id), node.value.span)),
            (None, None) if field.report.len() > before => None,
            _ => {
                field.cannot_be(
                    &shown(field.report.sources.text(&field.value.span)),
                    ORIGINS,
                );
                None
            }
        }
    }

    /// The index of the phase that provides what is retrieved.
    fn segments(&self, section: &Section<'a>) -> Option<usize> {
        let allowed = match self.provides.as_slice() {
            [] => "an earlier phase of kind provide; there is none".to_owned(),
            names => format!("an earlier phase of kind provide: {}", some(names)),
        };
        let Some(field) = section.get("segments") else {
            let name = section
                .get("kind")
                .map_or(section.span, |field| field.value.span);
            let label = format!("required: `segments`, {allowed}; or `trace`");
            section
                .report
                .error(&name, "a retrieve needs `segments` or `trace`", label);
            return None;
        };
        let text = field.text(&allowed)?;
        match self.named(text).map(|(index, seen)| (index, seen.kind)) {
            Some((index, Some(Kind::Provide))) => return Some(index),
            // Its kind is wrong, which is reported where it stands.
            Some((_, None)) => return None,
            _ => {}
        }
        let title = format!("`{}` cannot be \"{}\"", field.path, shown(text));
        let error = field.report.sources.diagnostic(
            &field.value.span,
            title,
            format!("allowed: {allowed}"),
        );
        section.report.push(
            section
                .report
                .suggestion(text, self.provides.iter().copied())
                .into_iter()
                .fold(error, Diagnostic::help),
        );
        None
    }

    /// Reports more segments asked for than there are.
    fn enough(
        &self,
        section: &Section<'a>,
        provided: Option<usize>,
        origin: Origin,
        draw: Draw,
        count: &Count<'_>,
    ) {
        let Some(provider) = provided.and_then(|index| self.seen.get(index)) else {
            return;
        };
        let Some(segments) = provider.segments else {
            return;
        };
        let (most, what) = match (draw, origin) {
            (_, _) if segments == 0 => (Some(0), "no more, as there are no segments".to_owned()),
            (Draw::Distinct, Origin::Random) => {
                let pairs = self
                    .online
                    .map(|online| segments.saturating_mul(online.into()));
                (
                    pairs,
                    format!("the pairs of a node and one of {segments} segments"),
                )
            }
            (Draw::Distinct, _) => (Some(segments), "the segments there are".to_owned()),
            _ => (None, String::new()),
        };
        let Some(most) = most.filter(|most| count.number > *most) else {
            return;
        };
        let distinct = if segments > 0 { " distinct" } else { "" };
        let title = format!(
            "`{}` cannot be {}: more{distinct} segments than there are",
            count.field.path, count.number
        );
        let label = format!("allowed: 0 to {most}, {what}");
        let (name, span) = provider.name.unwrap_or_default();
        let about = format!("\"{name}\" provides {segments}");
        let mut error = related(&count.field, title, label, &span, &about);
        if segments > 0 {
            error = error.help("with draw = \"independent\" segments may repeat");
        }
        section.report.push(error);
    }
}

/// Whether overhead counters start from zero. They cannot where other phases, which use them, may be in flight.
fn reset_overhead(section: &Section<'_>) -> bool {
    let Some(start) = section.get("start_ms") else {
        return section.boolean_or("reset_overhead", DEFAULT_RESET_OVERHEAD);
    };
    let Some(field) = section.get("reset_overhead") else {
        return RESET_OVERHEAD_IN_FLIGHT;
    };
    if field.boolean() == Some(true) {
        let title = format!("`{}` cannot be true with `start_ms`", field.path);
        let label = "allowed: false, or no `start_ms`".to_owned();
        let about = "phases that are in flight then use the same counters";
        section
            .report
            .push(related(&field, title, label, &start.key, about));
    }
    RESET_OVERHEAD_IN_FLIGHT
}

/// One deadline or several.
fn deadlines(field: &Field<'_>) -> Vec<u64> {
    const ALLOWED: &str = "a number of milliseconds, or a list of them in ascending order";
    if !matches!(field.value.node, Node::Array(_)) {
        return field.micros().into_iter().collect();
    }
    let Some(deadlines) = field.elements(ALLOWED, Field::micros) else {
        return Vec::new();
    };
    if deadlines.len() > DEADLINES_MAX {
        let many = format!("a list of {} deadlines", deadlines.len());
        field.cannot_be(&many, format_args!("up to {DEADLINES_MAX} of them"));
        return Vec::new();
    }
    if deadlines.is_empty() || !deadlines.is_sorted_by(|a, b| a < b) {
        let written = shown(field.report.sources.text(&field.value.span));
        field.cannot_be(&written, ALLOWED);
    }
    deadlines
}

/// From when deadlines count.
fn deadline_from(section: &Section<'_>) -> DeadlineFrom {
    if !section.has("deadline_ms") {
        section.refuse(
            "deadline_from",
            "needs `deadline_ms`",
            "a `deadline_ms`, or no `deadline_from`",
        );
    }
    section.word_or("deadline_from", DEFAULT_DEADLINE_FROM)
}

fn origin_word(field: &Field<'_>, text: &str) -> Option<Origin> {
    match text {
        "random" => Some(Origin::Random),
        "one" => Some(Origin::One),
        "each" => Some(Origin::Each),
        _ => {
            let title = format!("`{}` cannot be \"{}\"", field.path, shown(text));
            let label = format!("allowed: {ORIGINS}");
            let sources = field.report.sources;
            let error = sources.diagnostic(&field.value.span, title, label);
            let help = suggestion(text, ORIGIN_WORDS);
            field
                .report
                .push(help.into_iter().fold(error, Diagnostic::help));
            None
        }
    }
}

/// Operations in all for origins drawn anew, operations of each for the others. With an unknown origin, whichever is
/// there is checked for itself.
fn count<'a>(section: &Section<'a>, origin: Option<Origin>) -> Option<Count<'a>> {
    let read = |field: Field<'a>| {
        let number = field.integer(0..=u64::MAX, "")?;
        Some(Count { field, number })
    };
    let Some(origin) = origin else {
        for key in ["count", "count_each"] {
            section.get(key).and_then(read);
        }
        return None;
    };
    let (key, other, why) = match origin {
        Origin::Random => (
            "count",
            "count_each",
            "does not go with origin = \"random\"",
        ),
        _ => ("count_each", "count", "goes with origin = \"random\" only"),
    };
    if section.has(other) {
        section.refuse(other, why, &format!("`{key}` here"));
        return section.get(key).and_then(read);
    }
    section.required(key, OPERATIONS).and_then(read)
}
