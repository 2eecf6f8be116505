//! Published values of networks whose tables traffic changes, from the reference simulator: staleness, recall and traffic
//! under churn by rule set, and networks that grow by joins.
//!
//! ```sh
//! cargo test --locked --test tests living_tables -- --ignored --nocapture --test-threads 2
//! ```
//!
//! `KADSIM_SEEDS=3` runs three seeds of each.

mod churning;
mod joined;
mod measured;

use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::random::{Purpose, Stream};
use kadsim_engine::record::Kind;
use kadsim_engine::routing::Policy;
use kadsim_systems::rules::{Rules, Stop};

use super::reference::link::Links;
use super::reference::presence::Stay;
use super::reference::{Phase, Reference};

/// A second, µs.
const SECOND_US: u64 = 1_000_000;
/// How long a contact with an absent node takes, µs. What completes at one instant is handled in the order of sending; the
/// published attempts are those of answers handled before failures of the same instant. Delays are constant, so such
/// instants are frequent: attempts come out lower than published, by about 0.9 for ten-minute renewals and 1.4 where full
/// buckets ping.
const TIMEOUT_US: u64 = SECOND_US;
/// An hour, µs.
const HOUR_US: u64 = 3600 * SECOND_US;

/// Returns the seeds to run.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let set = std::env::var("KADSIM_SEEDS").ok();
    1..=set.map_or(1, |seeds| seeds.parse().unwrap())
}

/// Returns a network of generated nodes. `stays` gives those of the node with an id and a key.
fn network(
    seed: u64,
    nodes: u64,
    k: usize,
    stop: Stop,
    stays: impl Fn(u64, u64) -> Vec<Stay>,
) -> Reference {
    let rules = Rules {
        alpha: 3,
        beta: k as u32,
        steps_to_stop: 3,
        stop,
        ..Rules::DEFAULT
    };
    let links = Links::from(UniformLink {
        delay: Delay::Constant(50_000),
        timeout: Delay::Constant(TIMEOUT_US),
        gives_up: true,
        ..UniformLink::default()
    });
    let mut reference = Reference::new(seed, k, rules, links, 0);
    let key_seed = Stream::new(seed, Purpose::NodeKeys, 0, 0).bits();
    let mut sorted: Vec<(u64, u64)> = (0..nodes)
        .map(|id| (Key::of_node(id, key_seed).0, id))
        .collect();
    sorted.sort_unstable();
    reference.policy = Policy::Random;
    reference.keys = sorted.iter().map(|&(key, _)| key).collect();
    reference.ids = sorted.iter().map(|&(_, id)| id as i64).collect();
    reference.is_server = vec![true; sorted.len()];
    reference.is_absent = vec![false; sorted.len()];
    let of_node = |&(key, id): &(u64, u64)| stays(id, key);
    reference.stays = sorted.iter().map(of_node).collect::<Vec<_>>().into();
    reference.is_living = true;
    reference
}

/// Plans a phase of lookups for uniform keys from random online nodes, one each `every_us`.
fn lookups(reference: &Reference, number: u32, count: u64, every_us: u64) -> Phase {
    let start_us = reference.now_us;
    let mut stream = Stream::from_state(reference.seed ^ u64::from(number) << 32);
    let planned = (0..count).map(|index| {
        let due_us = start_us + index * every_us;
        let origin = loop {
            let drawn = stream.below(reference.keys.len() as u64) as usize;
            if reference.is_online(drawn, due_us) {
                break Row(drawn as u32);
            }
        };
        Planned {
            number: u64::from(number) << 32 | index,
            origin,
            key: Key(stream.bits()),
            due_us,
            lacks_origin: false,
        }
    });
    Phase {
        number,
        kind: Kind::Lookup,
        planned: planned.collect(),
        parallel: None,
        start_us,
        lasts_us: count * every_us,
        cut_us: None,
    }
}
