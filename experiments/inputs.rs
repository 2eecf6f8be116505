//! What an experiment reads beside its own file, read and checked before anything is run.

use std::collections::HashSet;
use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::link::{Fault, UniformLink};
use kadsim_engine::random::Probability;
use kadsim_engine::{layout, routing};
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::step;

use crate::file::{
    Delay, ErrorRate, Experiment, Invalid, Layout, Loaded, Origin, Phase, Policy, Population,
    Procedure, Sources, Span, Stop, Work,
};
use crate::import::{self, TraceRow};
use crate::summary;

/// The nodes and traces of an experiment.
pub struct Inputs {
    /// Ids and keys, if they are imported.
    pub ids: Option<Vec<(i64, Key)>>,
    /// The trace of each phase that has one, in the order of start.
    pub traces: Vec<Option<Arc<[TraceRow]>>>,
    /// Number of nodes.
    pub nodes: u32,
}

/// Reads ids and traces, and checks what depends on them.
///
/// # Errors
///
/// Everything that is wrong, at once, each with its place in the experiment file.
pub fn read(loaded: &Loaded) -> Result<Inputs, Invalid> {
    let Loaded {
        experiment,
        sources,
    } = loaded;
    let mut errors = Vec::new();
    let mut ids = None;
    let mut nodes = None;
    match &experiment.network.size {
        Population::Generated(n) => nodes = Some(*n),
        Population::Imported { path, span, .. } => match import::read_ids(path) {
            Ok(rows) => {
                nodes = u32::try_from(rows.len()).ok();
                ids = Some(
                    rows.into_iter()
                        .map(|(id, key)| (id, Key(key)))
                        .collect::<Vec<_>>(),
                );
            }
            Err(error) => {
                errors.push(sources.error(span, error.to_string(), "named here".to_owned()))
            }
        },
    }
    let known = ids
        .as_ref()
        .map(|ids| ids.iter().map(|(id, _)| *id).collect::<HashSet<_>>());
    let exists = |id: i64| match (&known, nodes) {
        (Some(known), _) => known.contains(&id),
        (None, Some(nodes)) => (0..i64::from(nodes)).contains(&id),
        (None, None) => true,
    };
    let mut traces: Vec<Option<Arc<[TraceRow]>>> = Vec::new();
    for phase in &experiment.phases {
        let trace = match &phase.work {
            Work::Trace { path, span, .. } => match import::read_trace(path) {
                Ok(rows) => {
                    if let Some(row) = rows.iter().find(|row| !exists(row.origin)) {
                        let title = format!("{}: there is no node {}", path.display(), row.origin);
                        errors.push(sources.error(
                            span,
                            title,
                            "an origin must be one of the network's nodes".into(),
                        ));
                    }
                    Some(rows)
                }
                Err(error) => {
                    errors.push(sources.error(span, error.to_string(), "named here".to_owned()));
                    None
                }
            },
            Work::Drawn { origin, .. } => {
                errors.extend(check_origin(sources, &phase.span, *origin, nodes, exists));
                None
            }
        };
        traces.push(trace.map(Into::into));
    }
    for (place, phase) in experiment.phases.iter().enumerate() {
        errors.extend(check_segments(
            sources, experiment, &traces, nodes, place, phase,
        ));
    }
    let keys = summary::keys(experiment);
    for expect in &experiment.expects {
        if !keys.contains(&expect.metric) {
            let nearest = keys.iter().max_by(|a, b| {
                strsim::jaro_winkler(a, &expect.metric)
                    .total_cmp(&strsim::jaro_winkler(b, &expect.metric))
            });
            let title = format!("summary.json has no metric \"{}\"", expect.metric);
            let label = format!("did you mean \"{}\"?", nearest.map_or("", String::as_str));
            errors.push(sources.error(&expect.span, title, label));
        }
    }
    Invalid::merge(errors)?;
    Ok(Inputs {
        ids,
        traces,
        nodes: nodes.unwrap_or(0),
    })
}

fn check_origin(
    sources: &Sources,
    span: &Span,
    origin: Origin,
    nodes: Option<u32>,
    exists: impl Fn(i64) -> bool,
) -> Option<Invalid> {
    let nodes = nodes?;
    let title = match origin {
        Origin::Node(id) if !exists(id) => format!("there is no node {id}"),
        Origin::Sample(size) if size > nodes => format!("a sample of {size} of {nodes} nodes"),
        _ => return None,
    };
    Some(sources.error(span, title, "in this phase's origin".to_owned()))
}

/// A retrieve phase must find as many segments as it asks for.
fn check_segments(
    sources: &Sources,
    experiment: &Experiment,
    traces: &[Option<Arc<[TraceRow]>>],
    nodes: Option<u32>,
    place: usize,
    phase: &Phase,
) -> Option<Invalid> {
    let Work::Drawn {
        origin,
        count,
        segments: Some(provide),
        draw,
        ..
    } = &phase.work
    else {
        return None;
    };
    let nodes = u64::from(nodes?);
    let provided = match &traces[*provide] {
        Some(rows) => rows.len() as u64,
        None => crate::estimate::operations(&experiment.phases[*provide], nodes),
    };
    debug_assert!(*provide < place);
    let name = &experiment.phases[*provide].name;
    let most = match (draw, origin) {
        _ if provided == 0 => 0,
        (crate::file::Draw::Distinct, Origin::Random) => nodes.saturating_mul(provided),
        (crate::file::Draw::Distinct, _) => provided,
        _ => u64::MAX,
    };
    if *count > most {
        let title = format!("{count} segments asked for, but phase \"{name}\" provides {provided}");
        return Some(sources.error(
            &phase.span,
            title,
            format!("at most {most} without repetition"),
        ));
    }
    (nodes.saturating_mul(provided) > 1 << 62).then(|| {
        let title = format!("{nodes} nodes times {provided} segments are too many to draw from");
        sources.error(&phase.span, title, "at most 2^62 pairs".to_owned())
    })
}

/// What the engine makes of the experiment, for a network with this seed.
pub fn spec(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Spec {
    let link = &experiment.link;
    let nodes = match &inputs.ids {
        Some(ids) => NodeSet::Imported(ids.clone()),
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
        layout: match experiment.layout {
            Layout::Dense => layout::LayoutKind::Dense,
            Layout::Packed => layout::LayoutKind::Packed,
            Layout::Implicit => layout::LayoutKind::Implicit,
        },
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
        Delay::Choice(delays) => kadsim_engine::link::Delay::Choice(delays.clone()),
    }
}

fn fault(error: &ErrorRate) -> Fault {
    Fault {
        probability: Probability::new(error.rate),
        delay: delay(&error.delay),
    }
}
