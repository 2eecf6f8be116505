//! Makes the engine's rules of churn of an experiment: reads quantiles and traces, and checks what depends on them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kadsim_engine::distribution::{
    Distribution, Exponential, Fixed, Lognormal, Quantiles, Weibull,
};
use kadsim_engine::key::Key;
use kadsim_engine::makeup::{Clients, Makeup, Region, Shares};
use kadsim_engine::presence::{Churn, Event, Leavers, Sessions};
use kadsim_engine::random::Probability;
use kadsim_engine::routing::Aging;
use kadsim_engine::time::LAST_US;
use kadsim_systems::network::key_seed;

use super::nodes::Nodes;
use super::{Inputs, LinkInputs, Reader, living_link};
use crate::file::{
    self, ChurnSection, ChurnSource, ClientShares, Delay, Experiment, Leave, Length,
};
use crate::import;

/// When nodes are online, µs, ascending and disjoint, by their ids.
pub type Presences = HashMap<i64, Vec<(u64, u64)>>;

/// What the files that `[churn]` names hold.
#[derive(Clone, Debug, Default)]
pub struct ChurnInputs {
    quantiles: HashMap<PathBuf, Arc<Quantiles>>,
    trace: Option<Arc<Presences>>,
}

impl ChurnInputs {
    /// Returns the distribution of a length; `None` if it does not end, or its file could not be read.
    fn length(&self, length: &Length) -> Option<Arc<dyn Distribution>> {
        Some(match length {
            Length::Never => return None,
            Length::Exponential(mean_us) => Arc::new(Exponential {
                mean_us: *mean_us as f64,
            }),
            Length::Weibull { shape, scale_us } => Arc::new(Weibull {
                shape: *shape,
                scale_us: *scale_us as f64,
            }),
            Length::Lognormal { median_us, sigma } => Arc::new(Lognormal {
                median_us: *median_us as f64,
                sigma: *sigma,
            }),
            Length::Quantiles(path, _) => self.quantiles.get(path)?.clone(),
            Length::Fixed(us) => Arc::new(Fixed { us: *us as f64 }),
        })
    }

    fn sessions(&self, sessions: &file::Sessions) -> Sessions {
        Sessions {
            session: self.length(&sessions.session),
            absence: self.length(&sessions.absence),
        }
    }
}

/// Returns the rules of churn of the network with this seed.
pub fn churn(experiment: &Experiment, inputs: &Inputs, seed: u64) -> Option<Churn> {
    let section = experiment.churn.as_ref()?;
    let of_class = |class: &file::ChurnClass| inputs.churn.sessions(&class.sessions);
    let mut sessions: Vec<Sessions> = section.classes.iter().map(of_class).collect();
    sessions.push(match &section.source {
        ChurnSource::Drawn(drawn) => inputs.churn.sessions(drawn),
        ChurnSource::Trace(..) => Sessions::default(),
    });
    let events = section.events.iter().filter_map(|event| {
        Some(Event {
            at_us: event.at_us,
            leavers: match &event.leave {
                Leave::Share(share) => Leavers::Share(Probability::new(*share)),
                Leave::Region(name, _) => Leavers::Region(region(&inputs.link, name)?),
            },
            for_us: event.for_us,
        })
    });
    Some(Churn {
        sessions,
        start: section.start,
        events: events.collect(),
        trace: inputs
            .churn
            .trace
            .as_ref()
            .map(|trace| keyed(trace, inputs, seed)),
    })
}

/// Returns a trace by the keys of nodes.
fn keyed(trace: &Presences, inputs: &Inputs, seed: u64) -> Arc<HashMap<Key, Vec<(u64, u64)>>> {
    let keyed = match &inputs.ids {
        None => {
            let seed = key_seed(seed);
            let key = |id: i64| Key::of_node(id as u64, seed);
            trace
                .iter()
                .map(|(id, times)| (key(*id), times.clone()))
                .collect()
        }
        Some(ids) => {
            let named = ids
                .iter()
                .filter_map(|(id, key)| Some((*key, trace.get(id)?.clone())));
            named.collect()
        }
    };
    Arc::new(keyed)
}

/// Returns the region of this name.
fn region(link: &LinkInputs, name: &str) -> Option<Region> {
    let names = &link.world.as_ref()?.names;
    let index = names.iter().position(|known| known == name)?;
    u8::try_from(index).ok().map(Region)
}

/// Adds the classes of `[churn]` to what the nodes are.
pub(super) fn add_classes(makeup: &mut Makeup, churn: &ChurnSection) {
    let shares: Vec<f64> = churn.classes.iter().map(|class| class.share).collect();
    makeup.classes = Shares::new(&shares);
    if churn.classes.iter().any(|class| class.clients.is_some()) {
        let of_class = churn
            .classes
            .iter()
            .map(|class| class.clients.unwrap_or(0.0));
        let shares = of_class.chain([0.0]).map(Probability::new);
        makeup.clients = Clients::OfClass(shares.collect());
    }
}

/// Returns how routing tables follow who is online.
pub(super) fn aging(experiment: &Experiment) -> Aging {
    let renewal_us = experiment.maintenance.and_then(|rules| rules.refresh_us);
    let churn = experiment.churn.as_ref();
    Aging {
        join: churn.map_or_else(Default::default, |churn| churn.join),
        table: churn.map_or_else(Default::default, |churn| churn.table),
        renewal_us,
    }
}

/// Returns the time up to which presence is worked out at first, µs: the planned end of the run, and some time for the last
/// operations.
pub(super) fn horizon_us(experiment: &Experiment) -> u64 {
    const REST_US: u64 = 60_000_000;
    let mut end_us: u64 = 0;
    for phase in &experiment.phases {
        let start_us = phase.start_us.unwrap_or(end_us);
        let length_us = phase.length_us().unwrap_or(0);
        end_us = end_us.max(start_us.saturating_add(length_us));
    }
    let timeout_us = match experiment.link.timeout {
        Delay::Constant(timeout_us) => timeout_us,
        _ => 0,
    };
    let rest_us = timeout_us.saturating_mul(10).saturating_add(REST_US);
    end_us.saturating_add(rest_us).min(LAST_US)
}

impl Reader<'_> {
    /// Reads what the churn of the experiment is made of, and reports what is wrong with it.
    pub(super) fn churn(&mut self, link: &LinkInputs, nodes: &Nodes) -> ChurnInputs {
        let experiment = self.experiment;
        let mut inputs = ChurnInputs::default();
        if experiment.is_living() {
            let wrong = living_link(&experiment.link, link, self.sources);
            self.errors.extend(wrong);
        }
        let Some(section) = &experiment.churn else {
            return inputs;
        };
        let drawn = match &section.source {
            ChurnSource::Drawn(drawn) => Some(drawn),
            ChurnSource::Trace(..) => None,
        };
        let of_classes = section.classes.iter().map(|class| &class.sessions);
        for sessions in of_classes.chain(drawn) {
            for length in [&sessions.session, &sessions.absence] {
                self.length(length, sessions, &mut inputs);
            }
        }
        if let ChurnSource::Trace(path, span) = &section.source {
            match self.presences(path, nodes) {
                Ok(trace) => inputs.trace = Some(trace),
                Err(error) => self.error(span, error.to_string(), "named here"),
            }
        }
        for event in &section.events {
            if let Leave::Region(name, span) = &event.leave
                && let Some(world) = &link.world
                && region(link, name).is_none()
            {
                let title = format!("`churn.event.leave.region` cannot be \"{name}\"");
                let label = format!("allowed: {}", world.names.join(", "));
                self.error(span, title, label);
            }
        }
        let of_class = section.classes.iter().any(|class| class.clients.is_some());
        if of_class && experiment.reachability.clients != ClientShares::OfAll(0.0) {
            let span = section.classes[0].sessions.span;
            let title = "`churn.class.clients` does not go with `reachability.clients`";
            self.error(&span, title.to_owned(), "allowed: one of the two");
        }
        inputs
    }

    /// Reads the file of a length, and reports a length without a finite mean.
    fn length(&mut self, length: &Length, sessions: &file::Sessions, inputs: &mut ChurnInputs) {
        if let Length::Quantiles(path, span) = length {
            match self.quantiles(path) {
                Ok(quantiles) => {
                    inputs.quantiles.insert(path.clone(), quantiles);
                }
                Err(error) => self.error(span, error.to_string(), "named here"),
            }
        }
        let mean_us = inputs.length(length).map_or(0.0, |drawn| drawn.mean_us());
        if mean_us.is_nan() || mean_us > LAST_US as f64 {
            let title = format!("the mean of {length} is not below 9e12 ms");
            let label = "allowed: lengths with a smaller mean, or \"never\"";
            self.error(&sessions.span, title, label);
        }
    }

    /// Reads a trace of presence, which may name the experiment's nodes alone.
    fn presences(
        &mut self,
        path: &Path,
        nodes: &Nodes,
    ) -> Result<Arc<Presences>, import::ImportError> {
        let _line = self.reading(path);
        let wanted = |id| (!nodes.has(id)).then_some("the id of a node");
        Ok(Arc::new(import::read_presences(path, wanted, self.watch)?))
    }
}
