//! Maintenance: what nodes do to keep their routing tables good.

mod rules;
pub mod sets;

pub use rules::{Check, Checked, JoinRefresh, Joining, Maintenance, Refresh, Refreshed};
