//! Selection of the nearest of some nodes.

#[cfg(target_arch = "x86_64")]
use crate::hardware::{avx2::Avx2, avx512::Avx512};
use crate::key::Distance;
use crate::node::Row;

/// Most nodes among which [`move_to_front`] selects, a bit each.
pub(super) const MOST: usize = u64::BITS as usize;

/// Moves the nearest `n` nodes to the front and keeps their order. `n` must be less than the number of nodes, of which there
/// are at most [`MOST`].
#[inline]
pub(super) fn move_to_front(rows: &mut [Row], distances: &mut [Distance], n: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(wide) = Avx512::new() {
        let which = wide.nearest(distances, n);
        return wide.compress(rows, distances, which);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(wide) = Avx2::new() {
        let which = wide.nearest(distances, n);
        return compress(rows, distances, which);
    }
    let which = select(distances, n, |bit| with_bit(distances, bit));
    compress(rows, distances, which);
}

/// Moves the nodes `which` to the front and keeps their order.
#[inline]
fn compress(rows: &mut [Row], distances: &mut [Distance], which: u64) {
    let (mut kept, mut left) = (0, which);
    while left != 0 {
        let index = left.trailing_zeros() as usize;
        left &= left - 1;
        rows[kept] = rows[index];
        distances[kept] = distances[index];
        kept += 1;
    }
}

/// Returns which of at most [`MOST`] distances have the bit with this number set, a bit each.
fn with_bit(distances: &[Distance], bit: u32) -> u64 {
    let mut found = 0;
    for (index, distance) in distances.iter().enumerate() {
        found |= (distance.0 >> bit & 1) << index;
    }
    found
}

/// Sorts nodes, nearest first. For any number of them.
pub(super) fn sort(
    rows: &mut [Row],
    distances: &mut [Distance],
    scratch: &mut Vec<(Distance, Row)>,
) {
    scratch.clear();
    let nodes = distances.iter().copied();
    scratch.extend(nodes.zip(rows.iter().copied()));
    scratch.sort_unstable();
    for (index, &(distance, row)) in scratch.iter().enumerate() {
        distances[index] = distance;
        rows[index] = row;
    }
}

/// Returns which of at most [`MOST`] different distances are the `n` smallest, a bit each. `n` must be less than their number.
/// `with_bit` returns which of them have the bit with its number set; bits beyond their number have no meaning.
///
/// Decides bit by bit, from the highest bit in which the distances differ. If more distances than wanted have the bit
/// clear, the distances that have it set drop out. Otherwise the distances that have it clear are chosen.
#[inline(always)]
pub(super) fn select(distances: &[Distance], n: usize, with_bit: impl Fn(u32) -> u64) -> u64 {
    if n == 0 {
        return 0;
    }
    let first = distances[0].0;
    let mut differing = 0;
    for other in distances {
        differing |= other.0 ^ first;
    }
    let mut open = u64::MAX >> (MOST - distances.len());
    let (mut chosen, mut wanted) = (0, n as u32);
    let mut bit = differing.ilog2();
    while open.count_ones() != wanted {
        let near = open & !with_bit(bit);
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
        assert!(bit > 0, "the distances of different nodes differ");
        bit -= 1;
    }
    chosen | open
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Plain loops and vectors of every kind move the same nodes in the same order.
        #[test]
        fn the_nearest_move_to_the_front(
            distances in proptest::collection::btree_set(any::<u64>().prop_map(|it| it >> (it & 31)), 1..=MOST),
            turn: usize, n: usize,
        ) {
            let mut distances: Vec<Distance> = distances.into_iter().map(Distance).collect();
            let (turn, n) = (turn % distances.len(), n % distances.len());
            let mut expected: Vec<Distance> = distances[..n].to_vec();
            distances.rotate_left(turn);
            expected.sort_by_key(|near| distances.iter().position(|other| other == near));
            let row_of = |distance: &Distance| Row(distance.0 as u32);
            let rows: Vec<Row> = distances.iter().map(row_of).collect();
            let (mut by_vectors, mut by_loops) = ((rows.clone(), distances.clone()), (rows, distances.clone()));
            move_to_front(&mut by_vectors.0, &mut by_vectors.1, n);
            let which = select(&by_loops.1, n, |bit| with_bit(&by_loops.1, bit));
            compress(&mut by_loops.0, &mut by_loops.1, which);
            #[cfg(target_arch = "x86_64")]
            if let Some(wide) = Avx2::new() {
                prop_assert_eq!(wide.nearest(&distances, n), which);
            }
            for (rows, distances) in [by_vectors, by_loops] {
                prop_assert_eq!(&distances[..n], &expected[..]);
                prop_assert!(rows[..n].iter().copied().eq(expected.iter().map(row_of)));
            }
        }
    }
}
