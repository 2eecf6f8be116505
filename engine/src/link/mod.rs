//! Links: whether a contact succeeds and how long it takes (arXiv 2402.09993, section 3).
//!
//! A model of links is one file that implements [`Link`]. It receives each contact with its origin, its remote and its
//! time, and states the shortest times that the length of a window follows from. To add a model, add its file and a line
//! here, and let `spec` in `experiments/src/inputs/spec.rs` make it from the experiment file.

mod delay;
mod uniform;

pub use delay::Delay;
pub use uniform::{Fault, UniformLink};

use bevy_ecs::resource::Resource;

use crate::node::{Overhead, Row};
use crate::record::Outcome;

/// A contact as it is sent: who contacts whom, and when. A model draws its fate from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Seed of the network.
    pub network_seed: u64,
    /// Number of the operation.
    pub operation: u64,
    /// Number of the contact in the operation, from 0. Stores follow lookups.
    pub sequence: u32,
    /// The origin.
    pub from: Row,
    /// The remote. `None`: no node has the id or the key that was asked for.
    pub to: Option<Row>,
    /// When it is sent, µs.
    pub time_us: u64,
}

/// Outcome and delay of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How the contact ended.
    pub outcome: Outcome,
    /// The delay drawn, µs. A successful contact takes it twice, a failed one once.
    pub base_delay_us: u64,
}

impl Fate {
    /// Returns the time from sending to completion, without overhead, µs. The request and the answer of a successful
    /// contact take one delay each.
    #[inline]
    pub fn cost_us(self) -> u64 {
        match self.outcome {
            Outcome::Ok => 2 * self.base_delay_us,
            _ => self.base_delay_us,
        }
    }

    /// Returns the time from sending to completion with the overhead of the origin and of the remote, µs.
    #[inline]
    pub fn total_us(self, (origin_us, remote_us): (u64, u64)) -> u64 {
        let cost_us = self.cost_us().saturating_add(origin_us);
        cost_us.saturating_add(remote_us)
    }
}

/// A model of the links between nodes.
///
/// A model is deterministic: equal attempts have equal fates. It draws from a [`Stream`](crate::random::Stream) that
/// begins with numbers of the attempt, so that neither threads nor order change a result.
pub trait Link: Send + Sync {
    /// Draws the fate of a contact. `reachable`: the remote is online.
    fn draw(&self, attempt: Attempt, reachable: bool) -> Fate;

    /// Returns the shortest time from sending any contact to its completion, µs, without overhead. `absences`: nodes may
    /// be offline.
    fn shortest_us(&self, absences: bool) -> u64;

    /// Returns the shortest one-way delay, µs. No request reaches a node sooner, and no answer comes back sooner.
    fn shortest_delay_us(&self) -> u64 {
        // A contact that succeeds costs two of them.
        self.shortest_us(false) / 2
    }
}

/// The network's links, and the overhead of using a node.
#[derive(Resource)]
pub struct Links {
    /// The model.
    pub link: Box<dyn Link>,
    /// Gamma: time that each use adds to the overhead of a node, µs. 0: no overhead, and no use is counted.
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
