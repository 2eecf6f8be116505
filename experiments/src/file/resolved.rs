//! Writes an experiment as a file with every key: `resolved.toml`.

use std::fmt::{self, Write};

use super::defaults::SCHEMA;
use super::delay::Delay;
use super::experiment::*;
use super::milliseconds::milliseconds;
use super::phase::{Origin, Pace, Phase, Work};
use super::quoted::{optional, quoted, quoted_path};
use super::words::{Bootstrap, Kind, PhaseKind, Stop};
use kadsim_systems::rules::Rules;

impl Experiment {
    /// Returns an experiment file with every key, which reads as an equal experiment from any folder: paths of `ids` and
    /// `trace` are absolute.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        out.extend(self.sections(None).into_iter().flatten());
        self.expects.iter().try_for_each(|expect| expect.write(out))
    }

    /// Returns the text of the keys at the top, of each section and of each phase, in order. `None` stands for a text
    /// that `like` has too, so that the shared text of many cells is written once.
    pub(super) fn sections(&self, like: Option<&Self>) -> Vec<Option<String>> {
        let section = |same: bool, write: &dyn Fn(&mut String) -> fmt::Result| {
            let mut text = String::new();
            // Writing to a string does not fail.
            (!same).then(|| write(&mut text).map_or(String::new(), |()| text))
        };
        let is_same = |same: &dyn Fn(&Self) -> bool| like.is_some_and(same);
        let mut sections = vec![
            section(false, &|out| self.write_top(out)),
            section(is_same(&|like| like.network == self.network), &|out| {
                self.network.write(out)
            }),
            section(is_same(&|like| like.lookup == self.lookup), &|out| {
                self.lookup.write(out)
            }),
            section(is_same(&|like| like.link == self.link), &|out| {
                self.link.write(out)
            }),
            section(
                is_same(&|like| like.reachability == self.reachability),
                &|out| self.reachability.write(out),
            ),
            section(
                is_same(&|like| {
                    let is_joined = |of: &Self| of.network.doubling_us.is_some();
                    like.churn == self.churn && is_joined(like) == is_joined(self)
                }),
                &|out| match &self.churn {
                    Some(churn) => churn.write(out, self.network.doubling_us.is_some()),
                    None => writeln!(out, "\n# churn: no node comes or leaves"),
                },
            ),
            section(
                is_same(&|like| like.maintenance == self.maintenance),
                &|out| match &self.maintenance {
                    Some(maintenance) => maintenance.write(out),
                    None => writeln!(out, "\n# maintenance: routing tables stay as they are"),
                },
            ),
            section(
                is_same(&|like| like.records == self.records),
                &|out| match &self.records {
                    Some(records) => records.write(out),
                    None => writeln!(out, "\n# records: segments are held for ever"),
                },
            ),
            section(false, &|out| {
                writeln!(out, "\n[clock]\ntick_ms = {}", milliseconds(self.tick_us))
            }),
            section(false, &|out| {
                writeln!(out, "\n[engine]\nlayout = \"{}\"", self.layout)?;
                writeln!(out, "events = {}", self.events)
            }),
        ];
        // The text of a phase may depend on another phase, whose name it has.
        let is_named = |like: &Self| {
            let (names, others) = (&self.phases, &like.phases);
            let same = |(one, other): (&Phase, &Phase)| one.name == other.name;
            names.len() == others.len() && names.iter().zip(others).all(same)
        };
        let like_phases = like.filter(|like| is_named(like)).map(|like| &like.phases);
        sections.extend(self.phases.iter().enumerate().map(|(place, phase)| {
            let same = like_phases.is_some_and(|like| like[place] == *phase);
            section(same, &|out| phase.write(out, &self.phases))
        }));
        sections.push(section(false, &|out| {
            self.output.write(out, self.has_living_columns())
        }));
        sections
    }

    fn write_top(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "schema = {SCHEMA}")?;
        writeln!(out, "name = {}", quoted(&self.name))?;
        writeln!(out, "seed = {}", self.seed)?;
        writeln!(out, "networks = {}", self.networks)
    }
}

impl NetworkSection {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[network]")?;
        match &self.size {
            Population::Generated(nodes) => {
                writeln!(out, "nodes = {nodes}")?;
                writeln!(out, "offline = {}", self.offline)?;
            }
            Population::Imported { path, hash, .. } => {
                writeln!(out, "ids = {}", quoted_path(path))?;
                optional(
                    out,
                    "hash",
                    hash.map(|hash| quoted(&hash.to_string())),
                    "none",
                )?;
            }
        }
        writeln!(out, "bucket_size = {}", self.bucket_size)?;
        match self.doubling_us {
            None => writeln!(out, "bootstrap = \"{}\"", self.bootstrap),
            Some(doubling_us) => {
                writeln!(out, "bootstrap = \"{}\"", Bootstrap::Joined)?;
                writeln!(out, "doubling_ms = {}", milliseconds(doubling_us))
            }
        }
    }
}

impl LookupSection {
    fn write(&self, out: &mut String) -> fmt::Result {
        let Rules {
            alpha,
            beta,
            steps_to_stop,
            stop,
            procedure,
            stall_us,
        } = self.rules;
        writeln!(out, "\n[lookup]")?;
        writeln!(out, "alpha = {alpha}")?;
        writeln!(out, "beta = {beta}")?;
        writeln!(out, "steps_to_stop = {steps_to_stop}")?;
        writeln!(out, "answer = {}", self.answer)?;
        if stop == Stop::NoProgress {
            writeln!(
                out,
                "# progress: an answer names a node not heard of before, closer than the farthest heard of"
            )?;
        }
        writeln!(out, "stop = \"{stop}\"")?;
        writeln!(out, "stall_ms = {}", milliseconds(stall_us.unwrap_or(0)))?;
        writeln!(out, "procedure = \"{procedure}\"")
    }
}

impl LinkSection {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[link]")?;
        writeln!(out, "delay_ms = {}", self.delay)?;
        writeln!(out, "jitter_ms = {}", milliseconds(self.jitter_us))?;
        writeln!(out, "round_trips = {}", self.round_trips)?;
        for (key, error) in [
            ("fast_error", &self.fast_error),
            ("slow_error", &self.slow_error),
        ] {
            match error {
                Some(error) => writeln!(
                    out,
                    "{key} = {{ rate = {:?}, delay_ms = {} }}",
                    error.rate, error.delay
                )?,
                None => writeln!(out, "# {key}: none")?,
            }
        }
        if self.slow_error.is_some() {
            writeln!(
                out,
                "# slow_error.rate: of the contacts that have not failed fast"
            )?;
        }
        match &self.timeout {
            Delay::Constant(timeout) => writeln!(out, "timeout_ms = {}", milliseconds(*timeout))?,
            drawn => writeln!(out, "# timeout_ms: the slow error's delay, {drawn}")?,
        }
        writeln!(out, "overhead_ms = {}", milliseconds(self.overhead_us))
    }
}

impl ReachabilitySection {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[reachability]")?;
        writeln!(out, "clients = {}", self.clients)?;
        writeln!(out, "clients_known = {}", self.clients_known)?;
        writeln!(out, "clients_in_tables = {}", self.clients_in_tables)
    }
}

impl Phase {
    fn write(&self, out: &mut String, phases: &[Phase]) -> fmt::Result {
        writeln!(out, "\n[[phase]]")?;
        writeln!(out, "name = {}", quoted(&self.name))?;
        writeln!(out, "kind = \"{}\"", self.kind())?;
        match &self.work {
            Work::Idle { duration_us } => {
                writeln!(out, "duration_ms = {}", milliseconds(*duration_us))?
            }
            Work::Trace { path, .. } => writeln!(out, "trace = {}", quoted_path(path))?,
            Work::Drawn {
                kind,
                origin,
                pace,
                keys,
                segments,
                draw,
                withheld,
                parts,
            } => {
                match origin {
                    Origin::Random | Origin::One | Origin::Each => {
                        writeln!(out, "origin = \"{origin}\"")?
                    }
                    Origin::Sample(_) | Origin::Node(_) => writeln!(out, "origin = {origin}")?,
                }
                let (amount, time) = pace.written(*origin);
                writeln!(out, "{amount}")?;
                if *kind == Kind::Lookup {
                    writeln!(out, "keys = \"{keys}\"")?;
                }
                writeln!(out, "{time}")?;
                if *kind == Kind::Provide {
                    if pace.count().is_some() {
                        writeln!(out, "withheld = {withheld}")?;
                    }
                    writeln!(out, "parts = {parts}")?;
                }
                if let Some(provide) = segments.and_then(|index| phases.get(index)) {
                    writeln!(out, "segments = {}", quoted(&provide.name))?;
                    writeln!(out, "draw = \"{draw}\"")?;
                }
            }
        }
        let start = self.start_us.map(milliseconds);
        optional(out, "start_ms", start, "when those before have finished")?;
        if self.kind() == PhaseKind::Idle {
            return writeln!(out, "reset_overhead = {}", self.reset_overhead);
        }
        optional(out, "parallel", self.parallel, "no limit")?;
        writeln!(out, "reset_overhead = {}", self.reset_overhead)?;
        optional(out, "max_ms", self.max_us.map(milliseconds), "none")?;
        let deadlines: Vec<_> = self
            .deadlines_us
            .iter()
            .copied()
            .map(milliseconds)
            .collect();
        let deadline = match deadlines.as_slice() {
            [] => None,
            [deadline] => Some(deadline.clone()),
            several => Some(format!("[{}]", several.join(", "))),
        };
        let from = deadline.as_ref().map(|_| self.deadline_from);
        optional(out, "deadline_ms", deadline, "none")?;
        from.map_or(Ok(()), |from| writeln!(out, "deadline_from = \"{from}\""))
    }
}

impl Pace {
    /// Returns the keys of the number of operations and of the time over which they are due.
    fn written(self, origin: Origin) -> (String, String) {
        match self {
            Self::Count { count, spread_us } => {
                let key = match origin {
                    Origin::Random => "count",
                    _ => "count_each",
                };
                let spread = milliseconds(spread_us);
                (format!("{key} = {count}"), format!("spread_ms = {spread}"))
            }
            Self::Rate { per_s, duration_us } => {
                let duration = milliseconds(duration_us);
                (
                    format!("rate_per_s = {per_s:?}"),
                    format!("duration_ms = {duration}"),
                )
            }
        }
    }
}

impl OutputSection {
    fn write(&self, out: &mut String, is_fresh: bool) -> fmt::Result {
        let tables: Vec<_> = self.tables.names().into_iter().map(quoted).collect();
        writeln!(out, "\n[output]")?;
        writeln!(out, "dir = {}", quoted(&self.dir))?;
        writeln!(out, "tables = [{}]", tables.join(", "))?;
        writeln!(out, "results = {}", self.results)?;
        writeln!(out, "in_degree = {}", self.in_degree)?;
        if is_fresh {
            let period = self.freshness_us.map(milliseconds);
            optional(out, "freshness_ms", period, "at 100 instants of a phase")?;
        }
        Ok(())
    }
}

impl Expect {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[[expect]]")?;
        writeln!(out, "metric = {}", quoted(&self.metric))?;
        writeln!(out, "within = [{:?}, {:?}]", self.low, self.high)?;
        match &self.source {
            Some(source) => writeln!(out, "source = {}", quoted(source)),
            None => Ok(()),
        }
    }
}
