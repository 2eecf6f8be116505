//! Maintenance: what nodes do to keep their routing tables good.

mod chain;
mod check;
mod join;
mod refresh;
mod republish;
mod rules;
pub mod sets;

pub use chain::{Chain, Rest};
pub use rules::{Check, Checked, JoinRefresh, Joining, Maintenance, Refresh, Refreshed};
