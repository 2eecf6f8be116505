//! [`Vectors`] by AVX2, eight rows or four distances at a time.

#![allow(unsafe_code, reason = "intrinsics have no safe form")]

use std::arch::x86_64::*;

use super::known::Note;
use super::nodes::{Piece, set_bits};
use super::vectors::Vectors;
use crate::hardware::avx2::Avx2;
use crate::key::Distance;
use crate::node::Row;

/// Rows of a vector.
const ROWS: usize = 8;

impl Vectors for Avx2 {
    #[inline(always)]
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32 {
        // SAFETY: `self` proves the features.
        unsafe { members(rows, piece, which) }
    }

    #[inline(always)]
    fn find(self, rows: &[Row], row: Row) -> Option<usize> {
        // SAFETY: `self` proves the features.
        unsafe { find(rows, row) }
    }

    #[inline(always)]
    fn within(self, piece: &Piece, limit: Distance) -> u32 {
        // SAFETY: `self` proves the features.
        unsafe { within(piece, limit) }
    }

    #[inline(always)]
    fn first_candidate(self, notes: &[Note]) -> Option<usize> {
        // SAFETY: `self` proves the features.
        unsafe { first_candidate(notes) }
    }
}

/// Loads eight rows.
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn load(rows: &[Row; ROWS]) -> __m256i {
    // SAFETY: there are eight rows of four bytes.
    unsafe { _mm256_loadu_si256(rows.as_ptr().cast()) }
}

/// Returns whether a vector has a lane that is not zero.
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn is_any(lanes: __m256i) -> bool {
    _mm256_testz_si256(lanes, lanes) == 0
}

/// See [`Vectors::members`].
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn members(rows: &[Row], piece: &Piece, which: u32) -> u32 {
    let mut found = 0;
    let (blocks, rest) = rows.as_chunks::<ROWS>();
    // The usual head stays in registers.
    if let ([one, two, three, four], []) = (blocks, rest) {
        let (one, two, three, four) = (load(one), load(two), load(three), load(four));
        for item in set_bits(which) {
            let row = _mm256_set1_epi32(piece.rows[item].0.cast_signed());
            let low = _mm256_or_si256(_mm256_cmpeq_epi32(one, row), _mm256_cmpeq_epi32(two, row));
            let high = _mm256_or_si256(
                _mm256_cmpeq_epi32(three, row),
                _mm256_cmpeq_epi32(four, row),
            );
            found |= u32::from(is_any(_mm256_or_si256(low, high))) << item;
        }
        return found;
    }
    // The last vector overlaps the one before it, or is the same.
    let last = rows.last_chunk();
    for item in set_bits(which) {
        let Some(last) = last else {
            found |= u32::from(rows.contains(&piece.rows[item])) << item;
            continue;
        };
        let row = _mm256_set1_epi32(piece.rows[item].0.cast_signed());
        let mut equal = _mm256_cmpeq_epi32(load(last), row);
        for block in blocks {
            equal = _mm256_or_si256(equal, _mm256_cmpeq_epi32(load(block), row));
        }
        found |= u32::from(is_any(equal)) << item;
    }
    found
}

/// See [`Vectors::find`].
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn find(rows: &[Row], row: Row) -> Option<usize> {
    let wanted = _mm256_set1_epi32(row.0.cast_signed());
    let (blocks, rest) = rows.as_chunks::<ROWS>();
    for (number, block) in blocks.iter().enumerate() {
        let equal = _mm256_castsi256_ps(_mm256_cmpeq_epi32(load(block), wanted));
        let equal = _mm256_movemask_ps(equal);
        if equal != 0 {
            return Some(ROWS * number + equal.trailing_zeros() as usize);
        }
    }
    let at = rest.iter().position(|&other| other == row)?;
    Some(ROWS * blocks.len() + at)
}

/// See [`Vectors::within`].
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn within(piece: &Piece, limit: Distance) -> u32 {
    // Comparisons are of signed numbers: with the highest bit turned over, they are in the order of unsigned ones.
    let sign = _mm256_set1_epi64x(i64::MIN);
    let farthest = _mm256_xor_si256(_mm256_set1_epi64x(limit.0.cast_signed()), sign);
    let (blocks, rest) = piece.distances.as_chunks::<4>();
    let mut beyond = 0;
    for (number, block) in blocks.iter().enumerate() {
        // SAFETY: a block has four distances of eight bytes.
        let items = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
        let farther = _mm256_cmpgt_epi64(_mm256_xor_si256(items, sign), farthest);
        let farther = _mm256_movemask_pd(_mm256_castsi256_pd(farther));
        beyond |= farther.cast_unsigned() << (4 * number);
    }
    for (number, &distance) in rest.iter().enumerate() {
        beyond |= u32::from(distance > limit) << (4 * blocks.len() + number);
    }
    !beyond & piece.all()
}

/// See [`Vectors::first_candidate`].
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn first_candidate(notes: &[Note]) -> Option<usize> {
    let status = _mm256_set1_epi32(Note::STATUS.cast_signed());
    let (blocks, rest) = notes.as_chunks::<ROWS>();
    for (number, block) in blocks.iter().enumerate() {
        // SAFETY: a block has eight notes of four bytes.
        let items = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
        let is_candidate =
            _mm256_cmpeq_epi32(_mm256_and_si256(items, status), _mm256_setzero_si256());
        let candidates = _mm256_movemask_ps(_mm256_castsi256_ps(is_candidate));
        if candidates != 0 {
            return Some(ROWS * number + candidates.trailing_zeros() as usize);
        }
    }
    let is_candidate = |note: &Note| note.0 & Note::STATUS == 0;
    let at = rest.iter().position(is_candidate)?;
    Some(ROWS * blocks.len() + at)
}
