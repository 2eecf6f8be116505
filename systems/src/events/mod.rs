//! Operations as events by node, for networks in which what one operation does changes what another meets.
//!
//! Nodes are divided into chunks ([`Chunk`]). In a window no longer than the shortest one-way delay, each node handles its
//! own events in their order; threads work on different chunks. What nodes send each other is delivered at the barrier
//! (`barrier/exchange.rs`). No order among nodes matters, so results do not depend on chunks or threads.
//!
//! | file | holds |
//! |---|---|
//! | `event` | what happens at a node, and in which order |
//! | `calendar` | events by the time at which they are due |
//! | `chunk` | all that the events of a chunk's nodes change |
//! | `worker` | the worker of a chunk: takes the events of a window, and handles each |
//! | `order` | sorts the events of a window |
//! | `fetch` | fetches memory ahead |
//! | `operations` | how operations start, go on and end |
//! | `contacts` | requests, answers and failures |
//! | `lists` | the nodes that answers on their way name |
//! | `learning` | what nodes learn from them |
//! | `sessions` | nodes that leave and come |
//! | `records` | what nodes hold |
//! | `holders` | how many nodes hold a record and are online |
//!
//! [`crate::maintenance`] holds what the timers of a node do.

mod calendar;
mod chunk;
mod contacts;
mod event;
mod fetch;
mod holders;
mod learning;
mod lists;
mod operations;
mod order;
mod prepare;
mod records;
mod sessions;
mod window;
mod worker;

pub use chunk::{Chunk, Chunks, Errand, Inbox, Mail, MaintenanceCounts, Start};
pub use event::{ContactKind, Event, Timer, What};
pub use holders::Asked;
pub use prepare::prepare;
pub use window::{handle_events, start_events};
pub use worker::{Work, Worker};
