//! Makes the engine's links of an experiment: reads quantiles and regions, and checks what depends on them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kadsim_engine::distribution::{Distribution, Exponential, Lognormal, Quantiles};
use kadsim_engine::link::{self as engine, Fault, Link, RegionLink, Regions, UniformLink};
use kadsim_engine::makeup::Makeup;
use kadsim_engine::random::Probability;

use super::Reader;
use crate::file::{
    self, ClientShares, Delay, ErrorRate, Experiment, Invalid, LinkSection, OneWay, RegionShares,
    RegionsSection, Sources, milliseconds,
};
use crate::import::{self, ImportError};

#[cfg(test)]
mod tests;

/// What the files that `[link]` names hold.
#[derive(Clone, Debug, Default)]
pub struct LinkInputs {
    /// Quantiles by path.
    pub quantiles: HashMap<PathBuf, Arc<Quantiles>>,
    /// The regions, if delays are by region.
    pub world: Option<World>,
}

/// The regions of a network.
#[derive(Clone, Debug)]
pub struct World {
    /// Their names.
    pub names: Vec<String>,
    /// Shares of the nodes, which sum to 1.
    pub weights: Vec<f64>,
    /// Shares of the nodes of each region that are clients; `None` if they are a share of all.
    pub clients: Option<Vec<f64>>,
    /// The round trips between them.
    pub regions: Arc<Regions>,
}

impl LinkInputs {
    /// Returns a delay of the experiment as one of the engine, unless its file could not be read.
    fn known(&self, delay: &Delay) -> Option<engine::Delay> {
        Some(match delay {
            Delay::Constant(delay) => engine::Delay::Constant(*delay),
            Delay::Uniform { low, high } => engine::Delay::Uniform {
                low: *low,
                high: *high,
            },
            Delay::Choice(delays) => engine::Delay::Choice(delays.shared()),
            Delay::Lognormal { median_us, sigma } => engine::Delay::Lognormal(Lognormal {
                median_us: *median_us as f64,
                sigma: *sigma,
            }),
            Delay::Quantiles { path, .. } => {
                engine::Delay::Quantiles(Arc::clone(self.quantiles.get(path)?))
            }
        })
    }

    /// Returns a delay of the experiment as one of the engine.
    ///
    /// # Panics
    /// These are the inputs of another experiment.
    pub fn delay(&self, delay: &Delay) -> engine::Delay {
        self.known(delay).expect("the inputs have every file")
    }

    fn fault(&self, error: &ErrorRate) -> Fault {
        Fault {
            probability: Probability::new(error.rate),
            delay: self.delay(&error.delay),
        }
    }

    /// Returns the mean delay of one way, µs.
    pub fn mean_one_way_us(&self, one_way: &OneWay) -> f64 {
        match (one_way, &self.world) {
            (OneWay::Drawn(delay), _) => self.delay(delay).mean_us(),
            (OneWay::ByRegion(_), world) => world.as_ref().map_or(0.0, World::mean_one_way_us),
        }
    }

    /// Returns the longest duration of a contact that is answered, µs, without overhead, if there is one and its file could
    /// be read.
    fn longest_contact_us(&self, link: &LinkSection) -> Option<u64> {
        // A new key of `[link]` does not compile before it is counted here.
        let LinkSection {
            delay,
            jitter_us,
            round_trips,
            fast_error: _,
            slow_error: _,
            timeout: _,
            overhead_us: _,
            spans: _,
        } = link;
        // A jitter has no longest value.
        if *jitter_us > 0 {
            return None;
        }
        let messages = 2 * u64::from(*round_trips);
        Some(self.longest_one_way_us(delay)?.saturating_mul(messages))
    }

    /// Returns the longest delay of one way, µs, if there is one and its file could be read.
    fn longest_one_way_us(&self, one_way: &OneWay) -> Option<u64> {
        match one_way {
            OneWay::Drawn(delay) => self.known(delay)?.longest(),
            OneWay::ByRegion(_) => None,
        }
    }
}

impl World {
    /// Returns the mean delay of one way, µs: half of that of the round trips, without the floor.
    fn mean_one_way_us(&self) -> f64 {
        let cells = self.regions.cells.iter();
        let pairs = self
            .weights
            .iter()
            .flat_map(|one| self.weights.iter().map(move |other| one * other));
        let mean = |cell: &engine::Cell| {
            let (median_us, sigma) = (cell.median_us, cell.sigma);
            Lognormal { median_us, sigma }.mean_us()
        };
        pairs
            .zip(cells)
            .map(|(weight, cell)| weight * mean(cell) / 2.0)
            .sum()
    }
}

/// Returns the links of the network with this makeup.
pub fn link(experiment: &Experiment, inputs: &LinkInputs, makeup: &Makeup) -> Box<dyn Link> {
    // The overhead belongs to the network, not to the model of its links.
    let LinkSection {
        delay,
        jitter_us,
        round_trips,
        fast_error,
        slow_error,
        timeout,
        overhead_us: _,
        spans: _,
    } = &experiment.link;
    let (delay, world) = match delay {
        OneWay::Drawn(delay) => (inputs.delay(delay), None),
        OneWay::ByRegion(_) => (engine::Delay::Constant(0), inputs.world.as_ref()),
    };
    let link = UniformLink {
        delay,
        fast_error: fast_error.as_ref().map(|error| inputs.fault(error)),
        slow_error: slow_error.as_ref().map(|error| inputs.fault(error)),
        timeout: inputs.delay(timeout),
        jitter: (*jitter_us > 0).then_some(Exponential {
            mean_us: *jitter_us as f64,
        }),
        round_trips: *round_trips,
        gives_up: experiment.is_living(),
    };
    match world {
        None => Box::new(link),
        Some(world) => Box::new(RegionLink {
            regions: Arc::clone(&world.regions),
            makeup: makeup.clone(),
            link,
        }),
    }
}

/// Returns what is wrong with the links of a living network, each error with its place in `sources`.
pub fn living_link(link: &LinkSection, inputs: &LinkInputs, sources: &Sources) -> Vec<Invalid> {
    let mut errors = Vec::new();
    let mut error = |span, title: String, label: String| {
        errors.push(sources.error(span, title, label));
    };
    if link.overhead_us > 0 {
        let title = "`link.overhead_ms` does not go with a living network".to_owned();
        let label = "allowed: 0; a later version has `load.service_ms` for the time that a request takes its remote";
        error(&link.spans.overhead, title, label.to_owned());
    }
    if link.delay.can_be_zero() {
        let title = "`link.delay_ms` can be 0, and messages of a living network take time";
        let label = "allowed: shortest delays above 0";
        error(&link.spans.delay, title.to_owned(), label.to_owned());
    }
    let timeout_us = match link.timeout {
        Delay::Constant(timeout_us) if timeout_us > 0 => timeout_us,
        _ => {
            let title = "a living network needs `link.timeout_ms` above 0".to_owned();
            let label = "allowed: a number of milliseconds above 0".to_owned();
            error(&link.spans.timeout, title, label);
            return errors;
        }
    };
    let longest_us = inputs.longest_contact_us(link).unwrap_or(0);
    if timeout_us < longest_us {
        let (timeout, longest) = (milliseconds(timeout_us), milliseconds(longest_us));
        let title = format!(
            "`link.timeout_ms` is {timeout}, and a contact of a living network can take {longest} ms"
        );
        error(
            &link.spans.timeout,
            title,
            format!("allowed: from {longest}"),
        );
    }
    errors
}

impl Reader<'_> {
    /// Reads what the link of the experiment is made of, as far as it can be read.
    pub(super) fn link(&mut self) -> LinkInputs {
        let section = &self.experiment.link;
        let errors = [&section.fast_error, &section.slow_error];
        let of_errors = errors.into_iter().flatten().map(|error| &error.delay);
        let drawn = match &section.delay {
            OneWay::Drawn(delay) => Some(delay),
            OneWay::ByRegion(_) => None,
        };
        let mut inputs = LinkInputs::default();
        for delay in drawn.into_iter().chain(of_errors) {
            if let Delay::Quantiles { path, span } = delay {
                match self.quantiles(path) {
                    Ok(quantiles) => {
                        inputs.quantiles.insert(path.clone(), quantiles);
                    }
                    Err(error) => self.error(span, error.to_string(), "named here"),
                }
            }
        }
        if let OneWay::ByRegion(regions) = &section.delay {
            inputs.world = self.world(regions);
        }
        inputs
    }

    pub(super) fn quantiles(&mut self, path: &Path) -> Result<Arc<Quantiles>, ImportError> {
        if let Some(quantiles) = self.files.quantiles.get(path) {
            return Ok(Arc::clone(quantiles));
        }
        let _line = self.reading(path);
        let quantiles = Arc::new(import::read_quantiles(path, self.watch)?);
        let known = Arc::clone(&quantiles);
        self.files.quantiles.insert(path.to_owned(), known);
        Ok(quantiles)
    }

    /// Reads the regions. Reports shares of regions that are not there.
    fn world(&mut self, section: &RegionsSection) -> Option<World> {
        let file = match self.files.regions.get(&section.source) {
            Some(file) => Arc::clone(file),
            None => {
                let place = (self.sources, &section.span);
                let read = file::read_regions(&section.source, place);
                let file = read.map_err(|wrong| self.errors.push(wrong)).ok()?;
                let file = Arc::new(file);
                let known = Arc::clone(&file);
                self.files.regions.insert(section.source.clone(), known);
                file
            }
        };
        let names = &file.names;
        let weights = match &section.weights {
            None => Some(file.weights.clone()),
            Some(weights) => self.by_region("link.delay_ms.weights", weights, names),
        };
        let clients = match &self.experiment.reachability.clients {
            ClientShares::OfAll(_) => Some(None),
            ClientShares::ByRegion(shares) => self
                .by_region("reachability.clients", shares, names)
                .map(Some),
        };
        Some(World {
            weights: weights?,
            clients: clients?,
            regions: Arc::new(Regions {
                cells: file.cells.clone(),
                count: names.len(),
                floor_us: section.floor_us,
            }),
            names: file.names.clone(),
        })
    }

    /// Returns a share for each region. Reports a region that is not there.
    fn by_region(
        &mut self,
        path: &str,
        shares: &RegionShares,
        names: &[String],
    ) -> Option<Vec<f64>> {
        let unknown = match shares.of(names) {
            Ok(shares) => return Some(shares),
            Err(unknown) => unknown,
        };
        let (title, label) = unknown.message(path, names);
        self.error(&unknown.span, title, label);
        None
    }
}
