//! Lookups, provides and retrieves in which every contact costs 100 ms and none fails.

use std::collections::HashMap;

use kadsim_engine::key::Key;
use kadsim_engine::record::Kind;
use kadsim_systems::rules::Procedure;

use crate::golden::data::{Golden, GoldenRow};
use crate::golden::world::{N200, N1000, Ran, Setting, Variation, World};

/// The columns that a lookup and a retrieve share.
#[derive(Debug, PartialEq, Eq)]
pub struct Lookup {
    result: Vec<i64>,
    attempts: i64,
    finished: i64,
    successful: i64,
    failed: i64,
    total_nodes: i64,
    duration_us: u64,
    contacted: Vec<i64>,
}

impl Lookup {
    pub fn golden(row: &GoldenRow) -> Self {
        Self {
            result: row.ints("result"),
            attempts: row.int("attempts"),
            finished: row.int("finished"),
            successful: row.int("successful"),
            failed: row.int("failed"),
            total_nodes: row.int("total_nodes"),
            duration_us: row.us("aggr_delay_ms"),
            contacted: row.ints("contacted"),
        }
    }

    pub fn ran(ran: &Ran) -> Self {
        Self {
            result: ran.result.clone(),
            attempts: i64::from(ran.row.attempts),
            finished: i64::from(ran.row.completed),
            successful: i64::from(ran.row.succeeded),
            failed: i64::from(ran.row.failed),
            total_nodes: i64::from(ran.row.known),
            duration_us: ran.row.lookup_us.unwrap(),
            contacted: ran.contacted(),
        }
    }
}

/// Returns whether py-dht's lookup contacted its own origin, which only its own procedure does.
fn contacted_origin(row: &GoldenRow) -> bool {
    row.ints("contacted").contains(&row.int("origin"))
}

fn world(setting: Setting, procedure: Procedure) -> World {
    let variation = Variation {
        procedure,
        ..Variation::default()
    };
    World::new(setting, variation)
}

fn lookups_match(setting: Setting, procedure: Procedure) {
    let golden = Golden::read(setting.lookups);
    assert_eq!(golden.len(), 1000);
    let mut world = world(setting, procedure);
    let mut compared = 0;
    for row in golden.rows() {
        if procedure == Procedure::Iterative && contacted_origin(&row) {
            continue;
        }
        world.set_alpha(row.int("alpha"));
        let ran = world.run(Kind::Lookup, row.int("origin"), row.key("target"));
        assert_eq!(Lookup::ran(&ran), Lookup::golden(&row), "{row}");
        assert_eq!(world.recall_hits(&ran), row.int("recall_hits"), "{row}");
        compared += 1;
    }
    let excepted = if procedure == Procedure::PyDht {
        0
    } else {
        golden.rows().filter(contacted_origin).count()
    };
    assert_eq!(compared + excepted, 1000);
    assert!(excepted < 50, "{excepted} rows excepted");
}

#[derive(Debug, PartialEq, Eq)]
struct Provide {
    stored: Vec<i64>,
    lookup_us: u64,
    store_us: u64,
    operation_us: u64,
}

/// The rows of n200_k5/provide, at alpha 3, in which py-dht contacted its own origin.
const CONTACTED_ORIGIN_N200: [&str; 7] = ["60", "94", "137", "160", "167", "184", "189"];

/// Runs the provides of one alpha. Returns the holders of each segment.
fn provides_match(
    world: &mut World,
    setting: Setting,
    procedure: Procedure,
    alpha: i64,
) -> HashMap<u64, Vec<i64>> {
    let golden = Golden::read(setting.provide);
    let mut holders = HashMap::new();
    world.network.clear_segments();
    world.set_alpha(alpha);
    for row in golden.rows().filter(|row| row.int("alpha") == alpha) {
        let key = row.key("target");
        let ran = world.run(Kind::Provide, row.int("origin"), key);
        let expected = Provide {
            stored: row.ints("stored"),
            lookup_us: row.us("lookup_delay_ms"),
            store_us: row.us("provide_delay_ms"),
            operation_us: row.us("operation_delay_ms"),
        };
        let found = Provide {
            stored: ran.stored(),
            lookup_us: ran.row.lookup_us.unwrap(),
            store_us: ran.row.store_us.unwrap(),
            operation_us: ran.row.end_us.unwrap() - ran.row.start_us,
        };
        assert_eq!(found, expected, "{row}");
        assert_eq!(ran.result, expected.stored, "{row}");
        let counts = (ran.row.stored, ran.row.store_failed);
        assert_eq!(counts, (Some(u32::from(setting.k)), Some(0)), "{row}");
        let segment = row.text("segment");
        let number = segment.rsplit('-').next().unwrap();
        let attempts = (i64::from(ran.row.attempts), row.int("lookup_attempts"));
        let excepted = procedure == Procedure::Iterative
            && (setting.k, alpha) == (N200.k, 3)
            && CONTACTED_ORIGIN_N200.contains(&number);
        assert_eq!(
            attempts.0 != attempts.1,
            excepted,
            "{row}: attempts {attempts:?}"
        );
        for &holder in &expected.stored {
            let holder_row = world.row(holder);
            assert!(
                world.network.holds(holder_row, Key(key)),
                "{row}: node {holder} holds nothing"
            );
        }
        holders.insert(key, expected.stored);
    }
    assert_eq!(holders.len(), 200);
    holders
}

/// Runs the retrieves of one alpha. Returns the duration of each, except where the origin holds the value.
fn retrieves_match(
    world: &mut World,
    setting: Setting,
    procedure: Procedure,
    alpha: i64,
    holders: &HashMap<u64, Vec<i64>>,
) -> HashMap<(i64, u64), u64> {
    let golden = Golden::read(setting.retrieve);
    let mut durations = HashMap::new();
    for row in golden.rows().filter(|row| row.int("alpha") == alpha) {
        let (origin, key) = (row.int("origin"), row.key("target"));
        let ran = world.run(Kind::Retrieve, origin, key);
        let origin_holds = holders[&key].contains(&origin);
        assert_eq!(origin_holds, row.flag("origin_is_holder"), "{row}");
        assert_eq!(ran.row.found, Some(row.flag("found")), "{row}");
        assert_eq!(ran.row.recall, None, "{row}");
        let iterative = procedure == Procedure::Iterative;
        if iterative && origin_holds {
            let ran = (ran.row.holder, ran.row.attempts, ran.row.lookup_us);
            assert_eq!(ran, (Some(origin), 0, Some(0)), "{row}");
            continue;
        }
        durations.insert((origin, key), ran.row.lookup_us.unwrap());
        if iterative && contacted_origin(&row) {
            continue;
        }
        let expected = Lookup::golden(&row);
        assert_eq!(row.text("value"), row.text("segment"), "{row}");
        // At a constant cost contacts are handled in the order of sending, so the last one handled had the value.
        let holder = expected.contacted[expected.finished as usize - 1];
        assert!(holders[&key].contains(&holder), "{row}");
        assert_eq!(ran.row.holder, Some(holder), "{row}");
        assert_eq!(Lookup::ran(&ran), expected, "{row}");
    }
    durations
}

/// Runs the provides and retrieves of both alphas.
fn segments_match(setting: Setting, procedure: Procedure) {
    let mut world = world(setting, procedure);
    let [alone, three] = [1, 3].map(|alpha| {
        let holders = provides_match(&mut world, setting, procedure, alpha);
        retrieves_match(&mut world, setting, procedure, alpha, &holders)
    });
    assert!(alone.len() > 150);
    for (retrieve, alone_us) in &alone {
        assert_eq!(
            three.get(retrieve),
            Some(alone_us),
            "(origin, segment) {retrieve:?}, alpha 3 and 1"
        );
    }
    assert_eq!(alone.len(), three.len());
}

#[test]
fn lookups_by_py_dht() {
    lookups_match(N200, Procedure::PyDht);
    lookups_match(N1000, Procedure::PyDht);
}

#[test]
fn lookups_by_the_clock() {
    lookups_match(N200, Procedure::Iterative);
    lookups_match(N1000, Procedure::Iterative);
}

#[test]
fn provides_and_retrieves_by_py_dht() {
    segments_match(N200, Procedure::PyDht);
    segments_match(N1000, Procedure::PyDht);
}

#[test]
fn provides_and_retrieves_by_the_clock() {
    segments_match(N200, Procedure::Iterative);
    segments_match(N1000, Procedure::Iterative);
}
