//! Networks that grow by joins, one node after the other, before the first phase.
//!
//! The joins are a phase of their own. It has no operations of users. It ends when the last node has joined and all requests
//! that were on their way at that moment have arrived, so that who leaves when the first phase starts does so in no
//! contact's way: what a contact meets is known when it is sent.

use bevy_ecs::prelude::*;

use kadsim_engine::counts::Counts;
use kadsim_engine::node::Row;
use kadsim_engine::presence::{Churn, Growth, Sessions, Timelines, TooManyChanges};
use kadsim_engine::record::Kind;

use super::run_loop::Observer;
use super::{Network, NetworkError, REGISTERED};
use crate::events::{self, Chunks};
use crate::halt::Halt;
use crate::phases::{Accounting, NoOperations, Phase, Phases};
use crate::window::Window;

/// How a network grows by joins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joins {
    /// Time from the start of the first phase up to which presence is worked out at first, µs.
    pub(super) horizon_us: u64,
    /// Whether nodes have begun to join.
    pub(super) have_begun: bool,
    /// When the first phase may start, µs; 0 until that is known.
    pub(super) first_us: u64,
    /// Time after that at which it starts, µs.
    pub(super) later_us: u64,
}

impl Network {
    /// Draws the order in which nodes join. Without `churn`, none leaves afterwards.
    pub(super) fn grow(
        &mut self,
        doubling_us: u64,
        churn: Option<Churn>,
        horizon_us: u64,
    ) -> Result<(), NetworkError> {
        let makeup = self.living().makeup.clone();
        let nobody_leaves = || Churn {
            sessions: vec![Sessions::default(); makeup.classes.len() + 1],
            ..Churn::default()
        };
        let timelines = self.read(|nodes| {
            let (keys, presence) = (nodes.columns.keys, nodes.columns.presence);
            let growth = Growth::new(doubling_us, &makeup, keys, presence)?;
            let churn = churn.unwrap_or_else(nobody_leaves);
            let timelines = Timelines::growing(growth, churn, makeup.clone(), keys, presence)?;
            Ok::<_, NetworkError>(timelines)
        })?;
        self.set_timelines(timelines);
        self.absences = true;
        self.joins = Some(Joins {
            horizon_us,
            have_begun: false,
            first_us: 0,
            later_us: 0,
        });
        Ok(())
    }

    /// Returns whether the network grows by joins.
    pub fn is_joined(&self) -> bool {
        self.joins.is_some()
    }

    /// Returns the moment from which the times of phases and of churn count, µs: when the network has grown by joins,
    /// else 0.
    pub fn first_us(&self) -> u64 {
        self.joins.map_or(0, |joins| joins.first_us)
    }

    /// Returns how many nodes have come, and how many will have in the end, while a network grows by joins.
    pub fn come(&self) -> Option<(u32, u32)> {
        let growth = self.living().timelines.growing_by()?;
        let until_us = self.world.resource::<Window>().until_us;
        Some((growth.come_by(until_us.saturating_sub(1)), growth.nodes()))
    }

    /// Returns when the last node comes, µs, while a network grows by joins.
    pub fn last_comes_us(&self) -> Option<u64> {
        let growth = self.living().timelines.growing_by()?;
        Some(growth.last_us())
    }

    /// Begins the phase in which a network grows by joins, with a number for the tables; [`Network::run`] drives it to its
    /// end. Routing tables are counted every `freshness_us`, if that is given.
    ///
    /// The phase counts maintenance until the first phase starts, which is `later_us` after the network has grown
    /// ([`Network::first_us`]). If that is not 0, its last rows wait until then.
    ///
    /// # Errors
    ///
    /// Nodes come and leave more often than can be kept.
    ///
    /// # Panics
    ///
    /// If the network does not grow by joins, or has begun to.
    pub fn begin_joins(
        &mut self,
        number: u32,
        freshness_us: Option<u64>,
        later_us: u64,
    ) -> Result<(), Halt> {
        let joins = self.joins.as_mut();
        let joins = joins.expect("the network grows by joins");
        assert!(!joins.have_begun, "a network grows once");
        joins.have_begun = true;
        joins.later_us = later_us;
        self.world
            .run_system_cached(events::prepare)
            .expect(REGISTERED);
        let phase = Phase {
            number,
            kind: Kind::default(),
            source: Box::new(NoOperations),
            operations: 0,
            parallel: None,
            start_us: 0,
            duration_us: 0,
            max_us: None,
            freshness_us,
        };
        let started = Counts::new(self.len(), 0);
        let slot = self.open_phase(phase, Accounting::Full, started);
        self.world.resource_mut::<Phases>().await_joins(slot);
        let last = self.living().timelines.growing_by();
        if last.is_none_or(|growth| growth.last().is_none()) {
            self.settle(0)?;
        }
        Ok(())
    }

    /// Returns whether every node has joined, or none has to.
    pub(super) fn have_all_joined(&self) -> bool {
        self.joins.is_none_or(|joins| joins.first_us > 0)
    }

    /// Lets the network grow by joins, unless it has. Nothing of it is recorded.
    ///
    /// # Panics
    ///
    /// If the network halts: no node answers the last one, or nodes come and leave more often than can be kept.
    pub(super) fn join_all(&mut self) {
        if self.joins.is_some_and(|joins| joins.have_begun) {
            return;
        }
        let begun = self.begin_joins(0, None, 0);
        if let Err(halt) = begun.and_then(|()| self.run(&mut Unrecorded)) {
            // `Instant + Duration` panics likewise.
            panic!("{halt}");
        }
    }

    /// Returns the time before which the last node does not come to the end of its join, µs; `None` if no node is to join.
    pub(super) fn joins_until_us(&self) -> Option<u64> {
        let growth = self.living().timelines.growing_by()?;
        let last = growth.last()?;
        let chunk = self.world.resource::<Chunks>().of(last);
        Some(
            chunk
                .join_goes_on_until_us(last)
                .unwrap_or(growth.last_us()),
        )
    }

    /// The last node has joined at `joined_us`: decides when the first phase may start. Sessions begin then, and who is to be
    /// offline leaves.
    ///
    /// # Errors
    ///
    /// Nodes come and leave more often than can be kept.
    pub(super) fn settle(&mut self, joined_us: u64) -> Result<(), TooManyChanges> {
        let arrived_us = self.world.resource::<Chunks>().last_arrival_us();
        let end_us = joined_us.max(arrived_us.unwrap_or(0));
        let first_us = end_us.saturating_add(1);
        let Some(joins) = &mut self.joins else {
            return Ok(());
        };
        joins.first_us = first_us;
        let shift_us = end_us.saturating_add(joins.later_us);
        let horizon_us = first_us.saturating_add(joins.horizon_us);
        let mut timelines = self.living().timelines.clone();
        let leaves: Vec<(Row, u64)> = self.read(|nodes| {
            let (keys, presence) = (nodes.columns.keys, nodes.columns.presence);
            timelines.settle(first_us, keys, presence, horizon_us)?;
            let rows = (0..keys.len() as u32).map(Row);
            let joined = rows.filter(|row| presence[row.index()].is_online());
            let leaves = joined.filter_map(|row| {
                let change_us = timelines.change_after(row, keys[row.index()], end_us);
                change_us.map(|leaves_us| (row, leaves_us))
            });
            Ok::<_, TooManyChanges>(leaves.collect())
        })?;
        self.set_timelines(timelines);
        self.world.resource_mut::<Chunks>().expect_leaves(&leaves);
        self.world
            .resource_mut::<Phases>()
            .end_joins(end_us, shift_us);
        Ok(())
    }
}

/// An observer that drops what is recorded.
struct Unrecorded;

impl Observer for Unrecorded {
    type Error = Halt;

    fn recorded(&mut self, network: &mut Network) -> Result<(), Halt> {
        network.recorded().clear();
        Ok(())
    }
}
