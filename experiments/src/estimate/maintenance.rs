//! Tables that traffic changes: their memory, and what maintenance sends.

use kadsim_engine::key::Key;
use kadsim_engine::routing::Join;
use kadsim_engine::routing::live::Full;
use kadsim_systems::maintenance::{Check, Checked, JoinRefresh, Maintenance, Refreshed};

use super::entries::table_entries;
use super::lookup::hops;
use crate::file::{Experiment, Length, Lengths};
use crate::inputs::Inputs;

/// Bytes of an entry: its row; when it was last heard and its failures.
const ENTRY_BYTES: f64 = 8.0;
/// Bytes of a replacement: its row.
const REPLACEMENT_BYTES: f64 = 4.0;
/// Bytes of a bucket beside them: offset, lengths and flags.
const BUCKET_BYTES: f64 = 8.0;
/// Bytes of a node beside its buckets: where they lie, timers and counters.
const NODE_BYTES: f64 = 64.0;

/// Contacts of a lookup among the stale entries that maintenance leaves, as a multiple of those among live ones: 35.6
/// instead of 24.1 with refreshes each hour and KAD's sessions (2000 nodes, `experiments/maintenance.toml`).
const STALE: f64 = 1.5;
/// Pings of a node's full buckets in a second without an idle limit, and with one of [`PING_IDLE_US`]: KAD's sessions.
const PINGS_PER_S: (f64, f64) = (0.45, 0.06);
const PING_IDLE_US: f64 = 900e6;

/// Returns bytes of the tables of `nodes` nodes and of the index over the keys. All pages of a node are there from the
/// start, for each bucket that has candidates.
pub(super) fn table_bytes(experiment: &Experiment, kept: &Maintenance, nodes: u32) -> f64 {
    let nodes = f64::from(nodes);
    let k = f64::from(experiment.network.bucket_size);
    let replacements = f64::from(kept.table.replacements);
    let bucket = ENTRY_BYTES * k + REPLACEMENT_BYTES * replacements + BUCKET_BYTES;
    // The index takes 4 bytes for each of up to n prefixes.
    nodes * (NODE_BYTES + buckets(nodes) * bucket + 4.0)
}

/// Returns the mean number of buckets of a node that have candidates among `nodes` nodes.
fn buckets(nodes: f64) -> f64 {
    let has_one = |depth: i32| 1.0 - (-(nodes - 1.0).max(0.0) / 2f64.powi(depth)).exp();
    (1..=Key::BITS as i32).map(has_one).sum()
}

/// Expected contacts of maintenance of a node, in a second of the time that it is online. They are upper bounds: lookups
/// of users and of joins save refreshes, and sessions that are short compared to a period have none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Upkeep {
    /// Lookups of nodes that join.
    pub join: f64,
    /// Lookups that refresh buckets.
    pub refresh: f64,
    /// Pings that check entries, and of full buckets.
    pub check: f64,
    /// Number of nodes online.
    pub online: f64,
    /// Contacts in all by which a network grows by joins; 0 if full knowledge fills the tables.
    pub bootstrap: f64,
}

impl Upkeep {
    /// Returns the contacts of all purposes, per node and second.
    pub fn per_node_s(&self) -> f64 {
        self.join + self.refresh + self.check
    }
}

/// Estimates what maintenance sends; `None` if no traffic changes a table.
pub fn upkeep(experiment: &Experiment, inputs: &Inputs) -> Option<Upkeep> {
    let kept = experiment.maintenance()?;
    let life = Life::of(experiment, inputs);
    let online = life.online.max(1.0);
    let k = f64::from(experiment.network.bucket_size);
    // The deepest bucket that is not empty, and those before it.
    let farther = buckets(online);
    let bucket_size = experiment.network.bucket_size;
    let rules = experiment.lookup.rules.of_maintenance(bucket_size);
    let fresh = |nodes: f64| {
        let contacts = rules.contacts(hops(experiment, nodes), bucket_size);
        contacts.min(nodes - 1.0)
    };
    let lookup = fresh(online) * STALE;
    let of_keys = |keys: f64| (1.0 + keys) * lookup;
    let joins = experiment
        .churn
        .as_ref()
        .is_some_and(|churn| churn.join == Join::Protocol);
    let join = match kept.joining.refresh {
        _ if !joins => 0.0,
        JoinRefresh::Farther => of_keys(farther),
        JoinRefresh::Own => of_keys(0.0),
        JoinRefresh::Random(keys) => of_keys(keys.into()),
    };
    let refresh = kept.refresh.map_or(0.0, |refresh| {
        let contacts = match refresh.what {
            Refreshed::Idle | Refreshed::All => of_keys(farther),
            Refreshed::Random(keys) => of_keys(keys.into()),
        };
        contacts / (refresh.every_us as f64 / 1e6)
    });
    let entries = table_entries(online, k, 0);
    let check = kept.check.map_or(0.0, |check| checks(check, entries));
    Some(Upkeep {
        join: join * life.arrivals_per_s,
        refresh,
        check: check + pings(&kept),
        online: life.online,
        bootstrap: match experiment.network.doubling_us {
            None => 0.0,
            Some(_) => growing(f64::from(inputs.online), |nodes| {
                let keys = match kept.joining.refresh {
                    JoinRefresh::Farther => buckets(nodes),
                    JoinRefresh::Own => 0.0,
                    JoinRefresh::Random(keys) => keys.into(),
                };
                (1.0 + keys) * fresh(nodes)
            }),
        },
    })
}

/// Returns the sum over the nodes that join of `each`, of which the argument is the number of nodes that are there then.
fn growing(nodes: f64, each: impl Fn(f64) -> f64) -> f64 {
    /// Steps in which the number of nodes grows, each by this factor.
    const STEP: f64 = 1.1;
    let (mut there, mut sum) = (1.0, 0.0);
    while there < nodes {
        let next = nodes.min((there * STEP).max(there + 1.0));
        sum += (next - there) * each((there + next) / 2.0);
        there = next;
    }
    sum
}

/// Returns the pings in a second by which a node checks a table of `entries`.
fn checks(check: Check, entries: f64) -> f64 {
    let every_s = check.every_us as f64 / 1e6;
    match check.what {
        Checked::Idle { idle_us } => entries / every_s.max(idle_us as f64 / 1e6),
        Checked::Oldest | Checked::Random => 1.0 / every_s,
    }
}

/// Returns the pings in a second of a node's full buckets.
fn pings(kept: &Maintenance) -> f64 {
    match kept.table.full {
        Full::Keep => 0.0,
        Full::PingOldest { idle_us } => {
            let (most, limited) = PINGS_PER_S;
            (limited * PING_IDLE_US / (idle_us as f64).max(1.0)).min(most)
        }
    }
}

/// Nodes online in the long run, and how often each comes while it is online.
struct Life {
    online: f64,
    arrivals_per_s: f64,
}

impl Life {
    fn of(experiment: &Experiment, inputs: &Inputs) -> Self {
        let nodes = f64::from(inputs.online);
        let Some(churn) = &experiment.churn else {
            return Self {
                online: nodes,
                arrivals_per_s: 0.0,
            };
        };
        let mean_us = |length: &Length| inputs.churn.mean_us(length);
        let of_class = |(share, lengths): (f64, &Lengths)| {
            let (session_us, absence_us) = (mean_us(&lengths.session), mean_us(&lengths.absence));
            match (session_us.is_finite(), absence_us.is_finite()) {
                // Nobody leaves, or who leaves does not come back.
                (false, _) | (_, false) => (share, 0.0),
                (true, true) => {
                    let cycle_us = session_us + absence_us;
                    (share * session_us / cycle_us, share / cycle_us * 1e6)
                }
            }
        };
        let classes: Vec<(f64, f64)> = churn.lengths().into_iter().map(of_class).collect();
        // A trace is taken as if all were online.
        let online: f64 = match classes.is_empty() {
            true => 1.0,
            false => classes.iter().map(|(online, _)| online).sum(),
        };
        let arrivals: f64 = classes.iter().map(|(_, arrivals)| arrivals).sum();
        Self {
            online: nodes * online,
            arrivals_per_s: arrivals / online.max(f64::MIN_POSITIVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;
    use crate::inputs;
    use crate::watch::Watch;

    const KAD: &str = r#"schema = 1
name = "kad"
seed = 1
network = { nodes = 2000, bootstrap = "random" }
link = { delay_ms = 50, timeout_ms = 1000 }
lookup.stop = "closest-answered"
[churn]
session = { weibull = { shape = 0.5, scale_ms = 5_000_000 } }
absence = { exponential = { mean_ms = 10_000_000 } }
[[phase]]
name = "looking"
kind = "lookup"
rate_per_s = 5
duration_ms = 7_200_000
"#;

    fn of(settings: &[&str]) -> Option<Upkeep> {
        let settings: Vec<String> = settings.iter().map(|&set| set.to_owned()).collect();
        let loaded = file::parse("kad.toml", KAD, &settings).unwrap();
        let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
        upkeep(&loaded.experiment, &inputs)
    }

    /// Against a simulator of its own: refresh, join, pings.
    #[test]
    fn estimates_bound_what_was_measured() {
        assert_eq!(of(&[]), None);
        let near = |estimated: f64, measured: f64, most: f64| {
            assert!(
                (measured..measured * most).contains(&estimated),
                "{estimated}, not {measured}"
            );
        };
        let replaced = ["maintenance={rules=\"kademlia-4.1\", evict_after=1, evict=\"always\"}"];
        let upkeep = of(&replaced).unwrap();
        assert!((upkeep.online - 1000.0).abs() < 1e-6);
        near(upkeep.join, 0.0323, 1.4);
        near(upkeep.refresh, 0.0508, 2.5);
        assert_eq!(upkeep.check, 0.0);
        let often = ["maintenance={rules=\"kademlia-4.1\", evict_after=1, refresh_ms=600_000}"];
        near(of(&often).unwrap().refresh, 0.3937, 2.0);
        let kademlia = of(&["maintenance.rules=kademlia"]).unwrap();
        near(kademlia.check, 0.446, 1.1);
        let limited = ["maintenance={rules=\"kademlia\", ping_idle_ms=900_000}"];
        near(of(&limited).unwrap().check, 0.059, 1.1);
        let checks = [
            "network.bucket_size=16",
            "maintenance={rules=\"kademlia-4.1\", check=\"idle\", check_ms=300_000, check_idle_ms=300_000}",
        ];
        near(of(&checks).unwrap().check, 0.1294, 3.0);
    }

    /// Against a simulator of its own, in which one node joins after the other.
    #[test]
    fn joins_are_as_many_as_were_measured() {
        let joined = |nodes: &str, refresh: &str| {
            let settings = [
                &format!("network.nodes={nodes}")[..],
                "network.bootstrap=joined",
                "maintenance.learn_answerer=true",
                "churn.session=never",
                "churn.absence=never",
                &format!("churn.join_refresh={refresh}"),
            ];
            of(&settings).unwrap().bootstrap / nodes.parse::<f64>().unwrap()
        };
        for (nodes, refresh, measured) in [
            ("1000", "farther", 226.2),
            ("10000", "farther", 319.9),
            ("1000", "own", 25.6),
            ("1000", "{ random = 3 }", 97.8),
        ] {
            let estimated = joined(nodes, refresh);
            assert!(
                (0.85..1.25).contains(&(estimated / measured)),
                "{nodes}, {refresh}: {estimated}, not {measured}"
            );
        }
        assert_eq!(of(&["maintenance.rules=kademlia"]).unwrap().bootstrap, 0.0);
    }

    #[test]
    fn maintenance_that_does_nothing_sends_nothing() {
        let none = of(&["maintenance.learn_answerer=true", "churn.join=none"]).unwrap();
        assert_eq!(none.per_node_s(), 0.0);
        let random = of(&["maintenance={check=\"random\", check_ms=4500}"]).unwrap();
        assert!((random.per_node_s() - 1.0 / 4.5).abs() < 1e-9);
    }

    /// Some 3 KB a node at a million.
    #[test]
    fn tables_of_a_million_nodes_take_three_kilobytes_each() {
        let settings = [
            "network.nodes=1_000_000".to_owned(),
            "maintenance.rules=kademlia".to_owned(),
        ];
        let loaded = file::parse("kad.toml", KAD, &settings).unwrap();
        let kept = loaded.experiment.maintenance().unwrap();
        let each = table_bytes(&loaded.experiment, &kept, 1_000_000) / 1e6;
        assert!((3000.0..3700.0).contains(&each), "{each}");
    }
}
