//! Files that `[link]` names, clients, and links of living networks.

use super::*;
use crate::file::Loaded;
use crate::inputs::{self, Inputs, makeup};
use crate::watch::Watch;

const SMALL: &str = "schema = 1\nname = \"small\"\nseed = 7\nnetwork.nodes = 100\n\
                     [[phase]]\nname = \"p\"\nkind = \"lookup\"\ncount = 2\n";

fn loaded(settings: &[&str]) -> Loaded {
    let settings: Vec<_> = settings.iter().map(|set| (*set).to_owned()).collect();
    file::parse("small.toml", SMALL, &settings).unwrap_or_else(|error| panic!("{error}"))
}

fn read(settings: &[&str]) -> (Loaded, Inputs) {
    let loaded = loaded(settings);
    let inputs = inputs::read(&loaded, Watch::SILENT);
    let inputs = inputs.unwrap_or_else(|error| panic!("{error}"));
    (loaded, inputs)
}

/// Checks that the settings make exactly one error, which says all of `says`.
#[track_caller]
fn refused(settings: &[&str], says: &[&str]) {
    let Err(error) = inputs::read(&loaded(settings), Watch::SILENT) else {
        panic!("{settings:?} is fine");
    };
    let error = error.to_string();
    assert_eq!(error.matches("error:").count(), 1, "{error}");
    for part in says {
        assert!(error.contains(part), "no {part:?} in\n{error}");
    }
}

#[test]
fn quantiles_are_read_from_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.csv");
    let set = format!("link.delay_ms={{quantiles='{}'}}", path.display());
    std::fs::write(&path, "p,ms\n0,10\n0.5,20.5\n1,40\n").unwrap();
    let (loaded, inputs) = read(&[&set]);
    let OneWay::Drawn(delay) = &loaded.experiment.link.delay else {
        panic!("it is drawn");
    };
    let delay = inputs.link.delay(delay);
    assert_eq!((delay.shortest(), delay.longest()), (10_000, Some(40_000)));
    assert_eq!(delay.mean_us(), (15_250.0 + 30_250.0) / 2.0);
    assert_eq!(
        inputs.link_of(&loaded.experiment).shortest_us(false),
        20_000
    );
    for (text, says) in [
        (
            "p,ms\n0,1\n1.5,2\n",
            "line 3: `p` is `1.5`, not a number from 0 to 1",
        ),
        (
            "p,ms\n0.5,1\n0.5,2\n",
            "line 3: `p` is `0.5`, not above 0.5, the one before",
        ),
        (
            "p,ms\n0,2\n1,1\n",
            "line 3: `ms` is `1`, not at least 2, the one before",
        ),
        (
            "p,ms\n0,-2\n1,1\n",
            "line 2: `ms` is `-2`, not a number from 0",
        ),
        ("p,ms\n0,1\n", "at least 2 quantiles are needed"),
        ("p,ms\n0,0\n1,0\n", "every length is 0"),
        ("q,ms\n0,1\n", "no column `p`"),
    ] {
        std::fs::write(&path, text).unwrap();
        refused(&[&set], &["q.csv", says, "named here"]);
    }
    refused(
        &["link.delay_ms={quantiles='none.csv'}"],
        &["none.csv", "named here"],
    );
}

#[test]
fn regions_become_links() {
    let weights = "weights={EU=0.25, NAE=0.75}";
    let set = format!("link.delay_ms={{regions='world-2018', {weights}}}");
    let clients = "reachability.clients={EU=0.5}";
    let (loaded, inputs) = read(&[&set, clients]);
    let world = inputs.link.world.as_ref().unwrap();
    assert_eq!(world.names[..3], ["NAE", "NAW", "EU"]);
    assert_eq!(world.weights[..4], [0.75, 0.0, 0.25, 0.0]);
    assert_eq!(world.clients.as_ref().unwrap()[..4], [0.0, 0.0, 0.5, 0.0]);
    let link = inputs.link_of(&loaded.experiment);
    assert_eq!(
        (link.shortest_us(false), link.shortest_delay_us()),
        (2000, 1000)
    );
    let makeup = makeup(&loaded.experiment, &inputs.link, 3);
    assert_eq!((makeup.network_seed, makeup.regions.len()), (3, 10));
    assert!(makeup.has_clients());
    // The mean of the mixture is that of the published values.
    let (equal, inputs) = read(&["link.delay_ms={regions='world-2018'}"]);
    let mean_us = inputs.link.mean_one_way_us(&equal.experiment.link.delay);
    assert!((2.0 * mean_us / 221_950.0 - 1.0).abs() < 1e-3, "{mean_us}");
}

#[test]
fn bad_regions_are_refused() {
    let world = "link.delay_ms={regions='world-2018', weights={XX=1}}";
    let says = "`link.delay_ms.weights` names the unknown region `XX`";
    refused(&[world], &[says, "allowed: NAE, NAW, EU"]);
    let world = "link.delay_ms={regions='world-2018'}";
    refused(
        &[world, "reachability.clients={EU=0.5, YY=0}"],
        &["`reachability.clients` names the unknown region `YY`"],
    );
    refused(
        &["link.delay_ms={regions='none.toml'}"],
        &["cannot read the region file", "none.toml", "named here"],
    );
}

#[test]
fn a_network_has_a_server_online() {
    let only = "link.delay_ms={regions='world-2018', weights={EU=1}}";
    let says: &[&str] = &[
        "`reachability.clients` makes clients of all nodes that are online",
        "server online",
    ];
    refused(&[only, "reachability.clients={EU=1}"], says);
    read(&[only, "reachability.clients={NAE=1}"]);
    let few = ["network.nodes=2", "networks=50", "reachability.clients=0.9"];
    refused(
        &few,
        &["`reachability.clients` makes clients of all nodes of network"],
    );
    read(&["reachability.clients=0.9"]);
}

/// Returns the errors of the link of a living network.
fn living(settings: &[&str]) -> Vec<String> {
    let (loaded, inputs) = read(settings);
    let link = &loaded.experiment.link;
    let errors = living_link(link, &inputs.link, &loaded.sources);
    errors.iter().map(|error| error.to_string()).collect()
}

#[test]
fn links_of_living_networks_take_time_and_have_a_timeout() {
    let fine: [&[&str]; 5] = [
        &["link.delay_ms=10", "link.timeout_ms=20"],
        &[
            "link.delay_ms={lognormal={median_ms=10, sigma=3}}",
            "link.timeout_ms=1",
        ],
        &["link.delay_ms={regions='world-2018'}", "link.timeout_ms=1"],
        &["link.delay_ms=10", "link.jitter_ms=1", "link.timeout_ms=1"],
        &[
            "link.delay_ms=10",
            "link.slow_error={rate=0.1, delay_ms=20}",
        ],
    ];
    for settings in fine {
        assert_eq!(living(settings), Vec::<String>::new(), "{settings:?}");
    }
    let wrong: [(&[&str], &[&str]); 5] = [
        (&["link.delay_ms=10"], &["needs `link.timeout_ms` above 0"]),
        (
            &["link.delay_ms={uniform=[0, 5]}", "link.timeout_ms=10"],
            &["`link.delay_ms` can be 0"],
        ),
        (
            &[
                "link.delay_ms={uniform=[5, 10.5]}",
                "link.round_trips=2",
                "link.timeout_ms=41.9",
            ],
            &[
                "`link.timeout_ms` is 41.9",
                "can take 42 ms",
                "allowed: from 42",
            ],
        ),
        (
            &[
                "link.delay_ms=10",
                "link.timeout_ms=20",
                "link.overhead_ms=1",
            ],
            &["`link.overhead_ms`", "load.service_ms"],
        ),
        (
            &[
                "link.delay_ms=10",
                "link.slow_error={rate=0.1, delay_ms={uniform=[20, 30]}}",
            ],
            &["needs `link.timeout_ms` above 0"],
        ),
    ];
    for (settings, says) in wrong {
        let errors = living(settings);
        assert_eq!(errors.len(), 1, "{errors:?}");
        for part in says {
            assert!(errors[0].contains(part), "no {part:?} in {}", errors[0]);
        }
    }
}
