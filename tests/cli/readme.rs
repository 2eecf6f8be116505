//! Checks the READMEs against the repository and the program.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Dir;

/// Longest front page, which a newcomer reads in five minutes.
const FRONT_PAGE_BYTES_MAX: usize = 9216;

const FRONT_PAGE: &str = include_str!("../../README.md");

/// Returns every README.md of the repository.
fn readmes() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                // Build output, output of runs, and what tools keep.
                if name != "target" && name != "out" && !name.starts_with('.') {
                    folders.push(entry.path());
                }
            } else if name == "README.md" {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Returns the lines of a text outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// Returns whether a heading of the text has this anchor, as GitHub forms it.
fn has_anchor(text: &str, anchor: &str) -> bool {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .any(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let letters = heading.replace(' ', "-");
            let letters = letters.chars();
            let kept = letters.filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
            kept.eq(anchor.chars())
        })
}

#[test]
fn links_of_readmes_lead_somewhere() {
    let readmes = readmes();
    let mut broken = Vec::new();
    let mut relative = 0;
    for readme in &readmes {
        let text = fs::read_to_string(readme).unwrap();
        for link in prose(&text).flat_map(|line| line.split("](").skip(1)) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            relative += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => readme.clone(),
                path => readme.parent().unwrap().join(path),
            };
            let leads = target.exists()
                && (anchor.is_empty()
                    || has_anchor(&fs::read_to_string(&target).unwrap_or_default(), anchor));
            if !leads {
                broken.push(format!("{}: {link}", readme.display()));
            }
        }
    }
    let front = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert!(readmes.contains(&front) && relative > 0);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_front_page_is_short() {
    assert!(
        FRONT_PAGE.len() <= FRONT_PAGE_BYTES_MAX,
        "{} bytes",
        FRONT_PAGE.len()
    );
}

/// Returns the first block of code in a language of the front page's section.
fn block(section: &str, language: &str) -> &'static str {
    let text = FRONT_PAGE.split(&format!("\n## {section}\n")).nth(1);
    let text = text.unwrap().split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    let block = text.split(&fence).nth(1).unwrap();
    block.split("```").next().unwrap()
}

#[test]
fn the_first_run_ends_as_the_front_page_shows() {
    let dir = Dir::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quickstart.toml");
    let answer = dir.kadsim(&["run", file.to_str().unwrap()]).ends(0);
    let shown = block("Install and run", "text");
    assert!(answer.stdout.starts_with(shown), "{}", answer.stdout);
}

#[test]
fn the_citation_names_this_version() {
    let version = format!("version = {{{}}}", env!("CARGO_PKG_VERSION"));
    assert!(block("How to cite", "bibtex").contains(&version));
}

#[test]
fn the_example_of_the_front_page_is_an_experiment() {
    let dir = Dir::new();
    dir.write("offline.toml", block("Experiment files", "toml"));
    let answer = dir.kadsim(&["check", "offline.toml"]).ends(0);
    assert!(!answer.stderr.contains("warning"), "{}", answer.stderr);
}

/// Checks that the output of `kadsim COMMAND --markdown` stands between its markers in experiments/README.md.
/// `SNAPSHOTS=overwrite cargo test --test tests cli::` writes it there.
pub fn readme_holds(command: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/README.md");
    let begin = format!("<!-- kadsim {command} --markdown -->\n");
    let end = "<!-- end -->\n";
    let file = fs::read_to_string(path).unwrap();
    let (before, rest) = file.split_once(&begin).expect("the first marker");
    let (between, after) = rest.split_once(end).expect("the last marker");
    let printed = Dir::new().kadsim(&[command, "--markdown"]).ends(0).stdout;
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        fs::write(path, format!("{before}{begin}{printed}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(
        between, printed,
        "renew it with `SNAPSHOTS=overwrite cargo test --test tests cli::{command}`"
    );
}
