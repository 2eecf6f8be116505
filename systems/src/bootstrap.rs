//! Bootstrap: fills routing tables from full knowledge of the network (py-dht's `bootstrap_node`).

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::key::Key;
use kadsim_engine::node::{Presence, Row, Table};
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::{Rule, Tables};

use crate::living::Living;

/// Fills every node's table, on all threads: in the layout or, if nodes were added since the network was made, in the
/// overlay, with the added nodes.
///
/// `cargo bench --bench bootstrap` prints what it costs at a million nodes.
pub fn bootstrap_all(
    In(layout): In<LayoutKind>,
    index: Res<RadixIndex>,
    living: Res<Living>,
    mut tables: ResMut<Tables>,
    mut nodes: Query<(&Key, &Presence, &mut Table)>,
) {
    let Ok(columns) = nodes.contiguous_iter_mut() else {
        unreachable!("node components are stored in tables");
    };
    for (keys, presence, mut column) in columns {
        let column = column.bypass_change_detection();
        let population = Population::new(keys, &index);
        if living.has_absent_members() {
            let members = living.members_at_start(&population, presence);
            tables.lay_out(layout, &population, Some(members));
            column.fill(Table::LAID_OUT);
            continue;
        }
        if population.tail().is_empty() {
            tables.lay_out(layout, &population, None);
            column.fill(Table::LAID_OUT);
            continue;
        }
        let rows = 0..keys.len() as u32;
        let filled: Vec<Vec<Row>> = rows
            .into_par_iter()
            .map(|row| fill(&population, tables.rule(), Row(row)))
            .collect();
        for (table, entries) in column.iter_mut().zip(filled) {
            *table = tables.set_overlay(*table, entries);
        }
    }
}

/// Empties every node's table and frees its memory.
pub fn forget_all(mut tables: ResMut<Tables>, mut nodes: Query<&mut Table>) {
    tables.clear();
    let Ok(columns) = nodes.contiguous_iter_mut() else {
        unreachable!("node components are stored in tables");
    };
    for mut column in columns {
        column.bypass_change_detection().fill(Table::EMPTY);
    }
}

/// Returns the entries of one node's table, added nodes included.
fn fill(population: &Population, rule: &Rule, row: Row) -> Vec<Row> {
    let mut entries = Vec::new();
    rule.fill_table(population, row, &mut entries);
    entries
}

/// Fills one node's table, added nodes included. No other table changes.
pub fn bootstrap_node(
    In(row): In<Row>,
    index: Res<RadixIndex>,
    mut tables: ResMut<Tables>,
    mut nodes: Query<(&Key, &mut Table)>,
) {
    let Ok(columns) = nodes.contiguous_iter_mut() else {
        unreachable!("node components are stored in tables");
    };
    for (keys, mut column) in columns {
        let column = column.bypass_change_detection();
        let population = Population::new(keys, &index);
        let entries = fill(&population, tables.rule(), row);
        column[row.index()] = tables.set_overlay(column[row.index()], entries);
    }
}
