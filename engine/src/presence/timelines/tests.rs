use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::distribution::{Exponential, Fixed, Weibull};
use crate::makeup::{Region, Shares};
use crate::presence::{Event, Growth, Leavers, Sessions, Start};
use crate::random::Probability;

const SECOND_US: u64 = 1_000_000;

fn keys(nodes: u64) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..nodes).map(|id| Key::of_node(id, 3)).collect();
    keys.sort_unstable();
    keys
}

fn makeup() -> Makeup {
    Makeup {
        network_seed: 11,
        ..Makeup::default()
    }
}

fn kad() -> Sessions {
    Sessions {
        session: Some(Arc::new(Weibull {
            shape: 0.5,
            scale_us: 5e9,
        })),
        absence: Some(Arc::new(Exponential { mean_us: 1e10 })),
    }
}

fn fixed(session_us: f64, absence_us: f64) -> Sessions {
    Sessions {
        session: Some(Arc::new(Fixed { us: session_us })),
        absence: Some(Arc::new(Fixed { us: absence_us })),
    }
}

fn timelines(churn: Churn, makeup: Makeup, keys: &[Key], horizon_us: u64) -> Timelines {
    let presence = vec![Presence::Online; keys.len()];
    Timelines::new(churn, makeup, keys, &presence, horizon_us).unwrap()
}

fn churn(sessions: Sessions, start: Start) -> Churn {
    Churn {
        sessions: vec![sessions],
        start,
        ..Churn::default()
    }
}

#[test]
fn no_answer_depends_on_the_horizon() {
    let keys = keys(200);
    let near = timelines(
        churn(kad(), Start::Steady),
        makeup(),
        &keys,
        600 * SECOND_US,
    );
    let far = timelines(
        churn(kad(), Start::Steady),
        makeup(),
        &keys,
        60_000 * SECOND_US,
    );
    assert!(far.changes() > 2 * near.changes());
    for (row, &key) in (0..).map(Row).zip(&keys) {
        for at_us in (0..60_000).step_by(977).map(|second| second * SECOND_US) {
            let online = far.is_online(row, &keys, at_us);
            assert_eq!(near.is_online(row, &keys, at_us), online);
            let session = far.session(row, key, at_us);
            assert_eq!(near.session(row, key, at_us), session);
            assert_eq!(session.is_some(), online);
            if let Some(session) = session {
                assert!(session.from_us.unwrap_or(0) <= at_us && at_us < session.until_us);
                assert!(far.is_online(row, &keys, session.until_us - 1));
                assert!(!far.is_online(row, &keys, session.until_us));
            }
        }
    }
}

#[test]
fn what_is_counted_by_time_is_the_sum_over_nodes() {
    let keys = keys(500);
    let horizon_us = 20_000 * SECOND_US;
    let timelines = timelines(churn(kad(), Start::Steady), makeup(), &keys, horizon_us);
    let online_at = |at_us| {
        let rows = (0..keys.len() as u32).map(Row);
        rows.filter(|&row| timelines.is_online(row, &keys, at_us))
            .count() as u64
    };
    for at_us in [0, 1, SECOND_US, 7777 * SECOND_US, horizon_us] {
        assert_eq!(timelines.online(at_us), online_at(at_us));
    }
    let (from_us, until_us) = (1000 * SECOND_US, 9000 * SECOND_US);
    let Turnover {
        arrivals,
        departures,
    } = timelines.turnover(from_us, until_us);
    assert!(arrivals > 0 && departures > 0);
    let before = online_at(from_us - 1);
    assert_eq!(before + arrivals - departures, online_at(until_us));
}

#[test]
fn fixed_sessions_follow_one_another() {
    let keys = keys(1);
    let timelines = timelines(churn(fixed(10.0, 5.0), Start::Fresh), makeup(), &keys, 100);
    let online: Vec<u64> = (0..32)
        .filter(|&at_us| timelines.is_online(Row(0), &keys, at_us))
        .collect();
    let expected: Vec<u64> = (0..10).chain(15..25).chain(30..32).collect();
    assert_eq!(online, expected);
    let session = timelines.session(Row(0), keys[0], 16).unwrap();
    let second = Session {
        number: 1,
        from_us: Some(15),
        until_us: 25,
    };
    assert_eq!(session, second);
    let time_online = TimeOnline {
        sessions: 3,
        online_us: 5 + 10 + 1,
    };
    assert_eq!(timelines.sessions(Row(0), 5, 31), time_online);
}

#[test]
fn an_event_keeps_nodes_away_and_their_own_sessions_go_on() {
    let keys = keys(1000);
    let mut churn = churn(fixed(10.0, 5.0), Start::Fresh);
    churn.events = vec![
        Event {
            at_us: 0,
            leavers: Leavers::Share(Probability::new(0.5)),
            for_us: Some(20),
        },
        Event {
            at_us: 22,
            leavers: Leavers::Region(Region(1)),
            for_us: None,
        },
    ];
    let makeup = Makeup {
        regions: Shares::new(&[0.5, 0.5]),
        ..makeup()
    };
    let timelines = timelines(churn, makeup.clone(), &keys, 100);
    let mut left = 0;
    for (row, &key) in (0..).map(Row).zip(&keys) {
        assert!(timelines.is_online_at_start(row));
        let is_away = !timelines.is_online(row, &keys, 0);
        left += u32::from(is_away);
        for at_us in 1..60 {
            let own = at_us % 15 < 10;
            let kept = (is_away && at_us < 20) || (makeup.region(key) == Region(1) && at_us >= 22);
            assert_eq!(timelines.is_online(row, &keys, at_us), own && !kept);
        }
    }
    assert!((430..570).contains(&left), "{left}");
}

#[test]
fn a_trace_says_when_nodes_are_online() {
    let keys = keys(3);
    let trace = HashMap::from([
        (keys[0], vec![(0, 10), (10, 20), (30, u64::MAX)]),
        (keys[1], vec![(5, 6)]),
    ]);
    let churn = Churn {
        trace: Some(Arc::new(trace)),
        ..Churn::default()
    };
    let timelines = timelines(churn, makeup(), &keys, 1000);
    let online = |node: u32| -> Vec<u64> {
        (0..40)
            .filter(|&at_us| timelines.is_online(Row(node), &keys, at_us))
            .collect()
    };
    assert_eq!(online(0), (0..20).chain(30..40).collect::<Vec<u64>>());
    assert_eq!(online(1), [5]);
    assert!(online(2).is_empty());
    assert_eq!(timelines.session(Row(0), keys[0], 10).unwrap().number, 1);
    assert_eq!(
        timelines.session(Row(0), keys[0], 35).unwrap().until_us,
        u64::MAX
    );
}

#[test]
fn where_no_node_leaves_nothing_is_kept() {
    let keys = keys(10);
    let timelines = timelines(
        churn(Sessions::default(), Start::Steady),
        makeup(),
        &keys,
        1000,
    );
    assert!(!timelines.are_living());
    assert_eq!(timelines.bytes_used(), 0);
}

/// A3 and A4 of the published values: the share online does not drift, and nodes come at N / (E[S] + E[A]).
#[test]
fn a_steady_start_stays_steady_and_a_fresh_one_does_not() {
    const NODES: f64 = 100_000.0;
    let keys = keys(NODES as u64);
    let horizon_us = 28_800 * SECOND_US;
    let steady = timelines(churn(kad(), Start::Steady), makeup(), &keys, horizon_us);
    let share = |timelines: &Timelines, second| timelines.online(second * SECOND_US) as f64 / NODES;
    for second in [0, 600, 1800, 3600, 7200, 28_800] {
        assert!(
            (share(&steady, second) - 0.5).abs() < 3.5 * 0.00158,
            "{}",
            share(&steady, second)
        );
    }
    let arrivals = steady.turnover(0, horizon_us).arrivals;
    let expected = 5.0e-5 * NODES * 28_800.0;
    assert!(
        (arrivals as f64 / expected - 1.0).abs() < 0.01,
        "{arrivals} of {expected}"
    );
    // All begin a session at the start: seen too seldom later.
    let fresh = timelines(churn(kad(), Start::Fresh), makeup(), &keys, horizon_us);
    for (second, expected) in [
        (600, 0.380),
        (1800, 0.349),
        (3600, 0.348),
        (7200, 0.366),
        (28_800, 0.445),
    ] {
        assert!(
            share(&fresh, second) > expected - 0.005,
            "{second}: {}",
            share(&fresh, second)
        );
    }
    let bytes = steady.bytes_used() as f64 / steady.changes() as f64;
    // A node takes 4 bytes beside its changes, and blocks of changes and whole epochs round up.
    let of_nodes = 4.0 * NODES / steady.changes() as f64;
    assert!(bytes - of_nodes <= 16.0, "{bytes} bytes a change");
}

/// Nodes that join stay until sessions begin. Then they are online when they would be without the joins, so much earlier.
#[test]
fn sessions_begin_when_nodes_have_joined() {
    let keys = keys(300);
    let mut presence = vec![Presence::Online; keys.len()];
    presence[7] = Presence::Offline;
    let mut leaving = churn(kad(), Start::Steady);
    leaving.events = vec![Event {
        at_us: 0,
        leavers: Leavers::Share(Probability::new(0.2)),
        for_us: Some(SECOND_US),
    }];
    let horizon_us = 20_000 * SECOND_US;
    let later = timelines(leaving.clone(), makeup(), &keys, horizon_us);
    let growth = || Growth::new(SECOND_US, &makeup(), &keys, &presence).unwrap();
    let joins = growth();
    let mut joined = Timelines::growing(growth(), leaving, makeup(), &keys, &presence).unwrap();
    assert!(joined.are_living() && joined.growing_by().is_some());
    let begin_us = joins.last_us() + 1;
    let rows = || (0..).map(Row).zip(&keys).filter(|(row, _)| row.0 != 7);
    let has_come = |row: Row, at_us: u64| {
        joins.is_first(row) || joins.comes_us(row).is_some_and(|us| us <= at_us)
    };
    let before_us = (0..20).map(|tenth| tenth * begin_us / 20);
    let before_us: Vec<u64> = before_us.chain([begin_us - 1]).collect();
    for &at_us in &before_us {
        let online = rows().filter(|(row, _)| joined.is_online(*row, &keys, at_us));
        assert_eq!(online.count() as u32, joins.come_by(at_us));
        assert_eq!(joined.online(at_us), joins.come_by(at_us).into());
    }
    assert_eq!(joined.online(1 << 52), 299);
    let horizon_us = begin_us + horizon_us / 2;
    joined
        .settle(begin_us, &keys, &presence, horizon_us)
        .unwrap();
    assert!(joined.growing_by().is_none());
    assert!(!joined.is_online(Row(7), &keys, begin_us));
    let mut leave_at_once = 0;
    for (row, &key) in rows() {
        for &at_us in &before_us {
            assert_eq!(joined.is_online(row, &keys, at_us), has_come(row, at_us));
        }
        // Beyond the horizon too.
        for after_us in [0, 1, SECOND_US, 997 * SECOND_US, 19_000 * SECOND_US] {
            let expected = later.is_online(row, &keys, after_us);
            let at_us = begin_us + after_us;
            assert_eq!(
                joined.is_online(row, &keys, at_us),
                expected,
                "{row:?} {after_us}"
            );
            assert_eq!(joined.since(row, key, at_us).is_some(), expected);
            let next = later
                .change_after(row, key, after_us)
                .map(|us| us + begin_us);
            assert_eq!(joined.change_after(row, key, at_us), next);
        }
        let first_us = joined.change_after(row, key, begin_us - 1);
        leave_at_once += u32::from(first_us == Some(begin_us));
        if first_us != Some(begin_us) {
            assert_eq!(
                joined.session(row, key, begin_us).unwrap().from_us,
                joins.comes_us(row)
            );
        }
    }
    let turnover = joined.turnover(begin_us, begin_us);
    assert_eq!(
        (turnover.arrivals, turnover.departures),
        (0, leave_at_once.into())
    );
    assert!((150..220).contains(&leave_at_once), "{leave_at_once}");
}
