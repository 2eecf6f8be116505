//! Phases by rate, and idle ones.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Dir;

/// Two networks that rest, provide and retrieve by rate, and rest again.
const RATES: &str = r#"schema = 1
name = "rates"
seed = 5
networks = 2
network.nodes = 300
link.delay_ms = 50
[[phase]]
name = "before"
kind = "idle"
duration_ms = 60_000
[[phase]]
name = "putting"
kind = "provide"
rate_per_s = 20
duration_ms = 10_000
[[phase]]
name = "getting"
kind = "retrieve"
origin = { sample = 5 }
rate_per_s = 10.5
duration_ms = 4000
segments = "putting"
[[phase]]
name = "looking"
kind = "lookup"
origin = "each"
keys = "online"
rate_per_s = 5
duration_ms = 4000
[[phase]]
name = "after"
kind = "idle"
duration_ms = 1000
"#;

#[test]
fn phases_by_rate_and_idle_phases_last_for_their_duration() {
    let dir = Dir::new();
    dir.write("rates.toml", RATES);
    dir.kadsim(&["run", "rates.toml"]).ends(0);
    let operations = dir.table("out/rates/operations.parquet");
    let (networks, phases) = (operations.values("network"), operations.words("phase"));
    let mut by_phase: BTreeMap<(u32, &str), Vec<f64>> = BTreeMap::new();
    for ((network, phase), due_ms) in networks
        .iter()
        .zip(&phases)
        .zip(operations.values("due_ms"))
    {
        let of = by_phase.entry((*network as u32, phase)).or_default();
        of.push(due_ms);
    }
    assert_eq!(
        by_phase.len(),
        6,
        "three phases with operations, two networks"
    );
    for ((_, phase), due_ms) in &by_phase {
        // Of the phases before it, only some last longer than their duration, by an operation.
        let (from_ms, duration_ms, expected) = match *phase {
            "putting" => (60_000.0, 10_000.0, 200.0),
            "getting" => (70_000.0, 4000.0, 42.0),
            _ => (74_000.0, 4000.0, 20.0),
        };
        let count = due_ms.len() as f64;
        assert!(
            (count - expected).abs() < 5.0 * f64::sqrt(expected),
            "{phase}: {count}"
        );
        let range = from_ms..from_ms + duration_ms + 4000.0;
        assert!(
            due_ms.iter().all(|due_ms| range.contains(due_ms)),
            "{phase}"
        );
    }
    assert_ne!(by_phase[&(0, "putting")], by_phase[&(1, "putting")]);
    let ends = dir.table("out/rates/nodes.parquet").words("phase");
    assert_eq!(
        ends.iter().filter(|phase| *phase == "after").count(),
        2 * 300
    );
    let summary: Value = serde_json::from_str(&dir.read("out/rates/summary.json")).unwrap();
    assert_eq!(summary["getting.found.mean"], 1.0);
    assert_eq!(summary["after.duration_ms.count"], 0);
    // The resolved file runs alike.
    let resolved = dir.kadsim(&["check", "rates.toml"]).ends(0).stdout;
    assert!(resolved.contains("rate_per_s = 10.5\n"), "{resolved}");
    assert!(
        resolved.contains("kind = \"idle\"\nduration_ms = 60000\n"),
        "{resolved}"
    );
}
