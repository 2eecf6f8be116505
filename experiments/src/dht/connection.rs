//! A single connection between two nodes.
//!
//! Establishing a connection costs one drawn delay. Each request over it costs the same delay again, and the overhead
//! of both ends, as in py-dht. So connecting and one request together are one contact of a lookup.

use std::fmt;
use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::record::{ConnectionRow, Outcome, Purpose, Request};
use kadsim_systems::network::single::Single;

use super::{Dht, ms};

/// An established connection (py-dht's `Connection`).
pub struct Connection<'a> {
    dht: &'a mut Dht,
    to: i64,
    row: Row,
    single: Single,
    requests: u32,
}

/// Reason that a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("node {from} cannot reach node {to}: {kind}")]
pub struct ConnectionError {
    /// The origin.
    pub from: i64,
    /// The remote.
    pub to: i64,
    /// Kind of failure.
    pub kind: ConnectionErrorKind,
    /// Time that the failure took, overhead included, ms.
    pub delay_ms: f64,
}

/// Kind of failure of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionErrorKind {
    /// Failed fast, as a refused connection does.
    Fast,
    /// Failed slowly, as a timeout does.
    Slow,
    /// The remote does not exist or is offline.
    NotFound,
    /// The origin does not exist. Nothing is sent or logged.
    UnknownOrigin,
}

impl fmt::Display for ConnectionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast error",
            Self::Slow => "slow error",
            Self::NotFound => "not found",
            Self::UnknownOrigin => "there is no such origin",
        })
    }
}

/// Answer to a request for the nodes closest to a key.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosestNodes {
    /// The k nodes of the remote's routing table closest to the key, nearest first.
    pub nodes: Vec<i64>,
    /// The segment of that key, if the remote holds it.
    pub payload: Option<Arc<[u8]>>,
    /// What the request cost, ms.
    pub delay_ms: f64,
}

/// Answer to a store: the remote holds the segment now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// Its key.
    pub key: Key,
    /// What the request cost, ms.
    pub delay_ms: f64,
}

/// Answer to a request for a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its bytes.
    pub payload: Arc<[u8]>,
    /// What the request cost, ms.
    pub delay_ms: f64,
}

/// Error: a node does not hold a segment.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("node {node} does not hold a segment of key {key:#018x}", key = .key.0)]
pub struct NotHeld {
    /// The node.
    pub node: i64,
    /// The key.
    pub key: Key,
    /// Time that the request took, ms.
    pub delay_ms: f64,
}

pub(super) fn connect(
    dht: &mut Dht,
    from: i64,
    to: i64,
) -> Result<Connection<'_>, ConnectionError> {
    let Some(origin) = dht.network.row(from) else {
        return Err(ConnectionError {
            from,
            to,
            kind: ConnectionErrorKind::UnknownOrigin,
            delay_ms: 0.0,
        });
    };
    let remote = dht.network.row(to);
    let single = dht.network.contact(origin, remote);
    dht.log.push(ConnectionRow {
        network: dht.network.recording().network,
        phase: 0,
        operation: single.operation,
        sequence: 0,
        time_us: single.time_us,
        from,
        to,
        request: Request::Lookup,
        outcome: single.fate.outcome,
        base_delay_us: single.fate.base_delay_us,
        origin_overhead_us: single.origin_overhead_us,
        remote_overhead_us: single.remote_overhead_us,
        total_delay_us: single.total_us(),
        purpose: Purpose::User,
    });
    let kind = match (single.fate.outcome, remote) {
        (Outcome::Ok, Some(row)) => {
            dht.network.wait(single.fate.base_delay_us);
            return Ok(Connection {
                dht,
                to,
                row,
                single,
                requests: 0,
            });
        }
        (Outcome::FastError, _) => ConnectionErrorKind::Fast,
        (Outcome::SlowError, _) => ConnectionErrorKind::Slow,
        (Outcome::NotFound | Outcome::Late | Outcome::Ok, _) => ConnectionErrorKind::NotFound,
    };
    let cost_us = single.total_us();
    dht.network.wait(cost_us);
    Err(ConnectionError {
        from,
        to,
        kind,
        delay_ms: ms(cost_us),
    })
}

impl Connection<'_> {
    /// Returns the id of the remote.
    pub fn to(&self) -> i64 {
        self.to
    }

    /// Returns the time that establishing the connection took, ms: the drawn delay.
    pub fn delay_ms(&self) -> f64 {
        ms(self.single.fate.base_delay_us)
    }

    /// Returns the time of each request, ms: the same delay and the overhead of both ends.
    pub fn request_ms(&self) -> f64 {
        ms(self.request_us())
    }

    /// Returns the part of a request's time that the origin's overhead adds, ms.
    pub fn origin_overhead_ms(&self) -> f64 {
        ms(self.single.origin_overhead_us)
    }

    /// Returns the part of a request's time that the remote's overhead adds, ms.
    pub fn remote_overhead_ms(&self) -> f64 {
        ms(self.single.remote_overhead_us)
    }

    /// Asks the remote for the nodes of its routing table closest to a key, and for the segment if it holds it.
    pub fn closest_nodes(&mut self, key: Key) -> ClosestNodes {
        let delay_ms = self.request();
        let rows = self.dht.network.closest_nodes(self.row, key);
        ClosestNodes {
            nodes: self.dht.ids_of(&rows),
            payload: self.dht.held(self.row, key),
            delay_ms,
        }
    }

    /// Stores a segment at the remote.
    pub fn store(&mut self, payload: &[u8]) -> Stored {
        if self.requests == 0 {
            self.dht.log.mark_store(self.single.operation);
        }
        let delay_ms = self.request();
        let key = self.dht.keep(payload);
        self.dht.network.store(self.row, key);
        Stored { key, delay_ms }
    }

    /// Asks the remote for a segment.
    ///
    /// # Errors
    ///
    /// The remote does not hold it.
    pub fn retrieve(&mut self, key: Key) -> Result<Segment, NotHeld> {
        let delay_ms = self.request();
        let payload = self.dht.held(self.row, key).ok_or(NotHeld {
            node: self.to,
            key,
            delay_ms,
        })?;
        Ok(Segment { payload, delay_ms })
    }

    fn request_us(&self) -> u64 {
        self.single.total_us() - self.single.fate.base_delay_us
    }

    /// Advances the clock by the time of a request, and returns that time, ms.
    fn request(&mut self) -> f64 {
        self.requests += 1;
        let us = self.request_us();
        self.dht.network.wait(us);
        ms(us)
    }
}
