//! Operations from a list.

use std::collections::VecDeque;

use kadsim_engine::operation::{Planned, Source};

/// Operations in the order of (due time, number).
pub struct Listed(pub VecDeque<Planned>);

impl Source for Listed {
    fn peek(&self) -> Option<Planned> {
        self.0.front().copied()
    }

    fn advance(&mut self) {
        self.0.pop_front();
    }
}
