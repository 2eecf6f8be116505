//! Networks whose routing tables live: contacts a second by number of nodes, of threads, and length of a step, beside what a
//! contact of a frozen network costs in the same run.
//!
//! `cargo bench --bench living`; one row: `-- "1e6, many"`. Each row runs in a process of its own, `--repeat N` times (3 by
//! default); figures are medians. Contacts are those of users and of maintenance. `-- --svg benches/living.svg` draws the
//! cost of a contact over the number of nodes.

#[path = "../common/mod.rs"]
mod common;

use std::collections::VecDeque;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use kadsim_engine::distribution::{Exponential, Weibull};
use kadsim_engine::key::{Key, mix};
use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::presence::{Churn, Sessions};
use kadsim_engine::random::Stream;
use kadsim_engine::record::Kind;
use kadsim_engine::routing::live::TableRules;
use kadsim_engine::routing::{Aging, Join, Policy};
use kadsim_systems::Network;
use kadsim_systems::maintenance::{Maintenance, Refresh, Refreshed};
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::phases::Phase;
use kadsim_systems::rules::{Rules, Stop};

use common::svg::{self, Line, Panel};

/// A row of the table.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    nodes: u32,
    threads: usize,
    /// One-way delay, which is the length of a step, ms.
    delay_ms: u64,
    /// Users' lookups a simulated second.
    rate: u64,
    /// Simulated time, ms.
    duration_ms: u64,
    kind: Lives,
}

/// What of the network lives.
#[derive(Clone, Copy, PartialEq)]
enum Lives {
    /// Nothing: operations run whole.
    Frozen,
    /// Nodes learn and evict; none leaves.
    Learning,
    /// Nodes come and go, join and refresh too.
    Churning,
}

const CASES: [Case; 15] = [
    case(
        "1e6, frozen, 2 threads",
        1_000_000,
        2,
        50,
        40_000,
        10_000,
        Lives::Frozen,
    ),
    case(
        "1e6, many events, 2 threads",
        1_000_000,
        2,
        50,
        40_000,
        10_000,
        Lives::Learning,
    ),
    case(
        "1e6, many events, 1 thread",
        1_000_000,
        1,
        50,
        40_000,
        5_000,
        Lives::Learning,
    ),
    case(
        "1e5, frozen, 2 threads",
        100_000,
        2,
        50,
        40_000,
        10_000,
        Lives::Frozen,
    ),
    case(
        "1e5, many events, 2 threads",
        100_000,
        2,
        50,
        40_000,
        10_000,
        Lives::Learning,
    ),
    case(
        "1e5, many events, 1 thread",
        100_000,
        1,
        50,
        40_000,
        5_000,
        Lives::Learning,
    ),
    case(
        "1e4, frozen, 2 threads",
        10_000,
        2,
        50,
        40_000,
        10_000,
        Lives::Frozen,
    ),
    case(
        "1e4, many events, 2 threads",
        10_000,
        2,
        50,
        40_000,
        10_000,
        Lives::Learning,
    ),
    case(
        "1e4, many events, 1 thread",
        10_000,
        1,
        50,
        40_000,
        5_000,
        Lives::Learning,
    ),
    case(
        "1e6, 50 events a step, 1 thread",
        1_000_000,
        1,
        50,
        20,
        400_000,
        Lives::Learning,
    ),
    case(
        "1e6, 50 events a step, 2 threads",
        1_000_000,
        2,
        50,
        20,
        400_000,
        Lives::Learning,
    ),
    case(
        "1e6, steps of 1 ms, 1 thread",
        1_000_000,
        1,
        1,
        40_000,
        5_000,
        Lives::Learning,
    ),
    case(
        "1e6, steps of 1 ms, 2 threads",
        1_000_000,
        2,
        1,
        40_000,
        5_000,
        Lives::Learning,
    ),
    case(
        "1e6, churn, joins, refresh, 1 thread",
        1_000_000,
        1,
        50,
        100,
        20_000,
        Lives::Churning,
    ),
    case(
        "1e6, churn, joins, refresh, 2 threads",
        1_000_000,
        2,
        50,
        100,
        20_000,
        Lives::Churning,
    ),
];

const fn case(
    name: &'static str,
    nodes: u32,
    threads: usize,
    delay_ms: u64,
    rate: u64,
    duration_ms: u64,
    kind: Lives,
) -> Case {
    Case {
        name,
        nodes,
        threads,
        delay_ms,
        rate,
        duration_ms,
        kind,
    }
}

/// Operations made before the run.
struct Listed(VecDeque<Planned>);

impl Source for Listed {
    fn peek(&self) -> Option<Planned> {
        self.0.front().copied()
    }

    fn advance(&mut self) {
        self.0.pop_front();
    }
}

impl Case {
    fn network(&self) -> Network {
        let churn = Churn {
            sessions: vec![Sessions {
                session: Some(Arc::new(Weibull {
                    shape: 0.5,
                    scale_us: 5000e6,
                })),
                absence: Some(Arc::new(Exponential { mean_us: 10_000e6 })),
            }],
            ..Churn::default()
        };
        let maintenance = Maintenance {
            learn_asker: true,
            learn_answerer: true,
            table: TableRules {
                evict_after: Some(1),
                ..TableRules::DEFAULT
            },
            refresh: (self.kind == Lives::Churning).then_some(Refresh {
                what: Refreshed::Idle,
                every_us: 3_600_000_000,
                own: true,
            }),
            ..Maintenance::default()
        };
        let mut network = Network::new(Spec {
            nodes: NodeSet::Generated(self.nodes),
            seed: 42,
            bucket_size: common::K,
            policy: Policy::Random,
            rules: Rules {
                stop: Stop::ClosestAnswered,
                ..Rules::default()
            },
            link: Box::new(UniformLink {
                delay: Delay::Constant(self.delay_ms * 1000),
                timeout: Delay::Constant(1_000_000),
                ..UniformLink::default()
            }),
            maintenance: (self.kind != Lives::Frozen).then_some(maintenance),
            churn: (self.kind == Lives::Churning).then_some(churn),
            aging: Aging {
                join: Join::Protocol,
                ..Aging::default()
            },
            horizon_us: self.duration_ms * 1200,
            ..Spec::default()
        })
        .expect("the parameters go together");
        network.recording().recall = false;
        network.bootstrap();
        network
    }

    /// Runs the case; prints contacts, seconds, CPU seconds and steps.
    fn measure(&self) {
        let mut network = self.network();
        let count = self.rate * self.duration_ms / 1000;
        let planned = network.read(|nodes| {
            let online = |row: u32, at_us: u64| {
                !nodes.in_time.timelines.are_living() || nodes.in_time.is_online(Row(row), at_us)
            };
            (0..count)
                .map(|number| {
                    let due_us = number * 1_000_000 / self.rate;
                    let mut draws = Stream::from_state(number);
                    let origin = loop {
                        let row = draws.below(u64::from(self.nodes)) as u32;
                        if online(row, due_us) {
                            break Row(row);
                        }
                    };
                    Planned {
                        number,
                        origin,
                        key: Key(mix(number + 1_000_000_000)),
                        due_us,
                        lacks_origin: false,
                    }
                })
                .collect::<VecDeque<_>>()
        });
        network.begin_phase(Phase {
            number: 0,
            kind: Kind::Lookup,
            source: Box::new(Listed(planned)),
            operations: count,
            parallel: None,
            start_us: 0,
            duration_us: self.duration_ms * 1000,
            max_us: None,
            freshness_us: None,
        });
        let (began, cpu_s) = (Instant::now(), cpu_seconds());
        let mut contacts = 0;
        let mut take = |network: &mut Network| {
            let recorded = network.recorded();
            let ticks = recorded.ticks.iter();
            contacts += ticks
                .map(|tick| tick.connections + tick.maintenance_connections)
                .sum::<u64>();
            recorded.clear();
        };
        while network.step().unwrap() == Progress::Going {
            take(&mut network);
            network.end_phase().unwrap();
        }
        take(&mut network);
        let seconds = began.elapsed().as_secs_f64();
        let steps = network.take_timings().steps;
        let cpu_s = cpu_seconds() - cpu_s;
        let bytes = network.bytes_used().tables as f64 / f64::from(self.nodes);
        println!("{contacts} {seconds} {cpu_s} {steps} {bytes}");
    }
}

/// Returns the CPU time of the process, s.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = arguments.as_slice()
        && flag == "--row"
    {
        let case = CASES.iter().find(|case| case.name == name);
        let case = case.expect("only this program passes --row");
        return common::pool(case.threads).install(|| case.measure());
    }
    let (mut repeat, mut filter, mut svg) = (3, String::new(), None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--repeat" => {
                let count = arguments.next().and_then(|count| count.parse().ok());
                repeat = count.expect("--repeat takes a number");
            }
            "--svg" => svg = arguments.next(),
            // Of cargo.
            "--bench" => {}
            _ => filter = argument,
        }
    }
    let cases = CASES.iter().filter(|case| case.name.contains(&filter));
    println!(
        "{:40} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8}",
        "", "M contacts", "M/s", "M/CPU-s", "ns", "steps/s", "B/node"
    );
    let mut measured = Vec::new();
    for case in cases {
        let mut rows: Vec<Vec<f64>> = (0..repeat).map(|_| row(case.name)).collect();
        rows.sort_by(|one, other| one[1].total_cmp(&other[1]));
        let [contacts, seconds, cpu_s, steps, bytes] = rows[rows.len() / 2][..] else {
            panic!("a row has five figures");
        };
        println!(
            "{:40} {:>10.2} {:>10.2} {:>8.2} {:>8.0} {:>8.0} {:>8.0}",
            case.name,
            contacts / 1e6,
            contacts / seconds / 1e6,
            contacts / cpu_s / 1e6,
            seconds / contacts * 1e9 * case.threads as f64,
            steps / seconds,
            bytes,
        );
        measured.push((case, cpu_s / contacts * 1e9));
    }
    if let Some(path) = svg {
        std::fs::write(path, svg::draw(&[panel(&measured)])).expect("the picture can be written");
    }
}

/// Returns the diagram of the CPU time of a contact over the number of nodes, from the rows of many operations.
fn panel(measured: &[(&Case, f64)]) -> Panel {
    let line = |label: &str, colour: usize, rows: &str| {
        let rows = measured
            .iter()
            .filter(|(case, _)| case.name.ends_with(rows));
        let points = rows.map(|&(case, ns)| (f64::from(case.nodes), ns));
        Line {
            label: label.to_owned(),
            colour,
            is_dashed: false,
            points: points.collect(),
        }
    };
    Panel {
        title: "CPU time of a contact, ns",
        lines: vec![
            line("frozen", 1, ", frozen, 2 threads"),
            line("living", 3, ", many events, 2 threads"),
        ],
    }
}

/// Measures a row in a process of its own.
fn row(name: &str) -> Vec<f64> {
    let program = std::env::current_exe().expect("the program has a path");
    let output = Command::new(program)
        .args(["--row", name])
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace()
        .map(|figure| figure.parse().expect("a number"))
        .collect()
}
