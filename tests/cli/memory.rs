//! Memory that `check` estimates, against the peak of the run.

use kadsim::estimate::{Estimate, estimate};
use kadsim::inputs;
use kadsim::watch::Watch;

use crate::support::{self, Dir};

/// Returns an experiment of `lookups` lookups among `nodes` nodes, with the keys `more`.
fn experiment(nodes: u32, lookups: u32, more: &str) -> String {
    format!(
        r#"schema = 1
name = "memory"
seed = 7
network.nodes = {nodes}
link.delay_ms = {{ uniform = [50, 75] }}
{more}

[[phase]]
name = "looking"
kind = "lookup"
count = {lookups}
"#
    )
}

/// Returns the estimate and the peak resident memory of a run, both in bytes.
#[cfg(target_os = "linux")]
fn estimate_and_peak(text: &str) -> (Estimate, u64) {
    let dir = Dir::new();
    dir.write("memory.toml", text);
    let (loaded, inputs) = inputs::load(&dir.path("memory.toml"), &[], Watch::SILENT).unwrap();
    let finished = dir.path("out/memory");
    let peak_kib = support::peak_kib(&dir, &["run", "memory.toml"], || finished.exists());
    (estimate(&loaded.experiment, &inputs), peak_kib << 10)
}

/// Few rows, many tables, many operations in flight. `cargo bench --bench runs -- estimate` measures more.
#[cfg(target_os = "linux")]
#[test]
fn a_run_takes_the_memory_that_is_estimated_and_no_less_than_half_of_it() {
    let overhead = "link.overhead_ms = 0.1\noutput.tables = [\"ticks\"]";
    for (nodes, lookups, more) in [
        (10_000, 5000, ""),
        (60_000, 2000, ""),
        (2000, 40_000, overhead),
    ] {
        let (need, peak) = estimate_and_peak(&experiment(nodes, lookups, more));
        let ratio = need.total() as f64 / peak as f64;
        println!(
            "{nodes} nodes, {lookups} lookups: {ratio:.2}, peak {} KiB, {need:?}",
            peak >> 10
        );
        assert!(
            (1.0..=2.0).contains(&ratio),
            "{nodes} nodes, {lookups} lookups: estimate {need:?}, peak {peak}"
        );
    }
}

#[test]
fn check_says_what_takes_memory_and_run_refuses_what_is_not_there() {
    let dir = Dir::new();
    let answer = dir.kadsim(&["check", "small.toml"]).ends(0);
    let (_, parts) = answer.stdout.split_once("# Estimated memory\n").unwrap();
    for (name, _) in Estimate::default().parts() {
        assert!(parts.contains(&format!("# {name} ")), "{name}: {parts}");
    }
    let large = [
        "--set",
        "network.nodes=2_000_000_000",
        "--set",
        "network.bucket_size=255",
    ];
    let check = [&["check", "small.toml"], &large[..]].concat();
    let run = [&["run", "small.toml"], &large[..]].concat();
    for call in [check, run] {
        let answer = dir.kadsim(&call).ends(2);
        assert!(
            answer.stderr.contains("of memory, this machine has"),
            "{}",
            answer.stderr
        );
    }
    assert!(dir.list("out").is_empty());
}
