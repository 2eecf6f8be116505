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
