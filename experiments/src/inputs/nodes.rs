//! The nodes of an experiment, generated or listed in a file, and which of them are offline.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::StringArray;
use kadsim_engine::key::Key;
use kadsim_engine::makeup::Makeup;
use kadsim_engine::presence;
use kadsim_engine::random::network_seed;
use kadsim_systems::network::key_seed;

use super::{LinkInputs, Reader, makeup};
use crate::file::Experiment;

/// Nodes from a file.
pub(super) struct Imported {
    pub(super) rows: Arc<[(i64, Key)]>,
    pub(super) ids: HashSet<i64>,
    /// Ids of the offline nodes.
    pub(super) offline: Arc<[i64]>,
    /// The same ids, to look one up.
    pub(super) are_offline: HashSet<i64>,
    pub(super) labels: Option<Arc<StringArray>>,
}

/// The nodes that a trace may name: the generated ones, or those of a file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Named {
    Generated(Generated),
    Imported(PathBuf),
}

/// The generated nodes of an experiment, and which of them are offline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Generated {
    pub(super) nodes: u32,
    pub(super) offline: u32,
    /// Seed of the experiment and number of its networks, which decide which nodes are offline; 0 where all are online.
    pub(super) draws: (u64, u32),
}

impl Generated {
    pub(super) fn of(experiment: &Experiment, nodes: u32) -> Self {
        let offline = experiment.network.offline_of(nodes);
        let draws = (experiment.seed, experiment.networks);
        Self {
            nodes,
            offline,
            draws: if offline > 0 { draws } else { (0, 0) },
        }
    }

    /// Returns the first network in which the node with this id is offline, if there is one.
    pub(super) fn first_without(&self, id: u64) -> Option<u32> {
        let (seed, networks) = self.draws;
        (0..networks).find(|&network| {
            let seed = network_seed(seed, network);
            presence::Draw::new(seed, self.nodes, self.offline).is_offline(id)
        })
    }
}

/// The nodes as far as they are known. An error may keep them from being read.
#[derive(Default)]
pub(super) struct Nodes {
    pub(super) imported: Option<Arc<Imported>>,
    pub(super) generated: Option<Generated>,
    pub(super) count: Option<u32>,
}

impl Nodes {
    /// Returns whether there is or may be a node of this id.
    pub(super) fn has(&self, id: i64) -> bool {
        match (&self.imported, self.count) {
            (Some(imported), _) => imported.ids.contains(&id),
            (None, Some(count)) => (0..i64::from(count)).contains(&id),
            (None, None) => true,
        }
    }

    /// Returns the number of offline nodes.
    pub(super) fn offline(&self) -> u32 {
        match (&self.imported, &self.generated) {
            (Some(imported), _) => imported.are_offline.len() as u32,
            (None, Some(generated)) => generated.offline,
            (None, None) => 0,
        }
    }

    /// Returns the number of online nodes, if it is known.
    pub(super) fn online(&self) -> Option<u32> {
        Some(self.count? - self.offline())
    }

    /// Returns the first network in which the node with this id is offline, if there is one.
    pub(super) fn first_without(&self, id: i64) -> Option<u32> {
        match (&self.imported, &self.generated) {
            (Some(imported), _) => imported.are_offline.contains(&id).then_some(0),
            (None, Some(generated)) => generated.first_without(id as u64),
            (None, None) => None,
        }
    }

    /// Returns the first network without a server that is online, if there is one. `makeup` returns that of a network by its
    /// seed. The cost is one over the share of such servers, for each network.
    pub(super) fn first_without_servers(
        &self,
        experiment: &Experiment,
        makeup: impl Fn(u64) -> Makeup,
    ) -> Option<u32> {
        (0..experiment.networks).find(|&network| {
            let seed = network_seed(experiment.seed, network);
            let makeup = makeup(seed);
            let has_server = match (&self.imported, &self.generated) {
                (Some(imported), _) => imported
                    .rows
                    .iter()
                    .any(|&(id, key)| !imported.are_offline.contains(&id) && makeup.is_server(key)),
                (None, Some(generated)) => {
                    let keys = key_seed(seed);
                    let absences = presence::Draw::new(seed, generated.nodes, generated.offline);
                    (0..u64::from(generated.nodes)).any(|id| {
                        !absences.is_offline(id) && makeup.is_server(Key::of_node(id, keys))
                    })
                }
                (None, None) => true,
            };
            !has_server
        })
    }

    /// Returns what a trace must name instead of the node with this id, if it cannot name that node.
    pub(super) fn wanted_instead(&self, id: i64) -> Option<&'static str> {
        if !self.has(id) {
            return Some("a node of the network");
        }
        self.first_without(id).map(|_| match &self.generated {
            Some(Generated {
                draws: (_, 2..), ..
            }) => "a node that is online in every network",
            _ => "a node that is online",
        })
    }
}

impl Reader<'_> {
    /// Reports clients if no node that is online answers requests.
    pub(super) fn servers(&mut self, nodes: &Nodes, link: &LinkInputs) {
        let experiment = self.experiment;
        let of_network = |seed| makeup(experiment, link, seed);
        if !of_network(0).has_clients() {
            return;
        }
        let Some(network) = nodes.first_without_servers(experiment, of_network) else {
            return;
        };
        let place = match experiment.networks {
            1 => String::new(),
            _ => format!(" of network {network}"),
        };
        let reachability = &experiment.reachability;
        let classes = experiment.churn.iter().flat_map(|churn| &churn.classes);
        let (key, span) = match classes.into_iter().find(|class| class.clients.is_some()) {
            Some(class) => ("churn.class.clients", class.span),
            None => ("reachability.clients", reachability.clients_span),
        };
        let title = format!("`{key}` makes clients of all nodes{place} that are online");
        self.error(&span, title, "allowed: shares that leave a server online");
    }
}
