use std::fs;

use kadsim_engine::key::Key;
use kadsim_engine::makeup::{Clients, Region};
use kadsim_engine::node::Row;
use kadsim_engine::presence::{Leavers, Start};
use kadsim_engine::random::Probability;
use kadsim_systems::maintenance::sets;
use kadsim_systems::network::key_seed;

use crate::file::Loaded;
use crate::inputs::{InputError, Inputs, load, spec};
use crate::watch::Watch;

const TEXT: &str = "schema = 1\nname = \"living\"\nseed = 7\nnetwork.nodes = 10\n\
                    link = { delay_ms = 50, timeout_ms = 1000 }\n\
                    [[phase]]\nname = \"a\"\nkind = \"lookup\"\ncount = 1\nspread_ms = 5000\n\
                    [[phase]]\nname = \"b\"\nkind = \"lookup\"\ncount = 1\nspread_ms = 7000\n[churn]\n";

/// Reads an experiment with these keys of `[churn]` beside a file `list.csv`.
fn living(churn: &str, list: &str) -> Result<(Loaded, Inputs), InputError> {
    living_of(TEXT, churn, list)
}

fn living_of(text: &str, churn: &str, list: &str) -> Result<(Loaded, Inputs), InputError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list.csv"), list).unwrap();
    let path = folder.path().join("living.toml");
    fs::write(&path, format!("{text}{churn}")).unwrap();
    load(&path, &[], Watch::SILENT)
}

#[track_caller]
fn fails(churn: &str, list: &str, says: &str) {
    let error = living(churn, list).err().unwrap().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn the_engine_is_told_what_the_file_says() {
    let churn = "session = { quantiles = 'list.csv' }\nstart = 'online'\ntable = 'lost'\nrecords = 'lost'\n\
                 class = [{ share = 0.5, absence = { fixed_ms = 3 }, clients = 0.25 }]\n\
                 event = [{ at_ms = 1, leave = 0.5, for_ms = 2 }]\n\
                 [maintenance]\nrules = 'ideal'\nrefresh_ms = 9\n";
    let (loaded, inputs) = living(churn, "p,ms\n0,1\n1,3\n").unwrap();
    let spec = spec(&loaded.experiment, &inputs, 7);
    let churn = spec.churn.unwrap();
    assert_eq!(churn.start, Start::Online);
    let means = churn.sessions.iter().map(|one| {
        let absence = one.absence.as_ref();
        (
            one.session.as_ref().unwrap().mean_us(),
            absence.map(|one| one.mean_us()),
        )
    });
    assert_eq!(
        means.collect::<Vec<_>>(),
        [(2000.0, Some(3000.0)), (2000.0, None)]
    );
    assert_eq!(
        (churn.events[0].at_us, churn.events[0].for_us),
        (1000, Some(2000))
    );
    let shares = [0.25, 0.0].map(Probability::new).to_vec();
    assert_eq!(spec.makeup.clients, Clients::OfClass(shares));
    assert_eq!(spec.makeup.classes.len(), 1);
    assert_eq!(spec.aging.renewal_us, Some(9000));
    assert_eq!(
        (spec.aging.table.as_str(), spec.records.as_str()),
        ("lost", "lost")
    );
    // Both phases, ten timeouts and a minute.
    assert_eq!(
        spec.horizon_us,
        5_000_000 + 7_000_000 + 10_000_000 + 60_000_000
    );
}

#[test]
fn the_engine_is_told_how_tables_learn_and_nodes_join() {
    let churn = "session = 'never'\nknown = [7, 3]\n\
                 [maintenance]\nrules = 'kademlia'\n[records]\nttl_ms = 5\n\
                 [engine]\nevents = true\n";
    let (loaded, inputs) = living(churn, "").unwrap();
    for seed in [7, 8] {
        let spec = spec(&loaded.experiment, &inputs, seed);
        let mut expected = sets::KADEMLIA.maintenance.clone();
        expected.clients_known = false;
        let keys: Vec<Key> = (0..10).map(|id| Key::of_node(id, key_seed(seed))).collect();
        let mut sorted = keys.clone();
        sorted.sort();
        let row = |id: usize| sorted.iter().position(|key| *key == keys[id]).unwrap();
        expected.joining.known = [7, 3].map(|id| Row(row(id) as u32)).to_vec();
        assert_eq!(spec.maintenance, Some(expected));
        assert_eq!(spec.aging.join.as_str(), "protocol");
        assert_eq!((spec.aging.renewal_us, spec.doubling_us), (None, None));
        let hours = 24 * 3_600_000_000;
        assert_eq!((spec.ttl_us, spec.republish_us), (Some(5000), Some(hours)));
        assert!(spec.events);
    }
    let joined = format!("network.doubling_ms = 2\n{TEXT}");
    let joined = joined.replace(
        "network.nodes",
        "network.bootstrap = 'joined'\nnetwork.nodes",
    );
    let (loaded, inputs) = living_of(&joined, churn, "").unwrap();
    assert_eq!(spec(&loaded.experiment, &inputs, 7).doubling_us, Some(2000));
    let (loaded, inputs) = living("session = 'never'\n", "").unwrap();
    let none = spec(&loaded.experiment, &inputs, 7);
    assert!(none.maintenance.is_none() && none.ttl_us.is_none() && !none.events);
}

/// Sections that make a network living, each without the others.
#[test]
fn contacts_of_a_living_network_take_time_and_no_overhead() {
    let of = |link: &str, living: &str| {
        let text = TEXT.replace("link = { delay_ms = 50, timeout_ms = 1000 }", link);
        let text = text.replace("[churn]\n", living);
        living_of(&text, "", "").map(|_| ())
    };
    let rules = "[maintenance]\nrules = 'kademlia'\n";
    for living in [
        rules,
        "[records]\nttl_ms = 5\n",
        "[maintenance]\nlearn_asker = true\n",
    ] {
        let fails = |link: &str, says: &str| {
            let error = of(link, living).unwrap_err().to_string();
            assert!(error.contains(says), "{living}: {error}");
        };
        fails("link = { timeout_ms = 1000 }", "`link.delay_ms` can be 0");
        let overhead = "link = { delay_ms = 50, timeout_ms = 1000, overhead_ms = 1 }";
        fails(
            overhead,
            "`link.overhead_ms` does not go with a living network",
        );
        let short = "link = { delay_ms = 50, timeout_ms = 99 }";
        fails(short, "allowed: from 100");
        of("link = { delay_ms = 50, timeout_ms = 100 }", living).unwrap();
    }
    // The timeout of a protocol is its own, and long delays need another.
    of("link = { delay_ms = 500 }", rules).unwrap();
    let error = of("link = { delay_ms = 501 }", rules)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`link.timeout_ms` is 1000"), "{error}");
}

#[test]
fn known_nodes_that_are_not_there_are_refused() {
    let churn = "session = 'never'\njoin = 'protocol'\nknown = [3, 10]\n";
    fails(
        churn,
        "",
        "`churn.known` cannot have 10: there is no node 10",
    );
    let churn = "session = 'never'\njoin = 'protocol'\nknown = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
    let text = TEXT.replace("nodes = 10", "nodes = 10\nnetwork.offline = 0.1");
    let error = living_of(&text, churn, "").err().unwrap().to_string();
    assert!(error.contains("is offline for the whole run"), "{error}");
}

#[test]
fn a_trace_names_the_nodes_by_their_keys() {
    let list = "node,online_ms,offline_ms\n3,0,5\n4,1,\n3,6,7\n";
    let (loaded, inputs) = living("trace = 'list.csv'\n", list).unwrap();
    for seed in [7, 8] {
        let spec = spec(&loaded.experiment, &inputs, seed);
        let trace = spec.churn.unwrap().trace.unwrap();
        let of_a_node = [vec![(0, 5000), (6000, 7000)], vec![(1000, u64::MAX)]];
        let mut times: Vec<_> = trace.values().cloned().collect();
        times.sort();
        assert_eq!(times, of_a_node);
    }
}

#[test]
fn a_network_in_which_no_node_is_ever_online_is_refused() {
    let says = "no node is ever online";
    fails("trace = 'list.csv'\n", "node,online_ms,offline_ms\n", says);
    let churn = "session = 'never'\nevent = [{ at_ms = 0, leave = 1 }]\n";
    fails(churn, "", says);
    assert!(living(&churn.replace("leave = 1", "leave = 0.5"), "").is_ok());
}

#[test]
fn files_are_refused_where_they_are_named() {
    let list = "node,online_ms,offline_ms\n10,0,5\n";
    fails(
        "trace = 'list.csv'\n",
        list,
        "line 2: `node` is `10`, not a node of the network",
    );
    let churn = "session = { quantiles = 'list.csv' }\n";
    fails(churn, "p,ms\n0,1\n", "at least 2 quantiles");
    fails(&churn.replace("list", "none"), "", "none.csv: ");
}

#[test]
fn a_file_that_several_classes_name_is_refused_once() {
    let churn =
        "session = { quantiles = 'none.csv' }\nclass = [{ share = 0.5 }, { share = 0.25 }]\n";
    let error = living(churn, "").err().unwrap().to_string();
    assert_eq!(error.matches("none.csv: ").count(), 1, "{error}");
}

#[test]
fn a_timeout_below_a_round_trip_is_refused() {
    let timed = |timeout| {
        let text = TEXT.replace("timeout_ms = 1000", timeout);
        living_of(&text, "session = 'never'\n", "").map(|_| ())
    };
    let error = timed("timeout_ms = 99").err().unwrap().to_string();
    assert!(error.contains("`link.timeout_ms` is 99"), "{error}");
    assert!(error.contains("allowed: from 100"), "{error}");
    assert!(timed("timeout_ms = 100").is_ok());
    assert!(timed("timeout_ms = 0").is_err());
}

#[test]
fn regions_that_leave_are_those_of_the_link() {
    let text = TEXT.replace("delay_ms = 50", "delay_ms = { regions = 'world-2018' }");
    let event = |name| {
        let churn = format!(
            "session = 'never'\nevent = [{{ at_ms = 1, leave = {{ region = '{name}' }} }}]\n"
        );
        living_of(&text, &churn, "")
    };
    let error = event("Atlantis").err().unwrap().to_string();
    let says = "`churn.event.leave.region` names the unknown region `Atlantis`";
    assert!(error.contains(says), "{error}");
    let (_, inputs) = living_of(&text, "session = 'never'\n", "").unwrap();
    for (index, name) in inputs.link.world.unwrap().names.iter().enumerate() {
        let (loaded, inputs) = event(name).unwrap();
        let churn = spec(&loaded.experiment, &inputs, 7).churn.unwrap();
        assert_eq!(
            churn.events[0].leavers,
            Leavers::Region(Region(index as u8))
        );
    }
}
