//! Routing tables that traffic changes: buckets that learn, evict and keep replacements.

mod rules;

pub use rules::{Evict, Full, Replacement, TableRules};
