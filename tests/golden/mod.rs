//! Everything that py-dht answered (`data/`, produced by driving commit 65e6fdf unmodified) against kadsim.
//!
//! By `procedure = "py-dht"` every row matches, field by field, but for the error statistics, which match
//! as such; by `procedure = "iterative"` every row of constant cost, with the exceptions that the README
//! names and no other.

mod data;
mod errors;
mod gamma;
mod operations;
mod scripted;
mod tables;
mod world;
