//! Six simultaneous starts of one run: one process owns the folder, and all tables are its own.
//!
//! `KADSIM_STARTS` is the number of rounds, `KADSIM_STARTS_SEED` repeats a series:
//!
//! ```sh
//! KADSIM_STARTS=1000 cargo test --release --test tests cli::starts -- --nocapture
//! ```

use std::fs;
use std::process::Child;

use crate::support::{Answer, Dir, Random, setting};

/// Processes that start at once.
const AT_ONCE: usize = 6;

const TABLES: [&str; 5] = ["nodes", "operations", "summary", "ticks", "timings"];

#[test]
fn starts() {
    let rounds = setting("KADSIM_STARTS", 10);
    let mut random = Random::new("KADSIM_STARTS_SEED");
    let dir = Dir::new();
    // The seed of each process identifies its tables.
    let seeds: Vec<String> = (1..=AT_ONCE).map(|seed| seed.to_string()).collect();
    let digest = |seed: &String| {
        let call = [
            "run",
            "small.toml",
            "--quiet",
            "--seed",
            seed,
            "--out",
            seed,
        ];
        dir.kadsim(&call).ends(0);
        dir.digest(&format!("{seed}/small"))
    };
    let digests: Vec<String> = seeds.iter().map(digest).collect();
    let mut stale = 0;
    for round in 0..rounds {
        let out = format!("round-{round}");
        // In half of the rounds, all processes find the folder of a killed one and try to remove it.
        if random.below(2) == 0 {
            stale += 1;
            fs::create_dir_all(dir.path(&format!("{out}/small.partial"))).unwrap();
            for file in [
                "running.lock",
                "resolved.toml",
                "nodes.parquet",
                "ticks.parquet",
            ] {
                dir.write(&format!("{out}/small.partial/{file}"), "");
            }
        }
        let start = |seed: &String| {
            dir.spawn(&[
                "run",
                "small.toml",
                "--quiet",
                "--threads",
                "1",
                "--seed",
                seed,
                "--out",
                &out,
            ])
        };
        let children: Vec<Child> = seeds.iter().map(start).collect();
        let ended = children
            .into_iter()
            .map(|child| Answer::new(child.wait_with_output().unwrap()));
        let mut owners = Vec::new();
        for (place, answer) in ended.enumerate() {
            match answer.status {
                Some(0) => owners.push(place),
                // The process was too late, or the run is done.
                _ => drop(answer.ends(2).says(&[&out])),
            }
        }
        let &[owner] = &owners[..] else {
            panic!("round {round}: {owners:?} own the folder")
        };
        assert_eq!(dir.list(&out), ["small"], "round {round}");
        let folder = format!("{out}/small");
        assert_eq!(dir.digest(&folder), digests[owner], "round {round}");
        assert_eq!(dir.list(&folder), dir.list("1/small"), "round {round}");
        for table in TABLES {
            let seed = dir.table(&format!("{folder}/{table}.parquet")).seed;
            assert_eq!(seed.as_ref(), Some(&seeds[owner]), "round {round}, {table}");
        }
        fs::remove_dir_all(dir.path(&out)).unwrap();
    }
    println!("{rounds} times {AT_ONCE} starts, {stale} with a stale folder: one owner each");
}
