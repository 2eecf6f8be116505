//! Tests of drawn operations: due times, origins, keys and segments.

use super::*;
use std::collections::{BTreeSet, HashMap};

use kadsim_engine::distribution::{Distribution, Exponential};
use kadsim_engine::presence::{Churn, Sessions};
use kadsim_systems::network::{NodeSet, Spec};

fn segments() -> SegmentKeys {
    SegmentKeys::Drawn(DrawnSegments {
        network_seed: 5,
        phase: 0,
        first: 0,
        provided: 9,
        withheld: 0,
        parts: 1,
    })
}

fn plan() -> Plan {
    Plan {
        network_seed: 5,
        phase: 1,
        first: 100,
        nodes: 50,
        online: Online::All(50),
        origins: Origins::Each,
        pace: counted(7, 10_000),
        withheld: 0,
        targets: Targets::Segments(segments(), Draw::Distinct),
        start_us: 1000,
        presences: None,
    }
}

fn counted(count: u64, spread_us: u64) -> Pace {
    Pace::Count { count, spread_us }
}

fn all(plan: Plan) -> Vec<Planned> {
    let mut source = Drawn::new(plan);
    let mut planned = Vec::new();
    while let Some(next) = source.peek() {
        planned.push(next);
        source.advance();
    }
    planned
}

#[test]
fn each_origin_takes_its_share_of_distinct_segments() {
    for spread_us in [0, 10_000] {
        let planned = all(Plan {
            pace: counted(7, spread_us),
            ..plan()
        });
        let mut taken: HashMap<Row, BTreeSet<Key>> = HashMap::new();
        for (place, operation) in planned.iter().enumerate() {
            assert_eq!(operation.number, 100 + place as u64);
            assert!(
                taken
                    .entry(operation.origin)
                    .or_default()
                    .insert(operation.key),
                "segment taken twice"
            );
        }
        assert_eq!(taken.len(), 50);
        assert!(taken.values().all(|segments| segments.len() == 7));
    }
}

#[test]
fn random_origins_take_no_segment_twice() {
    let planned = all(Plan {
        origins: Origins::Random,
        pace: counted(450, 10_000),
        ..plan()
    });
    let pairs: BTreeSet<_> = planned
        .iter()
        .map(|operation| (operation.origin, operation.key))
        .collect();
    assert_eq!(pairs.len(), 450, "every node, every segment");
}

#[test]
fn the_same_segments_for_all() {
    let targets = Targets::Segments(segments(), Draw::Same);
    let mut taken: HashMap<Row, BTreeSet<Key>> = HashMap::new();
    for operation in all(Plan { targets, ..plan() }) {
        taken
            .entry(operation.origin)
            .or_default()
            .insert(operation.key);
    }
    let sets: BTreeSet<_> = taken.into_values().collect();
    assert_eq!(sets.len(), 1);
}

#[test]
fn what_is_withheld_is_drawn_and_not_provided() {
    for spread_us in [0, 10_000] {
        let provides = Plan {
            targets: Targets::Random,
            withheld: 13,
            pace: counted(7, spread_us),
            ..plan()
        };
        let drawn = DrawnSegments {
            network_seed: 5,
            phase: 1,
            first: provides.first,
            provided: Drawn::new(provides.clone()).total(),
            withheld: 13,
            parts: 1,
        };
        let provided: BTreeSet<Key> = all(provides).iter().map(|one| one.key).collect();
        assert_eq!(provided.len(), 50 * 7 - 13);
        let segments = SegmentKeys::Drawn(drawn);
        let retrieves = Plan {
            phase: 2,
            pace: counted(segments.len(), 0),
            targets: Targets::Segments(segments, Draw::Distinct),
            ..plan()
        };
        for origin in all(retrieves).chunk_by(|a, b| a.origin == b.origin) {
            let keys: BTreeSet<Key> = origin.iter().map(|one| one.key).collect();
            assert_eq!(keys.len(), 50 * 7, "each once");
            assert_eq!(keys.intersection(&provided).count(), 50 * 7 - 13);
        }
    }
}

#[test]
fn parts_of_a_segment_have_its_key() {
    let SegmentKeys::Drawn(drawn) = segments() else {
        unreachable!()
    };
    let parted = SegmentKeys::Drawn(DrawnSegments { parts: 4, ..drawn });
    assert_eq!(parted.len(), 36);
    for part in 0..36 {
        assert_eq!(parted.key(part), segments().key(part / 4));
    }
}

#[test]
fn due_times_ascend_and_are_uniform() {
    let count = 40_000;
    let planned = all(Plan {
        origins: Origins::Random,
        pace: counted(count, 1_000_000),
        targets: Targets::Random,
        ..plan()
    });
    assert!(
        planned
            .windows(2)
            .all(|pair| pair[0].due_us <= pair[1].due_us)
    );
    let mut counts = [0u32; 20];
    planned
        .iter()
        .for_each(|operation| counts[((operation.due_us - 1000) / 50_000) as usize] += 1);
    let expected = count as f64 / 20.0;
    let chi_square: f64 = counts
        .iter()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum();
    assert!(
        (4.0..43.8).contains(&chi_square),
        "chi-square {chi_square} of 19 degrees"
    );
}

#[test]
fn a_sample_is_distinct_nodes() {
    let Origins::Listed(rows) = Origins::sample(3, 40, &Online::All(50)) else {
        unreachable!()
    };
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), 40);
}

/// Returns every second node of 100.
fn half() -> Online {
    Online::Rows((0..50).map(|place| Row(2 * place + 1)).collect())
}

#[test]
fn operations_start_at_all_nodes_that_are_online_and_at_no_other() {
    let online: BTreeSet<Row> = (0..50).map(|place| half().row(place)).collect();
    let origins_of = |origins: Origins, count: u64, targets: Targets| -> BTreeSet<Row> {
        let planned = all(Plan {
            online: half(),
            nodes: 100,
            origins,
            pace: counted(count, 10_000),
            targets,
            ..plan()
        });
        planned.iter().map(|operation| operation.origin).collect()
    };
    let segments = || Targets::Segments(segments(), Draw::Distinct);
    for (origins, count) in [(Origins::Random, 2000), (Origins::Each, 7)] {
        let found = origins_of(origins, count, Targets::Random);
        assert_eq!(found, online);
    }
    assert_eq!(origins_of(Origins::Random, 450, segments()), online);
    assert_eq!(origins_of(Origins::Each, 9, segments()), online);
    let sample = origins_of(Origins::sample(3, 40, &half()), 7, segments());
    assert_eq!(sample.len(), 40);
    assert!(sample.is_subset(&online));
    let one = origins_of(Origins::one(3, &half()), 7, segments());
    assert_eq!(one.len(), 1);
    assert!(one.is_subset(&online));
}

#[test]
fn each_of_the_nodes_that_are_online_has_its_operations() {
    let planned = Plan {
        online: half(),
        nodes: 100,
        ..plan()
    };
    assert_eq!(Drawn::new(planned.clone()).total(), 50 * 7);
    assert_eq!(all(planned).len(), 50 * 7);
}

fn by_rate(per_s: f64, duration_us: u64) -> Plan {
    Plan {
        pace: Pace::Rate { per_s, duration_us },
        targets: Targets::Random,
        ..plan()
    }
}

#[test]
fn gaps_of_a_rate_are_exponential() {
    let planned = all(by_rate(1000.0, 50_000_000));
    assert_eq!(planned[0].number, 100);
    let count = planned.len() as f64;
    assert!((count - 50_000.0).abs() < 5.0 * 50_000f64.sqrt(), "{count}");
    assert!(planned.last().unwrap().due_us < 1000 + 50_000_000);
    let gaps = planned
        .windows(2)
        .map(|pair| pair[1].due_us - pair[0].due_us);
    let gaps: Vec<f64> = gaps.map(|gap_us| gap_us as f64).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!((mean - 1000.0).abs() < 25.0, "{mean}");
    // A gap is longer than the mean with probability 1/e.
    let long = gaps.iter().filter(|&&gap_us| gap_us > 1000.0).count() as f64;
    assert!((long / count - (-1f64).exp()).abs() < 0.012, "{long}");
}

#[test]
fn due_times_of_a_rate_do_not_depend_on_the_nodes() {
    let due_us = |nodes: u32, origins: Origins| -> Vec<u64> {
        let planned = all(Plan {
            nodes,
            online: Online::All(nodes),
            origins,
            ..by_rate(100.0, 10_000_000)
        });
        planned.iter().map(|operation| operation.due_us).collect()
    };
    let of_few = due_us(50, Origins::Random);
    assert_eq!(of_few, due_us(70_000, Origins::Random));
    assert_eq!(of_few, due_us(70_000, Origins::Each));
}

/// The variance of a Poisson number is its mean.
#[test]
fn the_number_of_operations_of_a_rate_is_poisson_over_networks() {
    let counts = (0..2000).map(|network_seed| {
        let plan = Plan {
            network_seed,
            ..by_rate(20.0, 2_000_000)
        };
        let total = Drawn::new(plan.clone()).total();
        assert_eq!(all(plan).len() as u64, total);
        total as f64
    });
    let counts: Vec<f64> = counts.collect();
    let mean = counts.iter().sum::<f64>() / 2000.0;
    let variance = counts
        .iter()
        .map(|count| (count - mean).powi(2))
        .sum::<f64>()
        / 1999.0;
    // Standard errors: 0.14 and 1.27.
    assert!((mean - 40.0).abs() < 0.7, "{mean}");
    assert!((variance - 40.0).abs() < 6.4, "{variance}");
}

#[test]
fn by_rate_each_operation_draws_one_of_the_origins() {
    let of = |origins: Origins| {
        let mut counts: HashMap<Row, f64> = HashMap::new();
        for operation in all(Plan {
            origins,
            ..by_rate(1000.0, 10_000_000)
        }) {
            *counts.entry(operation.origin).or_default() += 1.0;
        }
        counts
    };
    for (origins, nodes) in [
        (Origins::Random, 50),
        (Origins::Each, 50),
        (Origins::sample(3, 8, &Online::All(50)), 8),
        (Origins::one(3, &Online::All(50)), 1),
    ] {
        let (counts, expected) = (of(origins), 10_000.0 / f64::from(nodes));
        assert_eq!(counts.len(), nodes as usize);
        let far = |count: &&f64| (**count - expected).abs() > 6.0 * expected.sqrt();
        assert_eq!(counts.values().find(far), None, "{expected}");
    }
}

#[test]
fn by_rate_origins_take_distinct_segments_until_all_pairs_are_taken() {
    let planned = all(Plan {
        origins: Origins::sample(3, 8, &Online::All(50)),
        targets: Targets::Segments(segments(), Draw::Distinct),
        ..by_rate(100.0, 1_000_000)
    });
    let pair = |operation: &Planned| (operation.origin, operation.key);
    assert!(planned.len() > 72, "{}", planned.len());
    let pairs: BTreeSet<_> = planned[..72].iter().map(pair).collect();
    assert_eq!(pairs.len(), 72, "8 origins, 9 segments");
    assert_eq!(pair(&planned[72]), pair(&planned[0]));
}

#[test]
fn a_rate_may_give_no_operation() {
    for per_s in [f64::MIN_POSITIVE, 1e-9] {
        assert_eq!(Drawn::new(by_rate(per_s, 1_000_000)).total(), 0);
    }
}

/// Returns who is online when in a network of 50 nodes in which nodes are online for this share of the time.
fn presences(share_online: f64) -> Presences {
    let mean = |mean_us: f64| -> Arc<dyn Distribution> { Arc::new(Exponential { mean_us }) };
    let sessions = Sessions {
        session: Some(mean(1e6 * share_online)),
        absence: Some(mean(1e6 * (1.0 - share_online))),
    };
    let churn = Churn {
        sessions: vec![sessions],
        ..Churn::default()
    };
    let mut network = Network::new(Spec {
        nodes: NodeSet::Generated(50),
        churn: Some(churn),
        ..Spec::default()
    })
    .unwrap();
    network.presences(1_000_000).unwrap()
}

#[test]
fn origins_of_a_living_network_are_the_first_drawn_that_are_online() {
    let presences = presences(0.5);
    for targets in [
        Targets::Random,
        Targets::Segments(segments(), Draw::Distinct),
    ] {
        let frozen = Plan {
            origins: Origins::Random,
            pace: counted(400, 5_000_000),
            targets,
            ..plan()
        };
        let living = Plan {
            presences: Some(presences.clone()),
            ..frozen.clone()
        };
        let mut kept = 0;
        for (first, one) in all(frozen).into_iter().zip(all(living)) {
            assert!(!one.lacks_origin && presences.is_online(one.origin, one.due_us));
            assert_eq!((one.key, one.due_us), (first.key, first.due_us));
            if presences.is_online(first.origin, first.due_us) {
                assert_eq!(one, first);
                kept += 1;
            }
        }
        assert!((140..260).contains(&kept), "{kept}");
    }
}

#[test]
fn an_operation_lacks_an_origin_where_no_node_drawn_is_online() {
    let frozen = Plan {
        origins: Origins::Random,
        targets: Targets::Random,
        ..plan()
    };
    let living = Plan {
        presences: Some(presences(1e-7)),
        ..frozen.clone()
    };
    for (first, one) in all(frozen).into_iter().zip(all(living)) {
        assert!(one.lacks_origin);
        assert_eq!(one.origin, first.origin);
    }
}

#[test]
fn origins_that_are_not_drawn_stay() {
    let living = Plan {
        presences: Some(presences(0.5)),
        ..plan()
    };
    assert_eq!(all(living), all(plan()));
}

#[test]
fn keys_of_online_nodes_are_those_of_nodes_that_answer() {
    let presences = presences(0.5);
    let keys: HashMap<Key, Row> = (0..50)
        .map(|row| (presences.key(Row(row)), Row(row)))
        .collect();
    let lookups = Plan {
        targets: Targets::OnlineNodes(Box::new(presences.clone())),
        ..plan()
    };
    let asked: Vec<_> = all(lookups)
        .iter()
        .map(|one| (keys[&one.key], one.due_us))
        .collect();
    assert!(
        asked
            .iter()
            .all(|&(row, due_us)| presences.answers(row, due_us))
    );
    let rows: BTreeSet<Row> = asked.iter().map(|&(row, _)| row).collect();
    assert!(rows.len() > 15, "{}", rows.len());
}
