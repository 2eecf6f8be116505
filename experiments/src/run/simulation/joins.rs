//! Lets a network grow by joins, and counts whom its tables name.

use kadsim_systems::Network;
use kadsim_systems::record::phase_order::PhaseOrder;

use super::{Begun, Recorder, Simulation};
use crate::file::JOINS;
use crate::run::routing;

impl Simulation<'_> {
    /// Counts the routing tables that name each node, if that is wanted.
    pub(super) fn count_in_degrees(
        &mut self,
        number: u32,
        network: &mut Network,
    ) -> anyhow::Result<()> {
        if self.experiment.output.in_degree {
            self.in_degrees = Some(routing::count_in_degrees(network, self.watch)?);
            self.timing(number, JOINS, "in_degree", 1)?;
        }
        Ok(())
    }

    /// Lets the network grow by joins: a phase of its own, without operations.
    pub(super) fn join(&mut self, number: u32, network: &mut Network) -> anyhow::Result<()> {
        let place = self.experiment.phases.len();
        let last_us = network.last_comes_us().unwrap_or_default();
        let freshness_us = self.experiment.joins_freshness_us(last_us);
        self.summary.begin_phase(place, 0);
        let first = self.experiment.overlapping().next().unwrap_or_default();
        let starts = self.experiment.phases[first].iter();
        let later_us = starts.map(|phase| phase.start_us.unwrap_or(0)).min();
        network
            .begin_joins(place as u32, Some(freshness_us), later_us.unwrap_or(0))
            .map_err(|halt| self.explained(number, halt.into()))?;
        self.timing(number, JOINS, "tables", 1)?;
        let total = network.come().map_or(0, |(_, total)| total);
        let mut nodes = PhaseOrder::default();
        nodes.begin(place as u32);
        let mut recorder = Recorder {
            number,
            first: place,
            begun: vec![Begun {
                total: 0,
                all: None,
            }],
            nodes,
            bar: self.watch.nodes(&self.named(number, JOINS), total.into()),
            simulation: &mut *self,
        };
        let joined = network.run(&mut recorder);
        drop(recorder);
        joined.map_err(|error| self.explained(number, error))?;
        self.timings(number, JOINS, &network.take_timings())?;
        self.timing(number, JOINS, "phase", 1)?;
        self.recording(number, JOINS)
    }
}
