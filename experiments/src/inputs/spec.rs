//! Makes the engine's description of an experiment's network.

use kadsim_engine::makeup::{Clients, Makeup, Shares};
use kadsim_engine::presence::Offline;
use kadsim_engine::random::Probability;
use kadsim_systems::network::{NodeSet, Spec};

use super::{Inputs, LinkInputs, churn, link};
use crate::file::{ClientShares, Experiment};

/// Returns the description of the network with this seed.
pub fn spec(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Spec {
    let makeup = makeup(experiment, &inputs.link, seed);
    let nodes = match &inputs.ids {
        Some(ids) => NodeSet::Imported(ids.to_vec()),
        None => NodeSet::Generated(inputs.nodes),
    };
    let offline = match &inputs.ids {
        Some(_) => Offline::Listed(inputs.offline.clone()),
        None => Offline::Drawn(inputs.nodes - inputs.online),
    };
    Spec {
        nodes,
        offline,
        seed,
        bucket_size: experiment.network.bucket_size,
        policy: experiment.network.bootstrap,
        layout: experiment.layout,
        rules: experiment.lookup.rules,
        link: link(experiment, &inputs.link, &makeup),
        makeup,
        clients_in_tables: Probability::new(experiment.reachability.clients_in_tables),
        answer: Some(experiment.lookup.answer),
        overhead_us: experiment.link.overhead_us,
        tick_us: experiment.tick_us,
        churn: churn::churn(experiment, inputs, seed),
        aging: churn::aging(experiment),
        records: experiment
            .churn
            .as_ref()
            .map_or_else(Default::default, |churn| churn.records),
        horizon_us: churn::horizon_us(experiment, inputs),
        ttl_us: experiment.records.and_then(|records| records.ttl_us),
        republish_us: experiment.records.and_then(|records| records.republish_us),
        maintenance: churn::maintenance(experiment, inputs, seed),
        doubling_us: experiment.network.doubling_us,
        events: experiment.events,
    }
}

/// Returns what the nodes of the network with this seed are.
pub fn makeup(experiment: &Experiment, inputs: &LinkInputs, seed: u64) -> Makeup {
    let world = inputs.world.as_ref();
    let clients = match (&experiment.reachability.clients, world) {
        (ClientShares::OfAll(0.0), _) => Clients::None,
        (ClientShares::OfAll(share), _) => Clients::Share(Probability::new(*share)),
        (ClientShares::ByRegion(_), world) => {
            let shares = world.and_then(|world| world.clients.as_ref());
            shares.map_or(Clients::None, |shares| {
                Clients::OfRegion(shares.iter().copied().map(Probability::new).collect())
            })
        }
    };
    let mut makeup = Makeup {
        network_seed: seed,
        regions: world.map_or_else(Shares::default, |world| Shares::new(&world.weights)),
        clients,
        ..Makeup::default()
    };
    if let Some(section) = &experiment.churn {
        churn::add_classes(&mut makeup, section);
    }
    makeup
}
