//! The resolved experiment: every value known, every unit in its name, nothing left to a default.

use std::ops::Range;
use std::path::PathBuf;

use kadsim_engine::routing::Join;
use kadsim_systems::maintenance::Maintenance;
use kadsim_systems::rules::Rules;

use super::churn::{ChurnSection, MaintenanceSection, RecordsSection};
use super::defaults::{DEFAULT_DEADLINE_FROM, DEFAULT_DELAY};
use super::delay::{Delay, ErrorRate};
use super::diagnostic::Span;
use super::phase::{Phase, PhaseSpans, Tables, Work};
use super::regions::{ClientShares, OneWay};
use super::words::{Hash, Layout, Policy};

/// An experiment. Two are equal if they mean the same run; places in the text do not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Name of the run's folder; `[a-z0-9_-]+`.
    pub name: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Independent networks, 1 to [`NETWORKS_MAX`](super::defaults::NETWORKS_MAX).
    pub networks: u32,
    /// The nodes and what they know at first.
    pub network: NetworkSection,
    /// How lookups are made.
    pub lookup: LookupSection,
    /// What contacts cost and how they fail.
    pub link: LinkSection,
    /// Which nodes answer requests.
    pub reachability: ReachabilitySection,
    /// How nodes come and go, if they do.
    pub churn: Option<ChurnSection>,
    /// What routing tables learn, and how they follow who is online.
    pub maintenance: Option<MaintenanceSection>,
    /// How long segments are held and when they are provided again, if the file or the rules say so.
    pub records: Option<RecordsSection>,
    /// Time that one row of the ticks table covers, in microseconds, from 1.
    pub tick_us: u64,
    /// How tables lie in memory.
    pub layout: Layout,
    /// Whether operations run as events even where each could run whole.
    pub events: bool,
    /// The phases, in order; at least one.
    pub phases: Vec<Phase>,
    /// What is written.
    pub output: OutputSection,
    /// What the results are checked against.
    pub expects: Vec<Expect>,
}

/// `[network]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSection {
    /// `nodes` or `ids`.
    pub size: Population,
    /// k, 1 to 255.
    pub bucket_size: u8,
    /// Which candidates a bucket keeps where full knowledge gives a table.
    pub bootstrap: Policy,
    /// Time in which the number of nodes doubles while they join one after the other before the first phase, in
    /// microseconds, above 0; `None` if full knowledge gives the first tables.
    pub doubling_us: Option<u64>,
    /// Place of `nodes` or `ids` in the text.
    pub size_span: Span,
    /// Share of generated nodes that are offline, from 0 up to but below 1; 0 of imported ones.
    pub offline: f64,
    /// Place of `offline` in the text, if it is there.
    pub offline_span: Span,
}

impl NetworkSection {
    /// Returns the number of offline nodes among `nodes` generated ones: the share, rounded, halves away from 0.
    pub fn offline_of(&self, nodes: u32) -> u32 {
        (self.offline * f64::from(nodes)).round() as u32
    }

    /// Returns the place in the text that decides which nodes are offline.
    pub fn absence(&self) -> &Span {
        match &self.size {
            Population::Generated(_) => &self.offline_span,
            Population::Imported { span, .. } => span,
        }
    }
}

/// Where the nodes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Population {
    /// This many nodes with ids from 0; 1 to [`NODES_MAX`](super::defaults::NODES_MAX).
    Generated(u32),
    /// Ids and keys from a table.
    Imported {
        /// Absolute path.
        path: PathBuf,
        /// Hash that makes keys from peer ids, for a file without keys.
        hash: Option<Hash>,
        /// Place of the path in the text.
        span: Span,
    },
}

/// `[lookup]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupSection {
    /// How lookups are run: alpha up to [`ALPHA_MAX`](super::defaults::ALPHA_MAX), beta up to
    /// [`BETA_MAX`](super::defaults::BETA_MAX), steps to stop up to
    /// [`STEPS_TO_STOP_MAX`](super::defaults::STEPS_TO_STOP_MAX), all from 1.
    pub rules: Rules,
    /// Entries that an answer names, 1 to 255.
    pub answer: u8,
    /// Places of its keys in the text.
    pub spans: LookupSpans,
}

/// Places of the keys of `[lookup]` in the text. A key that is absent has the default span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupSpans {
    /// Its `alpha`.
    pub alpha: Span,
    /// Its `beta`.
    pub beta: Span,
    /// Its `steps_to_stop`.
    pub steps_to_stop: Span,
}

/// `[link]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSection {
    /// Delay of one way. A successful request costs two for each round trip.
    pub delay: OneWay,
    /// Mean of the exponential time that is added to each message, in microseconds; 0 for none.
    pub jitter_us: u64,
    /// Round trips of a contact, 1 to [`ROUND_TRIPS_MAX`](super::defaults::ROUND_TRIPS_MAX).
    pub round_trips: u32,
    /// Contacts that fail fast.
    pub fast_error: Option<ErrorRate>,
    /// Contacts that fail slowly, of those that do not fail fast.
    pub slow_error: Option<ErrorRate>,
    /// Cost of a contact to a node that is offline. By default that of the rules of a protocol, else the slow error's delay,
    /// else [`DEFAULT_DELAY`].
    pub timeout: Delay,
    /// gamma, in microseconds. If it is above 0, every contact takes time, except under
    /// [`Procedure::PyDht`](super::words::Procedure::PyDht).
    pub overhead_us: u64,
    /// Places of its keys in the text.
    pub spans: LinkSpans,
}

/// Places of the keys of `[link]` in the text; of a key that is absent, that of the section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkSpans {
    /// Its `delay_ms`.
    pub delay: Span,
    /// Its `timeout_ms`.
    pub timeout: Span,
    /// Its `overhead_ms`.
    pub overhead: Span,
}

impl LinkSection {
    /// Returns the default of `timeout` where no rules have one.
    pub fn default_timeout(&self) -> Delay {
        self.slow_error
            .as_ref()
            .map_or(DEFAULT_DELAY, |error| error.delay.clone())
    }

    /// Returns whether each contact to an online node takes time. An error of rate 0 does not count; one of rate 1 hides
    /// no other.
    pub fn takes_time(&self) -> bool {
        // A new key does not compile before it is handled here.
        let Self {
            delay,
            jitter_us: _,
            round_trips: _,
            fast_error,
            slow_error,
            timeout: _,
            overhead_us: _,
            spans: _,
        } = self;
        let mut errors = [fast_error, slow_error].into_iter().flatten();
        let takes_none = |error: &ErrorRate| error.rate > 0.0 && error.delay.can_be_zero();
        !delay.can_be_zero() && !errors.any(takes_none)
    }
}

/// `[reachability]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReachabilitySection {
    /// The nodes that answer no request.
    pub clients: ClientShares,
    /// Whether nodes keep clients out of what they learn.
    pub clients_known: bool,
    /// Share of the entries of bootstrapped tables that are clients, 0 to 1.
    pub clients_in_tables: f64,
    /// Place of `clients` in the text, if it is there.
    pub clients_span: Span,
    /// Place of `clients_in_tables` in the text, if it is there.
    pub clients_in_tables_span: Span,
}

/// `[output]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutputSection {
    /// Folder for the run's folder, relative to the working directory; not empty.
    pub dir: String,
    /// Which tables are written.
    pub tables: Tables,
    /// Whether operations carry the result list.
    pub results: bool,
    /// Whether nodes carry how many routing tables name them.
    pub in_degree: bool,
    /// Period at which the freshness of routing tables is counted, µs; `None`: 100 times in a phase.
    pub freshness_us: Option<u64>,
    /// Place of `tables` in the text.
    pub tables_span: Span,
}

/// Name of the phase in which networks grow by joins.
pub const JOINS: &str = "bootstrap";

impl Experiment {
    /// Returns the phase in which networks grow by joins, if they do. It comes before all others; in the tables its number
    /// is the one after theirs.
    pub fn joins(&self) -> Option<Phase> {
        self.network.doubling_us.map(|_| Phase {
            name: JOINS.to_owned(),
            // It takes as long as the joins do.
            work: Work::Idle { duration_us: 0 },
            start_us: None,
            parallel: None,
            reset_overhead: false,
            max_us: None,
            deadlines_us: Vec::new(),
            deadline_from: DEFAULT_DEADLINE_FROM,
            spans: PhaseSpans::default(),
        })
    }

    /// Returns the names of the phases that tables and summary have, by number.
    pub fn phase_names(&self) -> Vec<String> {
        let names = self.phases.iter().map(|phase| phase.name.clone());
        names.chain(self.joins().map(|phase| phase.name)).collect()
    }

    /// Returns the groups of phases that may be in flight at the same time, as ranges of [`Experiment::phases`], in order.
    pub fn overlapping(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = |&place: &usize| place == 0 || self.phases[place].start_us.is_none();
        let begins: Vec<usize> = (0..self.phases.len()).filter(starts).collect();
        let ends: Vec<usize> = begins
            .iter()
            .skip(1)
            .copied()
            .chain([self.phases.len()])
            .collect();
        begins.into_iter().zip(ends).map(|(begin, end)| begin..end)
    }

    /// Returns whether tables and summary have what living runs record.
    pub fn has_living_columns(&self) -> bool {
        let has_clients = self.reachability.clients != ClientShares::OfAll(0.0);
        self.is_living() || has_clients || matches!(self.link.delay, OneWay::ByRegion(_))
    }

    /// Returns the period at which the freshness of routing tables is counted in a phase, µs; `None` if it is not.
    pub fn freshness_us(&self, phase: &Phase) -> Option<u64> {
        let length_us = phase.length_us().filter(|&length_us| length_us > 0);
        let hundredth_us = length_us.map(|length_us| (length_us / 100).max(1));
        let period_us = self.output.freshness_us.or(hundredth_us);
        period_us.filter(|_| self.has_living_columns())
    }

    /// Returns that period for the joins by which a network grows, the last of which begins at `last_us`.
    pub fn joins_freshness_us(&self, last_us: u64) -> u64 {
        self.output.freshness_us.unwrap_or((last_us / 100).max(1))
    }

    /// Returns whether the network is living: nodes come and go, tables are maintained, or records expire.
    pub fn is_living(&self) -> bool {
        self.churn.is_some() || self.maintenance.is_some() || self.records.is_some()
    }

    /// Returns how nodes keep their routing tables and how they join, with nobody known; `None` if no traffic changes a
    /// table and no record.
    pub fn maintenance(&self) -> Option<Maintenance> {
        let section = self.maintenance.as_ref();
        let mut kept = section.map_or_else(Maintenance::default, |section| section.kept.clone());
        let acts = section.is_some_and(MaintenanceSection::acts);
        let churn = self.churn.as_ref();
        let joins = churn.is_some_and(|churn| churn.join == Join::Protocol);
        let looks_after = self.records.is_some_and(|records| records.acts());
        if let Some(churn) = churn {
            kept.joining.knows = churn.knows;
            kept.joining.refresh = churn.join_refresh;
        }
        (acts || joins || looks_after).then_some(kept)
    }

    /// Returns whether recall is measured after each lookup: the operations table is written, or an expectation names
    /// recall.
    pub fn wants_recall(&self) -> bool {
        let of_recall = |expect: &Expect| expect.metric.contains(".recall.");
        self.output.tables.operations || self.expects.iter().any(of_recall)
    }
}

/// One `[[expect]]`: the experiment fails unless the metric lies within the bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// A key of summary.json.
    pub metric: String,
    /// Smallest value that holds; finite.
    pub low: f64,
    /// Largest value that holds; finite, at least `low`.
    pub high: f64,
    /// Where the bounds come from.
    pub source: Option<String>,
    /// Place of the metric in the text.
    pub span: Span,
}
