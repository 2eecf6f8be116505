//! How tables and records follow who is online.

use bevy_ecs::prelude::*;

use kadsim_engine::random::Probability;
use kadsim_engine::routing::{Aging, OnLeaving};

/// What churn does to routing tables and records.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Living {
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
    /// Returns whether records are looked after: they expire or are provided again.
    pub fn are_records_kept(&self) -> bool {
        self.ttl_us.is_some() || self.republish_us.is_some()
    }
}
