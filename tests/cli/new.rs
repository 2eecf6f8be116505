//! `kadsim new`: experiment files to start from.

use crate::support::Dir;

/// Returns the kinds that the program lists, each with its question.
fn kinds(dir: &Dir) -> Vec<(String, String)> {
    let text = dir.kadsim(&["new"]).ends(0).stdout;
    let line = |line: &str| {
        let (kind, question) = line.split_once(' ').unwrap();
        (kind.to_owned(), question.trim().to_owned())
    };
    text.lines().skip(1).map(line).collect()
}

#[test]
fn each_kind_is_an_experiment_that_runs() {
    let dir = Dir::new();
    let kinds = kinds(&dir);
    let names: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    assert!(
        ["das", "churn", "sweep"]
            .iter()
            .all(|kind| names.contains(kind)),
        "{names:?}"
    );
    for (kind, question) in &kinds {
        assert!(question.ends_with('?'), "{question}");
        let file = format!("{kind}.toml");
        let told = dir.kadsim(&["new", kind]).ends(0).stdout;
        assert!(told.contains(&format!("`kadsim run {file}`")), "{told}");
        let check = dir.kadsim(&["check", &file]).ends(0);
        assert_eq!(check.stderr, "", "{kind}");
        let ran = dir.kadsim(&["run", &file]).ends(0);
        assert_eq!(ran.stderr, "", "{kind}");
        // The file names its own output.
        let text = dir.read(&file);
        assert!(text.contains(&format!("out/{kind}")) && dir.path(&format!("out/{kind}")).is_dir());
        let short = text.lines().all(|line| line.chars().count() <= 120);
        assert!(
            short && text.starts_with("# ") && text.matches('#').count() > 8,
            "{kind}"
        );
    }
}

/// Each line that is commented out as a setting is one that the file takes.
#[test]
fn settings_that_are_commented_out_are_valid() {
    let dir = Dir::new();
    for (kind, _) in kinds(&dir) {
        dir.kadsim(&["new", &kind]).ends(0);
        let text = dir.read(&format!("{kind}.toml"));
        let is_setting = |line: &&str| {
            line.strip_prefix("# ")
                .is_some_and(|line| line.contains(" = ") && !line.contains("  kadsim"))
        };
        let mut tried = 0;
        for line in text.lines().filter(is_setting) {
            // Those that stand together are one change.
            let block = text
                .split("\n\n")
                .find(|block| block.contains(line))
                .unwrap();
            let is_whole = block.lines().all(|line| line.starts_with("# "));
            let changed = match is_whole {
                true => text.replace(block, &uncommented(block)),
                false => text.replace(line, &line["# ".len()..]),
            };
            // The comment behind such a line says which other line changes with it.
            let changed = match line {
                _ if line.starts_with("# parts") => {
                    changed.replace("count_each = 4096", "count_each = 8")
                }
                _ if line.starts_with("# origin") => {
                    changed.replace("count = 1000", "count_each = 1000")
                }
                _ => changed,
            };
            dir.write("changed.toml", &changed);
            dir.kadsim(&["check", "changed.toml"]).ends(0);
            tried += 1;
        }
        assert!(tried > 0, "{kind}");
    }
}

/// Removes the first comment mark of each line.
fn uncommented(block: &str) -> String {
    let lines = block
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_is_replaced_by_force_alone() {
    let dir = Dir::new();
    dir.write("das.toml", "mine");
    dir.kadsim(&["new", "das"])
        .ends(2)
        .says(&["das.toml exists", "--force", "--name"]);
    assert_eq!(dir.read("das.toml"), "mine");
    dir.kadsim(&["new", "das", "--force"]).ends(0);
    assert!(dir.read("das.toml").contains("name = \"das\"\n"));
    dir.kadsim(&["new", "das", "--name", "my-slot_2"]).ends(0);
    assert!(
        dir.read("my-slot_2.toml")
            .contains("name = \"my-slot_2\"\n")
    );
    dir.kadsim(&["run", "my-slot_2.toml", "--quiet"]).ends(0);
    assert!(dir.path("out/my-slot_2").is_dir());
    assert!(dir.list("").iter().all(|name| !name.contains(".new")));
}

#[test]
fn wrong_calls_name_what_is_allowed() {
    let dir = Dir::new();
    dir.kadsim(&["new", "dsa"])
        .ends(2)
        .says(&["dsa", "das", "churn"]);
    dir.kadsim(&["new", "das", "--name", "My slot"])
        .ends(2)
        .says(&["My slot", "lower-case"]);
    dir.kadsim(&["new", "das", "--name", "../das"])
        .ends(2)
        .says(&["allowed"]);
    dir.kadsim(&["new", "--force"]).ends(2);
    dir.write("a-file", "");
    std::fs::create_dir(dir.path("churn.toml")).unwrap();
    dir.kadsim(&["new", "churn", "--force"])
        .ends(2)
        .says(&["cannot write churn.toml"]);
    assert_eq!(dir.list(""), ["a-file", "churn.toml", "small.toml"]);
}
