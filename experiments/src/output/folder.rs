//! The folder of a run: written as `NAME.partial`, renamed to `NAME` when everything is closed.
//!
//! A run is finished if and only if its folder has its name. A run that replaces a finished one leaves it alone until
//! then: it is put aside as `NAME.replaced`, the new one takes its name, and only then is it renamed to `NAME.rubbish`
//! and removed. Whoever holds `NAME.partial/running.lock` has the say over all four names; a process that was killed
//! leaves what the next one to hold the lock can tell from what is finished, and clears up or puts back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::lock::{Kind, Lock, is_held, make_folder};
use super::owned::{LOCK, Shape, discard, gone, is_empty, is_there};
use super::system::{Identity, identity, parent, rename_new, sync_folder};

/// Why a run cannot begin to write.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The output folder holds a finished run.
    #[error(
        "{0} holds a finished run or a study: name another folder with --out, or replace it with --force"
    )]
    Finished(PathBuf),
    /// Something is there that no run has written.
    #[error(
        "{0} is not the folder of a run, so it is left alone: name another folder with --out, or move it"
    )]
    Foreign(PathBuf),
    /// Something that kadsim has not written lies in a folder of its own.
    #[error(
        "{0} is not a file of kadsim's, so its folder is left alone: move it, or name another folder with --out"
    )]
    Alien(PathBuf),
    /// Another process is writing there.
    #[error("{0} is being written by another run")]
    Busy(PathBuf),
    /// Somebody has asked to stop.
    #[error(transparent)]
    Stopped(#[from] crate::watch::Stopped),
    /// The file system refuses.
    #[error("cannot write to the output folder {path}: {error}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl FolderError {
    /// What the file system says about `path`.
    pub fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<'_> {
        |error| Self::Io {
            path: path.to_path_buf(),
            error,
        }
    }
}

/// The names that the folder of a run has in its life.
#[derive(Clone)]
pub struct Names {
    /// When it is finished.
    pub finished: PathBuf,
    /// Before.
    pub partial: PathBuf,
    /// While another one takes its place.
    pub replaced: PathBuf,
    /// While it is removed.
    pub rubbish: PathBuf,
    /// What lies in an unfinished one.
    shape: fn() -> Shape,
}

impl Names {
    /// Of the run or the study `name` in the folder `dir`.
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

    /// Of the cell `cell` of the study that has these names. What is not finished lies outside of the study's tree,
    /// where no reader's pattern finds it. No value of an axis has a `~` in its folder's name.
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
    /// Something is; the file system refuses.
    pub fn check(&self) -> Result<(), FolderError> {
        for path in [&self.finished, &self.replaced, &self.rubbish] {
            Shape::of(path).check(path)?;
        }
        (self.shape)().check(&self.partial)
    }

    /// Puts what was put aside back into its place, if a process was killed before anything else took that. Whoever
    /// calls holds the lock.
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

    /// Makes sure that nobody writes to the unfinished folder at the moment.
    ///
    /// # Errors
    ///
    /// Somebody does.
    pub fn check_free(&self) -> Result<(), FolderError> {
        match is_held(&self.partial.join(LOCK)) {
            true => Err(FolderError::Busy(self.partial.clone())),
            false => Ok(()),
        }
    }

    /// Puts the finished folder aside. Whoever calls holds the lock.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn put_aside(&self) -> Result<(), FolderError> {
        rename_new(&self.finished, &self.replaced).map_err(FolderError::io(&self.finished))
    }

    /// Removes the rubbish that a process has left which was killed. Whoever calls holds the lock.
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
    /// What must be there in the end.
    written: Vec<(PathBuf, Identity)>,
}

impl Folder {
    /// Takes `NAME.partial`, and removes what an interrupted run left there.
    ///
    /// # Errors
    ///
    /// A finished run is there and `force` is not given; something is there that no run has written; another run
    /// writes there; the file system refuses.
    pub fn create(names: Names, force: bool) -> Result<Self, FolderError> {
        let dir = parent(&names.partial);
        fs::create_dir_all(dir).map_err(FolderError::io(dir))?;
        // Before a lock is put there.
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

    /// Where the run writes for now.
    pub fn partial(&self) -> &Path {
        &self.names.partial
    }

    /// Writes a whole small file.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        write_new(&self.partial().join(name), text)
    }

    /// Takes note of the files with these names, which have just been created: the run is not finished without them.
    ///
    /// # Errors
    ///
    /// One of them has gone already.
    pub fn take_note(&mut self, names: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        for name in names {
            let path = self.partial().join(name);
            let metadata = path.symlink_metadata().with_context(|| missing(&path))?;
            self.written.push((path, identity(&metadata)));
        }
        Ok(())
    }

    /// Makes sure that everything that was written is where it was.
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

    /// Gives the run its name.
    ///
    /// # Errors
    ///
    /// Something that was written has gone; something else has the name; the file system refuses. Then the run stays
    /// `.partial`.
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
            // An empty folder was there.
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
        // The run has its name. What cannot be removed now, the next run of this name clears away.
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

/// Removes the lock from the folder of a finished run. A process that is killed after the run has got its name leaves it.
///
/// # Errors
///
/// The file system refuses.
pub fn remove_stale_lock(finished: &Path) -> Result<(), FolderError> {
    let lock = finished.join(LOCK);
    gone(fs::remove_file(&lock)).map_err(FolderError::io(&lock))
}

/// Writes the whole file `path`, which is not there.
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

/// Gives the whole file `from` the name `to`, in the place of an older one.
///
/// # Errors
///
/// The file system refuses.
pub fn publish(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to)
        .and_then(|()| sync_folder(parent(to)))
        .with_context(|| format!("cannot write {}", to.display()))
}

/// Says that a file of the run is not there any more.
fn missing(path: &Path) -> String {
    format!(
        "{} was deleted or replaced while the run went on",
        path.display()
    )
}
