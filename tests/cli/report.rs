//! Reports: what they show of runs and studies, and what they refuse.

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

/// Returns a folder with a finished run of [`MIXED`].
fn mixed() -> Dir {
    let dir = Dir::new();
    dir.write("mixed.toml", MIXED);
    dir.kadsim(&["run", "mixed.toml", "--quiet"]).ends(0);
    dir
}

#[test]
fn the_page_of_a_run_has_its_figures_and_needs_no_network() {
    let dir = mixed();
    let answer = dir
        .kadsim(&["report", "out/mixed", "--figures", "figures"])
        .ends(0);
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
        let written: Value =
            serde_json::from_str(&dir.read(&format!("figures/{name}.json"))).unwrap();
        assert_eq!(written, figures[name]);
        assert!(
            page.contains(&format!("id=\"{name}-title\""))
                && page.contains(&format!("id=\"{name}-query\""))
        );
    }
}

/// The curve of a retrieve phase ends at the share found.
#[test]
fn curves_are_those_of_the_tables() {
    let dir = Dir::new();
    dir.write("mixed.toml", MIXED);
    let withheld = "phase.putting.withheld=6";
    dir.kadsim(&["run", "mixed.toml", "--quiet", "--set", withheld])
        .ends(0);
    dir.kadsim(&["report", "out/mixed"]).ends(0);
    let figures = figures(&dir.read("report.html"));
    let summary: Value = serde_json::from_str(&dir.read("out/mixed/summary.json")).unwrap();
    let traces = figures["succeeded"]["data"].as_array().unwrap();
    let last = |name: &str| {
        let trace = traces.iter().find(|trace| trace["name"] == name).unwrap();
        trace["y"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .as_f64()
            .unwrap()
    };
    let found = summary["getting.found.mean"].as_f64().unwrap();
    assert!(
        found < 1.0 && (last("getting") - found).abs() < 1e-5,
        "{found}"
    );
    assert_eq!(last("looking"), 1.0);
    let ticks = dir.table("out/mixed/ticks.parquet");
    let connections: f64 = ticks.values("ok").iter().sum();
    let trace = &figures["connections"]["data"][0];
    assert_eq!(trace["name"], "ok");
    let rates = trace["y"].as_array().unwrap();
    let times = trace["x"].as_array().unwrap();
    let width_s = times[1].as_f64().unwrap() - times[0].as_f64().unwrap();
    let sum: f64 = rates
        .iter()
        .map(|rate| rate.as_f64().unwrap() * width_s)
        .sum();
    assert!(
        (sum / connections - 1.0).abs() < 1e-3,
        "{sum}, not {connections}"
    );
}

#[test]
fn several_runs_are_overlaid() {
    let dir = Dir::new();
    for alpha in ["1", "3"] {
        let (set, out) = (format!("lookup.alpha={alpha}"), format!("alpha {alpha}"));
        dir.kadsim(&["run", "small.toml", "--quiet", "--set", &set, "--out", &out])
            .ends(0);
    }
    dir.kadsim(&[
        "report",
        "alpha 1/small",
        "alpha 3/small",
        "-o",
        "both.html",
    ])
    .ends(0);
    let page = dir.read("both.html");
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
    dir.kadsim(&["report", "out/grid"]).ends(0);
    let page = dir.read("report.html");
    let begin = "<script>const kadsimStudy = ";
    let data = &page[page.find(begin).unwrap() + begin.len()..];
    let data: Value = serde_json::from_str(&data[..data.find(";</script>").unwrap()]).unwrap();
    assert_eq!(
        data["axes"],
        serde_json::json!(["lookup.alpha", "networks"])
    );
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
    assert!(dir.read("report.html").contains("is not finished"));
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
    // A phase without operations.
    let idle = SMALL
        .replace("count = 20", "count = 0")
        .replace("\"small\"", "\"idle\"");
    dir.write("idle.toml", idle);
    let answer = dir.kadsim(&["run", "idle.toml", "--quiet"]);
    if answer.status == Some(0) {
        dir.kadsim(&["report", "out/idle"]).ends(0);
    }
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
    let refusals: [(&[&str], &[&str]); 7] = [
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
