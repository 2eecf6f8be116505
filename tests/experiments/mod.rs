//! Tests of the repository's experiment files: each is valid, and begins with the question that it answers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Dir;

/// Returns every experiment file of `experiments`, `experiments/published` and `experiments/crawl`.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let folders = [
        folder.join("published"),
        folder.join("published/living"),
        folder.join("crawl"),
        folder,
    ];
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    files
}

#[test]
fn each_is_valid_and_headed_by_the_question_it_answers() {
    let files = files();
    assert!(files.len() >= 12, "{files:?}");
    for path in files {
        Dir::new()
            .kadsim(&["check", path.to_str().unwrap()])
            .ends(0);
        let text = fs::read_to_string(&path).unwrap();
        let comment: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        assert!(comment.concat().contains('?'), "{}", path.display());
    }
}
