//! Reads `[churn]`.

use std::path::Path;

use kadsim_systems::maintenance::JoinRefresh;
use kadsim_systems::maintenance::sets::Protocol;

use super::{ChurnSection, Class, Event, Leavers, Length, Lengths, Presence};
use crate::file::defaults::{DEFAULT_JOIN, TIME_MAX_US};
use crate::file::document::Node;
use crate::file::experiment::LinkSection;
use crate::file::field::Field;
use crate::file::keys::key::NEVER;
use crate::file::keys::table as keys;
use crate::file::keys::{Key, Takes, of_section};
use crate::file::reader::Section;
use crate::file::regions::OneWay;
use crate::file::words::Join;

impl ChurnSection {
    /// Reads the section, if the file has it. Relative paths start at `folder`.
    pub(in crate::file) fn read(
        top: &Section<'_>,
        folder: &Path,
        link: &LinkSection,
        joining: Joining,
    ) -> Option<Self> {
        let section = top.section(&keys::CHURN);
        if !section.is_there() {
            return None;
        }
        let join = section.get(&keys::JOIN);
        let join_known = join
            .as_ref()
            .is_none_or(|field| field.word::<Join>().is_some());
        let join = join.filter(|_| join_known).and_then(|field| field.word());
        let join = join.unwrap_or(joining.default_join());
        if join_known {
            joining.refuse(&section, join);
        }
        let known = section.get(&keys::KNOWN);
        let known_span = section.place(&keys::KNOWN).unwrap_or_default();
        let join_refresh = section.get(&keys::JOIN_REFRESH);
        let join_refresh = join_refresh.and_then(|field| self::join_refresh(&field));
        let trace = section.get(&keys::CHURN_TRACE);
        let presence = match &trace {
            Some(trace) => {
                refuse_drawn(
                    &section,
                    &[&keys::SESSION, &keys::ABSENCE, &keys::START_OF_CHURN],
                );
                let (path, span) = trace.file(folder).unwrap_or_default();
                Presence::Listed { path, span }
            }
            None => Presence::Drawn(Lengths {
                session: session(&section, folder).unwrap_or(Length::Never),
                absence: length(&section, &keys::ABSENCE, folder).unwrap_or(Length::Never),
            }),
        };
        let classes = section
            .get(&keys::CHURN_CLASS)
            .and_then(|field| field.list());
        let events = section
            .get(&keys::CHURN_EVENT)
            .and_then(|field| field.list());
        Some(Self {
            classes: classes_of(&classes.unwrap_or_default(), &presence, folder),
            presence,
            start: section.word_or(&keys::START_OF_CHURN),
            join,
            join_refresh: join_refresh.unwrap_or(joining.default_refresh()),
            knows: section.integer_or(&keys::KNOWS),
            known: known.and_then(|field| field.ids()).unwrap_or_default(),
            known_span,
            table: section.word_or(&keys::CHURN_TABLE),
            records: section.word_or(&keys::CHURN_RECORDS),
            events: events
                .unwrap_or_default()
                .iter()
                .filter_map(|field| event(field, link))
                .collect(),
            span: section.span,
        })
    }
}

/// What the rest of the file says about how nodes join.
#[derive(Clone, Copy)]
pub(in crate::file) struct Joining {
    /// The rules of a protocol.
    pub(in crate::file) protocol: Option<&'static Protocol>,
    /// Whether all nodes join before the first phase.
    pub(in crate::file) is_joined: bool,
}

impl Joining {
    fn default_join(self) -> Join {
        self.protocol.map_or(DEFAULT_JOIN, |_| Join::Protocol)
    }

    fn default_refresh(self) -> JoinRefresh {
        let protocol = self.protocol;
        protocol.map_or(JoinRefresh::Farther, |set| set.maintenance.joining.refresh)
    }

    /// Reports keys that mean nothing with `join`.
    fn refuse(self, section: &Section<'_>, join: Join) {
        if join == Join::Protocol {
            if section.has(&keys::KNOWN) {
                let allowed = "no `knows` with `known`, which names the nodes";
                section.refuse(&keys::KNOWS, "does not go with `churn.known`", allowed);
            }
            return;
        }
        let of_protocol: [&'static Key; 2] = [&keys::KNOWS, &keys::KNOWN];
        for key in of_protocol {
            let allowed = format!("no `{}` with join = \"{join}\"", key.name());
            section.refuse(key, "is for join = \"protocol\"", &allowed);
        }
        if !self.is_joined {
            section.refuse(
                &keys::JOIN_REFRESH,
                "is for join = \"protocol\" and network.bootstrap = \"joined\"",
                &format!("no `join_refresh` with join = \"{join}\""),
            );
        }
    }
}

fn join_refresh(field: &Field<'_>) -> Option<JoinRefresh> {
    match field.word_or_random()? {
        Ok("own") => Some(JoinRefresh::Own),
        Ok(_) => Some(JoinRefresh::Farther),
        Err(keys) => Some(JoinRefresh::Random(keys)),
    }
}

/// Reports each of `keys` that the section has beside a trace.
fn refuse_drawn(section: &Section<'_>, keys: &[&'static Key]) {
    for key in keys {
        let allowed = format!("no `{}` with a trace, which has the sessions", key.name());
        section.refuse(key, "does not go with `churn.trace`", &allowed);
    }
}

/// Reads the session, or reports that it is missing.
fn session(section: &Section<'_>, folder: &Path) -> Option<Length> {
    if !section.has(&keys::SESSION) {
        let title = "missing key `churn.session` or `churn.trace`";
        let label = format!(
            "required: one of `session`, {}, and `trace`, a file",
            keys::SESSION.takes.allowed()
        );
        section.report.error(&section.span, title, label);
    }
    length(section, &keys::SESSION, folder)
}

fn length(section: &Section<'_>, key: &'static Key, folder: &Path) -> Option<Length> {
    section.get(key)?.length(folder)
}

/// Reads the classes. Reports the first one with which the shares exceed 1.
fn classes_of(fields: &[Field<'_>], presence: &Presence, folder: &Path) -> Vec<Class> {
    let mut sum = 0.0;
    let mut classes = Vec::new();
    for field in fields {
        let Some((class, share)) = class(field, presence, folder) else {
            continue;
        };
        let before = sum;
        sum += class.share;
        // Shares such as 0.1 are not exact.
        const SLACK: f64 = 1e-9;
        if before <= 1.0 + SLACK && sum > 1.0 + SLACK {
            share.cannot_be(
                &format!("{}: the shares of the classes sum to {sum}", class.share),
                "shares that sum to at most 1",
            );
        }
        classes.push(class);
    }
    classes
}

/// Reads a class. Returns it with the field of its share.
fn class<'a>(field: &Field<'a>, presence: &Presence, folder: &Path) -> Option<(Class, Field<'a>)> {
    let place = (Some(field.table()?), field.value.span);
    let keys = of_section(keys::CHURN_CLASS.path);
    let section = Section::new(field.report, place, &field.path, keys);
    let lengths = match presence {
        Presence::Listed { .. } => {
            refuse_drawn(&section, &[&keys::CLASS_SESSION, &keys::CLASS_ABSENCE]);
            None
        }
        Presence::Drawn(others) => {
            let session = length(&section, &keys::CLASS_SESSION, folder);
            let absence = length(&section, &keys::CLASS_ABSENCE, folder);
            Some(Lengths {
                session: session.unwrap_or_else(|| others.session.clone()),
                absence: absence.unwrap_or_else(|| others.absence.clone()),
            })
        }
    };
    let clients = section.get(&keys::CLASS_CLIENTS);
    let clients = clients.and_then(|field| field.share());
    let share = section.required(&keys::CLASS_SHARE)?;
    let class = Class {
        share: share.share()?,
        lengths,
        clients,
        span: section.span,
    };
    Some((class, share))
}

fn event(field: &Field<'_>, link: &LinkSection) -> Option<Event> {
    let place = (Some(field.table()?), field.value.span);
    let keys = of_section(keys::CHURN_EVENT.path);
    let section = Section::new(field.report, place, &field.path, keys);
    let at_us = section.required(&keys::AT);
    let at_us = at_us.and_then(|field| field.micros());
    let leavers = section.required(&keys::LEAVE);
    let leavers = leavers.and_then(|field| field.leavers(link));
    let for_us = section.micros(&keys::FOR);
    Some(Event {
        at_us: at_us?,
        leavers: leavers?,
        for_us,
    })
}

impl<'a> Field<'a> {
    /// Reads a length of sessions or absences.
    fn length(&self, folder: &Path) -> Option<Length> {
        match &self.value.node {
            Node::String(text) if text == NEVER => return Some(Length::Never),
            Node::String(text) => {
                self.unknown_word(text, &[NEVER]);
                return None;
            }
            _ => {}
        }
        let inner = self.form(keys::LENGTH_FORMS)?;
        let length = read_length(&inner, folder)?;
        let mean_us = length.distribution(|_| None).map(|drawn| drawn.mean_us());
        if let Some(mean_us) =
            mean_us.filter(|mean_us| mean_us.is_nan() || *mean_us > TIME_MAX_US as f64)
        {
            let mean = match mean_us.is_finite() {
                true => format!("{:e} ms", mean_us / 1000.0),
                false => "infinite".to_owned(),
            };
            self.cannot_be(
                &format!("{}: its mean is {mean}", self.written()),
                "a mean of up to 9e12 ms",
            );
            return None;
        }
        Some(length)
    }

    /// Reads one of the key's words, or a number of random keys.
    pub(in crate::file) fn word_or_random(&self) -> Option<Result<&'a str, u32>> {
        let Takes::WordOr(words, forms) = *self.takes else {
            return None;
        };
        match &self.value.node {
            Node::String(text) if words.contains(&text.as_str()) => Some(Ok(text)),
            Node::String(text) => {
                self.unknown_word(text, words);
                None
            }
            _ => self.form(forms)?.integer(&keys::RANDOM).map(Err),
        }
    }

    /// Reads different node ids.
    fn ids(&self) -> Option<Vec<i64>> {
        let Takes::Ids(most) = *self.takes else {
            return None;
        };
        let ids: Vec<i64> = self.elements(|one| match one.value.node {
            Node::Integer(id) if i64::try_from(id).is_ok() => i64::try_from(id).ok(),
            _ => {
                one.is_not_allowed(&one.written());
                None
            }
        })?;
        let mut different = ids.clone();
        different.sort_unstable();
        different.dedup();
        if ids.is_empty() || ids.len() > most || different.len() < ids.len() {
            self.is_not_allowed(&self.written());
            return None;
        }
        Some(ids)
    }

    /// Opens a table with exactly one of the keys `forms`.
    fn form(&self, forms: &'static [&'static Key]) -> Option<Section<'a>> {
        let Node::Table(table) = &self.value.node else {
            self.mistyped(self.takes.described());
            return None;
        };
        let before = self.report.len();
        let place = (Some(table), self.value.span);
        let inner = Section::new(self.report, place, &self.path, forms.iter().copied());
        if self.report.len() > before {
            return None;
        }
        if forms.iter().filter(|key| inner.has(key)).count() != 1 {
            self.is_not_allowed(&self.written());
            return None;
        }
        Some(inner)
    }

    /// Opens the table with the parameters of a distribution.
    fn parameters(&self) -> Option<Section<'a>> {
        let Takes::Form(keys, _) = *self.takes else {
            return None;
        };
        let place = (Some(self.table()?), self.value.span);
        let keys = keys.iter().copied();
        Some(Section::new(self.report, place, &self.path, keys))
    }

    /// Reads which nodes leave.
    fn leavers(&self, link: &LinkSection) -> Option<Leavers> {
        if matches!(self.value.node, Node::Integer(_) | Node::Float(_)) {
            let share = self.number(&self.takes.allowed())?;
            if !(share > 0.0 && share <= 1.0) {
                self.is_not_allowed(&self.written());
                return None;
            }
            return Some(Leavers::Share(share));
        }
        let field = self.form(keys::LEAVE_FORMS)?.get(&keys::REGION)?;
        if matches!(link.delay, OneWay::Drawn(_)) {
            let title = format!("`{}` needs `link.delay_ms` by region", field.path);
            let label = "allowed: a share of all nodes, or link.delay_ms = { regions = .. }";
            field.report.error(&field.value.span, title, label);
            return None;
        }
        Some(Leavers::Region {
            name: field.text()?.to_owned(),
            span: field.value.span,
        })
    }
}

/// Reads the length that the only key of a table gives.
fn read_length(inner: &Section<'_>, folder: &Path) -> Option<Length> {
    if let Some(fixed) = inner.get(&keys::FIXED) {
        return fixed.micros().map(Length::Fixed);
    }
    if let Some(quantiles) = inner.get(&keys::LENGTH_QUANTILES) {
        let (path, span) = quantiles.file(folder)?;
        return Some(Length::Quantiles { path, span });
    }
    if let Some(exponential) = inner.get(&keys::EXPONENTIAL) {
        let mean_us = micros(&exponential.parameters()?, &keys::MEAN)?;
        return Some(Length::Exponential { mean_us });
    }
    if let Some(weibull) = inner.get(&keys::WEIBULL) {
        let section = weibull.parameters()?;
        // Both are read before an error returns, so that all errors are reported at once.
        let shape = section.required(&keys::SHAPE);
        let shape = shape.and_then(|field| field.positive());
        let scale_us = micros(&section, &keys::SCALE);
        return Some(Length::Weibull {
            shape: shape?,
            scale_us: scale_us?,
        });
    }
    let section = inner.get(&keys::LENGTH_LOGNORMAL)?.parameters()?;
    let median_us = micros(&section, &keys::MEDIAN);
    let sigma = section.required(&keys::SIGMA);
    let sigma = sigma.and_then(|field| field.in_range());
    Some(Length::Lognormal {
        median_us: median_us?,
        sigma: sigma?,
    })
}

fn micros(section: &Section<'_>, key: &'static Key) -> Option<u64> {
    section.required(key)?.micros()
}
