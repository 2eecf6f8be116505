//! The resolved experiment: every value known, every unit in its name, nothing left to a default.

use std::ops::Range;
use std::path::PathBuf;

use super::defaults::DEFAULT_DELAY;
use super::delay::{Delay, ErrorRate};
use super::diagnostic::Span;
use super::phase::{Phase, Tables};
use super::words::{Hash, Layout, Policy, Procedure, Stop};

/// What to run. Two are equal if they mean the same run: places in the text do not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Name of the run's folder; `[a-z0-9_-]+`.
    pub name: String,
    /// What every draw depends on.
    pub seed: u64,
    /// Independent networks, 1 to [`NETWORKS_MAX`].
    pub networks: u32,
    /// The nodes and what they know at first.
    pub network: NetworkSection,
    /// How lookups go about.
    pub lookup: LookupSection,
    /// What contacts cost and how they fail.
    pub link: LinkSection,
    /// Time that one row of the ticks table covers, in microseconds, from 1.
    pub tick_us: u64,
    /// How tables lie in memory.
    pub layout: Layout,
    /// What happens, in this order; at least one.
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
    /// Which candidates a bucket keeps.
    pub bootstrap: Policy,
    /// Where the file says how many nodes there are, or names their file.
    pub size_span: Span,
    /// Share of generated nodes that are offline, from 0 up to but below 1; 0 of imported ones.
    pub offline: f64,
    /// Where the file says it, if it does.
    pub offline_span: Span,
}

impl NetworkSection {
    /// How many of this many generated nodes are offline: the share of them, rounded, half away from 0.
    pub fn offline_of(&self, nodes: u32) -> u32 {
        (self.offline * f64::from(nodes)).round() as u32
    }

    /// Where the file says which nodes are offline.
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
    /// So many nodes with ids from 0, 1 to [`NODES_MAX`].
    Generated(u32),
    /// Ids and keys from a table.
    Imported {
        /// Where it is; absolute.
        path: PathBuf,
        /// What makes keys from its peer ids, if its keys are not there.
        hash: Option<Hash>,
        /// Where the file says it.
        span: Span,
    },
}

/// `[lookup]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupSection {
    /// Contacts in flight, 1 to [`ALPHA_MAX`].
    pub alpha: u32,
    /// Nodes in a result, 1 to [`BETA_MAX`].
    pub beta: u32,
    /// Answers in a row without progress that end a lookup, 1 to [`STEPS_TO_STOP_MAX`].
    pub steps_to_stop: u32,
    /// The stop rule.
    pub stop: Stop,
    /// The schedule of contacts. [`Stop::ClosestAnswered`] only with [`Procedure::Iterative`].
    pub procedure: Procedure,
    /// Where in the text it is.
    pub spans: LookupSpans,
}

/// Where what `[lookup]` says stands in the text; nowhere for what it does not say.
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
    /// Of one way; a successful request costs two.
    pub delay: Delay,
    /// Contacts that fail fast.
    pub fast_error: Option<ErrorRate>,
    /// Contacts that fail slowly, of those that do not fail fast.
    pub slow_error: Option<ErrorRate>,
    /// What contacting a node that is not there costs. Not told: the slow error's delay, else [`DEFAULT_DELAY`].
    pub timeout: Delay,
    /// gamma, in microseconds. Where it is not 0, no contact takes no time, unless by [`Procedure::PyDht`].
    pub overhead_us: u64,
}

impl LinkSection {
    /// What `timeout` is where the file does not tell.
    pub fn default_timeout(&self) -> Delay {
        self.slow_error
            .as_ref()
            .map_or(DEFAULT_DELAY, |error| error.delay.clone())
    }

    /// The shortest time that a contact to a node that is online can take, in microseconds: how far an engine may look
    /// ahead where all are. An error of rate 0 does not count; one of rate 1 hides no other.
    pub fn lookahead_us(&self) -> u64 {
        let errors = [&self.fast_error, &self.slow_error].into_iter().flatten();
        let errors = errors
            .filter(|error| error.rate > 0.0)
            .map(|error| error.delay.shortest_us());
        errors.fold(2 * self.delay.shortest_us(), u64::min)
    }
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
    /// Where the file says which tables.
    pub tables_span: Span,
}

impl Experiment {
    /// The phases that may be in flight at the same time, as ranges of [`Experiment::phases`], in order.
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

    /// Whether the true closest nodes are looked for after each lookup: somebody asked for the operations
    /// table, or expects something of recall.
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
    /// Where the metric stands.
    pub span: Span,
}
