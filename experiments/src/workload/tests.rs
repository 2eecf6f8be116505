//! Tests of drawn operations: due times, origins, keys and segments.

use super::*;
use std::collections::{BTreeSet, HashMap};

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
