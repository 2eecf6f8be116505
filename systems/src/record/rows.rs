//! Rows of the operations table.

use kadsim_engine::ids::Ids;
use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Ending, Operation, Stage};
use kadsim_engine::record::{Kind, OperationRow};
use kadsim_engine::slot::PhaseSlot;

use crate::recording::Recording;

/// An operation that has ended or was cut off, and whose row waits for those before it in the table.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Row of the operation.
    pub row: OperationRow,
    /// Ids of its result, closest to the key first, if results are recorded and its lookup has ended.
    pub result: Option<Vec<i64>>,
    /// Slot of the phase of the operation.
    pub phase_slot: PhaseSlot,
    /// Node that the operation started at.
    pub origin: Row,
    /// Time of its end or cut-off, in µs.
    pub end_us: u64,
}

/// Makes the row of an operation that has ended or, if `cut_us` is given, was cut off at that time.
pub fn ended(
    operation: &Operation,
    cut_us: Option<u64>,
    recording: &Recording,
    ids: &Ids,
    keys: &[Key],
) -> Ended {
    let is_kept = recording.results && has_looked_up(operation, cut_us);
    let result = operation.result.iter();
    let result = is_kept.then(|| result.map(|&row| ids.id(row, keys)).collect());
    let id = |row| ids.id(row, keys);
    Ended {
        row: row(operation, cut_us, recording.network, id),
        result,
        phase_slot: operation.phase_slot,
        origin: operation.origin(),
        end_us: cut_us.unwrap_or(operation.end_us),
    }
}

/// Returns whether the lookup of an operation had ended when the operation ended, or was cut off.
fn has_looked_up(operation: &Operation, cut_us: Option<u64>) -> bool {
    match operation.stage {
        Stage::Planned | Stage::Lookup => false,
        Stage::LookedUp | Stage::Closing => {
            cut_us.is_none_or(|cut_us| operation.lookup_end_us <= cut_us)
        }
        // One that ended early has no result.
        Stage::Ended => operation.lookup_end_us <= operation.end_us,
    }
}

/// Makes the row. Columns of stages that the operation has not reached are null.
fn row(
    operation: &Operation,
    cut_us: Option<u64>,
    network: u32,
    id: impl Fn(Row) -> i64,
) -> OperationRow {
    let ended = cut_us.is_none();
    let done = ended && operation.ending == Ending::Done;
    let has_looked_up = has_looked_up(operation, cut_us);
    let provided = operation.kind == Kind::Provide && done;
    let known = match operation.stage {
        Stage::Planned | Stage::Lookup => operation.lookup.shortlist.len() as u32,
        Stage::LookedUp | Stage::Closing | Stage::Ended => operation.known,
    };
    OperationRow {
        network,
        phase: operation.phase,
        operation: operation.number,
        kind: operation.kind,
        origin: id(operation.origin()),
        key: operation.key().0,
        due_us: operation.due_us,
        start_us: operation.start_us,
        end_us: ended.then_some(operation.end_us),
        attempts: operation.attempts,
        completed: operation.completed(),
        succeeded: operation.succeeded,
        failed: operation.failed,
        abandoned: operation.abandoned + operation.in_flight.len() as u32,
        depth: u32::from(operation.depth),
        known,
        recall: operation.recall.filter(|_| has_looked_up),
        found: (done && operation.kind == Kind::Retrieve).then_some(operation.holder.is_some()),
        holder: operation.holder.filter(|_| done).map(id),
        stored: provided.then_some(operation.stored),
        store_failed: provided.then_some(operation.store_failed),
        lookup_us: has_looked_up.then(|| operation.lookup_end_us - operation.start_us),
        store_us: provided.then(|| operation.end_us - operation.lookup_end_us),
        ending: if ended {
            operation.ending
        } else {
            Ending::CutOff
        },
        late: operation.late + if done { operation.store_late } else { 0 },
        stale_contacts: operation.stale_contacts,
        // What other nodes hold at the end is counted after the window.
        holders_online: None,
    }
}
