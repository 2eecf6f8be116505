//! Keys and their XOR distance (Maymounkov and Mazières, *Kademlia*, IPTPS 2002, section 2.1).
//!
//! A key is 64 bits. Only the order of distances matters to a DHT, and two of n uniform keys agree in
//! all 64 bits with probability n²/2⁶⁵ (a million nodes: 3e-8), so a 160- or 256-bit identifier is
//! represented by its first 64 bits.

use bevy_ecs::component::Component;
use sha2::{Digest, Sha256};

/// A point of the key space that nodes and segments share: the node's identifier or the segment's address.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Key(pub u64);

/// XOR of two keys, compared as an unsigned integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Distance(pub u64);

/// The number of a bucket of a routing table, 0 to 63: the leading bits that the bucket's entries share with the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct BucketIndex(u8);

impl BucketIndex {
    /// Returns the bucket of entries that share `shared` leading bits with the owner.
    ///
    /// # Panics
    ///
    /// If `shared` is above 63: the key with all 64 bits is the owner's own, which no table holds.
    #[inline]
    pub const fn new(shared: u32) -> Self {
        assert!(shared < Key::BITS, "a bucket is numbered 0 to 63");
        Self(shared as u8)
    }

    /// Returns every bucket, that of the farthest entries first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..Key::BITS as u8).map(Self)
    }

    /// Returns the number of the bucket, 0 to 63.
    #[inline]
    pub fn get(self) -> u8 {
        self.0
    }

    /// Returns the leading bits that the bucket's entries share with the owner, 0 to 63.
    #[inline]
    pub fn shared_bits(self) -> u32 {
        u32::from(self.0)
    }

    /// Returns the leading bits that the bucket's entries share with one another, 1 to 64: the depth of the subtree of
    /// the trie of keys that the bucket is.
    #[inline]
    pub fn depth(self) -> u32 {
        self.shared_bits() + 1
    }

    /// Returns the bucket as an index of a slice.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Distance {
    /// The largest distance.
    pub const MAX: Distance = Distance(u64::MAX);

    /// Returns the key at this distance from `other`.
    #[inline]
    pub fn key_from(self, other: Key) -> Key {
        Key(self.0 ^ other.0)
    }
}

impl Key {
    /// Bits in a key, and so the number of buckets a routing table can have.
    pub const BITS: u32 = u64::BITS;

    /// Returns the XOR distance to another key.
    #[inline]
    pub fn distance(self, other: Key) -> Distance {
        Distance(self.0 ^ other.0)
    }

    /// Returns the number of leading bits that both keys share, 0 to 64.
    #[inline]
    pub fn shared_bits(self, other: Key) -> u32 {
        (self.0 ^ other.0).leading_zeros()
    }

    /// Returns the bucket that `other` belongs to in a table of `self`; `None` for the same key, which no table holds.
    #[inline]
    pub fn bucket_of(self, other: Key) -> Option<BucketIndex> {
        let shared = self.shared_bits(other);
        (shared < Key::BITS).then(|| BucketIndex::new(shared))
    }

    /// Returns a key of a bucket in a table of `self`: this key with the first bit flipped that the bucket's entries do
    /// not share with it.
    #[inline]
    pub fn flipped(self, bucket: BucketIndex) -> Key {
        Key(self.0 ^ (1 << (Key::BITS - bucket.depth())))
    }

    /// Returns the key of a segment: the first 8 bytes, big-endian, of the SHA-256 of its payload.
    pub fn of_segment(payload: &[u8]) -> Key {
        let digest = Sha256::digest(payload);
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        Key(u64::from_be_bytes(head))
    }

    /// Returns the key of the generated node `id`: an invertible mix of id and seed, so that all keys of a network are
    /// different.
    #[inline]
    pub fn of_node(id: u64, seed: u64) -> Key {
        Key(mix(id ^ seed))
    }

    /// Returns the id whose [`Key::of_node`] under the same seed is this key.
    #[inline]
    pub fn node_id(self, seed: u64) -> u64 {
        unmix(self.0) ^ seed
    }
}

/// Mixes 64 bits: Stafford's variant 13 of the 64-bit finaliser, the output function of SplitMix64 (Steele, Lea and
/// Flood, OOPSLA 2014): a bijection in which each input bit flips each output bit with probability 1/2.
#[inline]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Inverts [`mix`].
#[inline]
fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_segment_is_addressed_by_the_head_of_its_sha256() {
        // FIPS 180-2 vectors: "abc" and the empty message.
        assert_eq!(Key::of_segment(b"abc"), Key(0xba78_16bf_8f01_cfea));
        assert_eq!(Key::of_segment(b""), Key(0xe3b0_c442_98fc_1c14));
    }

    proptest! {
        #[test]
        fn xor_is_a_metric(a: u64, b: u64, c: u64) {
            let (a, b, c) = (Key(a), Key(b), Key(c));
            prop_assert_eq!(a.distance(a), Distance(0));
            prop_assert_eq!(a.distance(b), b.distance(a));
            prop_assert_eq!(a == b, a.distance(b) == Distance(0));
            prop_assert!(u128::from(a.distance(c).0) <= u128::from(a.distance(b).0) + u128::from(b.distance(c).0));
            prop_assert_eq!(a.distance(b).0 ^ b.distance(c).0, a.distance(c).0);
        }

        #[test]
        fn more_shared_bits_means_closer(a: u64, b: u64, c: u64) {
            let (a, b, c) = (Key(a), Key(b), Key(c));
            if a.shared_bits(b) > a.shared_bits(c) {
                prop_assert!(a.distance(b) < a.distance(c));
            }
        }

        #[test]
        fn a_flipped_key_lies_in_its_bucket(a: u64, shared in 0..Key::BITS) {
            let (owner, bucket) = (Key(a), BucketIndex::new(shared));
            prop_assert_eq!(owner.bucket_of(owner.flipped(bucket)), Some(bucket));
            prop_assert_eq!(owner.bucket_of(owner), None);
            prop_assert_eq!(BucketIndex::all().nth(bucket.index()), Some(bucket));
        }

        #[test]
        fn a_generated_key_gives_its_id_back(id: u64, seed: u64) {
            prop_assert_eq!(Key::of_node(id, seed).node_id(seed), id);
        }
    }
}
