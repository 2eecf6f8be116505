//! One suite over all layouts: each against a brute-force reference.

use proptest::prelude::*;

use super::fill::OWNERS_PER_CHUNK;
use super::*;
use crate::answer::Answer;
use crate::hardware::Prefetcher;
use crate::key::{BucketIndex, Key};
use crate::node::{Row, Table};
use crate::population::{Population, RadixIndex};
use crate::random::Probability;
use crate::routing::rule::{Policy, Rule};
use crate::routing::{Members, Size, Tables};

fn population_keys() -> impl Strategy<Value = Vec<Key>> {
    let key = (any::<u64>(), prop_oneof![4 => Just(0u32), 1 => 0u32..64])
        .prop_map(|(key, shift)| key >> shift);
    proptest::collection::btree_set(key, 1..400)
        .prop_map(|keys| keys.into_iter().map(Key).collect())
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Closest), Just(Policy::Random)]
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_unstable();
    rows
}

proptest! {
    #[test]
    fn buckets_are_those_of_brute_force(keys in population_keys(), bucket_size in 1u8..=32, policy in policy(), network_seed: u64) {
        let rule = Rule { bucket_size, answer_size: bucket_size, policy, network_seed };
        let index = RadixIndex::new(&keys);
        let population = Population::new(&keys, &index);
        let layouts: Vec<_> = LayoutKind::ALL.iter().map(|kind| kind.build(Knowledge::of_all(&population, &rule))).collect();
        for owner in (0..keys.len() as u32).step_by(7).map(Row) {
            let own = population.key(owner);
            for bucket in BucketIndex::all() {
                let mut candidates: Vec<Row> =
                    (0..keys.len() as u32).map(Row).filter(|&row| own.bucket_of(population.key(row)) == Some(bucket)).collect();
                let buckets: Vec<_> = layouts.iter().map(|layout| {
                    let mut rows = Vec::new();
                    layout.bucket(Knowledge::of_all(&population, &rule), population.owner(owner), bucket, &mut rows);
                    sorted(rows)
                }).collect();
                prop_assert!(buckets.windows(2).all(|pair| pair[0] == pair[1]));
                if policy == Policy::Closest || candidates.len() <= rule.k() {
                    candidates.sort_unstable_by_key(|&row| population.key(row).distance(own));
                    candidates.truncate(rule.k());
                    prop_assert_eq!(&buckets[0], &sorted(candidates));
                } else {
                    prop_assert_eq!(buckets[0].len(), rule.k());
                    prop_assert!(buckets[0].windows(2).all(|pair| pair[0] < pair[1]));
                    prop_assert!(buckets[0].iter().all(|row| candidates.contains(row)));
                }
            }
        }
    }

    #[test]
    fn the_closest_are_those_of_a_full_sort(keys in population_keys(), bucket_size in 1u8..=32, policy in policy(), network_seed: u64, any_key: u64) {
        let rule = Rule { bucket_size, answer_size: bucket_size, policy, network_seed };
        let index = RadixIndex::new(&keys);
        let population = Population::new(&keys, &index);
        for kind in LayoutKind::ALL {
            let layout = kind.build(Knowledge::of_all(&population, &rule));
            for owner in (0..keys.len() as u32).step_by(5).map(Row) {
                for key in [Key(any_key), population.key(owner), keys[any_key as usize % keys.len()], Key(population.key(owner).0 ^ (any_key >> 50))] {
                    let (mut entries, mut rows) = (Vec::new(), Vec::new());
                    for bucket in BucketIndex::all() {
                        rows.clear();
                        layout.bucket(Knowledge::of_all(&population, &rule), population.owner(owner), bucket, &mut rows);
                        entries.extend(rows.iter().map(|&row| (population.key(row).distance(key), row)));
                    }
                    entries.sort_unstable();
                    entries.truncate(rule.k());
                    let mut closest = Answer::default();
                    let mut prefetcher = Prefetcher::default();
                    for stage in 0..PREFETCH_STAGES {
                        layout.prefetch(Knowledge::of_all(&population, &rule), population.owner(owner), key, stage, &mut prefetcher, &mut Vec::new());
                    }
                    layout.closest(Knowledge::of_all(&population, &rule), population.owner(owner), key, &mut closest);
                    prop_assert_eq!(closest.sorted(), entries, "{:?}", kind);
                }
            }
        }
    }
}

proptest! {
    /// In every layout: of owners that have a table, members or not, buckets of members alone, but for the clients that take
    /// the places of some; answers that are those of a full sort; sizes that are those of the buckets.
    #[test]
    fn tables_name_members_alone(
        nodes in proptest::collection::btree_map(any::<u64>(), (any::<bool>(), any::<bool>(), any::<bool>()), 1..200),
        bucket_size in 1u8..=12,
        policy in policy(),
        share in prop_oneof![Just(0.0), Just(0.3), Just(1.0)],
        any_key: u64,
    ) {
        let rule = Rule { bucket_size, answer_size: bucket_size, policy, network_seed: 5 };
        let keys: Vec<Key> = nodes.keys().copied().map(Key).collect();
        let index = RadixIndex::new(&keys);
        let population = Population::new(&keys, &index);
        let rows = || (0..).map(Row).zip(nodes.values().copied());
        let is_client = |row: Row| nodes[&population.key(row).0].2;
        let members = || {
            let is_member = rows().filter(|&(_, (is_there, _, is_client))| is_there && !is_client);
            let has_table = rows().filter(|&(_, (is_there, has_table, _))| is_there || has_table);
            let clients = rows().filter(|&(_, (.., is_client))| is_client).map(|(row, _)| row).collect();
            let is_member = is_member.map(|(row, _)| row.index()).collect();
            let has_table = has_table.map(|(row, _)| row.index()).collect();
            Members::new(&population, is_member, has_table, clients, Probability::new(share))
        };
        let all = LayoutKind::ALL.map(|kind| {
            let mut tables = Tables::new(rule);
            tables.lay_out(kind, &population, Some(members()));
            tables
        });
        let members = members();
        for owner in (0..keys.len() as u32).map(Row) {
            let own = population.key(owner);
            let (mut entries, mut size) = (Vec::new(), Size::default());
            for bucket in BucketIndex::all() {
                let candidates = rows().map(|(row, _)| row).filter(|&row| own.bucket_of(population.key(row)) == Some(bucket));
                let candidates = Vec::from_iter(candidates.filter(|&row| members.is_member(row)));
                let buckets = Vec::from_iter(all.iter().map(|tables| {
                    let mut rows = Vec::new();
                    tables.bucket(&population, population.owner(owner), Table::LAID_OUT, bucket, &mut rows);
                    sorted(rows)
                }));
                prop_assert!(buckets.windows(2).all(|pair| pair[0] == pair[1]));
                let named = &buckets[0];
                if !members.has_table(owner) {
                    prop_assert!(named.is_empty());
                    continue;
                }
                prop_assert_eq!(named.len(), candidates.len().min(rule.k()));
                prop_assert!(named.windows(2).all(|pair| pair[0] < pair[1]));
                for &row in named {
                    prop_assert_eq!(own.bucket_of(population.key(row)), Some(bucket));
                    prop_assert!(candidates.contains(&row) || (share > 0.0 && is_client(row)));
                }
                if policy == Policy::Closest && share == 0.0 {
                    let mut nearest = candidates;
                    nearest.sort_unstable_by_key(|&row| population.key(row).distance(own));
                    nearest.truncate(rule.k());
                    prop_assert_eq!(named, &sorted(nearest));
                }
                size.entries += named.len() as u32;
                size.buckets += u8::from(!named.is_empty());
                entries.extend_from_slice(named);
            }
            for key in [Key(any_key), own, Key(own.0 ^ 1)] {
                let mut nearest: Vec<_> = entries.iter().map(|&row| (population.key(row).distance(key), row)).collect();
                nearest.sort_unstable();
                nearest.truncate(rule.k());
                for tables in &all {
                    let (mut closest, mut prefetcher) = (Answer::default(), Prefetcher::default());
                    for stage in 0..PREFETCH_STAGES {
                        tables.prefetch(&population, population.owner(owner), key, stage, &mut prefetcher, &mut Vec::new());
                    }
                    tables.closest(&population, population.owner(owner), Table::LAID_OUT, key, &mut closest);
                    prop_assert_eq!(closest.sorted(), nearest.clone());
                }
            }
            prop_assert_eq!(all[0].size(&population, owner, Table::LAID_OUT), size);
        }
    }
}

/// Each of 60 candidates is in a random bucket of 20 with probability 1/3: chi-square over many owners.
#[test]
fn random_buckets_are_uniform_subsets() {
    let half = 1u64 << 63;
    let owners: Vec<Key> = (0..6000)
        .map(|i| Key::of_node(i, 5))
        .map(|key| Key(key.0 & !half))
        .collect();
    let mut keys: Vec<Key> = (0..60).map(|i| Key(half | Key::of_node(i, 9).0)).collect();
    keys.extend(&owners);
    keys.sort_unstable();
    let index = RadixIndex::new(&keys);
    let population = Population::new(&keys, &index);
    let rule = Rule {
        bucket_size: 20,
        answer_size: 20,
        policy: Policy::Random,
        network_seed: 3,
    };
    let first = population.subtree(Key(half), 1).start;
    let (mut single, mut pairs) = ([0u32; 60], 0u32);
    let mut rows = Vec::new();
    for &owner in &owners {
        rows.clear();
        rule.fill(&population, owner, BucketIndex::new(0), &mut rows);
        rows.iter()
            .for_each(|row| single[(row.0 - first) as usize] += 1);
        pairs += u32::from(rows.contains(&Row(first)) && rows.contains(&Row(first + 59)));
    }
    let expected = 6000.0 / 3.0;
    // Counts of a sample without repetition: the statistic has 59 degrees when scaled by (n - 1) / (n - k).
    let chi_square: f64 = single
        .iter()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum::<f64>()
        * 59.0
        / 40.0;
    assert!(
        (24.0..=98.3).contains(&chi_square),
        "chi-square {chi_square} of 59 degrees"
    );
    let expected_pairs = 6000.0 * (20.0 * 19.0) / (60.0 * 59.0);
    assert!((f64::from(pairs) - expected_pairs).abs() < 4.0 * expected_pairs.sqrt());
}

/// Tables of more nodes than lie in one chunk are those of [`Implicit`], which fills and stores nothing.
#[test]
fn stored_tables_of_many_chunks_are_the_computed_ones() {
    // On one thread a filler goes on from chunk to chunk; on several, chunks start with a new one.
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            for shift in [0, 30] {
                for policy in [Policy::Closest, Policy::Random] {
                    for bucket_size in [1, 8, 40] {
                        let rule = Rule {
                            bucket_size,
                            answer_size: bucket_size,
                            policy,
                            network_seed: 5,
                        };
                        many_chunks(&rule, shift);
                    }
                }
            }
        });
    }
}

/// 10 000 nodes, every third of which has `shift` leading zeros more than it would have.
fn many_chunks(rule: &Rule, shift: u32) {
    const NODES: usize = 10_000;
    let key = |i| Key(Key::of_node(i, 3).0 >> if i % 3 == 0 { shift } else { 0 });
    let mut keys: Vec<Key> = (0..NODES as u64).map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 2 * OWNERS_PER_CHUNK);
    let index = RadixIndex::new(&keys);
    let population = Population::new(&keys, &index);
    let layouts = LayoutKind::ALL.map(|kind| kind.build(Knowledge::of_all(&population, rule)));
    let near_edges = (0..=keys.len())
        .step_by(OWNERS_PER_CHUNK)
        .chain([keys.len()])
        .flat_map(|edge| edge.saturating_sub(2)..keys.len().min(edge + 2));
    let bucket_of = |layout: &dyn Layout, owner, bucket| {
        let mut rows = Vec::new();
        layout.bucket(
            Knowledge::of_all(&population, rule),
            owner,
            bucket,
            &mut rows,
        );
        sorted(rows)
    };
    let closest_of = |layout: &dyn Layout, owner, key| {
        let mut closest = Answer::default();
        layout.closest(
            Knowledge::of_all(&population, rule),
            owner,
            key,
            &mut closest,
        );
        closest.sorted()
    };
    for owner in near_edges.chain((0..keys.len()).step_by(193)) {
        let owner = population.owner(Row(owner as u32));
        let mut entries = Vec::new();
        for bucket in BucketIndex::all() {
            let computed = bucket_of(&Implicit, owner, bucket);
            for (kind, layout) in LayoutKind::ALL.iter().zip(&layouts) {
                let stored = bucket_of(layout.as_ref(), owner, bucket);
                assert_eq!(stored, computed, "{rule:?} {kind:?} {owner:?} {bucket:?}");
            }
            entries.extend(computed);
        }
        let near = Key(owner.key.0 ^ 0x3_0000_0000);
        for key in [
            owner.key,
            near,
            Key(!owner.key.0),
            keys[owner.row.index() / 2],
        ] {
            let mut expected: Vec<_> = entries
                .iter()
                .map(|&row| (population.key(row).distance(key), row))
                .collect();
            expected.sort_unstable();
            expected.truncate(rule.k());
            for (kind, layout) in LayoutKind::ALL.iter().zip(&layouts) {
                let found = closest_of(layout.as_ref(), owner, key);
                assert_eq!(found, expected, "{rule:?} {kind:?} {owner:?} {key:?}");
            }
        }
    }
}
