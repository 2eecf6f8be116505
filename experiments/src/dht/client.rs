//! A node's own routing table and store, and its operations in the network.

use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::record::{OperationRow, Outcome, Request};

use super::{Connection, ConnectionError, Dht, NotHeld, RoutingTable, ms, table};

/// A node of the network (py-dht's `DHTClient`).
pub struct Client<'a> {
    pub(super) dht: &'a mut Dht,
    pub(super) id: i64,
    pub(super) row: Row,
}

/// Result of a lookup. `attempts = completed + abandoned`, `completed = succeeded + failed`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// The beta closest of the nodes heard of, nearest first.
    pub closest: Vec<i64>,
    /// Nodes contacted.
    pub attempts: u32,
    /// Contacts handled.
    pub completed: u32,
    /// Contacts handled that succeeded.
    pub succeeded: u32,
    /// Contacts handled that failed.
    pub failed: u32,
    /// Contacts in flight at the stop, their answers unused.
    pub abandoned: u32,
    /// Answers in the longest chain that led to a result; in a retrieve, in the chain that led to the holder.
    pub depth: u32,
    /// Nodes heard of.
    pub known: u32,
    /// Share of the network's beta closest online nodes that are in the result. `None` for a lookup that found its
    /// segment.
    pub recall: Option<f32>,
    /// Start, ms of the network's clock.
    pub start_ms: f64,
    /// Duration, ms.
    pub duration_ms: f64,
}

/// Result of a provide.
#[derive(Clone, Debug, PartialEq)]
pub struct Provided {
    /// The segment's key.
    pub key: Key,
    /// The nodes that hold it now, nearest to the key first.
    pub stored: Vec<i64>,
    /// The nodes where storing it failed, nearest to the key first.
    pub store_failed: Vec<i64>,
    /// Duration of the slowest store, ms.
    pub store_ms: f64,
    /// Duration of lookup and stores, ms.
    pub duration_ms: f64,
    /// The lookup before the stores.
    pub lookup: Lookup,
}

/// A segment that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrieved {
    /// Its bytes.
    pub payload: Arc<[u8]>,
    /// The node that the segment came from.
    pub holder: i64,
    /// Duration of the retrieve, ms; 0 if the client itself holds the segment.
    pub delay_ms: f64,
    /// The lookup that found it.
    pub lookup: Lookup,
}

/// A retrieve that ended without the segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Missed {
    /// Key of the segment.
    pub key: Key,
    /// Duration of the retrieve, ms.
    pub delay_ms: f64,
    /// The lookup that did not find it.
    pub lookup: Lookup,
}

/// Reason that a retrieve returns no segment.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RetrieveError {
    /// No node that was asked holds the segment.
    #[error("none of {} nodes asked answered with a segment of key {:#018x}", .0.lookup.completed, .0.key.0)]
    NotFound(Box<Missed>),
}

impl<'a> Client<'a> {
    /// Returns the node's id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Returns the node's key.
    pub fn key(&mut self) -> Key {
        let row = self.row;
        self.dht.network.read(|nodes| nodes.population.key(row))
    }

    /// Returns whether the node is online.
    pub fn is_online(&mut self) -> bool {
        let row = self.row;
        self.dht.network.is_online(row)
    }

    /// Returns the number of contacts sent to this node since the network was made.
    pub fn contacts(&mut self) -> u32 {
        let row = self.row;
        self.dht.network.contacts(row)
    }

    /// Returns the node's overhead since the last reset, ms, which is the cost of its last use.
    pub fn overhead_ms(&mut self) -> f64 {
        let (row, gamma_us) = (self.row, self.dht.network.overhead_us());
        let uses = self.dht.network.uses(row);
        (u128::from(gamma_us) * u128::from(uses)) as f64 / 1000.0
    }

    /// Fills the node's routing table from full knowledge of the network, and returns it. No other routing table
    /// changes.
    pub fn bootstrap(&mut self) -> RoutingTable {
        self.dht.network.bootstrap_node(self.row);
        self.routing_table()
    }

    /// Returns a copy of the node's routing table.
    pub fn routing_table(&mut self) -> RoutingTable {
        table::own(&mut self.dht.network, self.id, self.row)
    }

    /// Returns the k nodes of its own routing table that are closest to the key, nearest first.
    pub fn closest_nodes(&mut self, key: Key) -> Vec<i64> {
        let rows = self.dht.network.closest_nodes(self.row, key);
        self.dht.ids_of(&rows)
    }

    /// Contacts a node: see [`Dht::connect`].
    ///
    /// # Errors
    ///
    /// The link failed, or the remote does not exist or is offline.
    pub fn connect(self, to: i64) -> Result<Connection<'a>, ConnectionError> {
        self.dht.connect(self.id, to)
    }

    /// Looks up the nodes closest to a key.
    pub fn lookup(&mut self, key: Key) -> Lookup {
        let result = self.dht.network.lookup(self.row, key);
        let (operation, _) = self.dht.log.take(&mut self.dht.network);
        self.summed_up(&operation, &result)
    }

    /// Looks up the nodes closest to a segment's key and stores it there. Stores fail as contacts do.
    pub fn provide(&mut self, payload: &[u8]) -> Provided {
        let key = self.dht.keep(payload);
        let result = self.dht.network.provide(self.row, key);
        let (operation, connections) = self.dht.log.take(&mut self.dht.network);
        let has_failed = |id: &i64| {
            let mut stores = connections
                .iter()
                .filter(|row| row.request == Request::Store && row.to == *id);
            stores.any(|row| row.outcome != Outcome::Ok)
        };
        // The client stores a segment of its own without a connection.
        let nodes = self.dht.ids_of(&result);
        let (store_failed, stored) = nodes.into_iter().partition(has_failed);
        Provided {
            key,
            stored,
            store_failed,
            store_ms: ms(operation.store_us.unwrap_or(0)),
            duration_ms: ms(duration_us(&operation)),
            lookup: self.summed_up(&operation, &result),
        }
    }

    /// Retrieves a segment: from the node's own store, which takes no time, or else from the network.
    ///
    /// # Errors
    ///
    /// The lookup ended without the segment.
    pub fn retrieve(&mut self, key: Key) -> Result<Retrieved, RetrieveError> {
        let result = self.dht.network.retrieve(self.row, key);
        let (operation, _) = self.dht.log.take(&mut self.dht.network);
        let lookup = self.summed_up(&operation, &result);
        let delay_ms = lookup.duration_ms;
        match (operation.holder, self.dht.payloads.get(&key)) {
            (Some(holder), Some(payload)) => Ok(Retrieved {
                payload: payload.clone(),
                holder,
                delay_ms,
                lookup,
            }),
            _ => Err(RetrieveError::NotFound(Box::new(Missed {
                key,
                delay_ms,
                lookup,
            }))),
        }
    }

    /// Puts a segment into the node's own store and returns its key.
    pub fn store(&mut self, payload: &[u8]) -> Key {
        let key = self.dht.keep(payload);
        self.dht.network.store(self.row, key);
        key
    }

    /// Returns a segment of the node's own store.
    ///
    /// # Errors
    ///
    /// The node does not hold it.
    pub fn held(&mut self, key: Key) -> Result<Arc<[u8]>, NotHeld> {
        self.dht.held(self.row, key).ok_or(NotHeld {
            node: self.id,
            key,
            delay_ms: 0.0,
        })
    }

    fn summed_up(&mut self, operation: &OperationRow, result: &[Row]) -> Lookup {
        Lookup {
            closest: self.dht.ids_of(result),
            attempts: operation.attempts,
            completed: operation.completed,
            succeeded: operation.succeeded,
            failed: operation.failed,
            abandoned: operation.abandoned,
            depth: operation.depth,
            known: operation.known,
            recall: operation.recall,
            start_ms: ms(operation.start_us),
            duration_ms: ms(operation.lookup_us.unwrap_or(0)),
        }
    }
}

fn duration_us(operation: &OperationRow) -> u64 {
    operation
        .end_us
        .map_or(0, |end_us| end_us - operation.start_us)
}
