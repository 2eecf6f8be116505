//! Reads `[link]` and `[reachability]`.

use std::path::Path;

use kadsim_systems::maintenance::sets::Protocol;

use super::defaults::DEFAULT_DELAY;
use super::delay::{Delay, ErrorRate};
use super::document::Node;
use super::experiment::{LinkSection, LinkSpans, ReachabilitySection};
use super::field::Field;
use super::keys::table as keys;
use super::keys::{Key, Takes};
use super::reader::Section;
use super::regions::{
    BUILT_IN, ClientShares, OneWay, RegionShare, RegionShares, RegionSource, RegionsSection,
};
use super::words::Procedure;

/// Largest difference between the sum of weights and 1.
const WEIGHTS_OFF: f64 = 1e-6;
/// Type and range of a share by region.
static SHARE: Takes = Takes::Share(false);

pub(super) fn link(
    top: &Section<'_>,
    (procedure, protocol): (Procedure, Option<&'static Protocol>),
    folder: &Path,
) -> LinkSection {
    let before = top.report.len();
    let section = top.section(&keys::LINK);
    let place = |key| section.place(key).unwrap_or(section.span);
    let mut link = LinkSection {
        delay: section
            .get(&keys::DELAY)
            .and_then(|field| field.one_way(folder))
            .unwrap_or_else(|| OneWay::Drawn(keys::DELAY.default.clone())),
        jitter_us: section.micros_or(&keys::JITTER),
        round_trips: section.integer_or(&keys::ROUND_TRIPS),
        fast_error: error_rate(
            &section,
            &keys::FAST_ERROR,
            (&keys::FAST_ERROR_RATE, &keys::FAST_ERROR_DELAY),
            folder,
        ),
        slow_error: error_rate(
            &section,
            &keys::SLOW_ERROR,
            (&keys::SLOW_ERROR_RATE, &keys::SLOW_ERROR_DELAY),
            folder,
        ),
        timeout: DEFAULT_DELAY,
        overhead_us: section.micros_or(&keys::OVERHEAD),
        spans: LinkSpans {
            delay: place(&keys::DELAY),
            timeout: place(&keys::TIMEOUT),
            overhead: place(&keys::OVERHEAD),
        },
    };
    link.timeout = section
        .micros(&keys::TIMEOUT)
        .or(protocol.map(|set| set.timeout_us))
        .map_or_else(|| link.default_timeout(), Delay::Constant);
    let sound = top.report.len() == before;
    if sound && link.overhead_us > 0 && !link.takes_time() && procedure.is_by_clock() {
        no_lookahead(&section, &link);
    }
    link
}

fn error_rate(
    section: &Section<'_>,
    key: &'static Key,
    (rate, delay): (&'static Key, &'static Key),
    folder: &Path,
) -> Option<ErrorRate> {
    let inner = section.section(key);
    if !inner.is_there() {
        return None;
    }
    let rate = inner.required(rate).and_then(|field| field.share());
    let delay = inner.required(delay).and_then(|field| field.delay(folder));
    Some(ErrorRate {
        rate: rate?,
        delay: delay?,
    })
}

/// Reports overhead if a contact may take no time, because contacts of the same moment would have no order in which to
/// charge it.
fn no_lookahead(section: &Section<'_>, link: &LinkSection) {
    let Some(overhead) = section.get(&keys::OVERHEAD) else {
        return;
    };
    let zero = |error: &Option<ErrorRate>| {
        error
            .as_ref()
            .is_some_and(|e| e.rate > 0.0 && e.delay.can_be_zero())
    };
    let mut culprits = Vec::new();
    if link.delay.can_be_zero() {
        culprits.push(
            section
                .get(&keys::DELAY)
                .ok_or("`link.delay_ms` is 0 by default"),
        );
    }
    for (key, error) in [
        (&keys::FAST_ERROR, &link.fast_error),
        (&keys::SLOW_ERROR, &link.slow_error),
    ] {
        if zero(error) {
            culprits.extend(section.get(key).map(Ok));
        }
    }
    let sources = section.report.sources;
    let title = "`link.overhead_ms` above 0 needs contacts that take time";
    let label = "allowed: 0, or shortest delays above 0, or lookup.procedure = \"py-dht\"";
    let mut error = sources.diagnostic(&overhead.value.span, title, label);
    for culprit in culprits {
        error = match culprit {
            Ok(field) => error.also(sources.mark(&field.value.span, "this can be 0".to_owned())),
            Err(help) => error.help(help),
        };
    }
    section.report.push(error);
}

pub(super) fn reachability(
    top: &Section<'_>,
    protocol: Option<&'static Protocol>,
    link: &LinkSection,
) -> ReachabilitySection {
    let section = top.section(&keys::REACHABILITY);
    let clients = section
        .get(&keys::CLIENTS)
        .and_then(|field| field.clients(link));
    let in_tables = section
        .get(&keys::CLIENTS_IN_TABLES)
        .and_then(|field| field.share());
    ReachabilitySection {
        clients: clients.unwrap_or(ClientShares::OfAll(keys::CLIENTS.default)),
        clients_known: section
            .get(&keys::CLIENTS_KNOWN)
            .and_then(|field| field.boolean())
            .or(protocol.map(|set| set.clients_known))
            .unwrap_or(keys::CLIENTS_KNOWN.default),
        clients_in_tables: in_tables.unwrap_or(keys::CLIENTS_IN_TABLES.default),
        clients_span: section.place(&keys::CLIENTS).unwrap_or_default(),
        clients_in_tables_span: section.place(&keys::CLIENTS_IN_TABLES).unwrap_or_default(),
    }
}

/// Returns whether a text can name a region: it is a TOML key without quotes.
pub(super) fn is_name(text: &str) -> bool {
    let is_fine = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-');
    !text.is_empty() && text.bytes().all(is_fine)
}

impl Field<'_> {
    /// Reads a delay to draw, or one by the regions of both nodes.
    fn one_way(&self, folder: &Path) -> Option<OneWay> {
        match &self.value.node {
            Node::Table(table) if table.get(keys::REGIONS.name()).is_some() => {
                self.by_region(folder).map(OneWay::ByRegion)
            }
            _ => self.delay(folder).map(OneWay::Drawn),
        }
    }

    fn by_region(&self, folder: &Path) -> Option<RegionsSection> {
        let place = (Some(self.table()?), self.value.span);
        let known = keys::REGIONS_KEYS.iter().copied();
        let section = Section::new(self.report, place, &self.path, known);
        let source = section.required(&keys::REGIONS)?;
        let span = source.value.span;
        let weights = section.get(&keys::WEIGHTS).map(|field| field.weights());
        let floor_us = section.micros_or(&keys::FLOOR);
        let source = source.region_source(folder)?;
        Some(RegionsSection {
            source,
            span,
            weights: match weights {
                Some(weights) => Some(weights?),
                None => None,
            },
            floor_us,
        })
    }

    /// Reads the name of a built-in region file, or the path of a file whose name ends in `.toml`.
    fn region_source(&self, folder: &Path) -> Option<RegionSource> {
        let text = self.path()?;
        if let Some((name, _)) = BUILT_IN.iter().find(|(name, _)| *name == text) {
            return Some(RegionSource::BuiltIn(name));
        }
        if Path::new(text).extension().is_none_or(|end| end != "toml") {
            self.unknown_word(text, &BUILT_IN.map(|(name, _)| name));
            return None;
        }
        let (path, _) = self.file(folder)?;
        Some(RegionSource::File(path))
    }

    /// Reads shares by region, each from 0 to 1.
    fn region_shares(&self) -> Option<RegionShares> {
        let table = self.table()?;
        let shares = table.entries.iter().map(|entry| {
            let one = Field {
                report: self.report,
                path: format!("{}.{}", self.path, entry.key),
                takes: &SHARE,
                key: entry.span,
                value: &entry.value,
            };
            Some(RegionShare {
                region: entry.key.clone(),
                share: one.share()?,
                span: entry.span,
            })
        });
        // All are read before an error returns, so that all errors are reported at once.
        let shares: Vec<Option<RegionShare>> = shares.collect();
        shares.into_iter().collect::<Option<_>>().map(RegionShares)
    }

    /// Reads shares by region that sum to 1.
    pub(super) fn weights(&self) -> Option<RegionShares> {
        let shares = self.region_shares()?;
        let sum: f64 = shares.0.iter().map(|share| share.share).sum();
        if (sum - 1.0).abs() > WEIGHTS_OFF {
            let title = format!("`{}` sum to {sum}", self.path);
            let label = format!("allowed: {}", self.takes.allowed());
            self.report.error(&self.value.span, title, label);
            return None;
        }
        Some(shares)
    }

    fn clients(&self, link: &LinkSection) -> Option<ClientShares> {
        if !matches!(self.value.node, Node::Table(_)) {
            return self.number(&self.takes.allowed()).and_then(|share| {
                if !(0.0..1.0).contains(&share) {
                    self.is_not_allowed(&self.written());
                    return None;
                }
                Some(ClientShares::OfAll(share.abs()))
            });
        }
        if matches!(link.delay, OneWay::Drawn(_)) {
            let title = format!("`{}` by region needs `link.delay_ms` by region", self.path);
            let label = "allowed: a share of all nodes, or link.delay_ms = { regions = .. }";
            self.report.error(&self.value.span, title, label);
            return None;
        }
        self.region_shares().map(ClientShares::ByRegion)
    }
}
