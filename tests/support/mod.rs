//! Shared by all modules: the program in a temporary folder, its tables as columns, events to wait for, experiment
//! texts.

mod events;
mod experiments;
#[cfg(target_os = "linux")]
mod peak;
mod program;
mod random;
pub mod tables;
mod terminal;

pub use events::wait_at_most;
pub use experiments::{LONG, MIXED, SMALL};
#[cfg(target_os = "linux")]
pub use peak::peak_kib;
pub use program::{Answer, Dir, piped, signal};
pub use random::{Random, setting};
pub use tables::Table;
pub use terminal::{Shown, on_terminal};
