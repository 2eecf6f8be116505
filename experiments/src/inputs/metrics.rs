//! The keys of `summary.json` that an experiment will have, for checking its `[[expect]]`s.
//!
//! Phases with the same deadlines have the same keys but for their name. So the keys are made once for such phases, and
//! once for the cells of a sweep, with `*` in the place of the name.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::file::{Experiment, NetworkSection, OutputSection, Phase};
use crate::summary;

/// Placeholder for a phase's name.
const ANY: &str = "*";

/// Keys with [`ANY`] for the phase's name.
type Keys = Arc<BTreeSet<String>>;

/// Everything but the name that the keys of a phase depend on: whether there are several networks, the output section,
/// the deadlines, whether the phase can be cut off, and whether there are columns of living runs.
type Shape = (bool, OutputSection, Vec<u64>, bool, bool);

/// Cache of keys.
#[derive(Default)]
pub(super) struct Metrics(HashMap<Shape, Keys>);

/// The keys of one experiment.
pub(super) struct Names<'a> {
    phases: HashMap<String, Cow<'a, Phase>>,
    /// The experiment without its phases.
    frame: Experiment,
    made: &'a mut Metrics,
}

impl<'a> Names<'a> {
    pub(super) fn of(experiment: &'a Experiment, made: &'a mut Metrics) -> Self {
        let frame = Experiment {
            name: String::new(),
            network: NetworkSection {
                doubling_us: None,
                ..experiment.network.clone()
            },
            lookup: experiment.lookup.clone(),
            reachability: experiment.reachability.clone(),
            link: experiment.link.clone(),
            churn: experiment.churn.clone(),
            maintenance: experiment.maintenance.clone(),
            output: experiment.output.clone(),
            phases: Vec::new(),
            expects: Vec::new(),
            ..*experiment
        };
        let phases = experiment.phases.iter().map(Cow::Borrowed);
        let phases = phases.chain(experiment.joins().map(Cow::Owned));
        Self {
            phases: phases.map(|phase| (phase.name.clone(), phase)).collect(),
            frame,
            made,
        }
    }

    /// Returns whether the summary has this metric.
    pub(super) fn has(&mut self, metric: &str) -> bool {
        let (of_nodes, name, behind) = split(metric);
        match self.phases.get(name).cloned() {
            Some(phase) => self.keys(&phase).contains(&join(of_nodes, ANY, behind)),
            None => false,
        }
    }

    /// Returns the metric most similar to this one, of the phase with the most similar name.
    pub(super) fn nearest(&mut self, metric: &str) -> Option<String> {
        let (_, name, _) = split(metric);
        let phase = match self.phases.get(name) {
            Some(phase) => phase,
            None => {
                let phases = self.phases.iter();
                nearest(name, phases.map(|(name, phase)| (name.as_str(), phase)))?
            }
        };
        let phase = phase.clone();
        let of_phase = |key: &String| {
            let (of_nodes, _, behind) = split(key);
            join(of_nodes, &phase.name, behind)
        };
        let keys: Vec<String> = self.keys(&phase).iter().map(of_phase).collect();
        nearest(metric, keys.iter().map(|key| (key.as_str(), key))).cloned()
    }

    /// Returns the keys of a phase, with [`ANY`] for its name.
    fn keys(&mut self, phase: &Phase) -> Keys {
        let shape = (
            self.frame.networks > 1,
            self.frame.output.clone(),
            phase.deadlines_us.clone(),
            phase.max_us.is_some(),
            self.frame.has_living_columns(),
        );
        let make = || {
            self.frame.phases = vec![Phase {
                name: ANY.to_owned(),
                ..phase.clone()
            }];
            Arc::new(summary::keys(&self.frame).into_iter().collect())
        };
        Arc::clone(self.made.0.entry(shape).or_insert_with(make))
    }
}

/// Splits a metric: whether it is one of nodes, the phase's name, and the rest.
fn split(metric: &str) -> (bool, &str, &str) {
    let (of_nodes, rest) = match metric.strip_prefix("nodes.") {
        Some(rest) => (true, rest),
        None => (false, metric),
    };
    let (name, behind) = rest.split_once('.').unwrap_or((rest, ""));
    (of_nodes, name, behind)
}

fn join(of_nodes: bool, name: &str, behind: &str) -> String {
    let nodes = if of_nodes { "nodes." } else { "" };
    format!("{nodes}{name}.{behind}")
}

/// Returns the value with the name most similar to `word`; of several, the first by name.
fn nearest<'n, T>(word: &str, named: impl Iterator<Item = (&'n str, T)>) -> Option<T> {
    let alike = named.map(|(name, one)| (strsim::jaro_winkler(name, word), name, one));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
    best.map(|(_, _, one)| one)
}
