//! Knows which files and folders of an output folder are kadsim's own, and removes them.
//!
//! kadsim removes only files that are named here, and follows no link. A folder is first renamed to a name that marks
//! it as rubbish, so that a killed process leaves nothing that looks finished.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Component, Path};

use serde_json::Value;

use super::FolderError;
use super::system::rename_new;
use crate::file::Tables;

/// The lock, which the folder of an unfinished run or study has from its creation on.
pub const LOCK: &str = "running.lock";
/// The experiment with every default. A run writes it before it simulates.
pub const RESOLVED: &str = "resolved.toml";
/// The metrics of a run.
pub const METRICS: &str = "summary.json";
/// Names and digests of everything that the results of a cell depend on.
pub const CELL: &str = "cell.json";
/// Names of the cells, which the folder of a study has from its creation on.
pub const STUDY: &str = "study.json";
/// Tables that every run writes.
const TABLES_ALWAYS: [&str; 2] = ["summary", "timings"];
/// Tables over all cells of a study.
const STUDY_TABLES: [&str; 2] = ["summary.parquet", "study.parquet"];
/// Files that mark a folder as kadsim's. They are removed last.
const MARKS: [&str; 3] = [LOCK, RESOLVED, STUDY];

/// Returns whether the path exists, a broken link included.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Returns whether the path is a folder, and not a link to one.
pub fn is_folder(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

/// Returns whether the path is a file, and not a link to one.
pub fn is_file(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
}

/// Returns whether a folder is empty.
pub fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// The files and folders that kadsim writes into a folder.
pub enum Shape {
    /// Everything that a run writes.
    Run,
    /// `study.json`, the tables over all cells, and the cells that `study.json` names.
    Study(Cells),
    /// Content of a `.partial` folder: an unfinished run, or the unfinished cells of a study.
    Unfinished,
}

/// The cells of a study, as a tree of the names of their folders.
#[derive(Default)]
pub struct Cells(BTreeMap<String, Cells>);

impl Cells {
    fn of_paths<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut root = Self::default();
        for path in paths.map(Path::new) {
            // `study.json` may be damaged: a path that leads out of the study names no cell.
            let is_normal = |part| matches!(part, Component::Normal(_));
            if !path.components().all(is_normal) {
                continue;
            }
            let mut below = &mut root;
            for part in path.iter() {
                below = below
                    .0
                    .entry(part.to_string_lossy().into_owned())
                    .or_default();
            }
        }
        root
    }
}

/// One folder of a shape.
#[derive(Clone, Copy)]
enum Level<'a> {
    Run,
    Study(&'a Cells),
    /// A folder above cells.
    Way(&'a Cells),
    Unfinished,
}

fn is_of_a_run(name: &str) -> bool {
    let table = name.strip_suffix(".parquet");
    [LOCK, RESOLVED, METRICS, CELL].contains(&name)
        || table
            .is_some_and(|table| Tables::NAMES.contains(&table) || TABLES_ALWAYS.contains(&table))
}

impl<'a> Level<'a> {
    fn has_file(self, name: &str) -> bool {
        let of_a_study = || name == STUDY || STUDY_TABLES.contains(&name);
        match self {
            Self::Run => is_of_a_run(name),
            Self::Study(_) => of_a_study(),
            Self::Way(_) => false,
            Self::Unfinished => is_of_a_run(name) || of_a_study(),
        }
    }

    fn folder(self, name: &str) -> Option<Level<'a>> {
        match self {
            Self::Run => None,
            Self::Study(cells) | Self::Way(cells) => {
                let below = cells.0.get(name)?;
                Some(if below.0.is_empty() {
                    Self::Run
                } else {
                    Self::Way(below)
                })
            }
            Self::Unfinished => name.contains('=').then_some(Self::Unfinished),
        }
    }

    /// Classifies an entry of the folder.
    fn entry(self, name: &OsStr, kind: FileType) -> Entry<'a> {
        let Some(name) = name.to_str() else {
            return Entry::Foreign;
        };
        match self.folder(name).filter(|_| kind.is_dir()) {
            Some(level) => Entry::Folder(level),
            None if kind.is_file() && self.has_file(name) => Entry::File,
            None => Entry::Foreign,
        }
    }

    fn check(self, folder: &Path) -> Result<(), FolderError> {
        for (entry, kind) in entries(folder).map_err(FolderError::io(folder))? {
            let path = entry.path();
            match self.entry(&entry.file_name(), kind) {
                // kadsim's locks are empty, so another program has written this file.
                Entry::File if entry.file_name() == LOCK && length(&entry) > 0 => {
                    return Err(FolderError::Alien(path));
                }
                Entry::File => {}
                Entry::Folder(level) => level.check(&path)?,
                Entry::Foreign => return Err(FolderError::Alien(path)),
            }
        }
        Ok(())
    }

    /// Removes kadsim's own entries of the folder, except `keep`. All other entries stay.
    fn empty(self, folder: &Path, keep: &[&str]) -> io::Result<()> {
        let mut marks = Vec::new();
        for (entry, kind) in entries(folder)? {
            let name = entry.file_name();
            match self.entry(&name, kind) {
                Entry::File if keep.iter().any(|kept| name == *kept) => {}
                Entry::File if MARKS.iter().any(|mark| name == *mark) => marks.push(entry.path()),
                Entry::File => gone(fs::remove_file(entry.path()))?,
                Entry::Folder(level) => level.remove(&entry.path())?,
                Entry::Foreign => {}
            }
        }
        marks
            .iter()
            .try_for_each(|mark| gone(fs::remove_file(mark)))
    }

    fn remove(self, folder: &Path) -> io::Result<()> {
        self.empty(folder, &[])?;
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => gone(removed),
        }
    }
}

enum Entry<'a> {
    File,
    Folder(Level<'a>),
    Foreign,
}

/// Returns the entries of a folder; none if it is gone, because another process may remove it at the same time.
fn entries(folder: &Path) -> io::Result<Vec<(DirEntry, FileType)>> {
    let all = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        all => all?,
    };
    let mut entries = Vec::new();
    for entry in all {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) => entries.push((entry, kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

fn length(entry: &DirEntry) -> u64 {
    entry.metadata().map_or(0, |metadata| metadata.len())
}

/// Counts a removal of something that is gone already as a success.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl Shape {
    /// Returns the shape of the finished or replaced folder `path`: a study if it has a `study.json`, else a run.
    pub fn of(path: &Path) -> Self {
        if !is_folder(path) || !is_file(&path.join(STUDY)) {
            return Self::Run;
        }
        let text = fs::read(path.join(STUDY)).unwrap_or_default();
        // A `study.json` that cannot be parsed names no cell.
        let known: Value = serde_json::from_slice(&text).unwrap_or_default();
        let cells = ["cells", "others"].map(|key| known[key].as_array());
        let cells = cells.into_iter().flatten().flatten();
        Self::Study(Cells::of_paths(cells.filter_map(Value::as_str)))
    }

    fn level(&self) -> Level<'_> {
        match self {
            Self::Run => Level::Run,
            Self::Study(cells) => Level::Study(cells),
            Self::Unfinished => Level::Unfinished,
        }
    }

    /// Checks that `path` is missing, or a folder with nothing but kadsim's files.
    ///
    /// # Errors
    ///
    /// [`FolderError::Foreign`] or [`FolderError::Alien`]; the file system refuses.
    pub fn check(&self, path: &Path) -> Result<(), FolderError> {
        if !is_there(path) {
            return Ok(());
        }
        let is_marked = || MARKS.iter().any(|mark| is_file(&path.join(mark)));
        let is_way = || matches!(self, Self::Unfinished) && has_only_ways(path);
        if !is_folder(path) || !(is_empty(path) || is_marked() || is_way()) {
            return Err(FolderError::Foreign(path.to_path_buf()));
        }
        self.level().check(path)
    }

    /// Removes kadsim's files in the folder `path`, except the files `keep`.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn empty(&self, path: &Path, keep: &[&str]) -> io::Result<()> {
        self.level().empty(path, keep)
    }

    /// Removes kadsim's files at `path`, and the folder if it is then empty. The name must be one that no process takes
    /// for a finished run.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match is_folder(path) {
            true => self.level().remove(path),
            false => Ok(()),
        }
    }
}

/// Returns whether a folder has only folders of cells. A process that is killed while it removes the unfinished part of
/// a study leaves such a folder.
fn has_only_ways(path: &Path) -> bool {
    let is_way = |(entry, kind): &(DirEntry, FileType)| {
        kind.is_dir() && entry.file_name().to_string_lossy().contains('=')
    };
    entries(path).is_ok_and(|all| all.iter().all(is_way))
}

/// Renames the finished or replaced folder `path` to `rubbish`, and removes it.
///
/// # Errors
///
/// The file system refuses, or `rubbish` holds something that kadsim has not written.
pub fn discard(path: &Path, rubbish: &Path) -> io::Result<()> {
    let shape = Shape::of(path);
    Shape::of(rubbish).remove(rubbish)?;
    match rename_new(path, rubbish) {
        // Another process has removed it at the same time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.and_then(|()| shape.remove(rubbish)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    const LIST: &str =
        r#"{"cells": ["a=1/b=x", "a=2/b=x"], "others": ["a=3/b=x", "../out", "/etc"]}"#;

    fn study(root: &Path) {
        for name in [
            "summary.parquet",
            "a=1/b=x/nodes.parquet",
            "a=3/b=x/resolved.toml",
        ] {
            write(root, name);
        }
        fs::write(root.join(STUDY), LIST).unwrap();
    }

    #[test]
    fn what_kadsim_writes_is_removed_and_nothing_else() {
        for foreign in [
            "a=1/b=x/notes.txt",
            "a=1/notes",
            "a=4/b=x/nodes.parquet",
            "nodes.parquet",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("study");
            study(&root);
            Shape::of(&root).check(&root).unwrap();
            write(&root, foreign);
            let refused = Shape::of(&root).check(&root).unwrap_err().to_string();
            let first = foreign
                .split('/')
                .find(|part| *part != "a=1" && *part != "b=x");
            assert!(refused.contains(first.unwrap()), "{refused}");
            discard(&root, &dir.path().join("rubbish")).unwrap();
            assert!(!root.exists());
            assert!(dir.path().join("rubbish").join(foreign).is_file());
            assert!(!dir.path().join("rubbish/a=3").exists());
        }
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("study");
        study(&root);
        discard(&root, &dir.path().join("rubbish")).unwrap();
        assert!(is_empty(dir.path()));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let [root, elsewhere] = ["study", "elsewhere"].map(|name| dir.path().join(name));
        study(&root);
        write(&elsewhere, "b=x/nodes.parquet");
        for link in ["a=2", "study.parquet"] {
            symlink(&elsewhere, root.join(link)).unwrap();
            let refused = Shape::of(&root).check(&root).unwrap_err().to_string();
            assert!(refused.contains(link), "{refused}");
            Shape::of(&root).remove(&root).unwrap();
            assert!(root.join(link).is_symlink());
            assert!(elsewhere.join("b=x/nodes.parquet").is_file());
            fs::remove_file(root.join(link)).unwrap();
            study(&root);
        }
        // The folder itself.
        let link = dir.path().join("link");
        symlink(&root, &link).unwrap();
        assert!(matches!(
            Shape::of(&link).check(&link),
            Err(FolderError::Foreign(_))
        ));
        Shape::of(&link).remove(&link).unwrap();
        assert!(root.join(STUDY).is_file());
    }
}
