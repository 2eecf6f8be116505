//! A network of py-dht's nodes, and the outcome of an operation in it.

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

/// A network that py-dht ran: its k and the files of its tables and operations.
#[derive(Clone, Copy)]
pub struct Setting {
    pub nodes: &'static str,
    pub routing_tables: &'static str,
    pub lookups: &'static str,
    pub provide: &'static str,
    pub retrieve: &'static str,
    pub k: u8,
}

pub const N200: Setting = Setting {
    nodes: "n200_k5/nodes",
    routing_tables: "n200_k5/routing_tables",
    lookups: "n200_k5/lookups",
    provide: "n200_k5/provide",
    retrieve: "n200_k5/retrieve",
    k: 5,
};

pub const N1000: Setting = Setting {
    nodes: "n1000_k10/nodes",
    routing_tables: "n1000_k10/routing_tables",
    lookups: "n1000_k10/lookups",
    provide: "n1000_k10/provide",
    retrieve: "n1000_k10/retrieve",
    k: 10,
};

/// What tests vary in a golden network. [`Default`]: packed tables, the procedure by the clock, every contact takes 100 ms
/// and none fails, no overhead.
pub struct Variation {
    pub layout: LayoutKind,
    pub procedure: Procedure,
    pub link: Box<dyn Link>,
    pub overhead_us: u64,
    pub seed: u64,
}

impl Default for Variation {
    fn default() -> Self {
        let link = UniformLink {
            delay: Delay::Constant(50_000),
            ..UniformLink::default()
        };
        Self {
            layout: LayoutKind::Packed,
            procedure: Procedure::Iterative,
            link: Box::new(link),
            overhead_us: 0,
            seed: 0,
        }
    }
}

/// A golden network, bootstrapped.
pub struct World {
    pub network: Network,
    pub keys: HashMap<i64, Key>,
    k: u8,
}

/// An operation that ran: its row, the ids of its result and its connections in the order of sending.
pub struct Ran {
    pub row: OperationRow,
    pub result: Vec<i64>,
    pub connections: Vec<ConnectionRow>,
}

impl World {
    pub fn new(setting: Setting, variation: Variation) -> Self {
        let golden = Golden::read(setting.nodes);
        let keys: HashMap<i64, Key> = golden
            .rows()
            .map(|row| (row.int("node"), Key(row.key("hash"))))
            .collect();
        let mut nodes: Vec<(i64, Key)> = keys.iter().map(|(&id, &key)| (id, key)).collect();
        nodes.sort_unstable();
        let rules = Rules {
            beta: u32::from(setting.k),
            steps_to_stop: 3,
            procedure: variation.procedure,
            ..Rules::default()
        };
        let spec = Spec {
            nodes: NodeSet::Imported(nodes),
            seed: variation.seed,
            bucket_size: setting.k,
            layout: variation.layout,
            rules,
            link: variation.link,
            overhead_us: variation.overhead_us,
            ..Spec::default()
        };
        let mut network = Network::new(spec).unwrap();
        network.bootstrap();
        network.recording().connections = true;
        Self {
            network,
            keys,
            k: setting.k,
        }
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

    /// Returns the number of the k truly closest nodes that the result has.
    pub fn recall_hits(&self, ran: &Ran) -> i64 {
        let recall = f64::from(ran.row.recall.unwrap());
        (recall * f64::from(self.k)).round() as i64
    }
}

impl Ran {
    /// Asserts what holds for every operation.
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
        for (sequence, connection) in (0..).zip(&self.connections) {
            assert_eq!(connection.sequence, sequence, "{row:?}");
            assert_eq!(connection.from, origin, "{row:?}");
            assert_eq!(connection.operation, row.operation);
        }
    }

    /// Returns the nodes that the lookup contacted, in order.
    pub fn contacted(&self) -> Vec<i64> {
        self.sent(Request::Lookup)
    }

    /// Returns the holders of a provided segment, in the order of the result: the nodes that were asked to store and,
    /// by the clock, the origin, which stores without a request.
    pub fn stored(&self) -> Vec<i64> {
        let asked = self.sent(Request::Store);
        let keeps = |id: &i64| self.stores_at_origin(*id) || asked.contains(id);
        self.result.iter().copied().filter(keeps).collect()
    }

    /// Returns whether the operation is a provide of this origin.
    fn stores_at_origin(&self, id: i64) -> bool {
        self.row.kind == Kind::Provide && id == self.row.origin
    }

    /// Returns the nodes that were sent such a request, in order.
    fn sent(&self, request: Request) -> Vec<i64> {
        let sent = self.connections.iter();
        sent.filter(|connection| connection.request == request)
            .map(|connection| connection.to)
            .collect()
    }
}
