//! The barrier of a step: overhead counters and segment stores, which operations share, are updated in one order,
//! whichever thread ran an operation.

pub mod charge;
mod exchange;
pub mod stores;

pub use charge::charge_contacts;
pub use exchange::{exchange_messages, order_contacts};
pub use stores::enter_stores;
