//! Warnings about settings of an experiment that are unlikely to be meant. The experiment runs all the same.
//!
//! A warning is a function of the experiment and its inputs, the same on every machine, because it is part of
//! `summary.json`. Only settings that cannot have their plain meaning get a warning.

use std::collections::HashSet;

use crate::estimate::hops;
use crate::file::{
    DeadlineFrom, Experiment, Join, Kind, Lengths, Loaded, MaintenanceSection, Notices, Origin,
    Phase, Population, Sources, Span, Stop, Work, milliseconds,
};
use crate::inputs::{Inputs, makeup};

/// Most rows of a `connections` table without a warning.
const CONNECTIONS_MAX: u64 = 100_000_000;

/// A setting that is unlikely to be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path of the key that the warning is about. It is unique among the warnings of an experiment.
    pub key: String,
    /// The setting and its value.
    pub title: String,
    /// What the user can do about it.
    pub advice: String,
    /// Place of the setting in the experiment file.
    span: Span,
}

/// The form that `summary.json` has.
impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}; {}", self.title, self.advice)
    }
}

/// Returns the warnings of an experiment with these inputs, in a fixed order.
pub fn warnings(experiment: &Experiment, inputs: &Inputs) -> Vec<Warning> {
    let finding = Finding { experiment, inputs };
    let mut found: Vec<Warning> = finding.alpha().into_iter().collect();
    found.extend(finding.beta());
    found.extend(finding.timeout());
    found.extend(finding.clients());
    found.extend(finding.presence());
    found.extend(finding.joins());
    for place in 0..experiment.phases.len() {
        found.extend(finding.deadline(place));
        found.extend(finding.retrieves(place));
    }
    found.extend(finding.connections());
    // Several phases may retrieve from the same provide phase, which is warned of once.
    let mut keys = HashSet::new();
    found.retain(|warning| keys.insert(warning.key.clone()));
    found
}

/// Adds to the warnings of an experiment their places in its file.
pub fn notices(loaded: &Loaded, warnings: &[Warning]) -> Notices {
    let mut notices = Notices::default();
    for warning in warnings {
        warning.add_to(&mut notices, &loaded.sources, None);
    }
    notices
}

impl Warning {
    /// Adds the warning to `notices` with its place in `sources`. `cells` names the cells of a sweep that it is about,
    /// if not all.
    pub(crate) fn add_to(&self, notices: &mut Notices, sources: &Sources, cells: Option<String>) {
        notices.add(sources, &self.span, &self.title, &self.advice, cells);
    }
}

/// Returns the first span, or the second if the first key is absent.
fn either(first: Span, second: Span) -> Span {
    match first.is_somewhere() {
        true => first,
        false => second,
    }
}

/// The first time at which a segment of a provide phase can be stored.
enum Stored<'a> {
    /// From this time on, in microseconds from the run's start.
    From(u64),
    /// Never. The reason is a warning about this key of the phase.
    Never {
        key: &'a str,
        why: String,
        advice: String,
        span: Span,
    },
}

struct Finding<'a> {
    experiment: &'a Experiment,
    inputs: &'a Inputs,
}

impl Finding<'_> {
    fn alpha(&self) -> Option<Warning> {
        let lookup = &self.experiment.lookup;
        let rules = &lookup.rules;
        let (alpha, steps) = (rules.alpha, rules.steps_to_stop);
        let stops = rules.stop == Stop::NoProgress && rules.procedure.counts_steps();
        (stops && alpha > steps).then(|| Warning {
            key: "lookup.alpha".to_owned(),
            title: format!(
                "`lookup.alpha` is {alpha}, above `lookup.steps_to_stop`, which is {steps}: a lookup may end before its \
                 first round has answered"
            ),
            advice: format!("better: alpha up to {steps}, or steps_to_stop from {alpha}"),
            span: either(lookup.spans.alpha, lookup.spans.steps_to_stop),
        })
    }

    fn beta(&self) -> Option<Warning> {
        let experiment = self.experiment;
        let (rules, nodes) = (&experiment.lookup.rules, self.inputs.nodes);
        // With a follow-up, a result is not bounded by beta.
        let beta = rules.beta;
        let is_bound = rules.stop != Stop::FollowUp;
        let size = match experiment.network.size {
            Population::Generated(_) => "network.nodes",
            Population::Imported { .. } => "network.ids",
        };
        (is_bound && beta > nodes).then(|| Warning {
            key: "lookup.beta".to_owned(),
            title: format!(
                "`lookup.beta` is {beta}, above the {nodes} nodes of `{size}`: no result can name so many"
            ),
            advice: format!("better: beta up to {nodes}, or more nodes"),
            span: either(experiment.lookup.spans.beta, experiment.network.size_span),
        })
    }

    /// Warns of a timeout of 0 while nodes are offline.
    fn timeout(&self) -> Option<Warning> {
        let (network, offline) = (&self.experiment.network, self.inputs.offline_count());
        (offline > 0 && self.experiment.link.timeout.can_be_zero()).then(|| Warning {
            key: "link.timeout_ms".to_owned(),
            title: format!(
                "`link.timeout_ms` is 0, and {offline} nodes are offline: contacting one of them may take no time"
            ),
            advice: "better: link.timeout_ms above 0".to_owned(),
            span: *network.absence(),
        })
    }

    /// Warns of entries of routing tables that are to be clients where no node is one.
    fn clients(&self) -> Option<Warning> {
        let reachability = &self.experiment.reachability;
        let share = reachability.clients_in_tables;
        let has_clients = makeup(self.experiment, &self.inputs.link, 0).has_clients();
        (share > 0.0 && !has_clients).then(|| Warning {
            key: "reachability.clients_in_tables".to_owned(),
            title: format!(
                "`reachability.clients_in_tables` is {share}, and no node is a client: routing tables name none"
            ),
            advice: "better: clients, or clients_in_tables of 0".to_owned(),
            span: reachability.clients_in_tables_span,
        })
    }

    /// Warns of joins by protocol where no routing table learns.
    fn joins(&self) -> Option<Warning> {
        let churn = self.experiment.churn.as_ref()?;
        let maintenance = self.experiment.maintenance.as_ref();
        let learns = maintenance.is_some_and(MaintenanceSection::learns);
        (churn.join == Join::Protocol && !learns).then(|| Warning {
            key: "churn.join".to_owned(),
            title: "`churn.join` is \"protocol\", and no routing table learns: the lookups of a join leave nothing"
                .to_owned(),
            advice: "better: `maintenance.rules` of a protocol, or `maintenance.learn_answerer`".to_owned(),
            span: churn.span,
        })
    }

    /// Warns of sessions and absences by which less than one node is online in the mean.
    fn presence(&self) -> Option<Warning> {
        let churn = self.experiment.churn.as_ref()?;
        let lengths = churn.lengths();
        let share_online = |lengths: &Lengths| {
            let mean_us = |length| self.inputs.churn.mean_us(length);
            let (session_us, absence_us) = (mean_us(&lengths.session), mean_us(&lengths.absence));
            // Where one has no end, the start decides.
            match session_us.is_finite() && absence_us.is_finite() {
                true => session_us / (session_us + absence_us),
                false => 1.0,
            }
        };
        let shares = lengths
            .iter()
            .map(|(share, lengths)| share * share_online(lengths));
        let online = shares.sum::<f64>() * f64::from(self.inputs.online);
        (!lengths.is_empty() && online < 1.0).then(|| Warning {
            key: "churn.session".to_owned(),
            title: format!(
                "`churn.session` and `churn.absence` leave {online:.3} nodes online in the mean, of {}",
                self.inputs.online
            ),
            advice: "better: longer sessions, shorter absences, or more nodes".to_owned(),
            span: churn.span,
        })
    }

    fn deadline(&self, place: usize) -> Option<Warning> {
        let phase = &self.experiment.phases[place];
        let deadline = *phase.deadlines_us.first()?;
        let shortest_us = self.inputs.link_of(self.experiment).shortest_delay_us();
        let round_trips = u64::from(self.experiment.link.round_trips);
        let round_trip = shortest_us.saturating_mul(2 * round_trips);
        let start = match phase.deadline_from {
            DeadlineFrom::Due => 0,
            DeadlineFrom::Run => phase.start_us.unwrap_or(0),
        };
        let first = start.saturating_add(round_trip);
        let (name, takes, earliest) = (&phase.name, milliseconds(round_trip), milliseconds(first));
        let after = match start {
            0 => String::new(),
            _ => format!(
                " after the start of the phase at {} ms",
                milliseconds(start)
            ),
        };
        (deadline < first).then(|| Warning {
            key: format!("phase.{name}.deadline_ms"),
            title: format!(
                "`phase.{name}.deadline_ms` is {}, less than a round trip, which takes at least {takes} ms{after}: no \
                 answer comes in time",
                milliseconds(deadline)
            ),
            advice: format!("better: from {earliest}, or a shorter `link.delay_ms`"),
            span: phase.spans.deadline,
        })
    }

    /// Warns of retrieves that start before their segments can be stored.
    fn retrieves(&self, place: usize) -> Option<Warning> {
        let phase = &self.experiment.phases[place];
        if !phase.does(Kind::Retrieve) || self.inputs.operations[place] == 0 {
            return None;
        }
        let name = &phase.name;
        let provide = match &phase.work {
            Work::Drawn { segments, .. } => (*segments)?,
            Work::Trace { span, .. } => return self.provides_nothing(name, span),
            Work::Idle { .. } => return None,
        };
        let provides = &self.experiment.phases[provide].name;
        match self.stored(provide) {
            Stored::Never {
                key,
                why,
                advice,
                span,
            } => Some(Warning {
                key: format!("phase.{provides}.{key}"),
                title: format!(
                    "`phase.{provides}.{key}` {why}: the retrieves of phase \"{name}\" find nothing"
                ),
                advice,
                span,
            }),
            Stored::From(first) => {
                let start = phase.start_us.filter(|start| *start < first)?;
                let first = milliseconds(first);
                Some(Warning {
                    key: format!("phase.{name}.start_ms"),
                    title: format!(
                        "`phase.{name}.start_ms` is {}, before anything of phase \"{provides}\" can be stored, which is \
                         from {first} ms on: requests that arrive before find nothing",
                        milliseconds(start)
                    ),
                    advice: format!("better: from {first}"),
                    span: phase.spans.start,
                })
            }
        }
    }

    /// Warns of a trace of retrieves where no phase provides.
    fn provides_nothing(&self, name: &str, span: &Span) -> Option<Warning> {
        let phases = self.experiment.phases.iter().zip(&self.inputs.operations);
        let mut provides = phases.filter(|(phase, _)| phase.does(Kind::Provide));
        let is_nothing = provides.all(|(_, operations)| *operations == 0);
        is_nothing.then(|| Warning {
            key: format!("phase.{name}.trace"),
            title: format!(
                "`phase.{name}.trace` says what is retrieved, but no phase provides anything: the retrieves find nothing"
            ),
            advice: "better: a phase before it of kind = \"provide\"".to_owned(),
            span: *span,
        })
    }

    /// Returns the first time at which a segment of a provide phase can be stored.
    fn stored(&self, place: usize) -> Stored<'static> {
        let phase = &self.experiment.phases[place];
        if self.inputs.operations[place] == 0 {
            return nothing(phase);
        }
        let trace = self.inputs.traces[place].as_ref();
        let due = trace
            .and_then(|rows| rows.first())
            .map_or(0, |row| row.start_us);
        let takes = self.shortest_lookup_us();
        // Counted from the phase's start. A phase without `start_ms` starts later than 0, but that time is not known
        // here.
        let first = due.saturating_add(takes);
        if let Some(max) = phase.max_us.filter(|max| *max < first) {
            let first = milliseconds(first);
            return Stored::Never {
                key: "max_ms",
                why: format!(
                    "is {}, which cuts the phase off before anything can be stored, {first} ms after its start",
                    milliseconds(max)
                ),
                advice: format!("better: above {first}"),
                span: phase.spans.max,
            };
        }
        Stored::From(phase.start_us.unwrap_or(0).saturating_add(first))
    }

    /// Returns the shortest time in which a lookup can end, in microseconds.
    fn shortest_lookup_us(&self) -> u64 {
        let others = self.inputs.nodes.saturating_sub(1);
        if self.experiment.lookup.rules.can_end_at_once(others) {
            return 0;
        }
        let link = self.inputs.link_of(self.experiment);
        let are_absent = self.inputs.offline_count() > 0 || self.experiment.churn.is_some();
        link.shortest_us(are_absent)
    }

    fn connections(&self) -> Option<Warning> {
        if !self.experiment.output.tables.connections {
            return None;
        }
        let phases = self.experiment.phases.iter().zip(&self.inputs.operations);
        let rows = phases
            .filter_map(|(phase, operations)| {
                let kind = phase.kind().operations()?;
                let each = contacts(self.experiment, kind, self.inputs.nodes);
                Some((*operations as f64 * each) as u64)
            })
            .fold(0, u64::saturating_add)
            .saturating_mul(self.experiment.networks.into());
        (rows > CONNECTIONS_MAX).then(|| Warning {
            key: "output.tables".to_owned(),
            title: format!(
                "`output.tables` has \"connections\", a table of about {:.1e} rows here",
                rows as f64
            ),
            advice: "better: fewer operations, or no \"connections\"".to_owned(),
            span: self.experiment.output.tables_span,
        })
    }
}

/// Returns the reason that a phase without operations provides nothing.
fn nothing(phase: &Phase) -> Stored<'static> {
    let never = |key, why: String, advice: &str, span| Stored::Never {
        key,
        why,
        advice: advice.to_owned(),
        span,
    };
    match &phase.work {
        Work::Trace { span, .. } => never(
            "trace",
            "has no rows".to_owned(),
            "better: a file with at least one",
            *span,
        ),
        Work::Idle { .. } | Work::Drawn { withheld: 0, .. } => {
            let key = match phase.work {
                Work::Drawn {
                    origin: Origin::Random,
                    ..
                } => "count",
                _ => "count_each",
            };
            never(key, "is 0".to_owned(), "better: above 0", phase.spans.count)
        }
        Work::Drawn { withheld, .. } => never(
            "withheld",
            format!("is {withheld}, all segments of the phase"),
            "better: fewer",
            phase.spans.withheld,
        ),
    }
}

/// Estimates the contacts of an operation of this kind, stores included, in a network of `nodes` nodes. Memory is
/// estimated by [`estimate`](crate::estimate) from rarer, longer lookups; this is the mean.
///
/// The rules of lookups estimate those of a lookup.
fn contacts(experiment: &Experiment, kind: Kind, nodes: u32) -> f64 {
    let rules = &experiment.lookup.rules;
    let k = experiment.network.bucket_size;
    let others = f64::from(nodes.saturating_sub(1));
    let hops = hops(experiment, f64::from(nodes));
    let stores = match kind {
        Kind::Provide => f64::from(rules.results(k).min(nodes)),
        Kind::Lookup | Kind::Retrieve => 0.0,
    };
    rules.contacts(hops, k).min(others) + stores
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::run::{self, Options};
    use crate::watch::Watch;
    use crate::{file, inputs};

    #[test]
    fn joins_that_teach_nothing_are_warned_of() {
        let warned = |maintenance: &str| {
            let settings = [
                "link={ delay_ms = 10, timeout_ms = 20 }",
                "churn={ session = \"never\", join = \"protocol\" }",
                "output.tables=[\"ticks\"]",
                maintenance,
            ];
            let settings = settings.map(str::to_owned);
            let loaded = file::parse("small.toml", SMALL, &settings).unwrap();
            let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
            let found = warnings(&loaded.experiment, &inputs);
            found.iter().any(|warning| warning.key == "churn.join")
        };
        assert!(warned("maintenance.evict_after=1"));
        assert!(!warned("maintenance.learn_answerer=true"));
        assert!(!warned("maintenance.rules=mainline"));
    }

    #[test]
    fn sessions_that_leave_no_node_online_are_warned_of() {
        let warned = |absence_ms: u32, nodes: u32| {
            let settings = [
                format!("network.nodes={nodes}"),
                "link.timeout_ms=20".to_owned(),
                "churn.session.fixed_ms=1".to_owned(),
                format!("churn.absence.fixed_ms={absence_ms}"),
            ];
            let loaded = file::parse("small.toml", SMALL, &settings).unwrap();
            let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
            let found = warnings(&loaded.experiment, &inputs);
            found.iter().any(|warning| warning.key == "churn.session")
        };
        assert!(warned(100, 100));
        assert!(!warned(99, 100));
        assert!(!warned(100, 101));
    }

    #[test]
    fn entries_that_are_clients_need_clients() {
        let warned = |clients: &str| {
            let settings = [
                "reachability.clients_in_tables=0.1".to_owned(),
                format!("reachability.clients={clients}"),
            ];
            let loaded = file::parse("small.toml", SMALL, &settings).unwrap();
            let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
            let found = warnings(&loaded.experiment, &inputs);
            let key = "reachability.clients_in_tables";
            found.iter().any(|warning| warning.key == key)
        };
        assert!(warned("0"));
        assert!(!warned("0.1"));
    }

    const SMALL: &str = "schema = 1\nname = \"small\"\nseed = 7\nnetwork.nodes = 2000\nlink.delay_ms = 10\n\
                         output.tables = [\"connections\"]\n\
                         [[phase]]\nname = \"p\"\nkind = \"lookup\"\ncount = 200\n";

    /// Returns the estimated and the actual number of rows of an experiment's connections table.
    fn connections(settings: &[&str]) -> (f64, u64) {
        let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
        let loaded = file::parse("small.toml", SMALL, &settings).unwrap();
        let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            out: Some(folder.path().to_owned()),
            threads: Some(1),
            force: false,
            watch: Watch::SILENT,
            begun: Instant::now(),
            shares_process: false,
        };
        let report = run::run(&loaded.experiment, &inputs, &options).unwrap();
        let rows = report
            .rows
            .iter()
            .find(|(table, _)| *table == "connections");
        let kind = loaded.experiment.phases[0].kind().operations().unwrap();
        let each = contacts(&loaded.experiment, kind, inputs.nodes);
        (each * inputs.operations[0] as f64, rows.unwrap().1)
    }

    #[test]
    fn the_connections_are_estimated_within_a_factor_of_2() {
        let cases: [&[&str]; 8] = [
            &[],
            &["phase.p.kind=provide"],
            &["lookup.stop=closest-answered"],
            &["network.bootstrap=random", "network.bucket_size=8"],
            &["lookup.procedure=py-dht"],
            &["lookup.procedure=rfm19", "network.nodes=20_000"],
            &["lookup.alpha=1"],
            &["network.nodes=5"],
        ];
        for settings in cases {
            let (estimated, rows) = connections(settings);
            let ratio = estimated / rows as f64;
            assert!(
                (0.5..=2.0).contains(&ratio),
                "{settings:?}: {estimated} for {rows}"
            );
        }
    }
}
