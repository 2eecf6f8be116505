//! The systems that run the events of a window.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::node::{Column, Contacts};
use kadsim_engine::routing::live::LiveTables;

use super::chunk::Chunks;
use super::fetch::STAGES;
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
    let until_us = window.until_us;
    let chunks = &mut *chunks;
    chunks.are_active.clear();
    let next_us = chunks.next_us.iter();
    let are_active = next_us.map(|&next_us| next_us < until_us);
    chunks.are_active.extend(are_active);
    let (all, are_active, rows) = (&mut chunks.all, &mut chunks.are_active, chunks.rows);
    chunks.taken.retain(|start| {
        let is_due = start.planned.due_us < until_us;
        if is_due {
            let chunk = start.planned.origin.index() / rows;
            all[chunk].starts.push(*start);
            are_active[chunk] = true;
        }
        !is_due
    });
    for chunk in chunks.active() {
        chunk.out.open(&window, &recording, phases.slots());
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
    let counting = phases.counting(view.window.from_us);
    let work = Work::new(view, &maintenance, counting, chunks.rows);
    let are_many = chunks.handled >= MANY;
    let chunks = &mut *chunks;
    let all = chunks.all.iter_mut().zip(&mut tables.chunks);
    let active = all.zip(&chunks.are_active);
    let active = active.filter_map(|(chunk, is_active)| is_active.then_some(chunk));
    let mut workers: Vec<Worker> = active
        .map(|(chunk, tables)| Worker {
            work: &work,
            chunk,
            tables,
        })
        .collect();
    chunks.handled = match are_many {
        true => {
            let workers = workers.par_iter_mut();
            workers
                .map(|worker| run(std::slice::from_mut(worker)))
                .sum()
        }
        // A chunk has so few events that their memory is fetched while those of other chunks are handled.
        false => run(&mut workers),
    };
}

/// Handles the events of chunks, on one thread; returns how many they are.
fn run(workers: &mut [Worker]) -> usize {
    workers.iter_mut().for_each(Worker::collect);
    for stage in 0..STAGES {
        for worker in &mut *workers {
            worker.fetch_head(stage);
        }
    }
    workers.iter_mut().map(Worker::handle_all).sum()
}
