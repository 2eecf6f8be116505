//! `check` of large and odd experiment files: it ends in time, names places, and tells similar cells apart.

use std::fmt::Write;

use crate::support::{Answer, Dir, SMALL};

const HEAD: &str = "schema = 1\nname = \"s\"\nseed = 1\nnetwork.nodes = 10\n";
const PHASE: &str = "[[phase]]\nname = \"p\"\nkind = \"lookup\"\ncount = 5\n";

/// Runs `check` on a file. A limit of its CPU time, about ten times what it needs, kills it if a step has become
/// quadratic.
fn check(text: &str) -> Answer {
    let dir = Dir::new();
    dir.write("large.toml", text);
    let mut command = dir.through("ulimit -t 10; exec", &["check", "large.toml"]);
    let answer = Answer::new(command.output().unwrap());
    assert!(answer.status.is_some(), "killed: {}", answer.stderr);
    answer
}

fn numbers(end: usize) -> String {
    let all: Vec<String> = (0..end).map(|number| number.to_string()).collect();
    all.join(",")
}

#[test]
fn the_largest_sweeps_are_checked_in_time() {
    check(&format!(
        "{HEAD}{PHASE}[sweep]\nseed = [{}]\n",
        numbers(10_000)
    ))
    .ends(0);
    let many = check(&format!(
        "{HEAD}{PHASE}[sweep]\nseed = [{}]\n",
        numbers(400_000)
    ));
    many.ends(2)
        .says(&["large.toml:10:1", "400000 values", "10000"]);
    let cases = (0..10_000).fold(String::new(), |mut text, case| {
        let _ = writeln!(
            text,
            "[[sweep.cases]]\nlabel = \"c{case}\"\n\"network.nodes\" = {}",
            case + 20
        );
        text
    });
    check(&format!("{HEAD}{PHASE}{cases}")).ends(0);
}

#[test]
fn cells_share_what_they_do_not_change() {
    let delays = format!("{{ choice = [{}] }}", numbers(200_000));
    let seeds = numbers(300);
    check(&format!(
        "{HEAD}{PHASE}[link]\ndelay_ms = {delays}\n[sweep]\nseed = [{seeds}]\n"
    ))
    .ends(0);
    let case = format!("[[sweep.cases]]\nlabel = \"a\"\n\"link.delay_ms\" = {delays}\n");
    check(&format!("{HEAD}{PHASE}[sweep]\nseed = [{seeds}]\n{case}")).ends(0);
    // An error of a shared list is reported once.
    let wrong = delays.replace("[0,", "[-7,");
    let answer = check(&format!(
        "{HEAD}{PHASE}[link]\ndelay_ms = {wrong}\n[sweep]\nseed = [{seeds}]\n"
    ));
    let answer = answer.ends(2).says(&["large.toml:10:", "-7", "below zero"]);
    assert_eq!(
        answer.stderr.matches("error: ").count(),
        1,
        "{}",
        answer.stderr
    );
}

#[test]
fn sixty_thousand_errors_are_counted_and_some_are_shown() {
    let expects = (0..60_000).fold(String::new(), |mut text, place| {
        let _ = writeln!(
            text,
            "[[expect]]\nmetric = \"p.found.men{place}\"\nwithin = [0, 1]"
        );
        text
    });
    let phases = |kind: &str| {
        (0..60_000).fold(String::new(), |mut text, place| {
            let _ = writeln!(
                text,
                "[[phase]]\nname = \"p{place}\"\nkind = \"{kind}\"\ncount = 5"
            );
            text
        })
    };
    for text in [
        format!("{HEAD}{PHASE}{expects}"),
        format!("{HEAD}{}", phases("lokup")),
    ] {
        let answer = check(&text)
            .ends(2)
            .says(&["did you mean", "and 59980 errors more"]);
        assert_eq!(answer.stderr.matches("error: ").count(), 20);
    }
    check(&format!("{HEAD}{}", phases("lookup"))).ends(0);
    let retrieves = (0..25_000).fold(String::new(), |mut text, place| {
        let _ = writeln!(
            text,
            "[[phase]]\nname = \"p{place}\"\nkind = \"provide\"\ncount = 5\n\
             [[phase]]\nname = \"r{place}\"\nkind = \"retrieve\"\ncount = 5\nsegments = \"x\""
        );
        text
    });
    let answer = check(&format!("{HEAD}{retrieves}")).ends(2);
    answer.says(&["and 24980 errors more", "and 10 more", "p0, p1"]);
}

#[test]
fn cells_with_too_many_values_together_are_refused() {
    let phases = (0..1000).fold(String::new(), |mut text, place| {
        let _ = writeln!(
            text,
            "[[phase]]\nname = \"p{place}\"\nkind = \"lookup\"\ncount = 5"
        );
        text
    });
    let answer = check(&format!(
        "{HEAD}{phases}[sweep]\nseed = [{}]\n",
        numbers(10_000)
    ))
    .ends(2);
    answer.says(&["10000 cells of 4007 values each", "allowed: up to 4000000"]);
    let keys = (0..33).fold(String::new(), |mut text, place| {
        let _ = writeln!(text, "\"phase.p{place}.count\" = [1]");
        text
    });
    let answer = check(&format!("{HEAD}{phases}[sweep]\n{keys}")).ends(2);
    answer.says(&["the sweep has 33 keys", "allowed: up to 32"]);
    let deadlines = PHASE.to_owned() + &format!("deadline_ms = [{}]\n", numbers(1001));
    check(&format!("{HEAD}{deadlines}"))
        .ends(2)
        .says(&["1001 deadlines", "up to 1000"]);
}

/// A `where` compares values, not their spelling.
#[test]
fn expectations_are_for_cells_of_equal_values() {
    let expect = |key: &str, value: &str| {
        format!(
            "[[expect]]\nmetric = \"p.depth.mean\"\nwithin = [0, 9]\nwhere = {{ \"{key}\" = {value} }}\n"
        )
    };
    let sweep = "[sweep]\n\"lookup.alpha\" = [1, 2]\n\"link.delay_ms\" = [0.5, 1]\n";
    for (key, value) in [
        ("lookup.alpha", "1.0"),
        ("link.delay_ms", "5e-1"),
        ("link.delay_ms", "1.0"),
    ] {
        check(&format!("{HEAD}{PHASE}{}{sweep}", expect(key, value))).ends(0);
    }
    let answer = check(&format!(
        "{HEAD}{PHASE}{}{sweep}",
        expect("lookup.alpha", "3")
    ))
    .ends(2);
    answer.says(&["no cell has lookup.alpha=3"]);
}

#[test]
fn values_that_readers_take_for_one_are_refused() {
    let refused = |key: &str, values: &str, words: &[&str]| {
        let answer = check(&format!("{HEAD}{PHASE}[sweep]\n\"{key}\" = [{values}]\n"));
        let answer = answer.ends(2).says(words);
        assert_eq!(
            answer.stderr.matches("error: ").count(),
            1,
            "{}",
            answer.stderr
        );
    };
    refused(
        "link.delay_ms",
        "0, -0.0",
        &[
            "large.toml:10:",
            "`sweep.link.delay_ms` has 0 twice",
            "the first",
        ],
    );
    refused("link.delay_ms", "1, 1.0", &["has 1 twice"]);
    refused("link.delay_ms", "1000, 1e3", &["has 1000 twice"]);
    refused("link.delay_ms", "0.1, 10e-2", &["has 0.1 twice"]);
    refused(
        "link.delay_ms",
        "1000000000000000, 1e15",
        &["has 1000000000000000.0 twice"],
    );
    refused("engine.layout", "\"dense\", 'dense'", &["has dense twice"]);
    let label = "readers of the cells' folders take it for Ops.csv";
    refused(
        "phase.p.trace",
        "\"Ops.csv\", \"ops.csv\"",
        &["has ops.csv twice", label, "[[sweep.cases]]"],
    );
    refused(
        "phase.p.trace",
        "\"01\", \"1\"",
        &["has 1 twice", "take it for 01"],
    );
    // Seeds that are equal as floats are different values.
    check(&format!(
        "{HEAD}{PHASE}[sweep]\nseed = [9007199254740992, 9007199254740993]\n"
    ))
    .ends(0);
}

#[test]
fn names_that_tables_and_metrics_use_are_refused() {
    for (name, why) in [
        ("bootstrap", "`timings` calls"),
        ("end", "`timings` calls"),
        ("nodes", "summary.json"),
        ("warnings", "summary.json"),
    ] {
        let dir = Dir::new();
        dir.write(
            "small.toml",
            SMALL.replacen("\"putting\"\nkind", &format!("\"{name}\"\nkind"), 1),
        );
        let place = format!("`phase.{name}.name` cannot be \"{name}\"");
        let answer = dir.kadsim(&["run", "small.toml"]).ends(2);
        answer.says(&["small.toml:9:8", &place, why]);
        assert!(dir.list("out").is_empty());
    }
}

#[test]
fn too_many_decimals_come_with_a_remedy() {
    for (written, remedy) in [
        ("12.34567", "write 12.346"),
        ("50.0001", "write 50\n"),
        ("1e-4", "write 0\n"),
    ] {
        let answer = check(&format!("{HEAD}link.delay_ms = {written}\n{PHASE}")).ends(2);
        answer.says(&[
            "large.toml:5:17",
            written,
            "more than three decimals",
            "whole microseconds",
            remedy,
        ]);
    }
}

/// The environment may ask for too many threads, or for too small a stack.
#[test]
fn threads_and_their_stacks_are_limited_whatever_the_environment_says() {
    let dir = Dir::new();
    let plain = dir.kadsim(&["run", "small.toml"]).ends(0);
    assert_eq!(plain.stderr, "");
    for (variable, value) in [("RAYON_NUM_THREADS", "100000"), ("RUST_MIN_STACK", "1")] {
        let mut command = dir.command(&["run", "small.toml", "--out", value]);
        let answer = Answer::new(command.env(variable, value).output().unwrap());
        let answer = answer.ends(0);
        assert_eq!(answer.stderr, "", "{variable}");
        assert_eq!(
            dir.digest(&format!("{value}/small")),
            dir.digest("out/small")
        );
    }
    let sweep = format!("{SMALL}\n[sweep]\nseed = [1, 2]\n").replace("seed = 7\n", "seed = 0\n");
    dir.write("small.toml", sweep);
    let mut command = dir.command(&["check", "small.toml"]);
    let answer = Answer::new(command.env("RAYON_NUM_THREADS", "100000").output().unwrap()).ends(0);
    assert!(
        answer.stdout.contains("2 at once on 256 threads"),
        "{}",
        answer.stdout
    );
    for (variable, value) in [("RAYON_NUM_THREADS", "100000"), ("RUST_MIN_STACK", "1")] {
        let mut command = dir.command(&["run", "small.toml", "--out", variable]);
        Answer::new(command.env(variable, value).output().unwrap()).ends(0);
    }
}

#[test]
fn the_contacts_of_maintenance_are_estimated() {
    let churn = "[churn]\nsession = { fixed_ms = 1_000_000 }\nabsence = { fixed_ms = 1_000_000 }\n";
    let phase = "[[phase]]\nname = \"p\"\nkind = \"idle\"\nduration_ms = 1_000_000\n";
    // A random entry every two seconds, at half of the ten nodes.
    let checks = "[maintenance]\ncheck = \"random\"\ncheck_ms = 2000\n[link]\ndelay_ms = 50\ntimeout_ms = 1000\n";
    let answer = check(&format!("{HEAD}{churn}{checks}{phase}")).ends(0);
    let line = |name: &str| {
        let line = answer.stdout.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {}", answer.stdout))
            .to_owned()
    };
    assert!(line("# checks and pings").ends_with("0.5000"));
    assert!(line("# in the run").ends_with(" 2,500"));
    let without = check(&format!("{HEAD}{PHASE}")).ends(0);
    assert!(!without.stdout.contains("Contacts of maintenance"));
    // Of a sweep, the cells that have maintenance.
    let sweep = "[sweep]\n\"maintenance.check_ms\" = [1000, 0]\n";
    let swept = check(&format!("{HEAD}{churn}{checks}{phase}{sweep}")).ends(0);
    let table = "# Contacts of maintenance, at most, per node and second\n# cell  settings                   maintenance\n\
                 # 0     maintenance.check_ms=1000  1.0000\n\n";
    assert!(swept.stdout.contains(table), "{}", swept.stdout);
}
