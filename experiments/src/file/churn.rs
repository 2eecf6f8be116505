//! Reads `[churn]` and `[maintenance]`: how nodes come and go, and how their routing tables follow.

use std::fmt::{self, Display, Write};
use std::path::{Path, PathBuf};

use kadsim_engine::presence::Start;
use kadsim_engine::routing::{Join, OnLeaving};

use super::diagnostic::Span;
use super::document::Node;
use super::experiment::LinkSection;
use super::field::Field;
use super::keys::table as keys;
use super::keys::{Key, of_section};
use super::milliseconds::milliseconds;
use super::quoted::{quoted, quoted_path};
use super::reader::Section;
use super::regions::OneWay;
use super::words::RuleSet;

/// The word for a session or an absence that does not end.
const NEVER: &str = "never";

/// `[churn]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChurnSection {
    /// How nodes come and go.
    pub source: ChurnSource,
    /// Sessions of the classes, in order.
    pub classes: Vec<ChurnClass>,
    /// Nodes that leave together.
    pub events: Vec<ChurnEvent>,
    /// The state of the nodes at the start.
    pub start: Start,
    /// What becomes of a node's routing table when it leaves.
    pub table: OnLeaving,
    /// What becomes of a node's records when it leaves.
    pub records: OnLeaving,
    /// What a node that comes knows at first.
    pub join: Join,
}

/// Where sessions come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ChurnSource {
    /// They are drawn: those of the nodes of no class.
    Drawn(Sessions),
    /// They are listed in a file, at this absolute path.
    Trace(PathBuf, Span),
}

/// Lengths of sessions and absences.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// Of a session.
    pub session: Length,
    /// Of an absence.
    pub absence: Length,
    /// Place of the session in the text.
    pub span: Span,
}

/// A length of time to draw.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// It does not end.
    Never,
    /// Exponential, of this mean, µs.
    Exponential(u64),
    /// Weibull.
    Weibull {
        /// Shape, above 0.
        shape: f64,
        /// Scale, above 0.
        scale_us: u64,
    },
    /// Lognormal.
    Lognormal {
        /// Median, above 0.
        median_us: u64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Of the quantiles in a file, at this absolute path.
    Quantiles(PathBuf, Span),
    /// Always the same, µs, above 0.
    Fixed(u64),
}

/// A `[[churn.class]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChurnClass {
    /// Its share of the nodes, 0 to 1.
    pub share: f64,
    /// Its sessions.
    pub sessions: Sessions,
    /// Share of its nodes that are clients, if it is given.
    pub clients: Option<f64>,
}

/// A `[[churn.event]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChurnEvent {
    /// When, µs.
    pub at_us: u64,
    /// Which nodes leave.
    pub leave: Leave,
    /// How long they stay away at least, µs; for ever without it.
    pub for_us: Option<u64>,
}

/// Which nodes an event takes off the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Leave {
    /// Each with this probability.
    Share(f64),
    /// Those of a region.
    Region(String, Span),
}

/// `[maintenance]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintenanceSection {
    /// The rules.
    pub rules: RuleSet,
    /// Period of renewals, µs, with [`RuleSet::Ideal`].
    pub refresh_us: Option<u64>,
}

/// Reads `[churn]`, if the file has it.
pub(super) fn churn(top: &Section<'_>, folder: &Path, link: &LinkSection) -> Option<ChurnSection> {
    let section = top.section(&keys::CHURN);
    if !section.is_there() {
        return None;
    }
    let drawn = match section.get(&keys::CHURN_TRACE) {
        None => sessions(&section, (&keys::SESSION, &keys::ABSENCE), folder, None),
        Some(_) => {
            let others: [&'static Key; 3] = [&keys::SESSION, &keys::ABSENCE, &keys::CHURN_CLASS];
            for key in others {
                section.refuse(key, "does not go with `churn.trace`", "one of the two");
            }
            None
        }
    };
    let trace = section
        .get(&keys::CHURN_TRACE)
        .and_then(|field| field.file(folder));
    let list = |key| section.get(key).and_then(|field: Field<'_>| field.list());
    let classes = list(&keys::CHURN_CLASS).unwrap_or_default();
    let classes: Vec<ChurnClass> = classes
        .iter()
        .filter_map(|field| class(field, folder, drawn.as_ref()))
        .collect();
    let shares: f64 = classes.iter().map(|class| class.share).sum();
    if shares > 1.0 + 1e-6 {
        let title = format!("the shares of `churn.class` sum to {shares}");
        let label = "allowed: shares that sum to at most 1";
        section.report.error(&section.span, title, label);
    }
    let events = list(&keys::CHURN_EVENT).unwrap_or_default();
    let events = events
        .iter()
        .filter_map(|field| event(field, link))
        .collect();
    let source = match (trace, drawn) {
        (Some((path, span)), _) => ChurnSource::Trace(path, span),
        (None, Some(drawn)) => ChurnSource::Drawn(drawn),
        // An error is reported.
        (None, None) => ChurnSource::Drawn(Sessions {
            session: Length::Never,
            absence: Length::Never,
            span: section.span,
        }),
    };
    Some(ChurnSection {
        source,
        classes,
        events,
        start: section.word_or(&keys::START_OF_CHURN),
        table: section.word_or(&keys::CHURN_TABLE),
        records: section.word_or(&keys::CHURN_RECORDS),
        join: section.word_or(&keys::JOIN),
    })
}

/// Reads sessions and absences; those of `default` where a class does not have them.
fn sessions(
    section: &Section<'_>,
    (session, absence): (&'static Key, &'static Key),
    folder: &Path,
    default: Option<&Sessions>,
) -> Option<Sessions> {
    let session = match default {
        Some(_) => section.get(session),
        None => Some(section.required(session)?),
    };
    let absence = section.get(absence);
    let span = session.as_ref().map(|field| field.value.span);
    let read = |field: Option<Field<'_>>, default: Option<&Length>| match field {
        Some(field) => field.length(folder),
        None => Some(default.cloned().unwrap_or(Length::Never)),
    };
    // Both are read before an error returns, so that all errors are reported at once.
    let session = read(session, default.map(|default| &default.session));
    let absence = read(absence, default.map(|default| &default.absence));
    Some(Sessions {
        session: session?,
        absence: absence?,
        span: span.unwrap_or(section.span),
    })
}

fn class(field: &Field<'_>, folder: &Path, default: Option<&Sessions>) -> Option<ChurnClass> {
    let place = (Some(field.table()?), field.value.span);
    let known = of_section(keys::CHURN_CLASS.path);
    let section = Section::new(field.report, place, &field.path, known);
    let share = section
        .required(&keys::CLASS_SHARE)
        .and_then(|field| field.share());
    let clients = section.get(&keys::CLASS_CLIENTS).map(|field| field.share());
    let known = (&*keys::CLASS_SESSION, &*keys::CLASS_ABSENCE);
    let sessions = sessions(&section, known, folder, default);
    Some(ChurnClass {
        share: share?,
        sessions: sessions?,
        clients: match clients {
            Some(clients) => Some(clients?),
            None => None,
        },
    })
}

fn event(field: &Field<'_>, link: &LinkSection) -> Option<ChurnEvent> {
    let place = (Some(field.table()?), field.value.span);
    let known = of_section(keys::CHURN_EVENT.path);
    let section = Section::new(field.report, place, &field.path, known);
    let at_us = section.required(&keys::AT).and_then(|field| field.micros());
    let leave = section
        .required(&keys::LEAVE)
        .and_then(|field| field.leave(link));
    Some(ChurnEvent {
        at_us: at_us?,
        leave: leave?,
        for_us: section.micros(&keys::FOR),
    })
}

/// Reads `[maintenance]`, if the file has it.
pub(super) fn maintenance(top: &Section<'_>) -> Option<MaintenanceSection> {
    let section = top.section(&keys::MAINTENANCE);
    if !section.is_there() {
        return None;
    }
    let rules = section.word_or(&keys::RULES);
    let refresh_us = match rules {
        RuleSet::Ideal => section
            .required(&keys::REFRESH)
            .and_then(|field| field.micros()),
        RuleSet::None => {
            section.refuse(
                &keys::REFRESH,
                "is for `rules = \"ideal\"`",
                "no `refresh_ms`",
            );
            None
        }
    };
    Some(MaintenanceSection { rules, refresh_us })
}

impl Field<'_> {
    /// Reads a length of time to draw.
    fn length(&self, folder: &Path) -> Option<Length> {
        let table = match &self.value.node {
            Node::Table(table) => table,
            _ => {
                let text = self.text_of(&self.takes.allowed())?;
                if text != NEVER {
                    self.is_not_allowed(&self.written());
                    return None;
                }
                return Some(Length::Never);
            }
        };
        let before = self.report.len();
        let place = (Some(table), self.value.span);
        let known = keys::LENGTH_FORMS.iter().copied();
        let inner = Section::new(self.report, place, &self.path, known);
        let form = |key: &'static Key, known: &'static [&'static Key]| {
            let field = inner.get(key)?;
            let place = (Some(field.table()?), field.value.span);
            Some(Section::new(
                self.report,
                place,
                &field.path,
                known.iter().copied(),
            ))
        };
        let mut given = Vec::new();
        if let Some(section) = form(&keys::EXPONENTIAL, keys::EXPONENTIAL_KEYS) {
            let mean_us = section
                .required(&keys::MEAN)
                .and_then(|field| field.micros());
            given.push(mean_us.map(Length::Exponential));
        }
        if let Some(section) = form(&keys::WEIBULL, keys::WEIBULL_KEYS) {
            let shape = section
                .required(&keys::SHAPE)
                .and_then(|field| field.above_zero());
            let scale_us = section
                .required(&keys::SCALE)
                .and_then(|field| field.micros());
            given.push(
                shape
                    .zip(scale_us)
                    .map(|(shape, scale_us)| Length::Weibull { shape, scale_us }),
            );
        }
        if let Some(section) = form(&keys::LOGNORMAL, keys::LOGNORMAL_KEYS) {
            let median_us = section
                .required(&keys::MEDIAN)
                .and_then(|field| field.micros());
            let sigma = section
                .required(&keys::SIGMA)
                .and_then(|field| field.in_range());
            given.push(
                median_us
                    .zip(sigma)
                    .map(|(median_us, sigma)| Length::Lognormal { median_us, sigma }),
            );
        }
        if let Some(field) = inner.get(&keys::QUANTILES) {
            let file = field.file(folder);
            given.push(file.map(|(path, span)| Length::Quantiles(path, span)));
        }
        if let Some(field) = inner.get(&keys::FIXED) {
            given.push(field.micros().map(Length::Fixed));
        }
        match given.as_mut_slice() {
            [one] => one.take(),
            _ => {
                if self.report.len() == before {
                    self.is_not_allowed(&self.written());
                }
                None
            }
        }
    }

    /// Reads a number of the key's range, but not 0.
    fn above_zero(&self) -> Option<f64> {
        let number = self.in_range()?;
        if number == 0.0 {
            self.is_not_allowed("0");
            return None;
        }
        Some(number)
    }

    /// Reads which nodes leave.
    fn leave(&self, link: &LinkSection) -> Option<Leave> {
        let Node::Table(table) = &self.value.node else {
            let share = self.number(&self.takes.allowed())?;
            if !(share > 0.0 && share <= 1.0) {
                self.is_not_allowed(&self.written());
                return None;
            }
            return Some(Leave::Share(share));
        };
        let place = (Some(table), self.value.span);
        let known = keys::LEAVE_FORMS.iter().copied();
        let inner = Section::new(self.report, place, &self.path, known);
        let field = inner.required(&keys::REGION)?;
        if matches!(link.delay, OneWay::Drawn(_)) {
            let title = format!("`{}` needs `link.delay_ms` by region", field.path);
            let label = "allowed: a share of all nodes, or link.delay_ms = { regions = .. }";
            self.report.error(&field.value.span, title, label);
            return None;
        }
        Some(Leave::Region(field.text()?.to_owned(), field.value.span))
    }
}

impl ChurnSection {
    /// Writes the section as an experiment file has it.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[churn]")?;
        match &self.source {
            ChurnSource::Drawn(sessions) => {
                writeln!(out, "session = {}", sessions.session)?;
                writeln!(out, "absence = {}", sessions.absence)?;
            }
            ChurnSource::Trace(path, _) => writeln!(out, "trace = {}", quoted_path(path))?,
        }
        writeln!(out, "start = \"{}\"", self.start)?;
        writeln!(out, "table = \"{}\"", self.table)?;
        writeln!(out, "records = \"{}\"", self.records)?;
        writeln!(out, "join = \"{}\"", self.join)?;
        for class in &self.classes {
            writeln!(out, "\n[[churn.class]]\nshare = {:?}", class.share)?;
            writeln!(out, "session = {}", class.sessions.session)?;
            writeln!(out, "absence = {}", class.sessions.absence)?;
            if let Some(clients) = class.clients {
                writeln!(out, "clients = {clients:?}")?;
            }
        }
        for event in &self.events {
            writeln!(
                out,
                "\n[[churn.event]]\nat_ms = {}",
                milliseconds(event.at_us)
            )?;
            match &event.leave {
                Leave::Share(share) => writeln!(out, "leave = {share:?}")?,
                Leave::Region(region, _) => {
                    writeln!(out, "leave = {{ region = {} }}", quoted(region))?
                }
            }
            match event.for_us {
                Some(for_us) => writeln!(out, "for_ms = {}", milliseconds(for_us))?,
                None => writeln!(out, "# for_ms: for ever")?,
            }
        }
        Ok(())
    }
}

impl MaintenanceSection {
    /// Writes the section as an experiment file has it.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[maintenance]\nrules = \"{}\"", self.rules)?;
        match self.refresh_us {
            Some(refresh_us) => writeln!(out, "refresh_ms = {}", milliseconds(refresh_us)),
            None => writeln!(out, "# refresh_ms: none"),
        }
    }
}

/// As the file spells it.
impl Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(formatter, "\"{NEVER}\""),
            Self::Exponential(mean_us) => {
                write!(
                    formatter,
                    "{{ exponential = {{ mean_ms = {} }} }}",
                    milliseconds(*mean_us)
                )
            }
            Self::Weibull { shape, scale_us } => {
                let scale = milliseconds(*scale_us);
                write!(
                    formatter,
                    "{{ weibull = {{ shape = {shape:?}, scale_ms = {scale} }} }}"
                )
            }
            Self::Lognormal { median_us, sigma } => {
                let median = milliseconds(*median_us);
                write!(
                    formatter,
                    "{{ lognormal = {{ median_ms = {median}, sigma = {sigma:?} }} }}"
                )
            }
            Self::Quantiles(path, _) => {
                write!(formatter, "{{ quantiles = {} }}", quoted_path(path))
            }
            Self::Fixed(us) => write!(formatter, "{{ fixed_ms = {} }}", milliseconds(*us)),
        }
    }
}
