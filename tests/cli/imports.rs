//! Node lists and traces, from the command line to the tables: what the program reads, what it refuses, and how soon.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use arrow::array::AsArray;
use kadsim::import;

use crate::support::{Answer, Dir};

const LISTED: &str = r#"schema = 1
name = "listed"
seed = 1
network.ids = "peers.csv"
[[phase]]
name = "looking"
kind = "lookup"
count = 20
"#;

/// A folder with `listed.toml`.
fn listed() -> Dir {
    let dir = Dir::new();
    dir.write("listed.toml", LISTED);
    dir
}

/// Each file ends with one error that names the file and the reason.
#[test]
fn lists_without_end_are_refused() {
    let dir = listed();
    let refused = |said: &str| {
        let answer = dir
            .kadsim(&["check", "listed.toml"])
            .ends(2)
            .says(&["peers.csv: ", said]);
        assert_eq!(
            answer.stderr.matches("error").count(),
            1,
            "{}",
            answer.stderr
        );
    };
    dir.write("peers.csv", format!("node,key{}\n", ",c".repeat(1_000_000)));
    refused("line 1: longer than 1048576 bytes");
    dir.write("peers.csv", "node,key\n1,\"");
    let file = OpenOptions::new()
        .write(true)
        .open(dir.path("peers.csv"))
        .unwrap();
    file.set_len(2_149_000_000).unwrap();
    refused("binary, not text");
    file.set_len(import::FILE_BYTES_MAX + 1).unwrap();
    refused("longer than 4294967296 bytes");
    fs::remove_file(dir.path("peers.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path("peers.csv")).unwrap();
    refused("a device, not a file");
    fs::remove_file(dir.path("peers.csv")).unwrap();
    let made = Command::new("mkfifo")
        .arg(dir.path("peers.csv"))
        .status()
        .unwrap();
    assert!(made.success());
    refused("a pipe, not a file");
}

#[test]
fn an_experiment_file_without_end_is_refused() {
    let dir = Dir::new();
    let answer = dir.kadsim(&["check", "/dev/zero"]).ends(2);
    answer.says(&["/dev/zero: longer than 4194304 bytes"]);
    let text = "schema = 1\nname = \"x\"\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    dir.write("wide.toml", [&[0xFF, 0xFE], &wide[..]].concat());
    dir.kadsim(&["check", "wide.toml"])
        .ends(2)
        .says(&["wide.toml: this file is UTF-16: save it as UTF-8"]);
    dir.write("packed.toml", b"\x1F\x8B\x08\x00");
    dir.kadsim(&["check", "packed.toml"])
        .ends(2)
        .says(&["packed.toml: this file is compressed by gzip"]);
}

/// A page of this file is cut off, so its reader panics. The user sees an error and no panic.
#[test]
fn a_damaged_parquet_file_is_one_clean_error() {
    let dir = listed();
    let damaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/damaged.parquet");
    let ids = format!("network.ids={}", damaged.display());
    let answer = dir.kadsim(&["check", "listed.toml", "--set", &ids]).ends(2);
    let answer = answer.says(&["damaged.parquet: not a readable Parquet file"]);
    assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
    assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
}

/// Paths in an override start at the working directory, those in the file at its folder.
#[test]
fn paths_given_by_set_start_at_the_working_directory() {
    let dir = listed();
    let list = "node,key\n1,10\n2,20\n";
    dir.write("peers.csv", list);
    fs::create_dir(dir.path("here")).unwrap();
    dir.write("here/mine.csv", format!("{list}3,30\n"));
    dir.write(
        "here/ops.csv",
        "origin,key,start_ms\n3,7,0.0004\n3,8,1.0005\n",
    );
    let here = |args: &[&str]| {
        let args = [&["run", "../listed.toml"], args].concat();
        let mut command = dir.command(&args);
        Answer::new(command.current_dir(dir.path("here")).output().unwrap())
    };
    here(&["--out", "a"]).ends(0);
    assert_eq!(dir.table("here/a/listed/nodes.parquet").rows(), 2);
    let traced = "phase.looking={name=\"looking\", kind=\"lookup\", trace=\"ops.csv\"}";
    let phases = format!("phase=[{}]", traced.split_once('=').unwrap().1);
    here(&[
        "--out",
        "b",
        "--set",
        "network.ids=mine.csv",
        "--set",
        &phases,
    ])
    .ends(0);
    assert_eq!(dir.table("here/b/listed/nodes.parquet").rows(), 3);
    // A fourth decimal is rounded.
    let operations = dir.table("here/b/listed/operations.parquet");
    assert_eq!(operations.values("due_ms"), [0.0, 1.001]);
    let sweep = "sweep.network.ids=[\"mine.csv\", \"../peers.csv\"]";
    here(&["--out", "c", "--set", sweep]).ends(0);
    assert_eq!(
        dir.list("here/c/listed")
            .iter()
            .filter(|name| name.starts_with("network.ids="))
            .count(),
        2
    );
}

/// The nodes table names each peer beside its node, and `resolved.toml` leads to the same run.
#[test]
fn peer_ids_are_labels_of_the_nodes_table() {
    let dir = listed();
    let peers = [
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
    ];
    dir.write(
        "peers.csv",
        format!("agent;peer_id\nkubo;{}\nkubo;{}\n", peers[0], peers[1]),
    );
    dir.kadsim(&["run", "listed.toml", "--set", "network.hash=sha256"])
        .ends(0);
    let table = dir.table("out/listed/nodes.parquet");
    // In the order of keys: 0x1dc8… and 0xe41c…, as SHA-256 of the multihashes makes them.
    assert_eq!(table.values("node"), [1.0, 0.0]);
    assert_eq!(table.words("label"), [peers[1], peers[0]]);
    let keys = table.batch.column_by_name("key").unwrap();
    let keys = keys.as_primitive::<arrow::datatypes::UInt64Type>().values();
    assert_eq!(keys[..], [0x1dc8_c060_fa49_9346, 0xe41c_99e2_31bc_8c56]);
    let resolved = "out/listed/resolved.toml";
    dir.kadsim(&["run", resolved, "--out", "again"]).ends(0);
    assert_eq!(dir.digest("again/listed"), dir.digest("out/listed"));
    // Generated nodes have no labels.
    dir.kadsim(&["run", "small.toml"]).ends(0);
    let table = dir.table("out/small/nodes.parquet");
    assert_eq!(
        table.batch.column_by_name("label").unwrap().null_count(),
        table.rows()
    );
    dir.kadsim(&["check", "listed.toml"])
        .ends(2)
        .says(&["no column `key`, and no `network.hash`", "listed.toml:4:"]);
}

/// `experiments/README.md` states the limits of inputs, in the numbers of the program.
#[test]
fn readme_states_the_limits() {
    let readme = include_str!("../../experiments/README.md");
    for (what, limit) in [
        (
            "bytes of a file, and of what a compressed one unpacks to",
            import::FILE_BYTES_MAX,
        ),
        (
            "times its length that a compressed text unpacks to, beyond 67108864 bytes",
            import::UNPACKED_TIMES_MAX,
        ),
        ("rows", import::ROWS_MAX),
        ("columns", import::COLUMNS_MAX as u64),
        ("bytes of a line", import::RECORD_BYTES_MAX as u64),
        (
            "bytes of a Parquet file's metadata",
            import::METADATA_BYTES_MAX,
        ),
        ("bytes of a `peer_id`", import::PEER_ID_BYTES_MAX as u64),
        ("bytes of all `peer_id`s", import::PEER_IDS_BYTES_MAX as u64),
        ("bytes of an experiment file", kadsim::file::FILE_BYTES_MAX),
    ] {
        let row = format!("| {what} | {limit} |");
        assert!(readme.contains(&row), "{row}");
    }
}

/// The recipe of `experiments/README.md`: a list as a crawler writes it, with peers that cannot be dialled.
#[test]
fn the_crawl_runs_as_it_expects() {
    let dir = Dir::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/crawl/crawl.toml");
    dir.kadsim(&["run", file.to_str().unwrap()]).ends(0);
    let nodes = dir.table("out/crawl/link.timeout_ms=5000/nodes.parquet");
    assert_eq!(nodes.rows(), 1000);
    assert_eq!(nodes.sum("online"), 748.0);
    assert!(
        nodes
            .words("label")
            .iter()
            .all(|label| label.starts_with("12D3Koo"))
    );
}
