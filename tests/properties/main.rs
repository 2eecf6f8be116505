//! What must hold for any network: nothing is lost, lookups find what is there, and every row is that of a
//! naive simulator written from the specification.

mod against_reference;
mod error_free;
mod reference;
