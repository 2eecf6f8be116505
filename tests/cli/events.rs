//! `--events`: progress, warnings and errors for programs that call this one. Also experiments from the standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Answer, Dir, LONG, SMALL, piped, signal};

/// Returns the events on stderr, which holds nothing else.
fn events(answer: &Answer) -> Vec<Value> {
    let event = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    answer.stderr.lines().map(event).collect()
}

/// Returns the only event of a kind.
#[track_caller]
fn only<'e>(events: &'e [Value], kind: &str) -> &'e Value {
    let found: Vec<_> = events.iter().filter(|one| one["event"] == kind).collect();
    assert_eq!(found.len(), 1, "{events:?}");
    found[0]
}

#[test]
fn parts_of_a_run_begin_progress_and_end() {
    let dir = Dir::new();
    let quick = dir.kadsim(&["run", "small.toml", "--events"]).ends(0);
    assert!(quick.stdout.contains("duration_ms.p50"));
    let told = events(&quick);
    for (what, total) in [("putting", 10), ("getting", 20)] {
        let is_begin = |one: &&Value| one["event"] == "begin" && one["what"] == what;
        let begin = told.iter().find(is_begin).unwrap();
        assert_eq!(
            (&begin["total"], &begin["cell"]),
            (&total.into(), &Value::Null)
        );
        assert_eq!(begin["unit"], "operation");
        let is_end = |one: &&Value| one["event"] == "end" && one["id"] == begin["id"];
        assert_eq!(told.iter().find(is_end).unwrap()["done"], total);
    }
    for hidden in ["--no-progress", "--quiet"] {
        let call = ["run", "small.toml", "--force", "--events", hidden];
        assert_eq!(dir.kadsim(&call).ends(0).stderr, "");
    }
}

#[test]
fn a_study_tells_its_cells_and_a_run_its_networks() {
    let dir = Dir::new();
    dir.write(
        "study.toml",
        format!("{SMALL}[sweep]\n\"lookup.alpha\" = [1, 3]\n"),
    );
    let call = ["run", "study.toml", "--events", "--set", "networks=2"];
    let told = events(&dir.kadsim(&call).ends(0));
    let begun = told.iter().filter(|one| one["event"] == "begin");
    let begun: Vec<_> = begun
        .map(|one| (one["what"].clone(), one["cell"].clone()))
        .collect();
    assert!(begun.contains(&("cells".into(), Value::Null)), "{begun:?}");
    for cell in [0, 1] {
        for what in ["0/putting", "1/getting"] {
            assert!(begun.contains(&(what.into(), cell.into())), "{begun:?}");
        }
    }
    let is_count = |one: &&Value| one["unit"] == "cell";
    assert_eq!(told.iter().filter(is_count).count(), 1);
    let count = |kind: &str| told.iter().filter(|one| one["event"] == kind).count();
    assert_eq!(count("begin"), count("end"));
}

#[test]
fn errors_have_file_line_key_and_what_is_allowed() {
    let dir = Dir::new();
    dir.write(
        "wrong.toml",
        SMALL.replace("count = 10", "count = -10") + "[lookup]\nalhpa = 3\n",
    );
    let set = ["--set", "link.delay_ms=fast"];
    let answer = dir
        .kadsim(&[&["run", "wrong.toml", "--events"], &set[..]].concat())
        .ends(2);
    let told = events(&answer);
    let invalid = only(&told, "invalid");
    let text = dir
        .kadsim(&[&["run", "wrong.toml"], &set[..]].concat())
        .ends(2)
        .stderr;
    assert_eq!(invalid["text"], text.trim_end());
    assert_eq!(invalid["more"], 0);
    let place = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
        (
            text("file"),
            one["line"].clone(),
            one["column"].clone(),
            text("key"),
        )
    };
    let errors = invalid["errors"].as_array().unwrap();
    let places: Vec<_> = errors.iter().map(place).collect();
    let file = "wrong.toml".to_owned();
    assert_eq!(
        places[0],
        (
            file.clone(),
            11.into(),
            9.into(),
            "phase.putting.count".to_owned()
        )
    );
    assert_eq!(
        places[1],
        (file, 19.into(), 1.into(), "lookup.alhpa".to_owned())
    );
    let set = "command line".to_owned();
    assert_eq!(
        places[2],
        (set, 1.into(), 21.into(), "link.delay_ms".to_owned())
    );
    assert!(
        errors
            .iter()
            .all(|one| !one["message"].as_str().unwrap().is_empty())
    );
    assert!(
        errors[0]["label"].as_str().unwrap().contains("allowed"),
        "{errors:?}"
    );
    assert!(
        errors[1]["help"].as_str().unwrap().contains("alpha"),
        "{errors:?}"
    );
}

/// Keys of errors at each kind of place in a file: tables inline and with headers, lists of tables with and without
/// names, lists, dotted keys.
#[test]
fn keys_are_paths_as_set_names_them() {
    let dir = Dir::new();
    let key_of = |text: String| {
        dir.write("wrong.toml", text);
        let told = events(&dir.kadsim(&["run", "wrong.toml", "--events"]).ends(2));
        only(&told, "invalid")["errors"][0]["key"].clone()
    };
    let with = |more: &str| format!("{SMALL}{more}");
    for (text, key) in [
        (SMALL.replace("= 300", "= 0"), "network.nodes"),
        (
            SMALL.replace("rate = 0.1", "rate = 2"),
            "link.fast_error.rate",
        ),
        (
            SMALL.replace("\"putting\"\nkind", "\"putting\"\n# kind"),
            "phase.putting",
        ),
        (SMALL.replace("name = \"small\"", "name = \"S\""), "name"),
        (
            SMALL.replace("[50, 100]", "[50, -1]"),
            "link.fast_error.delay_ms.uniform",
        ),
        (
            with("[output]\ntables = [\"ticks\", \"tocks\"]\n"),
            "output.tables",
        ),
        (
            with("[[expect]]\nmetric = \"a\"\nwithin = [2, 1]\n"),
            "expect.within",
        ),
        (with("[sweep]\nlookup.alhpa = [1]\n"), "sweep.lookup.alhpa"),
        (
            with("[sweep]\n\"lookup.alpha\" = [0]\n"),
            "sweep.lookup.alpha",
        ),
    ] {
        assert_eq!(key_of(text), key);
    }
}

#[test]
fn a_text_that_is_not_toml_and_a_file_that_is_missing_have_no_key() {
    let dir = Dir::new();
    dir.write("broken.toml", "schema = 1\nname = \n");
    let told = events(&dir.kadsim(&["run", "broken.toml", "--events"]).ends(2));
    let error = &only(&told, "invalid")["errors"][0];
    assert_eq!((&error["line"], &error["key"]), (&2.into(), &Value::Null));
    let told = events(&dir.kadsim(&["run", "nowhere.toml", "--events"]).ends(2));
    let error = &only(&told, "invalid")["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&Value::Null, &Value::Null)
    );
    assert!(error["message"].as_str().unwrap().contains("nowhere.toml"));
}

#[test]
fn many_errors_are_counted() {
    let dir = Dir::new();
    let wrong: String = (0..30)
        .map(|number| format!("wrong{number} = 1\n"))
        .collect();
    dir.write("wrong.toml", wrong + SMALL);
    let told = events(&dir.kadsim(&["run", "wrong.toml", "--events"]).ends(2));
    let invalid = only(&told, "invalid");
    let shown = invalid["errors"].as_array().unwrap().len() as u64;
    assert_eq!((shown, shown + invalid["more"].as_u64().unwrap()), (20, 30));
}

#[test]
fn warnings_complaints_and_refusals_are_events() {
    let dir = Dir::new();
    let expect = "[[expect]]\nmetric = \"getting.found.mean\"\nwithin = [2, 3]\n";
    dir.write("short.toml", format!("{SMALL}{expect}"));
    let call = ["run", "short.toml", "--events", "--set", "lookup.alpha=9"];
    let told = events(&dir.kadsim(&call).ends(1));
    let warning = &only(&told, "warnings")["warnings"][0];
    assert_eq!(
        (&warning["key"], &warning["file"]),
        (&"lookup.alpha".into(), &"command line".into())
    );
    let complaint = only(&told, "complaint")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(complaint.contains("not within [2, 3]"), "{complaint}");
    let told = events(&dir.kadsim(&call).ends(2));
    let failed = only(&told, "failed");
    assert_eq!(failed["status"], 2);
    assert!(failed["message"].as_str().unwrap().contains("--force"));
}

#[test]
fn a_signal_and_a_reader_that_is_gone_leave_the_run_unfinished() {
    let dir = Dir::new();
    dir.write("long.toml", LONG);
    for is_gone in [false, true] {
        let mut child = dir.spawn(&["run", "long.toml", "--events"]);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut told = lines.by_ref().map(Result::unwrap);
        told.find(|line| line.contains("\"progress\"")).unwrap();
        if is_gone {
            drop(lines);
        } else {
            signal(&child, "-INT");
            let rest: Vec<String> = told.collect();
            assert!(
                rest.iter().any(|line| line.contains("\"stopping\"")),
                "{rest:?}"
            );
            let last: Value = serde_json::from_str(rest.last().unwrap()).unwrap();
            assert_eq!(
                (&last["event"], &last["status"]),
                (&"failed".into(), &130.into())
            );
        }
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(dir.list("out"), ["small.partial"]);
        let read = dir.table("out/small.partial/operations.parquet");
        assert_eq!(read.complete.as_deref(), Some("false"));
    }
}

/// Runs the program with this text on the standard input.
fn with_input(dir: &Dir, args: &[&str], text: impl AsRef<[u8]>) -> Answer {
    let mut command = dir.command(args);
    let mut child = piped(&mut command).stdin(Stdio::piped()).spawn().unwrap();
    // A text that is too long is not read to its end.
    let _ = child.stdin.take().unwrap().write_all(text.as_ref());
    Answer::new(child.wait_with_output().unwrap())
}

#[test]
fn an_experiment_comes_from_the_standard_input() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    with_input(&dir, &["run", "-", "--out", "read", "--quiet"], SMALL).ends(0);
    assert_eq!(dir.digest("out/small"), dir.digest("read/small"));
    // Paths start at the working directory.
    dir.write("nodes.csv", "node,key\n7,1\n8,2\n9,3\n");
    let listed = SMALL.replace("network.nodes = 300", "network.ids = \"nodes.csv\"");
    with_input(&dir, &["check", "-"], listed).ends(0);
    with_input(&dir, &["check", "-"], SMALL.replace("seed = 7", "sed = 7"))
        .ends(2)
        .says(&["stdin:3:1", "seed"]);
    with_input(&dir, &["check", "-"], b"name = \"\xff\"\n")
        .ends(2)
        .says(&["stdin", "UTF-8"]);
    with_input(&dir, &["check", "-"], vec![b'#'; (4 << 20) + 1])
        .ends(2)
        .says(&["stdin", "4194304"]);
}
