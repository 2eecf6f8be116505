//! What must hold for any network: nothing is lost, lookups find what is there, every row is that of a naive
//! simulator written from the specification, and memory follows what is in flight.

mod against_reference;
mod error_free;
mod memory;
mod reference;
