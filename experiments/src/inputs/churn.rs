//! Makes the engine's rules of churn of an experiment: reads quantiles and traces, and checks what depends on them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kadsim_engine::distribution::{Distribution, Quantiles};
use kadsim_engine::key::Key;
use kadsim_engine::makeup::{Clients, Makeup, Region, Shares};
use kadsim_engine::node::Row;
use kadsim_engine::presence::{self, Churn, Sessions};
use kadsim_engine::random::Probability;
use kadsim_engine::routing::Aging;
use kadsim_engine::time::LAST_US;
use kadsim_systems::maintenance::Maintenance;
use kadsim_systems::network::key_seed;

use super::nodes::Nodes;
use super::{Inputs, LinkInputs, Reader, living_link};
use crate::file::{
    ChurnSection, ClientShares, Delay, Event, Experiment, Leavers, Length, Lengths, Presence, Span,
    unknown_region,
};
use crate::import::{self, Interval};

#[cfg(test)]
mod tests;

/// From when until when nodes are online, in the order of ids and times.
pub type Listed = Arc<[Interval]>;

/// What the files that `[churn]` names hold.
#[derive(Clone, Debug, Default)]
pub struct ChurnInputs {
    /// When nodes are online, if a file lists it.
    pub trace: Option<Listed>,
    /// Quantiles by path.
    pub quantiles: HashMap<PathBuf, Arc<Quantiles>>,
}

impl ChurnInputs {
    /// Returns the distribution of a length; `None` for one without an end.
    pub fn distribution(&self, length: &Length) -> Option<Arc<dyn Distribution>> {
        length.distribution(|path| Some(self.quantiles.get(path)?.clone()))
    }

    /// Returns the mean of a length, in microseconds; infinite for one without an end.
    pub fn mean_us(&self, length: &Length) -> f64 {
        let drawn = self.distribution(length);
        drawn.map_or(f64::INFINITY, |drawn| drawn.mean_us())
    }

    fn sessions(&self, lengths: &Lengths) -> Sessions {
        Sessions {
            session: self.distribution(&lengths.session),
            absence: self.distribution(&lengths.absence),
        }
    }
}

/// Returns the rules of churn of the network with this seed.
pub fn churn(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Option<Churn> {
    let section = experiment.churn.as_ref()?;
    let lengths = section.lengths().into_iter();
    let events = section.events.iter();
    let listed = inputs.churn.trace.as_deref();
    Some(Churn {
        sessions: lengths
            .map(|(_, lengths)| inputs.churn.sessions(lengths))
            .collect(),
        start: section.start,
        events: events.filter_map(|one| event(one, &inputs.link)).collect(),
        trace: listed.map(|listed| Arc::new(by_key(listed, inputs, seed))),
    })
}

/// Returns an event; `None` if its region is not there, which is reported.
fn event(event: &Event, link: &LinkInputs) -> Option<presence::Event> {
    Some(presence::Event {
        at_us: event.at_us,
        leavers: match &event.leavers {
            Leavers::Share(share) => presence::Leavers::Share(Probability::new(*share)),
            Leavers::Region { name, .. } => presence::Leavers::Region(region(link, name)?),
        },
        for_us: event.for_us,
    })
}

/// Returns when the listed nodes are online, by their keys in the network with this seed.
fn by_key(listed: &[Interval], inputs: &Inputs, seed: u64) -> HashMap<Key, Vec<(u64, u64)>> {
    let key_seed = key_seed(seed);
    let ids = inputs.ids.as_deref();
    let keys: Option<HashMap<i64, Key>> = ids.map(|ids| ids.iter().copied().collect());
    let mut by_key: HashMap<Key, Vec<(u64, u64)>> = HashMap::new();
    for interval in listed {
        let key = match &keys {
            None => Key::of_node(interval.node as u64, key_seed),
            Some(keys) => match keys.get(&interval.node) {
                Some(key) => *key,
                None => continue,
            },
        };
        let times = by_key.entry(key).or_default();
        times.push((interval.from_us, interval.until_us));
    }
    by_key
}

/// Returns the region of this name.
fn region(link: &LinkInputs, name: &str) -> Option<Region> {
    let names = &link.world.as_ref()?.names;
    let index = names.iter().position(|known| known == name)?;
    u8::try_from(index).ok().map(Region)
}

/// Adds the classes of `[churn]` to what the nodes are.
pub(super) fn add_classes(makeup: &mut Makeup, churn: &ChurnSection) {
    let classes = &churn.classes;
    let shares: Vec<f64> = classes.iter().map(|class| class.share).collect();
    makeup.classes = Shares::new(&shares);
    if classes.iter().any(|class| class.clients.is_some()) {
        let shares = classes.iter().map(|class| class.clients.unwrap_or(0.0));
        // The last is that of the nodes of no class.
        let shares = shares.chain([0.0]).map(Probability::new);
        makeup.clients = Clients::OfClass(shares.collect());
    }
}

/// Returns how routing tables follow who is online.
pub(super) fn aging(experiment: &Experiment) -> Aging {
    let churn = experiment.churn.as_ref();
    Aging {
        join: churn.map_or_else(Default::default, |churn| churn.join),
        table: churn.map_or_else(Default::default, |churn| churn.table),
        renewal_us: experiment
            .maintenance
            .as_ref()
            .and_then(|one| one.renewal_us),
    }
}

/// Returns how nodes keep their tables and join, in the network with this seed; `None` if no traffic changes a table.
pub(super) fn maintenance(
    experiment: &Experiment,
    inputs: &Inputs,
    seed: u64,
) -> Option<Maintenance> {
    let mut kept = experiment.maintenance()?;
    kept.clients_known = experiment.reachability.clients_known;
    if let Some(churn) = &experiment.churn {
        kept.joining.known = rows(&churn.known, inputs, seed);
    }
    // What no node answers within the timeout begins anew.
    if let Delay::Constant(timeout_us) = experiment.link.timeout {
        kept.joining.retry_us = timeout_us.max(1);
    }
    Some(kept)
}

/// Returns the rows of nodes, which are the ranks of their keys, in the order of `ids`. The cost is that of all keys.
fn rows(ids: &[i64], inputs: &Inputs, seed: u64) -> Vec<Row> {
    if ids.is_empty() {
        return Vec::new();
    }
    let key_seed = key_seed(seed);
    let all: Vec<(i64, Key)> = match &inputs.ids {
        Some(imported) => imported.to_vec(),
        None => (0..inputs.nodes)
            .map(|id| (id.into(), Key::of_node(id.into(), key_seed)))
            .collect(),
    };
    let wanted: HashSet<i64> = ids.iter().copied().collect();
    let keys: HashMap<i64, Key> = all
        .iter()
        .copied()
        .filter(|(id, _)| wanted.contains(id))
        .collect();
    let rank = |key: Key| all.iter().filter(|(_, other)| *other < key).count() as u32;
    ids.iter()
        .filter_map(|id| keys.get(id))
        .map(|&key| Row(rank(key)))
        .collect()
}

/// Returns the time by which the run has probably ended, in microseconds: the end of the last due time of all phases,
/// and some time for the last operations. Presence is worked out up to it at first.
pub fn horizon_us(experiment: &Experiment, inputs: &Inputs) -> u64 {
    const LAST_OPERATIONS_US: u64 = 60_000_000;
    let mut end_us: u64 = 0;
    for (phase, trace) in experiment.phases.iter().zip(&inputs.traces) {
        let start_us = phase.start_us.unwrap_or(end_us);
        let last = trace.as_ref().and_then(|rows| rows.last());
        let listed_us = last.map_or(0, |row| row.start_us);
        let due_us = phase.length_us().unwrap_or(listed_us);
        let lasts_us = phase.max_us.map_or(due_us, |max_us| max_us.min(due_us));
        end_us = end_us.max(start_us.saturating_add(lasts_us));
    }
    let timeout_us = match experiment.link.timeout {
        Delay::Constant(timeout_us) => timeout_us,
        _ => 0,
    };
    let rest_us = timeout_us
        .saturating_mul(10)
        .saturating_add(LAST_OPERATIONS_US);
    end_us.saturating_add(rest_us).min(LAST_US)
}

impl Reader<'_> {
    /// Reads what the churn of the experiment is made of, and reports what is wrong with it.
    pub(super) fn churn(&mut self, link: &LinkInputs, nodes: &Nodes) -> ChurnInputs {
        let experiment = self.experiment;
        if experiment.is_living() {
            let wrong = living_link(&experiment.link, link, self.sources);
            self.errors.extend(wrong);
        }
        let Some(section) = &experiment.churn else {
            return ChurnInputs::default();
        };
        self.events(section, link);
        self.known(section, nodes);
        self.clients_of_classes(section);
        ChurnInputs {
            quantiles: self.quantiles_of(section),
            trace: match &section.presence {
                Presence::Listed { path, span } => self.listed(path, span, nodes),
                Presence::Drawn(_) => None,
            },
        }
    }

    /// Reads the quantiles of all lengths.
    fn quantiles_of(&mut self, section: &ChurnSection) -> HashMap<PathBuf, Arc<Quantiles>> {
        let mut quantiles = HashMap::new();
        // A class without lengths of its own names the files of all.
        let mut seen = HashSet::new();
        for (_, lengths) in section.lengths() {
            for length in [&lengths.session, &lengths.absence] {
                let Length::Quantiles { path, span } = length else {
                    continue;
                };
                if !seen.insert(path) {
                    continue;
                }
                match self.quantiles(path) {
                    Ok(found) => {
                        quantiles.insert(path.clone(), found);
                    }
                    Err(error) => self.error(span, error.to_string(), "named here"),
                }
            }
        }
        quantiles
    }

    /// Reads a trace of presence, which may name the experiment's nodes alone. Reports one by which no node is ever online.
    fn listed(&mut self, path: &Path, span: &Span, nodes: &Nodes) -> Option<Listed> {
        // An invalid path is reported already, and is empty here.
        if path.as_os_str().is_empty() {
            return None;
        }
        let file = (path.to_owned(), self.named());
        if let Some(known) = self.files.presence.get(&file) {
            return Some(Arc::clone(known));
        }
        let _line = self.reading(path);
        let wanted = |id| (!nodes.has(id)).then_some("a node of the network");
        let listed: Listed = match import::read_presence(path, wanted, self.watch) {
            Ok(listed) => listed.into(),
            Err(error) => {
                self.error(span, error.to_string(), "named here");
                return None;
            }
        };
        let mut times = listed.iter();
        if !times.any(|one| nodes.first_without(one.node).is_none()) {
            let title = format!(
                "`churn.trace` cannot be {}: no node is ever online",
                path.display()
            );
            let label =
                "allowed: a file with a node of the network that is not offline for the whole run";
            self.error(span, title, label);
            return None;
        }
        self.files.presence.insert(file, Arc::clone(&listed));
        Some(listed)
    }

    /// Reports events of regions that are not there, and one that takes all nodes off the network at the start for ever.
    fn events(&mut self, section: &ChurnSection, link: &LinkInputs) {
        for event in &section.events {
            if let Leavers::Region { name, span } = &event.leavers
                && let Some(world) = &link.world
                && region(link, name).is_none()
            {
                let path = "churn.event.leave.region";
                let (title, label) = unknown_region(path, name, &world.names);
                self.error(span, title, label);
            }
        }
        let takes_all = section.events.iter().any(|event| {
            event.at_us == 0 && event.for_us.is_none() && event.leavers == Leavers::Share(1.0)
        });
        if takes_all {
            let title = "`churn.event` takes all nodes off the network at the start: no node is ever online";
            let label = "allowed: `leave` below 1, `at_ms` above 0, or `for_ms`";
            self.error(&section.span, title.to_owned(), label);
        }
    }

    /// Reports known nodes that are not there.
    fn known(&mut self, section: &ChurnSection, nodes: &Nodes) {
        for &id in &section.known {
            let why = if !nodes.has(id) {
                format!("there is no node {id}")
            } else if nodes.first_without(id).is_some() {
                format!("node {id} is offline for the whole run")
            } else {
                continue;
            };
            let title = format!("`churn.known` cannot have {id}: {why}");
            self.error(
                &section.known_span,
                title,
                "allowed: ids of nodes that are not offline",
            );
        }
    }

    /// Reports clients by classes beside other clients.
    fn clients_of_classes(&mut self, section: &ChurnSection) {
        let mut classes = section.classes.iter();
        if let Some(class) = classes.find(|class| class.clients.is_some())
            && self.experiment.reachability.clients != ClientShares::OfAll(0.0)
        {
            let title = "`churn.class.clients` does not go with `reachability.clients`";
            self.error(&class.span, title.to_owned(), "allowed: one of the two");
        }
    }
}
