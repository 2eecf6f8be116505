//! Help, completions, and calls that the command line refuses.

use snapbox::{assert_data_eq, file};

use crate::support::Dir;

/// `SNAPSHOTS=overwrite cargo test --test tests cli::usage` records intended changes.
#[test]
fn help_and_version() {
    let dir = Dir::new();
    let help = |args| dir.kadsim(args).ends(0).stdout;
    assert_data_eq!(help(&["--help"]), file!["help.txt"]);
    assert_data_eq!(help(&["run", "--help"]), file!["help_run.txt"]);
    let version = dir.kadsim(&["--version"]).ends(0).stdout;
    assert_eq!(version, format!("kadsim {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_of_each_shell() {
    let dir = Dir::new();
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef kadsim"),
        ("fish", "complete -c kadsim"),
    ] {
        let script = dir.kadsim(&["completions", shell]).ends(0).stdout;
        assert!(
            script.contains(mark) && script.contains("inspect"),
            "{shell}: {script}"
        );
    }
}

#[test]
fn a_man_page_of_each_command() {
    let dir = Dir::new();
    dir.kadsim(&["man", "share/man1"]).ends(0);
    let help = dir.kadsim(&["--help"]).ends(0).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let commands = commands.lines().filter_map(|line| {
        let name = line
            .strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))?;
        name.split(' ').next().filter(|name| *name != "help")
    });
    let mut pages: Vec<_> = commands.map(|name| format!("kadsim-{name}.1")).collect();
    pages.push("kadsim.1".to_owned());
    pages.sort();
    assert!(pages.len() > 10);
    assert_eq!(dir.list("share/man1"), pages);
    let page = dir.read("share/man1/kadsim-run.1");
    assert!(
        page.starts_with(".ie") && page.contains("Override a key of the file"),
        "{page}"
    );
    dir.write("file", "");
    dir.kadsim(&["man", "file"])
        .ends(2)
        .says(&["cannot write man pages to file"]);
}

#[test]
fn wrong_usage_is_2() {
    let dir = Dir::new();
    dir.kadsim(&[]).ends(2).says(&["Usage"]);
    dir.kadsim(&["rnu", "small.toml"]).ends(2).says(&["rnu"]);
    dir.kadsim(&["run"]).ends(2).says(&["FILE"]);
    dir.kadsim(&["run", "small.toml", "--thread", "2"])
        .ends(2)
        .says(&["--thread", "--threads"]);
    dir.kadsim(&["run", "small.toml", "--threads", "0"])
        .ends(2)
        .says(&["--threads"]);
    dir.kadsim(&["run", "small.toml", "--threads", "257"])
        .ends(2)
        .says(&["--threads", "257", "256"]);
    dir.kadsim(&["run", "nowhere.toml"])
        .ends(2)
        .says(&["nowhere.toml"]);
    dir.kadsim(&["inspect", "nowhere"])
        .ends(2)
        .says(&["nowhere"]);
    dir.kadsim(&["completions", "csh"])
        .ends(2)
        .says(&["csh", "fish"]);
    assert!(dir.list("out").is_empty());
}
