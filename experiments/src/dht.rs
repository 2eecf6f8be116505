//! The library interface: a Kademlia network that takes one call at a time, as py-dht's objects do.
//!
//! ```
//! use kadsim::dht::{Dht, Key, Settings};
//!
//! let mut dht = Dht::init(Settings { nodes: 1000, seed: 42, delay_ms: 50.0..=75.0, ..Settings::default() })?;
//! let provided = dht.client(17)?.provide(b"a sample");
//! assert_eq!(provided.key, Key::of_segment(b"a sample"));
//! let found = dht.client(4)?.retrieve(provided.key)?;
//! assert_eq!(&found.payload[..], b"a sample");
//! assert!(provided.stored.contains(&found.holder));
//! let lookup = dht.client(4)?.lookup(provided.key);
//! assert_eq!(lookup.closest, dht.true_closest(provided.key, 20));
//! let connection = dht.connect(4, found.holder)?;
//! assert!((50.0..=75.0).contains(&connection.delay_ms()));
//! println!("{} of {} connections succeeded", dht.summary().successful, dht.summary().attempts);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! 1. A [`Dht`] is a [`Network`] that names nodes by the user's ids, times in milliseconds, and keeps what
//!    the engine does not: payloads, once per network, and a log of connections. Nothing is global.
//! 2. Calls follow one another: each starts at the clock of the network and moves it to its end. Experiments run
//!    operations at the same time ([`crate::run`]).
//! 3. Errors are values. A failure in the simulated network is an error only where py-dht raises an exception or
//!    returns nothing: a [`ConnectionError`], a [`RetrieveError`].
#![doc = ""]
#![doc = include_str!("dht/coming_from_py_dht.md")]

mod client;
mod connection;
mod log;
mod settings;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use kadsim_engine::node::Row;
use kadsim_engine::random::{Purpose, Stream};

pub use kadsim_engine::key::{Distance, Key};
pub use kadsim_engine::record::{Outcome, Request};
pub use kadsim_systems::network::{NetworkError, NodeSet, Spec};

pub use client::{Client, Lookup, Missed, Provided, RetrieveError, Retrieved};
pub use connection::{
    ClosestNodes, Connection, ConnectionError, ConnectionErrorKind, NotHeld, Segment, Stored,
};
pub use log::{ConnectionLog, LoggedConnection, Summary};
pub use settings::{Settings, SettingsError};
pub use table::{Bucket, Member, RoutingTable};

use kadsim_systems::Network;
use kadsim_systems::network::read::NodesView;
use log::Log;

/// Reason that a network cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DhtError {
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The nodes are impossible, or parameters contradict each other.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl From<Infallible> for DhtError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A simulated Kademlia network (py-dht's `DHTNetwork`). Several networks are independent of each other.
pub struct Dht {
    network: Network,
    payloads: HashMap<Key, Arc<[u8]>>,
    log: Log,
}

impl Dht {
    /// Makes the nodes, with empty routing tables, from [`Settings`] or, for links of one's own, a [`Spec`].
    ///
    /// # Errors
    ///
    /// A setting out of range, settings that contradict each other, ids or keys that are not different.
    pub fn new<S>(spec: S) -> Result<Self, DhtError>
    where
        S: TryInto<Spec>,
        DhtError: From<S::Error>,
    {
        let mut network = Network::new(spec.try_into()?)?;
        network.recording().connections = true;
        Ok(Self {
            network,
            payloads: HashMap::new(),
            log: Log::default(),
        })
    }

    /// Makes the nodes and fills every routing table, on all cores (those of the current rayon pool).
    ///
    /// # Errors
    ///
    /// Those of [`Dht::new`].
    pub fn init<S>(spec: S) -> Result<Self, DhtError>
    where
        S: TryInto<Spec>,
        DhtError: From<S::Error>,
    {
        let mut dht = Self::new(spec)?;
        dht.bootstrap();
        Ok(dht)
    }

    /// Fills every node's routing table from full knowledge of the network, on all cores.
    pub fn bootstrap(&mut self) {
        self.network.bootstrap();
    }

    /// Adds a node to the running network, with a key made from its id. Other nodes can contact it at once. Its routing
    /// table is empty until it is bootstrapped, and no other routing table changes. Returns its key.
    ///
    /// # Errors
    ///
    /// The id exists already, or the key does, in an imported network. The network is then unchanged.
    pub fn add_node(&mut self, id: i64) -> Result<Key, NetworkError> {
        let of_network = self.network.read(|NodesView { ids, .. }| ids.key_seed());
        let key_seed = of_network
            .unwrap_or_else(|| Stream::new(self.network.seed(), Purpose::NodeKeys, 0, 0).bits());
        // The mix is over 64 bits, so negative ids have keys of their own too.
        let key = Key::of_node(id as u64, key_seed);
        self.add_node_with_key(id, key)?;
        Ok(key)
    }

    /// Adds a node with a key of its own: see [`Dht::add_node`].
    ///
    /// # Errors
    ///
    /// The id or the key exists already. The network is then unchanged.
    pub fn add_node_with_key(&mut self, id: i64, key: Key) -> Result<(), NetworkError> {
        self.network.add_node(id, key).map(drop)
    }

    /// Takes a node offline, or back online. An offline node answers no request and keeps its routing table and
    /// segments.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn set_online(&mut self, id: i64, online: bool) -> Result<(), NetworkError> {
        let row = self.row(id)?;
        self.network.set_online(row, online);
        Ok(())
    }

    /// Returns a handle to a node (py-dht's `DHTClient`).
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn client(&mut self, id: i64) -> Result<Client<'_>, NetworkError> {
        let row = self.row(id)?;
        Ok(Client { dht: self, id, row })
    }

    /// Contacts node `to` from node `from`: draws the outcome, counts the contact at the remote, charges overhead to
    /// both nodes, and logs the connection. The clock advances by the time that establishing it takes, or its failure.
    ///
    /// # Errors
    ///
    /// The link failed, or the remote does not exist or is offline.
    pub fn connect(&mut self, from: i64, to: i64) -> Result<Connection<'_>, ConnectionError> {
        connection::connect(self, from, to)
    }

    /// Returns the ids of all nodes, in no order.
    pub fn nodes(&mut self) -> Vec<i64> {
        self.network.read(
            |NodesView {
                 population, ids, ..
             }| {
                let keys = population.keys();
                (0..keys.len() as u32)
                    .map(|row| ids.id(Row(row), keys))
                    .collect()
            },
        )
    }

    /// Returns the number of nodes.
    pub fn len(&mut self) -> usize {
        self.network.len()
    }

    /// Returns whether the network has no node.
    pub fn is_empty(&mut self) -> bool {
        self.network.is_empty()
    }

    /// Returns the n online nodes closest to the key in the whole network, nearest first.
    pub fn true_closest(&mut self, key: Key, n: usize) -> Vec<i64> {
        let rows = self.network.true_closest(key, n);
        self.ids_of(&rows)
    }

    /// Returns the routing table that bootstrapping would give a node now. Changes no routing table.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn best_table(&mut self, id: i64) -> Result<RoutingTable, NetworkError> {
        let row = self.row(id)?;
        Ok(table::best(&mut self.network, id, row))
    }

    /// Returns the network's clock, ms.
    pub fn now_ms(&self) -> f64 {
        ms(self.network.now_us())
    }

    /// Returns counts of nodes, segments and connections.
    pub fn summary(&mut self) -> Summary {
        let nodes = self.network.len() as u64;
        let online = self.network.online();
        self.log.summary(nodes, online, self.payloads.len() as u64)
    }

    /// Returns every connection since the last reset, in the order of sending within each call.
    pub fn connection_log(&self) -> ConnectionLog<'_> {
        self.log.entries()
    }

    /// Turns the log of single connections on, which is the default, or off. A logged connection takes some 90 bytes.
    /// The summary counts connections in either case.
    pub fn keep_connection_log(&mut self, keep: bool) {
        self.log.keep(keep);
    }

    /// Clears the connection log and its counts, and sets every overhead counter to zero. Clock, routing tables and
    /// segments stay.
    pub fn reset(&mut self) {
        self.reset_connection_log();
        self.reset_overhead();
    }

    /// Clears the connection log and its counts.
    pub fn reset_connection_log(&mut self) {
        self.log.reset();
    }

    /// Sets every overhead counter to zero.
    pub fn reset_overhead(&mut self) {
        self.network.reset_overhead();
    }

    /// Removes every segment from every node.
    pub fn clear_segments(&mut self) {
        self.network.clear_segments();
        self.payloads.clear();
    }

    /// Returns the underlying network, for phases of operations.
    pub fn into_network(self) -> Network {
        self.network
    }

    fn row(&mut self, id: i64) -> Result<Row, NetworkError> {
        self.network.row(id).ok_or(NetworkError::UnknownNode(id))
    }

    fn ids_of(&mut self, rows: &[Row]) -> Vec<i64> {
        self.network.read(
            |NodesView {
                 population, ids, ..
             }| {
                rows.iter()
                    .map(|&row| ids.id(row, population.keys()))
                    .collect()
            },
        )
    }

    /// Keeps a payload and returns its key.
    fn keep(&mut self, payload: &[u8]) -> Key {
        let key = Key::of_segment(payload);
        self.payloads.entry(key).or_insert_with(|| payload.into());
        key
    }

    /// Returns the payload of a key, if the node holds it.
    fn held(&mut self, row: Row, key: Key) -> Option<Arc<[u8]>> {
        if self.network.holds(row, key) {
            self.payloads.get(&key).cloned()
        } else {
            None
        }
    }
}

/// Converts microseconds to milliseconds: the double nearest to the exact value.
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}
