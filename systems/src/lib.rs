//! What happens in a step of a simulated Kademlia network.
//!
//! [`step`] is the schedule: the systems of a step in their order. Each system has a file. The data that they share
//! ([`rules`], [`window`], [`lookahead`], [`view`], [`outbox`], [`phases`]) stands apart from the schedule. [`network`]
//! holds the world and drives it through time.

pub mod admission;
pub mod barrier;
pub mod bootstrap;
pub mod completion;
pub mod context;
pub mod events;
pub mod halt;
pub mod in_time;
pub mod interleaving;
pub mod joining;
pub mod living;
pub mod lookahead;
pub mod lookup;
pub mod maintenance;
pub mod network;
pub mod origins;
pub mod outbox;
pub mod phases;
pub mod provide;
pub mod queue;
pub mod record;
pub mod recording;
pub mod retrieve;
pub mod rules;
pub mod step;
pub mod ticks;
pub mod view;
pub mod window;

pub use network::Network;
