//! Output folders: kadsim never changes foreign files, and nothing unfinished looks finished.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Child;

use crate::support::{Answer, Dir, LONG, SMALL, piped, signal};

/// Four cells of the small experiment.
const GRID: &str = "\n[sweep]\n\"lookup.alpha\" = [1, 3]\n\"network.nodes\" = [200, 300]\n";
const CELL: &str = "lookup.alpha=1/network.nodes=200";

pub fn grid(dir: &Dir) {
    dir.write("grid.toml", SMALL.replace("\"small\"", "\"grid\"") + GRID);
}

/// Starts the small experiment with more operations, and stops the process in the middle.
fn stopped(dir: &Dir) -> Child {
    dir.write("long.toml", LONG);
    let call = [
        "run",
        "long.toml",
        "--quiet",
        "--set",
        "phase.looking.count=100_000",
        "--set",
        "phase.looking.spread_ms=0",
    ];
    let changes = dir.changes();
    let mut child = dir.spawn(&call);
    let timings = dir.path("out/small.partial/timings.parquet");
    changes.wait_until(&mut child, || timings.exists());
    signal(&child, "-STOP");
    child
}

fn go_on(child: Child) -> Answer {
    signal(&child, "-CONT");
    Answer::new(child.wait_with_output().unwrap())
}

/// Returns every entry below a folder with its length, or with the target of a link.
fn everything(root: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.is_symlink() {
            all.push((name, fs::read_link(&path).unwrap().display().to_string()));
        } else if metadata.is_dir() {
            all.push((name, "a folder".to_owned()));
            all.extend(everything(&path));
        } else {
            all.push((name, metadata.len().to_string()));
        }
    }
    all.sort();
    all
}

/// Puts a foreign entry into each of these folders, and checks that the call is refused and changes nothing.
#[track_caller]
fn refuses(dir: &Dir, places: &[&str], call: &[&str]) {
    dir.write("elsewhere", "precious");
    fs::create_dir_all(dir.path("folder/of")).unwrap();
    dir.write("folder/of/mine", "precious");
    for place in places {
        let foreign = dir.path(&format!("{place}/nodes.txt"));
        let table = dir.path(&format!("{place}/nodes.parquet"));
        let kept = fs::read(&table).ok();
        let put: [(&str, &dyn Fn()); 5] = [
            ("nodes.txt", &|| fs::write(&foreign, "precious").unwrap()),
            ("nodes.txt", &|| {
                symlink(dir.path("elsewhere"), &foreign).unwrap()
            }),
            ("nodes.txt", &|| {
                symlink(dir.path("folder"), &foreign).unwrap()
            }),
            ("nodes.txt", &|| {
                fs::create_dir(&foreign).unwrap();
                fs::write(foreign.join("mine"), "precious").unwrap();
            }),
            // A link in the place of a file that kadsim writes.
            ("nodes.parquet", &|| {
                let _ = fs::remove_file(&table);
                symlink(dir.path("elsewhere"), &table).unwrap();
            }),
        ];
        for (name, put) in put {
            put();
            let before = everything(&dir.path(""));
            dir.kadsim(call).ends(2).says(&[&format!("{place}/{name}")]);
            assert_eq!(everything(&dir.path("")), before, "{place}");
            for path in [&foreign, &table] {
                match path.symlink_metadata() {
                    Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
                    Ok(metadata) if metadata.is_symlink() || path == &foreign => {
                        fs::remove_file(path).unwrap();
                    }
                    _ => {}
                }
            }
            if let Some(kept) = &kept {
                fs::write(&table, kept).unwrap();
            }
        }
    }
    dir.kadsim(call).ends(0);
    assert_eq!(dir.read("elsewhere"), "precious");
}

#[test]
fn a_foreign_file_in_the_folder_of_a_run_is_refused_and_kept() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    let force = ["run", "small.toml", "--force", "--quiet"];
    refuses(&dir, &["out/small"], &force);
    let _ = fs::rename(dir.path("out/small"), dir.path("out/small.partial"));
    refuses(
        &dir,
        &["out/small.partial"],
        &["run", "small.toml", "--quiet"],
    );
    fs::rename(dir.path("out/small"), dir.path("out/small.replaced")).unwrap();
    dir.kadsim(&["run", "small.toml", "--out", "other", "--quiet"])
        .ends(0);
    fs::rename(dir.path("other/small"), dir.path("out/small")).unwrap();
    refuses(&dir, &["out/small.replaced"], &force);
    dir.kadsim(&["run", "small.toml", "--out", "third", "--quiet"])
        .ends(0);
    fs::rename(dir.path("third/small"), dir.path("out/small.rubbish")).unwrap();
    refuses(&dir, &["out/small.rubbish"], &force);
    assert_eq!(dir.list("out"), ["small"]);
}

#[test]
fn a_foreign_file_in_the_folder_of_a_study_is_refused_and_kept() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    let cell = format!("out/grid/{CELL}");
    let force = ["run", "grid.toml", "--force", "--quiet"];
    // A table belongs into a cell, and is foreign in the folders above.
    refuses(
        &dir,
        &["out/grid", "out/grid/lookup.alpha=1", &cell],
        &force,
    );
    let partial = format!("out/grid.partial/{CELL}");
    fs::create_dir_all(dir.path(&partial)).unwrap();
    fs::rename(dir.path(&cell), dir.path(&partial)).unwrap();
    let call = ["run", "grid.toml", "--quiet"];
    refuses(&dir, &[&partial], &call);
    assert_eq!(dir.list("out"), ["grid"]);
    // The folder of a cell that is a link.
    fs::rename(dir.path(&cell), dir.path("moved")).unwrap();
    symlink(dir.path("moved"), dir.path(&cell)).unwrap();
    let before = everything(&dir.path(""));
    dir.kadsim(&force).ends(2).says(&[CELL]);
    assert_eq!(everything(&dir.path("")), before);
}

#[test]
fn a_link_in_the_place_of_the_lock_is_not_followed() {
    let dir = Dir::new();
    fs::create_dir_all(dir.path("foreign")).unwrap();
    dir.write("foreign/data", "precious");
    fs::create_dir_all(dir.path("out/small.partial")).unwrap();
    let lock = dir.path("out/small.partial/running.lock");
    symlink(dir.path("foreign/data"), &lock).unwrap();
    dir.kadsim(&["run", "small.toml"])
        .ends(2)
        .says(&["out/small.partial"]);
    assert_eq!(dir.read("foreign/data"), "precious");
    // A file of this name with content is foreign, because kadsim's locks are empty.
    fs::remove_file(&lock).unwrap();
    dir.write("out/small.partial/running.lock", "precious");
    dir.kadsim(&["run", "small.toml"])
        .ends(2)
        .says(&["running.lock"]);
    assert_eq!(dir.read("out/small.partial/running.lock"), "precious");
    // The whole folder is a link to another run.
    dir.kadsim(&["run", "small.toml", "--out", "p", "--quiet"])
        .ends(0);
    fs::create_dir(dir.path("q")).unwrap();
    symlink(dir.path("p/small"), dir.path("q/small.partial")).unwrap();
    let files = dir.list("p/small");
    dir.kadsim(&["run", "small.toml", "--out", "q"])
        .ends(2)
        .says(&["q/small.partial"]);
    assert_eq!(dir.list("p/small"), files);
    // The output folder may be a link.
    symlink(dir.path("p"), dir.path("link")).unwrap();
    dir.kadsim(&["run", "small.toml", "--out", "link", "--force", "--quiet"])
        .ends(0);
    assert_eq!(dir.list("p"), ["small"]);
}

#[test]
fn a_folder_that_is_made_meanwhile_is_left_alone() {
    for (force, mine) in [(false, true), (true, true), (false, false)] {
        let dir = Dir::new();
        let child = stopped(&dir);
        fs::create_dir(dir.path("out/small")).unwrap();
        if mine {
            dir.write("out/small/mine", "precious");
            let answer = go_on(child).ends(1);
            answer.says(&[
                "out/small was made while the run went on",
                "out/small.partial",
            ]);
            assert_eq!(dir.list("out/small"), ["mine"]);
            let table = dir.table("out/small.partial/operations.parquet");
            assert_eq!(table.complete.as_deref(), Some("false"));
        } else {
            // An empty folder is replaced, because it holds nothing.
            go_on(child).ends(0);
            assert_eq!(dir.list("out"), ["small"]);
        }
        if force {
            let call = ["run", "small.toml", "--force"];
            dir.kadsim(&call).ends(2).says(&["out/small"]);
            assert_eq!(dir.read("out/small/mine"), "precious");
        }
    }
}

#[test]
fn a_table_that_is_deleted_meanwhile_fails_the_run() {
    for table in ["operations", "timings", "summary"] {
        let dir = Dir::new();
        let child = stopped(&dir);
        let path = format!("out/small.partial/{table}.parquet");
        fs::remove_file(dir.path(&path)).unwrap();
        go_on(child)
            .ends(1)
            .says(&[&path, "deleted or replaced", "out/small.partial"]);
        assert_eq!(dir.list("out"), ["small.partial"]);
        let table = dir.table("out/small.partial/nodes.parquet");
        assert_eq!(table.complete.as_deref(), Some("false"));
    }
}

/// A user who deletes the folder of an active run and starts another one gets two runs and no mixture.
#[test]
fn a_folder_that_is_deleted_meanwhile_is_not_mixed_with_the_next() {
    let dir = Dir::new();
    let child = stopped(&dir);
    fs::remove_dir_all(dir.path("out/small.partial")).unwrap();
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    let digest = dir.digest("out/small");
    go_on(child).ends(1);
    assert_eq!(dir.digest("out/small"), digest);
    assert_eq!(dir.list("out"), ["small"]);
}

/// As on a full disk, only some tables can be closed. None of them is marked complete.
#[test]
fn no_table_of_a_failed_run_says_that_it_is_complete() {
    let dir = Dir::new();
    // A million bytes: the limit is in units of 1024.
    let more = [
        "--set",
        "network.nodes=20_000",
        "--set",
        "output.tables=[\"operations\", \"nodes\", \"routing\"]",
    ];
    let call = [&["run", "small.toml"], &more[..]].concat();
    // No process ignores the signal that comes with the limit.
    let mut command = dir.through("ulimit -c 0; ulimit -f 100; exec", &call);
    let answer = Answer::new(piped(&mut command).output().unwrap()).ends(1);
    answer.says(&["out/small.partial", ".parquet", "File too large"]);
    assert_eq!(dir.list("out"), ["small.partial"]);
    for name in ["operations", "nodes", "routing", "summary", "timings"] {
        let table = dir.table(&format!("out/small.partial/{name}.parquet"));
        assert_eq!(table.complete.as_deref(), Some("false"), "{name}");
    }
}

/// The next call restores or removes what a process leaves that is killed between two renames, or while it removes an
/// old study.
#[test]
fn what_a_killed_process_has_left_is_put_back_or_cleared_away() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    let digest = dir.digest("out/grid");
    let again = |wanted: &str| {
        let answer = dir.kadsim(&["run", "grid.toml"]).ends(0);
        assert!(answer.stdout.contains(wanted), "{}", answer.stdout);
        assert_eq!(
            (dir.list("out"), dir.digest("out/grid")),
            (vec!["grid".to_owned()], digest.clone())
        );
    };
    // The study is put aside, and no new one has begun.
    fs::rename(dir.path("out/grid"), dir.path("out/grid.replaced")).unwrap();
    again("4 of 4 cells done, 0 run now");
    // The same for one cell.
    let cell = dir.path(&format!("out/grid/{CELL}"));
    let aside = dir.path(&format!("out/grid.partial/{CELL}~replaced"));
    fs::create_dir_all(aside.parent().unwrap()).unwrap();
    fs::rename(&cell, &aside).unwrap();
    again("4 of 4 cells done, 1 run now");
    // An unfinished study that a forced run has begun to remove, and the one before it.
    dir.kadsim(&["run", "grid.toml", "--quiet", "--out", "other"])
        .ends(0);
    fs::rename(dir.path("other/grid"), dir.path("out/grid.rubbish")).unwrap();
    fs::rename(dir.path("out/grid"), dir.path("out/grid.replaced")).unwrap();
    let half = format!("out/grid.rubbish/{CELL}/operations.parquet");
    fs::remove_file(dir.path(&half)).unwrap();
    again("4 of 4 cells done, 0 run now");
    // A run, of which the old one is being removed.
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    dir.kadsim(&["run", "small.toml", "--quiet", "--out", "other"])
        .ends(0);
    fs::rename(dir.path("other/small"), dir.path("out/small.rubbish")).unwrap();
    fs::remove_file(dir.path("out/small.rubbish/operations.parquet")).unwrap();
    dir.kadsim(&["run", "small.toml", "--quiet", "--force"])
        .ends(0);
    assert_eq!(dir.list("out"), ["grid", "small"]);
}

#[test]
fn two_processes_share_the_cells_of_a_study() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["run", "grid.toml", "--quiet", "--out", "calm"])
        .ends(0);
    let set = ["--set", "networks=1", "--quiet", "--threads", "1"];
    let call = [&["run", "grid.toml"], &set[..]].concat();
    let children = [(); 3].map(|()| dir.spawn(&call));
    for child in children {
        Answer::new(child.wait_with_output().unwrap()).ends(0);
    }
    assert_eq!(dir.digest("out/grid"), dir.digest("calm/grid"));
    assert_eq!(dir.list("out"), ["grid"]);
}

/// A process whose last cell is run by another one waits for it, and runs it if the other fails.
#[test]
fn a_cell_that_another_process_runs_is_waited_for() {
    let dir = Dir::new();
    grid(&dir);
    let partial = dir.path(&format!("out/grid.partial/{CELL}"));
    fs::create_dir_all(&partial).unwrap();
    let lock = File::create(partial.join("running.lock")).unwrap();
    lock.lock().unwrap();
    let changes = dir.changes();
    let mut child = dir.spawn(&["run", "grid.toml"]);
    let others = [
        "lookup.alpha=1/network.nodes=300",
        "lookup.alpha=3/network.nodes=200",
        "lookup.alpha=3/network.nodes=300",
    ];
    for cell in others {
        let done = dir.path(&format!("out/grid/{cell}"));
        changes.wait_until(&mut child, || done.exists());
    }
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    let text = dir.kadsim(&["inspect", "out/grid"]).ends(0).stdout;
    assert!(text.contains("3 of 4 cells done"), "{text}");
    drop(lock);
    let answer = Answer::new(child.wait_with_output().unwrap()).ends(0);
    assert!(
        answer.stdout.contains("4 of 4 cells done, 4 run now"),
        "{}",
        answer.stdout
    );
    assert_eq!(dir.list("out"), ["grid"]);
    // An active study is not replaced.
    fs::create_dir(dir.path("out/grid.partial")).unwrap();
    let lock = File::create(dir.path("out/grid.partial/running.lock")).unwrap();
    lock.lock_shared().unwrap();
    let digest = dir.digest("out/grid");
    dir.kadsim(&["run", "grid.toml", "--force"])
        .ends(2)
        .says(&["another run"]);
    assert_eq!(dir.digest("out/grid"), digest);
    drop(lock);
    dir.kadsim(&["run", "grid.toml", "--force", "--quiet"])
        .ends(0);
    assert_eq!(dir.list("out"), ["grid"]);
}

/// The pattern of readers matches finished cells only: unfinished cells lie elsewhere.
#[test]
fn an_unfinished_cell_is_not_in_the_tree_of_the_study() {
    let dir = Dir::new();
    grid(&dir);
    dir.write("long.toml", LONG.replace("\"small\"", "\"grid\"") + GRID);
    let changes = dir.changes();
    let mut child = dir.spawn(&["run", "long.toml", "--quiet", "--threads", "1"]);
    // The longest cells come first.
    let cell = "lookup.alpha=1/network.nodes=300";
    let unfinished = format!("out/grid.partial/{cell}");
    let begun = |(path, _): &(String, String)| path.ends_with("timings.parquet");
    changes.wait_until(&mut child, || {
        everything(&dir.path("out")).iter().any(begun)
    });
    signal(&child, "-INT");
    Answer::new(child.wait_with_output().unwrap()).ends(130);
    assert_eq!(dir.list("out"), ["grid", "grid.partial"]);
    assert_eq!(dir.list("out/grid"), ["study.json"]);
    let text = dir.kadsim(&["inspect", "out/grid/"]).ends(0).stdout;
    assert!(text.contains("0 of 4 cells done"), "{text}");
    assert!(text.contains(&format!("not finished  {cell}")), "{text}");
    let text = dir.kadsim(&["inspect", &unfinished]).ends(0).stdout;
    assert!(text.contains("run      not finished"), "{text}");
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    assert_eq!(dir.list("out"), ["grid"]);
}

#[test]
fn a_finished_run_is_not_overwritten() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml"]).ends(0);
    let digest = dir.digest("out/small");
    dir.kadsim(&["run", "small.toml", "--seed", "8"])
        .ends(2)
        .says(&["out/small", "--force"]);
    assert_eq!(
        (dir.list("out"), dir.digest("out/small")),
        (vec!["small".to_owned()], digest.clone())
    );
    dir.kadsim(&["run", "small.toml", "--seed", "8", "--force"])
        .ends(0);
    assert_eq!(dir.list("out"), ["small"]);
    assert_ne!(dir.digest("out/small"), digest);
}
