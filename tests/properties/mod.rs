//! Properties of any network: counts add up, lookups find the closest nodes, every row equals that of the reference
//! simulator, and memory follows the operations in flight.

mod against_reference;
mod error_free;
mod listed;
mod living_tables;
mod memory;
mod reference;
