//! The folder of a run: written as `NAME.partial`, renamed to `NAME` when everything is closed.
//!
//! A run is finished if and only if its folder has its name. A run that replaces a finished one leaves it
//! alone until then: it is put aside, the new one takes its name, and only then is it deleted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arrow::array::StringArray;
use kadsim_engine::record::{
    ConnectionRow, ConnectionTable, NodeRow, NodeTable, OperationRow, OperationTable, RecordError,
    RoutingRow, RoutingTable, RunInfo, SummaryRow, SummaryTable, TickRow, TickTable, TimingRow,
    TimingTable,
};
use kadsim_systems::record::Recorded;
use serde_json::{Map, Value};

use crate::file::{Experiment, Tables};
use crate::spent::{Moment, Spent};
use crate::summary;

/// Why a run cannot begin to write.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The output folder holds a finished run.
    #[error("{0} holds a finished run: name another folder with --out, or replace it with --force")]
    Finished(PathBuf),
    /// Something is there that no run has written.
    #[error(
        "{0} is not the folder of a run, so it is left alone: name another folder with --out, or move it"
    )]
    Foreign(PathBuf),
    /// Another process is writing there.
    #[error("{0} is being written by another run")]
    Busy(PathBuf),
    /// The file system refuses.
    #[error("cannot write to the output folder {path}: {error}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The folder that a run writes to.
pub struct Folder {
    finished: PathBuf,
    partial: PathBuf,
    lock: File,
}

/// What an unfinished run has in its folder from the first moment on.
const LOCK: &str = "running.lock";
/// What a run has in its folder from before it begins to the end.
pub const RESOLVED: &str = "resolved.toml";

/// What a study has in its folder from the first moment on.
pub const STUDY: &str = "study.json";

/// Whether something is there, be it a link that leads nowhere.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What says that a run, or the runs of a study, have written a folder.
const MARKS: [&str; 3] = [LOCK, RESOLVED, STUDY];

/// Whether a run has written the folder `path`. An empty one is a run's that came no further.
fn is_of_a_run(path: &Path) -> bool {
    is_empty(path) || MARKS.iter().any(|mark| path.join(mark).is_file())
}

/// Whether a folder has nothing in it.
pub fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Deletes the folder of a run, its marks last: stopped half-way, it is still known for what it is.
pub fn delete(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_symlink() {
        return fs::remove_file(path);
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if MARKS.iter().any(|mark| entry.file_name() == *mark) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(path)
}

impl Folder {
    /// Makes `DIR/NAME.partial`, replacing what an interrupted run left there.
    ///
    /// # Errors
    ///
    /// A finished run is there and `force` is not given; something is there that no run has written;
    /// another run writes there; the file system refuses.
    pub fn create(dir: &Path, name: &str, force: bool) -> Result<Self, FolderError> {
        let finished = dir.join(name);
        let partial = dir.join(format!("{name}.partial"));
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |error| FolderError::Io { path, error }
        };
        fs::create_dir_all(dir).map_err(io(dir))?;
        let aside = dir.join(format!("{name}.replaced"));
        for path in [&finished, &partial, &aside] {
            if is_there(path) && !is_of_a_run(path) {
                return Err(FolderError::Foreign(path.clone()));
            }
        }
        if is_there(&aside) && !is_there(&finished) {
            // A run was stopped between the two renames of `finish`.
            fs::rename(&aside, &finished).map_err(io(&finished))?;
        }
        if is_there(&finished) && !is_empty(&finished) && !force {
            return Err(FolderError::Finished(finished));
        }
        if is_there(&partial) {
            // Held until it is gone, so that nobody else takes it for theirs meanwhile.
            let _stale = Self::lock(&partial)?;
            delete(&partial).map_err(io(&partial))?;
        }
        fs::create_dir(&partial).map_err(io(&partial))?;
        let lock = Self::lock(&partial)?;
        Ok(Self {
            finished,
            partial,
            lock,
        })
    }

    fn lock(partial: &Path) -> Result<File, FolderError> {
        let path = partial.join(LOCK);
        let file = File::create(&path).map_err(|error| FolderError::Io {
            path: path.clone(),
            error,
        })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(FolderError::Busy(partial.to_path_buf())),
            Err(fs::TryLockError::Error(error)) => Err(FolderError::Io { path, error }),
        }
    }

    /// Whether nobody writes to the folder `partial` of an unfinished run, if there is one.
    ///
    /// # Errors
    ///
    /// Somebody does; the file system refuses.
    pub fn not_busy(partial: &Path) -> Result<(), FolderError> {
        if partial.join(LOCK).is_file() {
            Self::lock(partial)?;
        }
        Ok(())
    }

    /// Where the run writes for now.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Writes a whole small file.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.partial.join(name);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Gives the run its name.
    ///
    /// # Errors
    ///
    /// The file system refuses; then the run stays `.partial`.
    pub fn finish(self) -> anyhow::Result<PathBuf> {
        let mut aside = self.finished.clone().into_os_string();
        aside.push(".replaced");
        let aside = PathBuf::from(aside);
        let replaces = is_there(&self.finished);
        let renaming = || format!("cannot rename {}", self.partial.display());
        if replaces {
            if is_there(&aside) {
                delete(&aside).with_context(renaming)?;
            }
            fs::rename(&self.finished, &aside).with_context(renaming)?;
        }
        fs::rename(&self.partial, &self.finished).with_context(renaming)?;
        // Until here the lock keeps others from clearing away a run that is all but finished.
        let lock = self.finished.join(LOCK);
        fs::remove_file(&lock).with_context(|| format!("cannot delete {}", lock.display()))?;
        drop(self.lock);
        if replaces {
            delete(&aside).with_context(|| format!("cannot delete {}", aside.display()))?;
        }
        Ok(self.finished)
    }
}

/// The tables that a run writes.
pub struct Writers {
    ticks: Option<TickTable>,
    operations: Option<OperationTable>,
    nodes: Option<NodeTable>,
    connections: Option<ConnectionTable>,
    routing: Option<RoutingTable>,
    summary: SummaryTable,
    timings: TimingTable,
    /// How much of what encoding has taken has been told.
    told: Duration,
}

/// In the timings table, all that records: ending steps, filling, encoding and closing tables, the summary.
pub const RECORDING: &str = "recording";
/// In the timings table, what comes after the last phase: closing the tables.
const END: &str = "end";

impl Writers {
    /// Opens the tables that the experiment asks for. `labels` are those of the nodes, in the order of keys.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn create(
        folder: &Folder,
        experiment: &Experiment,
        labels: Option<Arc<StringArray>>,
    ) -> Result<Self, RecordError> {
        let info = RunInfo {
            experiment: experiment.name.clone(),
            seed: experiment.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let phases: Vec<String> = experiment
            .phases
            .iter()
            .map(|phase| phase.name.clone())
            .collect();
        let path = |name: &str| folder.partial().join(format!("{name}.parquet"));
        let Tables {
            ticks,
            operations,
            nodes,
            connections,
            routing,
        } = experiment.output.tables;
        Ok(Self {
            ticks: ticks
                .then(|| TickTable::create(&path("ticks"), &info, &phases))
                .transpose()?,
            operations: operations
                .then(|| OperationTable::create(&path("operations"), &info, &phases))
                .transpose()?,
            nodes: nodes
                .then(|| NodeTable::create(&path("nodes"), &info, &phases, labels))
                .transpose()?,
            connections: connections
                .then(|| ConnectionTable::create(&path("connections"), &info, &phases))
                .transpose()?,
            routing: routing
                .then(|| RoutingTable::create(&path("routing"), &info))
                .transpose()?,
            summary: SummaryTable::create(&path("summary"), &info, &summary::metrics(experiment))?,
            timings: TimingTable::create(&path("timings"), &info)?,
            told: Duration::ZERO,
        })
    }

    /// Writes what a step recorded.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn step(&mut self, recorded: &Recorded) -> Result<(), RecordError> {
        if let Some(table) = &mut self.ticks {
            recorded
                .ticks
                .iter()
                .try_for_each(|row: &TickRow| table.push(row))?;
        }
        if let Some(table) = &mut self.operations {
            let mut results = recorded.result_ids.iter();
            for row in &recorded.operations {
                let row: &OperationRow = row;
                table.push(row, results.next().map(Vec::as_slice))?;
            }
        }
        if let Some(table) = &mut self.connections {
            recorded
                .connections
                .iter()
                .try_for_each(|row: &ConnectionRow| table.push(row))?;
        }
        Ok(())
    }

    /// Writes a node at the end of a phase.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn node(&mut self, row: &NodeRow) -> Result<(), RecordError> {
        self.nodes.as_mut().map_or(Ok(()), |table| table.push(row))
    }

    /// Whether the routing table is wanted.
    pub fn wants_routing(&self) -> bool {
        self.routing.is_some()
    }

    /// Writes an entry of a routing table.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn routing(&mut self, row: &RoutingRow) -> Result<(), RecordError> {
        self.routing
            .as_mut()
            .map_or(Ok(()), |table| table.push(row))
    }

    /// CPU time that encoding has taken so far on threads of its own, where the system tells.
    pub fn encoding(&self) -> Duration {
        let spent = [
            self.ticks.as_ref().map(TickTable::encoding),
            self.operations.as_ref().map(OperationTable::encoding),
            self.nodes.as_ref().map(NodeTable::encoding),
            self.connections.as_ref().map(ConnectionTable::encoding),
            self.routing.as_ref().map(RoutingTable::encoding),
        ];
        spent.into_iter().flatten().sum()
    }

    /// What of [`Writers::encoding`] has come since this was last asked.
    pub fn take_encoding(&mut self) -> Duration {
        let encoding = self.encoding();
        encoding - std::mem::replace(&mut self.told, encoding)
    }

    /// Writes the metrics of a network, in the order of their names.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn network(
        &mut self,
        network: u32,
        metrics: &Map<String, Value>,
    ) -> Result<(), RecordError> {
        (0..).zip(metrics).try_for_each(|(metric, (_, value))| {
            self.summary.push(&SummaryRow {
                network,
                metric,
                value: value.as_f64(),
            })
        })
    }

    /// Writes how long a part of the run took.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn timing(&mut self, row: &TimingRow) -> Result<(), RecordError> {
        self.timings.push(row)
    }

    /// Closes every table, all of them even if some cannot be. Returns how many rows each has.
    ///
    /// # Errors
    ///
    /// The first one met.
    pub fn finish(mut self, complete: bool) -> Result<Vec<(&'static str, u64)>, RecordError> {
        let mut spent = Spent::default();
        spent.cpu += self.take_encoding();
        let closing = Moment::of_the_process();
        let mut closed = vec![
            ("ticks", self.ticks.map(|table| table.finish(complete))),
            (
                "operations",
                self.operations.map(|table| table.finish(complete)),
            ),
            ("nodes", self.nodes.map(|table| table.finish(complete))),
            (
                "connections",
                self.connections.map(|table| table.finish(complete)),
            ),
            ("routing", self.routing.map(|table| table.finish(complete))),
            ("summary", Some(self.summary.finish(complete))),
        ];
        spent += closing.spent();
        let told = self.timings.push(&TimingRow {
            network: 0,
            phase: END.to_owned(),
            system: RECORDING.to_owned(),
            wall_us: spent.wall.as_micros() as u64,
            cpu_us: Some(spent.cpu.as_micros() as u64),
            resident_bytes: None,
            calls: 1,
        });
        let timings = self.timings.finish(complete);
        closed.push(("timings", Some(told.and(timings))));
        closed
            .into_iter()
            .filter_map(|(name, rows)| rows.map(|rows| rows.map(|rows| (name, rows))))
            .collect()
    }
}
