//! Output of `keys`, `schema` and completion.

use std::process::Command;

use serde_json::Value;

use super::readme::readme_holds;
use crate::support::Dir;

/// Returns path, default and meaning of each key, as the Markdown has them.
fn rows(dir: &Dir) -> Vec<(String, String, String)> {
    let text = dir.kadsim(&["keys", "--markdown"]).ends(0).stdout;
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [path, _, default, .., meaning] = cells.as_slice() else {
            panic!("{line}");
        };
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        (plain(path), plain(default), (*meaning).to_owned())
    };
    text.lines().skip(2).map(row).collect()
}

#[test]
fn the_reference_is_what_the_program_prints() {
    readme_holds("keys");
}

#[test]
fn keys_fit_a_terminal() {
    let dir = Dir::new();
    let text = dir.kadsim(&["keys"]).ends(0).stdout;
    let header = text.lines().next().unwrap();
    for column in ["key", "type", "default", "range", "unit", "meaning"] {
        assert!(header.contains(column), "{header}");
    }
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap();
    for part in ["integer", "20", "1 to 255", "most entries of a bucket"] {
        assert!(line("network.bucket_size").contains(part), "{part}");
    }
    assert!(line("clock.tick_ms").contains(" ms "));
    let mut narrow = dir.command(&["keys"]);
    let answer = narrow.env("COLUMNS", "100").output().unwrap();
    let narrow = String::from_utf8(answer.stdout).unwrap();
    assert!(narrow.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn defaults_are_those_of_check() {
    let dir = Dir::new();
    let minimal = "schema = 1\nname = \"m\"\nseed = 1\nnetwork.nodes = 9\n\
                   [[phase]]\nname = \"p\"\nkind = \"provide\"\ncount = 1\n\
                   [[phase]]\nname = \"l\"\nkind = \"lookup\"\ncount = 1\n\
                   [[phase]]\nname = \"r\"\nkind = \"retrieve\"\ncount = 1\nsegments = \"p\"\ndeadline_ms = 5\n";
    dir.write("minimal.toml", minimal);
    let living = format!(
        "{minimal}[link]\ndelay_ms = 1\ntimeout_ms = 2\n[churn]\nsession = \"never\"\n[maintenance]\n"
    );
    dir.write("living.toml", &living);
    let joined = living
        .replace("nodes = 9", "nodes = 9\nnetwork.bootstrap = \"joined\"")
        .replace(
            "[maintenance]",
            "join = \"protocol\"\n[maintenance]\nlearn_asker = true",
        );
    dir.write("joined.toml", &joined);
    // The first file decides where several have a value.
    let resolved = ["minimal.toml", "living.toml", "joined.toml"]
        .map(|file| dir.kadsim(&["check", file]).ends(0).stdout);
    let resolved = resolved.join("\n");
    let mut compared = 0;
    for (path, default, _) in rows(&dir) {
        let (section, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let header = match section {
            "" => String::new(),
            "phase" => "\n[[phase]]\n".to_owned(),
            _ => format!("\n[{section}]\n"),
        };
        let ends = |text: &'_ str| text.find("\n\n").unwrap_or(text.len());
        let mut values = resolved
            .match_indices(&header)
            .map(|(at, _)| &resolved[at + header.len()..])
            .flat_map(|text| text[..ends(text)].lines())
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        let value = values.next().map(|value| value.trim_matches('"'));
        // The file has these keys, or their values follow from its other keys.
        let is_given =
            default.starts_with("required") || matches!(name, "segments" | "deadline_ms");
        let is_of_rules = default.contains("the rules");
        if is_given || is_of_rules || path == "lookup.answer" {
            continue;
        }
        match value {
            Some(value) => assert_eq!(value, default, "{path}"),
            // A comment gives the meaning of an absent key.
            None => {
                let is_other_section = ["expect", "sweep", "sweep.cases"].contains(&path.as_str())
                    || ["expect.source", "expect.where", "network.hash"].contains(&path.as_str())
                    || ["link.fast_error", "link.slow_error"].contains(&section)
                    || ["churn.class", "churn.event"].contains(&section);
                let comment = format!("# {name}: {default}");
                assert!(
                    is_other_section || resolved.contains(&comment),
                    "{path}: {default}"
                );
            }
        }
        compared += usize::from(value.is_some());
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn the_schema_has_every_key_with_its_meaning() {
    let dir = Dir::new();
    let text = dir.kadsim(&["schema"]).ends(0).stdout;
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let required = ["schema", "name", "seed", "network", "phase"];
    assert_eq!(schema["required"], serde_json::json!(required));
    for (path, default, meaning) in rows(&dir) {
        let key = path.split('.').fold(&schema, |at, name| {
            let at = at.get("items").unwrap_or(at);
            &at["properties"][name]
        });
        assert_eq!(key["description"], meaning, "{path}");
        if let Some(known) = key.get("default") {
            let known = known.as_str().map_or(known.to_string(), str::to_owned);
            assert_eq!(known.replace("\",\"", "\", \""), default, "{path}");
        }
    }
    let k = &schema["properties"]["network"]["properties"]["bucket_size"];
    assert_eq!((&k["minimum"], &k["maximum"]), (&1.into(), &255.into()));
    let swept = &schema["properties"]["sweep"]["properties"]["lookup.alpha"];
    assert_eq!(swept["items"]["maximum"], 4096);
}

#[test]
fn shells_complete_the_keys_of_set() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.kadsim(&["completions", shell]).ends(0).stdout;
        for key in ["link.fast_error.rate=", "phase.NAME.count="] {
            assert!(script.contains(key), "{key} in {shell}: {script}");
        }
    }
    let script = dir.kadsim(&["completions", "bash"]).ends(0).stdout;
    dir.write("completion.bash", script);
    let complete = "source completion.bash; COMP_WORDS=(kadsim run small.toml --set lookup.s); COMP_CWORD=4; \
                    _kadsim kadsim lookup.s --set; echo \"${COMPREPLY[@]}\"";
    let answer = Command::new("bash")
        .args(["-c", complete])
        .current_dir(dir.path(""))
        .output()
        .unwrap();
    let words = String::from_utf8(answer.stdout).unwrap();
    assert_eq!(
        words,
        "lookup.steps_to_stop= lookup.stop= lookup.stall_ms=\n"
    );
    // `--set` takes any key; the reader of the experiment file checks it.
    dir.kadsim(&["check", "small.toml", "--set", "phase.putting.count=3"])
        .ends(0);
    dir.kadsim(&["check", "small.toml", "--set", "lookup.alhpa=3"])
        .ends(2)
        .says(&["unknown key `lookup.alhpa`", "did you mean `alpha`?"]);
}
