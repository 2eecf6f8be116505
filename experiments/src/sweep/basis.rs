//! The basis of a cell is everything that its results depend on: its experiment, the content of the files that it
//! reads, and kadsim's version.
//!
//! A finished cell has its basis in `cell.json`. The cell need not run again while its basis is unchanged;
//! [`differences`] names the changes. Layout, output folder and expectations change no result, and neither do the names
//! of imported files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use toml::Table;

use super::difference::{Difference, VERSION};
use super::study::StudyCell;
use crate::file::{DEFAULT_EVENTS, DEFAULT_LAYOUT, Experiment, Population, Work};
use crate::hex::hex;
use crate::import;
use crate::output::{CELL, RESOLVED};

/// The basis of a cell that is to run.
pub(super) struct Basis {
    /// The experiment as far as results depend on it, with the digests of files in the place of their paths.
    text: String,
    /// Content of each file that is read, SHA-256, by the key that names it.
    files: BTreeMap<String, String>,
    /// SHA-256 over all of it.
    pub(super) digest: String,
}

/// Digests of files, each read once.
#[derive(Default)]
pub(super) struct FileDigests(BTreeMap<PathBuf, String>);

impl FileDigests {
    fn of(&mut self, path: &Path) -> anyhow::Result<String> {
        if let Some(known) = self.0.get(path) {
            return Ok(known.clone());
        }
        let read = || -> anyhow::Result<String> {
            // The file may have been replaced since it was checked, so the limits of imports hold again.
            let (file, length) = import::open(path)?;
            // A file that grows meanwhile has no end.
            let mut file = file.take(length);
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hex(hasher)),
                    read => hasher.update(&buffer[..read]),
                }
            }
        };
        let digest = read().with_context(|| format!("cannot read {}", path.display()))?;
        self.0.insert(path.to_path_buf(), digest.clone());
        Ok(digest)
    }
}

impl Basis {
    /// Determines the basis of a cell.
    ///
    /// # Errors
    ///
    /// A file that it reads cannot be read; the path is in the message.
    pub(super) fn of(cell: &StudyCell, known: &mut FileDigests) -> anyhow::Result<Self> {
        let mut experiment = cell.loaded.experiment.clone();
        experiment.layout = DEFAULT_LAYOUT;
        experiment.events = DEFAULT_EVENTS;
        experiment.output.dir = String::new();
        experiment.expects.clear();
        let mut files = BTreeMap::new();
        for (key, path) in paths(&mut experiment) {
            let digest = known.of(path)?;
            *path = PathBuf::from(&digest);
            files.insert(key, digest);
        }
        let text = experiment.to_toml();
        let mut hasher = Sha256::new();
        for part in [VERSION, &text] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Ok(Self {
            text,
            files,
            digest: hex(hasher),
        })
    }

    /// Returns the text of `cell.json`.
    pub(super) fn document(&self) -> String {
        let document = json!({ "digest": self.digest, "version": VERSION, "files": self.files });
        format!("{document:#}\n")
    }
}

/// Returns the paths of the files that an experiment reads, by their keys.
fn paths(experiment: &mut Experiment) -> Vec<(String, &mut PathBuf)> {
    let mut paths = Vec::new();
    if let Population::Imported { path, .. } = &mut experiment.network.size {
        paths.push(("network.ids".to_owned(), path));
    }
    for phase in &mut experiment.phases {
        if let Work::Trace { path, .. } = &mut phase.work {
            paths.push((format!("phase.{}.trace", phase.name), path));
        }
    }
    paths
}

/// Returns the digest of the basis of the finished cell in `folder`, if the folder is one.
pub(crate) fn digest_in(folder: &Path) -> Option<String> {
    let known: Value = serde_json::from_slice(&fs::read(folder.join(CELL)).ok()?).ok()?;
    known["digest"].as_str().map(str::to_owned)
}

/// Returns the differences between the basis of the cell in `folder` and `now`.
pub(super) fn differences(folder: &Path, now: &Basis) -> Vec<Difference> {
    let read = || -> Option<(Value, BTreeMap<String, String>)> {
        let known = serde_json::from_slice(&fs::read(folder.join(CELL)).ok()?).ok()?;
        let resolved = fs::read_to_string(folder.join(RESOLVED)).ok()?;
        Some((known, keys(&resolved)?))
    };
    let (Some((known, old)), Some(new)) = (read(), keys(&now.text)) else {
        return vec![Difference::Unknown];
    };
    let mut all = Vec::new();
    let version = known["version"].as_str().unwrap_or("before 0.1.0");
    if version != VERSION {
        all.push(Difference::Version(version.to_owned()));
    }
    for (key, content) in &now.files {
        let before = known["files"][key].as_str();
        if before.is_some_and(|before| before != content) {
            all.push(Difference::Content(key.clone()));
        }
    }
    let both: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in both {
        let (old, new) = (old.get(key), new.get(key));
        // Two paths may lead to the same content.
        let is_file = now.files.contains_key(key) && old.is_some();
        if old != new && !is_file {
            all.push(Difference::Key {
                key: key.clone(),
                old: old.cloned(),
                new: new.cloned(),
            });
        }
    }
    match all.is_empty() {
        true => vec![Difference::Unknown],
        false => all,
    }
}

/// Returns the keys of an experiment that its results depend on, by path, each with its value as text.
fn keys(text: &str) -> Option<BTreeMap<String, String>> {
    let mut root: Table = text.parse().ok()?;
    root.remove("engine");
    root.remove("expect");
    if let Some(toml::Value::Table(output)) = root.get_mut("output") {
        output.remove("dir");
    }
    let mut keys = BTreeMap::new();
    flatten("", &root, &mut keys);
    Some(keys)
}

fn flatten(prefix: &str, table: &Table, keys: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            toml::Value::Table(below) => flatten(&format!("{path}."), below, keys),
            toml::Value::Array(all) if all.iter().any(toml::Value::is_table) => {
                let mut names = Vec::new();
                for below in all.iter().filter_map(toml::Value::as_table) {
                    let name = below.get("name").and_then(toml::Value::as_str);
                    let name = name.unwrap_or("?");
                    names.push(name);
                    flatten(&format!("{path}.{name}."), below, keys);
                }
                // The order of phases has a meaning too.
                keys.insert(path, names.join(", "));
            }
            value => {
                keys.insert(path, value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {

    #[test]
    fn keys_are_named_by_path_and_phases_by_their_names() {
        let text = "seed = 1\n[engine]\nlayout = \"dense\"\n[link]\nfast_error = { rate = 0.1 }\n\
                    [[phase]]\nname = \"a\"\ncount = 3\n[output]\ndir = \"out\"\nresults = true\n";
        let keys: Vec<(String, String)> = super::keys(text).unwrap().into_iter().collect();
        let expected = [
            ("link.fast_error.rate", "0.1"),
            ("output.results", "true"),
            ("phase", "a"),
            ("phase.a.count", "3"),
            ("phase.a.name", "\"a\""),
            ("seed", "1"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(keys, expected);
    }
}
