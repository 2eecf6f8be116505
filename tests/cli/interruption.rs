//! Runs that do not come to their end: Ctrl-C, SIGKILL, a full disk.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Answer, Dir, piped};

/// Lookups for minutes, under the name of the small experiment.
pub const LONG: &str = r#"schema = 1
name = "small"
seed = 7
network.nodes = 300
link.delay_ms = { uniform = [50, 75] }

[[phase]]
name = "looking"
kind = "lookup"
count = 200_000_000
spread_ms = 9_000_000_000
"#;

/// Starts a long run and waits until it is well on its way.
fn start_long(dir: &Dir, more: &[&str]) -> Child {
    start(
        dir,
        &mut dir.command(&[&["run", "long.toml"], more].concat()),
    )
}

/// As [`start_long`], by a command that runs `long.toml`.
fn start(dir: &Dir, command: &mut Command) -> Child {
    dir.write("long.toml", LONG);
    let mut child = piped(command).spawn().unwrap();
    let begun = Instant::now();
    while !dir.path("out/small.partial/timings.parquet").exists() {
        if child.try_wait().unwrap().is_some() {
            Answer::new(child.wait_with_output().unwrap()).ends(130);
            unreachable!("it has ended by itself");
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the run has not begun to write"
        );
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(500));
    child
}

pub fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn ctrl_c_leaves_readable_tables_that_say_so() {
    let dir = Dir::new();
    let child = start_long(&dir, &[]);
    signal(&child, "-INT");
    Answer::new(child.wait_with_output().unwrap())
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
    // The next run clears up.
    dir.kadsim(&["run", "small.toml"]).ends(0);
    assert_eq!(dir.list("out"), ["small"]);
}

/// The system that shuts down and the terminal that is closed ask as Ctrl-C does.
#[test]
fn sigterm_and_sighup_end_a_run_as_ctrl_c_does() {
    for name in ["-TERM", "-HUP"] {
        let dir = Dir::new();
        let child = start_long(&dir, &[]);
        signal(&child, name);
        Answer::new(child.wait_with_output().unwrap())
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
    // Opened when the run has begun to read; it waits for its experiment, and so does not come to where it stops.
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
    let mut child = start(
        &dir,
        &mut dir.through("trap '' HUP; exec", &["run", "long.toml"]),
    );
    signal(&child, "-HUP");
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    signal(&child, "-TERM");
    Answer::new(child.wait_with_output().unwrap()).ends(130);
}

#[test]
fn a_killed_run_does_not_look_finished() {
    let dir = Dir::new();
    let child = start_long(&dir, &[]);
    signal(&child, "-KILL");
    assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(9));
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
        let child = start_long(&dir, &["--force"]);
        signal(&child, name);
        child.wait_with_output().unwrap();
        assert_eq!(dir.list("out"), ["small", "small.partial"]);
        assert_eq!(dir.digest("out/small"), digest);
        std::fs::remove_dir_all(dir.path("out/small.partial")).unwrap();
    }
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let dir = Dir::new();
    let mut child = start_long(&dir, &[]);
    dir.kadsim(&["run", "small.toml"])
        .ends(2)
        .says(&["out/small.partial", "another run"]);
    child.kill().unwrap();
    child.wait().unwrap();
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
