//! What reports aggregate, against the same from the whole tables, straight from the definitions.

mod study;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{figures, mixed_with, numbers, trace};
use crate::support::{Dir, Table};

/// Values are drawn with six digits.
const DIGITS: f64 = 1e-5;
/// Values of distributions are exact below 2048, else at most 1/1024 too low.
const BIN: f64 = 1.0 / 1024.0;

#[track_caller]
fn assert_close(one: f64, other: f64, what: &str) {
    let most = one.abs().max(other.abs()).max(1e-9);
    assert!(
        (one - other).abs() <= DIGITS * most,
        "{what}: {one}, not {other}"
    );
}

/// Two networks with errors, withheld segments, and phases that overlap.
fn run() -> Dir {
    mixed_with(&[
        "networks=2",
        "phase.putting.withheld=6",
        "phase.looking.start_ms=500",
        "output.in_degree=true",
    ])
}

/// Returns the rows whose column has this word.
fn rows_of(table: &Table, column: &str, word: &str) -> Vec<usize> {
    let words = table.words(column).into_iter().enumerate();
    words
        .filter(|(_, one)| one == word)
        .map(|(row, _)| row)
        .collect()
}

/// Checks that a curve is the share of `of` values that are at or below, point by point, to the last one.
#[track_caller]
fn assert_cumulative(trace: &Value, mut values: Vec<f64>, of: usize, what: &str) {
    values.sort_by(f64::total_cmp);
    let (x, y) = (numbers(&trace["x"]), numbers(&trace["y"]));
    let mut points = 0;
    for (x, y) in x.into_iter().zip(y).filter(|(_, y)| *y > 0.0) {
        let below = values.partition_point(|value| *value < x * (1.0 - DIGITS));
        let upto = values.partition_point(|value| *value <= x * (1.0 + BIN + DIGITS) + 1e-9);
        let count = y * of as f64;
        assert!(
            below as f64 + 0.5 < count && count < upto as f64 + 0.5,
            "{what}: {count} at {x}, not {below} to {upto}"
        );
        points += 1;
    }
    let last = numbers(&trace["y"]).into_iter().next_back().unwrap();
    assert_close(last, values.len() as f64 / of as f64, what);
    // There are fewer values than a curve may have points, so only those of a bin share a point.
    let bin = |value: &f64| {
        let us = (value * 1e6).round() as u64;
        let shift = (us | 1).ilog2().saturating_sub(10);
        us >> shift << shift
    };
    let mut bins: Vec<u64> = values.iter().map(bin).collect();
    bins.dedup();
    assert_eq!(points, bins.len(), "{what}");
}

/// Checks that bars are the shares of whole numbers.
#[track_caller]
fn assert_shares(trace: &Value, values: impl Iterator<Item = f64>, what: &str) {
    let mut counts = BTreeMap::<u64, f64>::new();
    let mut all = 0.0;
    for value in values {
        *counts.entry(value as u64).or_default() += 1.0;
        all += 1.0;
    }
    let x: Vec<u64> = numbers(&trace["x"]).iter().map(|x| *x as u64).collect();
    assert_eq!(x, counts.keys().copied().collect::<Vec<_>>(), "{what}");
    for (y, count) in numbers(&trace["y"]).into_iter().zip(counts.values()) {
        assert_close(y, count / all, what);
    }
}

#[test]
fn what_is_shown_of_operations_is_what_their_table_has() {
    let dir = run();
    let figures = figures(&dir.read("report.html"));
    let table = dir.table("out/mixed/operations.parquet");
    let (due, end) = (table.values("due_ms"), table.numbers("end_ms"));
    let (attempts, depth) = (table.values("attempts"), table.values("depth"));
    let (recall, found) = (table.numbers("recall"), table.numbers("found"));
    let stored = table.numbers("stored");
    let kinds = table.words("kind");
    let mut failures = 0;
    for phase in ["putting", "looking", "getting"] {
        let rows = rows_of(&table, "phase", phase);
        assert!(rows.len() >= 100);
        let succeeded = |row: &&usize| match kinds[**row].as_str() {
            "retrieve" => found[**row] == Some(1.0),
            "provide" => stored[**row] > Some(0.0),
            _ => true,
        };
        let times = rows.iter().filter(succeeded);
        let times: Vec<f64> = times
            .map(|&row| (end[row].unwrap() - due[row]) / 1e3)
            .collect();
        failures += rows.len() - times.len();
        assert_cumulative(
            trace(&figures["succeeded"], phase),
            times,
            rows.len(),
            phase,
        );
        let of = |column: &[f64]| rows.iter().map(|&row| column[row]).collect::<Vec<_>>();
        assert_shares(
            trace(&figures["contacts"], phase),
            of(&attempts).into_iter(),
            phase,
        );
        assert_shares(
            trace(&figures["depth"], phase),
            of(&depth).into_iter(),
            phase,
        );
        let recalls: Vec<f64> = rows.iter().filter_map(|&row| recall[row]).collect();
        if phase != "getting" {
            assert_eq!(recalls.len(), rows.len());
        }
        if !recalls.is_empty() {
            let count = recalls.len();
            let shown = trace(&figures["recall"], phase);
            for (x, y) in numbers(&shown["x"])
                .into_iter()
                .zip(numbers(&shown["y"]))
                .skip(1)
            {
                let upto = recalls.iter().filter(|recall| **recall <= x + 5e-4).count();
                assert_close(y, upto as f64 / count as f64, "recall");
            }
        }
    }
    assert!(failures > 0, "every operation succeeds");
    let rows = rows_of(&table, "phase", "getting");
    let found_s: Vec<f64> = rows
        .iter()
        .filter(|row| found[**row] == Some(1.0))
        .map(|&row| end[row].unwrap() / 1e3)
        .collect();
    assert_cumulative(
        trace(&figures["by-the-clock"], "getting"),
        found_s,
        rows.len(),
        "clock",
    );
    let deadlines = figures["succeeded"]["layout"]["shapes"].as_array().unwrap();
    let deadlines: Vec<f64> = deadlines
        .iter()
        .map(|line| line["x0"].as_f64().unwrap())
        .collect();
    assert_eq!(deadlines, [0.4, 4.0]);
}

#[test]
fn nodes_by_what_they_lack_are_counted_and_the_law_is_drawn() {
    let dir = run();
    let figures = figures(&dir.read("report.html"));
    let table = dir.table("out/mixed/operations.parquet");
    let (network, origin) = (table.values("network"), table.values("origin"));
    let found = table.numbers("found");
    let mut lacking = BTreeMap::<(u64, u64), f64>::new();
    for row in rows_of(&table, "phase", "getting") {
        let of_origin = lacking
            .entry((network[row] as u64, origin[row] as u64))
            .or_default();
        *of_origin += f64::from(u8::from(found[row] != Some(1.0)));
    }
    assert_eq!(lacking.len(), 2 * 20);
    assert!(lacking.values().any(|&lacks| lacks > 0.0));
    assert_shares(
        trace(&figures["lacking"], "getting"),
        lacking.into_values(),
        "lacking",
    );
    // 8 of 60 segments without repetition, 6 of them withheld: draw after draw.
    let law = trace(&figures["lacking"], "withheld alone");
    let mut shares = vec![1.0];
    for drawn in 0..8 {
        let mut next = vec![0.0; shares.len() + 1];
        for (lacks, share) in shares.iter().enumerate() {
            let left = 60.0 - f64::from(drawn);
            let withheld = (6.0 - lacks as f64).max(0.0) / left;
            next[lacks] += share * (1.0 - withheld);
            next[lacks + 1] += share * withheld;
        }
        shares = next;
    }
    for (x, y) in numbers(&law["x"]).into_iter().zip(numbers(&law["y"])) {
        assert_close(y, shares[x as usize], "law");
    }
    assert!(numbers(&law["x"]).len() >= 5);
}

/// Returns the width of the bins of a trace over time, and the bin of each point.
fn bins(trace: &Value) -> (f64, Vec<i64>) {
    let x_ms: Vec<f64> = numbers(&trace["x"]).iter().map(|s| s * 1e3).collect();
    let width_ms = (x_ms[1] - x_ms[0]).round();
    let bin = |ms: &f64| (ms / width_ms - 0.5).round() as i64;
    (width_ms, x_ms.iter().map(bin).collect())
}

#[test]
fn what_is_shown_over_time_is_what_happened() {
    let dir = run();
    let figures = figures(&dir.read("report.html"));
    let operations = dir.table("out/mixed/operations.parquet");
    let (start, end) = (operations.values("start_ms"), operations.values("end_ms"));
    let shown = &figures["in-flight"]["data"][0];
    let (width_ms, at) = bins(shown);
    let (mut most, mut shown_ms) = (0.0f64, 0.0);
    for (bin, level) in at.iter().zip(numbers(&shown["y"])) {
        let (from_ms, until_ms) = (*bin as f64 * width_ms, (*bin + 1) as f64 * width_ms);
        let (mut spent_ms, mut changes) = (0.0, 0.0);
        for (start_ms, end_ms) in start.iter().zip(&end) {
            spent_ms += (end_ms.min(until_ms) - start_ms.max(from_ms)).max(0.0);
            // A change counts from the middle of its tick of 50 ms.
            let is_near = |ms: f64| ms >= from_ms - 25.0 && ms <= until_ms + 25.0;
            changes += f64::from(u8::from(is_near(*start_ms)) + u8::from(is_near(*end_ms)));
        }
        let shift = (level * width_ms - spent_ms).abs();
        assert!(
            shift <= 25.0 * changes + 1e-2 * (1.0 + level),
            "{from_ms}: {level}, off by {shift} ms"
        );
        most = most.max(level);
        shown_ms += level * width_ms;
    }
    assert!(most > 50.0, "{most}");
    let spent_ms: f64 = end.iter().sum::<f64>() - start.iter().sum::<f64>();
    // A tick counts from its middle on, and many operations start or end at the head of one: half a tick each.
    assert!(
        (shown_ms - spent_ms).abs() <= 25.0 * start.len() as f64,
        "{shown_ms}, not {spent_ms}"
    );

    let connections = dir.table("out/mixed/connections.parquet");
    let (sent, outcomes) = (connections.values("time_ms"), connections.words("outcome"));
    for outcome in ["ok", "fast_error", "slow_error"] {
        let shown = trace(&figures["connections"], &outcome.replace('_', " "));
        let (width_ms, at) = bins(shown);
        let mut counts = BTreeMap::<i64, f64>::new();
        for (ms, _) in sent
            .iter()
            .zip(&outcomes)
            .filter(|(_, one)| *one == outcome)
        {
            *counts
                .entry((ms.floor() / width_ms).floor() as i64)
                .or_default() += 1.0;
        }
        for (bin, rate) in at.iter().zip(numbers(&shown["y"])) {
            let count = counts.remove(bin).unwrap_or(0.0);
            assert_close(rate * width_ms / 1e3, count, outcome);
        }
        assert!(counts.is_empty(), "{outcome}: {counts:?} are not drawn");
    }
}

#[test]
fn what_is_shown_of_load_is_what_nodes_received() {
    let dir = run();
    let figures = figures(&dir.read("report.html"));
    let table = dir.table("out/mixed/nodes.parquet");
    let (contacts, keys) = (table.values("contacts"), table.values("key"));
    for phase in ["putting", "looking", "getting"] {
        let rows = rows_of(&table, "phase", phase);
        let mut sorted: Vec<f64> = rows.iter().map(|&row| contacts[row]).collect();
        sorted.sort_by(|one, other| other.total_cmp(one));
        let shown = trace(&figures["load"], phase);
        let points = numbers(&shown["x"]).into_iter().zip(numbers(&shown["y"]));
        for (rank, count) in points.clone() {
            assert_eq!(sorted[rank as usize - 1], count, "{phase}: {rank}");
        }
        let busy = sorted.iter().filter(|count| **count > 0.0).count();
        assert_eq!(points.clone().next_back().unwrap().0, busy as f64);
        let parts = numbers(&trace(&figures["key-space"], phase)["y"]);
        let mut sums = vec![0.0; parts.len()];
        for row in rows {
            let part = (keys[row] / 2f64.powi(64) * parts.len() as f64) as usize;
            sums[part.min(parts.len() - 1)] += contacts[row];
        }
        assert_eq!(parts, sums, "{phase}");
    }
    let hottest = &figures["hottest"]["data"][0];
    let mut sorted = contacts.clone();
    sorted.sort_by(|one, other| other.total_cmp(one));
    assert_eq!(numbers(&hottest["x"]), sorted[..15]);
    let (node, phase) = (table.values("node"), table.words("phase"));
    let (network, degree) = (table.values("network"), table.values("in_degree"));
    for (bar, name) in hottest["y"].as_array().unwrap().iter().enumerate() {
        let is_it = |row: &usize| {
            name == &format!("{}, network {}, {}", node[*row], network[*row], phase[*row])
        };
        let row = (0..table.rows()).find(is_it).unwrap();
        assert_eq!(numbers(&hottest["x"])[bar], contacts[row]);
        assert_eq!(
            hottest["text"][bar],
            format!("named by {} tables", degree[row])
        );
    }
}

#[test]
fn where_the_time_went_adds_up() {
    let dir = run();
    let figures = figures(&dir.read("report.html"));
    let table = dir.table("out/mixed/timings.parquet");
    let (phases, systems) = (table.words("phase"), table.words("system"));
    let wall_ms = table.values("wall_ms");
    let sum = |phase: &str, is_of: &dyn Fn(&str) -> bool| -> f64 {
        let rows = (0..wall_ms.len()).filter(|&row| phases[row] == phase && is_of(&systems[row]));
        rows.map(|row| wall_ms[row]).sum()
    };
    let mut shown = 0;
    for bar in figures["spent"]["data"].as_array().unwrap() {
        let name = bar["name"].as_str().unwrap();
        for (phase, seconds) in bar["y"].as_array().unwrap().iter().zip(numbers(&bar["x"])) {
            let phase = phase.as_str().unwrap();
            let expected = match name {
                "rest of the phase" => {
                    sum(phase, &|one| one == "phase") - sum(phase, &|one| one != "phase")
                }
                _ => sum(phase, &|one| one == name),
            };
            let expected = expected.max(0.0);
            let off = (seconds * 1e3 - expected).abs();
            assert!(
                off <= DIGITS * expected + 1e-6,
                "{name} of {phase}: off by {off} ms"
            );
            shown += 1;
        }
    }
    assert!(shown > 10, "{shown}");
}

#[test]
fn what_is_shown_of_a_living_run_is_the_mean_over_its_ticks() {
    let dir = Dir::new();
    let text = "schema = 1\nname = \"living\"\nseed = 3\nnetwork.nodes = 300\nlink.delay_ms = 50\nlink.timeout_ms = 500\n\
                churn.session = { exponential = { mean_ms = 60_000 } }\nchurn.absence = { exponential = { mean_ms = 60_000 } }\n\
                [[phase]]\nname = \"looking\"\nkind = \"lookup\"\nrate_per_s = 20\nduration_ms = 20_000\n";
    dir.write("living.toml", text);
    dir.kadsim(&["run", "living.toml", "--quiet"]).ends(0);
    dir.kadsim(&["report", "out/living"]).ends(0);
    let figures = figures(&dir.read("report.html"));
    let ticks = dir.table("out/living/ticks.parquet");
    let time_ms = ticks.values("time_ms");
    for (figure, column) in [
        ("online", "online"),
        ("stale", "stale"),
        ("stale", "missing"),
        ("entries", "entries"),
    ] {
        let shown = trace(&figures[figure], column);
        // Bins double from a tick of 50 ms until 800 of them are enough.
        let mut width_ms = 50.0;
        while time_ms.iter().any(|ms| ms / width_ms >= 800.0) {
            width_ms *= 2.0;
        }
        let mut sums = BTreeMap::<u64, (f64, f64)>::new();
        for (ms, value) in time_ms.iter().zip(ticks.numbers(column)) {
            let (sum, count) = sums.entry((ms / width_ms) as u64).or_default();
            *sum += value.unwrap_or(0.0);
            *count += f64::from(u8::from(value.is_some()));
        }
        sums.retain(|_, (_, count)| *count > 0.0);
        assert_eq!(numbers(&shown["x"]).len(), sums.len(), "{column}");
        for ((bin, (sum, count)), (s, mean)) in sums
            .iter()
            .zip(numbers(&shown["x"]).into_iter().zip(numbers(&shown["y"])))
        {
            assert_close(s * 1e3, (*bin as f64 + 0.5) * width_ms, "time");
            assert_close(mean, sum / count, column);
        }
    }
    // A lookup whose origin has left has no result.
    let operations = dir.table("out/living/operations.parquet");
    let done = operations
        .words("ended")
        .iter()
        .filter(|ended| *ended == "done")
        .count();
    let share = done as f64 / operations.rows() as f64;
    assert!(share < 1.0);
    let curve = numbers(&trace(&figures["succeeded"], "looking")["y"]);
    assert_close(
        curve[curve.len() - 1],
        share,
        "lookups that ended with a result",
    );
}
