//! The start of a network whose operations run as events.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::hardware::in_huge_pages;
use kadsim_engine::node::Row;
use kadsim_engine::routing::live::{LiveTables, Tables};

use super::calendar::Calendar;
use super::chunk::{Chunk, Chunks, Mail, Node};
use super::lists::Lists;
use super::worker::{Work, Worker};
use crate::maintenance::Maintenance;
use crate::view::Readable;

/// Fills the tables of the nodes that are online at the start, from the bootstrapped ones, and sets the timers of these
/// nodes. Cost: O(nodes · entries), on all threads.
pub fn prepare(
    readable: Readable,
    maintenance: Res<Maintenance>,
    mut chunks: ResMut<Chunks>,
    mut tables: ResMut<LiveTables>,
) {
    let view = readable.view(&[]);
    let nodes = view.in_time.population.sorted();
    let rows = Chunks::rows(nodes);
    let slot_us = view.links.link.shortest_delay_us();
    let count = nodes.div_ceil(rows);
    let work = Work::new(view, &maintenance, None, rows);
    let made: Vec<(Chunk, Tables)> = (0..count)
        .into_par_iter()
        .map(|number| {
            let first = number * rows;
            let last = (first + rows).min(nodes);
            make(&work, Row(first as u32), Row(last as u32), slot_us, count)
        })
        .collect();
    let (all, filled): (Vec<Chunk>, Vec<Tables>) = made.into_iter().unzip();
    *chunks = Chunks {
        next_us: all.iter().map(Chunk::next_us).collect(),
        all,
        rows,
        slot_us,
        ..Chunks::default()
    };
    *tables = LiveTables {
        rows,
        chunks: filled,
    };
}

/// Makes a chunk and the tables of its nodes.
fn make(work: &Work, first: Row, last: Row, slot_us: u64, chunks: usize) -> (Chunk, Tables) {
    let in_time = &work.view.in_time;
    let (k, replacements) = (
        in_time.tables.rule().k(),
        work.maintenance.table.replacements,
    );
    let mut tables = Tables::new(&in_time.population, k, replacements, first, last);
    let idle = match work.maintenance.has_idle_refresh() {
        true => tables.all_buckets(),
        false => 0,
    };
    let most = in_time.tables.rule().answer_size();
    let mut chunk = Chunk {
        nodes: in_huge_pages(Node::default(), last.index() - first.index()),
        idle_us: in_huge_pages(0, idle),
        messages: Calendar::new(slot_us),
        due: Calendar::new(slot_us),
        named: Lists::new(most),
        mail: (0..chunks)
            .map(|_| Mail {
                events: Vec::new(),
                named: Lists::new(most),
            })
            .collect(),
        ..Chunk::new(first)
    };
    let mut worker = Worker {
        work,
        chunk: &mut chunk,
        tables: &mut tables,
    };
    for node in (first.0..last.0).map(Row) {
        worker.begin(node);
    }
    (chunk, tables)
}

impl Worker<'_> {
    /// Begins the life of a node at the start of the run.
    fn begin(&mut self, node: Row) {
        let in_time = self.work.view.in_time;
        let are_living = in_time.timelines.are_living();
        let is_there = in_time.columns.presence[node.index()].is_online();
        // Where none comes or leaves, a node that is offline answers no request, but may ask.
        let is_online = !are_living || (is_there && in_time.timelines.is_online_at_start(node));
        self.node(node).is_online = is_online;
        if is_online {
            let owner = self.owner(node);
            in_time.bootstrapped(owner, &mut Vec::new(), |bucket, rows| {
                self.fill_bucket(owner, bucket, rows, 0);
            });
            self.set_timers(node, None);
        }
        if is_there && are_living {
            self.expect_first_change(node);
        }
    }
}
