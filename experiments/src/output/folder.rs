//! The folder of a run. It is written as `NAME.partial`, and renamed to `NAME` when every file is closed.
//!
//! A run is finished if and only if its folder has its name. A run that replaces a finished one first renames the old
//! folder to `NAME.replaced` and its own to `NAME`. Only then does it rename the old folder to `NAME.rubbish` and
//! remove it. The holder of the lock `NAME.partial/running.lock` owns all four names. The next holder restores or
//! removes what a killed process has left.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::lock::{Kind, Lock, is_held, make_folder};
use super::owned::{LOCK, Shape, discard, gone, is_empty, is_there};
use super::system::{Identity, identity, parent, rename_new, sync_folder};

/// Reason that a run cannot write its folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The output folder holds a finished run.
    #[error(
        "{0} holds a finished run or a study: name another folder with --out, or replace it with --force"
    )]
    Finished(PathBuf),
    /// The path holds something that no run has written.
    #[error(
        "{0} is not the folder of a run, so it is left alone: name another folder with --out, or move it"
    )]
    Foreign(PathBuf),
    /// A folder of kadsim's contains an entry that kadsim has not written.
    #[error(
        "{0} is not a file of kadsim's, so its folder is left alone: move it, or name another folder with --out"
    )]
    Alien(PathBuf),
    /// Another process writes to the folder.
    #[error("{0} is being written by another run")]
    Busy(PathBuf),
    /// The user has stopped the program.
    #[error(transparent)]
    Stopped(#[from] crate::watch::Stopped),
    /// The file system refuses.
    #[error("cannot write to the output folder {path}: {error}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The error of the file system.
        error: io::Error,
    },
}

impl FolderError {
    /// Returns a function that turns an error of the file system about `path` into this one.
    pub fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<'_> {
        |error| Self::Io {
            path: path.to_path_buf(),
            error,
        }
    }
}

/// The names that the folder of a run has, from creation to removal.
#[derive(Clone)]
pub struct Names {
    /// Name of the finished folder.
    pub finished: PathBuf,
    /// Name of the unfinished folder.
    pub partial: PathBuf,
    /// Name of the old folder while a new one takes its name.
    pub replaced: PathBuf,
    /// Name of a folder that is being removed.
    pub rubbish: PathBuf,
    /// What the unfinished folder may contain.
    shape: fn() -> Shape,
}

impl Names {
    /// Returns the names of the run or study `name` in the folder `dir`.
    pub fn new(dir: &Path, name: &str) -> Self {
        let named = |end: &str| dir.join(format!("{name}.{end}"));
        Self {
            finished: dir.join(name),
            partial: named("partial"),
            replaced: named("replaced"),
            rubbish: named("rubbish"),
            shape: || Shape::Unfinished,
        }
    }

    /// Returns the names of the cell `cell` of the study that has these names. Unfinished cells lie outside of the
    /// study's tree, where no reader's pattern finds them. No value of an axis has a `~` in its folder's name.
    pub fn of_cell(&self, cell: &Path) -> Self {
        let named = |end: &str| {
            let mut path = self.partial.join(cell).into_os_string();
            path.push(end);
            PathBuf::from(path)
        };
        Self {
            finished: self.finished.join(cell),
            partial: named(""),
            replaced: named("~replaced"),
            rubbish: named("~rubbish"),
            shape: || Shape::Run,
        }
    }

    /// Checks that these folders hold only files of kadsim.
    ///
    /// # Errors
    ///
    /// A folder holds another file; the file system refuses.
    pub fn check(&self) -> Result<(), FolderError> {
        for path in [&self.finished, &self.replaced, &self.rubbish] {
            Shape::of(path).check(path)?;
        }
        (self.shape)().check(&self.partial)
    }

    /// Renames a folder that was put aside back, if a killed process has left its name free. The caller must hold the
    /// lock.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn put_back(&self) -> Result<(), FolderError> {
        // A process that was killed, or met a full disk, may have left an empty folder under the name.
        let is_free = || !is_there(&self.finished) || fs::remove_dir(&self.finished).is_ok();
        if is_there(&self.replaced) && is_free() {
            rename_new(&self.replaced, &self.finished).map_err(FolderError::io(&self.finished))?;
        }
        Ok(())
    }

    /// Checks that no process writes to the unfinished folder at the moment.
    ///
    /// # Errors
    ///
    /// Another process holds the lock.
    pub fn check_free(&self) -> Result<(), FolderError> {
        match is_held(&self.partial.join(LOCK)) {
            true => Err(FolderError::Busy(self.partial.clone())),
            false => Ok(()),
        }
    }

    /// Puts the finished folder aside. The caller must hold the lock.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn put_aside(&self) -> Result<(), FolderError> {
        rename_new(&self.finished, &self.replaced).map_err(FolderError::io(&self.finished))
    }

    /// Removes the rubbish that a killed process has left. The caller must hold the lock.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn clear(&self) -> Result<(), FolderError> {
        Shape::of(&self.rubbish)
            .remove(&self.rubbish)
            .map_err(FolderError::io(&self.rubbish))
    }

    /// Removes the folder `path`, which has one of these names.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn discard(&self, path: &Path) -> Result<(), FolderError> {
        discard(path, &self.rubbish).map_err(FolderError::io(path))
    }
}

/// The folder that a run writes to.
pub struct Folder {
    names: Names,
    force: bool,
    lock: Lock,
    /// Files that must still be there when the run is finished.
    written: Vec<(PathBuf, Identity)>,
}

impl Folder {
    /// Locks `NAME.partial`, and removes what an interrupted run left there.
    ///
    /// # Errors
    ///
    /// A finished run has the name and `force` is not given; the path holds something that no run has written; another
    /// run writes to the folder; the file system refuses.
    pub fn create(names: Names, force: bool) -> Result<Self, FolderError> {
        let dir = parent(&names.partial);
        fs::create_dir_all(dir).map_err(FolderError::io(dir))?;
        // Checked before the lock is created, which would itself change the folder.
        (names.shape)().check(&names.partial)?;
        let lock = names.partial.join(LOCK);
        let lock = Lock::try_take(&lock, Kind::Alone, || make_folder(&names.partial))?;
        let Some(lock) = lock else {
            return Err(FolderError::Busy(names.partial));
        };
        let folder = Self {
            names,
            force,
            lock,
            written: Vec::new(),
        };
        match folder.prepare() {
            Ok(()) => Ok(folder),
            Err(error) => {
                folder.lock.leave_empty();
                Err(error)
            }
        }
    }

    fn prepare(&self) -> Result<(), FolderError> {
        let Names {
            finished, partial, ..
        } = &self.names;
        self.names.check()?;
        self.names.put_back()?;
        remove_stale_lock(finished)?;
        if is_there(finished) && !is_empty(finished) && !self.force {
            return Err(FolderError::Finished(finished.clone()));
        }
        if is_there(&self.names.replaced) {
            self.names.discard(&self.names.replaced)?;
        }
        self.names.clear()?;
        let shape = (self.names.shape)();
        shape
            .empty(partial, &[LOCK])
            .map_err(FolderError::io(partial))
    }

    /// Returns the unfinished folder, which the run writes to.
    pub fn partial(&self) -> &Path {
        &self.names.partial
    }

    /// Writes the file `name` with this text, and syncs it.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        write_new(&self.partial().join(name), text)
    }

    /// Records the identity of these files, which have just been created. The run cannot finish without them.
    ///
    /// # Errors
    ///
    /// One of them is gone already.
    pub fn take_note(&mut self, names: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        for name in names {
            let path = self.partial().join(name);
            let metadata = path.symlink_metadata().with_context(|| missing(&path))?;
            self.written.push((path, identity(&metadata)));
        }
        Ok(())
    }

    /// Checks that every recorded file is still where it was written.
    fn is_whole(&self) -> anyhow::Result<()> {
        if !self.lock.is_in_place() {
            bail!(
                "{} was moved or deleted while the run went on",
                self.partial().display()
            );
        }
        for (path, known) in &self.written {
            let now = path.symlink_metadata().map(|metadata| identity(&metadata));
            if now.ok() != Some(*known) {
                bail!(missing(path));
            }
        }
        Ok(())
    }

    /// Renames the run's folder to its final name.
    ///
    /// # Errors
    ///
    /// A written file is gone; something else has the name; the file system refuses. The run then stays `.partial`.
    pub fn finish(&self) -> anyhow::Result<PathBuf> {
        self.is_whole()?;
        let Names {
            finished,
            partial,
            replaced,
            ..
        } = &self.names;
        let renaming = || format!("cannot rename {}", partial.display());
        // The names of the files reach the disk before the name of the run.
        sync_folder(partial).with_context(renaming)?;
        fs::create_dir_all(parent(finished)).with_context(renaming)?;
        let replaces = is_there(finished) && !is_empty(finished) && self.force;
        if replaces {
            Shape::of(finished).check(finished)?;
            self.names.put_aside().with_context(renaming)?;
        }
        let mut renamed = rename_new(partial, finished);
        let exists = |renamed: &io::Result<()>| {
            let error = renamed.as_ref().err();
            error.is_some_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
        };
        if exists(&renamed) && fs::remove_dir(finished).is_ok() {
            // An empty folder had the name.
            renamed = rename_new(partial, finished);
        }
        if exists(&renamed) {
            bail!(
                "{} was made while the run went on, so it is left alone",
                finished.display()
            );
        }
        if let Err(error) = renamed {
            if replaces {
                let _ = rename_new(replaced, finished);
            }
            return Err(error).with_context(renaming);
        }
        // The run is finished. The next run of this name removes what cannot be removed now.
        let _ = remove_stale_lock(finished);
        let _ = sync_folder(parent(finished));
        if replaces {
            let _ = self.names.discard(replaced);
        }
        Ok(finished.clone())
    }

    /// Marks the closed tables incomplete, because the run has failed. Does nothing if the folder was moved or renamed.
    pub fn revoke_tables(&self) {
        if self.lock.is_in_place() {
            super::revoke_tables(self.partial());
        }
    }
}

/// Removes the lock from the folder of a finished run. A process that is killed right after the rename leaves it there.
///
/// # Errors
///
/// The file system refuses.
pub fn remove_stale_lock(finished: &Path) -> Result<(), FolderError> {
    let lock = finished.join(LOCK);
    gone(fs::remove_file(&lock)).map_err(FolderError::io(&lock))
}

/// Creates the file `path` with this text, and syncs it.
///
/// # Errors
///
/// The file system refuses.
pub fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Renames the file `from` to `to`, and replaces an older one.
///
/// # Errors
///
/// The file system refuses.
pub fn publish(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to)
        .and_then(|()| sync_folder(parent(to)))
        .with_context(|| format!("cannot write {}", to.display()))
}

/// Returns the message that a file of the run is gone.
fn missing(path: &Path) -> String {
    format!(
        "{} was deleted or replaced while the run went on",
        path.display()
    )
}
