//! What nodes are and how they come and go in random experiments.

use std::collections::HashMap;
use std::sync::Arc;

use kadsim_engine::distribution::{
    Distribution, Exponential, Fixed, Lognormal, Quantiles, Weibull,
};
use kadsim_engine::key::Key;
use kadsim_engine::link::{Cell, Delay, Link, RegionLink, Regions, UniformLink};
use kadsim_engine::makeup::{Clients, Makeup, Region, Shares};
use kadsim_engine::presence::{Churn, Event, Leavers, Sessions, Start};
use kadsim_engine::random::{Probability, Purpose, Stream};
use kadsim_engine::routing::{Aging, Join, OnLeaving};
use kadsim_systems::network::Spec;

use super::case::{Case, any_delay, any_fault, pick};
use crate::properties::reference::Reference;
use crate::properties::reference::link::Links;
use crate::properties::reference::makeup::{self, ClientShares};
use crate::properties::reference::presence::{Churning, Stay};
use crate::properties::reference::tables::Tables;

/// Presence is known to the reference up to this time, µs.
const HORIZON_US: u64 = 400_000_000;

/// What the nodes of an experiment are, and how they come and go.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub seed: u64,
    pub makeup: makeup::Makeup,
    pub churn: Option<Churn>,
    pub aging: Aging,
    pub records: OnLeaving,
    pub answer: Option<u8>,
    /// Share of the entries of tables of the start that clients replace.
    pub clients_in_tables: f64,
    /// Presence is worked out up to this time at first, µs.
    pub horizon_us: u64,
    /// Whether rows have the columns of living runs.
    pub is_recorded: bool,
}

impl Life {
    /// Returns what a network is specified by beside what frozen networks need.
    pub fn spec(&self) -> Spec {
        Spec {
            makeup: self.engine_makeup(),
            churn: self.churn.clone(),
            aging: self.aging,
            records: self.records,
            answer: self.answer,
            clients_in_tables: Probability::new(self.clients_in_tables),
            horizon_us: self.horizon_us,
            ..Spec::default()
        }
    }

    /// Returns whether nodes may come and go.
    pub fn is_living(&self) -> bool {
        self.churn.as_ref().is_some_and(|churn| !churn.is_never())
    }

    fn engine_makeup(&self) -> Makeup {
        let shares = |shares: &[f64]| shares.iter().copied().map(Probability::new).collect();
        Makeup {
            network_seed: self.seed,
            classes: Shares::new(&self.makeup.classes),
            regions: Shares::new(&self.makeup.regions),
            clients: match &self.makeup.clients {
                ClientShares::None => Clients::None,
                ClientShares::Of(share) => Clients::Share(Probability::new(*share)),
                ClientShares::OfRegion(of) => Clients::OfRegion(shares(of)),
                ClientShares::OfClass(of) => Clients::OfClass(shares(of)),
            },
        }
    }

    /// Returns the links of the network.
    pub fn link(&self, links: &Links) -> Box<dyn Link> {
        match &links.regions {
            None => Box::new(links.uniform.clone()),
            Some(regions) => Box::new(RegionLink {
                regions: regions.clone(),
                makeup: self.engine_makeup(),
                link: links.uniform.clone(),
            }),
        }
    }

    /// Tells the reference what the nodes are and when they are online. `reference` knows their keys, and which of them are
    /// offline for the whole run.
    pub fn describe(&self, reference: &mut Reference) {
        let seed = self.seed;
        reference.makeup = self.makeup.clone();
        reference.records = self.records;
        reference.records_life = self.is_recorded;
        reference.clients_in_tables = self.clients_in_tables;
        if let Some(answer) = self.answer {
            reference.answer = usize::from(answer);
        }
        let keys = reference.keys.iter();
        reference.is_server = keys.map(|&key| self.makeup.is_server(seed, key)).collect();
        // Where no node leaves, tables stay as they were bootstrapped.
        reference.tables = Tables::Aging(match self.is_living() {
            true => self.aging,
            false => Aging::default(),
        });
        let Some(churn) = self.churn.clone().filter(|_| self.is_living()) else {
            return;
        };
        let churning = Churning {
            seed,
            makeup: self.makeup.clone(),
            churn,
            horizon_us: HORIZON_US,
        };
        let nodes = reference.keys.iter().zip(&*reference.stays);
        let stays: Vec<Vec<Stay>> = nodes
            .map(|(&key, before)| match before.is_empty() {
                true => Vec::new(),
                false => churning.stays(key),
            })
            .collect();
        reference.stays = stays.into();
        reference.known_us = HORIZON_US;
        reference.is_living = self.is_living();
    }
}

/// Draws a distribution of lengths around `scale_us`.
fn any_length(stream: &mut Stream, scale_us: f64) -> Arc<dyn Distribution> {
    match stream.below(6) {
        0 => Arc::new(Fixed { us: scale_us }),
        1 => Arc::new(Weibull {
            shape: pick(stream, &[0.5, 1.0, 3.0]),
            scale_us,
        }),
        2 => Arc::new(Lognormal {
            median_us: scale_us,
            sigma: pick(stream, &[0.1, 1.0]),
        }),
        3 => {
            let points = vec![
                (0.0, 0.1 * scale_us),
                (0.5, scale_us),
                (1.0, 5.0 * scale_us),
            ];
            Arc::new(Quantiles::new(points).unwrap())
        }
        _ => Arc::new(Exponential { mean_us: scale_us }),
    }
}

/// Draws how long nodes of a class stay and stay away.
fn any_sessions(stream: &mut Stream) -> Sessions {
    let scales_us = [60e3, 200e3, 1e6, 5e6, 60e6];
    let (session_us, absence_us) = (pick(stream, &scales_us), pick(stream, &scales_us));
    Sessions {
        session: (stream.below(8) > 0).then(|| any_length(stream, session_us)),
        absence: (stream.below(6) > 0).then(|| any_length(stream, absence_us)),
    }
}

/// Draws shares of a whole.
fn any_shares(stream: &mut Stream) -> Vec<f64> {
    pick(
        stream,
        &[vec![1.0], vec![0.5, 0.5], vec![0.25, 0.125, 0.625]],
    )
}

fn any_share(stream: &mut Stream) -> f64 {
    pick(stream, &[0.0, 0.1, 0.5, 1.0])
}

fn any_event(stream: &mut Stream, regions: usize) -> Event {
    let at_us = pick(stream, &[0, 1, 50_000, 400_000, 1_000_000, 5_000_000]);
    let for_us = pick(stream, &[1, 50_000, 350_000, 950_000, 20_000_000]);
    Event {
        at_us,
        leavers: match stream.below(3) {
            0 if regions > 0 => Leavers::Region(Region(stream.below(regions as u64) as u8)),
            _ => Leavers::Share(Probability::new(any_share(stream))),
        },
        for_us: (stream.below(4) > 0).then_some(for_us),
    }
}

/// Draws when each of some nodes is online.
fn any_trace(stream: &mut Stream, keys: &[Key]) -> HashMap<Key, Vec<(u64, u64)>> {
    let mut trace = HashMap::new();
    for &key in keys {
        if stream.below(8) == 0 {
            continue;
        }
        let mut stays = Vec::new();
        let mut from_us = pick(stream, &[0, 0, 0, 1, 300_000]);
        for _ in 0..1 + stream.below(12) {
            let (longest_us, absence_us) = (
                pick(stream, &[10, 300_000, 3_000_000]),
                pick(stream, &[1, 100_000, 1_000_000]),
            );
            let until_us = from_us + 1 + stream.below(longest_us);
            stays.push((from_us, until_us));
            from_us = until_us + 1 + stream.below(absence_us);
        }
        trace.insert(key, stays);
    }
    trace
}

impl Case {
    /// Draws an experiment in which nodes have regions and some are clients, and contacts take several messages.
    pub fn varied(seed: u64) -> Self {
        let case = Self::new(seed).overlapping(1 + (seed % 3) as usize);
        let stream = &mut Stream::from_state(seed ^ 0x7661_7269_6564);
        let classes = pick(stream, &[vec![], vec![], vec![0.5], vec![0.25, 0.5]]);
        let regions = match stream.below(3) {
            0 => Vec::new(),
            _ => any_shares(stream),
        };
        let clients = match stream.below(6) {
            0 => ClientShares::Of(any_share(stream)),
            1 if !regions.is_empty() => {
                ClientShares::OfRegion(regions.iter().map(|_| any_share(stream)).collect())
            }
            2 => ClientShares::OfClass((0..=classes.len()).map(|_| any_share(stream)).collect()),
            _ => ClientShares::None,
        };
        let links = any_links(stream, &case, regions.len());
        Self {
            nodes: pick(stream, &[3, 10, 30, 60]),
            links,
            overhead_us: 0,
            added: 0,
            offline_sixths: 0,
            offline: 0,
            forgets: stream.below(2) == 0,
            life: Some(Life {
                seed,
                makeup: makeup::Makeup {
                    classes,
                    regions,
                    clients,
                },
                answer: (stream.below(3) == 0).then(|| 1 + stream.below(20) as u8),
                clients_in_tables: any_share(stream),
                ..Life::default()
            }),
            ..case
        }
    }

    /// Draws an experiment in which nodes come and go.
    pub fn living(seed: u64) -> Self {
        let mut case = Self::varied(seed);
        let stream = &mut Stream::from_state(seed ^ 0x6c69_7669_6e67);
        let mut life = case.life.unwrap();
        let makeup = &life.makeup;
        let classes = 0..=makeup.classes.len();
        let mut churn = Churn {
            sessions: classes.map(|_| any_sessions(stream)).collect(),
            start: pick(
                stream,
                &[Start::Steady, Start::Steady, Start::Online, Start::Fresh],
            ),
            events: Vec::new(),
            trace: None,
        };
        for _ in 0..pick(stream, &[0, 0, 1, 2, 4]) {
            churn.events.push(any_event(stream, makeup.regions.len()));
        }
        if stream.below(6) == 0 {
            let key_seed = Stream::new(seed, Purpose::NodeKeys, 0, 0).bits();
            let keys = (0..u64::from(case.nodes)).map(|id| Key::of_node(id, key_seed));
            churn.trace = Some(Arc::new(any_trace(stream, &keys.collect::<Vec<_>>())));
        }
        life = Life {
            churn: Some(churn),
            aging: Aging {
                join: pick(stream, &[Join::Ideal, Join::None]),
                table: pick(stream, &OnLeaving::ALL),
                renewal_us: pick(
                    stream,
                    &[None, Some(1 << 14), Some(200_000), Some(3_000_000)],
                ),
            },
            records: pick(stream, &OnLeaving::ALL),
            horizon_us: pick(stream, &[0, 500_000, 10_000_000, 300_000_000]),
            is_recorded: stream.below(2) == 0,
            ..life
        };
        // Where no node leaves, origins are nodes that are there.
        if life.is_living() {
            case.offline_sixths = pick(stream, &[0, 0, 0, 1, 3]);
            case.offline = stream.below(3);
        }
        case.life = Some(life);
        case.links.uniform.gives_up = stream.below(8) > 0;
        case
    }
}

/// Draws links of one or more round trips, between regions or alike, whose answers are sometimes late.
fn any_links(stream: &mut Stream, case: &Case, regions: usize) -> Links {
    let delay = match stream.below(4) {
        0 => Delay::Lognormal(Lognormal {
            median_us: 20e3,
            sigma: 0.8,
        }),
        _ => any_delay(stream, 1),
    };
    let cells = |stream: &mut Stream| {
        let mut cells = vec![Cell::of_percentiles(1.0, 1.0); regions * regions];
        for one in 0..regions {
            for other in 0..=one {
                let median_us = pick(stream, &[1e3, 30e3, 100e3]);
                let cell = Cell::of_percentiles(median_us, median_us * pick(stream, &[1.0, 1.6]));
                cells[one * regions + other] = cell;
                cells[other * regions + one] = cell;
            }
        }
        cells
    };
    let timeouts_us = [5_000, 60_000, 100_000, 400_000, 1_000_000];
    Links {
        uniform: UniformLink {
            delay,
            fast_error: any_fault(stream, 1).filter(|_| stream.below(2) == 0),
            slow_error: any_fault(stream, 1).filter(|_| stream.below(2) == 0),
            timeout: match stream.below(4) {
                0 => any_delay(stream, 1),
                _ => Delay::Constant(pick(stream, &timeouts_us)),
            },
            gives_up: case.seed.is_multiple_of(3),
            jitter: (stream.below(3) == 0).then(|| Exponential {
                mean_us: pick(stream, &[0.5, 300.0, 20e3]),
            }),
            round_trips: pick(stream, &[1, 1, 2, 3]),
        },
        regions: (regions > 0 && stream.below(2) == 0).then(|| {
            Arc::new(Regions {
                cells: cells(stream),
                count: regions,
                floor_us: pick(stream, &[1, 5_000]),
            })
        }),
    }
}
