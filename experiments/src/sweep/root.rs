//! The folder of a study: `study.json`, the finished cells, and, when all cells are finished, the tables over them.
//!
//! Unfinished cells lie in `NAME.partial`, beside the tree of those that are done, which only ever holds whole cells.
//! `study.json` names the cells that are meant, each with the digest of its [`Basis`], and cells that are done of an
//! earlier state of the experiment file. Any number of processes run cells at the same time: each shares
//! `NAME.partial/running.lock`. A process that changes anything but a cell, at its beginning and at its end,
//! holds `NAME.lock` alone for that moment. A study that is replaced is put aside as `NAME.replaced`, and removed when
//! the new one is finished.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::basis::{self, Basis, FileDigests};
use super::difference::has_grown;
use super::error::StudyError;
use super::study::{Study, StudyCell};
use super::table::{self, MEANS, SUMMARY};
use crate::file::Cell;
use crate::output::{
    self, FolderError, Kind, LOCK, Lock, Names, STUDY, Shape, is_empty, is_file, is_folder,
    is_there, make_folder,
};
use crate::watch::Watch;

/// Function that writes a table over all cells of a study: its path, the study's folder, and the study.
type WriteTable = fn(&Path, &Path, &Study) -> Result<()>;

/// The tables over all cells, in the order in which they are written: a study is finished if and only if the last one,
/// [`SUMMARY`], is there.
const TABLES: [(&str, WriteTable); 2] = [(MEANS, table::write_means), (SUMMARY, table::write)];

/// A study's folder.
pub(super) struct Root {
    names: Names,
    /// Folder of each cell when it is done.
    folders: Vec<PathBuf>,
    /// Basis of each cell.
    bases: Vec<Basis>,
    /// Shared by all processes that run cells.
    running: Lock,
}

/// Content of `study.json`.
struct Known {
    /// The cells of the experiment file, each with the digest of its basis.
    cells: BTreeMap<String, String>,
    /// The whole text.
    text: String,
    /// All cells, those of earlier states of the experiment file included.
    all: Vec<String>,
}

impl Known {
    /// Reads the `study.json` of the folder `path`; nothing if it has none. One that is damaged names no cells.
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read(path.join(STUDY)).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let known: Value = serde_json::from_str(&text).unwrap_or_default();
        let list = |key: &str| -> Vec<String> {
            let all = known[key].as_array().into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (cells, digests) = (list("cells"), list("digests"));
        Some(Self {
            all: cells.iter().cloned().chain(list("others")).collect(),
            cells: cells.into_iter().zip(digests).collect(),
            text,
        })
    }
}

/// Returns the path of a cell in the study, as `study.json` has it.
fn name(cell: &Cell) -> String {
    cell.folder().display().to_string()
}

/// Returns the keys of the axes in the path of a cell.
fn axes(cell: &str) -> Vec<&str> {
    let parts = cell.split('/');
    parts
        .map(|part| part.split_once('=').map_or(part, |(key, _)| key))
        .collect()
}

impl Root {
    /// Opens the folder for the study, which may already have finished cells.
    ///
    /// # Errors
    ///
    /// It holds cells that this study would run otherwise and `force` is not given, or something that kadsim has not
    /// written; another process runs what is to be replaced; the user has stopped the program; the file system refuses.
    pub(super) fn open(
        path: &Path,
        study: &Study,
        force: bool,
        watch: Watch<'_>,
    ) -> Result<Self, StudyError> {
        let dir = path.parent().unwrap_or(Path::new(""));
        let names = Names::new(dir, &study.name);
        let mut files = FileDigests::default();
        let bases = study.cells.iter().map(|cell| Basis::of(cell, &mut files));
        let bases: Vec<Basis> = bases.collect::<Result<_>>()?;
        if !dir.as_os_str().is_empty() {
            fs::create_dir_all(dir).map_err(FolderError::io(dir))?;
        }
        let gate = Lock::wait(&gate(&names), watch)?;
        let opened = Self::open_alone(names, bases, study, force);
        gate.remove();
        opened
    }

    /// [`Root::open`], for a caller that holds the gate.
    fn open_alone(
        names: Names,
        bases: Vec<Basis>,
        study: &Study,
        force: bool,
    ) -> Result<Self, StudyError> {
        // Checked before the lock is created, which would itself change the folder.
        Shape::Unfinished.check(&names.partial)?;
        let (running, alone) = take_running(&names)?;
        let folder = |cell: &StudyCell| names.finished.join(cell.cell.folder());
        let root = Self {
            folders: study.cells.iter().map(folder).collect(),
            names,
            bases,
            running,
        };
        let prepared = root.prepare(study, force, alone);
        let shared = match prepared {
            Ok(()) => root.running.change(Kind::Shared)?,
            Err(error) => {
                if alone {
                    root.running.leave_empty();
                }
                return Err(error);
            }
        };
        match shared {
            true => Ok(root),
            // A run of this name has taken the folder meanwhile.
            false => Err(FolderError::Busy(root.names.partial).into()),
        }
    }

    /// Prepares the folder for the study. `alone`: no other process runs cells of it.
    fn prepare(&self, study: &Study, force: bool, alone: bool) -> Result<(), StudyError> {
        let names = &self.names;
        let path = &names.finished;
        names.check()?;
        if alone {
            names.put_back()?;
            names.clear()?;
        }
        if is_there(path) && !is_empty(path) {
            let known = Known::read(path);
            if force {
                if !alone {
                    return Err(FolderError::Busy(names.partial.clone()).into());
                }
                self.put_aside()?;
            } else {
                let Some(known) = known else {
                    return Err(StudyError::Run(path.clone()));
                };
                self.compare(study, &known, alone)?;
            }
        }
        make_folder(path)?;
        self.publish_list(study)
    }

    /// Checks that the finished cells of this study have the same basis as now.
    fn compare(&self, study: &Study, known: &Known, alone: bool) -> Result<(), StudyError> {
        let path = &self.names.finished;
        let mut is_related = false;
        for (place, cell) in study.cells.iter().enumerate() {
            let basis = &self.bases[place];
            let meant = known.cells.get(&name(&cell.cell));
            let is_same = meant == Some(&basis.digest);
            is_related |= is_same;
            if !alone && meant.is_some() && !is_same {
                return Err(FolderError::Busy(self.names.partial.clone()).into());
            }
            let folder = &self.folders[place];
            if self.is_done(place) || !is_there(folder) || is_empty(folder) {
                continue;
            }
            let differences = basis::differences(folder, basis);
            if !has_grown(&differences) {
                return Err(StudyError::Changed {
                    path: path.clone(),
                    cell: cell.cell.to_string(),
                    index: cell.cell.index,
                    differences,
                });
            }
            is_related = true;
        }
        let mut done = known.all.iter().filter(|cell| is_there(&path.join(cell)));
        let first = name(&study.cells[0].cell);
        match done.next() {
            Some(other) if axes(other) != axes(&first) => Err(StudyError::Axes {
                path: path.clone(),
                old: axes(other).join(", "),
                new: axes(&first).join(", "),
            }),
            Some(_) if !is_related => Err(StudyError::Unrelated(path.clone())),
            _ => Ok(()),
        }
    }

    /// Puts the finished study aside for a new one. If a study is aside already and the one of this name is unfinished,
    /// keeps the former and removes the latter.
    fn put_aside(&self) -> Result<(), FolderError> {
        let Names {
            finished,
            replaced,
            partial,
            ..
        } = &self.names;
        let is_finished = is_file(&finished.join(SUMMARY)) || !is_file(&finished.join(STUDY));
        Shape::Unfinished
            .empty(partial, &[LOCK])
            .map_err(FolderError::io(partial))?;
        if is_there(replaced) && !is_finished {
            return self.names.discard(finished);
        }
        if is_there(replaced) {
            self.names.discard(replaced)?;
        }
        self.names.put_aside()
    }

    /// Writes `study.json`. If it has changed, or a cell is to be run, the study is not finished: its tables go.
    fn publish_list(&self, study: &Study) -> Result<(), StudyError> {
        let path = &self.names.finished;
        let known = Known::read(path);
        let text = self.list(study, known.as_ref());
        let is_same = known.is_some_and(|known| known.text == text);
        if !is_same || !self.is_all_done() {
            for (table, _) in TABLES.iter().rev() {
                let table = path.join(table);
                match fs::remove_file(&table) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed.map_err(FolderError::io(&table))?,
                }
            }
        }
        if !is_same {
            self.publish(STUDY, |partial| output::write_new(partial, &text))?;
        }
        Ok(())
    }

    /// Returns the text of `study.json`.
    fn list(&self, study: &Study, known: Option<&Known>) -> String {
        let cells: Vec<String> = study.cells.iter().map(|cell| name(&cell.cell)).collect();
        let meant: HashSet<&String> = cells.iter().collect();
        let others = known.into_iter().flat_map(|known| &known.all);
        // Another process may still finish a cell of an earlier state, so the list names the cell before its folder
        // exists.
        let others: Vec<&String> = others.filter(|cell| !meant.contains(cell)).collect();
        let digests = self.bases.iter().map(|basis| &basis.digest);
        let document = json!({
            "experiment": study.name,
            "seed": study.cells[0].loaded.experiment.seed,
            "version": env!("CARGO_PKG_VERSION"),
            "cells": cells,
            "digests": digests.collect::<Vec<_>>(),
            "others": others,
        });
        format!("{document:#}\n")
    }

    /// Writes the file `name` of the study outside of its tree, and then renames it. The caller must hold the gate.
    fn publish(&self, name: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let partial = self.names.partial.join(name);
        // A killed process may have left a partial file.
        let _ = fs::remove_file(&partial);
        write(&partial)?;
        output::publish(&partial, &self.names.finished.join(name))
    }

    /// Returns the names of a cell's folder, and the text of its `cell.json`.
    pub(super) fn cell(&self, study: &Study, place: usize) -> (Names, String) {
        let folder = study.cells[place].cell.folder();
        (self.names.of_cell(&folder), self.bases[place].document())
    }

    /// Returns whether the files that a cell reads are unchanged since the study was opened.
    pub(super) fn has_same_basis(&self, study: &Study, place: usize) -> Result<bool> {
        let now = Basis::of(&study.cells[place], &mut FileDigests::default())?;
        Ok(now.digest == self.bases[place].digest)
    }

    /// Returns whether a cell is done.
    pub(super) fn is_done(&self, place: usize) -> bool {
        let digest = basis::digest_in(&self.folders[place]);
        digest.is_some_and(|digest| digest == self.bases[place].digest)
    }

    /// Returns the number of cells that are done.
    pub(super) fn done(&self) -> usize {
        (0..self.bases.len())
            .filter(|place| self.is_done(*place))
            .count()
    }

    fn is_all_done(&self) -> bool {
        (0..self.bases.len()).all(|place| self.is_done(place))
    }

    /// Ends the work of this process. If all cells are done, and the study is still the one that this process has
    /// begun, writes the tables over them and removes what the study replaces; the process that ends last removes
    /// `NAME.partial`.
    ///
    /// # Errors
    ///
    /// A table cannot be read or written; the user has stopped the program while another process writes it.
    pub(super) fn conclude(self, study: &Study, watch: Watch<'_>) -> Result<(), StudyError> {
        let gate = Lock::wait(&gate(&self.names), watch)?;
        let concluded = self.conclude_alone(study);
        gate.remove();
        concluded
    }

    /// [`Root::conclude`], for a caller that holds the gate.
    fn conclude_alone(self, study: &Study) -> Result<(), StudyError> {
        let path = &self.names.finished;
        let known = Known::read(path);
        let is_meant = known.is_some_and(|known| known.text == self.list(study, Some(&known)));
        if is_meant && self.is_all_done() {
            for (table, write) in TABLES {
                if !is_file(&path.join(table)) {
                    self.publish(table, |partial| write(partial, path, study))?;
                }
            }
            if is_there(&self.names.replaced) {
                self.names.discard(&self.names.replaced)?;
            }
        }
        if is_file(&path.join(SUMMARY)) && self.running.change(Kind::Alone)? {
            let mut done = self.folders.iter().filter(|folder| is_folder(folder));
            done.try_for_each(|folder| output::remove_stale_lock(folder))?;
            Shape::Unfinished
                .remove(&self.names.partial)
                .map_err(FolderError::io(&self.names.partial))?;
        }
        Ok(())
    }
}

/// Returns the path of the gate: the lock that a process holds while it changes the study's list or tables.
fn gate(names: &Names) -> PathBuf {
    names.finished.with_extension("lock")
}

/// Takes the lock of processes that run cells, alone if no other process holds it. The caller holds the gate.
fn take_running(names: &Names) -> Result<(Lock, bool), FolderError> {
    let path = names.partial.join(LOCK);
    for (kind, alone) in [(Kind::Alone, true), (Kind::Shared, false)] {
        if let Some(lock) = Lock::try_take(&path, kind, || make_folder(&names.partial))? {
            return Ok((lock, alone));
        }
    }
    // A run of this name holds the lock.
    Err(FolderError::Busy(names.partial.clone()))
}
