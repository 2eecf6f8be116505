//! Links: whether a contact succeeds and how long it takes (arXiv 2402.09993, section 3).
//!
//! A model of links is one file that implements [`Link`]. It receives each contact with its origin, its remote and its
//! time, and states the shortest times that the length of a window follows from. `engine/README.md` lists the steps to
//! add a model.

mod delay;
mod regions;
mod uniform;

pub use delay::Delay;
pub use regions::{Cell, RegionLink, Regions};
pub use uniform::{Fault, UniformLink};

use bevy_ecs::resource::Resource;

use crate::node::Overhead;
use crate::population::Owner;
use crate::record::Outcome;

/// A contact as it is sent: its origin, its remote and its time. A model draws the fate of a contact from this and
/// from whether the remote answers when the request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Seed of the network.
    pub network_seed: u64,
    /// Number of the operation.
    pub operation: u64,
    /// Number of the contact in the operation, from 0. Stores follow lookups.
    pub sequence: u32,
    /// The origin.
    pub from: Owner,
    /// The remote. `None` if no node has the id or the key that the caller of the library contacts.
    pub to: Option<Owner>,
    /// When it is sent, µs.
    pub time_us: u64,
}

/// Outcome and delays of a contact, without overhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How the contact ends.
    pub outcome: Outcome,
    /// The delay drawn, µs: of one way if the contact succeeds, else from sending to failure.
    pub base_delay_us: u64,
    /// Time from sending until the request reaches the remote, µs. 0 if it does not.
    pub request_us: u64,
    /// Time that the answer takes to the origin, µs. 0 if there is none.
    pub answer_us: u64,
}

/// Overhead that is added to the delay of a contact, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Overhead of the origin.
    pub origin_us: u64,
    /// Overhead of the remote.
    pub remote_us: u64,
}

impl Fate {
    /// Returns that of a contact that succeeds, whose request and answer take one delay each.
    #[inline]
    pub fn answered(delay_us: u64) -> Self {
        Self {
            outcome: Outcome::Ok,
            base_delay_us: delay_us,
            request_us: delay_us,
            answer_us: delay_us,
        }
    }

    /// Returns that of a contact that fails `cost_us` after it was sent.
    #[inline]
    pub fn failed(outcome: Outcome, cost_us: u64) -> Self {
        Self {
            outcome,
            base_delay_us: cost_us,
            request_us: 0,
            answer_us: 0,
        }
    }

    /// Returns the time from sending to completion, without overhead, µs.
    #[inline]
    pub fn cost_us(self) -> u64 {
        match self.outcome {
            Outcome::Ok => self.request_us.saturating_add(self.answer_us),
            _ => self.base_delay_us,
        }
    }

    /// Returns the time from sending to completion, overhead included, µs.
    #[inline]
    pub fn total_us(self, charge: Charge) -> u64 {
        let cost_us = self.cost_us().saturating_add(charge.origin_us);
        cost_us.saturating_add(charge.remote_us)
    }
}

/// A model of the links between nodes.
///
/// A model is deterministic: equal attempts have equal fates. It draws from a [`Stream`](crate::random::Stream) that
/// begins with numbers of the attempt, so that neither threads nor order change a result.
pub trait Link: Send + Sync {
    /// Draws the fate of a contact. `answers` takes the time from sending to arrival, µs, and says whether
    /// the remote answers a request that arrives then.
    fn draw(&self, attempt: Attempt, answers: &dyn Fn(u64) -> bool) -> Fate;

    /// Returns the shortest time from sending any contact to its completion, µs, without overhead. `absences`
    /// says whether nodes may be offline.
    fn shortest_us(&self, absences: bool) -> u64;

    /// Returns the shortest one-way delay, µs. No request reaches a node sooner, and no answer comes back sooner.
    fn shortest_delay_us(&self) -> u64;
}

/// The network's links, and the overhead of using a node.
#[derive(Resource)]
pub struct Links {
    /// The model.
    pub link: Box<dyn Link>,
    /// Gamma: time that each use adds to the overhead of a node, µs. 0 for no overhead; uses are then not counted.
    pub overhead_us: u64,
}

impl Links {
    /// Returns whether uses of a node take time.
    #[inline]
    pub fn is_charged(&self) -> bool {
        self.overhead_us > 0
    }

    /// Counts a use of a node and returns its overhead, µs: n gamma for the n-th use. Returns more than
    /// [`LAST_US`](crate::time::LAST_US) where the overhead exceeds the clock, or the uses exceed their counter.
    #[inline]
    pub fn charge(&self, node: &mut Overhead) -> u64 {
        match self.overhead_us {
            0 => 0,
            gamma_us => match node.charge() {
                u32::MAX => u64::MAX,
                uses => gamma_us.saturating_mul(u64::from(uses)),
            },
        }
    }
}
