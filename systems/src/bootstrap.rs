//! Bootstrap: fills routing tables from full knowledge of the network (py-dht's `bootstrap_node`).

use bevy_ecs::prelude::*;

use kadsim_engine::key::Key;
use kadsim_engine::layout::LayoutKind;
use kadsim_engine::node::{Row, Table};
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::routing::Tables;

/// Gives every node its table, in the layout, on all threads. Nodes that were added to the network since
/// it was built are known to all from then on.
///
/// `cargo bench --bench engine` prints what it costs at a million nodes.
pub fn bootstrap_all(
    In(layout): In<LayoutKind>,
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
        let built = layout.build(&population, tables.rule());
        tables.set_layout(built);
        if population.tail().next().is_none() {
            column.fill(Table::LAID_OUT);
        } else {
            for (row, place) in column.iter_mut().enumerate() {
                *place = bootstrap_one(&population, &mut tables, Row(row as u32), Table::EMPTY);
            }
        }
    }
}

/// Gives one node its table, tail included; nobody else's changes. Returns where it lies.
fn bootstrap_one(population: &Population, tables: &mut Tables, row: Row, table: Table) -> Table {
    let mut entries = Vec::new();
    tables.rule().fill_table(population, row, &mut entries);
    tables.set_overlay(table, entries)
}

/// Gives one node its table as a system.
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
        column[row.index()] = bootstrap_one(&population, &mut tables, row, column[row.index()]);
    }
}
