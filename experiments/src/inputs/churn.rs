//! Makes the engine's rules of churn of an experiment: reads quantiles and traces, and checks what depends on them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kadsim_engine::distribution::{Distribution, Quantiles};
use kadsim_engine::key::Key;
use kadsim_engine::makeup::{Clients, Makeup, Region, Shares};
use kadsim_engine::presence::{self, Churn, Sessions};
use kadsim_engine::random::Probability;
use kadsim_engine::routing::Aging;
use kadsim_engine::time::LAST_US;
use kadsim_systems::network::key_seed;

use super::nodes::Nodes;
use super::{Inputs, LinkInputs, Reader, living_link};
use crate::file::{
    ChurnSection, ClientShares, Delay, Event, Experiment, Leavers, Length, Lengths, Presence, Span,
    unknown_region,
};
use crate::import::{self, Interval};

/// From when until when nodes are online, in the order of ids and times.
pub type Listed = Arc<[Interval]>;

/// What the files that `[churn]` names hold.
#[derive(Clone, Debug, Default)]
pub struct ChurnInputs {
    /// When nodes are online, if a file lists it.
    pub trace: Option<Listed>,
    /// Quantiles by path.
    pub quantiles: HashMap<PathBuf, Arc<Quantiles>>,
}

impl ChurnInputs {
    /// Returns the distribution of a length; `None` for one without an end.
    pub fn distribution(&self, length: &Length) -> Option<Arc<dyn Distribution>> {
        length.distribution(|path| Some(self.quantiles.get(path)?.clone()))
    }

    /// Returns the mean of a length, in microseconds; infinite for one without an end.
    pub fn mean_us(&self, length: &Length) -> f64 {
        let drawn = self.distribution(length);
        drawn.map_or(f64::INFINITY, |drawn| drawn.mean_us())
    }

    fn sessions(&self, lengths: &Lengths) -> Sessions {
        Sessions {
            session: self.distribution(&lengths.session),
            absence: self.distribution(&lengths.absence),
        }
    }
}

/// Returns the rules of churn of the network with this seed.
pub fn churn(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Option<Churn> {
    let section = experiment.churn.as_ref()?;
    let lengths = section.lengths().into_iter();
    let events = section.events.iter();
    let listed = inputs.churn.trace.as_deref();
    Some(Churn {
        sessions: lengths
            .map(|(_, lengths)| inputs.churn.sessions(lengths))
            .collect(),
        start: section.start,
        events: events.filter_map(|one| event(one, &inputs.link)).collect(),
        trace: listed.map(|listed| Arc::new(by_key(listed, inputs, seed))),
    })
}

/// Returns an event; `None` if its region is not there, which is reported.
fn event(event: &Event, link: &LinkInputs) -> Option<presence::Event> {
    Some(presence::Event {
        at_us: event.at_us,
        leavers: match &event.leavers {
            Leavers::Share(share) => presence::Leavers::Share(Probability::new(*share)),
            Leavers::Region { name, .. } => presence::Leavers::Region(region(link, name)?),
        },
        for_us: event.for_us,
    })
}

/// Returns when the listed nodes are online, by their keys in the network with this seed.
fn by_key(listed: &[Interval], inputs: &Inputs, seed: u64) -> HashMap<Key, Vec<(u64, u64)>> {
    let key_seed = key_seed(seed);
    let ids = inputs.ids.as_deref();
    let keys: Option<HashMap<i64, Key>> = ids.map(|ids| ids.iter().copied().collect());
    let mut by_key: HashMap<Key, Vec<(u64, u64)>> = HashMap::new();
    for interval in listed {
        let key = match &keys {
            None => Key::of_node(interval.node as u64, key_seed),
            Some(keys) => match keys.get(&interval.node) {
                Some(key) => *key,
                None => continue,
            },
        };
        let times = by_key.entry(key).or_default();
        times.push((interval.from_us, interval.until_us));
    }
    by_key
}

/// Returns the region of this name.
fn region(link: &LinkInputs, name: &str) -> Option<Region> {
    let names = &link.world.as_ref()?.names;
    let index = names.iter().position(|known| known == name)?;
    u8::try_from(index).ok().map(Region)
}

/// Adds the classes of `[churn]` to what the nodes are.
pub(super) fn add_classes(makeup: &mut Makeup, churn: &ChurnSection) {
    let classes = &churn.classes;
    let shares: Vec<f64> = classes.iter().map(|class| class.share).collect();
    makeup.classes = Shares::new(&shares);
    if classes.iter().any(|class| class.clients.is_some()) {
        let shares = classes.iter().map(|class| class.clients.unwrap_or(0.0));
        // The last is that of the nodes of no class.
        let shares = shares.chain([0.0]).map(Probability::new);
        makeup.clients = Clients::OfClass(shares.collect());
    }
}

/// Returns how routing tables follow who is online.
pub(super) fn aging(experiment: &Experiment) -> Aging {
    let churn = experiment.churn.as_ref();
    Aging {
        join: churn.map_or_else(Default::default, |churn| churn.join),
        table: churn.map_or_else(Default::default, |churn| churn.table),
        renewal_us: experiment.maintenance.and_then(|one| one.refresh_us),
    }
}

/// Returns the time by which the run has probably ended, in microseconds: the end of the last due time of all phases,
/// and some time for the last operations. Presence is worked out up to it at first.
pub fn horizon_us(experiment: &Experiment, inputs: &Inputs) -> u64 {
    const LAST_OPERATIONS_US: u64 = 60_000_000;
    let mut end_us: u64 = 0;
    for (phase, trace) in experiment.phases.iter().zip(&inputs.traces) {
        let start_us = phase.start_us.unwrap_or(end_us);
        let last = trace.as_ref().and_then(|rows| rows.last());
        let listed_us = last.map_or(0, |row| row.start_us);
        let due_us = phase.length_us().unwrap_or(listed_us);
        let lasts_us = phase.max_us.map_or(due_us, |max_us| max_us.min(due_us));
        end_us = end_us.max(start_us.saturating_add(lasts_us));
    }
    let timeout_us = match experiment.link.timeout {
        Delay::Constant(timeout_us) => timeout_us,
        _ => 0,
    };
    let rest_us = timeout_us
        .saturating_mul(10)
        .saturating_add(LAST_OPERATIONS_US);
    end_us.saturating_add(rest_us).min(LAST_US)
}

impl Reader<'_> {
    /// Reads what the churn of the experiment is made of, and reports what is wrong with it.
    pub(super) fn churn(&mut self, link: &LinkInputs, nodes: &Nodes) -> ChurnInputs {
        let experiment = self.experiment;
        if experiment.is_living() {
            let wrong = living_link(&experiment.link, link, self.sources);
            self.errors.extend(wrong);
        }
        let Some(section) = &experiment.churn else {
            return ChurnInputs::default();
        };
        self.events(section, link);
        self.clients_of_classes(section);
        ChurnInputs {
            quantiles: self.quantiles_of(section),
            trace: match &section.presence {
                Presence::Listed { path, span } => self.listed(path, span, nodes),
                Presence::Drawn(_) => None,
            },
        }
    }

    /// Reads the quantiles of all lengths.
    fn quantiles_of(&mut self, section: &ChurnSection) -> HashMap<PathBuf, Arc<Quantiles>> {
        let mut quantiles = HashMap::new();
        // A class without lengths of its own names the files of all.
        let mut seen = HashSet::new();
        for (_, lengths) in section.lengths() {
            for length in [&lengths.session, &lengths.absence] {
                let Length::Quantiles { path, span } = length else {
                    continue;
                };
                if !seen.insert(path) {
                    continue;
                }
                match self.quantiles(path) {
                    Ok(found) => {
                        quantiles.insert(path.clone(), found);
                    }
                    Err(error) => self.error(span, error.to_string(), "named here"),
                }
            }
        }
        quantiles
    }

    /// Reads a trace of presence, which may name the experiment's nodes alone. Reports one by which no node is ever online.
    fn listed(&mut self, path: &Path, span: &Span, nodes: &Nodes) -> Option<Listed> {
        // An invalid path is reported already, and is empty here.
        if path.as_os_str().is_empty() {
            return None;
        }
        let file = (path.to_owned(), self.named());
        if let Some(known) = self.files.presence.get(&file) {
            return Some(Arc::clone(known));
        }
        let _line = self.reading(path);
        let wanted = |id| (!nodes.has(id)).then_some("a node of the network");
        let listed: Listed = match import::read_presence(path, wanted, self.watch) {
            Ok(listed) => listed.into(),
            Err(error) => {
                self.error(span, error.to_string(), "named here");
                return None;
            }
        };
        let mut times = listed.iter();
        if !times.any(|one| nodes.first_without(one.node).is_none()) {
            let title = format!(
                "`churn.trace` cannot be {}: no node is ever online",
                path.display()
            );
            let label =
                "allowed: a file with a node of the network that is not offline for the whole run";
            self.error(span, title, label);
            return None;
        }
        self.files.presence.insert(file, Arc::clone(&listed));
        Some(listed)
    }

    /// Reports events of regions that are not there, and one that takes all nodes off the network at the start for ever.
    fn events(&mut self, section: &ChurnSection, link: &LinkInputs) {
        for event in &section.events {
            if let Leavers::Region { name, span } = &event.leavers
                && let Some(world) = &link.world
                && region(link, name).is_none()
            {
                let path = "churn.event.leave.region";
                let (title, label) = unknown_region(path, name, &world.names);
                self.error(span, title, label);
            }
        }
        let takes_all = section.events.iter().any(|event| {
            event.at_us == 0 && event.for_us.is_none() && event.leavers == Leavers::Share(1.0)
        });
        if takes_all {
            let title = "`churn.event` takes all nodes off the network at the start: no node is ever online";
            let label = "allowed: `leave` below 1, `at_ms` above 0, or `for_ms`";
            self.error(&section.span, title.to_owned(), label);
        }
    }

    /// Reports clients by classes beside other clients.
    fn clients_of_classes(&mut self, section: &ChurnSection) {
        let mut classes = section.classes.iter();
        if let Some(class) = classes.find(|class| class.clients.is_some())
            && self.experiment.reachability.clients != ClientShares::OfAll(0.0)
        {
            let title = "`churn.class.clients` does not go with `reachability.clients`";
            self.error(&class.span, title.to_owned(), "allowed: one of the two");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kadsim_engine::makeup::{Clients, Region};
    use kadsim_engine::presence::{Leavers, Start};
    use kadsim_engine::random::Probability;

    use super::super::{InputError, Inputs, load, spec};
    use crate::file::Loaded;
    use crate::watch::Watch;

    const TEXT: &str = "schema = 1\nname = \"living\"\nseed = 7\nnetwork.nodes = 10\n\
                        link = { delay_ms = 50, timeout_ms = 1000 }\n\
                        [[phase]]\nname = \"a\"\nkind = \"lookup\"\ncount = 1\nspread_ms = 5000\n\
                        [[phase]]\nname = \"b\"\nkind = \"lookup\"\ncount = 1\nspread_ms = 7000\n[churn]\n";

    /// Reads an experiment with these keys of `[churn]` beside a file `list.csv`.
    fn living(churn: &str, list: &str) -> Result<(Loaded, Inputs), InputError> {
        living_of(TEXT, churn, list)
    }

    fn living_of(text: &str, churn: &str, list: &str) -> Result<(Loaded, Inputs), InputError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("list.csv"), list).unwrap();
        let path = folder.path().join("living.toml");
        fs::write(&path, format!("{text}{churn}")).unwrap();
        load(&path, &[], Watch::SILENT)
    }

    #[track_caller]
    fn fails(churn: &str, list: &str, says: &str) {
        let error = living(churn, list).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn the_engine_is_told_what_the_file_says() {
        let churn = "session = { quantiles = 'list.csv' }\nstart = 'online'\ntable = 'lost'\nrecords = 'lost'\n\
                     class = [{ share = 0.5, absence = { fixed_ms = 3 }, clients = 0.25 }]\n\
                     event = [{ at_ms = 1, leave = 0.5, for_ms = 2 }]\n\
                     [maintenance]\nrules = 'ideal'\nrefresh_ms = 9\n";
        let (loaded, inputs) = living(churn, "p,ms\n0,1\n1,3\n").unwrap();
        let spec = spec(&loaded.experiment, &inputs, 7);
        let churn = spec.churn.unwrap();
        assert_eq!(churn.start, Start::Online);
        let means = churn.sessions.iter().map(|one| {
            let absence = one.absence.as_ref();
            (
                one.session.as_ref().unwrap().mean_us(),
                absence.map(|one| one.mean_us()),
            )
        });
        assert_eq!(
            means.collect::<Vec<_>>(),
            [(2000.0, Some(3000.0)), (2000.0, None)]
        );
        assert_eq!(
            (churn.events[0].at_us, churn.events[0].for_us),
            (1000, Some(2000))
        );
        let shares = [0.25, 0.0].map(Probability::new).to_vec();
        assert_eq!(spec.makeup.clients, Clients::OfClass(shares));
        assert_eq!(spec.makeup.classes.len(), 1);
        assert_eq!(spec.aging.renewal_us, Some(9000));
        assert_eq!(
            (spec.aging.table.as_str(), spec.records.as_str()),
            ("lost", "lost")
        );
        // Both phases, ten timeouts and a minute.
        assert_eq!(
            spec.horizon_us,
            5_000_000 + 7_000_000 + 10_000_000 + 60_000_000
        );
    }

    #[test]
    fn a_trace_names_the_nodes_by_their_keys() {
        let list = "node,online_ms,offline_ms\n3,0,5\n4,1,\n3,6,7\n";
        let (loaded, inputs) = living("trace = 'list.csv'\n", list).unwrap();
        for seed in [7, 8] {
            let spec = spec(&loaded.experiment, &inputs, seed);
            let trace = spec.churn.unwrap().trace.unwrap();
            let of_a_node = [vec![(0, 5000), (6000, 7000)], vec![(1000, u64::MAX)]];
            let mut times: Vec<_> = trace.values().cloned().collect();
            times.sort();
            assert_eq!(times, of_a_node);
        }
    }

    #[test]
    fn a_network_in_which_no_node_is_ever_online_is_refused() {
        let says = "no node is ever online";
        fails("trace = 'list.csv'\n", "node,online_ms,offline_ms\n", says);
        let churn = "session = 'never'\nevent = [{ at_ms = 0, leave = 1 }]\n";
        fails(churn, "", says);
        assert!(living(&churn.replace("leave = 1", "leave = 0.5"), "").is_ok());
    }

    #[test]
    fn files_are_refused_where_they_are_named() {
        let list = "node,online_ms,offline_ms\n10,0,5\n";
        fails(
            "trace = 'list.csv'\n",
            list,
            "line 2: `node` is `10`, not a node of the network",
        );
        let churn = "session = { quantiles = 'list.csv' }\n";
        fails(churn, "p,ms\n0,1\n", "at least 2 quantiles");
        fails(&churn.replace("list", "none"), "", "none.csv: ");
    }

    #[test]
    fn a_file_that_several_classes_name_is_refused_once() {
        let churn =
            "session = { quantiles = 'none.csv' }\nclass = [{ share = 0.5 }, { share = 0.25 }]\n";
        let error = living(churn, "").err().unwrap().to_string();
        assert_eq!(error.matches("none.csv: ").count(), 1, "{error}");
    }

    #[test]
    fn a_timeout_below_a_round_trip_is_refused() {
        let timed = |timeout| {
            let text = TEXT.replace("timeout_ms = 1000", timeout);
            living_of(&text, "session = 'never'\n", "").map(|_| ())
        };
        let error = timed("timeout_ms = 99").err().unwrap().to_string();
        assert!(error.contains("`link.timeout_ms` is 99"), "{error}");
        assert!(error.contains("allowed: from 100"), "{error}");
        assert!(timed("timeout_ms = 100").is_ok());
        assert!(timed("timeout_ms = 0").is_err());
    }

    #[test]
    fn regions_that_leave_are_those_of_the_link() {
        let text = TEXT.replace("delay_ms = 50", "delay_ms = { regions = 'world-2018' }");
        let event = |name| {
            let churn = format!(
                "session = 'never'\nevent = [{{ at_ms = 1, leave = {{ region = '{name}' }} }}]\n"
            );
            living_of(&text, &churn, "")
        };
        let error = event("Atlantis").err().unwrap().to_string();
        let says = "`churn.event.leave.region` names the unknown region `Atlantis`";
        assert!(error.contains(says), "{error}");
        let (_, inputs) = living_of(&text, "session = 'never'\n", "").unwrap();
        for (index, name) in inputs.link.world.unwrap().names.iter().enumerate() {
            let (loaded, inputs) = event(name).unwrap();
            let churn = spec(&loaded.experiment, &inputs, 7).churn.unwrap();
            assert_eq!(
                churn.events[0].leavers,
                Leavers::Region(Region(index as u8))
            );
        }
    }
}
