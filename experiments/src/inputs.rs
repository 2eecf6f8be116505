//! Reads and checks the node lists and traces of an experiment before it runs.

mod churn;
mod link;
mod metrics;
mod nodes;
mod spec;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::StringArray;
use kadsim_engine::distribution::Quantiles;
use kadsim_engine::key::Key;
use kadsim_engine::link::Link;

pub use self::churn::{ChurnInputs, Listed, horizon_us};
pub use self::link::{LinkInputs, World, link, living_link};
use self::metrics::{Metrics, Names};
use self::nodes::{Generated, Imported, Named, Nodes};
pub use self::spec::{makeup, spec};
use crate::file::{
    self, Draft, Draw, Experiment, Hash, Invalid, Known, Loaded, OPERATIONS_MAX, Origin, Phase,
    Population, RegionFile, RegionSource, SHOWN_MAX, Sources, Span, Work, shown,
};
use crate::import::{self, ImportError, TraceRow};
use crate::watch::{Line, Stopped, Watch};

/// The nodes and traces of an experiment.
pub struct Inputs {
    /// Ids and keys, if they are imported.
    pub ids: Option<Arc<[(i64, Key)]>>,
    /// Ids of the listed nodes that are offline.
    pub offline: Arc<[i64]>,
    /// Label of each node in the order of keys, if the imported nodes have labels.
    pub labels: Option<Arc<StringArray>>,
    /// What the link is made of.
    pub link: LinkInputs,
    /// What the churn is made of.
    pub churn: ChurnInputs,
    /// The trace of each phase that has one, in the order of start.
    pub traces: Vec<Option<Arc<[TraceRow]>>>,
    /// Number of nodes.
    pub nodes: u32,
    /// Number of nodes that are online, the same in every network.
    pub online: u32,
    /// Operations of each phase in one network; over all phases at most [`OPERATIONS_MAX`].
    pub operations: Vec<u64>,
}

impl Inputs {
    /// Returns the number of nodes that are offline in each network.
    pub fn offline_count(&self) -> u32 {
        self.nodes - self.online
    }

    /// Returns the links of the experiment, of a network of any seed.
    pub fn link_of(&self, experiment: &Experiment) -> Box<dyn Link> {
        let makeup = makeup(experiment, &self.link, 0);
        link(experiment, &self.link, &makeup)
    }
}

/// Reason that the inputs of an experiment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The experiment is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The user has stopped the program.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Reads the experiment file `path` with `overrides`, as [`file::load`] does, and what it reads beside.
///
/// # Errors
///
/// Everything that is wrong with the experiment and with what it reads, at once, each with its place in the
/// experiment file; or the user has stopped the program.
pub fn load(
    path: &Path,
    overrides: &[String],
    watch: Watch<'_>,
) -> Result<(Loaded, Inputs), InputError> {
    of_draft(
        file::drafts(path, overrides)?.single()?,
        &mut Files::default(),
        watch,
    )
}

/// Reads the inputs of a draft. Returns them with the experiment if nothing is wrong.
///
/// # Errors
///
/// As of [`load`].
pub(crate) fn of_draft(
    draft: Draft,
    files: &mut Files,
    watch: Watch<'_>,
) -> Result<(Loaded, Inputs), InputError> {
    let errors = draft.wrong.into_iter().collect();
    let inputs = read_known(&draft.loaded, draft.known, errors, files, watch)?;
    Ok((draft.loaded, inputs))
}

/// Reads ids and traces, and checks what depends on them.
///
/// # Errors
///
/// Everything that is wrong, at once, each with its place in the experiment file; or the user has stopped the
/// program.
pub fn read(loaded: &Loaded, watch: Watch<'_>) -> Result<Inputs, InputError> {
    read_known(loaded, Known::ALL, Vec::new(), &mut Files::default(), watch)
}

/// Does what [`read`] does for an experiment with errors, some parts of which are unknown.
fn read_known(
    loaded: &Loaded,
    known: Known,
    errors: Vec<Invalid>,
    files: &mut Files,
    watch: Watch<'_>,
) -> Result<Inputs, InputError> {
    let experiment = &loaded.experiment;
    let mut reader = Reader {
        experiment,
        files,
        watch,
        sources: &loaded.sources,
        errors,
        keys: HashMap::new(),
    };
    let link = reader.link();
    let nodes = reader.nodes(known);
    let churn = reader.churn(&link, &nodes);
    reader.timeout(&nodes);
    reader.servers(&nodes, &link);
    let traces: Vec<_> = experiment
        .phases
        .iter()
        .map(|phase| match &phase.work {
            Work::Idle { .. } => None,
            Work::Trace { path, span, .. } => reader.trace(path, span, &nodes),
            Work::Drawn { origin, .. } => {
                reader.origin(phase, *origin, &nodes);
                None
            }
        })
        .collect();
    watch.go_on()?;
    let mut operations = Vec::new();
    if known.phases {
        operations = reader.operations(nodes.online(), &traces);
        for phase in &experiment.phases {
            reader.segments(phase, nodes.online(), &traces, &operations);
        }
        reader.metrics();
    }
    Invalid::merge(reader.errors)?;
    let imported = nodes.imported.as_deref();
    Ok(Inputs {
        ids: imported.map(|imported| Arc::clone(&imported.rows)),
        offline: imported.map_or_else(Arc::default, |imported| Arc::clone(&imported.offline)),
        labels: imported.and_then(|imported| imported.labels.clone()),
        link,
        churn,
        traces,
        nodes: nodes.count.unwrap_or(0),
        online: nodes.online().unwrap_or(0),
        operations,
    })
}

/// Files already read, so that experiments that share a file read it once.
#[derive(Default)]
pub(crate) struct Files {
    ids: HashMap<(PathBuf, Option<Hash>), Arc<Imported>>,
    /// By their path and the nodes that they may name.
    traces: HashMap<(PathBuf, Named), Arc<[TraceRow]>>,
    /// As `traces`.
    presence: HashMap<(PathBuf, Named), Listed>,
    quantiles: HashMap<PathBuf, Arc<Quantiles>>,
    regions: HashMap<RegionSource, Arc<RegionFile>>,
    metrics: Metrics,
}

struct Reader<'a> {
    experiment: &'a Experiment,
    sources: &'a Sources,
    files: &'a mut Files,
    watch: Watch<'a>,
    errors: Vec<Invalid>,
    /// Number of different keys in the trace of a phase, where it was needed.
    keys: HashMap<usize, u64>,
}

impl Reader<'_> {
    fn error(&mut self, span: &Span, title: String, label: impl Into<String>) {
        self.errors
            .push(self.sources.error(span, title, label.into()));
    }

    /// Shows that a file is being read.
    fn reading(&self, path: &Path) -> Line {
        let name = path.file_name().unwrap_or(path.as_os_str());
        self.watch.busy(format!("reading {}", name.display()))
    }

    fn nodes(&mut self, known: Known) -> Nodes {
        let mut nodes = Nodes::default();
        match &self.experiment.network.size {
            _ if !known.nodes => {}
            Population::Generated(count) => {
                nodes.count = Some(*count);
                nodes.generated = Some(Generated::of(self.experiment, *count));
            }
            Population::Imported { path, hash, span } => match self.ids(path, *hash) {
                Ok(imported) => {
                    nodes.count = u32::try_from(imported.rows.len()).ok();
                    nodes.imported = Some(imported);
                }
                Err(error) => self.error(span, error.to_string(), "named here"),
            },
        }
        if nodes.online() == Some(0) {
            self.all_offline(nodes.offline());
            return Nodes::default();
        }
        nodes
    }

    /// Reports that all `nodes` nodes are offline.
    fn all_offline(&mut self, nodes: u32) {
        let network = &self.experiment.network;
        let (what, label) = match &network.size {
            Population::Generated(_) => (
                format!("`network.offline` cannot be {}", network.offline),
                "allowed: a share that leaves a node online",
            ),
            Population::Imported { path, .. } => (
                format!("`network.ids` cannot be {}", path.display()),
                "allowed: a file with a node that is online",
            ),
        };
        let all = match nodes {
            1 => "the only node is offline".to_owned(),
            _ => format!("all {nodes} nodes are offline"),
        };
        self.error(network.absence(), format!("{what}: {all}"), label);
    }

    /// Returns which nodes files may name.
    fn named(&self) -> Named {
        match &self.experiment.network.size {
            Population::Generated(count) => {
                Named::Generated(Generated::of(self.experiment, *count))
            }
            Population::Imported { path, .. } => Named::Imported(path.clone()),
        }
    }

    /// Reports overhead if a contact to an offline node may take no time. Overhead would be charged in no order then.
    fn timeout(&mut self, nodes: &Nodes) {
        let (link, procedure) = (
            &self.experiment.link,
            self.experiment.lookup.rules.procedure,
        );
        let is_charged = link.overhead_us > 0 && procedure.is_by_clock();
        if nodes.offline() > 0 && is_charged && link.timeout.can_be_zero() {
            let title = "`link.timeout_ms` of 0 does not go with `link.overhead_ms` where nodes are offline";
            let label = "allowed: nobody offline, `link.timeout_ms` above 0, no overhead, or \
                         lookup.procedure = \"py-dht\"";
            self.error(self.experiment.network.absence(), title.to_owned(), label);
        }
    }

    fn ids(&mut self, path: &Path, hash: Option<Hash>) -> Result<Arc<Imported>, ImportError> {
        let file = (path.to_owned(), hash);
        if let Some(imported) = self.files.ids.get(&file) {
            return Ok(Arc::clone(imported));
        }
        let _line = self.reading(path);
        let list = import::read_ids(path, hash, self.watch)?;
        let nodes = list.nodes.into_iter();
        let rows: Arc<[_]> = nodes.map(|(id, key)| (id, Key(key))).collect();
        let imported = Arc::new(Imported {
            ids: rows.iter().map(|(id, _)| *id).collect(),
            rows,
            are_offline: list.offline.iter().copied().collect(),
            offline: list.offline.into(),
            labels: list.labels,
        });
        self.files.ids.insert(file, Arc::clone(&imported));
        Ok(imported)
    }

    fn trace(&mut self, path: &Path, span: &Span, nodes: &Nodes) -> Option<Arc<[TraceRow]>> {
        // An invalid path is reported already, and is empty here.
        if path.as_os_str().is_empty() {
            return None;
        }
        let file = (path.to_owned(), self.named());
        if let Some(rows) = self.files.traces.get(&file) {
            return Some(Arc::clone(rows));
        }
        let _line = self.reading(path);
        // Finding out whether a node is online in every network looks at each network, so results are kept.
        let mut known = HashMap::new();
        let wanted = |id| *known.entry(id).or_insert_with(|| nodes.wanted_instead(id));
        match import::read_trace(path, wanted, self.watch) {
            Ok(rows) => {
                let rows: Arc<[TraceRow]> = rows.into();
                self.files.traces.insert(file, Arc::clone(&rows));
                Some(rows)
            }
            Err(error) => {
                self.error(span, error.to_string(), "named here");
                None
            }
        }
    }

    fn origin(&mut self, phase: &Phase, origin: Origin, nodes: &Nodes) {
        let path = format!("phase.{}.origin", phase.name);
        let (title, label) = match (origin, nodes.online()) {
            (Origin::Node(id), _) if !nodes.has(id) => (
                format!("`{path}.node` cannot be {id}: there is no node {id}"),
                "allowed: the id of a node".to_owned(),
            ),
            (Origin::Node(id), _) => match nodes.first_without(id) {
                None => return,
                Some(network) => {
                    let place = match self.experiment.networks {
                        1 => String::new(),
                        _ => format!(" in network {network}"),
                    };
                    (
                        format!("`{path}.node` cannot be {id}: node {id} is offline{place}"),
                        "allowed: the id of a node that is online".to_owned(),
                    )
                }
            },
            (Origin::Sample(size), Some(count)) if size > count => {
                let (there, allowed) = match nodes.offline() {
                    0 => (format!("there are {count} nodes"), "number of nodes"),
                    _ => (format!("{count} nodes are online"), "nodes online"),
                };
                (
                    format!("`{path}.sample` cannot be {size}: {there}"),
                    format!("allowed: 1 to {count} (the {allowed})"),
                )
            }
            _ => return,
        };
        self.error(&phase.spans.origin, title, label);
    }

    /// Returns the number of operations of each phase if `online` nodes are online. Reports too many.
    fn operations(&mut self, online: Option<u32>, traces: &[Option<Arc<[TraceRow]>>]) -> Vec<u64> {
        let mut operations = Vec::new();
        let mut left = OPERATIONS_MAX;
        for (phase, trace) in self.experiment.phases.iter().zip(traces) {
            let count = match (&phase.work, trace) {
                (Work::Idle { .. }, _) => 0,
                (Work::Trace { .. }, trace) => trace.as_ref().map_or(0, |rows| rows.len() as u64),
                (
                    Work::Drawn {
                        origin,
                        pace,
                        withheld,
                        ..
                    },
                    _,
                ) => {
                    let origins = origin.nodes(online.unwrap_or(0)).unwrap_or(1);
                    let all = pace.operations(origins);
                    if *withheld > all {
                        self.withheld(phase, *withheld, all);
                    }
                    all.saturating_sub(*withheld)
                }
            };
            match left.checked_sub(count) {
                Some(rest) => left = rest,
                None => {
                    let title = format!("phase \"{}\" has too many operations", phase.name);
                    let label = format!("allowed: up to {OPERATIONS_MAX} over all phases");
                    self.error(&phase.spans.count, title, label);
                }
            }
            operations.push(count);
        }
        operations
    }

    fn withheld(&mut self, phase: &Phase, withheld: u64, all: u64) {
        let title = format!(
            "`phase.{}.withheld` cannot be {withheld}: there are {all} segments",
            phase.name
        );
        let label = format!("allowed: 0 to {all}");
        self.error(&phase.spans.withheld, title, label);
    }

    /// Reports a retrieve phase that asks for more segments than there are if `online` nodes are online.
    fn segments(
        &mut self,
        phase: &Phase,
        online: Option<u32>,
        traces: &[Option<Arc<[TraceRow]>>],
        operations: &[u64],
    ) {
        let Work::Drawn {
            origin,
            pace,
            segments: Some(provide),
            draw,
            ..
        } = &phase.work
        else {
            return;
        };
        let Some(online) = online.map(u64::from) else {
            return;
        };
        let provided = match &traces[*provide] {
            // A key that is provided twice is one segment.
            Some(rows) => *self.keys.entry(*provide).or_insert_with(|| {
                let keys: HashSet<_> = rows.iter().map(|row| row.key).collect();
                keys.len() as u64
            }),
            None => match self.experiment.phases[*provide].work {
                Work::Drawn {
                    withheld, parts, ..
                } => operations[*provide]
                    .saturating_add(withheld)
                    .saturating_mul(parts.into()),
                Work::Idle { .. } | Work::Trace { .. } => 0,
            },
        };
        let is_known = self.experiment.phases[*provide].work.is_counted();
        let pairs = (*draw == Draw::Distinct && *origin == Origin::Random)
            .then(|| online.saturating_mul(provided));
        let most = match pairs {
            _ if provided == 0 => 0,
            Some(pairs) => pairs,
            None if *draw == Draw::Distinct => provided,
            None => u64::MAX,
        };
        if let Some(count) = pace.count().filter(|count| is_known && *count > most) {
            let name = &self.experiment.phases[*provide].name;
            let title =
                format!("{count} segments asked for, but phase \"{name}\" provides {provided}");
            let label = format!("allowed: 0 to {most} without repetition");
            self.error(&phase.spans.count, title, label);
        } else if pairs.is_some_and(|pairs| pairs > 1 << 62) {
            let title =
                format!("{online} nodes times {provided} segments are too many to draw from");
            self.error(&phase.spans.count, title, "allowed: up to 2^62 pairs");
        } else if provided > 1 << 62 {
            let title = format!("{provided} parts of segments are too many to draw from");
            self.error(&phase.spans.count, title, "allowed: up to 2^62 parts");
        }
    }

    /// Reports expectations of metrics that the summary will not have.
    fn metrics(&mut self) {
        if self.experiment.expects.is_empty() {
            return;
        }
        let mut names = Names::of(self.experiment, &mut self.files.metrics);
        let mut wrong = Vec::new();
        for expect in &self.experiment.expects {
            let metric = expect.metric.as_str();
            if names.has(metric) {
                continue;
            }
            let title = format!("summary.json has no metric \"{}\"", shown(metric));
            // Errors past those that are shown need none.
            let wants_one = wrong.len() < SHOWN_MAX;
            let label = match wants_one.then(|| names.nearest(metric)).flatten() {
                Some(nearest) => format!("did you mean \"{nearest}\"?"),
                None => "allowed: a key of summary.json".to_owned(),
            };
            wrong.push(self.sources.error(&expect.span, title, label));
        }
        self.errors.append(&mut wrong);
    }
}
