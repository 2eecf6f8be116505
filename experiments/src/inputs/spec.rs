//! Makes the engine's description of an experiment's network.

use kadsim_engine::link::{Fault, UniformLink};
use kadsim_engine::presence::Offline;
use kadsim_engine::random::Probability;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::rules::Rules;

use super::Inputs;
use crate::file::{Delay, ErrorRate, Experiment};

/// Returns the description of the network with this seed.
pub fn spec(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Spec {
    let link = &experiment.link;
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
        rules: Rules {
            alpha: experiment.lookup.alpha,
            beta: experiment.lookup.beta,
            steps_to_stop: experiment.lookup.steps_to_stop,
            stop: experiment.lookup.stop,
            procedure: experiment.lookup.procedure,
        },
        link: Box::new(UniformLink {
            delay: delay(&link.delay),
            fast_error: link.fast_error.as_ref().map(fault),
            slow_error: link.slow_error.as_ref().map(fault),
            timeout: delay(&link.timeout),
            ..UniformLink::default()
        }),
        overhead_us: link.overhead_us,
        tick_us: experiment.tick_us,
        ..Spec::default()
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
