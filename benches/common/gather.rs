//! The limit that lookups are held against: cache lines read at random from a table far beyond the nearer
//! caches, in huge pages, the address of none depending on the value of another.

use kadsim_engine::hardware::{LINE, Prefetcher, with_huge_pages};
use kadsim_engine::key::mix;
use rayon::prelude::*;

/// Bytes of the table.
pub const TABLE: usize = 1 << 30;

/// Words of a cache line.
const WORDS: usize = LINE / size_of::<u64>();

/// Lines read as one piece of work.
const CHUNK: u64 = 1 << 16;

/// How lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One after the other; the processor looks ahead as far as it can.
    Plain,
    /// Fetched this many ahead, as the engine does it.
    Ahead(u64),
}

/// A table whose pages are all there.
pub fn table() -> Vec<u64> {
    let mut table = with_huge_pages(TABLE / size_of::<u64>());
    table.extend(0..(TABLE / size_of::<u64>()) as u64);
    table
}

/// Reads `lines` lines on all threads of the current pool. The sum keeps the compiler honest.
pub fn gather(table: &[u64], lines: u64, reads: Reads) -> u64 {
    (0..lines.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(lines);
            match reads {
                Reads::Plain => plain(table, range),
                Reads::Ahead(ahead) => fetched(table, range, ahead),
            }
        })
        .reduce(|| 0, u64::wrapping_add)
}

/// The first word of the line that the i-th read goes to.
#[inline(always)]
fn place(table: &[u64], i: u64) -> usize {
    let lines = (table.len() / WORDS) as u64;
    (((mix(i) >> 32) * lines) >> 32) as usize * WORDS
}

fn plain(table: &[u64], range: std::ops::Range<u64>) -> u64 {
    range.fold(0, |sum: u64, i| sum.wrapping_add(table[place(table, i)]))
}

fn fetched(table: &[u64], range: std::ops::Range<u64>, ahead: u64) -> u64 {
    let mut prefetcher = Prefetcher::default();
    range.fold(0, |sum: u64, i| {
        prefetcher.item(table, place(table, i + ahead));
        sum.wrapping_add(table[place(table, i)])
    })
}
