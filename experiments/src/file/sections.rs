//! Reads the [`Experiment`] from the tree. Checks every key and every combination of keys. An invalid value is reported
//! and replaced by its default, so that the rest is checked too.

use std::path::Path;

use kadsim_systems::maintenance::sets::Protocol;
use kadsim_systems::rules::Rules;

use super::churn::{ChurnSection, Joining, MaintenanceSection, RecordsSection};
use super::diagnostic::{Sources, Span};
use super::document::Table;
use super::experiment::*;
use super::field::Field;
use super::keys::of_section;
use super::keys::table as keys;
use super::link::{link, reachability};
use super::phase::Tables;
use super::phases;
use super::reader::Section;
use super::report::{Choices, Report};
use super::words::{Bootstrap, Procedure, RuleSet, Stop};
use super::{Draft, Known, Loaded};

/// Reads an experiment from `root`, with its errors. Relative paths start at `folder`. `choices` are the lists that
/// were read for other trees, which share them with this one.
pub(super) fn read(root: &Table, sources: Sources, choices: &Choices, folder: &Path) -> Draft {
    let report = Report::new(&sources, choices);
    let start = Span::new(0, 0..0);
    // The caller has taken a sweep out of the tree.
    let section = Section::new(&report, (Some(root), start), "", of_section(""));
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
    if let Some(field) = top.required(&keys::SCHEMA_VERSION) {
        field.integer::<u32>();
    }
    let name = top
        .name(&keys::NAME)
        .map_or("", |(name, _)| name)
        .to_owned();
    let seed = top.required(&keys::SEED).and_then(|field| field.integer());
    let networks = top.integer_or(&keys::NETWORKS);
    // The rules of a protocol give the defaults of keys in other sections.
    let maintained = top.section(&keys::MAINTENANCE);
    let rules = rules(&maintained);
    let protocol = rules.and_then(RuleSet::protocol);
    let (network, nodes_known) = network(top, protocol, folder);
    let lookup = lookup(top, protocol, network.bucket_size);
    let before = top.report.len();
    let link = link(top, (lookup.rules.procedure, protocol), folder);
    // Invalid links say nothing about the time of contacts, so no error is derived from them.
    let takes_time = top.report.len() > before || link.takes_time();
    let reachability = reachability(top, protocol, &link);
    let joining = Joining {
        protocol,
        is_joined: network.doubling_us.is_some(),
    };
    let churn = ChurnSection::read(top, folder, &link, joining);
    let maintenance = MaintenanceSection::read(&maintained, rules);
    let records = RecordsSection::read(top, protocol);
    let tick_us = top.section(&keys::CLOCK).micros_or(&keys::TICK);
    let engine = top.section(&keys::ENGINE);
    let layout = engine.word_or(&keys::LAYOUT);
    let events = engine.boolean_or(&keys::EVENTS);
    let nodes = match network.size {
        Population::Generated(nodes) if nodes_known => Some(nodes),
        _ => None,
    };
    // With all nodes offline, only that is reported.
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
        reachability,
        churn,
        maintenance,
        records,
        tick_us,
        layout,
        events,
        phases,
        output: output(top),
        expects: expects(top),
    };
    // Sections with errors may stand for no section here.
    if top.report.len() == 0 {
        freshness(top, &experiment);
        live_tables(top, &experiment);
    }
    (experiment, known)
}

/// Returns the rules of `[maintenance]`; `None` if they are invalid.
fn rules(section: &Section<'_>) -> Option<RuleSet> {
    match section.get(&keys::RULES) {
        Some(field) => field.word(),
        None => Some(keys::RULES.default),
    }
}

/// Reports a period of counting where there is nothing to count.
fn freshness(top: &Section<'_>, experiment: &Experiment) {
    if !experiment.has_living_columns() {
        top.section(&keys::OUTPUT).refuse(
            &keys::FRESHNESS,
            "needs `[churn]`, `[maintenance]`, `[records]`, clients or regions",
            "no `freshness_ms`, as routing tables stay as they are",
        );
    }
}

/// Reports what does not go with tables that traffic changes, and what needs them.
fn live_tables(top: &Section<'_>, experiment: &Experiment) {
    let learns = experiment
        .maintenance
        .as_ref()
        .is_some_and(MaintenanceSection::learns);
    let network = top.section(&keys::NETWORK);
    if experiment.network.doubling_us.is_some() && !learns {
        let field = network.get(&keys::BOOTSTRAP);
        if let Some(field) = field {
            let allowed = "closest or random, or `[maintenance]` with the rules of a protocol or `learn_answerer`";
            let title = "`network.bootstrap` of \"joined\" needs routing tables that learn";
            top.report
                .error(&field.value.span, title, format!("allowed: {allowed}"));
        }
    }
    let in_tables = experiment.reachability.clients_in_tables > 0.0;
    if experiment.network.doubling_us.is_some()
        && in_tables
        && let Some(field) = top
            .section(&keys::REACHABILITY)
            .get(&keys::CLIENTS_IN_TABLES)
    {
        let title =
            "`reachability.clients_in_tables` does not go with `network.bootstrap` of \"joined\"";
        let label = "allowed: 0, as the tables name those who have answered";
        top.report.error(&field.value.span, title, label.to_owned());
    }
    let procedure = experiment.lookup.rules.procedure;
    if experiment.maintenance().is_none() || procedure.allows_events() {
        return;
    }
    if let Some(field) = top.section(&keys::LOOKUP).get(&keys::PROCEDURE) {
        let title = format!(
            "`lookup.procedure` of \"{procedure}\" does not go with routing tables and records that traffic changes"
        );
        let label = format!(
            "allowed: {}, or no `[records]`, no `churn.join` of \"protocol\", and `maintenance.rules` of none or ideal alone",
            Procedure::Iterative
        );
        top.report.error(&field.value.span, title, label);
    }
}

/// Reads the section. Returns it, and whether its nodes are read without errors.
fn network(
    top: &Section<'_>,
    protocol: Option<&'static Protocol>,
    folder: &Path,
) -> (NetworkSection, bool) {
    let section = top.section(&keys::NETWORK);
    let mut known = false;
    let mut size = Population::Generated(1);
    let nodes = section.get(&keys::NODES);
    let ids = section.get(&keys::IDS);
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
    let hash = section.get(&keys::HASH).and_then(|field| field.word());
    let hash_known = top.report.len() == before;
    if ids.is_none() {
        section.refuse(
            &keys::HASH,
            "is for `network.ids`",
            "no `hash` without `ids`",
        );
    }
    if let Some((path, span)) = ids.and_then(|field| field.file(folder)) {
        known = hash_known && !section.has(&keys::NODES);
        size = Population::Imported { path, hash, span };
    }
    if let Some(nodes) = nodes.and_then(|field| field.integer()) {
        known = !section.has(&keys::IDS);
        size = Population::Generated(nodes);
    }
    let size_span = section.place(&keys::NODES).or(section.place(&keys::IDS));
    let bucket_size = section.integer(&keys::BUCKET_SIZE);
    let bucket_size = bucket_size.or(protocol.map(|set| set.bucket_size));
    let (bootstrap, doubling_us) = bootstrap(&section);
    let (offline, offline_span) = offline(&section);
    (
        NetworkSection {
            size,
            bucket_size: bucket_size.unwrap_or(keys::BUCKET_SIZE.default),
            bootstrap: bootstrap.policy(),
            doubling_us,
            size_span: size_span.unwrap_or_default(),
            offline,
            offline_span,
        },
        known,
    )
}

/// Reads what nodes know at first, and the time in which their number doubles where they have joined.
fn bootstrap(section: &Section<'_>) -> (Bootstrap, Option<u64>) {
    let before = section.report.len();
    let bootstrap = section.word_or(&keys::BOOTSTRAP);
    let doubling_us = section.micros_or(&keys::DOUBLING);
    let is_joined = bootstrap == Bootstrap::Joined;
    if !is_joined && section.report.len() == before {
        section.refuse(
            &keys::DOUBLING,
            "is for bootstrap = \"joined\"",
            &format!("no `doubling_ms` with bootstrap = \"{bootstrap}\""),
        );
    }
    (bootstrap, is_joined.then_some(doubling_us))
}

/// Reads the share of nodes that are offline, and its place.
fn offline(section: &Section<'_>) -> (f64, Span) {
    let Some(field) = section.get(&keys::OFFLINE) else {
        return (keys::OFFLINE.default, Span::default());
    };
    if let Some(ids) = section.get(&keys::IDS) {
        let title = "`network.offline` does not go with `network.ids`".to_owned();
        let label = "allowed: no `offline`: it is for generated nodes".to_owned();
        let about = "these nodes are listed";
        let error = field.related(title, label, &ids.key, about);
        section.report.push(error);
        return (keys::OFFLINE.default, field.value.span);
    }
    let share = field.share();
    (share.unwrap_or(keys::OFFLINE.default), field.value.span)
}

fn lookup(
    top: &Section<'_>,
    protocol: Option<&'static Protocol>,
    bucket_size: u8,
) -> LookupSection {
    let section = top.section(&keys::LOOKUP);
    let of_rules = protocol.map(|set| set.lookup);
    let stop = section.get(&keys::STOP).and_then(|field| field.word());
    let stop = stop.or(of_rules.map(|rules| rules.stop));
    let stop = stop.unwrap_or(keys::STOP.default);
    let procedure = section.word_or(&keys::PROCEDURE);
    // With the rules of a protocol, the procedure is refused for another reason.
    if !procedure.allows(stop) && protocol.is_none() {
        let allowing = Procedure::ALL.into_iter().find(|one| one.allows(stop));
        let sources = top.report.sources;
        let title =
            format!("`lookup.stop` cannot be \"{stop}\" with `lookup.procedure` = \"{procedure}\"");
        let stop = section
            .get(&keys::STOP)
            .map_or(section.span, |field| field.value.span);
        let procedure = section
            .get(&keys::PROCEDURE)
            .and_then(|field| sources.mark(&field.value.span, String::new()));
        let other = allowing.map(|one| format!(", or procedure = \"{one}\""));
        let label = format!(
            "allowed: {} here{}",
            Stop::NoProgress,
            other.unwrap_or_default()
        );
        top.report
            .push(sources.diagnostic(&stop, title, label).also(procedure));
    }
    let alpha = of_rules.map_or(keys::ALPHA.default, |rules| rules.alpha);
    let results = protocol.map_or(keys::BETA.default, |set| set.bucket_size.into());
    let beta = stop.default_beta(results);
    let stall_us = section.micros(&keys::STALL);
    let stall_us = stall_us.or(of_rules.and_then(|rules| rules.stall_us));
    let stall_us = stall_us.filter(|us| *us > 0);
    if let Some(field) = section.get(&keys::STALL)
        && stall_us.is_some()
        && !procedure.allows_stalls()
    {
        field.report.push(field.report.sources.diagnostic(
            &field.value.span,
            format!("`lookup.stall_ms` does not go with `lookup.procedure` = \"{procedure}\""),
            format!("allowed: 0, or procedure = \"{}\"", Procedure::Iterative),
        ));
    }
    LookupSection {
        rules: Rules {
            alpha: section.integer(&keys::ALPHA).unwrap_or(alpha),
            beta: section.integer(&keys::BETA).unwrap_or(beta),
            steps_to_stop: section.integer_or(&keys::STEPS_TO_STOP),
            stop,
            procedure,
            stall_us,
        },
        answer: section.integer(&keys::ANSWER).unwrap_or(bucket_size),
        spans: LookupSpans {
            alpha: section.place(&keys::ALPHA).unwrap_or_default(),
            beta: section.place(&keys::BETA).unwrap_or_default(),
            steps_to_stop: section.place(&keys::STEPS_TO_STOP).unwrap_or_default(),
        },
    }
}

fn output(top: &Section<'_>) -> OutputSection {
    let section = top.section(&keys::OUTPUT);
    let dir = section.get(&keys::DIR).and_then(|field| field.path());
    OutputSection {
        dir: dir.unwrap_or(keys::DIR.default).to_owned(),
        tables: section
            .get(&keys::TABLES)
            .map_or(keys::TABLES.default, |field| tables(&field)),
        results: section.boolean_or(&keys::RESULTS),
        in_degree: section.boolean_or(&keys::IN_DEGREE),
        freshness_us: section.micros(&keys::FRESHNESS),
        tables_span: section.place(&keys::TABLES).unwrap_or_default(),
    }
}

fn tables(field: &Field<'_>) -> Tables {
    let mut tables = Tables::NONE;
    let read = |one: &Field<'_>| {
        let name = one.text()?;
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
    field.elements(read);
    tables
}

fn expects(top: &Section<'_>) -> Vec<Expect> {
    let all = top.get(&keys::EXPECT).and_then(|field| field.list());
    all.unwrap_or_default().iter().filter_map(expect).collect()
}

fn expect(field: &Field<'_>) -> Option<Expect> {
    let table = field.table()?;
    // Without a sweep, `where` is not a known key; a reason of its own refuses it.
    let (known, refused): (Vec<_>, Vec<_>) =
        of_section(keys::EXPECT.path).partition(|key| key.path != keys::WHERE.path);
    let place = (Some(table), field.value.span);
    let section = Section::with_refused(field.report, place, &field.path, known, &refused);
    section.refuse(
        &keys::WHERE,
        "needs a `[sweep]`",
        "no `where`, as the experiment is one cell",
    );
    let source = section.get(&keys::SOURCE).and_then(|field| field.text());
    let bounds = section
        .required(&keys::WITHIN)
        .and_then(|field| within(&field));
    let metric = section.required(&keys::METRIC)?;
    let text = metric.text()?;
    if text.is_empty() {
        metric.is_not_allowed("\"\"");
    }
    let (low, high) = bounds?;
    Some(Expect {
        metric: text.to_owned(),
        low,
        high,
        source: source.map(str::to_owned),
        span: metric.value.span,
    })
}

fn within(field: &Field<'_>) -> Option<(f64, f64)> {
    let bounds = field.elements(|one| one.number("lo or hi"))?;
    match bounds.as_slice() {
        [low, high] if low <= high => return Some((*low, *high)),
        _ => field.is_not_allowed(&field.written()),
    }
    None
}
