//! Experiment texts that several modules run.

/// A small experiment: 10 provides, 20 retrieves among 300 nodes, in 0.1 s.
pub const SMALL: &str = r#"schema = 1
name = "small"
seed = 7
network.nodes = 300
link.delay_ms = { uniform = [50, 75] }
link.fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }

[[phase]]
name = "putting"
kind = "provide"
count = 10

[[phase]]
name = "getting"
kind = "retrieve"
count = 20
segments = "putting"
"#;

/// Lookups for minutes, under the name of the small experiment.
pub const LONG: &str = r#"schema = 1
name = "small"
seed = 7
network.nodes = 300
link.delay_ms = { uniform = [50, 75] }

[[phase]]
name = "looking"
kind = "lookup"
count = 200_000_000
spread_ms = 9_000_000_000
"#;

/// Errors of both kinds, a phase of each kind, every table. Digests and determinism vary it.
pub const MIXED: &str = r#"schema = 1
name = "mixed"
seed = 11
network.nodes = 400
network.bucket_size = 8
[link]
delay_ms = { uniform = [50, 75] }
fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }
slow_error = { rate = 0.05, delay_ms = { choice = [500, 900] } }
[[phase]]
name = "putting"
kind = "provide"
count = 60
spread_ms = 2000
[[phase]]
name = "looking"
kind = "lookup"
count = 80
keys = "nodes"
[[phase]]
name = "getting"
kind = "retrieve"
origin = { sample = 20 }
count_each = 8
segments = "putting"
deadline_ms = [400, 4000]
[output]
tables = ["ticks", "operations", "nodes", "connections", "routing"]
results = true
"#;
