//! The experiments that the estimate is compared with: one for each kind of data that takes memory, and some of all kinds.

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use kadsim_engine::key::mix;
use parquet::arrow::ArrowWriter;

/// An experiment to estimate and to run.
pub struct Case {
    /// Its name in the table.
    pub name: String,
    /// The experiment file.
    pub file: PathBuf,
    /// Overrides, as for `--set`.
    pub overrides: Vec<String>,
    /// Threads, if not all.
    pub threads: Option<usize>,
}

/// Number of rows of an imported file.
const ROWS: u64 = 1_000_000;

const HEAD: &str = r#"schema = 1
name = "estimate"
seed = 42
link.delay_ms = { uniform = [50, 75] }
link.fast_error = { rate = 0.10, delay_ms = { uniform = [50, 100] } }
"#;

const LOOKUPS: &str = r#"
[[phase]]
name = "lookups"
kind = "lookup"
count = 20_000
spread_ms = 10_000
"#;

const STORES: &str = r#"
[[phase]]
name = "provides"
kind = "provide"
count = 20_000
spread_ms = 10_000

[[phase]]
name = "retrieves"
kind = "retrieve"
count = 20_000
spread_ms = 10_000
segments = "provides"
deadline_ms = [1000, 4000]
"#;

const BY_ALL: &str = r#"
[[phase]]
name = "provides"
kind = "provide"
origin = "one"
count_each = 20_000
spread_ms = 10_000

[[phase]]
name = "retrieves"
kind = "retrieve"
origin = "each"
count_each = 20
segments = "provides"
"#;

const OVERLAPPING: &str = r#"
[[phase]]
name = "provides"
kind = "provide"
count = 50_000
spread_ms = 10_000

[[phase]]
name = "lookups"
kind = "lookup"
count = 100_000
spread_ms = 10_000
start_ms = 1000

[[phase]]
name = "retrieves"
kind = "retrieve"
count = 100_000
spread_ms = 10_000
segments = "provides"
start_ms = 2000
"#;

const TRACED: &str = r#"
[[phase]]
name = "traced"
kind = "lookup"
trace = "trace.csv"
"#;

/// Returns all cases, after writing their files to a folder.
pub fn all(folder: &Path) -> Result<Vec<Case>, Box<dyn std::error::Error>> {
    write_imports(folder)?;
    let mut cases = Cases {
        folder: folder.to_owned(),
        all: Vec::new(),
    };
    let generated = "network.nodes = 10_000";
    cases.write("lookups", generated, LOOKUPS)?;
    cases.write("stores", generated, STORES)?;
    cases.write("by-all", generated, BY_ALL)?;
    cases.write("overlapping", generated, OVERLAPPING)?;
    cases.write("traced", generated, TRACED)?;
    cases.write("phases", generated, &many_phases())?;
    cases.write("csv", "network.ids = \"ids.csv\"", LOOKUPS)?;
    cases.write("parquet", "network.ids = \"ids.parquet\"", LOOKUPS)?;
    networks(&mut cases);
    lookups(&mut cases);
    operations(&mut cases);
    tables(&mut cases);
    files(&mut cases);
    Ok(cases.all)
}

struct Cases {
    folder: PathBuf,
    all: Vec<Case>,
}

impl Cases {
    fn write(&self, file: &str, nodes: &str, phases: &str) -> std::io::Result<()> {
        fs::write(self.path(file), format!("{HEAD}{nodes}\n{phases}"))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(format!("{file}.toml"))
    }

    fn add(&mut self, name: &str, file: &str, overrides: &[&str]) {
        self.add_path(name, self.path(file), overrides, None);
    }

    /// Adds an experiment that comes with kadsim.
    fn add_known(&mut self, name: &str, file: &str, overrides: &[&str], threads: Option<usize>) {
        let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        self.add_path(name, experiments.join(file), overrides, threads);
    }

    fn add_path(&mut self, name: &str, file: PathBuf, overrides: &[&str], threads: Option<usize>) {
        self.all.push(Case {
            name: name.to_owned(),
            file,
            overrides: overrides.iter().map(|&value| value.to_owned()).collect(),
            threads,
        });
    }
}

/// Adds cases of sizes, layouts, policies, buckets and imports.
fn networks(cases: &mut Cases) {
    let one = "phase.lookups.count=1";
    cases.add(
        "10 nodes, one lookup",
        "lookups",
        &["network.nodes=10", one],
    );
    let set = ["network.nodes=2000", "phase.lookups.count=2000"];
    cases.add("2000 nodes", "lookups", &set);
    for nodes in ["100_000", "1_000_000"] {
        for layout in ["dense", "packed", "spans", "implicit"] {
            for policy in ["closest", "random"] {
                let set = [
                    format!("network.nodes={nodes}"),
                    format!("engine.layout={layout}"),
                    format!("network.bootstrap={policy}"),
                ];
                let name = format!("{nodes} nodes, {layout}, {policy}");
                cases.add(&name, "lookups", &set.each_ref().map(String::as_str));
            }
        }
    }
    for policy in ["closest", "random"] {
        let bootstrap = format!("network.bootstrap={policy}");
        let set = [
            "network.nodes=50_000",
            "network.bucket_size=255",
            &bootstrap,
        ];
        cases.add(&format!("k = 255, {policy}"), "lookups", &set);
    }
    let set = ["network.nodes=100_000", "network.bucket_size=1"];
    cases.add("k = 1", "lookups", &set);
    let set = [
        "networks=200",
        "network.nodes=2000",
        "phase.lookups.count=2000",
    ];
    cases.add("200 networks of 2000 nodes", "lookups", &set);
    let set = ["networks=10", "network.nodes=100_000"];
    cases.add("10 networks of 100_000 nodes", "lookups", &set);
    let set = ["networks=5", "phase.provides.count=100_000"];
    cases.add("5 networks with 2 M stores each", "stores", &set);
    for file in ["csv", "parquet"] {
        for layout in ["implicit", "packed"] {
            let set = format!("engine.layout={layout}");
            cases.add(&format!("1 M nodes of a {file}, {layout}"), file, &[&set]);
        }
    }
}

/// Adds cases of lookup procedures and their parameters.
fn lookups(cases: &mut Cases) {
    let set = [
        "network.nodes=200",
        "lookup.beta=65536",
        "phase.provides.count=3000",
        "phase.retrieves.count=3000",
    ];
    cases.add("beta = 65 536 among 200 nodes", "stores", &set);
    let answered = "lookup.stop=closest-answered";
    let set = ["lookup.beta=1000", answered, "phase.lookups.count=5000"];
    cases.add("beta = 1000", "lookups", &set);
    let set = ["lookup.alpha=100", "lookup.steps_to_stop=100"];
    cases.add("alpha = 100", "lookups", &set);
    let set = ["lookup.beta=100", answered, "network.nodes=100_000"];
    cases.add("until the 100 closest have answered", "lookups", &set);
    let (py_dht, overhead) = ("lookup.procedure=py-dht", "link.overhead_ms=0.1");
    cases.add("py-dht", "stores", &[py_dht]);
    cases.add("py-dht with overhead", "stores", &[py_dht, overhead]);
    let (rfm19, many) = ("lookup.procedure=rfm19", "phase.lookups.count=50_000");
    cases.add("rfm19", "lookups", &[rfm19, many]);
    cases.add("rfm19 with overhead", "lookups", &[rfm19, many, overhead]);
}

/// Adds cases of the schedule of operations and of the state that they share.
fn operations(cases: &mut Cases) {
    let (overhead, at_once) = ("link.overhead_ms=0.1", "phase.lookups.spread_ms=0");
    let many = "phase.lookups.count=200_000";
    cases.add(
        "200 000 lookups with overhead",
        "lookups",
        &[many, overhead],
    );
    cases.add("the same at once", "lookups", &[many, overhead, at_once]);
    let set = ["phase.lookups.count=500_000", at_once];
    cases.add("500 000 lookups at once", "lookups", &set);
    let set = [overhead, "phase.provides.spread_ms=0"];
    cases.add("20 000 provides at once, overhead", "stores", &set);
    cases.add("4 M stores", "stores", &["phase.provides.count=200_000"]);
    let set = ["phase.provides.count=500_000", "phase.provides.spread_ms=0"];
    cases.add("10 M stores at once", "stores", &set);
    let set = ["phase.provides.count=500", "phase.retrieves.count=200_000"];
    cases.add("200 000 distinct retrieves", "stores", &set);
    cases.add("retrieves by each node", "by-all", &[]);
    let set = ["phase.retrieves.parallel=2"];
    cases.add("the same, 2 at a time", "by-all", &set);
    cases.add("three phases overlap", "overlapping", &[]);
    cases.add("the same with overhead", "overlapping", &[overhead]);
    let set = ["network.nodes=300_000", "engine.layout=implicit"];
    cases.add("the same among 300 000 nodes", "overlapping", &set);
    // Long enough that no operation is cut off, which would be an error.
    let set = [
        "phase.provides.max_ms=30_000",
        "phase.retrieves.max_ms=30_000",
    ];
    cases.add("max_ms and deadlines", "stores", &set);
    cases.add("trace of 1 M lookups", "traced", &[]);
    cases.add("40 phases", "phases", &[]);
}

/// Adds cases of output tables.
fn tables(cases: &mut Cases) {
    let all = r#"output.tables=["ticks", "operations", "nodes", "connections", "routing"]"#;
    let (provides, retrieves) = (
        "phase.provides.count=50_000",
        "phase.retrieves.count=50_000",
    );
    let set = [all, "output.results=true", provides, retrieves];
    cases.add("all tables and results", "stores", &set);
    let set = ["output.results=true", "phase.lookups.count=500_000"];
    cases.add("500 000 operations with results", "lookups", &set);
    let set = ["phase.lookups.count=1_000_000"];
    cases.add("1 M operations", "lookups", &set);
    let many = "phase.lookups.count=200_000";
    let connections = r#"output.tables=["ticks", "connections"]"#;
    cases.add("connections", "lookups", &[many, connections]);
    let set = [many, connections, "phase.lookups.spread_ms=0"];
    cases.add("connections of lookups at once", "lookups", &set);
    cases.add(
        "ticks of a millisecond",
        "lookups",
        &[many, "clock.tick_ms=1"],
    );
    let (implicit, few) = ("engine.layout=implicit", "phase.lookups.count=1000");
    let routing = r#"output.tables=["routing"]"#;
    let set = ["network.nodes=200_000", implicit, routing, few];
    cases.add("routing of 200 000 nodes", "lookups", &set);
}

/// Adds cases of files that come with kadsim, of threads and of sweeps.
fn files(cases: &mut Cases) {
    for threads in [1, 2, 8] {
        let name = format!("quickstart.toml, {threads} threads");
        cases.add_known(&name, "quickstart.toml", &[], Some(threads));
    }
    let set = ["network.nodes=300_000", "phase.seeding.count=50_000"];
    cases.add_known("the same, larger", "quickstart.toml", &set, Some(8));
    let set = ["phase.seeding.count_each=65_536"];
    cases.add_known("das.toml, a quarter", "das.toml", &set, None);
    cases.add_known("grid.toml, 2 cells at once", "grid.toml", &[], Some(2));
    let set = [
        "sweep.network.nodes=[10_000, 20_000]",
        "phase.lookups.count=5000",
    ];
    cases.add_known("the same, larger, 4 at once", "grid.toml", &set, Some(4));
}

fn many_phases() -> String {
    let phase = |number: u32| {
        let lookups = LOOKUPS.replace("20_000", "2000").replace("10_000", "1000");
        lookups.replace("lookups", &format!("lookups-{number}"))
    };
    (0..40).map(phase).collect()
}

/// Writes nodes as CSV and as Parquet, and a trace as CSV.
fn write_imports(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut ids = String::from("node,key\n");
    let mut trace = String::from("origin,key,start_ms\n");
    for row in 0..ROWS {
        let key = mix(row);
        writeln!(ids, "{},{key}", 7 * row + 13)?;
        let (origin, start_us) = (mix(!row) % 10_000, mix(row ^ 1 << 40) % 60_000_000);
        let (ms, us) = (start_us / 1000, start_us % 1000);
        writeln!(trace, "{origin},{key},{ms}.{us:03}")?;
    }
    fs::write(folder.join("ids.csv"), ids)?;
    fs::write(folder.join("trace.csv"), trace)?;
    let nodes = Int64Array::from_iter_values((0..ROWS as i64).map(|row| 7 * row + 13));
    let keys = UInt64Array::from_iter_values((0..ROWS).map(mix));
    let columns: [(&str, ArrayRef); 2] = [("node", Arc::new(nodes)), ("key", Arc::new(keys))];
    let batch = RecordBatch::try_from_iter(columns)?;
    let file = File::create(folder.join("ids.parquet"))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
