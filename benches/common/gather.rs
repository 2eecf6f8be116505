//! The limit that lookups are compared with: cache lines read at random from a table in huge pages that no cache holds. No
//! address depends on a value read.

use kadsim_engine::hardware::{LINE, Prefetcher, with_huge_pages};
use kadsim_engine::key::mix;
use rayon::prelude::*;

/// Size of the table, in bytes.
pub const TABLE_BYTES: usize = 1 << 30;

/// Words of a cache line.
const WORDS: usize = LINE / size_of::<u64>();

/// Number of lines that a task reads.
const CHUNK: u64 = 1 << 16;

/// How lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Without prefetching; the processor looks ahead as far as it can.
    Plain,
    /// Prefetched this many lines ahead, as the engine does.
    Ahead(u64),
}

/// Returns a table all of whose pages are in memory.
pub fn table() -> Vec<u64> {
    let mut table = with_huge_pages(TABLE_BYTES / size_of::<u64>());
    table.extend(0..(TABLE_BYTES / size_of::<u64>()) as u64);
    table
}

/// Reads `lines` lines on all threads of the current pool. Returns the sum, so that the compiler keeps the reads.
pub fn gather(table: &[u64], lines: u64, reads: Reads) -> u64 {
    (0..lines.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(lines);
            match reads {
                Reads::Plain => plain(table, range),
                Reads::Ahead(ahead) => prefetched(table, range, ahead),
            }
        })
        .reduce(|| 0, u64::wrapping_add)
}

/// Returns the index of the first word of the line of the i-th read.
#[inline(always)]
fn first_word(table: &[u64], i: u64) -> usize {
    let lines = (table.len() / WORDS) as u64;
    (((mix(i) >> 32) * lines) >> 32) as usize * WORDS
}

fn plain(table: &[u64], range: std::ops::Range<u64>) -> u64 {
    range.fold(0, |sum: u64, i| {
        sum.wrapping_add(table[first_word(table, i)])
    })
}

fn prefetched(table: &[u64], range: std::ops::Range<u64>, ahead: u64) -> u64 {
    let mut prefetcher = Prefetcher::default();
    range.fold(0, |sum: u64, i| {
        prefetcher.item(table, first_word(table, i + ahead));
        sum.wrapping_add(table[first_word(table, i)])
    })
}
