//! Reads the operations of a phase: their origins, number and segments.

use super::earlier::Earlier;
use crate::file::defaults::NODES_MAX;
use crate::file::diagnostic::{Diagnostic, Span};
use crate::file::document::Node;
use crate::file::field::Field;
use crate::file::keys::key::ORIGIN_WORDS;
use crate::file::keys::table as keys;
use crate::file::keys::{Goes, of_section};
use crate::file::phase::{Origin, Pace, PhaseSpans, Work};
use crate::file::reader::Section;
use crate::file::wording::{shown, some};
use crate::file::words::{Draw, Kind, PhaseKind};

/// A pace, and the key that says how many operations there are: `count`, `count_each` or `rate_per_s`.
struct Amount<'a> {
    field: Field<'a>,
    pace: Pace,
}

impl<'a> Earlier<'a> {
    /// Reads the work. Returns it with the number of segments that it provides, if known.
    pub(super) fn drawn(
        &mut self,
        section: &Section<'a>,
        kind: Option<Kind>,
        spans: &mut PhaseSpans,
    ) -> (Work, Option<u64>) {
        let origin = match section.get(&keys::ORIGIN) {
            Some(field) => self.origin(&field).map(|(origin, span)| {
                spans.origin = span;
                origin
            }),
            None => Some(keys::ORIGIN.default),
        };
        let amount = match section.get(&keys::RATE) {
            Some(rate) => by_rate(section, rate),
            None => counted(section, origin),
        };
        if let Some(amount) = &amount {
            spans.count = amount.field.value.span;
        }
        let operations = match (&amount, origin.and_then(|origin| self.origins(origin))) {
            (Some(amount), Some(origins)) => self.add(amount.pace, &amount.field, origins),
            _ => None,
        };
        refuse_others(section, kind);
        let (withheld, parts) = self.provided(section, kind, operations, spans);
        let mut segments = None;
        let draw = section.word_or(&keys::DRAW);
        if kind == Some(Kind::Retrieve) {
            segments = self.segments(section);
            let drawn_anew = match origin {
                _ if section.has(&keys::RATE) => Some("`rate_per_s`"),
                Some(Origin::Random) => Some("origin = \"random\""),
                _ => None,
            };
            if let (Draw::Same, Some(with), Some(field)) =
                (draw, drawn_anew, section.get(&keys::DRAW))
            {
                field.cannot_be(
                    &format!("\"same\" with {with}"),
                    "distinct, independent, or an origin with count_each",
                );
            }
            if let (Some(origin), Some(amount)) = (origin, &amount) {
                self.enough(section, segments, (origin, draw), amount);
            }
        }
        let work = Work::Drawn {
            kind: kind.unwrap_or(Kind::Lookup),
            origin: origin.unwrap_or(keys::ORIGIN.default),
            pace: amount.map_or(Pace::NONE, |amount| amount.pace),
            keys: section.word_or(&keys::KEYS),
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

    /// Reads the number of withheld segments of a provide phase, and the parts of each segment.
    fn provided(
        &self,
        section: &Section<'a>,
        kind: Option<Kind>,
        segments: Option<u64>,
        spans: &mut PhaseSpans,
    ) -> (u64, u32) {
        if kind.is_some_and(|kind| kind != Kind::Provide) {
            return (keys::WITHHELD.default, keys::PARTS.default);
        }
        let withheld = section.get(&keys::WITHHELD).and_then(|field| {
            spans.withheld = field.value.span;
            field.integer_up_to(segments)
        });
        (
            withheld.unwrap_or(keys::WITHHELD.default),
            section.integer_or(&keys::PARTS),
        )
    }

    /// Reads the origin and its place.
    fn origin(&self, field: &Field<'a>) -> Option<(Origin, Span)> {
        let table = match &field.value.node {
            Node::Table(table) => table,
            Node::String(text) => {
                return origin_word(field, text).map(|origin| (origin, field.value.span));
            }
            _ => {
                field.table();
                return None;
            }
        };
        let before = field.report.len();
        let place = (Some(table), field.value.span);
        let forms = keys::ORIGIN_FORMS.iter().copied();
        let inner = Section::new(field.report, place, &field.path, forms);
        match (inner.get(&keys::SAMPLE), inner.get(&keys::NODE)) {
            (Some(sample), None) => {
                let remark = match self.online {
                    None => " (2^31)",
                    Some(_) if self.online == self.nodes => " (the number of nodes)",
                    Some(_) => " (the number of nodes online)",
                };
                sample
                    .integer_in(1..=self.online.unwrap_or(NODES_MAX).into(), remark)
                    .map(|size| (Origin::Sample(size), sample.value.span))
            }
            (None, Some(node)) => match self.nodes {
                Some(nodes) => {
                    node.integer_in(0..=i128::from(nodes) - 1, " (the ids of generated nodes)")
                }
                None => node.integer(),
            }
            .map(|id| (Origin::Node(id), node.value.span)),
            (None, None) if field.report.len() > before => None,
            _ => {
                field.is_not_allowed(&field.written());
                None
            }
        }
    }

    /// Reads the index of the phase that provides the segments.
    fn segments(&self, section: &Section<'a>) -> Option<usize> {
        let allowed = match self.provides.as_slice() {
            [] => "an earlier phase of kind provide; there is none".to_owned(),
            names => format!("an earlier phase of kind provide: {}", some(names)),
        };
        let Some(field) = section.get(&keys::SEGMENTS) else {
            let name = section
                .get(&keys::KIND)
                .map_or(section.span, |field| field.value.span);
            let label = format!("required: `segments`, {allowed}; or `trace`");
            section
                .report
                .error(&name, "a retrieve needs `segments` or `trace`", label);
            return None;
        };
        let text = field.text_of(&allowed)?;
        match self.named(text).map(|(index, seen)| (index, seen.kind)) {
            Some((index, Some(PhaseKind::Operations(Kind::Provide)))) => return Some(index),
            // The kind of that phase is invalid, which is reported there.
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

    /// Reports an origin that asks for more segments than the phase provides.
    fn enough(
        &self,
        section: &Section<'a>,
        provided: Option<usize>,
        (origin, draw): (Origin, Draw),
        amount: &Amount<'_>,
    ) {
        // By rate the number is not known.
        let Some(count) = amount.pace.count() else {
            return;
        };
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
        let Some(most) = most.filter(|most| count > *most) else {
            return;
        };
        let distinct = if segments > 0 { " distinct" } else { "" };
        let title = format!(
            "`{}` cannot be {}: more{distinct} segments than there are",
            amount.field.path, count
        );
        let label = format!("allowed: 0 to {most}, {what}");
        let (name, span) = provider.name.unwrap_or_default();
        let about = format!("\"{name}\" provides {segments}");
        let mut error = amount.field.related(title, label, &span, &about);
        if segments > 0 {
            error = error.help("with draw = \"independent\" segments may repeat");
        }
        section.report.push(error);
    }
}

fn origin_word(field: &Field<'_>, text: &str) -> Option<Origin> {
    match text {
        "random" => Some(Origin::Random),
        "one" => Some(Origin::One),
        "each" => Some(Origin::Each),
        _ => {
            field.unknown_word(text, &ORIGIN_WORDS);
            None
        }
    }
}

/// Reports keys that only phases of another kind may have.
fn refuse_others(section: &Section<'_>, kind: Option<Kind>) {
    for key in of_section(keys::PHASE.path) {
        let Goes::With(other) = key.goes else {
            continue;
        };
        if kind.is_some_and(|kind| kind != other) {
            let allowed = format!("kind = \"{other}\" or no `{}`", key.name());
            section.refuse(key, &format!("is for {other}s"), &allowed);
        }
    }
}

/// Reads `rate_per_s` with `duration_ms`.
fn by_rate<'a>(section: &Section<'a>, rate: Field<'a>) -> Option<Amount<'a>> {
    let why = "does not go with `rate_per_s`";
    for key in [&keys::COUNT, &keys::COUNT_EACH] {
        let allowed = format!("`rate_per_s` or `{}`", key.name());
        section.refuse(key, why, &allowed);
    }
    let allowed = "no `spread_ms`, as operations are due over `duration_ms`";
    section.refuse(&keys::SPREAD, why, allowed);
    section.refuse(&keys::WITHHELD, why, "`count`, or no `withheld`");
    let duration = section.required(&keys::DURATION);
    let (duration, per_s) = (duration.and_then(|field| field.micros()), rate.positive());
    let pace = Pace::Rate {
        per_s: per_s?,
        duration_us: duration?,
    };
    Some(Amount { field: rate, pace })
}

/// Reads `count` for random origins, `count_each` for all others, with `spread_ms`. With an invalid origin, the present key
/// is checked alone.
fn counted<'a>(section: &Section<'a>, origin: Option<Origin>) -> Option<Amount<'a>> {
    let allowed = "a `rate_per_s`, kind = \"idle\", or no `duration_ms`";
    section.refuse(&keys::DURATION, "needs `rate_per_s`", allowed);
    let spread_us = section.micros_or(&keys::SPREAD);
    let read = |field: Field<'a>| {
        let count = field.integer()?;
        let pace = Pace::Count { count, spread_us };
        Some(Amount { field, pace })
    };
    let Some(origin) = origin else {
        for key in [&keys::COUNT, &keys::COUNT_EACH] {
            section.get(key).and_then(read);
        }
        return None;
    };
    let (key, other, why) = match origin {
        Origin::Random => (
            &keys::COUNT,
            &keys::COUNT_EACH,
            "does not go with origin = \"random\"",
        ),
        _ => (
            &keys::COUNT_EACH,
            &keys::COUNT,
            "goes with origin = \"random\" only",
        ),
    };
    if section.has(other) {
        section.refuse(other, why, &format!("`{}` here", key.name()));
        return section.get(key).and_then(read);
    }
    section.required(key).and_then(read)
}
