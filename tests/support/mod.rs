//! What the modules share: the program in a temporary folder, its tables as plain columns, experiment texts.

mod experiments;
mod program;
mod random;
pub mod tables;
mod terminal;

pub use experiments::SMALL;
pub use program::{Answer, Dir, piped};
pub use random::{Random, setting};
pub use tables::Table;
pub use terminal::on_terminal;
