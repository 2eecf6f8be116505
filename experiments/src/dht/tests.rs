//! Tests of the library interface, one property each.

use super::*;

/// The delay of one way is 50 ms, so a contact takes 100 ms.
fn settings() -> Settings {
    Settings {
        nodes: 300,
        seed: 7,
        bucket_size: 8,
        beta: 8,
        delay_ms: 50.0..=50.0,
        ..Settings::default()
    }
}

fn network() -> Dht {
    Dht::init(settings()).expect("sound settings")
}

fn tables(dht: &mut Dht) -> Vec<RoutingTable> {
    (0..300)
        .map(|id| dht.client(id).expect("a node").routing_table())
        .collect()
}

#[test]
fn an_added_node_can_be_contacted_and_changes_no_other_table() {
    let mut dht = network();
    let before = tables(&mut dht);
    let key = dht.add_node(-5).expect("a new id");
    assert_eq!(dht.len(), 301);
    assert!(dht.nodes().contains(&-5));
    assert_eq!(dht.true_closest(key, 1), vec![-5_i64]);
    let mut newcomer = dht.client(-5).expect("it is there");
    assert_eq!(newcomer.key(), key);
    assert!(newcomer.routing_table().is_empty());
    assert!(newcomer.closest_nodes(key).is_empty());
    let alone = newcomer.lookup(Key(0));
    assert_eq!(
        (alone.attempts, alone.closest.len(), alone.duration_ms),
        (0, 0, 0.0)
    );

    let mut connection = dht.connect(3, -5).expect("it answers");
    assert!(connection.closest_nodes(Key(0)).nodes.is_empty());
    assert_eq!(tables(&mut dht), before);

    let best = dht.best_table(-5).expect("it is there");
    let table = dht.client(-5).expect("it is there").bootstrap();
    assert_eq!(table, best);
    assert!(table.len() > 8 && !table.nodes().any(|id| id == -5));
    let lookup = dht.client(-5).expect("it is there").lookup(Key(0));
    assert_eq!(lookup.closest, dht.true_closest(Key(0), 8));
    assert_eq!(tables(&mut dht), before);
}

#[test]
fn a_node_added_again_is_refused_and_nothing_changes() {
    let mut dht = network();
    let before = tables(&mut dht);
    assert_eq!(dht.add_node(17), Err(NetworkError::DuplicateNode(17)));
    let key = dht.client(17).expect("a node").key();
    assert_eq!(
        dht.add_node_with_key(1000, key),
        Err(NetworkError::DuplicateKey {
            key,
            node: 1000,
            other: 17
        })
    );
    dht.add_node(1000).expect("a new id");
    assert_eq!(dht.add_node(1000), Err(NetworkError::DuplicateNode(1000)));
    assert_eq!((dht.len(), tables(&mut dht)), (301, before));
    // Bootstrapping a known node again changes nothing either (py-dht shrinks its buckets).
    let table = dht.client(17).expect("a node").routing_table();
    dht.client(17).expect("a node").bootstrap();
    assert_eq!(
        dht.client(17).expect("a node").bootstrap().nodes().count(),
        table.len()
    );
}

#[test]
fn a_network_grows_from_nothing() {
    let mut dht = Dht::init(Settings {
        nodes: 0,
        ..settings()
    })
    .expect("sound settings");
    assert!(dht.is_empty() && dht.true_closest(Key(1), 3).is_empty());
    for id in 0..30 {
        dht.add_node(id).expect("a new id");
    }
    for id in 0..30 {
        dht.client(id).expect("a node").bootstrap();
    }
    let key = dht.client(0).expect("a node").provide(b"x").key;
    assert_eq!(
        &dht.client(29)
            .expect("a node")
            .retrieve(key)
            .expect("provided")
            .payload[..],
        b"x"
    );
    dht.bootstrap();
    assert_eq!(
        dht.client(5).expect("a node").routing_table(),
        dht.best_table(5).expect("a node")
    );
}

#[test]
fn a_contact_to_a_missing_node_costs_the_timeout() {
    let mut dht = Dht::init(Settings {
        timeout_ms: Some(700.0..=700.0),
        overhead_ms: 0.25,
        ..settings()
    })
    .expect("sound settings");
    dht.set_online(2, false).expect("a node");
    // Offline: origin's first use and the remote's. Unknown: origin's second.
    for (to, delay_ms) in [(2, 700.5), (999, 700.5)] {
        let before_ms = dht.now_ms();
        let error = dht.connect(1, to).err().expect("the remote is missing");
        assert_eq!(
            error,
            ConnectionError {
                from: 1,
                to,
                kind: ConnectionErrorKind::NotFound,
                delay_ms
            }
        );
        assert_eq!(dht.now_ms() - before_ms, delay_ms);
    }
    assert_eq!((dht.summary().not_found, dht.summary().online), (2, 299));
    dht.set_online(2, true).expect("a node");
    assert!(dht.connect(1, 2).is_ok());
    assert_eq!(dht.client(2).expect("a node").contacts(), 2);
}

#[test]
fn unknown_nodes_are_errors() {
    let mut dht = network();
    assert_eq!(dht.client(300).err(), Some(NetworkError::UnknownNode(300)));
    assert_eq!(dht.set_online(-1, true), Err(NetworkError::UnknownNode(-1)));
    assert_eq!(
        dht.best_table(i64::MAX).err(),
        Some(NetworkError::UnknownNode(i64::MAX))
    );
    let error = dht.connect(300, 1).err().expect("no origin");
    assert_eq!(
        (error.kind, error.delay_ms),
        (ConnectionErrorKind::UnknownOrigin, 0.0)
    );
    assert_eq!((dht.summary().attempts, dht.now_ms()), (0, 0.0));
}

#[test]
fn errors_of_links_come_as_errors_of_connections() {
    let faults = |fast, slow| Settings {
        fast_error_rate: fast,
        fast_error_delay_ms: 20.0..=20.0,
        slow_error_rate: slow,
        slow_error_delay_ms: 200.0..=200.0,
        ..settings()
    };
    for (settings, kind, delay_ms) in [
        (faults(1.0, 1.0), ConnectionErrorKind::Fast, 20.0),
        (faults(0.0, 1.0), ConnectionErrorKind::Slow, 200.0),
    ] {
        let mut dht = Dht::init(settings).expect("sound settings");
        let error = dht.connect(1, 2).err().expect("every contact fails");
        assert_eq!((error.kind, error.delay_ms), (kind, delay_ms));
        let provided = dht.client(1).expect("a node").provide(b"x");
        assert_eq!((provided.stored.len(), provided.store_failed.len()), (0, 8));
    }
    let mut dht = Dht::init(faults(0.5, 0.5)).expect("sound settings");
    let connected = (0..400).filter(|_| dht.connect(1, 2).is_ok()).count() as u64;
    let summary = dht.summary();
    assert_eq!((summary.successful, summary.attempts), (connected, 400));
    assert_eq!(summary.failures, summary.fast_errors + summary.slow_errors);
    assert!((60..140).contains(&connected) && (60..140).contains(&summary.slow_errors));
}

#[test]
fn a_connection_costs_a_draw_and_each_request_another_with_overhead() {
    let mut dht = Dht::init(Settings {
        overhead_ms: 0.25,
        ..settings()
    })
    .expect("sound settings");
    let own = dht.client(2).expect("a node").closest_nodes(Key(9));
    let mut connection = dht.connect(1, 2).expect("no errors");
    assert_eq!(
        (
            connection.to(),
            connection.delay_ms(),
            connection.request_ms()
        ),
        (2, 50.0, 50.5)
    );
    let answer = connection.closest_nodes(Key(9));
    assert_eq!(
        (answer.nodes, answer.payload, answer.delay_ms),
        (own, None, 50.5)
    );
    let missing = connection.retrieve(Key(9)).expect_err("nothing stored");
    assert_eq!(
        missing,
        NotHeld {
            node: 2,
            key: Key(9),
            delay_ms: 50.5
        }
    );
    let stored = connection.store(b"");
    assert_eq!(
        stored,
        Stored {
            key: Key::of_segment(b""),
            delay_ms: 50.5
        }
    );
    assert_eq!(
        connection
            .retrieve(stored.key)
            .expect("stored")
            .payload
            .len(),
        0
    );
    assert_eq!(
        connection.closest_nodes(stored.key).payload.as_deref(),
        Some(&b""[..])
    );
    assert_eq!(dht.now_ms(), 50.0 + 5.0 * 50.5);
    assert!(dht.client(2).expect("a node").held(stored.key).is_ok());
    assert!(dht.client(1).expect("a node").held(stored.key).is_err());
}

#[test]
fn the_nth_use_costs_n_gamma_until_reset() {
    let mut dht = Dht::init(Settings {
        overhead_ms: 0.25,
        ..settings()
    })
    .expect("sound settings");
    for n in 1..=5 {
        let connection = dht.connect(10 + n, 2).expect("no errors");
        let overhead_ms = (
            connection.origin_overhead_ms(),
            connection.remote_overhead_ms(),
        );
        assert_eq!(overhead_ms, (0.25, 0.25 * n as f64));
    }
    assert_eq!(dht.client(2).expect("a node").overhead_ms(), 1.25);
    // A lookup charges its origin once, on the same counter.
    dht.client(2).expect("a node").lookup(Key(0));
    assert_eq!(dht.client(2).expect("a node").overhead_ms(), 1.5);
    dht.reset_overhead();
    assert_eq!(
        dht.connect(1, 2).expect("no errors").remote_overhead_ms(),
        0.25
    );
}

#[test]
fn what_is_provided_is_retrieved_and_what_is_not_is_an_error() {
    let mut dht = network();
    let provided = dht.client(1).expect("a node").provide(b"payload");
    assert_eq!(provided.stored, provided.lookup.closest);
    assert_eq!(provided.stored, dht.true_closest(provided.key, 8));
    assert_eq!(
        (provided.store_ms, provided.duration_ms),
        (100.0, provided.lookup.duration_ms + 100.0)
    );
    assert_eq!(dht.now_ms(), provided.duration_ms);

    let asker = dht
        .nodes()
        .into_iter()
        .find(|id| !provided.stored.contains(id))
        .expect("most do not hold it");
    let found = dht
        .client(asker)
        .expect("a node")
        .retrieve(provided.key)
        .expect("provided");
    assert_eq!(&found.payload[..], b"payload");
    assert!(provided.stored.contains(&found.holder) && found.delay_ms >= 100.0);
    let own = dht
        .client(provided.stored[0])
        .expect("a node")
        .retrieve(provided.key)
        .expect("its own");
    assert_eq!(
        (own.holder, own.delay_ms, own.lookup.attempts),
        (provided.stored[0], 0.0, 0)
    );

    let absent = Key::of_segment(b"something else");
    let RetrieveError::NotFound(missed) = dht
        .client(asker)
        .expect("a node")
        .retrieve(absent)
        .expect_err("absent");
    assert_eq!(
        (missed.key, missed.lookup.closest),
        (absent, dht.true_closest(absent, 8))
    );
    assert_eq!(
        (
            dht.summary().segments,
            dht.client(asker).expect("a node").store(b"mine")
        ),
        (1, Key::of_segment(b"mine"))
    );
    dht.clear_segments();
    assert!(
        dht.client(provided.stored[0])
            .expect("a node")
            .retrieve(provided.key)
            .is_err()
    );
    assert_eq!(dht.summary().segments, 0);
}

#[test]
fn networks_side_by_side_do_not_touch_each_other() {
    let links = || Settings {
        delay_ms: 5.0..=75.0,
        fast_error_rate: 0.2,
        fast_error_delay_ms: 5.0..=50.0,
        overhead_ms: 0.25,
        ..settings()
    };
    let script = |dht: &mut Dht, id: i64| {
        let provided = dht.client(id).expect("a node").provide(&id.to_le_bytes());
        let found = dht.client(299 - id).expect("a node").retrieve(provided.key);
        (provided, found, dht.connect(id, id + 1).err(), dht.now_ms())
    };
    let mut alone = Dht::init(links()).expect("sound settings");
    let expected: Vec<_> = (0..10).map(|id| script(&mut alone, id)).collect();
    let mut one = Dht::init(links()).expect("sound settings");
    let mut other = Dht::init(Settings {
        network: 1,
        ..links()
    })
    .expect("sound settings");
    for id in 0..10 {
        assert_eq!(script(&mut one, id), expected[id as usize]);
        assert_ne!(script(&mut other, id), expected[id as usize]);
    }
    assert!(one.connection_log().eq(alone.connection_log()));
    assert!(!one.connection_log().eq(other.connection_log()));
}

#[test]
fn the_log_holds_every_connection_until_reset() {
    let mut dht = Dht::init(Settings {
        overhead_ms: 0.25,
        ..settings()
    })
    .expect("sound settings");
    let provided = dht.client(1).expect("a node").provide(b"x");
    dht.connect(3, 4).expect("no errors").store(b"y");
    dht.connect(3, 4).expect("no errors").closest_nodes(Key(0));
    let log: Vec<LoggedConnection> = dht.connection_log().collect();
    assert_eq!(log.len() as u32, provided.lookup.attempts + 8 + 2);
    let stores = log
        .iter()
        .filter(|entry| entry.request == Request::Store)
        .count();
    assert_eq!(stores, 8 + 1);
    let last = log[log.len() - 1];
    assert_eq!(
        (last.from, last.to, last.request, last.outcome),
        (3, 4, Request::Lookup, Outcome::Ok)
    );
    assert_eq!(
        last.total_delay_ms,
        2.0 * 50.0 + last.origin_overhead_ms + last.remote_overhead_ms
    );
    assert!(
        log.windows(2)
            .all(|pair| (pair[0].operation, pair[0].sequence)
                < (pair[1].operation, pair[1].sequence))
    );
    let summary = dht.summary();
    assert_eq!(
        (summary.nodes, summary.attempts, summary.successful),
        (300, log.len() as u64, log.len() as u64)
    );

    let now_ms = dht.now_ms();
    dht.reset();
    assert_eq!(dht.connection_log().len(), 0);
    let summary = dht.summary();
    assert_eq!(
        (summary.attempts, summary.attempts_ever, summary.segments),
        (0, log.len() as u64, 2)
    );
    assert_eq!(
        (dht.now_ms(), dht.client(4).expect("a node").overhead_ms()),
        (now_ms, 0.0)
    );
    dht.keep_connection_log(false);
    dht.client(1).expect("a node").lookup(Key(0));
    dht.connect(3, 4).expect("no errors").store(b"z");
    assert_eq!(dht.connection_log().len(), 0);
    assert!(dht.summary().attempts > 1);
}

#[test]
fn a_table_is_its_buckets_nearest_first() {
    let mut dht = network();
    for table in tables(&mut dht) {
        let mut nodes = Vec::new();
        for (place, bucket) in table.buckets.iter().enumerate() {
            assert!(bucket.len() <= 8);
            assert!(
                bucket
                    .members
                    .iter()
                    .all(|member| table.key.shared_bits(member.key) as usize == place)
            );
            let distances: Vec<Distance> = bucket
                .distances(table.key)
                .map(|(_, distance)| distance)
                .collect();
            assert!(distances.is_sorted());
            nodes.extend(bucket.members.iter().map(|member| member.id));
        }
        assert!(
            table
                .buckets
                .last()
                .is_some_and(|bucket| !bucket.is_empty())
        );
        assert!(table.nodes().eq(nodes));
        assert_eq!(table, dht.best_table(table.node).expect("a node"));
        let closest = dht
            .client(table.node)
            .expect("a node")
            .closest_nodes(Key(0));
        assert_eq!(table.closest_nodes(Key(0)), closest);
    }
    let text = dht.client(0).expect("a node").routing_table().to_string();
    assert!(text.starts_with("b0:8 b1:8 "), "{text}");
}

#[test]
fn settings_out_of_range_are_errors() {
    let refused = |settings: Settings| Dht::new(settings).err().expect("out of range").to_string();
    for value in [-1.0, f64::NAN, f64::INFINITY, 9.1e12, 0.0001] {
        let message = refused(Settings {
            overhead_ms: value,
            ..settings()
        });
        assert!(message.starts_with("overhead_ms is"), "{message}");
        let message = refused(Settings {
            timeout_ms: Some(value..=value),
            ..settings()
        });
        assert!(message.starts_with("timeout_ms is"), "{message}");
    }
    for value in [-0.1, 1.1, f64::NAN] {
        let message = refused(Settings {
            slow_error_rate: value,
            ..settings()
        });
        assert!(message.starts_with("slow_error_rate is"), "{message}");
    }
    let message = refused(Settings {
        delay_ms: 75.0..=50.0,
        ..settings()
    });
    assert_eq!(
        message,
        "delay_ms runs from 75 down to 50: the lower end comes first"
    );
    assert_eq!(
        refused(Settings {
            alpha: 0,
            ..settings()
        }),
        "alpha must be at least 1"
    );
    let message = refused(Settings {
        delay_ms: 0.0..=0.0,
        overhead_ms: 1.0,
        ..settings()
    });
    assert!(
        message.starts_with("overhead needs contacts that take time"),
        "{message}"
    );
    assert!(
        Dht::new(Settings {
            delay_ms: 0.001..=9e12,
            ..settings()
        })
        .is_ok()
    );
    let nodes = NodeSet::Imported(vec![(1, Key(5)), (2, Key(5))]);
    let spec = Spec {
        nodes,
        ..Spec::default()
    };
    assert!(matches!(
        Dht::new(spec).err(),
        Some(DhtError::Network(NetworkError::DuplicateKey { .. }))
    ));
}
