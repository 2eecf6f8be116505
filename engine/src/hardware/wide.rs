//! The operations of [`crate::shortlist`] by AVX-512, sixteen rows or eight distances at a time.
//!
//! The sorted head of a lookup (32 nodes for results of up to 20) is loaded once, takes all new nodes of an answer in registers, and
//! is stored once: a new distance `x` turns each place into `min(d, max(d of the place before, x))`, and the
//! comparisons with `x` say where rows and notes move. No branch depends on where a node goes. Some 40
//! instructions a new node for a head of 32, a third of what ranking and merging them took.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

use crate::key::{Distance, Key};
use crate::node::Row;
use crate::shortlist::{Note, PIECE, Piece, Shortlist, Vectors};

/// Nodes of a head that is worked on in registers: that of results of up to 20.
const ROOM: usize = 32;

/// Proof that the processor has AVX-512 F, VL, BW and what comes with them.
#[derive(Clone, Copy, Debug)]
pub struct Wide(());

impl Wide {
    /// If this processor has it.
    #[inline]
    pub fn new() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            static IS_THERE: LazyLock<bool> = LazyLock::new(|| {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("popcnt")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
            });
            IS_THERE.then_some(Self(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Calls a function compiled with these features; it must be `#[inline(always)]`, and so must what it calls.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub fn run<K: super::Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves the features.
        unsafe { with_features(kernel) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn with_features<K: super::Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
impl Wide {
    /// Appends rows `first + i` for each bit `i` of the mask, and the distances of `keys[i]` from `key`.
    #[inline]
    pub fn push_span(
        self,
        keys: &[Key],
        key: Key,
        first: Row,
        mask: u64,
        (rows, distances): (&mut Vec<Row>, &mut Vec<Distance>),
    ) {
        assert!(keys.len() >= (u64::BITS - mask.leading_zeros()) as usize);
        // SAFETY: `self` proves the features; every bit of the mask numbers a key.
        unsafe { push_span(keys, key, first, mask, rows, distances) }
    }

    /// Which of at most 64 distances, all different, are the `n` smallest. `n` must be less than there are.
    #[inline]
    pub fn nearest(self, distances: &[Distance], n: usize) -> u64 {
        assert!(n < distances.len() && distances.len() <= 64);
        // SAFETY: `self` proves the features.
        unsafe { nearest(distances, n) }
    }

    /// Moves the nodes `which`, at most 64, to the front, in the order they have; returns how many.
    #[inline]
    pub fn compress(self, rows: &mut [Row], distances: &mut [Distance], which: u64) -> usize {
        assert!(rows.len() == distances.len() && rows.len() <= 64);
        // SAFETY: `self` proves the features; the lengths have just been checked.
        unsafe { compress(rows, distances, which) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Vectors for Wide {
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
    fn append(self, list: &mut Shortlist, piece: &Piece, which: u32) {
        // SAFETY: `self` proves the features; bits number items of the piece.
        unsafe { append(list, piece, which & piece.all()) }
    }

    #[inline(always)]
    fn insert(self, list: &mut Shortlist, piece: &Piece, which: u32) {
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

/// The first `len` lanes of sixteen, all if there are more.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn lanes16(len: usize) -> u16 {
    if len >= 16 { u16::MAX } else { (1 << len) - 1 }
}

/// The distances of a piece, and behind them nothing but zeros.
#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn append(list: &mut Shortlist, piece: &Piece, which: u32) {
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

/// Into a head of 32.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn insert(list: &mut Shortlist, piece: &Piece, which: u32) {
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
    // So many at a time that those who leave fit into one vector, the last ones first.
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
            // The last one makes room, perhaps the new one itself, or nobody if there was room left.
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

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn push_span(
    keys: &[Key],
    key: Key,
    first: Row,
    mask: u64,
    rows: &mut Vec<Row>,
    distances: &mut Vec<Distance>,
) {
    // Whole vectors are stored, whatever counts of them.
    rows.reserve(64 + 16);
    distances.reserve(64 + 8);
    let (mut len, mut left, mut place) = (rows.len(), mask, 0);
    let key = _mm512_set1_epi64(key.0.cast_signed());
    let step = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    while left != 0 {
        let lanes = [left as u8, (left >> 8) as u8];
        let low = lanes[0].count_ones() as usize;
        // SAFETY: keys of lanes that are set exist; 64 nodes and a vector more fit behind the first length.
        unsafe {
            let items: *const i64 = keys.as_ptr().cast();
            let out: *mut i64 = distances.as_mut_ptr().add(len).cast();
            let near = _mm512_maskz_loadu_epi64(lanes[0], items.wrapping_add(place));
            let near = _mm512_maskz_compress_epi64(lanes[0], _mm512_xor_epi64(near, key));
            _mm512_storeu_epi64(out, near);
            let far = _mm512_maskz_loadu_epi64(lanes[1], items.wrapping_add(place + 8));
            let far = _mm512_maskz_compress_epi64(lanes[1], _mm512_xor_epi64(far, key));
            _mm512_storeu_epi64(out.add(low), far);
            let row = _mm512_set1_epi32((first.0 + place as u32).cast_signed());
            let row = _mm512_maskz_compress_epi32(left as u16, _mm512_add_epi32(row, step));
            _mm512_storeu_epi32(rows.as_mut_ptr().add(len).cast(), row);
        }
        len += (left as u16).count_ones() as usize;
        left >>= 16;
        place += 16;
    }
    // SAFETY: so many have been written.
    unsafe {
        rows.set_len(len);
        distances.set_len(len);
    }
}

/// Bit by bit from the highest in which they differ: if those that have it clear are too many, the others are
/// out, else they are in.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn nearest(distances: &[Distance], n: usize) -> u64 {
    if n == 0 {
        return 0;
    }
    let with_bits = |bits: u64| {
        let (bits, mut found) = (_mm512_set1_epi64(bits.cast_signed()), 0);
        for (number, block) in distances.chunks(8).enumerate() {
            let lanes = lanes16(block.len()) as u8;
            // SAFETY: only lanes of the block are read.
            let items = unsafe { _mm512_maskz_loadu_epi64(lanes, block.as_ptr().cast()) };
            found |= u64::from(_mm512_test_epi64_mask(items, bits)) << (8 * number);
        }
        found
    };
    let first = distances[0].0;
    let differing = distances
        .iter()
        .fold(0, |bits, other| bits | (other.0 ^ first));
    let mut open = u64::MAX >> (64 - distances.len());
    let (mut chosen, mut wanted) = (0, n as u32);
    let mut bit = 1 << differing.ilog2();
    while open.count_ones() != wanted {
        let near = open & !with_bits(bit);
        let count = near.count_ones();
        if count <= wanted {
            chosen |= near;
            wanted -= count;
            open &= !near;
        } else {
            open = near;
        }
        if wanted == 0 {
            return chosen;
        }
        bit >>= 1;
    }
    chosen | open
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn compress(rows: &mut [Row], distances: &mut [Distance], which: u64) -> usize {
    let (len, mut kept) = (rows.len(), 0);
    let (rows, distances): (*mut i32, *mut i64) =
        (rows.as_mut_ptr().cast(), distances.as_mut_ptr().cast());
    for start in (0..len).step_by(8) {
        let there = lanes16((len - start).min(8)) as u8;
        let lanes = (which >> start) as u8 & there;
        let count = lanes.count_ones() as usize;
        let out = lanes16(count);
        // SAFETY: only items that are there are read and written; none is written before it has been read,
        // for no more are kept than have been read.
        unsafe {
            let items = _mm512_maskz_loadu_epi64(there, distances.add(start));
            let items = _mm512_maskz_compress_epi64(lanes, items);
            _mm512_mask_storeu_epi64(distances.add(kept), out as u8, items);
            let items = _mm512_maskz_loadu_epi32(u16::from(there), rows.add(start));
            let items = _mm512_maskz_compress_epi32(u16::from(lanes), items);
            _mm512_mask_storeu_epi32(rows.add(kept), out, items);
        }
        kept += count;
    }
    kept
}

/// Both masks of eight lanes as one of sixteen.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn pair(low: u8, high: u8) -> u16 {
    _mm512_kunpackb(u16::from(high), u16::from(low))
}
