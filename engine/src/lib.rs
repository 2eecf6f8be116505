//! What exists in a simulated Kademlia network and how it lies in memory.
//!
//! The engine makes no protocol decision. `kadsim-systems` decides what happens in a step.

pub mod answer;
pub mod counts;
pub mod distribution;
pub mod hardware;
pub mod ids;
pub mod in_degree;
pub mod key;
pub mod link;
pub mod makeup;
pub mod node;
pub mod operation;
pub mod population;
pub mod presence;
pub mod random;
pub mod record;
pub mod routing;
pub mod segments;
pub mod shortlist;
pub mod slot;
pub mod tail;
pub mod time;
