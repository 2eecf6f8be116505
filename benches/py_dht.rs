//! The three benchmark programs of py-dht (github.com/cortze/py-dht, `benchmarks/`), benchmark by benchmark,
//! through the library face, and its published table beside ours.
//!
//! `cargo bench --bench py_dht`, or with the options of the original: `-- -i 10 -k 20 -n 10000 --threads 2`
//!
//! 1. As there, a benchmark is a task run `-i` times; what it prepares is not timed. A call that takes less
//!    than reading the clock does is timed [`CALLS`] at a time.
//! 2. `hashes.py` has `shared_bits` call the distance again. Here it counts the shared bits.
//! 3. py-dht grows a routing table peer by peer; here it is filled from full knowledge of the network. So what
//!    stands for `new_discovered_peer` is: a node joins, and another's table is filled anew.
//! 4. Published figures were measured on the machines of py-dht's author: the table with 8 processes; 10 000
//!    nodes once more on 20 cores of a Ryzen 5900X.

mod common;

use std::hint::black_box;
use std::time::Instant;

use kadsim::dht::{Dht, Key, RoutingTable, Settings};
use kadsim_engine::key::mix;

use common::pool;

/// Calls timed together where one is too short.
const CALLS: u32 = 1000;

/// Nodes; seconds as py-dht has published them: at first, on one thread, with 8 processes.
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
        let place = arguments.iter().position(|argument| argument == name);
        let value = place.and_then(|place| arguments.get(place + 1)?.parse().ok());
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
    /// A network of the given size with these options.
    fn settings(self, nodes: u32) -> Settings {
        Settings {
            nodes,
            bucket_size: self.bucket_size,
            beta: u32::from(self.bucket_size),
            ..Settings::default()
        }
    }

    /// The same, its tables empty.
    fn empty(self, nodes: u32) -> Dht {
        Dht::new(self.settings(nodes)).expect("the settings are in range")
    }

    /// The same, its tables full.
    fn full(self, nodes: u32) -> Dht {
        Dht::init(self.settings(nodes)).expect("the settings are in range")
    }

    /// Runs a task so often, with a different number each time; it returns how long what it measures took, s.
    /// Prints what py-dht's `display_benchmark_metrics` does. Returns the median, s.
    fn run(self, name: &str, task: impl Fn(u64) -> f64) -> f64 {
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
        quantile(&rounds, 0.5)
    }
}

/// As pandas has it: linear between the two nearest ranks.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * place.fract()
}

/// A number below n.
fn draw(round: u64, part: u64, n: u32) -> i64 {
    (mix(mix(round) ^ part) % u64::from(n)) as i64
}

fn timed<T>(task: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(task());
    begun.elapsed().as_secs_f64()
}

/// The mean of many calls.
fn timed_often<T>(mut task: impl FnMut() -> T) -> f64 {
    timed(|| {
        for _ in 0..CALLS {
            black_box(task());
        }
    }) / f64::from(CALLS)
}

/// `hashes.py`
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

/// `routing.py`
fn routing(options: Options) {
    let n = options.nodes;
    let table = |round| -> RoutingTable {
        let mut dht = options.full(n);
        let mut client = dht.client(draw(round, 1, n)).expect("ids are 0 to n - 1");
        client.routing_table()
    };
    options.run("routing_new_discv_node", |round| {
        let mut dht = options.full(n);
        // An id that is new, where the original may draw one that is there.
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

/// `network.py`
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

/// py-dht's `init_with_random_peers`: the nodes and their tables.
fn fast(options: Options, nodes: u32, threads: usize) -> f64 {
    pool(threads).install(|| timed(|| options.full(nodes)))
}

/// The table of py-dht's README, and ours. Its 10 000 nodes in 28.2 s are those of the options' default size.
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
