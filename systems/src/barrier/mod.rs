//! The barrier of a step: what operations share is updated in one order, whatever threads did before.

pub mod charge;
pub mod stores;

pub use charge::charge_contacts;
pub use stores::enter_stores;
