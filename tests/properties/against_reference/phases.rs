//! Random phases of an experiment.

use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::random::Stream;
use kadsim_engine::record::Kind;

use super::case::{Case, pick};
use crate::properties::reference::{Phase, Reference};

/// Draws operations of online origins that are due from `start_us` on, many of them at the same time.
fn plan(
    case: &Case,
    stream: &mut Stream,
    reference: &Reference,
    start_us: u64,
    first: u64,
) -> Vec<Planned> {
    let mut origins: Vec<u32> = (0..reference.keys.len() as u32)
        .filter(|&row| case.life.is_some() || reference.is_online(row as usize, start_us))
        .collect();
    while origins.len() > case.origins {
        origins.swap_remove(stream.below(origins.len() as u64) as usize);
    }
    let spread_us = pick(stream, &[1, 3_000, 400_000]);
    // At most as many as the case allows if that is few, else at least as many.
    let operations = match case.operations {
        few @ ..=25 if case.life.is_some() && stream.below(8) == 0 => stream.below(few / 25),
        few @ ..=25 => 1 + stream.below(few),
        many => many + stream.below(25),
    };
    let mut dues_us: Vec<u64> = (0..operations)
        .map(|_| start_us + stream.below(spread_us) / case.grain_us * case.grain_us)
        .collect();
    dues_us.sort_unstable();
    let planned = (first..).zip(dues_us).map(|(number, due_us)| Planned {
        number,
        origin: any_origin(case, stream, reference, &origins, due_us),
        key: pick(stream, &case.segments),
        due_us,
        lacks_origin: false,
    });
    let planned = planned.map(|planned| Planned {
        lacks_origin: case.life.is_some()
            && planned.number % 4 == 0
            && !reference.is_online(planned.origin.index(), planned.due_us),
        ..planned
    });
    planned.collect()
}

/// Draws how long a phase lasts at least, in networks of varied nodes.
fn any_duration(case: &Case, stream: &mut Stream) -> u64 {
    match case.life {
        Some(_) => pick(stream, &[0, 0, 0, 1, 700_000, 10_000_000]),
        None => 0,
    }
}

/// Draws one of the origins, mostly one that is online when the operation is due, if nodes come and go.
fn any_origin(
    case: &Case,
    stream: &mut Stream,
    reference: &Reference,
    origins: &[u32],
    due_us: u64,
) -> Row {
    let origin = pick(stream, origins);
    if case.life.is_none() || stream.below(8) == 0 {
        return Row(origin);
    }
    let mut online = origins.to_vec();
    online.retain(|&origin| reference.is_online(origin as usize, due_us));
    Row(match online.is_empty() {
        true => origin,
        false => pick(stream, &online),
    })
}

/// Draws when a phase is cut off, if it is: at an event of its operations, or within a microsecond of one.
fn any_cut(stream: &mut Stream, uncut: &Reference, phase: &Phase) -> Option<u64> {
    if stream.below(3) > 0 {
        return None;
    }
    let of_phase = uncut
        .operations
        .iter()
        .filter(|row| row.phase == phase.number);
    let rows: Vec<_> = of_phase.collect();
    let mut times_us = vec![phase.start_us + phase.lasts_us];
    if !rows.is_empty() {
        let row = pick(stream, &rows);
        times_us = vec![row.due_us, row.start_us, row.end_us.unwrap()];
    }
    if !uncut.connections.is_empty() {
        let sent = pick(stream, &uncut.connections);
        times_us.extend([sent.time_us, sent.time_us + sent.total_delay_us]);
    }
    let time_us = pick(stream, &times_us) + pick(stream, &[0, 1, 1, 1, 2]);
    Some(time_us.saturating_sub(1).max(phase.start_us))
}

/// Draws phases of these numbers and kinds that run at the same time, with operations numbered from `first`. The first
/// phase starts now.
pub fn any_phases(
    case: &Case,
    stream: &mut Stream,
    reference: &Reference,
    mut first: u64,
    kinds: &[(u32, Kind)],
) -> Vec<Phase> {
    let mut phases = Vec::new();
    for (index, &(number, kind)) in kinds.iter().enumerate() {
        let later_us = match index {
            0 => 0,
            _ => pick(stream, &[0, 1, 60_000, 300_000, 2_000_000]),
        };
        let start_us = reference.now_us + later_us;
        let planned = plan(case, stream, reference, start_us, first);
        first += planned.len() as u64;
        phases.push(Phase {
            number,
            kind,
            planned,
            parallel: match index {
                0 => case.parallel,
                _ => pick(stream, &[None, case.parallel, Some(2)]),
            },
            start_us,
            lasts_us: any_duration(case, stream),
            cut_us: None,
        });
    }
    let mut uncut = reference.clone();
    uncut.run(&phases);
    for phase in &mut phases {
        phase.cut_us = any_cut(stream, &uncut, phase);
    }
    phases
}
