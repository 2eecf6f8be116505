//! What happens in a step of a simulated Kademlia network, one system a file.
//!
//! A step is a window of time that no contact sent in it can complete in, so that operations are
//! independent within it and advance in parallel; what they share (overhead counters, segment stores) is
//! settled at its end in one defined order. See [`step`].

pub mod advance;
pub mod bootstrap;
pub mod connection;
pub mod drive;
pub mod lookup;
pub mod network;
pub mod out_of_time;
pub mod phases;
pub mod provide;
pub mod py_dht;
pub mod queue;
pub mod record;
pub mod retrieve;
pub mod rfm19;
pub mod settle;
pub mod single;
pub mod start;
pub mod step;
pub mod turns;

pub use network::Network;
