//! The folder of a study: `study.json`, the cells below, and when all are done `study.parquet` and `summary.parquet`.
//!
//! `study.json` says which study it is. Every process that runs cells of it writes the same, so that any of them may
//! be the first and none has to wait for another. A study that is replaced is put aside as `NAME.replaced`, and
//! deleted when the new one is finished.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::{Value, json};

use super::table::{self, MEANS};
use super::{Study, StudyError};
use crate::file::Cell;
use crate::output::{self, Folder, FolderError, RESOLVED, STUDY, is_empty, is_there};

/// The table over all cells.
pub(crate) const SUMMARY: &str = "summary.parquet";

/// A study's folder.
pub(super) struct Root {
    path: PathBuf,
    aside: PathBuf,
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> FolderError + use<'_> {
    |error| FolderError::Io {
        path: path.to_path_buf(),
        error,
    }
}

/// Writes a file under a name of its own and gives it `path` when it is whole. Others may do the same at the same
/// time: they write the same.
fn publish(path: &Path, write: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(
        ".{}-{}.partial",
        std::process::id(),
        now.as_nanos()
    ));
    let partial = PathBuf::from(name);
    let written = write(&partial).and_then(|()| match fs::rename(&partial, path) {
        // Cleared away by another process that had finished the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_file() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot write {}", path.display())),
    });
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// Whether a file has not got its name yet.
fn is_unpublished(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let ours = [STUDY, MEANS, SUMMARY]
        .iter()
        .any(|file| name.starts_with(file));
    ours && name.ends_with(".partial")
}

impl Root {
    /// Takes the folder for the study, which it may have been before.
    ///
    /// # Errors
    ///
    /// It holds something else and `force` is not given, or something that no run has written; somebody runs what is
    /// to be replaced; the file system refuses.
    pub(super) fn open(path: &Path, study: &Study, force: bool) -> Result<Self, StudyError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".replaced");
        let root = Self {
            path: path.to_path_buf(),
            aside: PathBuf::from(aside),
        };
        if is_there(&root.aside) && !is_there(&root.path) {
            // Stopped between putting it aside and making the new one.
            fs::rename(&root.aside, &root.path).map_err(io_error(path))?;
        }
        if is_there(path) && !root.is_new() {
            let known = root.known()?;
            let digest = known.as_ref().map(|known| &known["digest"]);
            if force {
                root.put_aside(known.as_ref())?;
            } else if digest.is_none_or(|digest| *digest != study.digest.as_str()) {
                return Err(StudyError::Changed(path.to_path_buf()));
            }
        }
        fs::create_dir_all(path).map_err(io_error(path))?;
        if !path.join(STUDY).is_file() {
            root.name(study).map_err(StudyError::Other)?;
        }
        Ok(root)
    }

    /// What `study.json` says; nothing where the folder is that of a run.
    fn known(&self) -> Result<Option<Value>, FolderError> {
        let file = self.path.join(STUDY);
        if file.is_file() {
            let text = fs::read(&file).map_err(io_error(&file))?;
            // What cannot be read is no study's digest.
            return Ok(Some(serde_json::from_slice(&text).unwrap_or(Value::Null)));
        }
        match self.path.join(RESOLVED).is_file() {
            true => Ok(None),
            false => Err(FolderError::Foreign(self.path.clone())),
        }
    }

    /// Whether nothing is in the folder, or what processes have left that came no further.
    fn is_new(&self) -> bool {
        let entries = fs::read_dir(&self.path);
        entries
            .is_ok_and(|mut all| all.all(|entry| entry.is_ok_and(|entry| is_unpublished(&entry))))
    }

    /// Makes room for a new study. An older one that is aside already stays if the one in its place is not finished.
    fn put_aside(&self, known: Option<&Value>) -> Result<(), FolderError> {
        let cells = known.and_then(|known| known["cells"].as_array());
        for cell in cells.into_iter().flatten().filter_map(Value::as_str) {
            Folder::not_busy(&self.path.join(format!("{cell}.partial")))?;
        }
        if !is_there(&self.aside) {
            return fs::rename(&self.path, &self.aside).map_err(io_error(&self.path));
        }
        if self.path.join(SUMMARY).is_file() {
            output::delete(&self.aside).map_err(io_error(&self.aside))?;
            return fs::rename(&self.path, &self.aside).map_err(io_error(&self.path));
        }
        output::delete(&self.path).map_err(io_error(&self.path))
    }

    /// Writes `study.json`.
    fn name(&self, study: &Study) -> anyhow::Result<()> {
        let folder = |cell: &super::StudyCell| cell.cell.folder().display().to_string();
        let cells: Vec<String> = study.cells.iter().map(folder).collect();
        let document = json!({
            "experiment": study.name,
            "seed": study.cells[0].loaded.experiment.seed,
            "version": env!("CARGO_PKG_VERSION"),
            "digest": study.digest,
            "cells": cells,
        });
        publish(&self.path.join(STUDY), |partial| {
            let write = || -> anyhow::Result<()> {
                let mut file = fs::File::create(partial)?;
                file.write_all(serde_json::to_string_pretty(&document)?.as_bytes())?;
                file.write_all(b"\n")?;
                Ok(file.sync_all()?)
            };
            write().with_context(|| format!("cannot write {}", partial.display()))
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a cell is done.
    pub(super) fn is_done(&self, cell: &Cell) -> bool {
        let path = self.path.join(cell.folder());
        path.is_dir() && !is_empty(&path)
    }

    /// Cells are going to be run: the study is not finished.
    pub(super) fn begin(&self) -> Result<(), FolderError> {
        for table in [SUMMARY, MEANS].map(|table| self.path.join(table)) {
            match fs::remove_file(&table) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(&table)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// All cells are done: writes the table over them, and deletes what the study replaces.
    pub(super) fn conclude(&self, study: &Study) -> anyhow::Result<()> {
        // The study is finished if the last one is there.
        let means = self.path.join(MEANS);
        if !means.is_file() {
            publish(&means, |partial| {
                table::write_means(partial, &self.path, study)
            })?;
        }
        let table = self.path.join(SUMMARY);
        if !table.is_file() {
            publish(&table, |partial| table::write(partial, &self.path, study))?;
        }
        let left = fs::read_dir(&self.path)?.flatten();
        for entry in left.filter(is_unpublished) {
            // Whose it is may still be at work, and does without it.
            let _ = fs::remove_file(entry.path());
        }
        if is_there(&self.aside) {
            let deleting = || format!("cannot delete {}", self.aside.display());
            output::delete(&self.aside).with_context(deleting)?;
        }
        Ok(())
    }
}
