//! Lookups with random errors: statistics within 3 standard errors of py-dht's.

use std::collections::BTreeMap;

use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::random::Probability;
use kadsim_engine::record::Kind;
use kadsim_systems::rules::Procedure;

use crate::golden::data::{Golden, GoldenRow};
use crate::golden::world::{N1000, Variation, World};

/// Passes over the golden origins and targets, each with a seed of its own.
const SEEDS: u64 = 4;

/// Percentages of fast and slow errors.
const GROUPS: [(i64, i64); 7] = [
    (0, 0),
    (10, 0),
    (25, 0),
    (0, 10),
    (10, 10),
    (25, 10),
    (50, 10),
];

/// What is compared, by name.
const STATISTICS: [&str; 8] = [
    "attempts",
    "finished",
    "successful",
    "failed",
    "total_nodes",
    "aggr_delay_ms",
    "recall_hits",
    "share of recall_hits 0",
];

/// The statistics of a lookup, in the order of [`STATISTICS`].
type Lookup = [f64; STATISTICS.len()];
type Sample = Vec<Lookup>;

/// Returns the statistics of a lookup. `counts` are attempts, finished, successful, failed and known.
fn lookup(counts: [f64; 5], delay_us: u64, hits: i64) -> Lookup {
    let [attempts, finished, successful, failed, known] = counts;
    [
        attempts,
        finished,
        successful,
        failed,
        known,
        delay_us as f64 / 1000.0,
        hits as f64,
        f64::from(hits == 0),
    ]
}

fn golden_sample(row: &GoldenRow) -> Lookup {
    let int = |name| row.int(name) as f64;
    let names = [
        "attempts",
        "finished",
        "successful",
        "failed",
        "total_nodes",
    ];
    let counts = names.map(int);
    assert_eq!(counts[0] - counts[1], 2.0, "{row}");
    assert_eq!(counts[0], int("ok_contacts") + int("err_contacts"), "{row}");
    lookup(counts, row.us("aggr_delay_ms"), row.int("recall_hits"))
}

fn fault(percent: i64, delay_us: u64) -> Option<Fault> {
    let probability = Probability::new(percent as f64 / 100.0);
    (percent > 0).then_some(Fault {
        probability,
        delay: Delay::Constant(delay_us),
    })
}

/// Runs the golden lookups of a group with kadsim's own draws of errors.
fn kadsim_sample(golden: &[GoldenRow], (fast, slow): (i64, i64)) -> Sample {
    let mut samples = Sample::new();
    for seed in 0..SEEDS {
        let link = Box::new(UniformLink {
            delay: Delay::Constant(50_000),
            fast_error: fault(fast, 20_000),
            slow_error: fault(slow, 200_000),
            ..UniformLink::default()
        });
        let variation = Variation {
            procedure: Procedure::PyDht,
            link,
            seed,
            ..Variation::default()
        };
        let mut world = World::new(N1000, variation);
        world.set_alpha(3);
        for row in golden {
            let ran = world.run(Kind::Lookup, row.int("origin"), row.key("target"));
            assert_eq!(
                ran.row.attempts - ran.row.completed,
                2,
                "{row}, seed {seed}"
            );
            let counts = [
                ran.row.attempts,
                ran.row.completed,
                ran.row.succeeded,
                ran.row.failed,
                ran.row.known,
            ];
            let hits = world.recall_hits(&ran);
            samples.push(lookup(
                counts.map(f64::from),
                ran.row.lookup_us.unwrap(),
                hits,
            ));
        }
    }
    samples
}

/// Returns the mean and the squared standard error of a statistic.
fn mean_of(samples: &Sample, statistic: usize) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().map(|sample| sample[statistic]).sum::<f64>() / n;
    let squares = samples
        .iter()
        .map(|sample| (sample[statistic] - mean).powi(2))
        .sum::<f64>();
    (mean, squares / (n - 1.0) / n)
}

#[test]
fn statistics_of_lookups_with_errors_by_py_dht() {
    let golden = Golden::read("errors_n1000_k10/lookups");
    let mut groups: BTreeMap<(i64, i64), Vec<GoldenRow>> = BTreeMap::new();
    for row in golden.rows() {
        groups
            .entry((row.int("fast"), row.int("slow")))
            .or_default()
            .push(row);
    }
    assert_eq!(groups.len(), GROUPS.len());
    let mut report = String::new();
    let mut outside = 0;
    for group in GROUPS {
        let rows = &groups[&group];
        assert_eq!(rows.len(), 1000, "{group:?}");
        let expected: Sample = rows.iter().map(golden_sample).collect();
        let found = kadsim_sample(rows, group);
        if group == (50, 10) {
            assert_eq!(mean_of(&expected, STATISTICS.len() - 1).0, 0.06);
        }
        for (statistic, name) in STATISTICS.iter().enumerate() {
            let (golden_mean, golden_square) = mean_of(&expected, statistic);
            let (our_mean, our_square) = mean_of(&found, statistic);
            let error = (golden_square + our_square).sqrt();
            let off = (our_mean - golden_mean).abs();
            // Means of the same numbers in another order of summation may differ in the last bits.
            if off > 3.0 * error + 1e-9 {
                outside += 1;
            }
            report += &format!(
                "{group:?} {name}: {our_mean:.4}, py-dht {golden_mean:.4}, off {:.2} errors\n",
                off / error
            );
        }
    }
    println!("{report}");
    assert_eq!(outside, 0, "further off than 3 standard errors:\n{report}");
}
