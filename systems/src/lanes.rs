//! Operations of a chunk that take turns: while the memory that one of them reads next is on its way, others work.

use kadsim_engine::operation::Contact;
use kadsim_engine::population::Owner;

/// Operations of a chunk that take turns. Their states, a kilobyte each, have to stay in the nearest cache.
pub const LANES: usize = 16;

/// The node whose answer an operation reads next.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The node, asked for the operation's key.
    pub owner: Owner,
    /// The contact that brings the answer; `None` for the origin's own table.
    pub contact: Option<Contact>,
}

/// The lists of operations that take turns, by index in the chunk; empty, but with their memory, between chunks.
#[derive(Default)]
pub struct Lanes {
    /// Operations that go on.
    pub turns: Vec<usize>,
    /// What they ask in this turn.
    pub questions: Vec<(usize, Question)>,
}
