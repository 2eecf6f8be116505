//! kadsim against py-dht's recorded answers. Unmodified py-dht of commit 65e6fdf produced the files in `data/`.
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
