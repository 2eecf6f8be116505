//! Two thousand nodes that come and go, about half of them online: means over hours 2 to 4, by rule set.

use std::sync::Arc;

use kadsim_engine::distribution::{Exponential, Weibull};
use kadsim_engine::presence::{Churn, Sessions, Start};
use kadsim_engine::routing::live::{Full, TableRules};
use kadsim_engine::routing::{Aging, Join, OnLeaving};
use kadsim_systems::maintenance::{Check, Checked, Maintenance, Refresh, Refreshed};
use kadsim_systems::rules::Stop;

use super::measured::Measured;
use super::{HOUR_US, SECOND_US, lookups, network, seeds};
use crate::properties::reference::live::{LiveReference, LiveRules};
use crate::properties::reference::makeup::Makeup;
use crate::properties::reference::presence::Churning;

/// Names of the figures.
const NAMES: [&str; 10] = [
    "stale",
    "missing",
    "recall",
    "attempts",
    "failed",
    "ms",
    "refresh",
    "join",
    "ping",
    "maintenance",
];

/// Standard errors, as shares of the figures, that are taken where greater than the published ones. Those of contacts by
/// purpose are not published; joins vary with the number of nodes that come, 720 in two hours.
const LEAST_ERRORS: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.025, 0.01, 0.0];

/// A published row: rules, and the figures with their standard errors.
struct Published {
    name: &'static str,
    k: usize,
    join: Join,
    renewal_us: Option<u64>,
    maintenance: Option<Maintenance>,
    /// In the order of [`NAMES`], with standard errors of those that have one.
    figures: [f64; 10],
    errors: [f64; 10],
}

/// Runs a row with one seed.
fn run(row: &Published, seed: u64) -> Measured {
    let churning = Churning {
        seed,
        makeup: Makeup::default(),
        churn: Churn {
            sessions: vec![Sessions {
                session: Some(Arc::new(Weibull {
                    shape: 0.5,
                    scale_us: 5e9,
                })),
                absence: Some(Arc::new(Exponential { mean_us: 1e10 })),
            }],
            start: Start::Steady,
            ..Churn::default()
        },
        horizon_us: 5 * HOUR_US,
    };
    let mut base = network(seed, 2000, row.k, Stop::ClosestAnswered, |_, key| {
        churning.stays(key)
    });
    base.known_us = 5 * HOUR_US;
    let rules = LiveRules {
        maintenance: row.maintenance.clone(),
        aging: Aging {
            join: row.join,
            table: OnLeaving::Kept,
            renewal_us: row.renewal_us,
        },
        clients_known: true,
        republish_us: None,
        tick_us: SECOND_US,
        freshness_us: Some(60 * SECOND_US),
    };
    let mut live = LiveReference::new(base, rules);
    for number in 0..2 {
        let phase = lookups(&live.base, number, 36_000, SECOND_US / 5);
        live.run(&[phase]);
    }
    let measured = Measured::of_last_phase(&live);
    println!(
        "{} seed {seed}: {:.1} contacts of joins for each node that came, {:.4} nodes came a second",
        row.name, measured.contacts_of_a_join, measured.comings_per_s
    );
    measured
}

/// Runs a row and prints its figures beside the published ones. Asserts that each is within a wide margin.
fn compare(row: &Published) {
    let runs: Vec<[f64; 10]> = seeds().map(|seed| run(row, seed).figures()).collect();
    let count = runs.len() as f64;
    let mut text = format!("{} ({count} seeds)\n", row.name);
    let mut is_near = true;
    for (index, name) in NAMES.iter().enumerate() {
        let mean = runs.iter().map(|run| run[index]).sum::<f64>() / count;
        let squares = runs.iter().map(|run| (run[index] - mean).powi(2));
        let error = (squares.sum::<f64>() / (count - 1.0) / count).sqrt();
        let published = row.figures[index];
        let its_error = row.errors[index].max(LEAST_ERRORS[index] * published);
        let off = mean - published;
        // One seed varies as much as each of the three of the published values.
        let spread = its_error * (1.0 + 3.0 / count).sqrt();
        let allowed = (3.0 * spread).max(0.03 * published.abs());
        let mark = if off.abs() <= allowed { "" } else { "  <--" };
        is_near &= off.abs() <= allowed;
        text += &format!(
            "  {name:12} {mean:10.4} ± {error:8.4}   published {published:10.4} ± {its_error:8.4}   off {off:9.4} of {allowed:8.4}{mark}\n"
        );
    }
    println!("{text}");
    assert!(is_near, "{text}");
}

const IDLE_HOUR: Refresh = Refresh {
    what: Refreshed::Idle,
    every_us: HOUR_US,
    own: true,
};

/// Nodes that evict what fails once, and learn whom they hear from.
fn learning(replacements: u8, full: Full, refresh: Option<Refresh>) -> Maintenance {
    Maintenance {
        learn_asker: true,
        learn_answerer: true,
        table: TableRules {
            full,
            replacements,
            evict_after: Some(1),
            ..TableRules::DEFAULT
        },
        refresh,
        ..Maintenance::default()
    }
}

#[test]
#[ignore = "minutes"]
fn l1_nothing_is_learned_and_nothing_evicted() {
    compare(&Published {
        name: "L1",
        k: 20,
        join: Join::Ideal,
        renewal_us: None,
        maintenance: None,
        figures: [
            0.2689, 0.2677, 0.9499, 38.14, 11.44, 4852.0, 0.0, 0.0, 0.0, 0.0,
        ],
        errors: [
            0.0041, 0.0035, 0.0044, 0.25, 0.34, 110.0, 0.0, 0.0, 0.0, 0.0,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l2_tables_are_made_anew_every_ten_minutes() {
    compare(&Published {
        name: "L2",
        k: 20,
        join: Join::Ideal,
        renewal_us: Some(600 * SECOND_US),
        maintenance: None,
        figures: [
            0.0252, 0.0249, 0.9978, 29.25, 1.11, 1286.0, 0.0, 0.0, 0.0, 0.0,
        ],
        errors: [0.0007, 0.0004, 0.0001, 0.07, 0.02, 5.0, 0.0, 0.0, 0.0, 0.0],
    });
}

#[test]
#[ignore = "minutes"]
fn l4_what_fails_is_evicted() {
    let evicting = Maintenance {
        table: TableRules {
            evict_after: Some(1),
            ..TableRules::DEFAULT
        },
        ..Maintenance::default()
    };
    compare(&Published {
        name: "L4",
        k: 20,
        join: Join::Ideal,
        renewal_us: None,
        maintenance: Some(evicting),
        figures: [
            0.1522, 0.3025, 0.9469, 37.75, 10.52, 4557.0, 0.0, 0.0, 0.0, 0.0,
        ],
        errors: [
            0.0023, 0.0041, 0.0049, 0.22, 0.32, 110.0, 0.0, 0.0, 0.0, 0.0,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l5_what_fails_is_evicted_and_traffic_teaches() {
    compare(&Published {
        name: "L5",
        k: 20,
        join: Join::Ideal,
        renewal_us: None,
        maintenance: Some(learning(0, Full::Keep, None)),
        figures: [
            0.1526, 0.1441, 0.9705, 38.33, 10.85, 4657.0, 0.0, 0.0, 0.0, 0.0,
        ],
        errors: [
            0.0018, 0.0013, 0.0017, 0.31, 0.31, 100.0, 0.0, 0.0, 0.0, 0.0,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l7_full_buckets_ping_their_oldest_entry() {
    let full = Full::PingOldest { idle_us: 0 };
    compare(&Published {
        name: "L7",
        k: 20,
        join: Join::Protocol,
        renewal_us: None,
        maintenance: Some(learning(0, full, Some(IDLE_HOUR))),
        figures: [
            0.0341, 0.0168, 0.9989, 35.97, 4.98, 2694.0, 0.0498, 0.0335, 0.4460, 0.5293,
        ],
        errors: [
            0.0003, 0.0003, 0.0007, 0.08, 0.07, 23.0, 0.0, 0.0, 0.0, 0.0040,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l9_what_fails_is_flagged() {
    let mut flagging = learning(20, Full::Keep, Some(IDLE_HOUR));
    flagging.table.evict_after = Some(5);
    flagging.table.evict = kadsim_engine::routing::live::Evict::Replaced;
    compare(&Published {
        name: "L9",
        k: 20,
        join: Join::Protocol,
        renewal_us: None,
        maintenance: Some(flagging),
        figures: [
            0.2993, 0.2327, 0.9563, 38.91, 12.17, 5098.0, 0.0587, 0.0365, 0.0, 0.0952,
        ],
        errors: [
            0.0065, 0.0055, 0.0025, 0.10, 0.18, 59.0, 0.0, 0.0, 0.0, 0.0005,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l10_replacements_follow_what_fails() {
    compare(&Published {
        name: "L10",
        k: 20,
        join: Join::Protocol,
        renewal_us: None,
        maintenance: Some(learning(20, Full::Keep, Some(IDLE_HOUR))),
        figures: [
            0.1083, 0.0907, 0.9993, 35.57, 5.95, 3046.0, 0.0508, 0.0323, 0.0, 0.0830,
        ],
        errors: [
            0.0023, 0.0022, 0.0001, 0.22, 0.10, 33.0, 0.0, 0.0, 0.0, 0.0002,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l12_buckets_are_refreshed_every_ten_minutes() {
    let refresh = Refresh {
        every_us: 600 * SECOND_US,
        ..IDLE_HOUR
    };
    compare(&Published {
        name: "L12",
        k: 20,
        join: Join::Protocol,
        renewal_us: None,
        maintenance: Some(learning(20, Full::Keep, Some(refresh))),
        figures: [
            0.0478, 0.0439, 0.9998, 30.28, 1.46, 1438.0, 0.3937, 0.0289, 0.0, 0.4226,
        ],
        errors: [
            0.0010, 0.0008, 0.0001, 0.11, 0.05, 19.0, 0.0, 0.0, 0.0, 0.0030,
        ],
    });
}

#[test]
#[ignore = "minutes"]
fn l14_idle_entries_are_checked() {
    let refresh = Refresh {
        every_us: HOUR_US / 2,
        ..IDLE_HOUR
    };
    let checking = Maintenance {
        check: Some(Check {
            what: Checked::Idle {
                idle_us: 300 * SECOND_US,
            },
            every_us: 300 * SECOND_US,
        }),
        ..learning(10, Full::Keep, Some(refresh))
    };
    compare(&Published {
        name: "L14",
        k: 16,
        join: Join::Protocol,
        renewal_us: None,
        maintenance: Some(checking),
        figures: [
            0.0182, 0.0134, 0.9998, 26.05, 0.95, 1138.0, 0.0856, 0.0240, 0.1294, 0.2390,
        ],
        errors: [
            0.0003, 0.0002, 0.0001, 0.05, 0.01, 6.0, 0.0, 0.0, 0.0, 0.0009,
        ],
    });
}
