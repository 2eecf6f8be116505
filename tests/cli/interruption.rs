//! Runs that end early: signals, a second Ctrl-C, SIGKILL, a full disk.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::support::{Answer, Dir, LONG, Shown, signal};

/// Starts a long run and waits until it has finished some of its lookups.
fn start_long(dir: &Dir, more: &[&str]) -> Shown {
    let call = [&["run", "long.toml"], more].concat();
    start(dir, &mut dir.command(&call))
}

/// As [`start_long`], by a command that runs `long.toml`.
fn start(dir: &Dir, command: &mut Command) -> Shown {
    dir.write("long.toml", LONG);
    let mut run = Shown::start(80, command.env("TERM", "xterm"));
    run.wait_for(|text| {
        let mut shares = text.split(" %").filter_map(|part| part.rsplit(' ').next());
        shares.any(|share| share.parse::<f64>().is_ok_and(|share| share > 0.0))
    });
    run
}

#[test]
fn ctrl_c_leaves_readable_tables_that_say_so() {
    let dir = Dir::new();
    let run = start_long(&dir, &[]);
    signal(&run.child, "-INT");
    run.end()
        .ends(130)
        .says(&["interrupted", "out/small.partial"]);
    assert_eq!(dir.list("out"), ["small.partial"]);
    for table in ["ticks", "operations", "nodes", "timings"] {
        let read = dir.table(&format!("out/small.partial/{table}.parquet"));
        assert_eq!(read.complete.as_deref(), Some("false"), "{table}");
    }
    assert!(dir.table("out/small.partial/operations.parquet").rows() > 0);
    let text = dir.kadsim(&["inspect", "out/small.partial"]).ends(0).stdout;
    assert!(text.contains("not finished"), "{text}");
    // The next run removes the `.partial` folder.
    dir.kadsim(&["run", "small.toml"]).ends(0);
    assert_eq!(dir.list("out"), ["small"]);
}

/// SIGTERM at a shutdown and SIGHUP of a closed terminal stop the run as Ctrl-C does.
#[test]
fn sigterm_and_sighup_end_a_run_as_ctrl_c_does() {
    for name in ["-TERM", "-HUP"] {
        let dir = Dir::new();
        let run = start_long(&dir, &[]);
        signal(&run.child, name);
        run.end()
            .ends(130)
            .says(&["stopping", "interrupted", "out/small.partial"]);
        let read = dir.table("out/small.partial/operations.parquet");
        assert_eq!(read.complete.as_deref(), Some("false"), "{name}");
    }
}

#[test]
fn a_second_ctrl_c_ends_a_run_at_once() {
    let dir = Dir::new();
    let pipe = dir.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut child = dir.spawn(&["run", "pipe"]);
    // The pipe opens when the run has begun to read. The run waits for its experiment there, so it cannot check for
    // signals.
    let _silent = File::options().write(true).open(&pipe).unwrap();
    signal(&child, "-INT");
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert!(said.starts_with("stopping…"), "{said}");
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(dir.list("out").is_empty());
}

#[test]
fn nohup_keeps_a_run_from_hanging_up() {
    let dir = Dir::new();
    let mut run = start(
        &dir,
        &mut dir.through("trap '' HUP; exec", &["run", "long.toml"]),
    );
    signal(&run.child, "-HUP");
    // Two redraws of the bar, because one may have been under way.
    run.wait_for_more();
    run.wait_for_more();
    assert!(run.child.try_wait().unwrap().is_none(), "it has ended");
    signal(&run.child, "-TERM");
    run.end().ends(130);
}

#[test]
fn a_killed_run_does_not_look_finished() {
    let dir = Dir::new();
    let run = start_long(&dir, &[]);
    signal(&run.child, "-KILL");
    assert_eq!(run.end().signal, Some(9));
    assert_eq!(dir.list("out"), ["small.partial"]);
    dir.kadsim(&["run", "small.toml"]).ends(0);
    assert_eq!(dir.list("out"), ["small"]);
}

#[test]
fn force_killed_half_way_leaves_the_old_run() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml"]).ends(0);
    let digest = dir.digest("out/small");
    for name in ["-KILL", "-INT"] {
        let run = start_long(&dir, &["--force"]);
        signal(&run.child, name);
        run.end();
        assert_eq!(dir.list("out"), ["small", "small.partial"]);
        assert_eq!(dir.digest("out/small"), digest);
        std::fs::remove_dir_all(dir.path("out/small.partial")).unwrap();
    }
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let dir = Dir::new();
    let run = start_long(&dir, &[]);
    dir.kadsim(&["run", "small.toml"])
        .ends(2)
        .says(&["out/small.partial", "another run"]);
    signal(&run.child, "-KILL");
    run.end();
}

/// A limit on the size of files fails as a full disk does: in the middle of a write.
#[test]
fn a_full_disk_is_1_and_earlier_runs_stay() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml"]).ends(0);
    let digest = dir.digest("out/small");
    let args = [
        "run",
        "small.toml",
        "--force",
        "--set",
        "network.nodes=5000",
    ];
    let mut command = dir.through("trap '' XFSZ; ulimit -f 8; exec", &args);
    let answer = Answer::new(command.output().unwrap()).ends(1);
    let answer = answer.says(&["out/small.partial", ".parquet"]);
    assert_eq!(
        answer.stderr.matches("File too large").count(),
        1,
        "{}",
        answer.stderr
    );
    assert_eq!(dir.list("out"), ["small", "small.partial"]);
    assert_eq!(dir.digest("out/small"), digest);
}
