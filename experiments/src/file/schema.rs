//! From the tree to the [`Experiment`]: every key, what it may be, and what may not go together. A value that is wrong
//! is reported and read as its default, so that the rest is checked too; nothing is returned then.

use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Sources, Span};
use super::document::Table;
use super::experiment::*;
use super::phases;
use super::reader::{Choices, Field, Report, Section, shown};
use super::{Draft, Known, Loaded};

/// The last one is taken out of the tree before it is read here.
const TOP: [&str; 13] = [
    "schema", "name", "seed", "networks", "network", "lookup", "link", "clock", "engine", "phase",
    "output", "expect", "sweep",
];
const ERROR_RATE: &str = "a table { rate = .., delay_ms = .. }";

/// What `root` says, and what is wrong with it. Relative paths in it start at `folder`; `choices` are what trees that
/// share lists with this one have had read.
pub(super) fn read(root: &Table, sources: Sources, choices: &Choices, folder: &Path) -> Draft {
    let report = Report::new(&sources, choices);
    let start = Span::new(0, 0..0);
    let section = Section::new(&report, Some(root), start, "", &TOP);
    let (experiment, known) = top(&section, folder);
    let wrong = report.into_errors();
    Draft {
        loaded: Loaded {
            experiment,
            sources,
        },
        known,
        wrong,
    }
}

fn top(top: &Section<'_>, folder: &Path) -> (Experiment, Known) {
    if let Some(field) = top.required("schema", "1") {
        field.integer(SCHEMA..=SCHEMA, " (the only version of this format)");
    }
    let name = top.name().map_or("", |(name, _)| name).to_owned();
    let seed = top
        .required("seed", "an integer from 0")
        .and_then(|field| field.integer(0..=u64::MAX, ""));
    let networks = top.integer_or("networks", 1..=NETWORKS_MAX, DEFAULT_NETWORKS);
    let (network, nodes_known) = network(top, folder);
    let lookup = lookup(top);
    let before = top.report.len();
    let link = link(top, lookup.procedure);
    // Of a link that is wrong nothing follows.
    let takes_time = top.report.len() > before || link.lookahead_us() > 0;
    let clock = top.section("clock", &["tick_ms"]);
    let tick_us = clock.micros("tick_ms").unwrap_or(DEFAULT_TICK_US);
    if let (0, Some(field)) = (tick_us, clock.get("tick_ms")) {
        field.cannot_be("0", "a number of milliseconds above 0");
    }
    let layout = top
        .section("engine", &["layout"])
        .word_or("layout", DEFAULT_LAYOUT);
    let nodes = match network.size {
        Population::Generated(nodes) if nodes_known => Some(nodes),
        _ => None,
    };
    // Where nobody is online, that is what is wrong.
    let online = nodes
        .map(|nodes| nodes - network.offline_of(nodes))
        .filter(|online| *online > 0);
    let before = top.report.len();
    let phases = phases::read(top, (nodes, online), takes_time, folder);
    let known = Known {
        nodes: nodes_known,
        phases: top.report.len() == before,
    };
    let experiment = Experiment {
        name,
        seed: seed.unwrap_or(0),
        networks,
        network,
        lookup,
        link,
        tick_us,
        layout,
        phases,
        output: output(top),
        expects: expects(top),
    };
    (experiment, known)
}

/// The section, and whether the nodes in it are what the file says.
fn network(top: &Section<'_>, folder: &Path) -> (NetworkSection, bool) {
    let section = top.section(
        "network",
        &[
            "nodes",
            "ids",
            "hash",
            "bucket_size",
            "bootstrap",
            "offline",
        ],
    );
    let mut known = false;
    let mut size = Population::Generated(1);
    let nodes = section.get("nodes");
    let ids = section.get("ids");
    if let (Some(nodes), Some(ids)) = (&nodes, &ids) {
        let error = top.report.sources.diagnostic(
            &ids.key,
            "`network.nodes` and `network.ids` cannot both be given",
            "allowed: one of the two",
        );
        top.report.push(
            error.also(
                top.report
                    .sources
                    .mark(&nodes.key, "the other one".to_owned()),
            ),
        );
    }
    if nodes.is_none() && ids.is_none() {
        let label = "required: one of `nodes`, how many, and `ids`, a file of them";
        top.report.error(
            &section.span,
            "missing key `network.nodes` or `network.ids`",
            label,
        );
    }
    let before = top.report.len();
    let hash = section.get("hash").and_then(|field| field.word());
    let hash_known = top.report.len() == before;
    if ids.is_none() {
        section.refuse("hash", "is for `network.ids`", "no `hash` without `ids`");
    }
    if let Some((path, span)) = ids.and_then(|field| file(&field, folder)) {
        known = hash_known && !section.has("nodes");
        size = Population::Imported { path, hash, span };
    }
    if let Some(nodes) = nodes.and_then(|field| field.integer(1..=NODES_MAX, " (2^31)")) {
        known = !section.has("ids");
        size = Population::Generated(nodes);
    }
    let size_span = section.place("nodes").or(section.place("ids"));
    let bucket_size = section.integer_or("bucket_size", 1..=u8::MAX, DEFAULT_BUCKET_SIZE);
    let bootstrap = section.word_or("bootstrap", DEFAULT_BOOTSTRAP);
    let (offline, offline_span) = offline(&section);
    (
        NetworkSection {
            size,
            bucket_size,
            bootstrap,
            size_span: size_span.unwrap_or_default(),
            offline,
            offline_span,
        },
        known,
    )
}

/// The share of nodes that are offline, and where that is written.
fn offline(section: &Section<'_>) -> (f64, Span) {
    const SHARE: &str = "from 0 up to but below 1";
    let Some(field) = section.get("offline") else {
        return (DEFAULT_OFFLINE, Span::default());
    };
    if let Some(ids) = section.get("ids") {
        let title = "`network.offline` does not go with `network.ids`".to_owned();
        let label = "allowed: no `offline`: it is for generated nodes".to_owned();
        let about = "these nodes are listed";
        let error = related(&field, title, label, &ids.key, about);
        section.report.push(error);
        return (DEFAULT_OFFLINE, field.value.span);
    }
    let share = field.number(SHARE).filter(|share| {
        let is_allowed = (0.0..1.0).contains(share);
        if !is_allowed {
            field.cannot_be(&share.to_string(), format_args!("a number {SHARE}"));
        }
        is_allowed
    });
    // 0 has no sign.
    (share.map_or(DEFAULT_OFFLINE, f64::abs), field.value.span)
}

/// A file that the experiment names: where it is, and where that is written. A relative path starts at the
/// experiment's `folder`, in an override at the working directory, as any path on a command line does. The path
/// returned is absolute, so that the resolved experiment can be run from anywhere.
pub(super) fn file(field: &Field<'_>, folder: &Path) -> Option<(PathBuf, Span)> {
    const ALLOWED: &str =
        "the path of a .parquet, .csv or .tsv file, the latter two also .gz or .zst";
    let text = field.text(ALLOWED)?;
    if text.is_empty() || text.contains('\0') {
        field.cannot_be(&format!("\"{}\"", shown(text)), ALLOWED);
        return None;
    }
    let path = match field.report.sources.overridden(&field.value.span) {
        true => PathBuf::from(text),
        false => folder.join(text),
    };
    // Without a working directory there is nothing better than what is written.
    let path = std::path::absolute(&path).unwrap_or(path);
    Some((path, field.value.span))
}

fn lookup(top: &Section<'_>) -> LookupSection {
    let section = top.section(
        "lookup",
        &["alpha", "beta", "steps_to_stop", "stop", "procedure"],
    );
    let stop = section.word_or("stop", DEFAULT_STOP);
    let procedure = section.word_or("procedure", DEFAULT_PROCEDURE);
    if stop == Stop::ClosestAnswered && procedure != Procedure::Iterative {
        let sources = top.report.sources;
        let title =
            format!("`lookup.stop` cannot be \"{stop}\" with `lookup.procedure` = \"{procedure}\"");
        let stop = section
            .get("stop")
            .map_or(section.span, |field| field.value.span);
        let procedure = section
            .get("procedure")
            .and_then(|field| sources.mark(&field.value.span, String::new()));
        let label = format!(
            "allowed: {} here, or procedure = \"{}\"",
            Stop::NoProgress,
            Procedure::Iterative
        );
        top.report
            .push(sources.diagnostic(&stop, title, label).also(procedure));
    }
    LookupSection {
        alpha: section.integer_or("alpha", 1..=ALPHA_MAX, DEFAULT_ALPHA),
        beta: section.integer_or("beta", 1..=BETA_MAX, DEFAULT_BETA),
        steps_to_stop: section.integer_or(
            "steps_to_stop",
            1..=STEPS_TO_STOP_MAX,
            DEFAULT_STEPS_TO_STOP,
        ),
        stop,
        procedure,
        spans: LookupSpans {
            alpha: section.place("alpha").unwrap_or_default(),
            beta: section.place("beta").unwrap_or_default(),
            steps_to_stop: section.place("steps_to_stop").unwrap_or_default(),
        },
    }
}

fn link(top: &Section<'_>, procedure: Procedure) -> LinkSection {
    let before = top.report.len();
    let section = top.section(
        "link",
        &[
            "delay_ms",
            "fast_error",
            "slow_error",
            "timeout_ms",
            "overhead_ms",
        ],
    );
    let mut link = LinkSection {
        delay: section
            .get("delay_ms")
            .and_then(|field| field.delay())
            .unwrap_or(DEFAULT_DELAY),
        fast_error: error_rate(&section, "fast_error"),
        slow_error: error_rate(&section, "slow_error"),
        timeout: DEFAULT_DELAY,
        overhead_us: section.micros("overhead_ms").unwrap_or(DEFAULT_OVERHEAD_US),
    };
    link.timeout = section
        .micros("timeout_ms")
        .map_or_else(|| link.default_timeout(), Delay::Constant);
    let sound = top.report.len() == before;
    if sound && link.overhead_us > 0 && link.lookahead_us() == 0 && procedure != Procedure::PyDht {
        no_lookahead(&section, &link);
    }
    link
}

fn error_rate(section: &Section<'_>, key: &str) -> Option<ErrorRate> {
    const RATE: &str = "from 0 to 1";
    let field = section.get(key)?;
    let table = field.table(ERROR_RATE)?;
    let inner = Section::new(
        field.report,
        Some(table),
        field.value.span,
        &field.path,
        &["rate", "delay_ms"],
    );
    let rate = inner.required("rate", RATE).and_then(|field| {
        let rate = field.number(RATE)?;
        if !(0.0..=1.0).contains(&rate) {
            field.cannot_be(&rate.to_string(), format_args!("a number {RATE}"));
            return None;
        }
        Some(rate)
    });
    let delay = inner
        .required("delay_ms", "in milliseconds")
        .and_then(|field| field.delay());
    Some(ErrorRate {
        rate: rate?,
        delay: delay?,
    })
}

/// Reports overhead where a contact may take no time: who pays for what then has no order.
fn no_lookahead(section: &Section<'_>, link: &LinkSection) {
    let Some(overhead) = section.get("overhead_ms") else {
        return;
    };
    let zero = |error: &Option<ErrorRate>| {
        error
            .as_ref()
            .is_some_and(|e| e.rate > 0.0 && e.delay.shortest_us() == 0)
    };
    let mut culprits = Vec::new();
    if link.delay.shortest_us() == 0 {
        culprits.push(
            section
                .get("delay_ms")
                .ok_or("`link.delay_ms` is 0 by default"),
        );
    }
    for (key, error) in [
        ("fast_error", &link.fast_error),
        ("slow_error", &link.slow_error),
    ] {
        if zero(error) {
            culprits.extend(section.get(key).map(Ok));
        }
    }
    let sources = section.report.sources;
    let title = "`link.overhead_ms` above 0 needs contacts that take time";
    let label = "allowed: 0, or shortest delays above 0, or lookup.procedure = \"py-dht\"";
    let mut error = sources.diagnostic(&overhead.value.span, title, label);
    for culprit in culprits {
        error = match culprit {
            Ok(field) => error.also(sources.mark(&field.value.span, "this can be 0".to_owned())),
            Err(help) => error.help(help),
        };
    }
    section.report.push(error);
}

fn output(top: &Section<'_>) -> OutputSection {
    const DIR: &str = "the path of a folder, not empty";
    let section = top.section("output", &["dir", "tables", "results", "in_degree"]);
    let dir = section.get("dir").and_then(|field| {
        let dir = field.text(DIR)?;
        if dir.is_empty() || dir.contains('\0') {
            field.cannot_be(&format!("\"{}\"", shown(dir)), DIR);
            return None;
        }
        Some(dir)
    });
    OutputSection {
        dir: dir.unwrap_or(DEFAULT_DIR).to_owned(),
        tables: section
            .get("tables")
            .map_or(DEFAULT_TABLES, |field| tables(&field)),
        results: section.boolean_or("results", DEFAULT_RESULTS),
        in_degree: section.boolean_or("in_degree", DEFAULT_IN_DEGREE),
        tables_span: section.place("tables").unwrap_or_default(),
    }
}

fn tables(field: &Field<'_>) -> Tables {
    let mut tables = Tables::NONE;
    let names = Tables::NAMES.join(", ");
    let read = |one: &Field<'_>| {
        let name = one.text(&names)?;
        match tables.by_name(name) {
            None => one.unknown_word(name, &Tables::NAMES),
            Some(chosen) if *chosen => one.report.error(
                &one.value.span,
                format!("`{}` has \"{name}\" twice", one.path),
                "allowed: each table once",
            ),
            Some(chosen) => {
                *chosen = true;
                return Some(());
            }
        }
        None
    };
    field.elements(&format!("a list of {names}"), read);
    tables
}

fn expects(top: &Section<'_>) -> Vec<Expect> {
    let all = top
        .get("expect")
        .and_then(|field| field.list("one [[expect]] or several"));
    all.unwrap_or_default().iter().filter_map(expect).collect()
}

fn expect(field: &Field<'_>) -> Option<Expect> {
    const METRIC: &str = "a key of summary.json such as sampling.completed.p99";
    let table = field.table("a table, written [[expect]]")?;
    let section = Section::with_refused(
        field.report,
        Some(table),
        field.value.span,
        &field.path,
        &["metric", "within", "source"],
        &["where"],
    );
    section.refuse(
        "where",
        "needs a `[sweep]`",
        "no `where`, as the experiment is one cell",
    );
    let source = section
        .get("source")
        .and_then(|field| field.text("where the bounds come from"));
    let bounds = section
        .required("within", "[lo, hi]")
        .and_then(|field| within(&field));
    let metric = section.required("metric", METRIC);
    let (metric, span) = metric.and_then(|field| Some((field.text(METRIC)?, field.value.span)))?;
    if metric.is_empty() {
        section.report.error(
            &span,
            "`expect.metric` cannot be \"\"",
            format!("allowed: {METRIC}"),
        );
    }
    let (low, high) = bounds?;
    Some(Expect {
        metric: metric.to_owned(),
        low,
        high,
        source: source.map(str::to_owned),
        span,
    })
}

fn within(field: &Field<'_>) -> Option<(f64, f64)> {
    const ALLOWED: &str = "[lo, hi], two finite numbers, lo not above hi";
    let bounds = field.elements(ALLOWED, |one| one.number("lo or hi"))?;
    match bounds.as_slice() {
        [low, high] if low <= high => return Some((*low, *high)),
        _ => field.cannot_be(
            &shown(field.report.sources.text(&field.value.span)),
            ALLOWED,
        ),
    }
    None
}

/// An error about one key with another that it has to do with.
pub(super) fn related(
    field: &Field<'_>,
    title: String,
    label: String,
    other: &Span,
    about: &str,
) -> Diagnostic {
    let sources = field.report.sources;
    sources
        .diagnostic(&field.value.span, title, label)
        .also(sources.mark(other, about.to_owned()))
}
