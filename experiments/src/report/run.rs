//! What a report shows of a run, gathered from its folder. Memory is bounded by constants, but for the counts by origin of
//! retrieves, which take some 30 bytes an origin.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use arrow::array::AsArray;
use serde_json::{Map, Value};

use super::scan::scan;
use super::tally::{Tally, Timeline};
use crate::file::{self, Experiment, SCHEMA};
use crate::inspect::summary_of;
use crate::output::{METRICS, RESOLVED};

/// Nodes that are listed as the hottest.
pub const HOTTEST: usize = 15;
/// Parts of the key space that load is shown by.
pub const KEY_PARTS: usize = 128;

/// A run, as its folder holds it.
pub struct Run {
    /// What the figures call it.
    pub label: String,
    /// Its folder, as given.
    pub path: PathBuf,
    /// Whether the run has finished.
    pub is_finished: bool,
    /// Content of `summary.json`; empty if there is none.
    pub summary: Map<String, Value>,
    /// The resolved file.
    pub resolved: String,
    /// The experiment in it.
    pub experiment: Experiment,
    /// What was read of its tables, in the order of [`TABLES`].
    pub states: [State; TABLES.len()],
    /// Phases in the order of the file.
    pub phases: Vec<Phase>,
    /// Counts of the table of ticks, if there is one.
    pub ticks: Option<Ticks>,
    /// Counts of the table of nodes, if there is one.
    pub load: Option<Load>,
    /// Phase, part and wall time, ms, in the order of the table of timings.
    pub spent: Vec<(String, String, f64)>,
}

/// Tables that a report reads.
pub const TABLES: [&str; 4] = ["operations", "ticks", "nodes", "timings"];

/// What was read of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All of it.
    Whole,
    /// Not all: the run is unfinished, and the table breaks off.
    Broken,
    /// Nothing: there is no such table.
    Missing,
}

/// Operations of a phase.
#[derive(Default)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Rows of the table of operations.
    pub operations: u64,
    /// Time from when operations that succeeded were due to their ends, µs.
    pub since_due_us: Tally,
    /// Time from the start of the run to the ends of retrieves that found their segments, µs.
    pub since_start_us: Tally,
    /// Retrieves that found their segments, over time, from the table of ticks.
    pub found: Timeline<1>,
    /// Contacts sent.
    pub attempts: Tally,
    /// Depth of operations that ended.
    pub depth: Tally,
    /// Recall in thousandths.
    pub recall: Tally,
    /// Retrieves of each origin of a network, and those of them that found nothing.
    pub by_origin: HashMap<(u32, i64), (u32, u32)>,
}

/// Counts over time, in bins of whole ticks.
pub struct Ticks {
    /// Outcomes of connections, in the order of [`OUTCOMES`].
    pub outcomes: Timeline<5>,
    /// Operations in flight of all networks, times ms.
    pub active: Timeline<1>,
    /// Nodes online, stale and missing shares, entries, and the rows that each is counted in.
    pub living: Timeline<8>,
    /// Whether there are columns of living runs.
    pub is_living: bool,
    /// Connections of maintenance, in the order of [`PURPOSES`].
    pub purposes: Timeline<5>,
}

/// Outcomes of a connection: columns of the table of ticks.
pub const OUTCOMES: [&str; 5] = ["ok", "fast_error", "slow_error", "not_found", "late"];
/// Quantities of a living network: columns of the table of ticks.
pub const LIVING: [&str; 4] = ["online", "stale", "missing", "entries"];

/// Connections of maintenance: what the report calls them, and their columns of the table of ticks.
pub const PURPOSES: [(&str, &str); 5] = [
    ("refresh", "refresh"),
    ("join", "join"),
    ("check", "check"),
    ("republish", "republish"),
    ("failed, of all", "maintenance_failed"),
];

/// Load of the nodes, by phase.
#[derive(Default)]
pub struct Load {
    /// Phase, requests received by the nodes, requests by part of the key space.
    pub phases: Vec<(String, Tally, Vec<f64>)>,
    /// The nodes with most requests in a phase: requests, phase, network, node, in-degree.
    pub hottest: Vec<Hot>,
}

/// A node with many requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hot {
    /// Requests received in the phase.
    pub contacts: u64,
    /// The phase.
    pub phase: String,
    /// Its network.
    pub network: u64,
    /// Its id.
    pub node: i64,
    /// Tables that name it, if they were counted.
    pub in_degree: Option<u64>,
}

/// Reads a resolved file: its text, and the experiment in it.
///
/// # Errors
///
/// It cannot be read, is of another version of kadsim, or holds no experiment. The path is in the message.
fn resolved(file: &Path) -> Result<(String, Experiment)> {
    let context = || format!("cannot read {}", file.display());
    let text = fs::read_to_string(file).with_context(context)?;
    let keys: toml::Table = toml::from_str(&text).with_context(context)?;
    // Said before the keys are read, because another version has other keys.
    match keys.get("schema").and_then(toml::Value::as_integer) {
        Some(schema) if schema == i64::from(SCHEMA) => {}
        Some(schema) => bail!(
            "{}: schema = {schema}, of another version of kadsim; this one reads {SCHEMA}",
            file.display()
        ),
        None => bail!("{}: no experiment of kadsim", file.display()),
    }
    let experiment = file::load(file, &[])?.experiment;
    Ok((text, experiment))
}

impl Run {
    /// Reads the folder of a run. Tables that are missing are left out.
    ///
    /// # Errors
    ///
    /// The folder is none of a run, or a file in it cannot be read; the path is in the message.
    pub fn read(path: &Path, label: String, is_finished: bool) -> Result<Self> {
        let (resolved, experiment) = resolved(&path.join(RESOLVED))?;
        let summary = match path.join(METRICS).is_file() {
            true => summary_of(path)?,
            false if is_finished => bail!("{}: a run without {METRICS}", path.display()),
            false => Map::new(),
        };
        let phases = experiment.phase_names().into_iter().map(|name| Phase {
            name,
            ..Phase::default()
        });
        let mut run = Self {
            label,
            path: path.to_owned(),
            is_finished,
            summary,
            resolved,
            phases: phases.collect(),
            experiment,
            states: [State::Missing; TABLES.len()],
            ticks: None,
            load: None,
            spent: Vec::new(),
        };
        type Gather = fn(&mut Run, &Path) -> Result<()>;
        let gathers: [Gather; TABLES.len()] =
            [Self::operations, Self::ticks, Self::nodes, Self::timings];
        for (index, gather) in gathers.into_iter().enumerate() {
            let file = run.table(TABLES[index]);
            if !file.is_file() {
                continue;
            }
            run.states[index] = match gather(&mut run, &file) {
                Ok(()) => State::Whole,
                Err(error) if is_finished => return Err(error),
                // The tables of an unfinished run may break off.
                Err(_) => State::Broken,
            };
        }
        Ok(run)
    }

    /// Returns the path of a table.
    pub fn table(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.parquet"))
    }

    /// Returns what was read of one of [`TABLES`].
    pub fn state(&self, name: &str) -> State {
        let index = TABLES.iter().position(|table| *table == name);
        index.map_or(State::Missing, |index| self.states[index])
    }

    /// Returns the number of retrieves of a phase, by the summary.
    pub fn retrieves(&self, phase: &str) -> Option<f64> {
        self.summary.get(&format!("{phase}.found.count"))?.as_f64()
    }

    /// Returns a phase as the resolved file has it.
    pub fn settings(&self, phase: &Phase) -> Option<&file::Phase> {
        let mut phases = self.experiment.phases.iter();
        phases.find(|one| one.name == phase.name)
    }

    /// Returns the deadlines of a phase, s.
    pub fn deadlines_s(&self, phase: &Phase) -> impl Iterator<Item = f64> {
        let deadlines_us = self.settings(phase).map(|phase| &phase.deadlines_us);
        deadlines_us
            .into_iter()
            .flatten()
            .map(|&us| us as f64 / 1e6)
    }

    fn operations(&mut self, file: &Path) -> Result<()> {
        let columns = [
            "network",
            "phase",
            "kind",
            "origin",
            "due_ms",
            "start_ms",
            "end_ms",
            "duration_ms",
            "attempts",
            "depth",
            "recall",
            "found",
            "stored",
            "ended",
        ];
        scan(file, &columns, |rows| {
            let (names, kinds) = (rows.texts("phase")?, rows.texts("kind")?);
            let (names, kinds) = (names.as_string::<i32>(), kinds.as_string::<i32>());
            let of = |name: &str| rows.numbers(name);
            let (network, origin) = (of("network")?, of("origin")?);
            let (due, end, duration) = (of("due_ms")?, of("end_ms")?, of("duration_ms")?);
            let (attempts, depth, recall) = (of("attempts")?, of("depth")?, of("recall")?);
            let (found, stored) = (of("found")?, of("stored")?);
            // Only living runs say how operations ended.
            let ended = match rows.has("ended") {
                true => Some(rows.texts("ended")?),
                false => None,
            };
            let ended = ended.as_ref().map(|ended| ended.as_string::<i32>());
            for row in 0..rows.len() {
                let name = names.value(row);
                let Some(phase) = self.phases.iter_mut().find(|phase| phase.name == name) else {
                    bail!("a phase \"{name}\" that {RESOLVED} lacks");
                };
                let micros = |ms: f64| (1e3 * ms.max(0.0)).round() as u64;
                let kind = kinds.value(row);
                let is_done = !duration[row].is_nan();
                let succeeded = is_done
                    && match kind {
                        "retrieve" => found[row] == 1.0,
                        "provide" => stored[row] > 0.0,
                        _ => ended.is_none_or(|ended| ended.value(row) == "done"),
                    };
                phase.operations += 1;
                phase.attempts.record(attempts[row] as u64);
                if is_done {
                    phase.depth.record(depth[row] as u64);
                }
                if !recall[row].is_nan() {
                    phase.recall.record((1e3 * recall[row]).round() as u64);
                }
                if succeeded {
                    phase.since_due_us.record(micros(end[row] - due[row]));
                }
                if kind == "retrieve" {
                    let origin = (network[row] as u32, origin[row] as i64);
                    let (all, lacking) = phase.by_origin.entry(origin).or_default();
                    *all += 1;
                    *lacking += u32::from(!succeeded);
                    if succeeded {
                        phase.since_start_us.record(micros(end[row]));
                    }
                }
            }
            Ok(())
        })
    }

    fn ticks(&mut self, file: &Path) -> Result<()> {
        let tick_ms = self.experiment.tick_us as f64 / 1e3;
        // The middle of the last tick of a network's phase, ms, and the operations in flight from then on. When in a tick
        // their number has changed is not known.
        let mut levels: HashMap<(u32, usize), (f64, f64)> = HashMap::new();
        let mut ticks = Ticks {
            outcomes: Timeline::new(tick_ms),
            active: Timeline::new(tick_ms),
            living: Timeline::new(tick_ms),
            is_living: false,
            purposes: Timeline::new(tick_ms),
        };
        let purposes = PURPOSES.map(|(_, column)| column);
        for phase in &mut self.phases {
            phase.found = Timeline::new(tick_ms);
        }
        let columns = [
            &["network", "time_ms", "phase", "active", "found"][..],
            &OUTCOMES,
            &LIVING,
            &purposes,
        ]
        .concat();
        scan(file, &columns, |rows| {
            let (time, active) = (rows.numbers("time_ms")?, rows.numbers("active")?);
            let network = rows.numbers("network")?;
            let (names, found) = (rows.texts("phase")?, rows.numbers("found")?);
            let names = names.as_string::<i32>();
            let all = |names: &[&str]| -> Result<Vec<Vec<f64>>> {
                names.iter().map(|name| rows.numbers(name)).collect()
            };
            let (outcomes, living) = (all(&OUTCOMES)?, all(&LIVING)?);
            let of_maintenance = all(&purposes)?;
            for row in 0..rows.len() {
                let or_zero = |value: f64| if value.is_nan() { 0.0 } else { value };
                let at = |columns: &[Vec<f64>], index: usize| or_zero(columns[index][row]);
                ticks
                    .outcomes
                    .add(time[row], std::array::from_fn(|index| at(&outcomes, index)));
                let is_it = |phase: &Phase| phase.name == names.value(row);
                let Some(phase) = self.phases.iter().position(is_it) else {
                    bail!("a phase \"{}\" that {RESOLVED} lacks", names.value(row));
                };
                self.phases[phase].found.add(time[row], [found[row]]);
                let middle_ms = time[row] + tick_ms / 2.0;
                let level = levels.entry((network[row] as u32, phase)).or_default();
                ticks.active.spread(level.0, middle_ms, [level.1]);
                *level = (middle_ms, active[row]);
                ticks.living.add(
                    time[row],
                    std::array::from_fn(|index| match index {
                        0..4 => at(&living, index),
                        _ => f64::from(u8::from(!living[index - 4][row].is_nan())),
                    }),
                );
                ticks.purposes.add(
                    time[row],
                    std::array::from_fn(|index| at(&of_maintenance, index)),
                );
                ticks.is_living |= !living[3][row].is_nan();
            }
            Ok(())
        })?;
        self.ticks = Some(ticks);
        Ok(())
    }

    fn nodes(&mut self, file: &Path) -> Result<()> {
        let mut load = Load::default();
        let mut hottest = BinaryHeap::new();
        let columns = ["network", "phase", "node", "key", "contacts", "in_degree"];
        scan(file, &columns, |rows| {
            let names = rows.texts("phase")?;
            let names = names.as_string::<i32>();
            let of = |name: &str| rows.numbers(name);
            let (network, node, key) = (of("network")?, of("node")?, of("key")?);
            let (contacts, in_degree) = (of("contacts")?, of("in_degree")?);
            for row in 0..rows.len() {
                let name = names.value(row);
                let known = load.phases.iter().position(|(phase, ..)| phase == name);
                let index = known.unwrap_or_else(|| {
                    let parts = vec![0.0; KEY_PARTS];
                    load.phases.push((name.to_owned(), Tally::default(), parts));
                    load.phases.len() - 1
                });
                let (_, tally, parts) = &mut load.phases[index];
                tally.record(contacts[row] as u64);
                let part = key[row] / 2f64.powi(64) * KEY_PARTS as f64;
                parts[(part as usize).min(KEY_PARTS - 1)] += contacts[row];
                let is_hot = |coldest: &Reverse<Hot>| contacts[row] as u64 > coldest.0.contacts;
                if hottest.len() < HOTTEST || hottest.peek().is_some_and(is_hot) {
                    hottest.push(Reverse(Hot {
                        contacts: contacts[row] as u64,
                        phase: name.to_owned(),
                        network: network[row] as u64,
                        node: node[row] as i64,
                        in_degree: (!in_degree[row].is_nan()).then_some(in_degree[row] as u64),
                    }));
                    if hottest.len() > HOTTEST {
                        hottest.pop();
                    }
                }
            }
            Ok(())
        })?;
        load.hottest = hottest.into_iter().map(|Reverse(hot)| hot).collect();
        load.hottest.sort_unstable_by(|one, other| other.cmp(one));
        self.load = Some(load);
        Ok(())
    }

    fn timings(&mut self, file: &Path) -> Result<()> {
        scan(file, &["phase", "system", "wall_ms"], |rows| {
            let (phases, systems) = (rows.texts("phase")?, rows.texts("system")?);
            let wall_ms = rows.numbers("wall_ms")?;
            for (row, wall_ms) in wall_ms.into_iter().enumerate() {
                let phase = phases.as_string::<i32>().value(row);
                let system = systems.as_string::<i32>().value(row);
                let is_it =
                    |(one, other, _): &&mut (String, String, f64)| one == phase && other == system;
                match self.spent.iter_mut().find(is_it) {
                    Some((.., sum_ms)) => *sum_ms += wall_ms,
                    None => self
                        .spent
                        .push((phase.to_owned(), system.to_owned(), wall_ms)),
                }
            }
            Ok(())
        })
    }
}
