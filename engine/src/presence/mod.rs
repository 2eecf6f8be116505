//! Presence: who is online when.
//!
//! 1. Which nodes are offline for the whole run is drawn or listed ([`Offline`]). Such a node stays in the routing tables
//!    of other nodes and answers no request.
//! 2. Sessions and absences follow one another by the rules of [`Churn`], or by a trace. When a node is online is a
//!    function of (seed, network, node) alone: nothing that happens in a network changes it. [`Timelines`] keep the
//!    changes up to a horizon, and draw those beyond it anew where an operation asks for them.
//! 3. A network may grow by joins ([`Growth`]). Nodes then come one after the other and stay, until sessions begin
//!    at a moment that the joins themselves decide ([`Timelines::settle`]).

mod by_time;
mod churn;
mod epochs;
mod growth;
mod life;
mod offline;
mod timelines;
mod walk;

pub use by_time::Turnover;
pub use churn::{Churn, Event, Leavers, Sessions, Start, Trace};
pub use growth::{Growth, NoGrowth};
pub use offline::{Draw, Offline};
pub use timelines::{Session, Since, TimeOnline, Timelines, TooManyChanges};
