//! Who is online when, and how tables and records follow.

use bevy_ecs::prelude::*;

use kadsim_engine::makeup::Makeup;
use kadsim_engine::node::{Presence, Row};
use kadsim_engine::population::Population;
use kadsim_engine::presence::Timelines;
use kadsim_engine::random::Probability;
use kadsim_engine::routing::{Aging, Members, OnLeaving};

/// The nodes' presence and makeup, and what churn does to routing tables and records. Never changed by a step.
///
/// It is one resource because most systems that read a part of it read the rest too, and each resource that a system fetches
/// costs time in every step.
#[derive(Resource, Clone, Debug, Default)]
pub struct Living {
    /// Who is online when.
    pub timelines: Timelines,
    /// What the nodes are.
    pub makeup: Makeup,
    /// Number of the nodes that are not offline for the whole run.
    pub online: u64,
    /// How routing tables follow who is online.
    pub aging: Aging,
    /// What becomes of a holder's records when it leaves.
    pub records: OnLeaving,
    /// How long a record is held after its publication, µs; `None`: for ever.
    pub ttl_us: Option<u64>,
    /// Time after the start of a provide after which its origin provides again, µs; `None`: never.
    pub republish_us: Option<u64>,
    /// Share of the entries of bootstrapped tables that are replaced by clients of the same range.
    pub clients_in_tables: Probability,
}

impl Living {
    /// Returns whether records expire or are provided again.
    pub fn are_records_kept(&self) -> bool {
        self.ttl_us.is_some() || self.republish_us.is_some()
    }

    /// Returns whether bootstrapped tables may leave out nodes.
    pub fn has_absent_members(&self) -> bool {
        self.timelines.are_living() || self.makeup.has_clients()
    }

    /// Returns the nodes that tables name, the servers that are online at the start, and those that have a table, all nodes
    /// that are. Nodes that are offline for the whole run count as online at the start: tables name them.
    pub fn members_at_start(&self, population: &Population, presence: &[Presence]) -> Members {
        let rows = || (0..presence.len()).map(|row| Row(row as u32));
        let is_there = |row: &Row| {
            !self.timelines.are_living()
                || !presence[row.index()].is_online()
                || self.timelines.is_online_at_start(*row)
        };
        let is_server = |row: &Row| self.makeup.is_server(population.key(*row));
        let share = self.clients_in_tables;
        let clients = match share.is_possible() {
            true => rows().filter(|row| !is_server(row)).collect(),
            false => Vec::new(),
        };
        let has_table = rows().filter(is_there);
        let is_member = has_table.clone().filter(is_server).map(Row::index);
        let is_member = is_member.collect();
        let has_table = has_table.map(Row::index).collect();
        Members::new(population, is_member, has_table, clients, share)
    }
}
