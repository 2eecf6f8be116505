//! The library face: a Kademlia network to talk to one call at a time, as py-dht's objects allow.
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
//! 2. Calls follow one another: each starts at the clock of the network and moves it to its end.
//!    Operations that run at the same time are what experiments are for ([`crate::run`]).
//! 3. Errors are values. What becomes of a call in the simulated world is one only where py-dht raises
//!    or returns nothing: a [`ConnectionError`], a [`RetrieveError`].
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

/// Why a network cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DhtError {
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The nodes, or parameters together, are impossible.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl From<Infallible> for DhtError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A simulated Kademlia network (py-dht's `DHTNetwork`). Several can live side by side.
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

    /// Adds a node to the running network, with a key made from its id. It can be contacted at once, its
    /// table is empty until it is bootstrapped, and nobody else's changes. Returns its key.
    ///
    /// # Errors
    ///
    /// The id exists already, or (imported networks) the key does; then nothing has changed.
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
    /// The id or the key exists already; then nothing has changed.
    pub fn add_node_with_key(&mut self, id: i64, key: Key) -> Result<(), NetworkError> {
        self.network.add_node(id, key).map(drop)
    }

    /// Takes a node off the network, or puts it back. Offline, it answers nobody; its table and its
    /// segments stay.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn set_online(&mut self, id: i64, online: bool) -> Result<(), NetworkError> {
        let row = self.row(id)?;
        self.network.set_online(row, online);
        Ok(())
    }

    /// A node, to act as (py-dht's `DHTClient`).
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn client(&mut self, id: i64) -> Result<Client<'_>, NetworkError> {
        let row = self.row(id)?;
        Ok(Client { dht: self, id, row })
    }

    /// Contacts node `to` from node `from`: draws what becomes of it, counts it at the remote, charges
    /// overhead to both, and logs it. The clock moves by what establishing it, or failing to, costs.
    ///
    /// # Errors
    ///
    /// The links failed, or nobody is there.
    pub fn connect(&mut self, from: i64, to: i64) -> Result<Connection<'_>, ConnectionError> {
        connection::connect(self, from, to)
    }

    /// Ids of all nodes, in no order.
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

    /// Number of nodes.
    pub fn len(&mut self) -> usize {
        self.network.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&mut self) -> bool {
        self.network.is_empty()
    }

    /// The n online nodes closest to the key by full knowledge, nearest first.
    pub fn true_closest(&mut self, key: Key, n: usize) -> Vec<i64> {
        let rows = self.network.true_closest(key, n);
        self.ids_of(&rows)
    }

    /// The table that a node would have if it were bootstrapped now; nobody's changes.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn best_table(&mut self, id: i64) -> Result<RoutingTable, NetworkError> {
        let row = self.row(id)?;
        Ok(table::best(&mut self.network, id, row))
    }

    /// The network's clock, ms.
    pub fn now_ms(&self) -> f64 {
        ms(self.network.now_us())
    }

    /// What has happened: see [`Summary`].
    pub fn summary(&mut self) -> Summary {
        let nodes = self.network.len() as u64;
        let online = self.network.online();
        self.log.summary(nodes, online, self.payloads.len() as u64)
    }

    /// Every connection since the last reset, in the order of sending within each call.
    pub fn connection_log(&self) -> ConnectionLog<'_> {
        self.log.entries()
    }

    /// Whether connections are logged one by one (they are, unless told otherwise): some 90 bytes each.
    /// The summary counts them all the same.
    pub fn keep_connection_log(&mut self, keep: bool) {
        self.log.keep(keep);
    }

    /// Forgets the connections, their counts included, and sets every overhead counter to zero. Clock,
    /// tables and segments stay.
    pub fn reset(&mut self) {
        self.reset_connection_log();
        self.reset_overhead();
    }

    /// Forgets the connections, their counts included.
    pub fn reset_connection_log(&mut self) {
        self.log.reset();
    }

    /// Sets every overhead counter to zero.
    pub fn reset_overhead(&mut self) {
        self.network.reset_overhead();
    }

    /// Forgets every segment that any node holds.
    pub fn clear_segments(&mut self) {
        self.network.clear_segments();
        self.payloads.clear();
    }

    /// The network below, for phases of operations.
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

    /// The payload of a key that a node holds.
    fn held(&mut self, row: Row, key: Key) -> Option<Arc<[u8]>> {
        if self.network.holds(row, key) {
            self.payloads.get(&key).cloned()
        } else {
            None
        }
    }
}

/// Microseconds as milliseconds: the double nearest to the exact value.
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}
