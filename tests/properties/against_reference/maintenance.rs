//! Random rules of maintenance.

use kadsim_engine::node::Row;
use kadsim_engine::random::Stream;
use kadsim_engine::routing::live::{Evict, Full, Replacement, TableRules};
use kadsim_systems::maintenance::{
    Check, Checked, JoinRefresh, Joining, Maintenance, Refresh, Refreshed,
};

use super::case::pick;

/// Periods and idle times, µs.
const PERIODS_US: [u64; 4] = [120_000, 700_000, 3_000_000, 20_000_000];

fn any_flag(stream: &mut Stream) -> bool {
    stream.below(2) == 0
}

/// Draws rules of buckets.
fn any_table(stream: &mut Stream) -> TableRules {
    TableRules {
        full: match stream.below(2) {
            0 => Full::Keep,
            _ => Full::PingOldest {
                idle_us: pick(stream, &[0, 0, 1_000_000, 5_000_000]),
            },
        },
        replacements: pick(stream, &[0, 1, 3, 20]),
        replacement: pick(stream, &Replacement::ALL),
        evict_after: pick(stream, &[None, Some(1), Some(1), Some(2), Some(5)]),
        evict: pick(stream, &Evict::ALL),
        names_failed: any_flag(stream),
    }
}

/// Draws rules of maintenance for a network of so many nodes.
pub fn any_maintenance(stream: &mut Stream, nodes: u32) -> Maintenance {
    let every_us = pick(stream, &PERIODS_US);
    let refresh = Refresh {
        what: match stream.below(4) {
            0 => Refreshed::All,
            1 => Refreshed::Random(stream.below(4) as u32),
            _ => Refreshed::Idle,
        },
        every_us,
        own: stream.below(4) > 0,
    };
    let every_us = pick(stream, &PERIODS_US);
    let check = Check {
        what: match stream.below(3) {
            0 => Checked::Oldest,
            1 => Checked::Random,
            _ => Checked::Idle {
                idle_us: pick(stream, &PERIODS_US),
            },
        },
        every_us,
    };
    let listed = pick(stream, &[0, 0, 0, 0, 1, 3]);
    let known = (0..listed).map(|_| Row(stream.below(u64::from(nodes)) as u32));
    let mut known: Vec<Row> = known.collect();
    known.sort_unstable();
    known.dedup();
    Maintenance {
        learn_asker: stream.below(4) > 0,
        learn_answerer: stream.below(4) > 0,
        learn_named: any_flag(stream),
        verify: stream.below(3) == 0,
        errors_count: any_flag(stream),
        table: any_table(stream),
        refresh: (stream.below(3) > 0).then_some(refresh),
        check: any_flag(stream).then_some(check),
        joining: Joining {
            knows: 1 + stream.below(3) as u32,
            known,
            refresh: match stream.below(3) {
                0 => JoinRefresh::Own,
                1 => JoinRefresh::Random(stream.below(4) as u32),
                _ => JoinRefresh::Farther,
            },
            retry_us: 1_000_000,
        },
        clients_known: any_flag(stream),
    }
}
