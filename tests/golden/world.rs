//! A network of golden nodes, and the outcome of an operation in it.

use std::collections::HashMap;

use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, Link, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::record::{ConnectionRow, Kind, OperationRow, Request};
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::{Network, NodeSet, Spec};
use kadsim_systems::rules::{Procedure, Rules};

use crate::golden::data::Golden;

/// The golden networks.
#[derive(Clone, Copy)]
pub struct Place {
    pub nodes: &'static str,
    pub routing_tables: &'static str,
    pub lookups: &'static str,
    pub provide: &'static str,
    pub retrieve: &'static str,
    pub k: u8,
}

pub const N200: Place = Place {
    nodes: "n200_k5/nodes",
    routing_tables: "n200_k5/routing_tables",
    lookups: "n200_k5/lookups",
    provide: "n200_k5/provide",
    retrieve: "n200_k5/retrieve",
    k: 5,
};

pub const N1000: Place = Place {
    nodes: "n1000_k10/nodes",
    routing_tables: "n1000_k10/routing_tables",
    lookups: "n1000_k10/lookups",
    provide: "n1000_k10/provide",
    retrieve: "n1000_k10/retrieve",
    k: 10,
};

/// Every draw is 50 ms and nothing fails: a contact costs 100.
pub fn constant_link() -> Box<dyn Link> {
    Box::new(UniformLink {
        delay: Delay::Constant(50_000),
        ..UniformLink::default()
    })
}

/// A golden network with what the tests vary.
pub struct World {
    pub network: Network,
    pub keys: HashMap<i64, Key>,
    k: u8,
}

/// What an operation gave.
pub struct Ran {
    pub row: OperationRow,
    pub result: Vec<i64>,
    pub connections: Vec<ConnectionRow>,
}

impl World {
    pub fn new(
        place: Place,
        layout: LayoutKind,
        procedure: Procedure,
        link: Box<dyn Link>,
        overhead_us: u64,
        seed: u64,
    ) -> Self {
        let golden = Golden::read(place.nodes);
        let keys: HashMap<i64, Key> = golden
            .rows()
            .map(|row| (row.int("node"), Key(row.key("hash"))))
            .collect();
        let mut nodes: Vec<(i64, Key)> = keys.iter().map(|(&id, &key)| (id, key)).collect();
        nodes.sort_unstable();
        let rules = Rules {
            beta: u32::from(place.k),
            steps_to_stop: 3,
            procedure,
            ..Rules::default()
        };
        let spec = Spec {
            nodes: NodeSet::Imported(nodes),
            seed,
            bucket_size: place.k,
            layout,
            rules,
            link,
            overhead_us,
            ..Spec::default()
        };
        let mut network = Network::new(spec).unwrap();
        network.bootstrap();
        network.recording().connections = true;
        Self {
            network,
            keys,
            k: place.k,
        }
    }

    /// Like [`World::new`] with packed tables and links of constant cost, without overhead.
    pub fn plain(place: Place, procedure: Procedure) -> Self {
        Self::new(place, LayoutKind::Packed, procedure, constant_link(), 0, 0)
    }

    pub fn set_alpha(&mut self, alpha: i64) {
        self.network.rules().alpha = u32::try_from(alpha).unwrap();
    }

    pub fn row(&mut self, id: i64) -> Row {
        let Some(row) = self.network.row(id) else {
            panic!("there is no node {id}");
        };
        row
    }

    pub fn ids(&mut self, rows: &[Row]) -> Vec<i64> {
        self.network.read(
            |NodesView {
                 population, ids, ..
             }| {
                rows.iter()
                    .map(|&row| ids.id(row, population.keys()))
                    .collect()
            },
        )
    }

    /// Runs one operation to its end.
    pub fn run(&mut self, kind: Kind, origin: i64, key: u64) -> Ran {
        let row = self.row(origin);
        let started_us = self.network.now_us();
        let result = match kind {
            Kind::Lookup => self.network.lookup(row, Key(key)),
            Kind::Provide => self.network.provide(row, Key(key)),
            Kind::Retrieve => self.network.retrieve(row, Key(key)),
        };
        let result = self.ids(&result);
        let recorded = self.network.recorded();
        assert_eq!(recorded.operations.len(), 1);
        let mut ran = Ran {
            row: recorded.operations[0],
            result,
            connections: std::mem::take(&mut recorded.connections),
        };
        recorded.clear();
        ran.connections
            .sort_by_key(|connection| connection.sequence);
        ran.check(kind, origin, key, started_us);
        ran
    }

    /// How many of the k truly closest nodes the result has.
    pub fn recall_hits(&self, ran: &Ran) -> i64 {
        let recall = f64::from(ran.row.recall.unwrap());
        (recall * f64::from(self.k)).round() as i64
    }
}

impl Ran {
    /// What holds for every operation.
    fn check(&self, kind: Kind, origin: i64, key: u64, started_us: u64) {
        let row = &self.row;
        assert_eq!((row.kind, row.origin, row.key), (kind, origin, key));
        assert_eq!(row.start_us, started_us);
        assert_eq!(row.attempts, row.completed + row.abandoned, "{row:?}");
        assert_eq!(row.completed, row.succeeded + row.failed, "{row:?}");
        let lookup_us = row.lookup_us.unwrap();
        let end_us = row.start_us + lookup_us + row.store_us.unwrap_or(0);
        assert_eq!(row.end_us, Some(end_us), "{row:?}");
        assert_eq!(self.contacted().len(), row.attempts as usize, "{row:?}");
        for (place, connection) in self.connections.iter().enumerate() {
            assert_eq!(connection.sequence as usize, place, "{row:?}");
            assert_eq!(connection.from, origin, "{row:?}");
            assert_eq!(connection.operation, row.operation);
        }
    }

    /// Nodes that the lookup contacted, in order.
    pub fn contacted(&self) -> Vec<i64> {
        self.sent(Request::Lookup)
    }

    /// Nodes that keep what was provided, in the order of the result: those that were asked to store, and by the
    /// clock the origin, which asks nobody.
    pub fn stored(&self) -> Vec<i64> {
        let asked = self.sent(Request::Store);
        let keeps = |id: &i64| self.stores_at_origin(*id) || asked.contains(id);
        self.result.iter().copied().filter(keeps).collect()
    }

    /// Whether this is a provide by this node.
    fn stores_at_origin(&self, id: i64) -> bool {
        self.row.kind == Kind::Provide && id == self.row.origin
    }

    fn sent(&self, request: Request) -> Vec<i64> {
        let sent = self.connections.iter();
        sent.filter(|connection| connection.request == request)
            .map(|connection| connection.to)
            .collect()
    }
}
