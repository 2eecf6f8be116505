//! A population for tests of machines. A test states what a node answers.

use std::ops::Range;

use kadsim_engine::answer::Answer;
use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::Lookup;
use kadsim_engine::population::{Population, RadixIndex};

use super::{Answered, Machine, Next};

/// Nodes whose keys are their rows. Lookups are for key 0, so a row is also the distance.
pub struct Network {
    keys: Vec<Key>,
    index: RadixIndex,
}

impl Network {
    pub fn of_keys(keys: Range<u64>) -> Self {
        let keys: Vec<Key> = keys.map(Key).collect();
        let index = RadixIndex::new(&keys);
        Self { keys, index }
    }

    pub fn population(&self) -> Population<'_> {
        Population::new(&self.keys, &self.index)
    }

    /// Starts a lookup of `origin`, whose own table answers with `named`.
    pub fn lookup(&self, machine: impl Machine, origin: u32, named: &[u32]) -> Lookup {
        let mut lookup = Lookup {
            origin: Row(origin),
            ..Lookup::default()
        };
        lookup.shortlist.reset(3);
        let named = self.naming(named);
        let own = answer(origin, 0, &named);
        machine.start(&mut lookup, &own);
        lookup
    }

    pub fn answers(&self, machine: impl Machine, lookup: &mut Lookup, row: u32, named: &[u32]) {
        let named = self.naming(named);
        let answered = answer(row, self.depth(lookup, row), &named);
        machine.answered(lookup, &self.population(), &answered);
    }

    pub fn answers_with_value(
        &self,
        machine: impl Machine,
        lookup: &mut Lookup,
        row: u32,
        named: &[u32],
    ) {
        let named = self.naming(named);
        let answered = Answered {
            has_value: true,
            ..answer(row, self.depth(lookup, row), &named)
        };
        machine.answered(lookup, &self.population(), &answered);
    }

    pub fn answers_as_closest(&self, machine: impl Machine, lookup: &mut Lookup, row: u32) {
        let nothing = Answer::default();
        let answered = Answered {
            is_closest: true,
            ..answer(row, lookup.round, &nothing)
        };
        machine.answered(lookup, &self.population(), &answered);
    }

    pub fn fails(&self, machine: impl Machine, lookup: &mut Lookup, row: u32) {
        machine.failed(lookup, &self.population(), Row(row));
    }

    pub fn result(&self, machine: impl Machine, lookup: &Lookup) -> Vec<Row> {
        let mut result = Vec::new();
        machine.result(lookup, &self.population(), &mut result);
        result
    }

    fn depth(&self, lookup: &Lookup, row: u32) -> u16 {
        let known = lookup.shortlist.head().find(|known| known.row == Row(row));
        known.map_or(0, |known| known.note.depth())
    }

    fn naming(&self, rows: &[u32]) -> Answer {
        let mut answer = Answer::default();
        answer.rows = rows.iter().map(|&row| Row(row)).collect();
        answer.measure(&self.population(), Key(0));
        answer
    }
}

fn answer(row: u32, depth: u16, named: &Answer) -> Answered<'_> {
    Answered {
        row: Row(row),
        depth,
        named,
        has_value: false,
        is_closest: false,
    }
}

/// The node that a lookup contacts next.
pub fn contact(next: Next) -> u32 {
    match next {
        Next::Contact(known) => known.row.0,
        other => panic!("{other:?}"),
    }
}

pub fn rows(rows: &[Row]) -> Vec<u32> {
    rows.iter().map(|row| row.0).collect()
}
