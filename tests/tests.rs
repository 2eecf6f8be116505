//! Whole-program tests, in one binary so that the program's dependencies are linked once.
//! `cargo test --test tests cli::crash` runs one module; README.md says what each holds.

mod cli;
mod determinism;
mod experiments;
mod golden;
mod properties;
mod support;
mod theory;
