//! Who is online when, for those who draw origins and keys of operations before these start.

use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::makeup::Makeup;
use kadsim_engine::node::Row;
use kadsim_engine::presence::Timelines;

use super::{Network, NetworkError};

/// Who is online when, and which nodes answer. It is a function of (seed, network, node), so that it goes with no state of
/// the network. Only for nodes that are not offline for the whole run.
#[derive(Clone, Debug)]
pub struct Presences {
    timelines: Timelines,
    makeup: Makeup,
    keys: Arc<[Key]>,
}

impl Presences {
    /// Returns the key of a node.
    pub fn key(&self, row: Row) -> Key {
        self.keys[row.index()]
    }

    /// Returns whether a node is online at `at_us`, changes of that moment included.
    pub fn is_online(&self, row: Row, at_us: u64) -> bool {
        !self.timelines.are_living() || self.timelines.is_online(row, &self.keys, at_us)
    }

    /// Returns whether a node is online at `at_us` and answers requests.
    pub fn answers(&self, row: Row, at_us: u64) -> bool {
        self.is_online(row, at_us) && self.makeup.is_server(self.key(row))
    }
}

impl Network {
    /// Returns whether nodes may come or leave.
    pub fn is_living(&self) -> bool {
        self.living().timelines.are_living()
    }

    /// Returns who is online when. Times up to `horizon_us` are looked up, later ones are drawn anew at each question. Cost:
    /// 8 bytes a node, and O(changes) where the network has not kept them so far.
    ///
    /// # Errors
    ///
    /// More than 2³¹ changes up to the horizon.
    pub fn presences(&mut self, horizon_us: u64) -> Result<Presences, NetworkError> {
        self.know_presence(horizon_us)?;
        let keys = self.read(|nodes| nodes.columns.keys.into());
        Ok(Presences {
            timelines: self.living().timelines.clone(),
            makeup: self.living().makeup.clone(),
            keys,
        })
    }
}
