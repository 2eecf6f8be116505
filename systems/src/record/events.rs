//! Records what events have done: rows of the operations that have ended in the window, and counts of its ticks.

use bevy_ecs::prelude::*;

use kadsim_engine::key::Key;
use kadsim_engine::operation::Ending;
use kadsim_engine::record::Kind;
use kadsim_engine::slot::PhaseSlot;

use super::{Ended, Naming, Recorded, rows};
use crate::events::{Asked, Chunks};
use crate::phases::Phases;

/// Makes the rows of users' operations that have ended in the window, frees their slots, and adds the counts of the window
/// to the open ticks.
pub fn record_events(
    naming: Naming,
    mut phases: ResMut<Phases>,
    mut chunks: ResMut<Chunks>,
    mut recorded: ResMut<Recorded>,
) {
    let recorded = &mut *recorded;
    let (keys, ids) = (naming.in_time.keys(), &*naming.ids);
    let first = recorded.ended.len();
    for chunk in chunks.active() {
        for slot in chunk.ended.drain(..) {
            let ended = rows::ended(chunk.pool.get(slot), None, &naming.recording, ids, keys);
            phases.end(ended.phase_slot, ended.end_us);
            recorded.count(&ended);
            recorded.ended.push(ended);
            chunk.pool.free(slot);
        }
        for (ticks, open) in chunk.out.ticks.iter_mut().zip(&mut recorded.open) {
            open.add(ticks);
        }
        recorded.reads.answers += chunk.out.reads.answers;
        if let Some(ended) = chunk.join_ended.take() {
            recorded.join_ended = Some(ended);
        }
    }
    if naming.in_time.living().are_records_kept() {
        count_holders(&mut chunks, &mut recorded.ended[first..]);
    }
}

/// Counts the nodes that hold what operations that have ended in the window have provided or looked for.
fn count_holders(chunks: &mut Chunks, ended: &mut [Ended]) {
    let mut changes = Vec::new();
    for chunk in chunks.active() {
        changes.append(&mut chunk.holder_changes);
    }
    let done = ended
        .iter()
        .zip(0..)
        .filter(|(ended, _)| ended.row.ending == Ending::Done && ended.row.kind != Kind::Lookup);
    let mut asked: Vec<Asked> = done
        .map(|(ended, index)| Asked {
            time_us: ended.end_us,
            key: Key(ended.row.key),
            index,
        })
        .collect();
    chunks
        .holders
        .advance(&mut changes, &mut asked, |index, holders| {
            ended[index].row.holders_online = Some(holders);
        });
}

/// Cuts off users' operations in flight that may not go on after `end_us`, and drops those that wait for a permit. The phase
/// in `ended` is over.
pub fn cut_off(
    ended: PhaseSlot,
    chunks: &mut Chunks,
    recorded: &mut Recorded,
    end_us: u64,
    tick_us: u64,
    naming: &Naming,
    phases: &mut Phases,
) {
    let (keys, ids) = (naming.in_time.keys(), &*naming.ids);
    for chunk in &mut chunks.all {
        let mut cut = Vec::new();
        for operation in chunk.pool.in_flight() {
            if operation.until_us == end_us + 1 {
                let ended = rows::ended(operation, Some(end_us), &naming.recording, ids, keys);
                recorded.count(&ended);
                recorded.open[operation.phase_slot.index()].cut_off(end_us / tick_us);
                recorded.ended.push(ended);
                cut.push(operation.slot);
            }
        }
        cut.into_iter().for_each(|slot| chunk.pool.free(slot));
        chunk.permits.retain(|&(slot, _), permits| {
            let next = permits.waiting.front();
            if next.is_some_and(|next| next.task.until_us == end_us + 1) {
                phases.drop_taken(slot, permits.waiting.len() as u64);
                permits.waiting.clear();
            }
            slot != ended
        });
    }
}
