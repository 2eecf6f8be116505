//! Log and counts of connections.

use std::mem;

use kadsim_engine::record::{ConnectionRow, OperationRow, Outcome, Request};
use kadsim_systems::Network;

use super::ms;

/// Counts of a network (py-dht's `summary`), of connections since the last reset: `attempts = successful +
/// failures`, `failures = fast_errors + slow_errors + not_found`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Nodes.
    pub nodes: u64,
    /// Online nodes.
    pub online: u64,
    /// Different segments stored through this interface.
    pub segments: u64,
    /// Connections sent, abandoned ones included.
    pub attempts: u64,
    /// Connections that succeeded.
    pub successful: u64,
    /// Connections that failed.
    pub failures: u64,
    /// Connections that failed fast.
    pub fast_errors: u64,
    /// Connections that failed slowly.
    pub slow_errors: u64,
    /// Connections to nodes that do not exist or are offline.
    pub not_found: u64,
    /// Connections sent since the network was made; resets do not change it (py-dht's `attempts`).
    pub attempts_ever: u64,
}

/// A connection of the log: a row of the connections table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoggedConnection {
    /// Number of the operation that the connection belongs to. [`Dht::connect`](super::Dht::connect) is an operation of
    /// its own.
    pub operation: u64,
    /// Number of the connection within the operation, from 0.
    pub sequence: u32,
    /// Time of sending, ms.
    pub time_ms: f64,
    /// The sender.
    pub from: i64,
    /// The contacted node.
    pub to: i64,
    /// Kind of request.
    pub request: Request,
    /// Outcome.
    pub outcome: Outcome,
    /// Drawn delay, ms.
    pub base_delay_ms: f64,
    /// Delay that the origin's overhead adds, ms.
    pub origin_overhead_ms: f64,
    /// Delay that the remote's overhead adds, ms.
    pub remote_overhead_ms: f64,
    /// Time from sending to the answer (of one request) or the failure, ms.
    pub total_delay_ms: f64,
}

/// The connections of a log, oldest call first.
#[derive(Clone, Debug)]
pub struct ConnectionLog<'a>(std::slice::Iter<'a, ConnectionRow>);

impl Iterator for ConnectionLog<'_> {
    type Item = LoggedConnection;

    fn next(&mut self) -> Option<LoggedConnection> {
        let row = self.0.next()?;
        Some(LoggedConnection {
            operation: row.operation,
            sequence: row.sequence,
            time_ms: ms(row.time_us),
            from: row.from,
            to: row.to,
            request: row.request,
            outcome: row.outcome,
            base_delay_ms: ms(row.base_delay_us),
            origin_overhead_ms: ms(row.origin_overhead_us),
            remote_overhead_ms: ms(row.remote_overhead_us),
            total_delay_ms: ms(row.total_delay_us),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for ConnectionLog<'_> {}

/// The log that a network keeps.
#[derive(Default)]
pub(super) struct Log {
    rows: Vec<ConnectionRow>,
    is_off: bool,
    outcomes: [u64; 4],
    forgotten: u64,
}

impl Log {
    pub(super) fn entries(&self) -> ConnectionLog<'_> {
        ConnectionLog(self.rows.iter())
    }

    pub(super) fn keep(&mut self, keep: bool) {
        self.is_off = !keep;
    }

    pub(super) fn reset(&mut self) {
        self.rows.clear();
        self.forgotten += mem::take(&mut self.outcomes).iter().sum::<u64>();
    }

    /// Logs and counts a connection.
    pub(super) fn push(&mut self, row: ConnectionRow) {
        self.outcomes[row.outcome as usize] += 1;
        if !self.is_off {
            self.rows.push(row);
        }
    }

    /// Changes the logged connection of this operation to a store.
    pub(super) fn mark_store(&mut self, operation: u64) {
        if let Some(row) = self
            .rows
            .last_mut()
            .filter(|row| row.operation == operation)
        {
            row.request = Request::Store;
        }
    }

    /// Takes the row and the connections of the operation that the network has just run, and logs the connections.
    pub(super) fn take(&mut self, network: &mut Network) -> (OperationRow, Vec<ConnectionRow>) {
        let recorded = network.recorded();
        let (operation, connections) = (
            recorded.operations.pop(),
            mem::take(&mut recorded.connections),
        );
        recorded.clear();
        let Some(operation) = operation else {
            unreachable!("an operation that ran to its end has a row");
        };
        connections.iter().for_each(|&row| self.push(row));
        (operation, connections)
    }

    pub(super) fn summary(&self, nodes: u64, online: u64, segments: u64) -> Summary {
        let of = |outcome: Outcome| self.outcomes[outcome as usize];
        let attempts = self.outcomes.iter().sum();
        let successful = of(Outcome::Ok);
        Summary {
            nodes,
            online,
            segments,
            attempts,
            successful,
            failures: attempts - successful,
            fast_errors: of(Outcome::FastError),
            slow_errors: of(Outcome::SlowError),
            not_found: of(Outcome::NotFound),
            attempts_ever: self.forgotten + attempts,
        }
    }
}
