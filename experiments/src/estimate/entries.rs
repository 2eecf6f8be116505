//! Entries that a routing table is expected to have.

/// Returns the expected number of entries of a routing table in the buckets from `first` on. Bucket i holds at most k
/// of n / 2^(i+1) candidates.
pub(super) fn table_entries(nodes: f64, k: f64, first: i32) -> f64 {
    (first..64)
        .map(|bucket| (nodes / 2f64.powi(bucket + 1)).min(k))
        .sum()
}
