//! What an experiment reads beside its own file, read and checked before anything is run.

mod metrics;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use kadsim_engine::key::Key;
use kadsim_engine::link::{Fault, UniformLink};
use kadsim_engine::random::Probability;
use kadsim_engine::routing;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::step;

use self::metrics::{Metrics, Names};
use crate::file::{
    self, Delay, Draft, Draw, ErrorRate, Experiment, Invalid, Known, Loaded, OPERATIONS_MAX,
    Origin, Phase, Policy, Population, Procedure, SHOWN_MAX, Sources, Span, Stop, Work, shown,
};
use crate::import::{self, ImportError, TraceRow};
use crate::watch::{Stopped, Watch};

/// The nodes and traces of an experiment.
pub struct Inputs {
    /// Ids and keys, if they are imported.
    pub ids: Option<Arc<[(i64, Key)]>>,
    /// The trace of each phase that has one, in the order of start.
    pub traces: Vec<Option<Arc<[TraceRow]>>>,
    /// Number of nodes.
    pub nodes: u32,
    /// Operations of each phase in one network; over all phases at most [`OPERATIONS_MAX`].
    pub operations: Vec<u64>,
}

/// Why an experiment has no inputs.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The experiment is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Somebody has asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Reads the experiment file `path` with `overrides`, as [`file::load`] does, and what it reads beside.
///
/// # Errors
///
/// Everything that is wrong with the experiment and with what it reads, at once, each with its place in the
/// experiment file; or somebody has asked to stop.
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

/// What a draft reads, and the experiment that it is if nothing is wrong.
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
/// Everything that is wrong, at once, each with its place in the experiment file; or somebody has asked to
/// stop.
pub fn read(loaded: &Loaded, watch: Watch<'_>) -> Result<Inputs, InputError> {
    read_known(loaded, Known::ALL, Vec::new(), &mut Files::default(), watch)
}

/// As [`read`], of an experiment of which not all is known, as there are errors.
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
    let nodes = reader.nodes(known);
    let traces: Vec<_> = experiment
        .phases
        .iter()
        .map(|phase| match &phase.work {
            Work::Trace { path, span } => reader.trace(path, span, &nodes),
            Work::Drawn { origin, .. } => {
                reader.origin(phase, *origin, &nodes);
                None
            }
        })
        .collect();
    watch.go_on()?;
    let mut operations = Vec::new();
    if known.phases {
        operations = reader.operations(nodes.count, &traces);
        for phase in &experiment.phases {
            reader.segments(phase, nodes.count, &traces, &operations);
        }
        reader.metrics();
    }
    Invalid::merge(reader.errors)?;
    Ok(Inputs {
        ids: nodes.imported.map(|imported| imported.rows.clone()),
        traces,
        nodes: nodes.count.unwrap_or(0),
        operations,
    })
}

/// Files that have been read, so that experiments that share them read each once.
#[derive(Default)]
pub(crate) struct Files {
    ids: HashMap<PathBuf, Arc<Imported>>,
    /// By their path and the nodes that they may name.
    traces: HashMap<(PathBuf, Named), Arc<[TraceRow]>>,
    metrics: Metrics,
}

/// Nodes from a file.
struct Imported {
    rows: Arc<[(i64, Key)]>,
    ids: HashSet<i64>,
}

/// The nodes that a trace may name: how many there are, or the file that they are in.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Named {
    Generated(u32),
    Imported(PathBuf),
}

/// The nodes, as far as they are known: an error may keep them from being read.
struct Nodes {
    imported: Option<Arc<Imported>>,
    count: Option<u32>,
}

impl Nodes {
    /// Whether there is a node of this id, or may be.
    fn has(&self, id: i64) -> bool {
        match (&self.imported, self.count) {
            (Some(imported), _) => imported.ids.contains(&id),
            (None, Some(count)) => (0..i64::from(count)).contains(&id),
            (None, None) => true,
        }
    }
}

struct Reader<'a> {
    experiment: &'a Experiment,
    sources: &'a Sources,
    files: &'a mut Files,
    watch: Watch<'a>,
    errors: Vec<Invalid>,
    /// How many different keys the trace of a phase has, where that was asked for.
    keys: HashMap<usize, u64>,
}

impl Reader<'_> {
    fn error(&mut self, span: &Span, title: String, label: impl Into<String>) {
        self.errors
            .push(self.sources.error(span, title, label.into()));
    }

    /// Shows that a file is being read.
    fn reading(&self, path: &Path) -> ProgressBar {
        let name = path.file_name().unwrap_or(path.as_os_str());
        self.watch.busy(format!("reading {}", name.display()))
    }

    fn nodes(&mut self, known: Known) -> Nodes {
        let mut nodes = Nodes {
            imported: None,
            count: None,
        };
        match &self.experiment.network.size {
            _ if !known.nodes => {}
            Population::Generated(count) => nodes.count = Some(*count),
            Population::Imported { path, span } => match self.ids(path) {
                Ok(imported) => {
                    nodes.count = u32::try_from(imported.rows.len()).ok();
                    nodes.imported = Some(imported);
                }
                Err(error) => self.error(span, error.to_string(), "named here"),
            },
        }
        nodes
    }

    fn ids(&mut self, path: &Path) -> Result<Arc<Imported>, ImportError> {
        if let Some(imported) = self.files.ids.get(path) {
            return Ok(Arc::clone(imported));
        }
        let _line = self.reading(path);
        let rows = import::read_ids(path, self.watch)?;
        let imported = Arc::new(Imported {
            ids: rows.iter().map(|(id, _)| *id).collect(),
            rows: rows.into_iter().map(|(id, key)| (id, Key(key))).collect(),
        });
        self.files
            .ids
            .insert(path.to_owned(), Arc::clone(&imported));
        Ok(imported)
    }

    fn trace(&mut self, path: &Path, span: &Span, nodes: &Nodes) -> Option<Arc<[TraceRow]>> {
        // A path that is none is an error already.
        if path.as_os_str().is_empty() {
            return None;
        }
        let named = match &self.experiment.network.size {
            Population::Generated(count) => Named::Generated(*count),
            Population::Imported { path, .. } => Named::Imported(path.clone()),
        };
        let file = (path.to_owned(), named);
        if let Some(rows) = self.files.traces.get(&file) {
            return Some(Arc::clone(rows));
        }
        let _line = self.reading(path);
        match import::read_trace(path, |id| nodes.has(id), self.watch) {
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
        let (title, label) = match (origin, nodes.count) {
            (Origin::Node(id), _) if !nodes.has(id) => (
                format!("`{path}.node` cannot be {id}: there is no node {id}"),
                "allowed: the id of a node".to_owned(),
            ),
            (Origin::Sample(size), Some(count)) if size > count => (
                format!("`{path}.sample` cannot be {size}: there are {count} nodes"),
                format!("allowed: 1 to {count} (the number of nodes)"),
            ),
            _ => return,
        };
        self.error(&phase.spans.origin, title, label);
    }

    /// Operations of each phase, which are not too many.
    fn operations(&mut self, nodes: Option<u32>, traces: &[Option<Arc<[TraceRow]>>]) -> Vec<u64> {
        let mut operations = Vec::new();
        let mut left = OPERATIONS_MAX;
        for (phase, trace) in self.experiment.phases.iter().zip(traces) {
            let count = match (&phase.work, trace) {
                (Work::Trace { .. }, trace) => trace.as_ref().map_or(0, |rows| rows.len() as u64),
                (
                    Work::Drawn {
                        origin,
                        count,
                        withheld,
                        ..
                    },
                    _,
                ) => {
                    let origins = origin.nodes(nodes.unwrap_or(0)).unwrap_or(1);
                    let all = count.saturating_mul(origins);
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

    /// A retrieve phase must find as many segments as it asks for.
    fn segments(
        &mut self,
        phase: &Phase,
        nodes: Option<u32>,
        traces: &[Option<Arc<[TraceRow]>>],
        operations: &[u64],
    ) {
        let Work::Drawn {
            origin,
            count,
            segments: Some(provide),
            draw,
            ..
        } = &phase.work
        else {
            return;
        };
        let Some(nodes) = nodes.map(u64::from) else {
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
                Work::Trace { .. } => 0,
            },
        };
        let pairs = (*draw == Draw::Distinct && *origin == Origin::Random)
            .then(|| nodes.saturating_mul(provided));
        let most = match pairs {
            _ if provided == 0 => 0,
            Some(pairs) => pairs,
            None if *draw == Draw::Distinct => provided,
            None => u64::MAX,
        };
        if *count > most {
            let name = &self.experiment.phases[*provide].name;
            let title =
                format!("{count} segments asked for, but phase \"{name}\" provides {provided}");
            let label = format!("allowed: 0 to {most} without repetition");
            self.error(&phase.spans.count, title, label);
        } else if pairs.is_some_and(|pairs| pairs > 1 << 62) {
            let title =
                format!("{nodes} nodes times {provided} segments are too many to draw from");
            self.error(&phase.spans.count, title, "allowed: up to 2^62 pairs");
        } else if provided > 1 << 62 {
            let title = format!("{provided} parts of segments are too many to draw from");
            self.error(&phase.spans.count, title, "allowed: up to 2^62 parts");
        }
    }

    /// What is expected must be a key of the summary.
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

/// What the engine makes of the experiment, for a network with this seed.
pub fn spec(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Spec {
    let link = &experiment.link;
    let nodes = match &inputs.ids {
        Some(ids) => NodeSet::Imported(ids.to_vec()),
        None => NodeSet::Generated(inputs.nodes),
    };
    Spec {
        nodes,
        seed,
        bucket_size: experiment.network.bucket_size,
        policy: match experiment.network.bootstrap {
            Policy::Closest => routing::Policy::Closest,
            Policy::Random => routing::Policy::Random,
        },
        layout: experiment.layout,
        rules: step::Rules {
            alpha: experiment.lookup.alpha,
            beta: experiment.lookup.beta,
            steps_to_stop: experiment.lookup.steps_to_stop,
            stop: match experiment.lookup.stop {
                Stop::NoProgress => step::Stop::NoProgress,
                Stop::ClosestAnswered => step::Stop::ClosestAnswered,
            },
            procedure: match experiment.lookup.procedure {
                Procedure::Iterative => step::Procedure::Iterative,
                Procedure::PyDht => step::Procedure::PyDht,
                Procedure::Rfm19 => step::Procedure::Rfm19,
            },
        },
        link: Box::new(UniformLink {
            delay: delay(&link.delay),
            fast_error: link.fast_error.as_ref().map(fault),
            slow_error: link.slow_error.as_ref().map(fault),
            timeout: delay(&link.timeout),
        }),
        overhead_us: link.overhead_us,
        tick_us: experiment.tick_us,
    }
}

fn delay(delay: &Delay) -> kadsim_engine::link::Delay {
    match delay {
        Delay::Constant(delay) => kadsim_engine::link::Delay::Constant(*delay),
        Delay::Uniform { low, high } => kadsim_engine::link::Delay::Uniform {
            low: *low,
            high: *high,
        },
        Delay::Choice(delays) => kadsim_engine::link::Delay::Choice(delays.to_vec()),
    }
}

fn fault(error: &ErrorRate) -> Fault {
    Fault {
        probability: Probability::new(error.rate),
        delay: delay(&error.delay),
    }
}
