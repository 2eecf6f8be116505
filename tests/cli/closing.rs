//! What the program prints at the end of runs and studies: tables that fit the terminal, metrics by the names of the
//! summary, and what failed.

use std::path::Path;

use kadsim::inputs::InputError;
use kadsim::sweep::{Study, Task};
use kadsim::watch::Watch;
use serde_json::Value;

use crate::support::{Dir, LONG, SMALL, Shown, on_terminal, signal};

/// The longest line, in letters.
fn width(text: &str) -> usize {
    let lines = text.lines().map(|line| line.chars().count());
    lines.max().unwrap_or(0)
}

#[track_caller]
fn assert_plain(text: &str) {
    let is_plain = |letter: char| letter == '\n' || !letter.is_control();
    assert!(text.chars().all(is_plain), "{text:?}");
}

/// 24 cells of the small experiment.
fn study(dir: &Dir, axes: &str) {
    let text = SMALL.replace("\"small\"", "\"grid\"");
    dir.write("grid.toml", format!("{text}\n[sweep]\n{axes}"));
}

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

/// A script that reads lines finds each row on one, whoever starts it from wherever.
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

/// Each row of the closing table is a key of `summary.json` behind the phase, but the two that are no metrics.
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
    assert_eq!(lines.len(), 3);
    // A part of it that is small has its table.
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
    // Two phases a cell.
    let (shown, cells) = rows(&[]);
    assert_eq!(shown, 40, "{cells}");
    assert!(
        cells.ends_with("\n… and 4 cells more: `kadsim inspect out/grid --all`"),
        "{cells}"
    );
    assert_eq!(rows(&["--all"]).0, 48);
}

/// What people read last is what failed: with metric, value, range, place and source, and once.
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

/// Bars are shown on a terminal that can, and go away.
#[test]
fn no_progress_hides_the_bars_and_nothing_else() {
    let dir = Dir::new();
    study(&dir, "\"lookup.alpha\" = [1, 3]\n");
    let is_bar = |text: &str| text.contains(['█', '░']) || text.contains("bootstrap");
    for call in [
        &["run", "small.toml", "--force"][..],
        &["run", "grid.toml", "--force"],
        &["sweep", "grid.toml", "--index", "1"],
        &["layouts", "small.toml"],
    ] {
        let hidden = dir
            .on_terminal(80, &[call, &["--no-progress"]].concat())
            .ends(0);
        assert_plain(&hidden.stderr);
        assert!(!is_bar(&hidden.stderr), "{}", hidden.stderr);
        let names: Vec<_> = hidden
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let piped = dir.kadsim(&[call, &["--no-progress"]].concat()).ends(0);
        let others: Vec<_> = piped
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert!(
            !names.is_empty() && names.starts_with(&others[..1]),
            "{}",
            hidden.stdout
        );
    }
    // Long enough for a bar on a busy machine: lines are drawn by a thread of their own.
    dir.write("long.toml", LONG);
    let mut command = dir.command(&["run", "long.toml", "--force"]);
    let mut shown = Shown::start(80, command.env("TERM", "xterm"));
    shown.wait_for(|text| is_bar(text));
    signal(&shown.child, "-INT");
    let answer = shown.end().ends(130);
    // Cleared in the end.
    let last = answer
        .stderr
        .rfind("\u{1b}[")
        .map(|at| &answer.stderr[at..]);
    assert!(
        last.is_some_and(|last| !is_bar(last)),
        "{:?}",
        answer.stderr
    );
    assert_plain(&answer.stdout);
}

/// A terminal echoes `^C` where the cursor is: behind a full line that would be the next one, which nobody clears.
#[test]
fn a_bar_leaves_room_for_an_echo() {
    let dir = Dir::new();
    study(&dir, "\"lookup.alpha\" = [1, 3]\n");
    let is_bar = |text: &str| text.contains(['█', '░']);
    for (columns, file) in [(80, "small.toml"), (20, "small.toml"), (80, "grid.toml")] {
        let more = ["--force", "--set", "phase.putting.count=2_000_000"];
        let mut command = dir.command(&[&["run", file], &more[..]].concat());
        let mut shown = Shown::start(columns, command.env("TERM", "xterm"));
        shown.wait_for(is_bar);
        signal(&shown.child, "-INT");
        let shown = shown.end().ends(130).stderr;
        // Each escape sequence ends with a letter.
        let mut parts = shown.split('\u{1b}');
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            text += part
                .split_once(|letter: char| letter.is_ascii_alphabetic())
                .unwrap()
                .1;
        }
        let lines = text.split(['\r', '\n']).filter(|line| is_bar(line));
        let widths: Vec<usize> = lines.map(|line| line.chars().count()).collect();
        let room = usize::from(columns) - 2;
        assert!(
            !widths.is_empty() && widths.iter().all(|width| *width <= room),
            "{widths:?} {text}"
        );
    }
}

/// Where a terminal takes text and nothing else there are no bars.
#[test]
fn a_dumb_terminal_shows_no_bars() {
    let dir = Dir::new();
    let mut command = dir.command(&["run", "small.toml"]);
    let answer = on_terminal(80, command.env("TERM", "dumb")).ends(0);
    assert_eq!(answer.stderr, "");
    assert!(
        answer.stdout.contains("duration_ms.p50"),
        "{}",
        answer.stdout
    );
}

#[track_caller]
fn load(path: &Path) -> Result<Task, InputError> {
    kadsim::sweep::load(path, &[], Watch::NOBODY)
}

/// The folder and the experiment of each cell.
fn cells(study: &Study) -> Vec<String> {
    let cells = study.cells.iter();
    let cell = |cell: &kadsim::sweep::StudyCell| {
        format!(
            "{}\n{}",
            cell.cell.folder().display(),
            cell.loaded.experiment.to_toml()
        )
    };
    cells.map(cell).collect()
}

/// What `check` prints of an experiment of the repository is the same experiment, and of a sweep the same sweep.
#[test]
fn what_check_prints_of_each_experiment_is_the_same_experiment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = Dir::new();
    let (mut studies, mut others) = (0, 0);
    for folder in ["experiments", "experiments/published", "tests/cluster"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let again = |text: &str| {
                dir.write("again.toml", text);
                load(&dir.path("again.toml")).unwrap()
            };
            match load(&path).unwrap() {
                Task::One(one, _) => {
                    let text = one.experiment.to_toml();
                    let Task::One(same, _) = again(&text) else {
                        panic!("{text}")
                    };
                    assert_eq!(same.experiment.to_toml(), text);
                    others += 1;
                }
                Task::Study(study) => {
                    let text = study.to_toml();
                    let Task::Study(same) = again(&text) else {
                        panic!("{text}")
                    };
                    assert_eq!(cells(&same), cells(&study), "{}", path.display());
                    assert_eq!(same.to_toml(), text);
                    studies += 1;
                }
            }
        }
    }
    assert!(
        studies >= 5 && others >= 5,
        "{studies} studies, {others} others"
    );
}

#[test]
fn the_output_of_check_is_a_file_that_checks_alike_and_runs_the_same() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [1, 3]\n[[sweep.cases]]\nlabel = \"a\"\n[[sweep.cases]]\nlabel = \"b\"\n\"lookup.beta\" = 5\n",
    );
    let text = dir.read("grid.toml");
    let expect = "\n[[expect]]\nmetric = \"getting.attempts.count\"\nwithin = [20, 20]\nwhere = { case = \"b\" }\n";
    dir.write("grid.toml", text + expect);
    let first = dir.kadsim(&["check", "grid.toml"]).ends(0).stdout;
    dir.write("again.toml", &first);
    assert_eq!(dir.kadsim(&["check", "again.toml"]).ends(0).stdout, first);
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    // It is the same study, so that all of it is done already.
    let again = dir.kadsim(&["run", "again.toml"]).ends(0);
    assert!(
        again.stdout.contains("4 of 4 cells done, 0 run now"),
        "{}",
        again.stdout
    );
    assert!(
        again.stdout.contains("2 of 2 expectations hold"),
        "{}",
        again.stdout
    );
}

/// Whether two values are the same, but for the last digit that reading JSON costs.
fn is_same(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-15 * one.abs(),
        (one, other) => one == other,
    }
}

/// `study.parquet` has the mean of each metric over the networks of a cell, as the cell's own summary has it.
#[test]
fn a_study_has_a_row_for_each_cell_and_metric() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [1, 3]\n[[sweep.cases]]\nlabel = \"one\"\nnetworks = 1\n[[sweep.cases]]\nlabel = \"three\"\nnetworks = 3\n\"link.overhead_ms\" = 0.5\n",
    );
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    let table = dir.table("out/grid/study.parquet");
    assert_eq!(table.complete.as_deref(), Some("true"));
    let schema = table.batch.schema();
    let fields = schema.fields().iter().map(|field| {
        let null = if field.is_nullable() { "?" } else { "" };
        let unit = field.metadata()["unit"].as_str();
        format!("{}{null} {} {unit}", field.name(), field.data_type())
    });
    let wanted = [
        "cell UInt32 1",
        "lookup.alpha Int64 1",
        "case Dictionary(Int32, Utf8) 1",
        "networks Int64 1",
        "link.overhead_ms? Float64 ms",
        "metric Dictionary(Int32, Utf8) 1",
        "mean? Float64 of the metric",
        "ci95? Float64 of the metric",
        "n UInt32 1",
    ];
    assert_eq!(fields.collect::<Vec<_>>(), wanted);
    let (cells, metrics) = (table.values("cell"), table.words("metric"));
    let (means, halves, counts) = (
        table.numbers("mean"),
        table.numbers("ci95"),
        table.values("n"),
    );
    let rows: Vec<_> = (0..table.rows()).collect();
    let order = |row: usize| (cells[row] as u32, metrics[row].as_str());
    assert!(rows.windows(2).all(|pair| order(pair[0]) < order(pair[1])));
    let (mut without, mut with) = (0, 0);
    for (cell, (alpha, case)) in [(1, "one"), (1, "three"), (3, "one"), (3, "three")]
        .into_iter()
        .enumerate()
    {
        let summary = dir.read(&format!(
            "out/grid/lookup.alpha={alpha}/case={case}/summary.json"
        ));
        let summary: Value = serde_json::from_str(&summary).unwrap();
        let keys = summary.as_object().unwrap().keys();
        let keys: Vec<_> = keys
            .filter(|key| !key.contains(".networks.") && *key != "warnings")
            .collect();
        let of_cell: Vec<_> = rows
            .iter()
            .filter(|row| cells[**row] == cell as f64)
            .collect();
        assert_eq!(
            of_cell
                .iter()
                .map(|row| &metrics[**row])
                .collect::<Vec<_>>(),
            keys
        );
        for &&row in &of_cell {
            let metric = &metrics[row];
            let number = |behind: &str| summary[format!("{metric}{behind}")].as_f64();
            if case == "one" {
                assert!(is_same(means[row], number("")), "{metric}");
                assert_eq!(halves[row], None, "{metric}");
                assert_eq!(
                    counts[row],
                    f64::from(u8::from(number("").is_some())),
                    "{metric}"
                );
            } else {
                assert!(is_same(means[row], number(".networks.mean")), "{metric}");
                assert!(is_same(halves[row], number(".networks.ci95")), "{metric}");
                assert_eq!(halves[row].is_some(), counts[row] > 1.0, "{metric}");
                assert!(counts[row] <= 3.0);
            }
            *(if counts[row] == 0.0 {
                &mut without
            } else {
                &mut with
            }) += 1;
            assert_eq!(means[row].is_none(), counts[row] == 0.0, "{metric}");
        }
    }
    // Provides find nothing, retrieves store nothing.
    assert!(without > 0 && with > without);
    let text = dir.kadsim(&["inspect", "out/grid"]).ends(0).stdout;
    let digest = dir.digest("out/grid/study.parquet");
    assert!(
        text.contains(&format!("\ndigest      {digest}\n")),
        "{text}"
    );
}
