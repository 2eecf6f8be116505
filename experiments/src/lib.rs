//! kadsim: a data-oriented simulator of Kademlia networks of millions of nodes.

mod batch;
mod content;
pub mod dht;
pub mod estimate;
pub mod figures;
pub mod file;
mod hex;
pub mod import;
pub mod inputs;
pub mod inspect;
pub mod layouts;
mod output;
pub mod report;
pub mod run;
mod spent;
mod summary;
pub mod sweep;
pub mod table;
pub mod threads;
pub mod warnings;
pub mod watch;
pub mod workload;

pub use kadsim_engine as engine;
pub use kadsim_systems as systems;
