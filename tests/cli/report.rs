//! Reports: what they show of runs and studies, and what they refuse.

mod naive;

use std::fs;

use serde_json::Value;

use super::closing::study;
use crate::support::{Dir, MIXED, SMALL};

/// Largest page.
const PAGE_BYTES_MAX: usize = 7_000_000;

/// Returns the data of the page's figures.
fn figures(page: &str) -> Value {
    let begin = "<script>const kadsimFigures = ";
    let data = &page[page.find(begin).unwrap() + begin.len()..];
    serde_json::from_str(&data[..data.find(";</script>").unwrap()]).unwrap()
}

/// Returns the data of a study's page.
fn of_study(page: &str) -> Value {
    let begin = "<script>const kadsimStudy = ";
    let data = &page[page.find(begin).unwrap() + begin.len()..];
    serde_json::from_str(&data[..data.find(";</script>").unwrap()]).unwrap()
}

/// Returns the trace of this name.
#[track_caller]
fn trace<'f>(figure: &'f Value, name: &str) -> &'f Value {
    let traces = figure["data"].as_array().unwrap();
    let trace = traces.iter().find(|trace| trace["name"] == name);
    trace.unwrap_or_else(|| panic!("no trace {name}"))
}

/// Returns the numbers of a list.
#[track_caller]
fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap().iter();
    list.map(|number| number.as_f64().unwrap()).collect()
}

/// Returns a folder with a finished run of [`MIXED`].
fn mixed() -> Dir {
    let dir = Dir::new();
    dir.write("mixed.toml", MIXED);
    dir.kadsim(&["run", "mixed.toml", "--quiet"]).ends(0);
    dir
}

/// Returns a folder with a finished run of [`MIXED`] with these changes, and its report.
fn mixed_with(sets: &[&str]) -> Dir {
    let dir = Dir::new();
    dir.write("mixed.toml", MIXED);
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let call: Vec<&str> = ["run", "mixed.toml", "--quiet"]
        .into_iter()
        .chain(sets)
        .collect();
    dir.kadsim(&call).ends(0);
    dir.kadsim(&["report", "out/mixed"]).ends(0);
    dir
}

/// Checks that `--figures` writes each figure of a report on these folders as its page has it. Returns the names.
#[track_caller]
fn figures_are_written(dir: &Dir, folders: &[&str]) -> Vec<String> {
    let call = [&["report"], folders, &["--figures", "figures"]].concat();
    dir.kadsim(&call).ends(0);
    let page = dir.read("report.html");
    let figures = figures(&page);
    let mut names: Vec<String> = figures.as_object().unwrap().keys().cloned().collect();
    names.sort();
    let files: Vec<String> = names.iter().map(|name| format!("{name}.json")).collect();
    assert_eq!(dir.list("figures"), files);
    for (name, file) in names.iter().zip(&files) {
        let written: Value = serde_json::from_str(&dir.read(&format!("figures/{file}"))).unwrap();
        assert_eq!(written, figures[name]);
        assert!(
            page.contains(&format!("data-figure=\"{name}\"")),
            "{name} is not on the page"
        );
        assert!(!written["data"].as_array().unwrap().is_empty(), "{name}");
    }
    fs::remove_dir_all(dir.path("figures")).unwrap();
    names
}

#[test]
fn the_page_of_a_run_has_its_figures_and_needs_no_network() {
    let dir = mixed();
    let written = figures_are_written(&dir, &["out/mixed"]);
    let answer = dir.kadsim(&["report", "out/mixed"]).ends(0);
    assert_eq!(answer.stdout, "report.html\n");
    let page = dir.read("report.html");
    assert!(page.len() < PAGE_BYTES_MAX, "{}", page.len());
    assert!(page.contains("<title>mixed – kadsim</title>") && !page.contains("not finished"));
    for request in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page[..page.find("plotly.js v").unwrap()].contains(request));
        assert!(!page[page.find("kadsimFigures = ").unwrap()..].contains(request));
    }
    let figures = figures(&page);
    let names = [
        "succeeded",
        "in-flight",
        "connections",
        "contacts",
        "depth",
        "load",
        "key-space",
        "hottest",
        "recall",
        "spent",
        "by-the-clock",
        "lacking",
    ];
    for name in names {
        assert!(
            !figures[name]["data"].as_array().unwrap().is_empty(),
            "{name}"
        );
        assert!(written.contains(&name.to_owned()), "{name}");
        assert!(
            page.contains(&format!("id=\"{name}-title\""))
                && page.contains(&format!("id=\"{name}-query\""))
        );
    }
}

#[test]
fn several_runs_are_overlaid() {
    let dir = Dir::new();
    for alpha in ["1", "3"] {
        let (set, out) = (format!("lookup.alpha={alpha}"), format!("alpha {alpha}"));
        dir.kadsim(&["run", "small.toml", "--quiet", "--set", &set, "--out", &out])
            .ends(0);
    }
    let folders = ["alpha 1/small", "alpha 3/small"];
    let written = figures_are_written(&dir, &folders);
    assert!(written.len() >= 10, "{written:?}");
    let page = dir.read("report.html");
    // The queries cover both.
    for table in ["operations", "ticks", "nodes", "timings"] {
        let of =
            |folder: &str| format!("SELECT '{folder}' AS run, * FROM '{folder}/{table}.parquet'");
        let both = folders.map(of).join("\n      UNION ALL BY NAME ");
        assert!(page.contains(&both), "{table}");
    }
    let figures = figures(&page);
    let traces = figures["succeeded"]["data"].as_array().unwrap();
    let names: Vec<&str> = traces
        .iter()
        .filter_map(|trace| trace["name"].as_str())
        .collect();
    assert!(
        names.contains(&"getting, alpha 1/small") && names.contains(&"getting, alpha 3/small"),
        "{names:?}"
    );
    assert!(figures["succeeded"]["layout"]["title"].is_null());
}

#[test]
fn a_study_has_all_metrics_of_its_cells() {
    let dir = Dir::new();
    study(&dir, "\"lookup.alpha\" = [1, 3]\nnetworks = [2]\n");
    let answer = dir.kadsim(&["run", "grid.toml"]).ends(0);
    assert!(
        answer
            .stdout
            .contains("`kadsim report out/grid` draws figures\n"),
        "{}",
        answer.stdout
    );
    let written = figures_are_written(&dir, &["out/grid"]);
    assert_eq!(written, ["durations", "front", "heat", "multiples"]);
    let data = of_study(&dir.read("report.html"));
    assert_eq!(data["axes"][0]["name"], "lookup.alpha");
    assert_eq!(data["axes"][1]["name"], "networks");
    let metrics = data["metrics"].as_array().unwrap();
    let metric = metrics
        .iter()
        .position(|metric| metric == "getting.attempts.mean")
        .unwrap();
    for (cell, alpha) in data["cells"].as_array().unwrap().iter().zip([1, 3]) {
        let folder = format!("out/grid/lookup.alpha={alpha}/networks=2/summary.json");
        let summary: Value = serde_json::from_str(&dir.read(&folder)).unwrap();
        let close = |one: &Value, other: &Value| {
            (one.as_f64().unwrap() / other.as_f64().unwrap() - 1.0).abs() < 1e-5
        };
        assert!(close(
            &cell["values"][metric],
            &summary["getting.attempts.mean"]
        ));
        assert!(close(
            &cell["intervals"][metric],
            &summary["getting.attempts.mean.networks.ci95"]
        ));
        assert_eq!(cell["settings"][0], alpha.to_string());
    }
    // A cell that is not done is named, and the others are shown.
    fs::remove_dir_all(dir.path("out/grid/lookup.alpha=3")).unwrap();
    dir.kadsim(&["report", "out/grid"]).ends(0);
    assert!(
        dir.read("report.html")
            .contains("1 of 2 cells are not done, among them lookup.alpha=3/networks=2")
    );
}

#[test]
fn an_unfinished_run_is_marked() {
    let dir = mixed();
    fs::rename(dir.path("out/mixed"), dir.path("out/mixed.partial")).unwrap();
    fs::remove_file(dir.path("out/mixed.partial/summary.json")).unwrap();
    // A table that breaks off.
    let operations = dir.path("out/mixed.partial/operations.parquet");
    let bytes = fs::read(&operations).unwrap();
    fs::write(&operations, &bytes[..bytes.len() / 2]).unwrap();
    dir.kadsim(&["report", "out/mixed.partial/"]).ends(0);
    let page = dir.read("report.html");
    assert!(page.contains("is not finished"));
    let lacks = "id=\"succeeded-caption\">Not drawn: the table <code>operations</code> breaks off";
    assert!(page.contains(lacks));
    assert!(
        !page.contains("operations.parquet"),
        "a query of a table that breaks off"
    );
    assert!(!figures(&page)["load"].is_null());
    // Beside another run, queries leave out what breaks off.
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    dir.kadsim(&["report", "out/small", "out/mixed.partial"])
        .ends(0);
    let page = dir.read("report.html");
    assert!(page.contains("FROM 'out/small/operations.parquet'"));
    assert!(!page.contains("out/mixed.partial/operations.parquet"));
    assert!(page.contains("FROM 'out/mixed.partial/ticks.parquet'"));
}

#[test]
fn tables_that_are_missing_are_named_in_words() {
    let dir = Dir::new();
    let text = SMALL.to_owned() + "[output]\ntables = []\n";
    dir.write("bare.toml", text);
    dir.kadsim(&["run", "bare.toml", "--quiet"]).ends(0);
    dir.kadsim(&["report", "out/small"]).ends(0);
    let page = dir.read("report.html");
    for table in ["operations", "ticks", "nodes"] {
        assert!(
            page.contains(&format!("there is no table <code>{table}</code>")),
            "{table}"
        );
    }
}

#[test]
fn a_run_of_one_operation_has_a_report() {
    let dir = Dir::new();
    let text = "schema = 1\nname = \"one\"\nseed = 1\nnetwork.nodes = 50\nlink.delay_ms = 50\n[[phase]]\nname = \"looking\"\n\
                kind = \"lookup\"\ncount = 1\n";
    dir.write("one.toml", text);
    dir.kadsim(&["run", "one.toml", "--quiet"]).ends(0);
    let operations = dir.table("out/one/operations.parquet");
    assert_eq!(operations.rows(), 1);
    dir.kadsim(&["report", "out/one"]).ends(0);
    let figures = figures(&dir.read("report.html"));
    let seconds = operations.sum("duration_ms") / 1e3;
    let succeeded = trace(&figures["succeeded"], "looking");
    assert_eq!(numbers(&succeeded["y"]), [0.0, 1.0]);
    let shown = numbers(&succeeded["x"])[1];
    assert!(
        (shown / seconds - 1.0).abs() < 1e-3,
        "{shown}, not {seconds}"
    );
    for (figure, column) in [("contacts", "attempts"), ("depth", "depth")] {
        let bars = trace(&figures[figure], "looking");
        assert_eq!(numbers(&bars["x"]), [operations.sum(column)]);
        assert_eq!(numbers(&bars["y"]), [1.0]);
    }
}

#[test]
fn a_run_without_operations_has_a_report() {
    let dir = Dir::new();
    let text = "schema = 1\nname = \"quiet\"\nseed = 1\nnetwork.nodes = 50\n[[phase]]\nname = \"resting\"\n\
                kind = \"idle\"\nduration_ms = 1000\n";
    dir.write("quiet.toml", text);
    dir.kadsim(&["run", "quiet.toml", "--quiet"]).ends(0);
    assert_eq!(dir.table("out/quiet/operations.parquet").rows(), 0);
    dir.kadsim(&["report", "out/quiet"]).ends(0);
    let page = dir.read("report.html");
    for (figure, table) in [
        ("succeeded", "operations"),
        ("load", "nodes"),
        ("hottest", "nodes"),
    ] {
        let caption = format!(
            "id=\"{figure}-caption\">Not drawn: the table <code>{table}</code> has no such value."
        );
        assert!(page.contains(&caption), "{figure}");
    }
    // What the run has is drawn.
    assert!(!figures(&page)["spent"].is_null());
}

/// The cell with delays of 9e12 ms fails: its clock ends before its operations do.
#[test]
fn a_study_with_a_failed_cell_shows_the_others() {
    let dir = Dir::new();
    study(&dir, "\"link.delay_ms\" = [50, 9e12]\nseed = [1, 2]\n");
    let answer = dir.kadsim(&["run", "grid.toml"]).ends(1);
    assert!(
        answer.stdout.contains("2 of 4 cells done"),
        "{}",
        answer.stdout
    );
    assert!(answer.stdout.contains("2 failed"), "{}", answer.stdout);
    let written = figures_are_written(&dir, &["out/grid"]);
    assert_eq!(written, ["durations", "front", "heat", "multiples"]);
    let page = dir.read("report.html");
    assert!(page.contains("2 of 4 cells are not done, among them link.delay_ms="));
    let data = of_study(&page);
    assert_eq!(data["cells"].as_array().unwrap().len(), 2);
    assert_eq!(data["axes"][0]["values"], serde_json::json!(["50"]));
    // The table of means is not written yet, so the queries read the tables of the cells.
    assert!(
        page.contains("read_parquet('out/grid/**/summary.parquet'")
            && !page.contains("study.parquet")
    );
    // Without any cell there is nothing to show.
    fs::remove_dir_all(dir.path("out/grid/link.delay_ms=50")).unwrap();
    let answer = dir.kadsim(&["report", "out/grid", "-o", "none.html"]);
    assert_eq!(answer.status, Some(2));
    answer.says(&["out/grid: no cell of the study is done"]);
    assert!(!dir.path("none.html").exists());
}

#[test]
fn as_many_distributions_are_coloured_as_can_be_told_apart() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [1, 2, 3, 4, 5, 6]\nseed = [1, 2]\n",
    );
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    dir.kadsim(&["report", "out/grid"]).ends(0);
    let page = dir.read("report.html");
    assert!(page.contains("Of 24 curves, 8 are coloured"));
    let figures = figures(&page);
    let curves = figures["durations"]["data"].as_array().unwrap();
    let is_grey = |curve: &&Value| curve["line"]["color"] == "#888888";
    let (grey, coloured): (Vec<&Value>, Vec<&Value>) = curves.iter().partition(is_grey);
    assert_eq!((coloured.len(), grey.len()), (8, 16));
    assert!(
        coloured
            .iter()
            .all(|curve| curve["line"]["color"].is_null())
    );
    assert!(grey.iter().all(|curve| curve["showlegend"] == false));
    // Coloured ones come first, and so have the colours one after the other.
    assert!(!is_grey(&&curves[7]));
    let colours = figures["durations"]["layout"]["colorway"]
        .as_array()
        .unwrap();
    assert_eq!(colours.len(), 8);
}

#[test]
fn what_is_no_run_is_refused() {
    let dir = mixed();
    fs::create_dir(dir.path("foreign folder")).unwrap();
    let settings = dir.read("out/mixed/resolved.toml");
    for (name, text) in [
        ("later", settings.replacen("schema = 1", "schema = 9", 1)),
        ("other", "a = 1".to_owned()),
    ] {
        fs::create_dir(dir.path(name)).unwrap();
        dir.write(&format!("{name}/resolved.toml"), text);
        dir.write(&format!("{name}/summary.json"), "{}");
    }
    let refusals: [(&[&str], &[&str]); 8] = [
        (
            &["later"],
            &["later/resolved.toml: schema = 9", "this one reads 1"],
        ),
        (
            &["other"],
            &["other/resolved.toml: no experiment of kadsim"],
        ),
        (
            &["foreign folder"],
            &[
                "foreign folder: no run of kadsim",
                "resolved.toml",
                "study.json",
            ],
        ),
        (&["nowhere"], &["nowhere", "No such file"]),
        (&["out/mixed", "out/mixed/"], &["out/mixed/: named twice"]),
        (&["mixed.toml"], &["mixed.toml: no folder"]),
        (
            &["out/mixed", "-o", "no/such/page.html"],
            &["cannot write no/such/page.html"],
        ),
        (
            &["out/mixed", "--figures", "mixed.toml"],
            &["cannot make mixed.toml"],
        ),
    ];
    for (arguments, says) in refusals {
        let answer = dir.kadsim(&[&["report"], arguments].concat());
        assert_ne!(answer.status, Some(0), "{arguments:?}");
        answer.says(says);
    }
    assert!(!dir.path("no").exists());
    let operations = dir.path("out/mixed/operations.parquet");
    let bytes = fs::read(&operations).unwrap();
    fs::write(&operations, &bytes[..bytes.len() / 2]).unwrap();
    let answer = dir.kadsim(&["report", "out/mixed", "-o", "broken.html"]);
    assert_eq!(answer.status, Some(2));
    answer.says(&["cannot read out/mixed/operations.parquet"]);
    assert!(!dir.path("broken.html").exists());
}
