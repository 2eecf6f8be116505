//! Networks without errors: a lookup finds the closest nodes.

use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::presence::Offline;
use kadsim_engine::random::Stream;
use kadsim_engine::record::Outcome;
use kadsim_engine::routing::Policy;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::{Network, NetworkError, NodeSet, Spec};
use kadsim_systems::rules::{Procedure, Rules, Stop};

fn network(nodes: u32, k: u8, policy: Policy, rules: Rules, seed: u64) -> Network {
    let link = UniformLink {
        delay: Delay::Uniform {
            low: 20_000,
            high: 90_000,
        },
        timeout: Delay::Constant(300_000),
        ..UniformLink::default()
    };
    let rules = Rules {
        beta: u32::from(k),
        ..rules
    };
    let spec = Spec {
        nodes: NodeSet::Generated(nodes),
        seed,
        bucket_size: k,
        policy,
        rules,
        link: Box::new(link),
        ..Spec::default()
    };
    let mut network = Network::new(spec).unwrap();
    network.bootstrap();
    network.recording().connections = true;
    network
}

/// Returns the beta online nodes closest to the key, by a full sort.
fn truth(network: &mut Network, key: Key, beta: usize) -> Vec<Row> {
    network.read(
        |NodesView {
             population,
             columns,
             ..
         }| {
            let mut rows: Vec<Row> = (0..population.keys().len() as u32).map(Row).collect();
            rows.retain(|row| columns.presence[row.index()].is_online());
            rows.sort_unstable_by_key(|&row| population.key(row).distance(key));
            rows.truncate(beta);
            rows
        },
    )
}

/// Runs lookups; returns how many found exactly the true closest nodes. Recall is checked by brute force.
fn exact(network: &mut Network, lookups: u32, k: usize, stream: &mut Stream) -> u32 {
    let nodes = network.len() as u64;
    let mut exact = 0;
    for lookup in 0..lookups {
        let (origin, key) = (Row(stream.below(nodes) as u32), Key(stream.bits()));
        let result = network.lookup(origin, key);
        let truth = truth(network, key, k);
        assert_eq!(network.true_closest(key, k), truth, "lookup {lookup}");
        let hits = truth.iter().filter(|row| result.contains(row)).count();
        let recorded = network.recorded();
        let row = recorded.operations[0];
        recorded.clear();
        assert_eq!(
            row.recall,
            Some(hits as f32 / truth.len() as f32),
            "lookup {lookup}"
        );
        assert_eq!(row.failed, 0, "lookup {lookup}");
        exact += u32::from(result == truth);
    }
    exact
}

/// Checks that nearly every lookup names exactly the true closest, in networks of several sizes.
#[track_caller]
fn finds_the_true_closest(policy: Policy, rules: Rules, networks: &[(u32, u8, u64)]) {
    for &(nodes, k, seed) in networks {
        let mut network = network(nodes, k, policy, rules, seed);
        let mut stream = Stream::from_state(seed);
        let exact = exact(&mut network, 200, usize::from(k), &mut stream);
        assert!(
            exact >= 198,
            "{nodes} nodes, k {k}, {policy:?}, {rules:?}: {exact} of 200"
        );
    }
}

#[test]
fn a_lookup_finds_the_true_closest_nodes() {
    for alpha in [1, 3] {
        let rules = Rules {
            alpha,
            ..Rules::default()
        };
        let networks = [(2, 4, 2), (15, 20, 3), (300, 10, 4), (3000, 20, 5)];
        finds_the_true_closest(Policy::Closest, rules, &networks);
    }
}

/// The table of the only node is empty, so its lookup knows no node, not even itself.
#[test]
fn a_lookup_of_the_only_node_finds_no_node() {
    let mut network = network(1, 20, Policy::Closest, Rules::default(), 1);
    assert_eq!(network.lookup(Row(0), Key(1)), []);
    let row = network.recorded().operations[0];
    assert_eq!(
        (row.attempts, row.lookup_us, row.recall),
        (0, Some(0), None)
    );
}

/// Under the stop rule of the Kademlia paper a lookup ends when the closest nodes have answered. With random buckets too,
/// they know every closer node.
#[test]
fn a_lookup_until_the_closest_have_answered_finds_them_with_any_buckets() {
    for policy in [Policy::Closest, Policy::Random] {
        let rules = Rules {
            stop: Stop::ClosestAnswered,
            ..Rules::default()
        };
        finds_the_true_closest(policy, rules, &[(2, 4, 2), (300, 10, 4), (3000, 20, 5)]);
    }
}

/// Generated and imported nodes can be listed as offline from the start. A node listed twice counts once.
#[test]
fn listed_nodes_are_offline_from_the_start() {
    let nodes: Vec<(i64, Key)> = (0..40)
        .map(|id| (7 * id, Key(!0 / 41 * id as u64)))
        .collect();
    let spec = |nodes: NodeSet, offline: Offline| Spec {
        nodes,
        offline,
        ..Spec::default()
    };
    let listed = |ids: &[i64]| Offline::Listed(ids.into());
    for nodes in [NodeSet::Imported(nodes.clone()), NodeSet::Generated(40)] {
        let mut network = Network::new(spec(nodes.clone(), listed(&[14, 0, 14]))).unwrap();
        assert_eq!(network.online(), 38);
        let rows = [14, 0].map(|id| network.row(id).unwrap());
        let online = network.online_rows().unwrap();
        assert_eq!(online.len(), 38);
        assert!(rows.iter().all(|row| !online.contains(row)));
        assert!(online.is_sorted());
        let unknown = Network::new(spec(nodes.clone(), listed(&[14, 3000])));
        assert_eq!(unknown.err(), Some(NetworkError::UnknownNode(3000)));
        let mut all = Network::new(spec(nodes, Offline::default())).unwrap();
        assert_eq!(all.online_rows(), None);
    }
    let drawn = Network::new(spec(NodeSet::Imported(nodes), Offline::Drawn(1)));
    assert_eq!(drawn.err(), Some(NetworkError::DrawnOffline));
    // The timeout is 0, so a contact of an offline node takes no time, and overhead has no order.
    let link = UniformLink {
        delay: Delay::Constant(5),
        ..UniformLink::default()
    };
    let charged = |offline| {
        Network::new(Spec {
            link: Box::new(link.clone()),
            overhead_us: 1,
            ..spec(NodeSet::Generated(40), offline)
        })
    };
    assert_eq!(
        charged(Offline::Drawn(1)).err(),
        Some(NetworkError::NoLookahead)
    );
    assert!(charged(Offline::default()).is_ok());
}

/// Under both procedures the contact of an offline node fails once, after its timeout, and the node is not among the true
/// closest.
#[test]
fn an_offline_node_is_not_found() {
    for procedure in [Procedure::Iterative, Procedure::PyDht] {
        let rules = Rules {
            alpha: 1,
            procedure,
            ..Rules::default()
        };
        let mut network = network(300, 10, Policy::Closest, rules, 7);
        let key = Key(0x5eed_0000_1234_5678);
        let nearest = network.true_closest(key, 1)[0];
        let origin = network.true_closest(Key(!key.0), 1)[0];
        network.set_online(nearest, false);
        assert!(!network.true_closest(key, 10).contains(&nearest));
        let id = network.read(
            |NodesView {
                 population, ids, ..
             }| ids.id(nearest, population.keys()),
        );
        let result = network.lookup(origin, key);
        let recorded = network.recorded();
        let row = recorded.operations[0];
        let missed: Vec<_> = recorded
            .connections
            .iter()
            .filter(|c| c.outcome == Outcome::NotFound)
            .collect();
        assert_eq!(missed.len(), 1, "{procedure:?}");
        assert_eq!(
            (missed[0].to, missed[0].total_delay_us),
            (id, 300_000),
            "{procedure:?}"
        );
        assert_eq!((row.failed, row.recall), (1, Some(0.9)), "{procedure:?}");
        assert_eq!(
            result[0], nearest,
            "{procedure:?}: a result may name nodes whose contact failed"
        );
        recorded.clear();
        network.set_online(nearest, true);
        network.lookup(origin, key);
        let row = network.recorded().operations[0];
        assert_eq!((row.failed, row.recall), (0, Some(1.0)), "{procedure:?}");
    }
}

/// A node added later can look up once it has a table, and other nodes find it once their tables name it.
#[test]
fn a_node_added_later_can_look_up() {
    let mut network = network(300, 10, Policy::Closest, Rules::default(), 8);
    let key = Key(0x0123_4567_89ab_cdef);
    let closest = network.true_closest(key, 10);
    let row = network.add_node(-5, key).unwrap();
    assert!(network.add_node(-5, Key(1)).is_err() && network.add_node(-6, key).is_err());
    assert_eq!(network.lookup(row, key), [], "its table is empty");
    network.bootstrap_node(row);
    assert_eq!(network.closest_nodes(row, key), closest);
    assert_eq!(network.lookup(row, key), closest);
    assert_eq!(network.true_closest(key, 1), [row]);
    assert!(
        !network.lookup(closest[0], key).contains(&row),
        "no table names it"
    );
    network.bootstrap();
    assert_eq!(network.lookup(closest[0], key)[0], row);
}

/// Where operations run as events, the state of all nodes is made at the bootstrap.
#[test]
fn no_node_is_added_where_operations_run_as_events() {
    let spec = Spec {
        nodes: NodeSet::Generated(30),
        events: true,
        link: Box::new(UniformLink {
            delay: Delay::Constant(1000),
            ..UniformLink::default()
        }),
        ..Spec::default()
    };
    let mut network = Network::new(spec).unwrap();
    for _ in 0..2 {
        let added = network.add_node(1000, Key(1));
        assert_eq!(added, Err(NetworkError::Complete));
        network.bootstrap();
    }
    assert_eq!(network.len(), 30);
}
