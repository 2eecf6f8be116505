//! Output at the end of runs and studies: tables that fit the terminal, metrics by the names of the summary, and
//! failures.

use serde_json::Value;

use crate::support::{Dir, SMALL};

/// Returns the length of the longest line, in characters.
fn width(text: &str) -> usize {
    let lines = text.lines().map(|line| line.chars().count());
    lines.max().unwrap_or(0)
}

/// Checks that a text has no control characters but line feeds.
#[track_caller]
pub fn assert_plain(text: &str) {
    let is_plain = |letter: char| letter == '\n' || !letter.is_control();
    assert!(text.chars().all(is_plain), "{text:?}");
}

/// Writes `grid.toml`, a study of the small experiment with these axes.
pub fn study(dir: &Dir, axes: &str) {
    let text = SMALL.replace("\"small\"", "\"grid\"");
    dir.write("grid.toml", format!("{text}\n[sweep]\n{axes}"));
}

/// Axes of 24 cells.
const LARGE: &str = "seed = [1, 2, 3, 4, 5, 6, 7, 8]\n\"lookup.alpha\" = [1, 2, 3]\n";

#[test]
fn tables_fold_to_the_terminal() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [1, 3]\n\"phase.getting.draw\" = [\"distinct\", \"independent\"]\n",
    );
    let calls: [&[&str]; 6] = [
        &["run", "small.toml", "--set", "networks=3", "--force"],
        &["run", "grid.toml", "--set", "networks=2", "--force"],
        &["layouts", "small.toml"],
        &["inspect", "out/small"],
        &["inspect", "out/small/operations.parquet"],
        &["inspect", "out/grid"],
    ];
    for columns in [80, 50] {
        for call in calls {
            let answer = dir.on_terminal(columns, call).ends(0);
            assert_plain(&answer.stdout);
            // A digest of 64 digits stays whole.
            let is_folded = |line: &&str| !line.starts_with("digest  ");
            let lines: Vec<_> = answer.stdout.lines().filter(is_folded).collect();
            let widest = width(&lines.join("\n"));
            assert!(
                widest <= usize::from(columns),
                "{columns}\n{}",
                answer.stdout
            );
        }
    }
}

/// Without a terminal, each row is one line, in every locale, so that scripts can read it.
#[test]
fn without_a_terminal_a_row_is_a_line_in_any_locale() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [1, 3]\n\"phase.getting.draw\" = [\"distinct\", \"independent\"]\n",
    );
    let said = |locale: &str| {
        let mut command = dir.command(&["run", "grid.toml", "--set", "networks=2", "--force"]);
        let output = command.env("LC_ALL", locale).env("LANG", locale).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines()
            .filter(|line| !line.contains(" s; "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let text = said("C");
    assert_plain(&text);
    let header = text.lines().next().unwrap();
    assert!(
        header.contains("phase.getting.draw") && header.contains("duration_ms.p99"),
        "{text}"
    );
    // Four cells of two phases below the header.
    let rows = text.lines().take_while(|line| !line.is_empty());
    assert_eq!(rows.count(), 1 + 8, "{text}");
    assert_eq!(said("de_DE.UTF-8"), text);
    let mut folded = dir.command(&["inspect", "out/grid/study.parquet"]);
    let folded = folded.env("COLUMNS", "70").output().unwrap().stdout;
    let folded = String::from_utf8(folded).unwrap();
    let table = folded.split("\ncolumn ").nth(1).unwrap();
    assert!(width(table) <= 70, "{folded}");
}

/// Each row of the closing table is a metric of `summary.json`, except the first two.
#[test]
fn the_closing_table_goes_by_the_names_of_the_summary() {
    let dir = Dir::new();
    let deadline = "phase.getting.deadline_ms=300";
    let call = [
        "run",
        "small.toml",
        "--set",
        "networks=2",
        "--set",
        deadline,
    ];
    let text = dir.kadsim(&call).ends(0).stdout;
    let summary: Value = serde_json::from_str(&dir.read("out/small/summary.json")).unwrap();
    let mut rows = text.lines().take_while(|line| !line.is_empty());
    let header = rows.next().unwrap();
    let columns = [
        ("putting", ""),
        ("putting", ".networks.mean"),
        ("putting", ".networks.ci95"),
        ("getting", ""),
        ("getting", ".networks.mean"),
        ("getting", ".networks.ci95"),
    ];
    for (phase, behind) in columns {
        assert!(
            header.contains(&format!("{phase} {}", behind.trim_start_matches('.'))),
            "{text}"
        );
    }
    let (mut names, mut values) = (Vec::new(), 0);
    for row in rows {
        let mut cells = row.split_whitespace();
        let name = cells.next().unwrap();
        names.push(name);
        let metric = match name {
            "kind" => continue,
            "operations" => "attempts.count",
            name => name,
        };
        for ((phase, behind), cell) in columns.iter().zip(cells) {
            let value = &summary[format!("{phase}.{metric}{behind}")];
            let Ok(shown) = cell.parse::<f64>() else {
                assert_eq!(cell, "-");
                continue;
            };
            let decimals = cell.split_once('.').map_or(0, |(_, digits)| digits.len());
            let rounded = format!("{:.decimals$}", value.as_f64().unwrap());
            assert_eq!(rounded, cell, "{phase}.{metric}{behind} = {shown}");
            values += 1;
        }
    }
    for name in [
        "operations",
        "duration_ms.p50",
        "attempts.mean",
        "completed.mean",
        "recall.mean",
        "found.mean",
        "in_time",
    ] {
        assert!(names.contains(&name), "no {name} in\n{text}");
    }
    assert!(values > 40, "{text}");
}

#[test]
fn a_large_study_ends_with_counts() {
    let dir = Dir::new();
    study(&dir, LARGE);
    let expect = "expect=[{metric=\"getting.attempts.mean\", within=[0, 1], where={seed=3}}]";
    let answer = dir.kadsim(&["run", "grid.toml", "--set", expect]).ends(1);
    let lines: Vec<_> = answer.stdout.lines().collect();
    let counts = "24 of 24 cells done, 24 run now, 0 failed, 0 cut off, 3 not as expected";
    assert_eq!(
        lines[..2],
        ["0 of 3 expectations hold", counts],
        "{}",
        answer.stdout
    );
    assert!(lines[2].starts_with("out/grid in "), "{}", answer.stdout);
    assert!(
        lines[2].ends_with("`kadsim inspect out/grid` shows the cells"),
        "{}",
        answer.stdout
    );
    assert_eq!(lines[3..], ["`kadsim report out/grid` draws figures"]);
    // A part of at most 20 cells ends with its table.
    let one = dir
        .kadsim(&["sweep", "grid.toml", "--index", "0", "--set", expect])
        .ends(0);
    assert!(one.stdout.contains("duration_ms.p50"), "{}", one.stdout);

    let rows = |all: &[&str]| {
        let answer = dir
            .kadsim(&[&["inspect", "out/grid"], all].concat())
            .ends(0);
        let cells = answer.stdout.split("\n\n").nth(1).unwrap().to_owned();
        let rows = cells
            .lines()
            .skip(1)
            .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
        (rows.count(), cells)
    };
    // Each cell has two rows, one for each phase.
    let (shown, cells) = rows(&[]);
    assert_eq!(shown, 40, "{cells}");
    assert!(
        cells.ends_with("\n… and 4 cells more: `kadsim inspect out/grid --all`"),
        "{cells}"
    );
    assert_eq!(rows(&["--all"]).0, 48);
}

/// A failed expectation is printed last, once, with metric, value, range, `where` and source.
#[test]
fn an_expectation_that_fails_is_said_once_at_the_end() {
    let dir = Dir::new();
    study(&dir, "\"lookup.alpha\" = [1, 3]\n");
    let expects = "expect=[{metric=\"getting.attempts.count\", within=[0.5, 1], source=\"a book\", where={\"lookup.alpha\"=3}}, \
                   {metric=\"getting.attempts.count\", within=[20, 20]}, \
                   {metric=\"putting.found.mean\", within=[0, 1], where={\"lookup.alpha\"=1}}]";
    let answer = dir.kadsim(&["run", "grid.toml", "--set", expects]).ends(1);
    let no_value = "error: cell 0 (lookup.alpha=1): putting.found.mean: no value, where one within [0, 1] is expected, \
                    where lookup.alpha=1\n";
    let outside = "error: cell 1 (lookup.alpha=3): getting.attempts.count: 20 is not within [0.5, 1], where \
                   lookup.alpha=3 (a book)\n";
    assert_eq!(answer.stderr, format!("{no_value}{outside}"));
    assert!(
        answer.stdout.contains("\n2 of 4 expectations hold\n"),
        "{}",
        answer.stdout
    );
    assert!(!answer.stdout.contains("within"), "{}", answer.stdout);

    let expects = "expect=[{metric=\"getting.found.mean\", within=[2, 3]}, {metric=\"getting.attempts.count\", within=[20, 20]}]";
    let run = |more: &[&str]| {
        dir.kadsim(&[&["run", "small.toml", "--force", "--set", expects], more].concat())
    };
    let answer = run(&["--json"]).ends(1);
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    let value = &document["expects"][0]["value"];
    let said = format!(
        "error: getting.found.mean: {} is not within [2, 3]\n",
        value.as_f64().unwrap()
    );
    assert_eq!(answer.stderr, said);
    for more in [&[][..], &["--quiet"]] {
        assert_eq!(run(more).ends(1).stderr, said);
    }
    assert!(run(&[]).stdout.contains("\n1 of 2 expectations hold\n"));
}

#[test]
fn the_closing_table_of_a_folder_is_that_of_its_run() {
    let dir = Dir::new();
    for more in [&[][..], &["--set", "networks=3", "--force"]] {
        let ran = dir.kadsim(&[&["run", "small.toml"], more].concat()).ends(0);
        let again = dir.kadsim(&["inspect", "out/small", "--closing"]).ends(0);
        let table = ran.stdout.split("\n\n").next().unwrap();
        assert_eq!(again.stdout.trim_end(), table);
        let json = ["inspect", "out/small/", "--closing", "--json"];
        let json: Value = serde_json::from_str(&dir.kadsim(&json).ends(0).stdout).unwrap();
        let cells = |row: &Value| row.as_array().unwrap().len();
        assert_eq!(json["columns"][0], "phase");
        assert_eq!(
            json["rows"].as_array().unwrap().len(),
            table.lines().count() - 1
        );
        let rows = json["rows"].as_array().unwrap();
        assert!(
            rows.iter().all(|row| cells(row) == cells(&json["columns"])),
            "{json}"
        );
    }
}

#[test]
fn the_closing_table_of_a_study_is_its_means() {
    let dir = Dir::new();
    study(&dir, LARGE);
    dir.kadsim(&["inspect", "out/grid", "--closing"])
        .ends(2)
        .says(&["out/grid"]);
    dir.kadsim(&["sweep", "grid.toml", "--index", "3"]).ends(0);
    dir.kadsim(&["inspect", "out/grid", "--closing"])
        .ends(2)
        .says(&["not finished"]);
    dir.kadsim(&["run", "grid.toml", "--set", "networks=2"])
        .ends(0);
    for (more, cells) in [(&[][..], 20), (&["--all"], 24)] {
        let call = [&["inspect", "out/grid", "--closing"], more].concat();
        let text = dir.kadsim(&call).ends(0).stdout;
        // Two phases a cell below the header.
        assert_eq!(text.lines().count(), 1 + 2 * cells, "{text}");
        assert!(
            text.contains(" ± ") && text.contains("lookup.alpha"),
            "{text}"
        );
    }
}

#[test]
fn a_folder_without_a_finished_run_has_no_closing_table() {
    let dir = Dir::new();
    let refused = |path: &str, says: &str| {
        dir.kadsim(&["inspect", path, "--closing"])
            .ends(2)
            .says(&[path, says]);
    };
    refused("nowhere", "");
    refused(".", "no run");
    dir.kadsim(&["run", "small.toml"]).ends(0);
    dir.kadsim(&["inspect", "out/small", "--json"])
        .ends(2)
        .says(&["--closing"]);
    dir.write("out/small/summary.json", "{");
    refused("out/small", "summary.json");
    std::fs::rename(dir.path("out/small"), dir.path("out/small.partial")).unwrap();
    refused("out/small.partial", "not finished");
}
