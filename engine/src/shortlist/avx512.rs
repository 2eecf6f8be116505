//! [`Vectors`] by AVX-512, sixteen rows or eight distances at a time.
//!
//! The sorted head of a lookup (32 nodes for results of up to 20) is loaded once, takes all new nodes of an answer in
//! registers, and is stored once. A new distance `x` replaces the distance `d[i]` by `min(d[i], max(d[i - 1], x))`, and
//! the comparisons with `x` tell which rows and notes move. No branch depends on the index of a new node. A new node
//! costs some 40 instructions in a head of 32, a third of the cost of ranking and merging.

#![allow(unsafe_code, reason = "intrinsics have no safe form")]

use std::arch::x86_64::*;

use super::known::Note;
use super::nodes::{Nodes, PIECE, Piece};
use super::vectors::Vectors;
use crate::hardware::avx512::{Avx512, lanes16, pair};
use crate::key::Distance;
use crate::node::Row;

/// Length of a head that is kept in registers, which is that for results of up to 20 nodes.
const ROOM: usize = 32;

impl Vectors for Avx512 {
    #[inline(always)]
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32 {
        // SAFETY: `self` proves the features; `which` is confined to the piece.
        unsafe { members(rows, piece, which & piece.all()) }
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
    fn farthest(self, piece: &Piece, which: u32) -> Distance {
        // SAFETY: `self` proves the features.
        unsafe { farthest(piece, which) }
    }

    #[inline(always)]
    fn first_candidate(self, notes: &[Note]) -> Option<usize> {
        // SAFETY: `self` proves the features.
        unsafe { first_candidate(notes) }
    }

    #[inline(always)]
    fn append(self, list: &mut Nodes, piece: &Piece, which: u32) {
        // SAFETY: `self` proves the features; `which` is confined to the piece.
        unsafe { append(list, piece, which & piece.all()) }
    }

    #[inline(always)]
    fn insert(self, list: &mut Nodes, piece: &Piece, which: u32) {
        let room = list.distances.len();
        assert!(list.rows.len() == room && list.notes.len() == room);
        // The largest distance there is looks like the filling behind the last node of the head.
        if room != ROOM || self.farthest(piece, which) == Distance::MAX {
            return list.insert_one_by_one(piece, which);
        }
        // SAFETY: `self` proves the features; the three arrays have 32 items each, as just checked; `which` is confined to
        // the piece.
        unsafe { insert(list, piece, which & piece.all()) }
    }
}

/// Returns the distances of a piece, followed by zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn distances(piece: &Piece) -> [__m512i; PIECE / 8] {
    let (all, first): (_, *const i64) = (piece.all(), piece.distances.as_ptr().cast());
    // SAFETY: masks confine loads to the distances of the piece.
    unsafe {
        [
            _mm512_maskz_loadu_epi64(all as u8, first),
            _mm512_maskz_loadu_epi64((all >> 8) as u8, first.wrapping_add(8)),
            _mm512_maskz_loadu_epi64((all >> 16) as u8, first.wrapping_add(16)),
            _mm512_maskz_loadu_epi64((all >> 24) as u8, first.wrapping_add(24)),
        ]
    }
}

/// See [`Vectors::members`].
///
/// # Safety
///
/// `which` must be a subset of the nodes of the piece.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn members(rows: &[Row], piece: &Piece, which: u32) -> u32 {
    let mut found = 0;
    // The usual head stays in registers. A search for every node of the piece costs less than a choice of some.
    if let ([low, high], []) = rows.as_chunks::<16>() {
        // SAFETY: both blocks have sixteen rows.
        let (low, high) = unsafe {
            (
                _mm512_loadu_epi32(low.as_ptr().cast()),
                _mm512_loadu_epi32(high.as_ptr().cast()),
            )
        };
        for (item, row) in piece.rows.iter().enumerate() {
            let row = _mm512_set1_epi32(row.0.cast_signed());
            let (low, high) = (
                _mm512_cmpeq_epi32_mask(low, row),
                _mm512_cmpeq_epi32_mask(high, row),
            );
            found |= u32::from(_kortestz_mask16_u8(low, high) == 0) << item;
        }
        return found & which;
    }
    let mut left = which;
    while left != 0 {
        let item = left.trailing_zeros();
        left &= left - 1;
        // SAFETY: `which` is a subset of the piece.
        let row = unsafe { piece.rows.get_unchecked(item as usize) };
        let row = _mm512_set1_epi32(row.0.cast_signed());
        let mut is_in = 0u16;
        let (blocks, rest) = rows.as_chunks::<16>();
        for block in blocks {
            // SAFETY: a block has sixteen rows.
            let block = unsafe { _mm512_loadu_epi32(block.as_ptr().cast()) };
            is_in |= _mm512_cmpeq_epi32_mask(block, row);
        }
        let lanes = lanes16(rest.len());
        // SAFETY: the mask confines the load to `rest`.
        let block = unsafe { _mm512_maskz_loadu_epi32(lanes, rest.as_ptr().cast()) };
        is_in |= _mm512_mask_cmpeq_epi32_mask(lanes, block, row);
        found |= u32::from(is_in != 0) << item;
    }
    found
}

/// See [`Vectors::find`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn find(rows: &[Row], row: Row) -> Option<usize> {
    let row = _mm512_set1_epi32(row.0.cast_signed());
    for (number, block) in rows.chunks(16).enumerate() {
        let lanes = lanes16(block.len());
        // SAFETY: the mask confines the load to the block.
        let items = unsafe { _mm512_maskz_loadu_epi32(lanes, block.as_ptr().cast()) };
        let equal = _mm512_mask_cmpeq_epi32_mask(lanes, items, row);
        if equal != 0 {
            return Some(16 * number + equal.trailing_zeros() as usize);
        }
    }
    None
}

/// See [`Vectors::within`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn within(piece: &Piece, limit: Distance) -> u32 {
    let limit = _mm512_set1_epi64(limit.0.cast_signed());
    let [d0, d1, d2, d3] = distances(piece);
    let low = pair(
        _mm512_cmple_epu64_mask(d0, limit),
        _mm512_cmple_epu64_mask(d1, limit),
    );
    let high = pair(
        _mm512_cmple_epu64_mask(d2, limit),
        _mm512_cmple_epu64_mask(d3, limit),
    );
    (u32::from(low) | u32::from(high) << 16) & piece.all()
}

/// See [`Vectors::farthest`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn farthest(piece: &Piece, which: u32) -> Distance {
    let [d0, d1, d2, d3] = distances(piece);
    let d0 = _mm512_maskz_mov_epi64(which as u8, d0);
    let d1 = _mm512_mask_max_epu64(d0, (which >> 8) as u8, d0, d1);
    let d3 = _mm512_maskz_mov_epi64((which >> 24) as u8, d3);
    let d3 = _mm512_mask_max_epu64(d3, (which >> 16) as u8, d3, d2);
    Distance(_mm512_reduce_max_epu64(_mm512_max_epu64(d1, d3)))
}

/// See [`Vectors::first_candidate`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn first_candidate(notes: &[Note]) -> Option<usize> {
    let status = _mm512_set1_epi32(Note::STATUS.cast_signed());
    for (number, block) in notes.chunks(16).enumerate() {
        let lanes = lanes16(block.len());
        // SAFETY: the mask confines the load to the block.
        let items = unsafe { _mm512_maskz_loadu_epi32(lanes, block.as_ptr().cast()) };
        let candidates = _mm512_mask_testn_epi32_mask(lanes, items, status);
        if candidates != 0 {
            return Some(16 * number + candidates.trailing_zeros() as usize);
        }
    }
    None
}

/// See [`Vectors::append`].
///
/// # Safety
///
/// `which` must be a subset of the nodes of the piece.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn append(list: &mut Nodes, piece: &Piece, which: u32) {
    if which == 0 {
        return;
    }
    list.far.reserve(PIECE);
    list.far_notes.reserve(PIECE);
    let mut far = list.far.len();
    let mut left = which;
    while left != 0 {
        let item = left.trailing_zeros() as usize;
        left &= left - 1;
        // SAFETY: `which` is a subset of the piece, which has at most as many nodes as were reserved.
        unsafe {
            *list.far.as_mut_ptr().add(far) = *piece.rows.get_unchecked(item);
            *list.far_notes.as_mut_ptr().add(far) = piece.note(item);
        }
        far += 1;
    }
    // SAFETY: the loop has written all items up to `far`.
    unsafe {
        list.far.set_len(far);
        list.far_notes.set_len(far);
    }
}

/// See [`Vectors::insert`].
///
/// # Safety
///
/// The head must have room for [`ROOM`] nodes, and `which` must be a subset of the nodes of the piece.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn insert(list: &mut Nodes, piece: &Piece, which: u32) {
    if which == 0 {
        return;
    }
    list.far.reserve(PIECE);
    list.far_notes.reserve(PIECE);
    let zero = _mm512_setzero_si512();
    let distances: *mut i64 = list.distances.as_mut_ptr().cast();
    let rows: *mut i32 = list.rows.as_mut_ptr().cast();
    let notes: *mut i32 = list.notes.as_mut_ptr().cast();
    // Single variables stay in registers; arrays would be stored and loaded for each node.
    // SAFETY: each array has 32 items.
    let (mut d0, mut d1, mut d2, mut d3, mut r0, mut r1, mut n0, mut n1) = unsafe {
        (
            _mm512_loadu_epi64(distances),
            _mm512_loadu_epi64(distances.add(8)),
            _mm512_loadu_epi64(distances.add(16)),
            _mm512_loadu_epi64(distances.add(24)),
            _mm512_loadu_epi32(rows),
            _mm512_loadu_epi32(rows.add(16)),
            _mm512_loadu_epi32(notes),
            _mm512_loadu_epi32(notes.add(16)),
        )
    };
    // At most sixteen nodes at a time, so that the nodes that leave the head fit into one vector. The last to leave is the
    // first in it, because the first to leave may be filling.
    for half in [which & 0xffff, which & !0xffff] {
        let (mut left_rows, mut left_notes) = (zero, zero);
        let mut left = half;
        while left != 0 {
            let item = left.trailing_zeros() as usize;
            left &= left - 1;
            // SAFETY: `which` is a subset of the piece.
            let (distance, row) = unsafe {
                (
                    piece.distances.get_unchecked(item).0,
                    piece.rows.get_unchecked(item).0,
                )
            };
            let note = piece.note(item).0;
            let x = _mm512_set1_epi64(distance.cast_signed());
            let (row, note) = (
                _mm512_set1_epi32(row.cast_signed()),
                _mm512_set1_epi32(note.cast_signed()),
            );
            // `behind`: lanes whose node is farther than the new one. `moved`: lanes whose preceding node is farther.
            let s0 = _mm512_alignr_epi64::<7>(d0, zero);
            let s1 = _mm512_alignr_epi64::<7>(d1, d0);
            let s2 = _mm512_alignr_epi64::<7>(d2, d1);
            let s3 = _mm512_alignr_epi64::<7>(d3, d2);
            let behind0 = pair(
                _mm512_cmplt_epu64_mask(x, d0),
                _mm512_cmplt_epu64_mask(x, d1),
            );
            let behind1 = pair(
                _mm512_cmplt_epu64_mask(x, d2),
                _mm512_cmplt_epu64_mask(x, d3),
            );
            let moved0 = pair(
                _mm512_cmplt_epu64_mask(x, s0),
                _mm512_cmplt_epu64_mask(x, s1),
            );
            let moved1 = pair(
                _mm512_cmplt_epu64_mask(x, s2),
                _mm512_cmplt_epu64_mask(x, s3),
            );
            // The farthest of the head and the new node leaves the head. It is filling if the head was not full.
            let leaving = _mm512_mask_mov_epi32(row, behind1, r1);
            left_rows = _mm512_alignr_epi32::<15>(left_rows, leaving);
            let leaving = _mm512_mask_mov_epi32(note, behind1, n1);
            left_notes = _mm512_alignr_epi32::<15>(left_notes, leaving);
            d0 = _mm512_min_epu64(d0, _mm512_max_epu64(s0, x));
            d1 = _mm512_min_epu64(d1, _mm512_max_epu64(s1, x));
            d2 = _mm512_min_epu64(d2, _mm512_max_epu64(s2, x));
            d3 = _mm512_min_epu64(d3, _mm512_max_epu64(s3, x));
            let moving = _mm512_alignr_epi32::<15>(r1, r0);
            r1 = _mm512_mask_mov_epi32(r1, behind1, row);
            r1 = _mm512_mask_mov_epi32(r1, moved1, moving);
            let moving = _mm512_alignr_epi32::<15>(r0, r0);
            r0 = _mm512_mask_mov_epi32(r0, behind0, row);
            r0 = _mm512_mask_mov_epi32(r0, moved0, moving);
            let moving = _mm512_alignr_epi32::<15>(n1, n0);
            n1 = _mm512_mask_mov_epi32(n1, behind1, note);
            n1 = _mm512_mask_mov_epi32(n1, moved1, moving);
            let moving = _mm512_alignr_epi32::<15>(n0, n0);
            n0 = _mm512_mask_mov_epi32(n0, behind0, note);
            n0 = _mm512_mask_mov_epi32(n0, moved0, moving);
        }
        let known = list.sorted + half.count_ones() as usize;
        list.sorted = known.min(ROOM);
        let (far, leave) = (list.far.len(), known - list.sorted);
        // SAFETY: 32 items were reserved. Each half of the nodes stores a vector of sixteen and keeps at most sixteen.
        unsafe {
            _mm512_storeu_epi32(list.far.as_mut_ptr().add(far).cast(), left_rows);
            _mm512_storeu_epi32(list.far_notes.as_mut_ptr().add(far).cast(), left_notes);
            list.far.set_len(far + leave);
            list.far_notes.set_len(far + leave);
        }
    }
    // SAFETY: each array has 32 items.
    unsafe {
        _mm512_storeu_epi64(distances, d0);
        _mm512_storeu_epi64(distances.add(8), d1);
        _mm512_storeu_epi64(distances.add(16), d2);
        _mm512_storeu_epi64(distances.add(24), d3);
        _mm512_storeu_epi32(rows, r0);
        _mm512_storeu_epi32(rows.add(16), r1);
        _mm512_storeu_epi32(notes, n0);
        _mm512_storeu_epi32(notes.add(16), n1);
    }
}
