//! Instructions and simulated cache accesses of the kernels, counted by valgrind. A noisy machine does not change the
//! counts, so they show regressions. Valgrind's processor has AVX2 but not AVX-512. Its counts do not include the
//! effect of prefetching.
//!
//! Needs valgrind and `cargo install gungraun-runner --version 0.20.0`; then `cargo bench --bench kernels`

#![allow(missing_docs, reason = "the macros make modules without documentation")]

mod common;

use std::hint::black_box;

use gungraun::prelude::*;
use kadsim_engine::answer::Answer;
use kadsim_engine::key::{Key, mix};
use kadsim_engine::link::{Attempt, Link, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::population::{Owner, Population, RadixIndex};
use kadsim_engine::routing::layout::{Layout, LayoutKind};
use kadsim_engine::routing::{Knowledge, Policy, Rule};
use kadsim_engine::shortlist::Shortlist;

use common::{Links, Setup, keys, pool};

const NODES: u32 = 10_000;

/// Lookups whose questions and answers are recorded.
const LOOKUPS: u64 = 64;

/// Questions of a lookup.
const QUESTIONS: usize = 12;

/// Nodes in a result.
const BETA: usize = 20;

/// A network's tables, and questions as lookups ask them.
struct Asked {
    keys: Vec<Key>,
    index: RadixIndex,
    rule: Rule,
    layout: Box<dyn Layout>,
    /// The node asked and the key asked for, [`QUESTIONS`] for each lookup.
    questions: Vec<(Owner, Key)>,
    answer: Answer,
}

impl Asked {
    /// Records lookups that contact the nearest known node, one at a time.
    fn record(layout: LayoutKind, policy: Policy) -> Self {
        let (keys, rule) = (keys(NODES), Setup::new(NODES, layout, policy).rule());
        let index = RadixIndex::new(&keys);
        let population = Population::new(&keys, &index);
        let layout = pool(1).install(|| layout.build(Knowledge::of_all(&population, &rule)));
        let (mut answer, mut shortlist) = (Answer::default(), Shortlist::default());
        let mut questions = Vec::new();
        for lookup in 0..LOOKUPS {
            let key = Key(mix(lookup));
            let origin = Row((mix(!lookup) % u64::from(NODES)) as u32);
            shortlist.reset(BETA);
            let mut owner = population.owner(origin);
            for _ in 0..QUESTIONS {
                questions.push((owner, key));
                ask(&*layout, &population, &rule, (owner, key), &mut answer);
                shortlist.join(&answer, 1, Some(origin));
                let nearest = shortlist.take_nearest(&population, key);
                let nearest = nearest.expect("the lookup knows more nodes than it asks");
                owner = population.owner(nearest.row);
            }
        }
        Self {
            keys,
            index,
            rule,
            layout,
            questions,
            answer,
        }
    }
}

fn ask(
    layout: &dyn Layout,
    population: &Population,
    rule: &Rule,
    (owner, key): (Owner, Key),
    answer: &mut Answer,
) {
    answer.clear();
    layout.closest(Knowledge::of_all(population, rule), owner, key, answer);
}

/// Returns the answers to the questions of lookups, [`QUESTIONS`] for each lookup, and an empty shortlist.
fn answers(policy: Policy) -> (Vec<Answer>, Shortlist) {
    let asked = Asked::record(LayoutKind::Packed, policy);
    let population = Population::new(&asked.keys, &asked.index);
    let answers = asked.questions.iter().map(|&question| {
        let mut answer = Answer::default();
        ask(
            &*asked.layout,
            &population,
            &asked.rule,
            question,
            &mut answer,
        );
        answer
    });
    let mut shortlist = Shortlist::default();
    shortlist.reset(BETA);
    (answers.collect(), shortlist)
}

// 768 answers.
#[library_benchmark(setup = answers)]
#[bench::closest(Policy::Closest)]
#[bench::random(Policy::Random)]
fn join((mut answers, mut shortlist): (Vec<Answer>, Shortlist)) -> (Vec<Answer>, Shortlist) {
    for lookup in answers.chunks_mut(QUESTIONS) {
        shortlist.reset(BETA);
        for answer in lookup {
            black_box(shortlist.join(answer, 1, None));
        }
    }
    (answers, shortlist)
}

// 768 questions.
#[library_benchmark(setup = Asked::record)]
#[bench::dense_closest(LayoutKind::Dense, Policy::Closest)]
#[bench::dense_random(LayoutKind::Dense, Policy::Random)]
#[bench::packed_closest(LayoutKind::Packed, Policy::Closest)]
#[bench::packed_random(LayoutKind::Packed, Policy::Random)]
#[bench::spans_closest(LayoutKind::Spans, Policy::Closest)]
#[bench::spans_random(LayoutKind::Spans, Policy::Random)]
#[bench::implicit_closest(LayoutKind::Implicit, Policy::Closest)]
#[bench::implicit_random(LayoutKind::Implicit, Policy::Random)]
fn closest(mut asked: Asked) -> Asked {
    let population = Population::new(&asked.keys, &asked.index);
    for &question in &asked.questions {
        let answer = &mut asked.answer;
        ask(&*asked.layout, &population, &asked.rule, question, answer);
        black_box(&answer.rows);
    }
    asked
}

// 10 000 keys.
#[library_benchmark(setup = keys)]
#[bench::nodes(NODES)]
fn radix_index(keys: Vec<Key>) -> (Vec<Key>, RadixIndex) {
    let index = RadixIndex::new(&keys);
    (keys, index)
}

// 10 000 contacts.
#[library_benchmark]
#[bench::constant(Links::Constant.model())]
#[bench::faulty(Links::Faulty.model())]
fn link_draw(link: UniformLink) -> UniformLink {
    let node = |row| Owner {
        row: Row(row),
        key: Key(u64::from(row)),
    };
    for operation in 0..10_000 {
        let attempt = Attempt {
            network_seed: 42,
            operation,
            sequence: 3,
            from: node(0),
            to: Some(node(1)),
            time_us: 0,
        };
        black_box(link.draw(attempt, &|_| true));
    }
    link
}

library_benchmark_group!(
    name = kernels,
    benchmarks = [join, closest, radix_index, link_draw]
);
main!(library_benchmark_groups = kernels);
