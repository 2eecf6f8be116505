//! `[maintenance]`, joining, `[records]` and the rules of protocols: what they read as, and what is wrong with them.

use kadsim_engine::routing::live::{Evict, Full, Replacement};
use kadsim_systems::maintenance::{
    Check, Checked, JoinRefresh, Maintenance, Refresh, Refreshed, sets,
};

use super::*;

/// A network in which nodes come and leave.
const LIVING: &str = r#"schema = 1
name = "living"
seed = 7
network.nodes = 100
link = { delay_ms = 50 }

[churn]
session = { exponential = { mean_ms = 60_000 } }

[[phase]]
name = "looking"
kind = "lookup"
count = 10
"#;
const PROTOCOLS: [RuleSet; 5] = [
    RuleSet::Kademlia,
    RuleSet::Kademlia41,
    RuleSet::Libp2p,
    RuleSet::Discv5,
    RuleSet::Mainline,
];
const HOUR_US: u64 = 3_600_000_000;

fn kept(overrides: &[&str]) -> Maintenance {
    fine(LIVING, overrides).maintenance.unwrap().kept
}

/// Checks what a file with more settings is refused with.
#[track_caller]
fn refuses(settings: &[&str], says: &[&str]) {
    refused(LIVING, settings, says);
}

/// Checks that the resolved text reads as the same experiment, and returns it.
#[track_caller]
fn stays_the_same(overrides: &[&str]) -> String {
    let experiment = fine(LIVING, overrides);
    let resolved = experiment.to_toml();
    let again = fine(&resolved, &[]);
    assert_eq!(again, experiment, "{resolved}");
    assert_eq!(again.to_toml(), resolved);
    resolved
}

#[test]
fn rules_of_a_protocol_are_the_defaults_of_other_sections() {
    for rules in PROTOCOLS {
        let read = fine(LIVING, &[&format!("maintenance.rules=\"{rules}\"")]);
        let set = rules.protocol().unwrap();
        let churn = read.churn.as_ref().unwrap();
        assert_eq!(read.network.bucket_size, set.bucket_size, "{rules}");
        assert_eq!(read.lookup.answer, set.bucket_size);
        assert_eq!(read.lookup.rules, set.lookup);
        assert_eq!(read.link.timeout, Delay::Constant(set.timeout_us));
        assert_eq!(read.reachability.clients_known, set.clients_known);
        assert_eq!(churn.join, Join::Protocol);
        assert_eq!(churn.join_refresh, set.maintenance.joining.refresh);
        let records = read.records.unwrap();
        let times = (records.ttl_us, records.republish_us);
        assert_eq!(times, (set.ttl_us, set.republish_us));
        assert_eq!(read.maintenance.as_ref().unwrap().kept, set.maintenance);
        assert_eq!(read.maintenance(), Some(set.maintenance.clone()));
    }
}

#[test]
fn keys_override_the_rules() {
    let overrides = [
        "maintenance.rules=kademlia",
        "network.bucket_size=8",
        "lookup.alpha=4",
        "lookup.beta=9",
        "lookup.stop=no-progress",
        "link.timeout_ms=700",
        "reachability.clients_known=true",
        "churn.join=none",
        "records.ttl_ms=0",
        "records.republish_ms=5",
    ];
    let read = fine(LIVING, &overrides);
    assert_eq!((read.network.bucket_size, read.lookup.answer), (8, 8));
    let rules = read.lookup.rules;
    assert_eq!(
        (rules.alpha, rules.beta, rules.stop),
        (4, 9, Stop::NoProgress)
    );
    assert_eq!(read.link.timeout, Delay::Constant(700_000));
    assert!(read.reachability.clients_known);
    assert_eq!(read.churn.unwrap().join, Join::None);
    let records = read.records.unwrap();
    assert_eq!((records.ttl_us, records.republish_us), (None, Some(5000)));
}

#[test]
fn beta_goes_with_the_stop_rule() {
    let beta = |set: &[&str]| fine(LIVING, set).lookup.rules.beta;
    assert_eq!(beta(&["lookup.stop=followup"]), 3);
    assert_eq!(beta(&["lookup.stop=followup", "lookup.beta=5"]), 5);
    assert_eq!(beta(&["maintenance.rules=libp2p"]), 3);
    let others = ["maintenance.rules=libp2p", "lookup.stop=closest-answered"];
    assert_eq!(beta(&others), 20);
}

#[test]
fn contacts_stall_by_the_key_or_the_rules() {
    let stall_us = |set: &[&str]| fine(LIVING, set).lookup.rules.stall_us;
    assert_eq!(stall_us(&[]), None);
    assert_eq!(stall_us(&["lookup.stall_ms=1.5"]), Some(1500));
    assert_eq!(stall_us(&["maintenance.rules=mainline"]), Some(1_000_000));
    let off = ["maintenance.rules=mainline", "lookup.stall_ms=0"];
    assert_eq!(stall_us(&off), None);
}

#[test]
fn keys_of_the_section_override_single_rules() {
    let kept = kept(&[
        "maintenance.rules=kademlia",
        "maintenance.learn_named=true",
        "maintenance.verify=true",
        "maintenance.errors_count=true",
        "maintenance.names_failed=false",
        "maintenance.ping_idle_ms=1.5",
        "maintenance.replacements=10",
        "maintenance.replacement=random",
        "maintenance.evict_after=31",
        "maintenance.evict=replaced",
        "maintenance.refresh.random=3",
        "maintenance.refresh_own=false",
        "maintenance.check=idle",
        "maintenance.check_ms=2",
        "maintenance.check_idle_ms=3",
    ]);
    let mut expected = sets::KADEMLIA.maintenance.clone();
    expected.learn_named = true;
    expected.verify = true;
    expected.errors_count = true;
    expected.table.names_failed = false;
    expected.table.full = Full::PingOldest { idle_us: 1500 };
    expected.table.replacements = 10;
    expected.table.replacement = Replacement::Random;
    expected.table.evict_after = Some(31);
    expected.table.evict = Evict::Replaced;
    expected.refresh = Some(Refresh {
        what: Refreshed::Random(3),
        every_us: HOUR_US,
        own: false,
    });
    expected.check = Some(Check {
        what: Checked::Idle { idle_us: 3000 },
        every_us: 2000,
    });
    assert_eq!(kept, expected);
}

#[test]
fn rules_can_be_turned_off() {
    let off = kept(&[
        "maintenance.rules=libp2p",
        "maintenance.learn_asker=false",
        "maintenance.learn_answerer=false",
        "maintenance.evict_after=0",
        "maintenance.refresh_ms=0",
        "maintenance.check_ms=0",
    ]);
    assert!(off.refresh.is_none() && off.check.is_none());
    assert_eq!(off.table.evict_after, None);
    // Nobody is left to be verified.
    assert!(!off.verify);
    let kept = kept(&["maintenance.rules=kademlia", "maintenance.full=keep"]);
    assert_eq!(kept.table.full, Full::Keep);
    // A sweep over a period may turn off what it is the period of.
    let swept = ["maintenance.refresh=all", "maintenance.refresh_ms=0"];
    assert!(
        fine(LIVING, &swept)
            .maintenance
            .unwrap()
            .kept
            .refresh
            .is_none()
    );
}

#[test]
fn no_traffic_changes_a_table_without_a_rule_that_says_so() {
    let none: [&[&str]; 5] = [
        &[],
        &["maintenance.rules=none"],
        &["maintenance={rules=\"ideal\", refresh_ms=5}"],
        &["maintenance={replacements=9, evict_after=0, refresh_ms=0, names_failed=true}"],
        &["records={}"],
    ];
    for overrides in none {
        assert_eq!(fine(LIVING, overrides).maintenance(), None, "{overrides:?}");
    }
    let some = [
        "maintenance.learn_asker=true",
        "maintenance.learn_named=true",
        "maintenance.evict_after=1",
        "maintenance.names_failed=false",
        "maintenance={refresh=\"idle\", refresh_ms=1}",
        "maintenance={check=\"random\", check_ms=1}",
        "churn.join=protocol",
        "records.ttl_ms=1",
        "records.republish_ms=1",
    ];
    for setting in some {
        assert!(
            fine(LIVING, &[setting]).maintenance().is_some(),
            "{setting}"
        );
    }
    assert!(fine(SMALL, &["records.ttl_ms=1"]).is_living());
}

#[test]
fn a_node_that_joins_knows_others() {
    let churn = |settings: &[&str]| fine(LIVING, settings).churn.unwrap();
    let default = churn(&["churn.join=protocol"]);
    assert_eq!((default.knows, default.known.len()), (1, 0));
    assert_eq!(default.join_refresh, JoinRefresh::Farther);
    let given = churn(&[
        "churn.join=protocol",
        "churn.join_refresh=own",
        "churn.knows=3",
    ]);
    assert_eq!((given.knows, given.join_refresh), (3, JoinRefresh::Own));
    let named = [
        "maintenance.rules=kademlia",
        "churn.join_refresh={random=0}",
        "churn.known=[7, -2, 9223372036854775807]",
    ];
    let named = churn(&named);
    assert_eq!(named.known, [7, -2, i64::MAX]);
    assert_eq!(named.join_refresh, JoinRefresh::Random(0));
    let maintenance = fine(LIVING, &["churn.join=protocol", "churn.knows=4"]).maintenance();
    assert_eq!(maintenance.unwrap().joining.knows, 4);
}

#[test]
fn a_network_can_come_to_be_by_joins() {
    let joined = ["maintenance.rules=kademlia", "network.bootstrap=joined"];
    let read = fine(SMALL, &joined);
    assert_eq!(read.network.doubling_us, Some(60_000_000));
    let doubling = [joined[0], joined[1], "network.doubling_ms=0.5"];
    assert_eq!(fine(SMALL, &doubling).network.doubling_us, Some(500));
    let says = ["`network.doubling_ms` is for bootstrap = \"joined\""];
    refuses(&["network.doubling_ms=5"], &says);
    let says = [
        "needs routing tables that learn",
        "allowed: closest or random, or",
    ];
    refuses(&["network.bootstrap=joined"], &says);
    refuses(
        &["network.bootstrap=joined", "maintenance.evict_after=1"],
        &says,
    );
    refuses(
        &[
            joined[0],
            joined[1],
            "reachability={clients=0.5, clients_in_tables=0.1}",
        ],
        &["`reachability.clients_in_tables` does not go with `network.bootstrap` of \"joined\""],
    );
    // How nodes join then matters although nobody joins later.
    let own = [
        "network.bootstrap=joined",
        "maintenance.learn_asker=true",
        "churn.join_refresh=own",
    ];
    stays_the_same(&own);
}

#[test]
fn resolved_text_of_maintenance_reads_as_the_same() {
    for rules in PROTOCOLS {
        let rules = format!("maintenance.rules=\"{rules}\"");
        let resolved = stays_the_same(&[&rules]);
        assert!(resolved.contains("learn_answerer = true"), "{resolved}");
        stays_the_same(&[&rules, "maintenance.refresh_ms=0", "maintenance.check_ms=0"]);
        stays_the_same(&[
            &rules,
            "maintenance.evict_after=0",
            "maintenance.evict=always",
        ]);
        stays_the_same(&[
            &rules,
            "maintenance.learn_asker=false",
            "maintenance.learn_named=false",
        ]);
        stays_the_same(&[&rules, "maintenance.full=ping-oldest", "churn.join=ideal"]);
        stays_the_same(&[
            &rules,
            "network.bootstrap=joined",
            "network.doubling_ms=1.5",
        ]);
        stays_the_same(&[
            &rules,
            "records={ttl_ms=0.001, republish_ms=0}",
            "engine.events=true",
        ]);
    }
    let cases: &[&[&str]] = &[
        &["maintenance={}"],
        &["maintenance={learn_named=true, verify=true, evict_after=2, evict=\"replaced\"}"],
        &["maintenance={refresh={random=7}, refresh_ms=0.5, refresh_own=false}"],
        &["maintenance={check=\"oldest\", check_ms=2}", "records={}"],
        &[
            "churn.join=protocol",
            "churn.known=[1, -3]",
            "churn.join_refresh={random=3}",
        ],
        &["churn.join=protocol", "churn.knows=255"],
    ];
    cases
        .iter()
        .for_each(|overrides| drop(stays_the_same(overrides)));
}

#[test]
fn values_out_of_range_are_refused() {
    let rules = "allowed: none, ideal, kademlia, kademlia-4.1, libp2p, discv5, mainline";
    refuses(
        &["maintenance.rules=kademlia-4"],
        &["cannot be \"kademlia-4\"", rules],
    );
    let refresh = "allowed: \"idle\", \"all\", { random = 0 to 1000 }";
    let period = "maintenance.refresh_ms=5";
    refuses(
        &["maintenance.refresh=idel", period],
        &["cannot be \"idel\"", refresh, "did you mean"],
    );
    refuses(
        &["maintenance.refresh=3", period],
        &["is an integer: 3", refresh],
    );
    refuses(
        &["maintenance.refresh={}", period],
        &["cannot be {}", refresh],
    );
    refuses(
        &["maintenance.refresh={random=1001}", period],
        &["`maintenance.refresh.random` cannot be 1001"],
    );
    refuses(
        &["maintenance.refresh={every=1}", period],
        &["unknown key `maintenance.refresh.every`"],
    );
    refuses(
        &["maintenance.evict_after=32"],
        &["cannot be 32", "0 to 31"],
    );
    refuses(
        &["maintenance.replacements=256"],
        &["cannot be 256", "0 to 255"],
    );
    refuses(
        &["maintenance.full=drop"],
        &["cannot be \"drop\"", "allowed: keep, ping-oldest"],
    );
    refuses(
        &["maintenance.check=all", "maintenance.check_ms=1"],
        &["allowed: idle, oldest, random"],
    );
    refuses(&["maintenance.learn_asker=1"], &["true or false"]);
    refuses(&["records.ttl_ms=-1"], &["`records.ttl_ms` cannot be -1"]);
    refuses(
        &["network={nodes=9, bootstrap=\"joined\", doubling_ms=0}"],
        &["doubling_ms` cannot be 0"],
    );
    let ids = "allowed: a list of 1 to 255 different node ids";
    for known in ["[]", "[1, 1]", "[1.5]", "[9223372036854775808]", "7"] {
        let known = format!("churn.known={known}");
        refuses(&["churn.join=protocol", &known], &["churn.known", ids]);
    }
    refuses(
        &["churn.join=protocol", "churn.knows=0"],
        &["`churn.knows` cannot be 0"],
    );
}

#[test]
fn what_contradicts_the_rest_is_refused() {
    let ideal = "maintenance={rules=\"ideal\", refresh_ms=5, learn_asker=true}";
    refuses(
        &[ideal],
        &["`maintenance.learn_asker` does not go with rules = \"ideal\""],
    );
    refuses(
        &["maintenance.refresh_ms=5"],
        &[
            "`maintenance.refresh_ms` needs `maintenance.refresh`",
            "allowed: 0, `refresh`",
        ],
    );
    refuses(
        &["maintenance.refresh=all"],
        &["missing key `maintenance.refresh_ms`"],
    );
    refuses(
        &["maintenance.refresh_own=true"],
        &["`maintenance.refresh_own` needs `maintenance.refresh`"],
    );
    refuses(
        &["maintenance.check_ms=5"],
        &["`maintenance.check_ms` needs `maintenance.check`"],
    );
    refuses(
        &["maintenance.check=random"],
        &["missing key `maintenance.check_ms`"],
    );
    refuses(
        &["maintenance.check_idle_ms=5"],
        &["`maintenance.check_idle_ms` needs `maintenance.check`"],
    );
    refuses(
        &["maintenance={check=\"idle\", check_ms=5}"],
        &["missing key `maintenance.check_idle_ms`"],
    );
    refuses(
        &["maintenance={check=\"oldest\", check_ms=5, check_idle_ms=5}"],
        &["`maintenance.check_idle_ms` is for check = \"idle\""],
    );
    refuses(
        &["maintenance.ping_idle_ms=5"],
        &["`maintenance.ping_idle_ms` is for full = \"ping-oldest\""],
    );
    refuses(
        &["maintenance.evict=replaced"],
        &["`maintenance.evict` needs `maintenance.evict_after`"],
    );
    refuses(
        &["maintenance={verify=true, learn_answerer=true}"],
        &["`maintenance.verify` is for nodes that are learned unheard"],
    );
    for setting in ["churn.knows=2", "churn.known=[1]", "churn.join_refresh=own"] {
        let (key, _) = setting.split_once('=').unwrap();
        let says = format!("`{key}` is for join = \"protocol\"");
        refuses(&[setting], &[&says]);
    }
    let both = ["churn.join=protocol", "churn.knows=2", "churn.known=[1]"];
    refuses(&both, &["`churn.knows` does not go with `churn.known`"]);
    for procedure in ["py-dht", "rfm19"] {
        let procedure = format!("lookup.procedure={procedure}");
        let says = [
            "does not go with routing tables and records that traffic changes",
            "runs/test.toml",
        ];
        for live in [
            "maintenance.rules=kademlia",
            "churn.join=protocol",
            "records.ttl_ms=5",
        ] {
            refuses(&[&procedure, live], &says[..1]);
        }
        fine(LIVING, &[&procedure]);
        fine(LIVING, &[&procedure, "maintenance.rules=none"]);
    }
}

#[test]
fn rules_can_be_swept() {
    let cases = "[sweep]\n\
        [[sweep.cases]]\nlabel = \"ideal\"\n\"maintenance.rules\" = \"ideal\"\n\"maintenance.refresh_ms\" = 600_000\n\
        \"link.timeout_ms\" = 1000\n\
        [[sweep.cases]]\nlabel = \"kademlia\"\n\"maintenance.rules\" = \"kademlia\"\n\
        [[sweep.cases]]\nlabel = \"discv5\"\n\"maintenance.rules\" = \"discv5\"\n";
    let build_of = |text: &str| {
        let drafts = build(Path::new("s.toml"), "s.toml".into(), text.to_owned(), &[]);
        let Drafts::Cells(grid, cells) = drafts.unwrap() else {
            panic!("no sweep in\n{text}")
        };
        let experiments = cells.into_iter().map(|(cell, draft)| {
            let draft = draft.unwrap_or_else(|error| panic!("{}: {error}", cell));
            assert!(
                draft.wrong.is_none(),
                "{cell}: {}\n{text}",
                draft.wrong.unwrap()
            );
            draft.loaded.experiment
        });
        let experiments: Vec<Experiment> = experiments.collect();
        let resolved = grid.to_toml(experiments.iter());
        (experiments, resolved)
    };
    let (cells, resolved) = build_of(&format!("{LIVING}{cases}"));
    assert_eq!(cells[1].network.bucket_size, 20);
    assert_eq!(cells[2].network.bucket_size, 16);
    let (again, twice) = build_of(&resolved);
    assert_eq!(again, cells, "{resolved}");
    assert_eq!(twice, resolved);
}
