//! Overhead: series of lookups, provides and retrieves in which each use of a node raises its cost.

use std::collections::HashMap;

use kadsim_engine::record::Kind;
use kadsim_systems::rules::Procedure;

use crate::golden::data::{Golden, GoldenRow};
use crate::golden::world::{N1000, Ran, Variation, World};

const OVERHEAD_US: u64 = 250;

#[derive(Debug, PartialEq, Eq)]
struct Op {
    attempts: i64,
    finished: Option<i64>,
    lookup_us: u64,
    store_us: Option<u64>,
    total_us: u64,
    contacted: Vec<i64>,
    total_overhead_us: Vec<u64>,
    stored: Vec<i64>,
    found: bool,
}

impl Op {
    fn golden(row: &GoldenRow) -> Self {
        Self {
            attempts: row.int("attempts"),
            finished: row.optional_int("finished"),
            lookup_us: row.us("lookup_delay_ms"),
            store_us: row.optional_us("store_delay_ms"),
            total_us: row.us("aggr_delay_ms"),
            contacted: row.ints("contacted"),
            total_overhead_us: row.us_list("total_overhead"),
            stored: row.ints("stored"),
            found: row.optional_flag("found") == Some(true),
        }
    }

    fn ran(ran: &Ran) -> Self {
        let overheads = ran
            .connections
            .iter()
            .map(|c| c.origin_overhead_us + c.remote_overhead_us);
        Self {
            attempts: i64::from(ran.row.attempts),
            finished: (ran.row.kind != Kind::Provide).then_some(i64::from(ran.row.completed)),
            lookup_us: ran.row.lookup_us.unwrap(),
            store_us: ran.row.store_us,
            total_us: ran.row.end_us.unwrap() - ran.row.start_us,
            contacted: ran.connections.iter().map(|c| c.to).collect(),
            total_overhead_us: overheads.collect(),
            stored: ran.stored(),
            found: ran.row.found == Some(true),
        }
    }
}

fn kind(row: &GoldenRow) -> Kind {
    match row.text("op").as_str() {
        "lookup" => Kind::Lookup,
        "provide" => Kind::Provide,
        "retrieve" => Kind::Retrieve,
        other => panic!("{row}: op {other}"),
    }
}

/// Returns whether the procedure by the clock may differ: py-dht contacted its own origin, or costs are not constant.
fn is_excepted(row: &GoldenRow, origin_holds: bool) -> bool {
    let costs_differ = row.int("alpha") != 1 && !row.flag("reset_each");
    costs_differ || origin_holds || row.ints("contacted").contains(&row.int("origin"))
}

fn series_match(procedure: Procedure) {
    let golden = Golden::read("gamma_n1000_k10/ops");
    assert_eq!(golden.len(), 600);
    let variation = Variation {
        procedure,
        overhead_us: OVERHEAD_US,
        ..Variation::default()
    };
    let mut world = World::new(N1000, variation);
    let mut series = None;
    let mut holders: HashMap<u64, Vec<i64>> = HashMap::new();
    let mut durations: HashMap<(i64, u64), Vec<u64>> = HashMap::new();
    let mut excepted = 0;
    for row in golden.rows() {
        let (kind, alpha, reset_each) = (kind(&row), row.int("alpha"), row.flag("reset_each"));
        if series != Some((kind, alpha, reset_each)) {
            series = Some((kind, alpha, reset_each));
            assert_eq!(row.int("seq"), 0, "{row} begins a series");
            world.network.reset_overhead();
            if kind == Kind::Provide {
                world.network.clear_segments();
                holders.clear();
            }
        }
        world.set_alpha(alpha);
        let (origin, key) = (row.int("origin"), row.key("target"));
        let ran = world.run(kind, origin, key);
        let origin_holds = kind == Kind::Retrieve && holders[&key].contains(&origin);
        if kind == Kind::Provide {
            holders.insert(key, ran.stored());
        }
        if kind == Kind::Retrieve && reset_each && !origin_holds {
            durations
                .entry((origin, key))
                .or_default()
                .push(ran.row.lookup_us.unwrap());
        }
        if procedure == Procedure::Iterative && row.ints("stored").contains(&origin) {
            // py-dht's origin stores at itself by a connection, which charges it twice.
            let origin = world.row(origin);
            let _charged_twice = world.network.contact(origin, Some(origin));
        }
        if reset_each {
            world.network.reset_overhead();
        }
        if procedure == Procedure::Iterative && is_excepted(&row, origin_holds) {
            excepted += 1;
            continue;
        }
        let (found, expected) = (Op::ran(&ran), Op::golden(&row));
        assert_eq!(found, expected, "{row}");
        if kind == Kind::Retrieve {
            assert!(holders[&key].contains(&ran.row.holder.unwrap()), "{row}");
        }
    }
    // 150 of the 600 rows have alpha 3 and no reset.
    assert!(excepted <= 150 + 30, "{excepted} rows excepted");
    assert_equal_at_both_alphas(durations);
}

/// Asserts that each retrieve takes as long with alpha 3 as with alpha 1.
fn assert_equal_at_both_alphas(durations: HashMap<(i64, u64), Vec<u64>>) {
    assert!(durations.len() > 40);
    for (retrieve, durations_us) in durations {
        let [alone_us, three_us] = durations_us[..] else {
            panic!(
                "(origin, segment) {retrieve:?} was retrieved {} times",
                durations_us.len()
            );
        };
        assert_eq!(
            three_us, alone_us,
            "(origin, segment) {retrieve:?}, alpha 3 and 1"
        );
    }
}

#[test]
fn overhead_by_py_dht() {
    series_match(Procedure::PyDht);
}

#[test]
fn overhead_by_the_clock() {
    series_match(Procedure::Iterative);
}
