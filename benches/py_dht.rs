//! The three benchmark programs of py-dht (github.com/cortze/py-dht, `benchmarks/`), benchmark by benchmark,
//! through the library face, and its published table beside ours.
//!
//! `cargo bench --bench py_dht`, or with the options of the original: `-- -i 10 -k 20 -n 10000 --threads 2`
//!
//! 1. As in py-dht, a benchmark is a task that runs `-i` times, without the time of its preparation. A call that takes less
//!    time than a reading of the clock is timed [`CALLS`] at a time.
//! 2. The benchmark of `shared_bits` in `hashes.py` calls the distance again. Here it counts the shared bits.
//! 3. py-dht grows a routing table peer by peer. Here full knowledge of the network fills it. So the counterpart of
//!    `new_discovered_peer` is that a node joins and the table of another node is filled anew.
//! 4. The published figures were measured on the machines of py-dht's author: the table with 8 processes, and 10 000
//!    nodes also on 20 cores of a Ryzen 5900X.

mod common;

use std::hint::black_box;
use std::time::Instant;

use kadsim::dht::{Dht, Key, RoutingTable, Settings};
use kadsim_engine::key::mix;

use common::pool;

/// Number of calls timed together where a single call is too short.
const CALLS: u32 = 1000;

/// Number of nodes, and seconds as py-dht has published them: at first, on one thread, with 8 processes.
const PUBLISHED: [(u32, Option<f64>, f64, f64); 6] = [
    (500, Some(10.0), 2.096, 0.489),
    (1000, Some(39.0), 5.39, 1.02),
    (1200, Some(56.0), 7.22, 1.48),
    (2000, Some(157.36), 14.49, 2.83),
    (5000, Some(995.73), 60.01, 11.15),
    (10_000, None, 199.97, 39.15),
];

/// Options of the original.
#[derive(Clone, Copy)]
struct Options {
    /// `-i`
    iterations: usize,
    /// `-k`
    bucket_size: u8,
    /// `-n`
    nodes: u32,
    /// `--threads`
    threads: usize,
}

fn main() {
    let options = options();
    hashes(options);
    routing(options);
    network(options);
    published(options);
}

fn options() -> Options {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: u32| {
        let index = arguments.iter().position(|argument| argument == name);
        let value = index.and_then(|index| arguments.get(index + 1)?.parse().ok());
        value.unwrap_or(default)
    };
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u32);
    Options {
        iterations: option("-i", 10).max(1) as usize,
        bucket_size: option("-k", 20).clamp(1, 255) as u8,
        nodes: option("-n", 10_000).max(2),
        threads: option("--threads", threads) as usize,
    }
}

impl Options {
    /// Returns the settings of a network of `nodes` nodes.
    fn settings(self, nodes: u32) -> Settings {
        Settings {
            nodes,
            bucket_size: self.bucket_size,
            beta: u32::from(self.bucket_size),
            ..Settings::default()
        }
    }

    /// Returns a network with empty tables.
    fn empty(self, nodes: u32) -> Dht {
        Dht::new(self.settings(nodes)).expect("the settings are in range")
    }

    /// Returns a network with full tables.
    fn full(self, nodes: u32) -> Dht {
        Dht::init(self.settings(nodes)).expect("the settings are in range")
    }

    /// Runs a task `iterations` times and prints its times as py-dht's `display_benchmark_metrics` does. The task receives
    /// the number of the round and returns the time that it measures, s.
    fn run(self, name: &str, task: impl Fn(u64) -> f64) {
        let begun = Instant::now();
        let mut rounds: Vec<f64> = (0..self.iterations as u64).map(&task).collect();
        let (total, measured) = (begun.elapsed().as_secs_f64(), rounds.iter().sum::<f64>());
        rounds.sort_unstable_by(f64::total_cmp);
        println!("-- benchmark: {name} --");
        println!("rounds          : {}", self.iterations);
        println!("failed rounds   : 0");
        println!(
            "prep time (s)   : {:e}",
            (total - measured).max(0.0) / rounds.len() as f64
        );
        println!("avg (s)         : {:e}", measured / rounds.len() as f64);
        println!("median (s)      : {:e}", quantile(&rounds, 0.5));
        println!("p90_duration (s): {:e}", quantile(&rounds, 0.9));
    }
}

/// Returns a quantile as pandas does: linear between the two nearest ranks.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * rank.fract()
}

/// Draws a number below n.
fn draw(round: u64, part: u64, n: u32) -> i64 {
    (mix(mix(round) ^ part) % u64::from(n)) as i64
}

/// Returns the time of a call, s.
fn timed<T>(task: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(task());
    begun.elapsed().as_secs_f64()
}

/// Returns the mean time of many calls, s.
fn timed_often<T>(mut task: impl FnMut() -> T) -> f64 {
    timed(|| {
        for _ in 0..CALLS {
            black_box(task());
        }
    }) / f64::from(CALLS)
}

/// Runs the benchmarks of `hashes.py`.
fn hashes(options: Options) {
    let hash = |round, part| Key::of_node(draw(round, part, 20_000) as u64, 42);
    options.run("hashes_hash_creation", |round| {
        let id = draw(round, 1, 20_000) as u64;
        timed_often(|| Key::of_node(black_box(id), 42))
    });
    options.run("hashes_distance_between_hashes", |round| {
        let (a, b) = (hash(round, 1), hash(round, 2));
        timed_often(|| black_box(a).distance(black_box(b)))
    });
    options.run("hashes_shared_bits_between_hashes", |round| {
        let (a, b) = (hash(round, 1), hash(round, 2));
        timed_often(|| black_box(a).shared_bits(black_box(b)))
    });
}

/// Runs the benchmarks of `routing.py`.
fn routing(options: Options) {
    let n = options.nodes;
    let table = |round| -> RoutingTable {
        let mut dht = options.full(n);
        let mut client = dht.client(draw(round, 1, n)).expect("ids are 0 to n - 1");
        client.routing_table()
    };
    options.run("routing_new_discv_node", |round| {
        let mut dht = options.full(n);
        // The id is always new. The original may draw an existing one.
        let (control, new) = (draw(round, 1, n), i64::from(n) + draw(round, 2, 3 * n));
        timed(|| {
            dht.add_node(new)?;
            Ok::<_, kadsim::dht::NetworkError>(dht.client(control)?.bootstrap())
        })
    });
    options.run("routing_closest_to_hash", |round| {
        let (table, key) = (table(round), Key::of_node(draw(round, 2, 4 * n) as u64, 42));
        timed(|| table.closest_nodes(key))
    });
    options.run("routing_get_rt", |round| {
        let table = table(round);
        timed(|| table.nodes().collect::<Vec<_>>())
    });
}

/// Runs the benchmarks of `network.py`.
fn network(options: Options) {
    let (n, threads) = (options.nodes, options.threads);
    options.run("network_n_initialization", |_| timed(|| options.empty(n)));
    options.run("network_bootstrap_node", |round| {
        let mut dht = options.empty(n);
        timed(|| dht.best_table(draw(round, 1, n)))
    });
    options.run("network_fast_bootstrap_network", |_| fast(options, n, 1));
    let name = format!("network_fast_threaded_bootstrap_network, {threads} threads");
    options.run(&name, |_| fast(options, n, threads));
    options.run("network_bootstrap_network", |_| {
        let mut dht = options.empty(n);
        timed(|| {
            for id in 0..i64::from(n) {
                let _ = black_box(dht.best_table(id));
            }
        })
    });
}

/// Returns the time of py-dht's `init_with_random_peers`, the nodes and their tables, s.
fn fast(options: Options, nodes: u32, threads: usize) -> f64 {
    pool(threads).install(|| timed(|| options.full(nodes)))
}

/// Prints the table of py-dht's README beside kadsim's times.
fn published(options: Options) {
    let threads = options.threads;
    let median = |nodes, threads| {
        let mut seconds: Vec<f64> = (0..options.iterations)
            .map(|_| fast(options, nodes, threads))
            .collect();
        seconds.sort_unstable_by(f64::total_cmp);
        quantile(&seconds, 0.5)
    };
    println!(
        "\nSeconds to spawn a network, k = {}:\n",
        options.bucket_size
    );
    println!(
        "| nodes | py-dht at first | py-dht, 1 thread | py-dht, 8 processes | kadsim, 1 thread \
         | kadsim, {threads} threads | times faster than 8 processes |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (nodes, first, one, eight) in PUBLISHED {
        let first = first.map_or("beyond 2 hours".to_owned(), |first| first.to_string());
        let ours = [median(nodes, 1), median(nodes, threads)];
        println!(
            "| {nodes} | {first} | {one} | {eight} | {:.6} | {:.6} | {:.0} |",
            ours[0],
            ours[1],
            eight / ours[1]
        );
    }
    let ours = median(10_000, threads);
    println!(
        "\n10 000 nodes on 20 cores: py-dht 28.2 s. On {threads} threads: kadsim {ours:.6} s, {:.0} times faster.",
        28.2 / ours
    );
}
