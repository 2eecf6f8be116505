//! `kadsim layouts`: a table or a JSON document with the costs of every layout.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::HumanCount;
use kadsim::estimate::human;
use kadsim::file::Experiment;
use kadsim::layouts::{Comparison, Measured, compare};
use kadsim::table::{Side, TextTable, wrapped};
use serde_json::{Value, json};

use super::{Failure, LayoutsArgs, conclude, watch, width_of};

pub(super) fn layouts(args: &LayoutsArgs) -> Result<ExitCode, Failure> {
    let watch = watch(args.no_progress, false)?;
    let (loaded, inputs) = args.experiment.load(args.machine.seed, watch)?;
    let experiment = &loaded.experiment;
    let threads = args.machine.threads.map(usize::from);
    let comparison = compare(experiment, &inputs, threads, watch).map_err(Failure::Layouts)?;
    let status = complain(&comparison);
    let text = if args.json {
        document(experiment, &comparison)
    } else {
        table(&comparison, width_of(&io::stdout()))
    };
    conclude(&text, status)
}

/// Prints on stderr what was not measured, and whether results differ between layouts. Returns the exit status.
fn complain(comparison: &Comparison) -> ExitCode {
    let mut stderr = io::stderr();
    for skipped in &comparison.skipped {
        let _ = writeln!(
            stderr,
            "skipped {}: the experiment needs about {} of memory under it, this machine has {}",
            skipped.layout,
            human(skipped.need),
            human(skipped.has)
        );
    }
    if let Some(why) = &comparison.misses_unknown {
        let _ = writeln!(stderr, "no cache misses: {why}");
    }
    let Some(disagreement) = disagreement(comparison) else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(stderr, "error: {disagreement}");
    ExitCode::FAILURE
}

/// Returns a message that lists the layouts by result, if results differ.
fn disagreement(comparison: &Comparison) -> Option<String> {
    let groups = comparison.agreeing();
    let named = groups.iter().map(|(digest, layouts)| {
        let names: Vec<&str> = layouts.iter().map(|layout| layout.as_str()).collect();
        format!("{} (SHA-256 {digest:.16}…)", names.join(", "))
    });
    (groups.len() > 1).then(|| {
        let named: Vec<String> = named.collect();
        format!("layouts differ in their results: {}", named.join("; "))
    })
}

/// Returns the mean, if `count` is not 0.
fn mean(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

fn per_second(measured: &Measured) -> Option<f64> {
    let seconds = measured.lookups.as_secs_f64();
    (seconds > 0.0).then(|| measured.contacts as f64 / seconds)
}

/// Returns the raw numbers as one JSON document.
fn document(experiment: &Experiment, comparison: &Comparison) -> String {
    let nodes = u64::from(comparison.nodes);
    let milliseconds = |time: Duration| time.as_nanos() as f64 / 1e6;
    let layouts = comparison.measured.iter().map(|measured| {
        json!({
            "layout": measured.layout.as_str(),
            "bootstrap_ms": milliseconds(measured.bootstrap),
            "lookups_ms": milliseconds(measured.lookups),
            "contacts": measured.contacts,
            "contacts_per_second": per_second(measured),
            "components_bytes_per_node": mean(measured.bytes.components as u64, nodes),
            "index_bytes_per_node": mean(measured.bytes.index as u64, nodes),
            "tables_bytes_per_node": mean(measured.bytes.tables as u64, nodes),
            "entries_per_node": mean(measured.entries, nodes),
            "answers_instrumented": measured.reads.answers,
            "entries_read_per_answer": mean(measured.reads.entries, measured.reads.answers),
            "cache_lines_per_answer": mean(measured.reads.lines, measured.reads.answers),
            "cache_misses_per_contact":
                measured.misses.and_then(|misses| mean(misses, measured.contacts)),
            "digest": measured.digest,
        })
    });
    let skipped = comparison.skipped.iter().map(|skipped| {
        json!({
            "layout": skipped.layout.as_str(),
            "needed_bytes": skipped.need,
            "machine_bytes": skipped.has,
        })
    });
    let document = json!({
        "experiment": experiment.name,
        "seed": experiment.seed,
        "nodes": comparison.nodes,
        "threads": comparison.threads,
        "operations": comparison.operations,
        "operations_instrumented": comparison.instrumented_operations,
        "equal": comparison.agreeing().len() <= 1,
        "layouts": layouts.collect::<Vec<Value>>(),
        "skipped": skipped.collect::<Vec<Value>>(),
    });
    serde_json::to_string_pretty(&document).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Returns a table with a row for each layout.
fn table(comparison: &Comparison, width: Option<usize>) -> String {
    let nodes = u64::from(comparison.nodes);
    let numbers = [
        "bootstrap",
        "lookups",
        "contacts/s",
        "components",
        "index",
        "tables",
        "entries",
        "read",
        "lines",
        "misses",
    ];
    let numbers = numbers.map(|name| (name, Side::Right));
    let columns = [("layout", Side::Left)].into_iter().chain(numbers);
    let mut table = TextTable::new(1, columns);
    for measured in &comparison.measured {
        let bytes = |bytes: usize| {
            mean(bytes as u64, nodes).map_or("-".to_owned(), |bytes| format!("{bytes:.1} B"))
        };
        let reads = measured.reads;
        let misses = measured.misses;
        table.push([
            measured.layout.to_string(),
            time(measured.bootstrap),
            time(measured.lookups),
            per_second(measured).map_or("-".to_owned(), thousands),
            bytes(measured.bytes.components),
            bytes(measured.bytes.index),
            bytes(measured.bytes.tables),
            shown(mean(measured.entries, nodes)),
            shown(mean(reads.entries, reads.answers)),
            shown(mean(reads.lines, reads.answers)),
            shown(misses.and_then(|misses| mean(misses, measured.contacts))),
        ]);
    }
    let results = if comparison.agreeing().len() > 1 {
        "the results DIFFER"
    } else {
        "the results are the same"
    };
    let meaning = "Bytes and entries of a node; entries read and cache lines touched for an answer; cache misses of a \
                   contact.";
    let done = format!(
        "{} nodes, {} operations ({} instrumented), {}; {results}.",
        HumanCount(nodes),
        HumanCount(comparison.operations),
        HumanCount(comparison.instrumented_operations),
        match comparison.threads {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        },
    );
    format!(
        "{}\n{}\n{}\n",
        table.render(width),
        wrapped(meaning, width),
        wrapped(&done, width)
    )
}

fn shown(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}

/// Formats a time with three digits.
fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.9995.. => format!("{} s", three_digits(seconds)),
        0.000_999_5.. => format!("{} ms", three_digits(seconds * 1e3)),
        _ => format!("{} µs", three_digits(seconds * 1e6)),
    }
}

/// Formats a large number with three digits.
fn thousands(number: f64) -> String {
    match number {
        999_500.0.. => format!("{} M", three_digits(number / 1e6)),
        999.5.. => format!("{} k", three_digits(number / 1e3)),
        _ => three_digits(number),
    }
}

fn three_digits(number: f64) -> String {
    match number {
        99.95.. => format!("{number:.0}"),
        9.995.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use kadsim::engine::routing::layout::LayoutKind;
    use kadsim::systems::network::BytesUsed;
    use kadsim::systems::outbox::Reads;

    use super::*;

    fn measured(layout: LayoutKind, digest: &str) -> Measured {
        Measured {
            layout,
            bootstrap: Duration::from_micros(4321),
            lookups: Duration::ZERO,
            contacts: 0,
            bytes: BytesUsed::default(),
            entries: 0,
            reads: Reads::default(),
            misses: None,
            digest: digest.repeat(32),
        }
    }

    fn comparison(digests: [&str; 2]) -> Comparison {
        let [dense, packed] = digests;
        Comparison {
            measured: vec![
                measured(LayoutKind::Dense, dense),
                measured(LayoutKind::Packed, packed),
            ],
            skipped: Vec::new(),
            nodes: 0,
            operations: 0,
            instrumented_operations: 0,
            threads: 1,
            misses_unknown: None,
        }
    }

    #[test]
    fn layouts_that_differ_are_named_and_fail() {
        let same = comparison(["ab", "ab"]);
        assert_eq!(complain(&same), ExitCode::SUCCESS);
        assert!(table(&same, None).contains("are the same"));
        let differ = comparison(["ab", "cd"]);
        assert_eq!(
            disagreement(&differ).as_deref(),
            Some(
                "layouts differ in their results: dense (SHA-256 abababababababab…); \
                 packed (SHA-256 cdcdcdcdcdcdcdcd…)"
            )
        );
        assert_eq!(complain(&differ), ExitCode::FAILURE);
        assert!(table(&differ, None).contains("DIFFER"));
    }

    /// Without contacts there are no means, and no division by zero.
    #[test]
    fn what_there_is_none_of_is_a_dash() {
        let nothing = table(&comparison(["ab", "ab"]), None);
        let line = nothing.lines().nth(1).unwrap();
        let cells: Vec<&str> = line.split_whitespace().collect();
        let dashes = ["-"; 8];
        assert_eq!(cells[..5], ["dense", "4.32", "ms", "0.00", "µs"]);
        assert_eq!(cells[5..], dashes);
    }

    #[test]
    fn numbers_have_three_digits() {
        for (micros, shown) in [
            (1, "1.00 µs"),
            (999, "999 µs"),
            (1000, "1.00 ms"),
            (99_960, "100 ms"),
            (999_600, "1.00 s"),
            (61_000_000, "61.0 s"),
        ] {
            assert_eq!(time(Duration::from_micros(micros)), shown);
        }
        assert_eq!(
            [12.0, 999.6, 45_600.0, 8_123_456.0].map(thousands),
            ["12.0", "1.00 k", "45.6 k", "8.12 M"]
        );
    }
}
