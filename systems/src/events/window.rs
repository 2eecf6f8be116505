//! The systems that run the events of a window.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::node::{Column, Contacts};
use kadsim_engine::routing::live::LiveTables;

use super::chunk::Chunks;
use super::worker::{Work, Worker};
use crate::maintenance::Maintenance;
use crate::phases::Phases;
use crate::recording::Recording;
use crate::view::Readable;
use crate::window::Window;

/// Events of the last window from which on several threads handle those of the next.
const MANY: usize = 512;

/// Hands the operations that are due in the window to the chunks of their origins.
pub fn start_events(
    recording: Res<Recording>,
    phases: Res<Phases>,
    window: Res<Window>,
    mut chunks: ResMut<Chunks>,
) {
    let Chunks {
        all, taken, rows, ..
    } = &mut *chunks;
    let until_us = window.until_us;
    taken.retain(|start| {
        let is_due = start.planned.due_us < until_us;
        if is_due {
            all[start.planned.origin.index() / *rows]
                .starts
                .push(*start);
        }
        !is_due
    });
    for chunk in all {
        let has_events = chunk.next_us().is_some_and(|next_us| next_us < until_us);
        chunk.is_active = has_events || !chunk.starts.is_empty();
        if chunk.is_active {
            chunk.out.open(&window, &recording, phases.slots());
        }
    }
}

/// Handles the events of the window: nodes in parallel, each node's own in their order.
pub fn handle_events(
    readable: Readable,
    maintenance: Res<Maintenance>,
    phases: Res<Phases>,
    mut contacts: Column<Contacts>,
    mut chunks: ResMut<Chunks>,
    mut tables: ResMut<LiveTables>,
) {
    let view = readable.view(contacts.as_mut_slice());
    let phase = phases.started_last(view.window.from_us);
    let work = Work::new(view, &maintenance, phase, chunks.rows);
    let are_many = chunks.handled >= MANY;
    let all = chunks.all.iter_mut().zip(tables.chunks.iter_mut());
    let active = all.filter(|(chunk, _)| chunk.is_active);
    let handle = |(chunk, tables): (&mut _, &mut _)| {
        Worker {
            work: &work,
            chunk,
            tables,
        }
        .run()
    };
    chunks.handled = match are_many {
        true => {
            let active: Vec<_> = active.collect();
            active.into_par_iter().map(handle).sum()
        }
        false => active.map(handle).sum(),
    };
}
