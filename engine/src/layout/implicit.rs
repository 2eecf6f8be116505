//! `implicit`: nothing stored. A bucket under full knowledge is a function of the sorted key column and the
//! radix index over it, computed by trie descent (`closest`) or drawn anew (`random`) when asked for.

use super::{Layout, closest_by_bucket};
use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;
use crate::routing::Rule;

/// See the [module](self).
pub struct Implicit;

impl Layout for Implicit {
    fn bucket(
        &self,
        population: &Population,
        rule: &Rule,
        owner: Row,
        bucket: u32,
        out: &mut Vec<Row>,
    ) {
        rule.fill(population, population.key(owner), bucket, out);
    }

    fn closest(
        &self,
        population: &Population,
        rule: &Rule,
        owner: Row,
        key: Key,
        out: &mut Vec<(Distance, Row)>,
        rows: &mut Vec<Row>,
    ) {
        let own = population.key(owner);
        let first = own.shared_bits(key);
        if first < Key::BITS && population.candidates(own, first).len() >= rule.k() {
            // The nearest bucket is full, as it is for most contacts of a lookup.
            rows.clear();
            rule.fill(population, own, first, rows);
            out.extend(
                rows.iter()
                    .map(|&row| (population.key(row).distance(key), row)),
            );
            return;
        }
        let mut deep = first.min(super::deep_from(population.sorted(), rule));
        while population.subtree(own, deep).len() > rule.k() + 1 {
            deep += 1;
        }
        closest_by_bucket(
            population,
            (own, key),
            (deep, rule.k()),
            out,
            rows,
            |bucket, rows| {
                if bucket == deep {
                    rows.extend(
                        population
                            .subtree(own, deep)
                            .iter()
                            .filter(|&row| row != owner),
                    );
                } else {
                    rule.fill(population, own, bucket, rows);
                }
            },
        );
    }

    fn bytes_used(&self) -> usize {
        0
    }
}
