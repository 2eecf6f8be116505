//! SIGKILL at random moments of `run`, `run --force` and shards of one study.
//!
//! `KADSIM_CRASHES` is the number of kills, `KADSIM_CRASH_SEED` repeats a series:
//!
//! ```sh
//! KADSIM_CRASHES=300 cargo test --release --test tests cli::crash -- --nocapture
//! ```
//!
//! After each kill, every folder with a finished name is whole and has the digest of an undisturbed run, and foreign files
//! are still there. A last run completes the study.

use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use super::folders::grid;
use super::sweep::assert_same;
use crate::support::{Dir, Random, setting, wait_at_most};

const CELLS: [&str; 4] = [
    "lookup.alpha=1/network.nodes=200",
    "lookup.alpha=1/network.nodes=300",
    "lookup.alpha=3/network.nodes=200",
    "lookup.alpha=3/network.nodes=300",
];

/// Calls that run cells of the study.
const CALLS: [&[&str]; 6] = [
    &["run", "grid.toml", "--quiet"],
    &["run", "grid.toml", "--quiet", "--threads", "1"],
    &["run", "grid.toml", "--quiet", "--force"],
    &["run", "grid.toml", "--quiet", "--force"],
    &["sweep", "grid.toml", "--quiet", "--shard", "1/2"],
    &["sweep", "grid.toml", "--quiet", "--shard", "2/2"],
];

/// Folders of kadsim's that get a foreign file.
const PLACES: [&str; 5] = [
    "out/grid",
    "out/grid.partial",
    "out/grid.replaced",
    "out/grid.rubbish",
    "out/grid/lookup.alpha=1",
];

/// The study and its expected digests.
struct Study {
    dir: Dir,
    cells: BTreeMap<&'static str, String>,
    digest: String,
    /// Duration of an undisturbed run.
    length: Duration,
}

impl Study {
    fn new() -> Self {
        let dir = Dir::new();
        grid(&dir);
        let begun = Instant::now();
        dir.kadsim(&["run", "grid.toml", "--quiet", "--out", "calm"])
            .ends(0);
        let length = begun.elapsed();
        let cell = |cell: &&'static str| (*cell, dir.digest(&format!("calm/grid/{cell}")));
        Self {
            cells: CELLS.iter().map(cell).collect(),
            digest: dir.digest("calm/grid"),
            length,
            dir,
        }
    }

    /// Checks that every folder with a finished name is whole. Returns the number of cells that are done.
    fn check(&self) -> usize {
        let mut done = 0;
        for (cell, digest) in &self.cells {
            let path = format!("out/grid/{cell}");
            if self.dir.path(&path).exists() {
                assert_eq!(self.dir.digest(&path), *digest, "{cell}");
                done += 1;
            }
        }
        if self.dir.path("out/grid/study.json").exists() {
            self.dir.kadsim(&["inspect", "out/grid"]).ends(0);
        }
        if self.dir.path("out/grid/summary.parquet").exists() {
            assert_eq!(self.dir.digest("out/grid"), self.digest);
        }
        assert_eq!(self.dir.read("out/mine"), "precious");
        done
    }
}

fn kill(mut child: Child) -> bool {
    let ended = child.try_wait().unwrap();
    let _ = child.kill();
    child.wait().unwrap();
    ended.is_none()
}

#[test]
fn crash() {
    let kills = setting("KADSIM_CRASHES", 12);
    let mut random = Random::new("KADSIM_CRASH_SEED");
    let study = Study::new();
    let dir = &study.dir;
    fs::create_dir(dir.path("out")).unwrap();
    dir.write("out/mine", "precious");
    let (mut killed, mut half, mut kept) = (0, 0, 0);
    let mut length = study.length;
    while killed < kills {
        // Up to three processes at once, each killed at a moment of its own.
        let mut children: Vec<(Duration, Child)> = (0..=random.below(3))
            .map(|_| {
                let call = CALLS[random.below(CALLS.len() as u64) as usize];
                let share = random.below(1200) as u32;
                (length * share / 1000, dir.spawn(call))
            })
            .collect();
        let begun = Instant::now();
        children.sort_by_key(|(moment, _)| *moment);
        for (moment, mut child) in children {
            wait_at_most(&mut child, moment.saturating_sub(begun.elapsed()));
            let was_running = kill(child);
            killed += u64::from(was_running);
            // The length adapts, because the machine may have been busy when it was measured, or may be busy now.
            length = length * if was_running { 17 } else { 12 } / 16;
        }
        let done = study.check();
        half += u64::from(done > 0 && done < CELLS.len());
        // A foreign file in one of the folders.
        let place = PLACES[random.below(PLACES.len() as u64) as usize];
        if random.below(3) == 0 && dir.path(place).is_dir() {
            let mine = format!("{place}/mine");
            dir.write(&mine, "precious");
            let call = CALLS[random.below(CALLS.len() as u64) as usize];
            // The error names the folder if it has no file of kadsim's yet.
            dir.kadsim(call).ends(2).says(&[place]);
            assert_eq!(dir.read(&mine), "precious");
            fs::remove_file(dir.path(&mine)).unwrap();
            kept += 1;
            study.check();
        }
    }
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    assert_eq!(dir.digest("out/grid"), study.digest);
    assert_eq!(dir.list("out"), ["grid", "mine"]);
    assert_same(dir, "calm/grid", "out/grid");
    println!(
        "{killed} kills, {half} of them with some cells done and others not; {kept} foreign files kept"
    );
}
