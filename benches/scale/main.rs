//! How cost grows with the number of nodes, from 10³ on by factors of ten, for every policy and layout: time to spawn, to
//! bootstrap and for a contact, bytes per node and cache lines per contact.
//!
//! `cargo bench --bench scale -- --svg benches/scale.svg`; with 10⁸ nodes, which take 12 GiB:
//! `-- --most 100000000`; one layout: `-- implicit`
//!
//! A process of its own measures each row, on all threads. Values are medians over the repetitions that fit into half a
//! second, at most 9. Rows that need more than `--memory-gib` (default: 60 % of the available memory) are left out.

#[path = "../common/mod.rs"]
mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use kadsim_engine::population::RadixIndex;
use kadsim_engine::routing::Policy;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::Network;
use kadsim_systems::network::read::NodesView;

use common::gather::{self, Reads, gather};
use common::{Setup, look_up, svg};

/// Number of nodes of the first row.
const FEWEST: u32 = 1000;

/// Number of nodes of the last row, unless `--most` sets another.
const MOST: u32 = 10_000_000;

/// Bytes of a node as an entity, with its part of the index.
const NODE_BYTES: f64 = 130.0;

/// Number of lookups of a phase.
const LOOKUPS: u64 = 100_000;

/// Number of lookups of a phase whose cache lines are counted.
const COUNTED_LOOKUPS: u64 = 2000;

/// Measurements of one network.
#[derive(Clone, Copy, Debug)]
struct Row {
    setup: Setup,
    spawn_s: f64,
    bootstrap_s: f64,
    /// Bytes of tables and index on the heap, per node.
    table_bytes: f64,
    /// Bytes by which the process has grown, per node.
    resident_bytes: f64,
    contact_ns: f64,
    /// Distinct cache lines per contact.
    lines: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, nodes, layout, policy] = arguments.as_slice()
        && flag == "--row"
    {
        let setup = setup_of(nodes, layout, policy).expect("only this program passes --row");
        return measure(setup);
    }
    let value = |name: &str| {
        let index = arguments.iter().position(|argument| argument == name)?;
        arguments.get(index + 1)
    };
    let most = value("--most").and_then(|most| most.parse().ok());
    let budget = value("--memory-gib").and_then(|gib| gib.parse::<f64>().ok());
    let budget_bytes =
        budget.map_or_else(|| 0.6 * available_bytes(), |gib| gib * f64::from(1 << 30));
    let layouts: Vec<LayoutKind> = LayoutKind::ALL
        .into_iter()
        .filter(|layout| arguments.iter().any(|argument| argument == layout.as_str()))
        .collect();
    let layouts = match layouts.as_slice() {
        [] => &LayoutKind::ALL,
        some => some,
    };

    let gathered = lines_per_second();
    println!(
        "random gather, {} threads: {:.0} M cache lines a second\n",
        threads(),
        gathered / 1e6
    );
    print_head();
    let mut series: Vec<Vec<Row>> = Vec::new();
    for &layout in layouts {
        for policy in Policy::ALL {
            let first = Setup::new(FEWEST, layout, policy);
            let rows = grow(first, most.unwrap_or(MOST), budget_bytes);
            series.push(rows.inspect(|row| row.print(gathered)).collect());
        }
    }
    if let Some(path) = value("--svg") {
        std::fs::write(path, svg::draw(&panels(&series))).expect("the picture can be written");
    }
}

fn setup_of(nodes: &str, layout: &str, policy: &str) -> Option<Setup> {
    let layout = LayoutKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == layout)?;
    let policy = Policy::ALL
        .into_iter()
        .find(|kind| kind.as_str() == policy)?;
    Some(Setup::new(nodes.parse().ok()?, layout, policy))
}

fn threads() -> usize {
    rayon::current_num_threads()
}

/// Returns the rows of one layout and policy, up to the last that fits into memory.
fn grow(mut setup: Setup, most: u32, budget_bytes: f64) -> impl Iterator<Item = Row> {
    let mut bytes = NODE_BYTES + 2000.0;
    std::iter::from_fn(move || {
        if setup.nodes > most || f64::from(setup.nodes) * bytes > budget_bytes {
            return None;
        }
        let row = in_process(setup);
        // Tables of ten times as many nodes have at most a quarter more entries, from a million nodes on.
        bytes = NODE_BYTES + row.as_ref().map_or(0.0, |row| 1.25 * row.table_bytes);
        setup.nodes = setup.nodes.saturating_mul(10);
        row
    })
}

/// Measures a row in another process, so that its memory can be measured.
fn in_process(setup: Setup) -> Option<Row> {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this)
        .arg("--row")
        .arg(setup.nodes.to_string())
        .args([setup.layout.as_str(), setup.policy.as_str()])
        .output()
        .expect("this program can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let values: Vec<f64> = text
        .split_whitespace()
        .filter_map(|value| value.parse().ok())
        .collect();
    let &[
        spawn_s,
        bootstrap_s,
        table_bytes,
        resident_bytes,
        contact_ns,
        lines,
    ] = values.as_slice()
    else {
        eprintln!(
            "{setup:?}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        return None;
    };
    Some(Row {
        setup,
        spawn_s,
        bootstrap_s,
        table_bytes,
        resident_bytes,
        contact_ns,
        lines,
    })
}

/// Measures a row and prints its values.
fn measure(setup: Setup) {
    let nodes = f64::from(setup.nodes);
    let before = resident_bytes();
    let begun = Instant::now();
    let mut network = setup.spawn();
    let spawn_s = begun.elapsed().as_secs_f64();
    // `spawn` has made the index already. It is made again to be timed.
    let index_s = network.read(|NodesView { population, .. }| {
        let keys = population.keys();
        median_s(|| drop(std::hint::black_box(RadixIndex::new(keys))))
    });
    let tables_s = median_s(|| network.bootstrap());
    let bytes = network.bytes_used();
    let table_bytes = (bytes.tables + bytes.index) as f64 / nodes;
    let resident = (resident_bytes() - before) / nodes;
    let mut contacts = 0;
    let phase_s = median_s(|| contacts = look_up(&mut network, LOOKUPS));
    let contact_ns = phase_s * 1e9 / contacts as f64;
    let lines = count_lines(&mut network);
    let bootstrap_s = index_s + tables_s;
    println!("{spawn_s} {bootstrap_s} {table_bytes} {resident} {contact_ns} {lines}");
}

/// Returns the distinct cache lines per contact, as an instrumented run counts them.
fn count_lines(network: &mut Network) -> f64 {
    network.recording().instrumented = true;
    let before = network.recorded().reads;
    let contacts = look_up(network, COUNTED_LOOKUPS);
    (network.recorded().reads.lines - before.lines) as f64 / contacts as f64
}

/// Returns the median time of the work, s.
fn median_s(mut work: impl FnMut()) -> f64 {
    const MOST: usize = 9;
    let begun = Instant::now();
    let mut seconds = Vec::with_capacity(MOST);
    while seconds.len() < MOST {
        let before = Instant::now();
        work();
        seconds.push(before.elapsed().as_secs_f64());
        if begun.elapsed() > Duration::from_millis(500) {
            break;
        }
    }
    seconds.sort_unstable_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Returns the highest of several measured rates, on all threads.
fn lines_per_second() -> f64 {
    const LINES: u64 = 1 << 25;
    let table = gather::table();
    let rate = |reads| {
        let begun = Instant::now();
        std::hint::black_box(gather(&table, LINES, reads));
        LINES as f64 / begun.elapsed().as_secs_f64()
    };
    let ways = [Reads::Plain, Reads::Ahead(16), Reads::Ahead(64)];
    let rates = ways
        .into_iter()
        .flat_map(|reads| [rate(reads), rate(reads), rate(reads)]);
    rates.fold(0.0, f64::max)
}

fn print_head() {
    println!(
        "| nodes | policy | layout | spawn s | bootstrap s | tables B/node | resident B/node \
         | ns a contact | M contacts/s | lines a contact | share of gather |"
    );
    println!("|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|");
}

impl Row {
    fn print(&self, gathered: f64) {
        let Setup {
            nodes,
            layout,
            policy,
            ..
        } = self.setup;
        // With few nodes, most of the memory is not theirs.
        let resident = if nodes < 100_000 {
            "-".to_owned()
        } else {
            format!("{:.0}", self.resident_bytes)
        };
        println!(
            "| {} | {} | {} | {:.3} | {:.5} | {:.1} | {resident} | {:.0} | {:.2} | {:.2} | {:.0} % |",
            common::power_of_ten(nodes),
            policy.as_str(),
            layout.as_str(),
            self.spawn_s,
            self.bootstrap_s,
            self.table_bytes,
            self.contact_ns,
            1e3 / self.contact_ns,
            self.lines,
            100.0 * self.lines * 1e9 / self.contact_ns / gathered,
        );
    }
}

/// Returns panels with a line for each series of rows.
fn panels(series: &[Vec<Row>]) -> [svg::Panel; 3] {
    let line = |rows: &Vec<Row>, value: fn(&Row) -> f64| {
        let setup = rows.first()?.setup;
        let points = rows
            .iter()
            .map(|row| (f64::from(row.setup.nodes), value(row)));
        Some(svg::Line {
            label: format!("{}, {}", setup.layout.as_str(), setup.policy.as_str()),
            colour: setup.layout as usize,
            is_dashed: setup.policy == Policy::Random,
            points: points.collect(),
        })
    };
    let panel = |title, value: fn(&Row) -> f64| svg::Panel {
        title,
        lines: series.iter().filter_map(|rows| line(rows, value)).collect(),
    };
    [
        panel("bootstrap, s", |row| row.bootstrap_s),
        panel("a contact, ns", |row| row.contact_ns),
        panel("tables and index, bytes a node", |row| row.table_bytes),
    ]
}

/// Returns the resident bytes of this process; 0 where the kernel does not report them.
fn resident_bytes() -> f64 {
    kib_of("/proc/self/status", "VmRSS:") * 1024.0
}

/// Returns the available bytes of this machine; 8 GiB where the kernel does not report them.
fn available_bytes() -> f64 {
    match kib_of("/proc/meminfo", "MemAvailable:") {
        0.0 => 8.0 * f64::from(1 << 30),
        kib => kib * 1024.0,
    }
}

/// Returns the value of a field of a file under `/proc`, in KiB; 0 if there is none.
fn kib_of(path: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0.0)
}
