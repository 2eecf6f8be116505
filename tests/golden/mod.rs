//! kadsim against py-dht's recorded answers. `data/` comes from commit 65e6fdf of py-dht, driven unmodified.
//!
//! With `procedure = "py-dht"` every row matches, field by field. Random errors match by their statistics. With
//! `procedure = "iterative"` every row of constant cost matches, except for the differences that the documentation lists.

mod data;
mod errors;
mod gamma;
mod operations;
mod scripted;
mod tables;
mod world;
