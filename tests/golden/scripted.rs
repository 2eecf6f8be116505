//! Lookups with the errors and delays that py-dht drew, contact by contact.

use kadsim_engine::link::{Attempt, Fate, Link};
use kadsim_engine::record::{Kind, Outcome};
use kadsim_systems::rules::Procedure;

use crate::golden::data::{Golden, GoldenRow};
use crate::golden::operations::Lookup;
use crate::golden::world::{N1000, Variation, World};

/// The fate of each contact of each operation.
struct Script(Vec<Vec<Fate>>);

impl Link for Script {
    fn draw(&self, attempt: Attempt, _: &dyn Fn(u64) -> bool) -> Fate {
        let Attempt {
            operation,
            sequence,
            ..
        } = attempt;
        let Some(fate) = self.0[operation as usize].get(sequence as usize) else {
            panic!("row {operation}: py-dht made no contact {sequence}");
        };
        *fate
    }

    fn shortest_us(&self, _: bool) -> u64 {
        1
    }

    fn shortest_delay_us(&self) -> u64 {
        0
    }
}

fn fates(row: &GoldenRow) -> Vec<Fate> {
    let outcomes = row.ints("outcome").into_iter();
    outcomes
        .zip(row.us_list("base_delay_ms"))
        .map(|(outcome, base_delay_us)| fate(Outcome::ALL[outcome as usize], base_delay_us))
        .collect()
}

fn fate(outcome: Outcome, base_delay_us: u64) -> Fate {
    match outcome {
        Outcome::Ok => Fate::answered(base_delay_us),
        _ => Fate::failed(outcome, base_delay_us),
    }
}

#[test]
fn lookups_with_errors_by_py_dht() {
    let golden = Golden::read("scripted_errors_n1000_k10/lookups");
    assert_eq!(golden.len(), 600);
    let script: Vec<Vec<Fate>> = golden.rows().map(|row| fates(&row)).collect();
    let variation = Variation {
        procedure: Procedure::PyDht,
        link: Box::new(Script(script.clone())),
        ..Variation::default()
    };
    let mut world = World::new(N1000, variation);
    for (row, script) in golden.rows().zip(script) {
        assert_eq!(world.network.next_operation(), row.row as u64);
        world.set_alpha(row.int("alpha"));
        let ran = world.run(Kind::Lookup, row.int("origin"), row.key("target"));
        assert_eq!(Lookup::ran(&ran), Lookup::golden(&row), "{row}");
        let recorded: Vec<Fate> = ran
            .connections
            .iter()
            .map(|c| fate(c.outcome, c.base_delay_us))
            .collect();
        assert_eq!(recorded, script, "{row}");
        for connection in &ran.connections {
            let cost_us = fate(connection.outcome, connection.base_delay_us).cost_us();
            assert_eq!(connection.total_delay_us, cost_us, "{row}: {connection:?}");
        }
    }
}
