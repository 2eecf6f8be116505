//! Tables over all cells of a study, and statistics over networks.

use serde_json::Value;

use super::grid;
use crate::cli::closing::study;
use crate::support::{Dir, SMALL};

#[test]
fn one_row_per_cell_network_and_metric_with_the_swept_keys_as_columns() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["run", "grid.toml", "--quiet", "--set", "networks=3"])
        .ends(0);
    let table = dir.table("out/grid/summary.parquet");
    let schema = table.batch.schema();
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let expected = [
        "cell",
        "lookup.alpha",
        "network.nodes",
        "phase.getting.draw",
        "case",
        "link.slow_error",
        "network.bucket_size",
        "network",
        "metric",
        "value",
    ];
    assert_eq!(names, expected);
    assert_eq!(table.complete.as_deref(), Some("true"));
    let list = dir
        .kadsim(&["sweep", "grid.toml", "--list", "--set", "networks=3"])
        .stdout;
    let folders: Vec<&str> = list
        .lines()
        .map(|line| line.split_once('\t').unwrap().1)
        .collect();
    let (cells, networks) = (table.values("cell"), table.values("network"));
    let (metrics, values) = (table.words("metric"), table.numbers("value"));
    let rows: Vec<_> = (0..table.rows()).collect();
    let metric_count = rows.len() / 24 / 3;
    assert_eq!(rows.len(), 24 * 3 * metric_count);
    for (cell, folder) in folders.iter().enumerate() {
        let summary: Value =
            serde_json::from_str(&dir.read(&format!("{folder}/summary.json"))).unwrap();
        let of = |metric: &str| -> Vec<f64> {
            let is = |row: &&usize| cells[**row] == cell as f64 && metrics[**row] == metric;
            rows.iter()
                .filter(is)
                .map(|row| values[*row].unwrap())
                .collect()
        };
        // Counts add up, and the mean and the interval over networks are those of the rows.
        let counts = of("putting.attempts.count");
        assert_eq!(counts, [10.0; 3]);
        let means = of("getting.attempts.mean");
        let mean = means.iter().sum::<f64>() / 3.0;
        let squares: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
        let half = 4.302_652_73 * (squares / 2.0 / 3.0).sqrt();
        let number = |key: &str| summary[key].as_f64().unwrap();
        assert!((number("getting.attempts.mean.networks.mean") - mean).abs() < 1e-9);
        assert!((number("getting.attempts.mean.networks.ci95") - half).abs() < 1e-6);
        assert!((number("getting.attempts.mean") - mean).abs() < 1e-9);
    }
    assert_eq!(networks[metric_count - 1..=metric_count], [0.0, 1.0]);
    let (alpha, bucket) = (
        table.values("lookup.alpha"),
        table.numbers("network.bucket_size"),
    );
    assert_eq!((alpha[0], bucket[0]), (1.0, None));
    assert_eq!(
        (alpha[rows.len() - 1], bucket[rows.len() - 1]),
        (3.0, Some(8.0))
    );
}

/// The metrics of a network in `summary.parquet` are the statistics of its rows in `operations.parquet`.
#[test]
fn a_network_has_metrics_of_its_own() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml", "--quiet", "--set", "networks=4"])
        .ends(0);
    let operations = dir.table("out/small/operations.parquet");
    let summary = dir.table("out/small/summary.parquet");
    let (networks, phases) = (operations.values("network"), operations.words("phase"));
    let (attempts, durations) = (
        operations.values("attempts"),
        operations.values("duration_ms"),
    );
    for network in 0..4 {
        let of_network =
            |row: &usize| networks[*row] == f64::from(network) && phases[*row] == "getting";
        let rows: Vec<usize> = (0..operations.rows()).filter(of_network).collect();
        let sum: f64 = rows.iter().map(|row| attempts[*row]).sum();
        let max = rows.iter().map(|row| durations[*row]).fold(0.0, f64::max);
        let metric = |name: &str| {
            let is = |row: &usize| {
                summary.values("network")[*row] == f64::from(network)
                    && summary.words("metric")[*row] == name
            };
            summary.numbers("value")[(0..summary.rows()).find(is).unwrap()]
        };
        assert_eq!(metric("getting.attempts.count"), Some(20.0));
        assert_eq!(metric("getting.attempts.mean"), Some(sum / 20.0));
        assert_eq!(metric("getting.duration_ms.max"), Some(max));
        assert_eq!(metric("putting.recall.count"), Some(10.0));
    }
}

#[test]
fn the_closing_table_has_mean_and_interval_over_networks() {
    let dir = Dir::new();
    let answer = dir
        .kadsim(&["run", "small.toml", "--set", "networks=4"])
        .ends(0);
    for phase in ["putting", "getting"] {
        for part in ["networks.mean", "networks.ci95"] {
            let part = format!("{phase} {part}");
            assert_eq!(answer.stdout.matches(&part).count(), 1, "{}", answer.stdout);
        }
    }
    let expect = "expect=[{metric=\"getting.found.mean.networks.ci95\", within=[0, 1]}]";
    dir.kadsim(&[
        "run",
        "small.toml",
        "--out",
        "b",
        "--quiet",
        "--set",
        "networks=4",
        "--set",
        expect,
    ])
    .ends(0);
    // With one network, the summary has no such metric.
    dir.kadsim(&["run", "small.toml", "--out", "c", "--set", expect])
        .ends(2)
        .says(&["no metric"]);
}

/// Hive-style readers recover a value from its folder's name.
#[test]
fn values_of_any_kind_have_a_folder() {
    let dir = Dir::new();
    let sweep = "\n[sweep]\n\"link.overhead_ms\" = [0, 0.5, 12.0]\n\"link.delay_ms\" = [50, { uniform = [50, 75] }]\n\
                 \"output.results\" = [true]\nseed = [18446744073709551615]\n";
    dir.write("small.toml", SMALL.to_owned() + sweep);
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    let folders = [
        "link.overhead_ms=0",
        "link.overhead_ms=0.5",
        "link.overhead_ms=12",
        "study.json",
        "study.parquet",
        "summary.parquet",
    ];
    assert_eq!(dir.list("out/small"), folders);
    let delays = [
        "link.delay_ms=%7Buniform%3D%5B50%2C75%5D%7D",
        "link.delay_ms=50",
    ];
    assert_eq!(dir.list("out/small/link.overhead_ms=12"), delays);
    let table = dir.table("out/small/summary.parquet");
    let kinds = [
        "link.overhead_ms",
        "link.delay_ms",
        "output.results",
        "seed",
    ];
    let kinds = kinds.map(|name| {
        table
            .batch
            .schema()
            .field_with_name(name)
            .unwrap()
            .data_type()
            .to_string()
    });
    assert_eq!(
        [&kinds[0], &kinds[2], &kinds[3]],
        ["Float64", "Boolean", "UInt64"]
    );
    assert_eq!(
        table.words("link.delay_ms").last().unwrap(),
        "{uniform=[50,75]}"
    );
}

/// Returns whether two values are the same, but for the last digit, which reading JSON may change.
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
