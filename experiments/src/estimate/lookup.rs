//! Estimates of a lookup: known nodes, contacts, duration. Means and rare extremes follow from the theory of routing
//! tables, and are fitted to runs of 10 to a million nodes with k from 1 to 255.

use crate::file::{Experiment, LinkSection, Policy};
use crate::inputs::Inputs;

/// A typical lookup of an experiment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup {
    /// Nodes in the network.
    pub(super) nodes: f64,
    /// Nodes known at the end, on average.
    pub(super) known: f64,
    /// Nodes known at the end by one lookup in a thousand.
    pub(super) most_known: f64,
    /// Contacts sent.
    pub(super) attempts: f64,
    /// Most contacts in flight.
    pub(super) in_flight: f64,
    /// Nodes in a result, on average.
    pub(super) result: f64,
    /// Share of contacts that succeed.
    pub(super) success: f64,
    /// Number of contacts one after the other.
    rounds: f64,
    /// Mean duration of a contact without overhead, µs.
    contact_us: f64,
}

/// Known nodes of one lookup in a thousand, as a multiple of the mean: with `closest` buckets, and with `random` ones.
const MOST: (f64, f64) = (2.0, 1.5);
/// Known nodes with `random` buckets, as a multiple of those with `closest` ones.
const RANDOM_KNOWN: f64 = 0.85;
/// Share of the possible contacts in flight that are sent.
const SENT: f64 = 0.85;

/// Returns the mean number of hops in which a lookup among `nodes` nodes comes near its key.
///
/// A hop gains 2 bits of the key over buckets of the closest, log2 k + 1.3 over random ones, until k nodes are left.
pub(crate) fn hops(experiment: &Experiment, nodes: f64) -> f64 {
    let k = f64::from(experiment.network.bucket_size);
    let gained = match experiment.network.bootstrap {
        Policy::Closest => 2.0,
        Policy::Random => k.log2() + 1.3,
    };
    (nodes / k).max(1.0).log2() / gained + 1.0
}

impl Lookup {
    /// Estimates the lookups of an experiment.
    ///
    /// A hop gains two bits of the key, until log2(n / k) bits are gained, and names the nodes of an answer, most of
    /// them new. A
    /// lookup that waits for many answers learns of up to half as many nodes again.
    pub(super) fn of(experiment: &Experiment, inputs: &Inputs) -> Self {
        let rules = &experiment.lookup.rules;
        let nodes = f64::from(inputs.nodes);
        let k = f64::from(experiment.network.bucket_size);
        let answer = f64::from(experiment.lookup.answer);
        let results = rules.results(experiment.network.bucket_size);
        let (alpha, results) = (f64::from(rules.alpha), f64::from(results).min(nodes));
        let hops = 0.5 * (nodes / k).max(1.0).log2();
        let near = (answer * (hops + 0.5)).max(answer).min(nodes).max(1.0);
        let last = f64::from(rules.last_answers(experiment.network.bucket_size));
        let (share, most) = match experiment.network.bootstrap {
            Policy::Closest => (1.0, MOST.0),
            Policy::Random => (RANDOM_KNOWN, MOST.1),
        };
        let known = (share * near * (1.0 + 0.5 * (last / near).min(1.0))).min(nodes);
        let most_known = (most * known).min(nodes);
        // For a contact that takes a timeout, another one is sent each time one stalls.
        let timeout_us = inputs.link.delay(&experiment.link.timeout).mean_us();
        let stalled = rules.stall_us.map_or(0.0, |us| timeout_us / us as f64);
        let at_once = f64::from(rules.most_in_flight(experiment.network.bucket_size));
        let at_once = at_once * (1.0 + stalled);
        let in_flight = at_once.min(most_known);
        let rounds = hops + 0.5 + last.min(known) / alpha;
        let attempts = (SENT * rounds * in_flight).max(1.0);
        let (success, contact_us) = contact(experiment, inputs);
        Self {
            nodes,
            known,
            most_known,
            attempts: attempts.min(most_known.max(in_flight * hops)),
            in_flight,
            result: results.min(known),
            success,
            rounds,
            contact_us,
        }
    }

    /// Returns the duration of the lookup if a contact costs `overhead_us` more, µs.
    pub(super) fn duration_us(&self, overhead_us: f64) -> f64 {
        self.rounds * (self.contact_us + overhead_us)
    }
}

/// Returns the share of contacts that succeed, and the mean duration of a contact without overhead, µs.
fn contact(experiment: &Experiment, inputs: &Inputs) -> (f64, f64) {
    // A new key of `[link]` does not compile before it is counted here.
    let LinkSection {
        delay,
        jitter_us,
        round_trips,
        fast_error,
        slow_error,
        timeout: _,
        overhead_us: _,
        spans: _,
    } = &experiment.link;
    let (mut left, mut us) = (1.0, 0.0);
    for error in [fast_error, slow_error].into_iter().flatten() {
        us += left * error.rate * inputs.link.delay(&error.delay).mean_us();
        left *= 1.0 - error.rate;
    }
    let message_us = inputs.link.mean_one_way_us(delay) + *jitter_us as f64;
    let messages = 2.0 * f64::from(*round_trips);
    (left, us + left * messages * message_us)
}
