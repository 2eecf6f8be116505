//! Experiment files with every key, and with usual, extreme and odd values of each.
//!
//! The keys come from the program, which lists them where it refuses an unknown one. A new key is thus covered at once.

use std::fmt::Write;

use kadsim::engine::random::Stream;
use kadsim::file;

/// Values that are invalid for most keys.
pub const ODD: &[&str] = &[
    "0",
    "-1",
    "-0.0",
    "1.0",
    "1e400",
    "nan",
    "-inf",
    "1e-7",
    "0.0005",
    "true",
    "\"\"",
    "\"a\"",
    "[]",
    "[[]]",
    "{}",
    "[{}]",
    "1979-05-27",
    "0xffffffffffffffff",
    "18446744073709551616",
    "{ uniform = [2, 1] }",
    "{ choice = [] }",
    "{ sample = 0 }",
    "{ node = -1 }",
    "\"../x.csv\"",
    "\"\\u0000\"",
    "\"é\"",
    "9e12",
    "1_0",
];
const SECTIONS: [&str; 6] = ["network", "lookup", "link", "clock", "engine", "output"];
const DELAYS: &[&str] = &[
    "0",
    "10",
    "12.5",
    "{ uniform = [50, 75] }",
    "{ choice = [1, 2.5, 400] }",
    "0.001",
];
const DELAY_EDGES: &[&str] = &["9e12", "{ uniform = [0, 9e12] }", "{ choice = [0] }"];
const COLUMNS: &[&str] = &[
    "duration_ms.p99",
    "attempts.mean",
    "depth.max",
    "recall.mean",
    "found.mean",
    "stored.count",
    "in_time",
    "cut_off",
    "completed.p50",
    "x",
    "",
];

/// Returns usual values of a key, and values at the edges of its range.
fn values(key: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match key {
        "seed" => (&["7", "42"], &["0", "18446744073709551615"]),
        "networks" => (&["1", "2"], &["1_000_000"]),
        "nodes" => (&["1", "2", "7", "30", "60"], &["2147483648", "65_536"]),
        "bucket_size" => (&["1", "3", "20"], &["255"]),
        "bootstrap" => (&["\"closest\"", "\"random\""], &["\"joined\""]),
        "alpha" => (&["1", "3", "5"], &["4096"]),
        "beta" => (&["1", "5", "20"], &["65_536"]),
        "steps_to_stop" => (&["1", "3"], &["1_000_000"]),
        "stop" => (
            &["\"no-progress\"", "\"closest-answered\"", "\"followup\""],
            &[],
        ),
        "stall_ms" => (&["0", "100.5"], &["1e9"]),
        "procedure" => (&["\"iterative\"", "\"py-dht\"", "\"rfm19\""], &[]),
        "delay_ms" | "timeout_ms" | "tick_ms" | "start_ms" | "spread_ms" => (DELAYS, DELAY_EDGES),
        "fast_error" | "slow_error" => (
            &[
                "{ rate = 0.1, delay_ms = 30 }",
                "{ rate = 0.5, delay_ms = { uniform = [5, 10] } }",
            ],
            &[
                "{ rate = 1, delay_ms = 0 }",
                "{ rate = 0, delay_ms = 9e12 }",
                "{ rate = 1e-300, delay_ms = 1 }",
            ],
        ),
        "overhead_ms" => (&["0", "0.125"], &["9e12", "0.001"]),
        "layout" => (
            &["\"dense\"", "\"packed\"", "\"spans\"", "\"implicit\""],
            &[],
        ),
        "origin" => (
            &[
                "\"random\"",
                "\"one\"",
                "\"each\"",
                "{ sample = 1 }",
                "{ node = 0 }",
            ],
            &["{ sample = 60 }", "{ node = 59 }"],
        ),
        "count" | "count_each" => (&["0", "1", "5", "20"], &["18446744073709551615", "100_000"]),
        "rate_per_s" => (&["50", "0.5", "1e-300"], &["0", "1e300", "-1", "inf"]),
        "duration_ms" => (&["100", "1000.5"], &["9e12", "0"]),
        "keys" => (&["\"random\"", "\"nodes\"", "\"online\""], &[]),
        "draw" => (&["\"distinct\"", "\"independent\"", "\"same\""], &[]),
        "withheld" => (&["0", "1"], &["18446744073709551615"]),
        "parts" => (&["1", "4"], &["16_777_216"]),
        "parallel" => (&["1", "3"], &["4294967295"]),
        "deadline_from" => (&["\"due\"", "\"run\""], &[]),
        "offline" => (&["0", "0.25"], &["0.999", "1"]),
        "hash" => (&["\"sha256\"", "\"keccak256\""], &[]),
        "reset_overhead" | "results" | "in_degree" | "clients_known" | "events" | "learn_asker"
        | "learn_answerer" | "learn_named" | "verify" | "errors_count" | "names_failed"
        | "refresh_own" => (&["true", "false"], &[]),
        "rules" => (
            &[
                "\"none\"",
                "\"kademlia\"",
                "\"kademlia-4.1\"",
                "\"libp2p\"",
                "\"discv5\"",
                "\"mainline\"",
            ],
            &["\"ideal\""],
        ),
        "full" => (&["\"keep\"", "\"ping-oldest\""], &[]),
        "replacements" => (&["0", "1", "20"], &["255", "256"]),
        "replacement" => (&["\"newest\"", "\"random\""], &[]),
        "evict_after" => (&["0", "1", "5"], &["31", "32"]),
        "evict" => (&["\"always\"", "\"replaced\""], &[]),
        "refresh" => (
            &["\"idle\"", "\"all\"", "{ random = 3 }"],
            &["{ random = 0 }", "{ random = 1001 }"],
        ),
        "check" => (&["\"idle\"", "\"oldest\"", "\"random\""], &[]),
        "refresh_ms" | "check_ms" | "check_idle_ms" | "ping_idle_ms" | "ttl_ms"
        | "republish_ms" | "doubling_ms" => (&["0", "100", "1000.5"], &["9e12"]),
        "join_refresh" => (&["\"farther\"", "\"own\"", "{ random = 1 }"], &[]),
        "knows" => (&["1", "3"], &["255", "256"]),
        "known" => (&["[0]", "[0, 1]"], &["[]", "[7, 7]"]),
        "max_ms" => (&["100", "0", "5000.5"], &["9e12"]),
        "deadline_ms" => (&["100", "[50, 4000]", "0"], &["9e12", "[1, 1]"]),
        "dir" => (&["\"out\""], &["\"/\""]),
        "tables" => (
            &[
                "[]",
                "[\"ticks\"]",
                "[\"operations\", \"nodes\", \"connections\", \"routing\"]",
            ],
            &["[\"ticks\", \"ticks\"]"],
        ),
        "jitter_ms" => (&["0", "0.5"], &["9e12"]),
        "round_trips" => (&["1", "2"], &["10", "11"]),
        "answer" => (&["1", "20"], &["255", "256"]),
        "clients" => (&["0", "0.25"], &["0.999", "{ EU = 0.5 }"]),
        "clients_in_tables" => (&["0", "0.5"], &["1"]),
        "freshness_ms" => (&["10", "1000"], &["0", "9e12"]),
        "session" | "absence" => (
            &[
                "\"never\"",
                "{ fixed_ms = 50 }",
                "{ exponential = { mean_ms = 200 } }",
                "{ weibull = { shape = 0.5, scale_ms = 100 } }",
                "{ lognormal = { median_ms = 80, sigma = 1.5 } }",
            ],
            &[
                "{ weibull = { shape = 0.001, scale_ms = 1 } }",
                "{ fixed_ms = 0 }",
            ],
        ),
        "start" => (&["\"steady\"", "\"online\"", "\"fresh\""], &[]),
        "table" | "records" => (&["\"kept\"", "\"lost\""], &[]),
        "join" => (&["\"ideal\"", "\"none\""], &["\"protocol\""]),
        "within" => (&["[0, 1e9]", "[0, 1]"], &["[-1.7e308, 1.7e308]"]),
        _ => (&["1", "0.25", "true", "\"run\""], &["0"]),
    }
}

/// All keys of the experiment file.
pub struct Grammar {
    sections: Vec<(&'static str, Vec<String>)>,
    /// Keys of `[maintenance]` and of `[records]`, many of which need others.
    upkeep: Vec<(&'static str, Vec<String>)>,
    phase: Vec<String>,
}

impl Grammar {
    /// Asks the program for its keys.
    pub fn learnt() -> Self {
        let section = |name: &'static str| {
            (
                name,
                allowed(&format!("[{name}]\nzzz = 1\n"), &format!("{name}.zzz")),
            )
        };
        let grammar = Self {
            sections: SECTIONS.map(section).into(),
            upkeep: ["maintenance", "records"].map(section).into(),
            phase: allowed("[[phase]]\nname = \"p\"\nzzz = 1\n", "phase.p.zzz"),
        };
        assert!(grammar.phase.len() >= 17 && grammar.sections[2].1.len() >= 5);
        grammar
    }

    fn value(&self, key: &str, is_small: bool, stream: &mut Stream) -> &'static str {
        let (usual, edges) = values(key);
        let chosen = match stream.below(20) {
            0 if !is_small => ODD,
            1..=3 if !is_small && !edges.is_empty() => edges,
            _ => usual,
        };
        pick::<&'static str>(chosen, stream)
    }

    /// Makes an experiment. A small one is cheap to run and most often valid.
    pub fn experiment(&self, stream: &mut Stream, is_small: bool) -> String {
        let mut text = String::from("schema = 1\nname = \"fuzz\"\n");
        let value = |key, stream: &mut Stream| self.value(key, is_small, stream);
        writeln!(text, "seed = {}", value("seed", stream)).unwrap();
        if stream.below(3) == 0 {
            writeln!(text, "networks = {}", value("networks", stream)).unwrap();
        }
        let closes = is_small && stream.below(3) == 0;
        for (section, keys) in &self.sections {
            writeln!(text, "[{section}]").unwrap();
            for key in keys.iter().map(String::as_str) {
                // Keys that often contradict each other are rare, because a refused experiment tests nothing further.
                let contradicts = match key {
                    "nodes" => {
                        writeln!(text, "nodes = {}", value(key, stream)).unwrap();
                        true
                    }
                    "ids" | "hash" | "doubling_ms" => is_small || stream.below(20) > 0,
                    "offline" => stream.below(5) > 0,
                    "procedure" => closes,
                    "stop" => !closes,
                    "overhead_ms" => is_small && stream.below(3) > 0,
                    _ => false,
                };
                if !contradicts && stream.below(3) == 0 {
                    writeln!(text, "{key} = {}", value(key, stream)).unwrap();
                }
            }
        }
        if stream.below(6) == 0 {
            let keys = ["session", "absence", "start", "table", "records", "join"];
            writeln!(text, "[churn]").unwrap();
            for key in keys {
                writeln!(text, "{key} = {}", value(key, stream)).unwrap();
            }
            for key in ["join_refresh", "knows", "known"] {
                if !is_small && stream.below(6) == 0 {
                    writeln!(text, "{key} = {}", value(key, stream)).unwrap();
                }
            }
        }
        if !is_small {
            self.upkeep(&mut text, stream);
        }
        let names = self.phases(&mut text, is_small, stream);
        let swept = match stream.below(4) {
            0 => self.sweep(&mut text, is_small, stream),
            _ => None,
        };
        if stream.below(4) == 0 {
            let metric = format!("{}.{}", pick(&names, stream), pick(COLUMNS, stream));
            let within = value("within", stream);
            writeln!(text, "[[expect]]\nmetric = \"{metric}\"\nwithin = {within}").unwrap();
            if let Some((key, of_key)) = swept.filter(|_| stream.below(2) == 0) {
                writeln!(text, "where = {{ \"{key}\" = {of_key} }}").unwrap();
            }
        }
        text
    }

    /// Adds sections of upkeep, each with some of its keys.
    fn upkeep(&self, text: &mut String, stream: &mut Stream) {
        for (section, keys) in &self.upkeep {
            if stream.below(4) > 0 {
                continue;
            }
            writeln!(text, "[{section}]").unwrap();
            for key in keys.iter().map(String::as_str) {
                if key == "rules" || stream.below(6) == 0 {
                    let value = self.value(key, false, stream);
                    writeln!(text, "{key} = {value}").unwrap();
                }
            }
        }
    }

    /// Adds phases. Returns their names.
    fn phases(&self, text: &mut String, is_small: bool, stream: &mut Stream) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut provides: Vec<String> = Vec::new();
        for place in 0..1 + stream.below(3) {
            let name = match stream.below(40) {
                0 if !is_small => ["end", "P", "", "p0"][stream.below(4) as usize].to_owned(),
                _ => format!("p{place}"),
            };
            let kind = match stream.below(3) {
                0 => "provide",
                1 if !provides.is_empty() => "retrieve",
                _ => "lookup",
            };
            writeln!(text, "[[phase]]\nname = \"{name}\"\nkind = \"{kind}\"").unwrap();
            let is_random = stream.below(2) == 0;
            if !is_random {
                let origin = pick(&values("origin").0[1..], stream);
                writeln!(text, "origin = {origin}").unwrap();
            }
            let count = if is_random { "count" } else { "count_each" };
            let number = match kind {
                "retrieve" => "1",
                _ => self.value("count", is_small, stream),
            };
            let is_by_rate = stream.below(4) == 0;
            if is_by_rate {
                let rate = self.value("rate_per_s", is_small, stream);
                let duration = self.value("duration_ms", is_small, stream);
                writeln!(text, "rate_per_s = {rate}\nduration_ms = {duration}").unwrap();
            } else {
                writeln!(text, "{count} = {number}").unwrap();
            }
            if kind == "retrieve" {
                writeln!(
                    text,
                    "segments = \"{}\"\ndraw = \"independent\"",
                    pick(&provides, stream)
                )
                .unwrap();
            }
            for key in self.phase.iter().map(String::as_str) {
                let goes = match key {
                    "name" | "kind" | "origin" | "count" | "count_each" | "segments" | "draw"
                    | "rate_per_s" | "duration_ms" => false,
                    "spread_ms" if is_by_rate => false,
                    "keys" => kind == "lookup",
                    "withheld" | "parts" => kind == "provide" && !is_small && !is_by_rate,
                    // Goes with a deadline.
                    "trace" | "start_ms" | "deadline_from" => !is_small && stream.below(5) == 0,
                    _ => true,
                };
                if goes && stream.below(4) == 0 {
                    let value = match key {
                        "spread_ms" if is_small => "40",
                        _ => self.value(key, is_small, stream),
                    };
                    writeln!(text, "{key} = {value}").unwrap();
                    if key == "deadline_ms" && stream.below(2) == 0 {
                        let from = self.value("deadline_from", is_small, stream);
                        writeln!(text, "deadline_from = {from}").unwrap();
                    }
                }
            }
            if kind == "provide" {
                provides.push(name.clone());
            }
            names.push(name);
        }
        names
    }

    /// Adds a sweep of one or two keys, and cases. Returns a swept key and a value of it.
    fn sweep(
        &self,
        text: &mut String,
        is_small: bool,
        stream: &mut Stream,
    ) -> Option<(String, &'static str)> {
        text.push_str("[sweep]\n");
        let mut last = None;
        for _ in 0..1 + stream.below(2) {
            let (section, keys) = &self.sections[stream.below(3) as usize];
            let keys: Vec<&String> = keys
                .iter()
                .filter(|key| !["ids", "hash", "stop"].contains(&&***key))
                .collect();
            let key = *pick(&keys, stream);
            let length = 1 + stream.below(3);
            let of_key: Vec<_> = (0..length)
                .map(|_| self.value(key, is_small, stream))
                .collect();
            writeln!(text, "\"{section}.{key}\" = [{}]", of_key.join(", ")).unwrap();
            last = Some((format!("{section}.{key}"), of_key[0]));
        }
        for place in 0..stream.below(3) {
            let alpha = self.value("alpha", is_small, stream);
            writeln!(
                text,
                "[[sweep.cases]]\nlabel = \"c{place}\"\n\"lookup.alpha\" = {alpha}"
            )
            .unwrap();
        }
        last
    }

    /// Makes overrides of the command line, most often none.
    pub fn overrides(&self, stream: &mut Stream) -> Vec<String> {
        let count = stream.below(9).saturating_sub(6);
        let setting = |_| {
            let (section, keys) = &self.sections[stream.below(self.sections.len() as u64) as usize];
            let (path, key) = match stream.below(3) {
                0 => ("phase.p0", pick(&self.phase, stream)),
                _ => (*section, pick(keys, stream)),
            };
            format!("{path}.{key}={}", self.value(key, false, stream))
        };
        (0..count).map(setting).collect()
    }
}

fn pick<'l, T>(list: &'l [T], stream: &mut Stream) -> &'l T {
    &list[stream.below(list.len() as u64) as usize]
}

/// Returns the keys that the message about an unknown one allows.
fn allowed(text: &str, unknown: &str) -> Vec<String> {
    let error = file::parse("grammar.toml", text, &[])
        .unwrap_err()
        .to_string();
    let about = error
        .split(&format!("unknown key `{unknown}`"))
        .nth(1)
        .unwrap();
    let list = about
        .split("allowed: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    list.split(", ").map(|key| key.trim().to_owned()).collect()
}
