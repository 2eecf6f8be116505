//! Interleaved operations of a chunk: while the memory that one of them reads next is fetched, the others work.

use kadsim_engine::operation::Contact;
use kadsim_engine::population::Owner;

/// Most operations of a chunk that are interleaved. Their states, a kilobyte each, have to stay in the nearest cache.
pub const INTERLEAVED_MAX: usize = 16;

/// The node whose answer an operation reads next.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The node, asked for the operation's key.
    pub owner: Owner,
    /// The contact that brings the answer; `None` for the origin's own table.
    pub contact: Option<Contact>,
}

/// The operations that are interleaved, by index in the chunk. Both lists are empty between chunks, but keep their
/// memory.
#[derive(Default)]
pub struct Interleaved {
    /// Operations with an event in the window.
    pub operations: Vec<usize>,
    /// The question that each of them asks next.
    pub questions: Vec<(usize, Question)>,
}
