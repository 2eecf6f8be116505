//! `[link]` and `[reachability]`: forms of delays, regions, clients; region files.

use super::super::region_file;
use super::*;

#[test]
fn delays_have_every_form_wherever_there_is_one() {
    let lognormal = Delay::Lognormal {
        median_us: 50_000,
        sigma: 0.5,
    };
    let form = "{lognormal={median_ms=50, sigma=0.5}}";
    let experiment = fine(
        SMALL,
        &[
            &format!("link.delay_ms={form}"),
            &format!("link.slow_error={{rate=0.1, delay_ms={form}}}"),
            "link.fast_error={rate=0.1, delay_ms={quantiles='q.csv'}}",
        ],
    );
    let link = &experiment.link;
    assert_eq!(link.delay, OneWay::Drawn(lognormal.clone()));
    assert_eq!(link.timeout, lognormal);
    assert!(link.takes_time());
    let Some(ErrorRate {
        delay: Delay::Quantiles { path, .. },
        ..
    }) = &link.fast_error
    else {
        panic!("{link:?}");
    };
    assert!(path.is_absolute() && path.ends_with("q.csv"));
    let text = SMALL.replace("seed = 7", "seed = 7\nlink.delay_ms.quantiles = 'q.csv'");
    let of_file = fine(&text, &[]);
    let OneWay::Drawn(Delay::Quantiles { path, .. }) = &of_file.link.delay else {
        panic!("{:?}", of_file.link);
    };
    assert!(
        path.ends_with("runs/q.csv"),
        "paths start at the file's folder"
    );
}

#[test]
fn regions_have_defaults() {
    let experiment = fine(SMALL, &["link.delay_ms={regions='world-2018'}"]);
    let OneWay::ByRegion(regions) = &experiment.link.delay else {
        panic!("{:?}", experiment.link);
    };
    assert_eq!(regions.source, RegionSource::BuiltIn("world-2018"));
    assert_eq!((&regions.weights, regions.floor_us), (&None, 1000));
    assert_eq!(experiment.link.round_trips, 1);
    assert_eq!(experiment.lookup.answer, 20);
    let smaller = fine(SMALL, &["network.bucket_size=8"]);
    assert_eq!(smaller.lookup.answer, 8);
    assert!(!experiment.reachability.clients.are_any());
}

#[test]
fn bad_links_are_refused_where_they_stand() {
    let cases: &[(&str, &[&str])] = &[
        (
            "link.delay_ms={lognormal={median_ms=0, sigma=1}}",
            &["`link.delay_ms.lognormal.median_ms` cannot be 0", "above 0"],
        ),
        (
            "link.delay_ms={lognormal={median_ms=1, sigma=-1}}",
            &[
                "`link.delay_ms.lognormal.sigma` cannot be -1",
                "from 0 to 10",
            ],
        ),
        (
            "link.delay_ms={lognormal={median_ms=1}}",
            &["missing key `link.delay_ms.lognormal.sigma`"],
        ),
        (
            "link.delay_ms={lognormal=5}",
            &["median_ms = .., sigma = .."],
        ),
        ("link.delay_ms={quantiles=5}", &["is an integer: 5", ".csv"]),
        (
            "link.delay_ms={uniform=[1, 2], quantiles='q.csv'}",
            &["cannot be {uniform", "{ quantiles = FILE }"],
        ),
        (
            "link.slow_error={rate=0.1, delay_ms={regions='world-2018'}}",
            &["unknown key `link.slow_error.delay_ms.regions`"],
        ),
        (
            "link.delay_ms={regions='world-2019'}",
            &[
                "`link.delay_ms.regions` cannot be \"world-2019\"",
                "allowed: world-2018 or the path of a .toml file",
                "did you mean `world-2018`?",
            ],
        ),
        (
            "link.delay_ms={regions='world-2018', weights={EU=0.5, NAE=0.4}}",
            &["`link.delay_ms.weights` sum to 0.9", "sum to 1"],
        ),
        (
            "link.delay_ms={regions='world-2018', weights={EU=1.5}}",
            &["`link.delay_ms.weights.EU` cannot be 1.5", "from 0 to 1"],
        ),
        (
            "link.delay_ms={regions='world-2018', floor_ms=0}",
            &["`link.delay_ms.floor_ms` cannot be 0", "above 0"],
        ),
        (
            "link.delay_ms={regions='world-2018', wheights={EU=1}}",
            &[
                "unknown key `link.delay_ms.wheights`",
                "did you mean `weights`?",
            ],
        ),
        ("link.jitter_ms=-1", &["`link.jitter_ms`", "below zero"]),
        ("link.round_trips=0", &["allowed: 1 to 10"]),
        ("link.round_trips=11", &["allowed: 1 to 10"]),
        ("lookup.answer=0", &["allowed: 1 to 255"]),
        ("lookup.answer=256", &["allowed: 1 to 255"]),
        (
            "reachability.clients=1",
            &["`reachability.clients` cannot be 1", "below 1"],
        ),
        ("reachability.clients='x'", &["is a string", "below 1"]),
        (
            "reachability.clients={EU=0.3}",
            &["`reachability.clients` by region needs", "regions = .."],
        ),
        ("reachability.clients_in_tables=1.5", &["from 0 to 1"]),
        ("reachability.clients_known=1", &["true or false"]),
        (
            "reachability.servers=1",
            &["allowed: clients, clients_known, clients_in_tables"],
        ),
    ];
    for (set, says) in cases {
        refused(SMALL, &[set], says);
    }
}

const TWO: &str = "regions = [\"A\", \"B\"]\n\
                   median_ms = [[10, 20], [20, 30]]\n\
                   p90_ms = [[10, 25.5], [25.5, 60]]\n";

#[test]
fn a_region_file_is_read() {
    let file = region_file::parse("two.toml", TWO).unwrap();
    assert_eq!(file.names, ["A", "B"]);
    assert_eq!(file.weights, [0.5, 0.5]);
    let cell = file.cells[1];
    assert_eq!(cell.median_us, 20_000.0);
    assert!((cell.sigma - (25.5_f64 / 20.0).ln() / 1.2816).abs() < 1e-12);
    assert_eq!((file.cells.len(), file.cells[0].sigma), (4, 0.0));
    let weighted = format!("{TWO}weights = {{ B = 1 }}\n");
    let file = region_file::parse("two.toml", &weighted).unwrap();
    assert_eq!(file.weights, [0.0, 1.0]);
}

#[test]
fn built_in_regions_are_fine() {
    for (name, text) in regions::BUILT_IN {
        let file = region_file::parse(name, text).unwrap();
        assert_eq!(file.cells.len(), file.names.len() * file.names.len());
    }
}

#[test]
fn bad_region_files_are_refused_where_they_stand() {
    let cases: &[(&str, &str, usize, &[&str])] = &[
        (
            "[20, 30]]",
            "[20]]",
            2,
            &["`median_ms` has 1 columns for 2 regions", "symmetric"],
        ),
        (
            ", [20, 30]]",
            "]",
            2,
            &["`median_ms` has 1 rows for 2 regions"],
        ),
        (
            "[20, 30]",
            "[21, 30]",
            2,
            &["not symmetric: 20 from A to B, 21 back", "same both ways"],
        ),
        (
            "[[10, 25.5]",
            "[[9.5, 25.5]",
            3,
            &["`p90_ms` cannot be 9.5", "allowed: from 10, the median"],
        ),
        (
            "[[10, 20]",
            "[[0, 20]",
            2,
            &["`median_ms` cannot be 0", "above 0"],
        ),
        (
            "[[10, 20]",
            "[[-1, 20]",
            2,
            &["`median_ms` cannot be -1", "below zero"],
        ),
        (
            "[[10, 20]",
            "[['x', 20]",
            2,
            &["`median_ms` is a string", "above 0"],
        ),
        (
            "[\"A\", \"B\"]",
            "[]",
            1,
            &["cannot be a list of 0", "1 to 255"],
        ),
        ("\"B\"", "\"A\"", 1, &["`regions` has \"A\" twice"]),
        (
            "\"B\"",
            "\"B C\"",
            1,
            &["cannot be \"B C\"", "letters, digits"],
        ),
        (
            "regions",
            "weights = { A = 0.5, C = 0.5 }\nregions",
            1,
            &["`weights` names the unknown region `C`", "allowed: A, B"],
        ),
        (
            "regions",
            "weights = { A = 0.5 }\nregions",
            1,
            &["`weights` sum to 0.5"],
        ),
        ("p90_ms", "p95_ms", 3, &["unknown key `p95_ms`"]),
    ];
    for (old, new, line, says) in cases {
        assert!(TWO.contains(old));
        let text = TWO.replacen(old, new, 1);
        let error = region_file::parse("two.toml", &text).expect_err("it is invalid");
        let error = error.render(false);
        assert!(error.contains(&format!("two.toml:{line}:")), "{error}");
        for part in *says {
            assert!(error.contains(part), "no {part:?} in\n{error}");
        }
    }
    let names: Vec<_> = (0..256).map(|name| format!("\"r{name}\"")).collect();
    let many = TWO.replace("[\"A\", \"B\"]", &format!("[{}]", names.join(", ")));
    let error = region_file::parse("two.toml", &many).expect_err("it is invalid");
    assert!(error.render(false).contains("cannot be a list of 256"));
}
