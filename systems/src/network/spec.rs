//! The specification of a network, and its errors.

use kadsim_engine::key::Key;
use kadsim_engine::link::{Link, UniformLink};
use kadsim_engine::makeup::Makeup;
use kadsim_engine::presence::{Churn, NoGrowth, Offline, TooManyChanges};
use kadsim_engine::random::Probability;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::{Aging, Join, OnLeaving, Policy};

use crate::maintenance::Maintenance;
use crate::rules::Rules;

/// Most nodes of a network.
pub(super) const NODES_MAX: usize = 1 << 31;

/// The specification of a network. [`Default`]: no nodes, k = 20, `closest` buckets, layout `packed`, no delays.
pub struct Spec {
    /// The nodes.
    pub nodes: NodeSet,
    /// The nodes that are offline. [`Offline::Drawn`] is for generated nodes only.
    pub offline: Offline,
    /// Seed of every draw.
    pub seed: u64,
    /// k, 1 to 255.
    pub bucket_size: u8,
    /// Which candidates a bucket keeps.
    pub policy: Policy,
    /// How routing tables lie in memory.
    pub layout: LayoutKind,
    /// How lookups are run.
    pub rules: Rules,
    /// Whether contacts succeed and how long they take.
    pub link: Box<dyn Link>,
    /// Gamma: time that each use adds to the overhead of a node, µs.
    pub overhead_us: u64,
    /// Length of a row of the ticks table, µs, at least 1.
    pub tick_us: u64,
    /// What nodes are for the whole run. [`Network::new`](super::Network::new) sets its seed.
    pub makeup: Makeup,
    /// How nodes come and go; `None` if none does.
    pub churn: Option<Churn>,
    /// How routing tables follow who is online.
    pub aging: Aging,
    /// What becomes of a holder's records when it leaves.
    pub records: OnLeaving,
    /// How long a record is held after its publication, µs; `None`: for ever.
    pub ttl_us: Option<u64>,
    /// Time after the start of a provide after which its origin provides again, µs; `None`: never.
    pub republish_us: Option<u64>,
    /// How nodes keep their routing tables; `None`: no traffic changes a table.
    pub maintenance: Option<Maintenance>,
    /// Time in which the number of nodes doubles while the network grows by joins, µs; `None`: tables are
    /// bootstrapped from full knowledge. The network's clock starts with the first node; `churn` begins when the last one has
    /// joined, and its times count from then on. Nodes that are offline for the whole run never join.
    pub doubling_us: Option<u64>,
    /// Whether operations run as events by node even where each could run whole, if they can. It changes no result.
    pub events: bool,
    /// Share of the entries of bootstrapped tables that are replaced by clients of the same range.
    pub clients_in_tables: Probability,
    /// Entries that an answer names, and with which a lookup starts, 1 to 255; `None` for k.
    pub answer: Option<u8>,
    /// Time from the begin of `churn` up to which presence is worked out at first, µs. It changes no result.
    pub horizon_us: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            nodes: NodeSet::Generated(0),
            offline: Offline::default(),
            seed: 0,
            bucket_size: 20,
            policy: Policy::default(),
            layout: LayoutKind::default(),
            rules: Rules::default(),
            link: Box::new(UniformLink::default()),
            overhead_us: 0,
            tick_us: 50_000,
            makeup: Makeup::default(),
            churn: None,
            aging: Aging::default(),
            records: OnLeaving::default(),
            ttl_us: None,
            republish_us: None,
            maintenance: None,
            doubling_us: None,
            events: false,
            clients_in_tables: Probability::default(),
            answer: None,
            horizon_us: 0,
        }
    }
}

/// The nodes that a network starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeSet {
    /// Ids 0 to n - 1 with uniform keys.
    Generated(u32),
    /// These ids and keys, all different.
    Imported(Vec<(i64, Key)>),
}

/// Why a network cannot be made, or a node not be added or found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Two nodes have one id.
    #[error("node {0} exists already")]
    DuplicateNode(i64),
    /// Two nodes have one key.
    #[error("key {key:#018x} of node {node} belongs to node {other} already", key = .key.0)]
    DuplicateKey {
        /// The key.
        key: Key,
        /// The node that came later.
        node: i64,
        /// The node that has it.
        other: i64,
    },
    /// There is no node with this id.
    #[error("there is no node {0}")]
    UnknownNode(i64),
    /// Nodes come and go more often than can be kept.
    #[error(transparent)]
    TooManyChanges(#[from] TooManyChanges),
    /// More nodes than rows can name.
    #[error("a network holds at most 2^31 nodes")]
    TooLarge,
    /// A node is added to a network whose operations run as events.
    #[error("no node can be added to a network whose operations run as events")]
    Complete,
    /// Overhead cannot be charged in the order of time if a contact may take no time.
    #[error("overhead needs contacts that take time: the shortest delay is 0")]
    NoLookahead,
    /// A parameter that must be at least 1 is 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// Offline nodes are to be drawn from nodes that are not generated.
    #[error("offline nodes are drawn from generated nodes only; list the ids of imported ones")]
    DrawnOffline,
    /// The network cannot grow by joins.
    #[error(transparent)]
    NoGrowth(#[from] NoGrowth),
    /// What events by node cannot do.
    #[error("where traffic changes tables or records, {0}")]
    Events(&'static str),
    /// The stop rule is not that of the procedure: `py-dht` and `rfm19` have one each.
    #[error("stop rules closest-answered and followup go with procedure iterative only")]
    StopRule,
    /// Contacts are to stall by a procedure that sends no others for them.
    #[error("contacts stall by procedure iterative only")]
    Stalls,
}

impl Spec {
    /// Returns whether operations run as events, because traffic changes what nodes hold.
    pub(super) fn runs_as_events(&self) -> bool {
        (self.events && self.unmet_by_events().is_none())
            || self.maintenance.is_some()
            || self.ttl_us.is_some()
            || self.republish_us.is_some()
            || self.doubling_us.is_some()
            || (self.aging.join == Join::Protocol && self.churn.is_some())
    }

    /// Returns what has to hold of networks whose operations run as events and does not hold of this one.
    fn unmet_by_events(&self) -> Option<&'static str> {
        let unmet = [
            (
                !self.rules.procedure.allows_events(),
                "the procedure is iterative",
            ),
            (self.overhead_us > 0, "uses of a node cost nothing"),
            (self.link.shortest_delay_us() == 0, "delays are above 0"),
        ];
        let unmet = unmet.into_iter().find(|(is_unmet, _)| *is_unmet);
        unmet.map(|(_, what)| what)
    }

    /// Checks the parameters on their own and together.
    pub(super) fn check(&self) -> Result<(), NetworkError> {
        // A new rule of lookups does not compile before it is checked here.
        let Rules {
            alpha,
            beta,
            steps_to_stop,
            stop,
            procedure,
            stall_us,
        } = self.rules;
        let named = [
            (u64::from(self.bucket_size), "bucket_size"),
            (u64::from(alpha), "alpha"),
            (u64::from(beta), "beta"),
            (u64::from(steps_to_stop), "steps_to_stop"),
            (stall_us.unwrap_or(1), "stall_us"),
            (self.tick_us, "tick_us"),
            (self.doubling_us.unwrap_or(1), "doubling_us"),
        ];
        if let Some((_, name)) = named.into_iter().find(|(value, _)| *value == 0) {
            return Err(NetworkError::Zero(name));
        }
        if self.runs_as_events()
            && let Some(what) = self.unmet_by_events()
        {
            return Err(NetworkError::Events(what));
        }
        if !procedure.allows(stop) {
            return Err(NetworkError::StopRule);
        }
        if stall_us.is_some() && !procedure.allows_stalls() {
            return Err(NetworkError::Stalls);
        }
        let shortest_us = self.link.shortest_us(self.offline.is_any());
        if self.overhead_us > 0 && procedure.is_by_clock() && shortest_us == 0 {
            return Err(NetworkError::NoLookahead);
        }
        let are_drawn = matches!(self.offline, Offline::Drawn(count) if count > 0);
        if are_drawn && matches!(self.nodes, NodeSet::Imported(_)) {
            return Err(NetworkError::DrawnOffline);
        }
        Ok(())
    }
}
