//! [`Vectors`] by AVX-512, sixteen rows or eight distances at a time.
//!
//! The sorted head of a lookup (32 nodes for results of up to 20) is loaded once, takes all new nodes of an answer in
//! registers, and is stored once. A new distance `x` turns each place into `min(d, max(d of the place before, x))`,
//! and the comparisons with `x` say where rows and notes move. No branch depends on where a node goes. A new node
//! costs some 40 instructions in a head of 32, a third of what ranking and merging cost.

#![allow(unsafe_code, reason = "intrinsics have no safe form")]

use std::arch::x86_64::*;

use super::known::Note;
use super::nodes::{Nodes, PIECE, Piece};
use super::vectors::Vectors;
use crate::hardware::avx512::{Avx512, lanes16, pair};
use crate::key::Distance;
use crate::node::Row;

/// Length of a head that is worked on in registers: that of results of up to 20 nodes.
const ROOM: usize = 32;

impl Vectors for Avx512 {
    #[inline(always)]
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32 {
        // SAFETY: `self` proves the features; of the items of the piece, only those that there are are read.
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
        // SAFETY: `self` proves the features; bits number items of the piece.
        unsafe { append(list, piece, which & piece.all()) }
    }

    #[inline(always)]
    fn insert(self, list: &mut Nodes, piece: &Piece, which: u32) {
        let room = list.distances.len();
        assert!(list.rows.len() == room && list.notes.len() == room);
        // The largest distance of all looks like the filling behind the last node.
        if room != ROOM || self.farthest(piece, which) == Distance::MAX {
            return list.insert_one_by_one(piece, which);
        }
        // SAFETY: `self` proves the features; the lengths have just been checked; bits number items of the piece.
        unsafe { insert(list, piece, which & piece.all()) }
    }
}

/// Returns the distances of a piece, followed by zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn distances(piece: &Piece) -> [__m512i; PIECE / 8] {
    let (all, first): (_, *const i64) = (piece.all(), piece.distances.as_ptr().cast());
    // SAFETY: only lanes that the piece has are read.
    unsafe {
        [
            _mm512_maskz_loadu_epi64(all as u8, first),
            _mm512_maskz_loadu_epi64((all >> 8) as u8, first.wrapping_add(8)),
            _mm512_maskz_loadu_epi64((all >> 16) as u8, first.wrapping_add(16)),
            _mm512_maskz_loadu_epi64((all >> 24) as u8, first.wrapping_add(24)),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn members(rows: &[Row], piece: &Piece, which: u32) -> u32 {
    let mut found = 0;
    // The usual head: in registers, and every node is looked for, asked or not.
    if let ([low, high], []) = rows.as_chunks::<16>() {
        // SAFETY: whole blocks.
        let (low, high) = unsafe {
            (
                _mm512_loadu_epi32(low.as_ptr().cast()),
                _mm512_loadu_epi32(high.as_ptr().cast()),
            )
        };
        for (place, row) in piece.rows.iter().enumerate() {
            let row = _mm512_set1_epi32(row.0.cast_signed());
            let (low, high) = (
                _mm512_cmpeq_epi32_mask(low, row),
                _mm512_cmpeq_epi32_mask(high, row),
            );
            found |= u32::from(_kortestz_mask16_u8(low, high) == 0) << place;
        }
        return found & which;
    }
    let mut left = which;
    while left != 0 {
        let place = left.trailing_zeros();
        left &= left - 1;
        // SAFETY: bits of `which` number items of the piece.
        let row = unsafe { piece.rows.get_unchecked(place as usize) };
        let row = _mm512_set1_epi32(row.0.cast_signed());
        let mut is_in = 0u16;
        let (blocks, rest) = rows.as_chunks::<16>();
        for block in blocks {
            // SAFETY: a whole block.
            let block = unsafe { _mm512_loadu_epi32(block.as_ptr().cast()) };
            is_in |= _mm512_cmpeq_epi32_mask(block, row);
        }
        let lanes = lanes16(rest.len());
        // SAFETY: only lanes of `rest` are read.
        let block = unsafe { _mm512_maskz_loadu_epi32(lanes, rest.as_ptr().cast()) };
        is_in |= _mm512_mask_cmpeq_epi32_mask(lanes, block, row);
        found |= u32::from(is_in != 0) << place;
    }
    found
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn find(rows: &[Row], row: Row) -> Option<usize> {
    let row = _mm512_set1_epi32(row.0.cast_signed());
    for (number, block) in rows.chunks(16).enumerate() {
        let lanes = lanes16(block.len());
        // SAFETY: only lanes of the block are read.
        let items = unsafe { _mm512_maskz_loadu_epi32(lanes, block.as_ptr().cast()) };
        let equal = _mm512_mask_cmpeq_epi32_mask(lanes, items, row);
        if equal != 0 {
            return Some(16 * number + equal.trailing_zeros() as usize);
        }
    }
    None
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn within(piece: &Piece, limit: Distance) -> u32 {
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

#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn farthest(piece: &Piece, which: u32) -> Distance {
    let [d0, d1, d2, d3] = distances(piece);
    let d0 = _mm512_maskz_mov_epi64(which as u8, d0);
    let d1 = _mm512_mask_max_epu64(d0, (which >> 8) as u8, d0, d1);
    let d3 = _mm512_maskz_mov_epi64((which >> 24) as u8, d3);
    let d3 = _mm512_mask_max_epu64(d3, (which >> 16) as u8, d3, d2);
    Distance(_mm512_reduce_max_epu64(_mm512_max_epu64(d1, d3)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn first_candidate(notes: &[Note]) -> Option<usize> {
    let status = _mm512_set1_epi32(Note::STATUS.cast_signed());
    for (number, block) in notes.chunks(16).enumerate() {
        let lanes = lanes16(block.len());
        // SAFETY: only lanes of the block are read.
        let items = unsafe { _mm512_maskz_loadu_epi32(lanes, block.as_ptr().cast()) };
        let candidates = _mm512_mask_testn_epi32_mask(lanes, items, status);
        if candidates != 0 {
            return Some(16 * number + candidates.trailing_zeros() as usize);
        }
    }
    None
}

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
        // SAFETY: bits number items of the piece; room for all of them was reserved.
        unsafe {
            *list.far.as_mut_ptr().add(far) = *piece.rows.get_unchecked(item);
            *list.far_notes.as_mut_ptr().add(far) = piece.note(item);
        }
        far += 1;
    }
    // SAFETY: written just before.
    unsafe {
        list.far.set_len(far);
        list.far_notes.set_len(far);
    }
}

/// Inserts nodes into a head of 32.
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
    // Variables, not arrays: arrays would lie in memory between one node and the next.
    // SAFETY: 32 items each.
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
    // As many at a time as make those that leave the head fit into one vector; the last ones first.
    for half in [which & 0xffff, which & !0xffff] {
        let (mut left_rows, mut left_notes) = (zero, zero);
        let mut left = half;
        while left != 0 {
            let item = left.trailing_zeros() as usize;
            left &= left - 1;
            // SAFETY: bits number items of the piece.
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
            // Where the new one is nearer than a node, and than the node before that.
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
            // The last one makes room, perhaps the new one itself, or a vacant place if there was room left.
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
        // SAFETY: room for more than sixteen was reserved each time.
        unsafe {
            _mm512_storeu_epi32(list.far.as_mut_ptr().add(far).cast(), left_rows);
            _mm512_storeu_epi32(list.far_notes.as_mut_ptr().add(far).cast(), left_notes);
            list.far.set_len(far + leave);
            list.far_notes.set_len(far + leave);
        }
    }
    // SAFETY: as above.
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
