//! Retrieve: a lookup that ends with the first answer that carries the value.
//!
//! The origin looks in its own store first, at no cost. A node answers from what it holds when the request reaches
//! it. Ending without the value is an outcome.

use kadsim_engine::node::Row;
use kadsim_engine::operation::Operation;
use kadsim_engine::record::Kind;

use crate::connection::Field;

/// Whether a retrieve is over before it asks anybody: its origin holds the value.
pub fn finds_at_origin(field: &Field, operation: &mut Operation) -> bool {
    finds_at(field, operation, operation.origin, 0, operation.start_us)
}

/// Whether this is a retrieve and the node's answer carries the value: whether it holds the key at `asked_us`.
#[inline]
pub fn finds_at(
    field: &Field,
    operation: &mut Operation,
    row: Row,
    depth: u16,
    asked_us: u64,
) -> bool {
    let found = operation.kind == Kind::Retrieve && field.holds(row, operation.key, asked_us);
    if found {
        operation.holder = Some(row);
        operation.depth = depth;
    }
    found
}
