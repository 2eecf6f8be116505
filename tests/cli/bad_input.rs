//! Bad input: an error with its place, exit status 2, and no output lost or half-written.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt64Array};

use crate::support::{Dir, SMALL};

#[track_caller]
fn refused(dir: &Dir, args: &[&str], words: &[&str]) {
    let answer = dir.kadsim(&[&["run", "small.toml"], args].concat());
    assert_eq!(
        answer.status,
        Some(2),
        "{args:?} {words:?}\nstdout:\n{}\nstderr:\n{}",
        answer.stdout,
        answer.stderr
    );
    assert!(answer.stdout.is_empty(), "{args:?}: {}", answer.stdout);
    for word in words {
        assert!(
            answer.stderr.contains(word),
            "{args:?}: no {word:?} in\n{}",
            answer.stderr
        );
    }
    assert!(
        dir.list("out").is_empty(),
        "{args:?} has written {:?}",
        dir.list("out")
    );
}

#[test]
fn bad_files_are_refused_with_their_line() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "seed = 7",
            "sede = 7",
            &[
                "small.toml:3:",
                "unknown key `sede`",
                "did you mean `seed`?",
                "missing key `seed`",
            ],
        ),
        ("seed = 7", "", &["small.toml", "missing key `seed`"]),
        ("schema = 1\n", "", &["missing key `schema`"]),
        ("name = \"small\"\n", "", &["missing key `name`"]),
        (
            "network.nodes = 300\n",
            "",
            &["network.nodes", "network.ids"],
        ),
        ("kind = \"provide\"\n", "", &["missing key", "kind"]),
        (
            "seed = 7",
            "seed = \"7\"",
            &["small.toml:3:", "`seed` is a string", "an integer", "^"],
        ),
        ("seed = 7", "seed = ", &["small.toml:3:"]),
        (
            "[50, 75]",
            "[75, 50]",
            &[
                "small.toml:5:",
                "link.delay_ms",
                "[75, 50]",
                "lo not above hi",
            ],
        ),
        (
            "[50, 75]",
            "[50.0001, 75]",
            &["small.toml:5:", "50.0001", "three decimals", "write 50"],
        ),
        (
            "rate = 0.1,",
            "rate = 1.01,",
            &[
                "small.toml:6:",
                "link.fast_error.rate",
                "1.01",
                "from 0 to 1",
            ],
        ),
        ("segments = \"putting\"\n", "", &["small.toml", "segments"]),
        (
            "\"putting\"\nkind",
            "\"getting\"\nkind",
            &["two phases", "getting"],
        ),
    ];
    for (old, new, words) in cases {
        let dir = Dir::new();
        assert!(SMALL.contains(old), "{old}");
        dir.write("small.toml", SMALL.replacen(old, new, 1));
        refused(&dir, &[], words);
    }
    let dir = Dir::new();
    dir.write("small.toml", SMALL.split("[[phase]]").next().unwrap());
    refused(&dir, &[], &["phase"]);
    // All at once.
    dir.write(
        "small.toml",
        SMALL
            .replacen("seed = 7", "seed = -7", 1)
            .replacen("count = 20", "count = -20", 1),
    );
    refused(
        &dir,
        &[],
        &[
            "small.toml:3:",
            "small.toml:16:",
            "`seed` cannot be -7",
            "-20",
        ],
    );
}

#[test]
fn bad_overrides_are_refused_with_what_is_allowed() {
    let cases: &[(&str, &[&str])] = &[
        (
            "lookup.alhpa=3",
            &["unknown key `lookup.alhpa`", "did you mean `alpha`?"],
        ),
        (
            "lookup.alpha=three",
            &["lookup.alpha", "three", "an integer"],
        ),
        (
            "link.delay_ms=1.2345",
            &["link.delay_ms", "1.2345", "three decimals", "write 1.235"],
        ),
        ("link.delay_ms=-1", &["link.delay_ms", "-1", "0 to 9e12"]),
        ("link.delay_ms=nan", &["link.delay_ms", "nan"]),
        (
            "link.fast_error.rate=-0.1",
            &["link.fast_error.rate", "-0.1", "from 0 to 1"],
        ),
        (
            "link.slow_error={rate=2, delay_ms=1}",
            &["link.slow_error.rate", "2", "from 0 to 1"],
        ),
        ("network.nodes=0", &["network.nodes", "0", "1 to"]),
        (
            "network.bucket_size=0",
            &["network.bucket_size", "1 to 255"],
        ),
        (
            "network.bucket_size=256",
            &["network.bucket_size", "256", "1 to 255"],
        ),
        ("lookup.alpha=0", &["lookup.alpha", "1 to"]),
        ("lookup.beta=0", &["lookup.beta", "1 to"]),
        ("clock.tick_ms=0", &["clock.tick_ms", "above 0"]),
        (
            "output.tables=[\"operation\"]",
            &["\"operation\"", "did you mean `operations`?", "ticks"],
        ),
        (
            "phase.getting.segments=put",
            &["put", "earlier phase of kind provide", "putting"],
        ),
        (
            "phase.getting.segments=getting",
            &["earlier phase of kind provide"],
        ),
        (
            "phase.getting.count=3001",
            &["phase.getting.count", "3001", "0 to 3000"],
        ),
        ("phase.getting.name=putting", &["two phases", "putting"]),
        (
            "phase.getting.start_ms=-1",
            &["phase.getting.start_ms", "-1", "0 to 9e12"],
        ),
        (
            "phase.getting.deadline_ms=[12000, 4000]",
            &["phase.getting.deadline_ms", "ascending order"],
        ),
        (
            "phase.getting.deadline_ms=[]",
            &["phase.getting.deadline_ms", "ascending order"],
        ),
        (
            "phase.putting.withheld=11",
            &["phase.putting.withheld", "11", "0 to 10"],
        ),
        (
            "phase.getting.withheld=1",
            &["phase.getting.withheld", "is for provides"],
        ),
        (
            "phase.getting.parts=2",
            &["phase.getting.parts", "is for provides"],
        ),
        ("phase.putting.parts=0", &["phase.putting.parts", "1 to"]),
        (
            "network.ids=ids.csv",
            &["network.nodes", "network.ids", "cannot both be given"],
        ),
        ("network.nodes=1_000_000_000", &["memory", "GiB"]),
        ("phase.putting.origin={node=300}", &["300"]),
        ("phase.putting.origin={sample=301}", &["301", "300"]),
        (
            "expect=[{metric=\"getting.fonud.mean\", within=[0, 1]}]",
            &["getting.fonud.mean", "getting.found.mean"],
        ),
    ];
    let dir = Dir::new();
    for (set, words) in cases {
        // The origins go by count_each.
        if set.contains("origin") {
            dir.write(
                "small.toml",
                SMALL.replacen("count = 10\n", "count_each = 10\n", 1),
            );
        }
        refused(&dir, &["--set", set], words);
        dir.write("small.toml", SMALL);
    }
}

#[test]
fn contradictions_are_refused() {
    let dir = Dir::new();
    let set = ["--set", "link.overhead_ms=0.1", "--set", "link.delay_ms=0"];
    refused(&dir, &set, &["link.overhead_ms", "link.delay_ms"]);
    let set = [
        "--set",
        "lookup.procedure=py-dht",
        "--set",
        "lookup.stop=closest-answered",
    ];
    refused(&dir, &set, &["py-dht", "closest-answered", "no-progress"]);
    let set = [
        "--set",
        "lookup.procedure=py-dht",
        "--set",
        "lookup.stall_ms=5",
    ];
    refused(&dir, &set, &["lookup.stall_ms", "py-dht", "iterative"]);
    let set = [
        "--set",
        "phase.getting.start_ms=5",
        "--set",
        "phase.getting.reset_overhead=true",
    ];
    let words = [
        "phase.getting.reset_overhead",
        "with `start_ms`",
        "use the same counters",
    ];
    refused(&dir, &set, &words);
    let set = [
        "--set",
        "phase.getting.start_ms=5",
        "--set",
        "link.delay_ms=0",
    ];
    let words = ["\"putting\" and \"getting\" at the same time", "take time"];
    refused(&dir, &set, &words);
    let third = "[[phase]]\nname = \"more\"\nkind = \"lookup\"\ncount = 1\nstart_ms = 9\n";
    dir.write("small.toml", format!("{SMALL}{third}"));
    let words = [
        "phase.more.start_ms",
        "follow phase \"getting\"",
        "which waits",
    ];
    refused(&dir, &[], &words);
    dir.kadsim(&["check", "small.toml", "--set", "phase.getting.start_ms=0"])
        .ends(0);
}

const IMPORTED: &str = r#"schema = 1
name = "small"
seed = 1
network.ids = "ids.csv"
[[phase]]
name = "putting"
kind = "provide"
trace = "ops.csv"
"#;

#[test]
fn bad_imports_are_refused_with_file_and_row() {
    let (ids, ops) = (
        "node,key\n1,10\n2,20\n3,30\n",
        "origin,key,start_ms\n1,7,0\n2,8,1.5\n",
    );
    let cases: &[(&str, &str, &[&str])] = &[
        ("node,key\n1,10\n2,\n", ops, &["ids.csv", "line 3", "key"]),
        (
            "node,kye\n1,10\n",
            ops,
            &["ids.csv", "no column `key`", "`kye`"],
        ),
        (
            "node,key\n1,10\n2,20\n1,30\n",
            ops,
            &["ids.csv", "lines 2 and 4", "node", "1"],
        ),
        (
            "node,key\n1,10\n2,20\n3,20\n",
            ops,
            &["ids.csv", "lines 3 and 4", "key", "20"],
        ),
        ("node,key\n1,-10\n", ops, &["ids.csv", "line 2", "-10"]),
        ("node,key\n1,ten\n", ops, &["ids.csv", "line 2", "ten"]),
        ("node,key\n", ops, &["ids.csv", "no rows"]),
        ("", ops, &["ids.csv", "empty"]),
        (
            ids,
            "origin,key,start_ms\n1,7,0\n4,8,1\n",
            &[
                "ops.csv",
                "line 3",
                "`origin` is `4`, not a node",
                "small.toml:8:",
            ],
        ),
        (
            ids,
            "origin,key\n1,7\n",
            &["ops.csv", "no column `start_ms`"],
        ),
        (
            ids,
            "origin,key,start_ms\n1,7,-1\n",
            &["ops.csv", "line 2", "-1"],
        ),
        (
            ids,
            "origin,key,start_ms\n1,7,nan\n",
            &["ops.csv", "line 2", "nan"],
        ),
        (
            ids,
            "origin,key,start_ms\n1,,0\n",
            &["ops.csv", "line 2", "key"],
        ),
    ];
    for (ids, ops, words) in cases {
        let dir = Dir::new();
        dir.write("small.toml", IMPORTED);
        dir.write("ids.csv", ids);
        dir.write("ops.csv", ops);
        refused(&dir, &[], words);
    }
    let dir = Dir::new();
    dir.write("small.toml", IMPORTED);
    // Both at once.
    refused(
        &dir,
        &[],
        &["ids.csv", "ops.csv", "small.toml:4:", "small.toml:8:"],
    );
    dir.write("ids.csv", ids);
    dir.write("ops.csv", ops);
    dir.write("ids.parquet", "node,key\n1,2\n");
    refused(
        &dir,
        &["--set", "network.ids=ids.parquet"],
        &["ids.parquet", "not a readable Parquet file"],
    );
    refused(
        &dir,
        &["--set", "network.ids=ids.txt"],
        &["ids.txt", ".parquet, .csv or .tsv"],
    );
    let node: ArrayRef = Arc::new(Int64Array::from_iter_values([1, 2]));
    let key: ArrayRef = Arc::new(UInt64Array::from_iter([Some(1), None]));
    dir.write_parquet("ids.parquet", vec![("node", node), ("key", key)]);
    refused(
        &dir,
        &["--set", "network.ids=ids.parquet"],
        &["ids.parquet", "row 2", "key"],
    );
}

/// The number of operations of `each` is known only after the ids are read.
#[test]
fn more_operations_than_can_be_numbered_are_refused() {
    let dir = Dir::new();
    let looking = "origin = \"each\"\ncount_each = 9_223_372_036_854_775_808\nparallel = 1\n";
    let text = IMPORTED.replacen(
        "kind = \"provide\"\ntrace = \"ops.csv\"\n",
        "kind = \"lookup\"\n",
        1,
    );
    dir.write("small.toml", format!("{text}{looking}"));
    dir.write("ids.csv", "node,key\n1,10\n2,20\n");
    refused(
        &dir,
        &[],
        &["\"putting\" has too many operations", "small.toml:9:14"],
    );
}

/// Errors in imported files, and errors that follow from their nodes, are reported together with those of the
/// experiment file, each at its place.
#[test]
fn errors_of_meaning_in_the_file_and_beside_it_come_at_once() {
    const LOOKING: &str = r#"schema = 1
name = "small"
seed = 1
network.ids = "ids.csv"
lookup.alpha = 0
[[phase]]
name = "by-a-node"
kind = "lookup"
origin = { node = 7 }
count_each = 1
[[phase]]
name = "by-some"
kind = "lookup"
origin = { sample = 3 }
count_each = 1
[[phase]]
name = "by-a-trace"
kind = "lookup"
trace = "ops.csv"
"#;
    let dir = Dir::new();
    dir.write("small.toml", LOOKING);
    dir.write("ids.csv", "node,key\n1,10\n2,20\n");
    let all = [
        "small.toml:5:16",
        "`lookup.alpha` cannot be 0",
        "small.toml:9:19",
        "`phase.by-a-node.origin.node` cannot be 7: there is no node 7",
        "small.toml:14:21",
        "`phase.by-some.origin.sample` cannot be 3: there are 2 nodes",
        "allowed: 1 to 2",
        "small.toml:19:9",
        "ops.csv: No such file",
    ];
    refused(&dir, &[], &all);
    fs::remove_file(dir.path("ids.csv")).unwrap();
    let all = [
        "small.toml:4:15",
        "ids.csv: No such file",
        "small.toml:5:16",
        "small.toml:19:9",
    ];
    refused(&dir, &[], &all);
    let expect = "expect=[{metric=\"by-some.foo\", within=[0, 1]}]";
    refused(
        &dir,
        &["--set", expect],
        &[&all[..], &["no metric \"by-some.foo\""]].concat(),
    );
    // A value that depends on a wrong one is not reported too.
    dir.write(
        "small.toml",
        SMALL.replacen(
            "count = 10\n",
            "origin = { node = 299 }\ncount_each = 10\n",
            1,
        ),
    );
    let answer = dir
        .kadsim(&["run", "small.toml", "--set", "network.nodes=0"])
        .ends(2);
    assert_eq!(
        answer.stderr.matches("error:").count(),
        1,
        "{}",
        answer.stderr
    );
}

#[test]
fn an_output_folder_that_cannot_be_is_refused() {
    let dir = Dir::new();
    dir.write("file", "in the way");
    refused(&dir, &["--out", "file"], &["output folder", "file"]);
    refused(
        &dir,
        &["--out", "file/deeper"],
        &["output folder", "file/deeper"],
    );
    assert_eq!(dir.read("file"), "in the way");
}

/// A run removes only the files of an earlier run.
#[test]
fn what_no_run_has_written_is_not_deleted() {
    for name in ["small", "small.partial", "small.replaced"] {
        for force in [&["--force"][..], &[]] {
            let dir = Dir::new();
            fs::create_dir_all(dir.path("out").join(name)).unwrap();
            let thesis = format!("out/{name}/thesis.txt");
            dir.write(&thesis, "x");
            dir.kadsim(&[&["run", "small.toml"], force].concat())
                .ends(2)
                .says(&[&format!("out/{name} is not the folder of a run"), "--out"]);
            assert_eq!(dir.read(&thesis), "x");
            assert_eq!(dir.list("out"), [name]);
            // An empty folder is replaced, because it holds nothing.
            fs::remove_file(dir.path(&thesis)).unwrap();
            dir.kadsim(&["run", "small.toml"]).ends(0);
            assert_eq!(dir.list("out"), ["small"]);
        }
    }
}

#[test]
fn a_file_in_the_place_of_the_run_is_refused_before_it_runs() {
    for name in ["small", "small.partial", "small.replaced"] {
        let dir = Dir::new();
        fs::create_dir(dir.path("out")).unwrap();
        let file = format!("out/{name}");
        dir.write(&file, "x");
        let said = format!("{file} is not the folder of a run");
        dir.kadsim(&["run", "small.toml", "--force"])
            .ends(2)
            .says(&[&said]);
        assert_eq!(
            (dir.list("out"), dir.read(&file)),
            (vec![name.to_owned()], "x".to_owned())
        );
    }
}
