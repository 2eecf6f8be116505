//! Rule sets of real protocols: defaults to start from, never code of their own.
//!
//! Each constant names the file in which it was read, at these commits: go-libp2p-kad-dht 2a10abdf12, go-ethereum
//! 02b73d4ea7, devp2p 51dc101fdd, libtorrent 069017e334, BEPs 7b7b41f46d. Constants of the paper (Maymounkov and Mazières,
//! *Kademlia*, 2002) are those of the xlattice design specification. What a set leaves out of its protocol, it says.

use kadsim_engine::routing::live::{Evict, Full, Replacement, TableRules};

use super::rules::{Check, Checked, JoinRefresh, Joining, Maintenance, Refresh, Refreshed};
use crate::rules::{Rules, Stop};

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
const HOUR_US: u64 = 60 * MINUTE_US;

/// The parameters of a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// k.
    pub bucket_size: u8,
    /// How lookups are run.
    pub lookup: Rules,
    /// Time after which a contact has failed, µs.
    pub timeout_us: u64,
    /// Whether nodes tell clients from servers, and keep clients out of what they learn.
    pub clients_known: bool,
    /// How nodes keep their routing tables, and how they join.
    pub maintenance: Maintenance,
    /// How long a record is held after its publication, µs; `None`: for ever.
    pub ttl_us: Option<u64>,
    /// Time after which a provider provides again, µs; `None`: never.
    pub republish_us: Option<u64>,
}

/// Lookups that end when the beta closest have answered.
const fn closest_answered(alpha: u32, beta: u32) -> Rules {
    Rules {
        alpha,
        beta,
        stop: Stop::ClosestAnswered,
        ..Rules::DEFAULT
    }
}

/// A node that joins gets to know one random server.
const fn joining(refresh: JoinRefresh) -> Joining {
    Joining {
        knows: 1,
        known: Vec::new(),
        refresh,
        retry_us: Joining::RETRY_US,
    }
}

const fn refresh(what: Refreshed, every_us: u64) -> Option<Refresh> {
    Some(Refresh {
        what,
        every_us,
        own: true,
    })
}

/// Kademlia as the paper describes it up to section 2.
///
/// - k = 20, alpha = 3, tRefresh = 3600 s, tExpire = tRepublish = 86 400 s: xlattice specification.
/// - The sender of any message is learned; nodes that are only named are not; a full bucket pings its least recently heard
///   entry, and evicts it if it does not answer: section 2.2 (restated in devp2p `discv5/discv5-theory.md`).
/// - An entry goes at its first failure, as there are no replacements: section 2.2.
/// - Join: own key, then all buckets farther than the closest neighbour: section 2.3.
/// - The paper knows no clients, and gives no timeout; 1 s is that of discv5 implementations (sigp/discv5 `config.rs`).
/// - Left out: holders replicate records each hour (tReplicate).
pub static KADEMLIA: Protocol = Protocol {
    bucket_size: 20,
    lookup: closest_answered(3, 20),
    timeout_us: SECOND_US,
    clients_known: false,
    maintenance: Maintenance {
        learn_asker: true,
        learn_answerer: true,
        learn_named: false,
        verify: false,
        errors_count: false,
        table: TableRules {
            full: Full::PingOldest { idle_us: 0 },
            replacements: 0,
            replacement: Replacement::Newest,
            evict_after: Some(1),
            evict: Evict::Always,
            names_failed: true,
        },
        refresh: refresh(Refreshed::Idle, HOUR_US),
        check: None,
        joining: joining(JoinRefresh::Farther),
        clients_known: true,
    },
    ttl_us: Some(24 * HOUR_US),
    republish_us: Some(24 * HOUR_US),
};

/// [`KADEMLIA`] with the optimised contact accounting of the paper's section 4.1: a full bucket pings nobody but keeps
/// replacements, as many as entries, newest first. An entry is stale after 5 failures in a row, and goes when there is a
/// replacement.
pub static KADEMLIA_4_1: Protocol = Protocol {
    bucket_size: 20,
    lookup: closest_answered(3, 20),
    timeout_us: SECOND_US,
    clients_known: false,
    maintenance: Maintenance {
        learn_asker: true,
        learn_answerer: true,
        learn_named: false,
        verify: false,
        errors_count: false,
        table: TableRules {
            full: Full::Keep,
            replacements: 20,
            replacement: Replacement::Newest,
            evict_after: Some(5),
            evict: Evict::Replaced,
            names_failed: true,
        },
        refresh: refresh(Refreshed::Idle, HOUR_US),
        check: None,
        joining: joining(JoinRefresh::Farther),
        clients_known: true,
    },
    ttl_us: Some(24 * HOUR_US),
    republish_us: Some(24 * HOUR_US),
};

/// IPFS (go-libp2p-kad-dht).
///
/// - k = 20, alpha = 10; records valid for 48 h, provided again after 22 h: `amino/defaults.go`.
/// - Who answers a query is learned; who connects, if it is a server and has answered one request: `dht.go`,
///   `subscriber_notifee.go`. Clients are in no table: libp2p/specs `kad-dht/README.md`.
/// - A full bucket refuses newcomers: go-libp2p-kbucket `table.go`. An entry goes at its first failure and nothing takes its
///   place: `query.go`.
/// - Refresh each 10 min, own key, then each bucket: `internal/config/config.go`, `rtrefresh/rt_refresh_manager.go`. The
///   entries that were not heard for 43.2 min (10 min · ln(1/k) / ln(1 - alpha/k)) are checked then: `dht.go`.
/// - 5 s is about half of its read timeout, 10 s, as failed dials are faster: `internal/net/message_manager.go`.
/// - A lookup asks until the 3 closest have answered, and then the others of the 20 closest at once: `query.go`.
/// - Stated difference: lookups of joins, refreshes and republishes have no follow-up. They end when the 20 closest have
///   answered, as those of all sets do.
/// - Left out: refreshes of buckets looked up lately are not skipped, nor is the gap rule applied; limits by IP group.
pub static LIBP2P: Protocol = Protocol {
    bucket_size: 20,
    lookup: Rules {
        stop: Stop::FollowUp,
        ..closest_answered(10, Stop::FollowUp.default_beta(20))
    },
    timeout_us: 5 * SECOND_US,
    clients_known: true,
    maintenance: Maintenance {
        learn_asker: true,
        learn_answerer: true,
        learn_named: false,
        verify: true,
        errors_count: false,
        table: TableRules {
            full: Full::Keep,
            replacements: 0,
            replacement: Replacement::Newest,
            evict_after: Some(1),
            evict: Evict::Always,
            names_failed: true,
        },
        refresh: refresh(Refreshed::All, 10 * MINUTE_US),
        check: Some(Check {
            what: Checked::Idle {
                idle_us: 2592 * SECOND_US,
            },
            every_us: 10 * MINUTE_US,
        }),
        joining: joining(JoinRefresh::Farther),
        clients_known: true,
    },
    ttl_us: Some(48 * HOUR_US),
    republish_us: Some(22 * HOUR_US),
};

/// Ethereum's discovery as geth runs it.
///
/// - k = 16, alpha = 3, 10 replacements, a random one takes a place: `p2p/discover/table.go`.
/// - Everybody named in an answer is learned, and who asks: `table.go`. Answers name entries that have answered a check only:
///   devp2p `discv5/discv5-theory.md`.
/// - Refresh: own key and 3 random ones, after uniform 15 to 30 min, here each 22.5 min: `table.go`. So does a join.
/// - Check: a random entry; 4.5 s stands for the two lists of `table_reval.go`, one checked after uniform 0 to 3 s, the other
///   after 0 to 9 s.
/// - An entry goes at its first failure: `table_reval.go` divides its score, so that young entries go at once, old ones later.
/// - Request timeout 1 s: sigp/discv5 `config.rs` (geth: 700 ms).
/// - It has no records that expire.
/// - Left out: buckets are 17, of the upper 1/15 of distances; limits by IP group.
pub static DISCV5: Protocol = Protocol {
    bucket_size: 16,
    lookup: closest_answered(3, 16),
    timeout_us: SECOND_US,
    clients_known: true,
    maintenance: Maintenance {
        learn_asker: true,
        learn_answerer: true,
        learn_named: true,
        verify: false,
        errors_count: false,
        table: TableRules {
            full: Full::Keep,
            replacements: 10,
            replacement: Replacement::Random,
            evict_after: Some(1),
            evict: Evict::Always,
            names_failed: false,
        },
        refresh: refresh(Refreshed::Random(3), 1350 * SECOND_US),
        check: Some(Check {
            what: Checked::Random,
            every_us: 4_500_000,
        }),
        joining: joining(JoinRefresh::Random(3)),
        clients_known: true,
    },
    ttl_us: None,
    republish_us: None,
};

/// BitTorrent's mainline, by BEP 5 and libtorrent.
///
/// - k = 8; good is who was heard within 15 min; a bucket without a change for 15 min is refreshed; who is silent is pinged, and
///   bad after a second failure; a bad entry is replaced; a node that starts looks up its own key: BEP 5.
/// - alpha = 5, 8 replacements, timeout 15 s: libtorrent `settings_pack.cpp`, `routing_table.cpp`, `rpc_manager.cpp`.
/// - Peers are kept for 45 min and announced each 15 min: `dht_storage.cpp`, `settings_pack.cpp`.
/// - Nodes that are read-only are known: BEP 43.
/// - A lookup sends one more request when an answer has not come after 1 s: `rpc_manager.cpp`.
/// - Left out: larger first buckets; upkeep by one request each 5 s.
pub static MAINLINE: Protocol = Protocol {
    bucket_size: 8,
    lookup: Rules {
        stall_us: Some(SECOND_US),
        ..closest_answered(5, 8)
    },
    timeout_us: 15 * SECOND_US,
    clients_known: true,
    maintenance: Maintenance {
        learn_asker: true,
        learn_answerer: true,
        learn_named: false,
        verify: false,
        errors_count: false,
        table: TableRules {
            full: Full::PingOldest {
                idle_us: 15 * MINUTE_US,
            },
            replacements: 8,
            replacement: Replacement::Newest,
            evict_after: Some(2),
            evict: Evict::Replaced,
            names_failed: false,
        },
        refresh: refresh(Refreshed::Idle, 15 * MINUTE_US),
        check: None,
        joining: joining(JoinRefresh::Own),
        clients_known: true,
    },
    ttl_us: Some(45 * MINUTE_US),
    republish_us: Some(15 * MINUTE_US),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sound() {
        for set in [&KADEMLIA, &KADEMLIA_4_1, &LIBP2P, &DISCV5, &MAINLINE] {
            let Maintenance { table, .. } = &set.maintenance;
            let k = set.bucket_size;
            assert_eq!(set.lookup.results(k), k.into());
            let beta = set.lookup.stop.default_beta(k.into());
            assert_eq!(set.lookup.beta, beta);
            assert!(
                table
                    .evict_after
                    .is_some_and(|n| (1..=TableRules::FAILURES_MAX).contains(&n))
            );
            // Without replacements, an entry that is evicted when replaced would stay for ever.
            assert!(table.evict == Evict::Always || table.replacements > 0);
            assert!(set.timeout_us > 0 && set.maintenance.learn_answerer);
        }
    }

    /// 10 min · ln(1/k) / ln(1 - alpha/k), to the whole second.
    #[test]
    fn the_grace_of_libp2p_is_that_of_its_formula() {
        let (k, alpha) = (
            f64::from(LIBP2P.bucket_size),
            f64::from(LIBP2P.lookup.alpha),
        );
        let grace_s = 600.0 * (1.0 / k).ln() / (1.0 - alpha / k).ln();
        let Some(Check {
            what: Checked::Idle { idle_us },
            ..
        }) = LIBP2P.maintenance.check
        else {
            panic!("libp2p checks idle entries");
        };
        assert!((grace_s - idle_us as f64 / 1e6).abs() < 2.0, "{grace_s}");
    }
}
