//! Output of `columns` against the tables that a study writes.

use kadsim::inspect::type_name;

use super::readme::readme_holds;
use crate::support::Dir;

/// A study of two cells that writes every table.
const ALL: &str = "schema = 1\nname = \"all\"\nseed = 1\nnetwork.nodes = 50\n\
    [[phase]]\nname = \"p\"\nkind = \"lookup\"\ncount = 3\n\
    [output]\ntables = [\"ticks\", \"operations\", \"nodes\", \"connections\", \"routing\"]\n\
    [sweep]\n\"lookup.alpha\" = [1, 3]\n";

#[test]
fn the_reference_is_what_the_program_prints() {
    readme_holds("columns");
}

/// Returns name, type, unit and meaning of each column of a written table, as lines of Markdown.
fn written(dir: &Dir, path: &str) -> Vec<String> {
    let schema = dir.table(path).batch.schema();
    let lines = schema.fields().iter().map(|field| {
        let null = if field.is_nullable() { "?" } else { "" };
        let kind = type_name(field.data_type());
        let unit = match field.metadata()["unit"].as_str() {
            "1" => "",
            unit => unit,
        };
        let meaning = &field.metadata()["description"];
        format!("| `{}` | {kind}{null} | {unit} | {meaning} |", field.name())
    });
    lines.collect()
}

#[test]
fn columns_are_those_of_the_tables() {
    let dir = Dir::new();
    // Tables of living runs have all columns.
    let living = "[link]\ndelay_ms = 20\ntimeout_ms = 100\n[churn]\nsession = \"never\"\n";
    dir.write("all.toml", format!("{ALL}{living}"));
    dir.kadsim(&["run", "all.toml", "--quiet"]).ends(0);
    let text = dir.kadsim(&["columns", "--markdown"]).ends(0).stdout;
    let mut tables = Vec::new();
    for section in text.split("### ").skip(1) {
        let (name, columns) = section.split_once('\n').unwrap();
        let name = name.trim_matches('`');
        let lines = columns.lines().filter(|line| line.starts_with("| `"));
        let listed: Vec<&str> = lines.collect();
        let mut written = match name {
            "study" => written(&dir, "out/all/study.parquet"),
            _ => written(&dir, &format!("out/all/lookup.alpha=1/{name}.parquet")),
        };
        if name == "study" {
            assert!(written.remove(1).starts_with("| `lookup.alpha` |"));
        }
        assert_eq!(listed, written, "{name}");
        tables.push(name);
    }
    let run = ["ticks", "operations", "nodes", "connections", "routing"];
    assert_eq!(
        tables,
        [&run[..], &["summary", "timings", "study"]].concat()
    );
}

/// The table over all cells has the columns of a cell's table behind the swept keys.
#[test]
fn the_summary_of_a_study_has_the_columns_of_a_summary() {
    let dir = Dir::new();
    dir.write("all.toml", ALL);
    dir.kadsim(&["run", "all.toml", "--quiet"]).ends(0);
    let of_study = written(&dir, "out/all/summary.parquet");
    let of_cell = written(&dir, "out/all/lookup.alpha=1/summary.parquet");
    assert_eq!(of_study[3..], of_cell[1..]);
    assert_eq!(
        of_study[2],
        "| `network` | u32 |  | Network of the cell, from 0 |"
    );
}

#[test]
fn one_table_is_shown_alone() {
    let dir = Dir::new();
    let all = dir.kadsim(&["columns"]).ends(0).stdout;
    let one = dir.kadsim(&["columns", "routing"]).ends(0).stdout;
    assert!(one.starts_with("routing: One row: an entry of a routing table. Order: "));
    assert!(all.contains(&one) && !one.contains("summary: "));
    let markdown = dir.kadsim(&["columns", "routing", "--markdown"]).ends(0);
    assert_eq!(markdown.stdout.matches("### ").count(), 1);
    let unknown = dir.kadsim(&["columns", "routes"]).ends(2);
    assert!(
        unknown.stderr.contains("routing") && unknown.stderr.contains("study"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn columns_fit_a_terminal() {
    let dir = Dir::new();
    let mut narrow = dir.command(&["columns"]);
    let answer = narrow.env("COLUMNS", "80").output().unwrap();
    let text = String::from_utf8(answer.stdout).unwrap();
    assert!(text.contains("\nsummary: One row: a metric"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// Output of `columns connections`.
#[test]
fn connections_of_py_dht_carry_the_start_of_their_operation() {
    let dir = Dir::new();
    let text = dir.kadsim(&["columns", "connections"]).ends(0).stdout;
    assert!(text.contains("\"py-dht\", time_ms is the operation's start."));
    let file = ALL.split("[sweep]").next().unwrap();
    dir.write(
        "one.toml",
        file.replace("count = 3", "count = 9\nspread_ms = 70"),
    );
    let sets = ["lookup.procedure=py-dht", "link.delay_ms=20"];
    let sets = sets.map(|set| ["--set", set]).concat();
    dir.kadsim(&[&["run", "one.toml", "--quiet"], sets.as_slice()].concat())
        .ends(0);
    let operations = dir.table("out/all/operations.parquet");
    let numbers = operations.numbers("operation").into_iter();
    let start_of: Vec<_> = numbers.zip(operations.numbers("start_ms")).collect();
    let connections = dir.table("out/all/connections.parquet");
    let sent = connections.numbers("operation").into_iter();
    let sent: Vec<_> = sent.zip(connections.numbers("time_ms")).collect();
    assert!(sent.len() > 9 && sent.iter().all(|one| start_of.contains(one)));
}
