//! A connection between two nodes, by hand.
//!
//! Establishing it costs one draw of the delay, each request over it the same draw again and the overhead
//! of both ends, as in py-dht: connecting and asking once is one contact of a lookup.

use std::fmt;
use std::sync::Arc;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::record::{ConnectionRow, Outcome, Request};
use kadsim_systems::network::single::Single;

use super::{Dht, ms};

/// A connection that was established (py-dht's `Connection`).
pub struct Connection<'a> {
    dht: &'a mut Dht,
    to: i64,
    row: Row,
    single: Single,
    requests: u32,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("node {from} cannot reach node {to}: {kind}")]
pub struct ConnectionError {
    /// The node that tried.
    pub from: i64,
    /// The node it tried to contact.
    pub to: i64,
    /// What happened.
    pub kind: ConnectionErrorKind,
    /// What it cost, overhead included, ms.
    pub delay_ms: f64,
}

/// What happened to a connection that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionErrorKind {
    /// Failed soon, as a refused connection does.
    Fast,
    /// Failed late, as a timeout does.
    Slow,
    /// The remote does not exist or is offline.
    NotFound,
    /// The node that was to connect does not exist: nothing was sent, nothing logged.
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

/// The answer to a request for the nodes closest to a key.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosestNodes {
    /// The k nodes of the remote's table closest to the key, nearest first.
    pub nodes: Vec<i64>,
    /// The segment of that key, if the remote holds it.
    pub payload: Option<Arc<[u8]>>,
    /// What the request cost, ms.
    pub delay_ms: f64,
}

/// A segment that the remote holds now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// Its key.
    pub key: Key,
    /// What the request cost, ms.
    pub delay_ms: f64,
}

/// A segment that the remote gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its bytes.
    pub payload: Arc<[u8]>,
    /// What the request cost, ms.
    pub delay_ms: f64,
}

/// A node does not hold a segment.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("node {node} does not hold a segment of key {key:#018x}", key = .key.0)]
pub struct NotHeld {
    /// The node.
    pub node: i64,
    /// The key.
    pub key: Key,
    /// What asking cost, ms.
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
        (Outcome::NotFound | Outcome::Ok, _) => ConnectionErrorKind::NotFound,
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
    /// The remote.
    pub fn to(&self) -> i64 {
        self.to
    }

    /// What establishing it cost, ms: the draw of the delay.
    pub fn delay_ms(&self) -> f64 {
        ms(self.single.fate.base_delay_us)
    }

    /// What each request costs, ms: the same draw, and the overhead of both ends.
    pub fn request_ms(&self) -> f64 {
        ms(self.request_us())
    }

    /// What the origin's overhead adds to a request, ms.
    pub fn origin_overhead_ms(&self) -> f64 {
        ms(self.single.origin_overhead_us)
    }

    /// What the remote's overhead adds to a request, ms.
    pub fn remote_overhead_ms(&self) -> f64 {
        ms(self.single.remote_overhead_us)
    }

    /// Asks the remote for the nodes of its table that are closest to a key, and the segment if it holds it.
    pub fn closest_nodes(&mut self, key: Key) -> ClosestNodes {
        let delay_ms = self.request();
        let rows = self.dht.network.closest_nodes(self.row, key);
        ClosestNodes {
            nodes: self.dht.ids_of(&rows),
            payload: self.dht.held(self.row, key),
            delay_ms,
        }
    }

    /// Gives the remote a segment to hold.
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
    /// It does not hold it.
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

    /// Lets the time of a request pass and returns it, ms.
    fn request(&mut self) -> f64 {
        self.requests += 1;
        let us = self.request_us();
        self.dht.network.wait(us);
        ms(us)
    }
}
