//! An advisory lock on an empty file. The holder removes the file when it releases the lock.
//!
//! Another process may remove the file between opening and locking, so each process checks after locking that the path
//! still leads to the same file, and starts again if it does not. The system releases the lock of a killed process, and
//! the next process reuses the file.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::system::{Identity, identity, open_in_place, parent};
use super::{FolderError, is_file, is_folder, is_there};
use crate::watch::{Stopped, Watch};

/// Interval at which a waiting process checks whether a lock is free.
const LOOK: Duration = Duration::from_millis(20);
/// Number of times that a lock may be removed between opening and locking before it counts as held.
const ATTEMPTS_MAX: usize = 1000;

/// Mode of a lock.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Exclusive.
    Alone,
    /// Shared with other processes.
    Shared,
}

/// A lock that is held until it is dropped.
pub struct Lock {
    file: File,
    path: PathBuf,
    /// Identity of its folder when the lock was taken.
    folder: Identity,
}

impl Lock {
    /// Takes the lock `path`. Returns `None` if another process holds it. `prepare` makes the parent folder.
    ///
    /// # Errors
    ///
    /// The path is no lock; the file system refuses.
    pub fn try_take(
        path: &Path,
        kind: Kind,
        prepare: impl Fn() -> Result<(), FolderError>,
    ) -> Result<Option<Self>, FolderError> {
        let folder = parent(path);
        for _ in 0..ATTEMPTS_MAX {
            prepare()?;
            let opened = open_in_place(path).and_then(|file| Ok((folder.metadata()?, file)));
            let (at, file) = match opened {
                Ok((at, file)) => (identity(&at), file),
                // The holder has removed the folder meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) if is_there(path) && !is_file(path) => {
                    return Err(FolderError::Alien(path.to_path_buf()));
                }
                Err(error) => return Err(FolderError::io(path)(error)),
            };
            let metadata = file.metadata().map_err(FolderError::io(path))?;
            if !metadata.is_file() || metadata.len() > 0 {
                return Err(FolderError::Alien(path.to_path_buf()));
            }
            let lock = Self {
                file,
                path: path.to_path_buf(),
                folder: at,
            };
            if !lock.lock(kind)? {
                return Ok(None);
            }
            if lock.is_in_place() {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    /// Waits for the lock `path` and takes it exclusively.
    ///
    /// # Errors
    ///
    /// As of [`Lock::try_take`]; the user has stopped the program.
    pub fn wait(path: &Path, watch: Watch<'_>) -> Result<Self, FolderError> {
        let folder = parent(path);
        // A folder that was deleted or moved meanwhile ends the wait.
        let is_there = || folder.metadata().map(drop).map_err(FolderError::io(folder));
        loop {
            if let Some(lock) = Self::try_take(path, Kind::Alone, is_there)? {
                return Ok(lock);
            }
            pause(watch)?;
        }
    }

    fn lock(&self, kind: Kind) -> Result<bool, FolderError> {
        let locked = match kind {
            Kind::Alone => self.file.try_lock(),
            Kind::Shared => self.file.try_lock_shared(),
        };
        match locked {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(FolderError::io(&self.path)(error)),
        }
    }

    /// Changes the mode of the lock. Returns `false` if that fails; the lock is then released.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn change(&self, kind: Kind) -> Result<bool, FolderError> {
        Ok(self.lock(kind)? && self.is_in_place())
    }

    /// Returns whether the path still leads to the locked file in the same folder.
    pub fn is_in_place(&self) -> bool {
        let folder = parent(&self.path);
        let same = |at: io::Result<fs::Metadata>, known: io::Result<Identity>| match (at, known) {
            (Ok(at), Ok(known)) => identity(&at) == known,
            _ => false,
        };
        let held = self.file.metadata().map(|metadata| identity(&metadata));
        same(self.path.symlink_metadata(), held) && same(folder.metadata(), Ok(self.folder))
    }

    /// Releases the lock, and removes its folder if the folder holds nothing else.
    pub fn leave_empty(self) {
        let folder = parent(&self.path).to_owned();
        if fs::read_dir(&folder).is_ok_and(|all| all.count() == 1) {
            self.remove();
            // The folder stays if another process has written to it meanwhile.
            let _ = fs::remove_dir(&folder);
        }
    }

    /// Removes the file, and releases the lock.
    pub fn remove(self) {
        if self.is_in_place() {
            // After a failure an empty lock without a holder stays, which the next process takes.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns whether a process holds the lock `path` exclusively.
pub fn is_held(path: &Path) -> bool {
    let locked = is_file(path).then(|| File::open(path).map(|file| file.try_lock_shared()));
    matches!(locked, Some(Ok(Err(TryLockError::WouldBlock))))
}

/// Waits one interval between two checks of a lock.
///
/// # Errors
///
/// The user has stopped the program.
pub fn pause(watch: Watch<'_>) -> Result<(), Stopped> {
    watch.go_on()?;
    thread::sleep(LOOK);
    Ok(())
}

/// Makes the folder `path` if it is missing. A link to a folder is an error.
///
/// # Errors
///
/// The path is no folder; the file system refuses.
pub fn make_folder(path: &Path) -> Result<(), FolderError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(FolderError::io(path))?,
    }
    match is_there(path) && !is_folder(path) {
        true => Err(FolderError::Foreign(path.to_path_buf())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_one_at_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("partial");
        let path = folder.join("lock");
        let take = |kind| Lock::try_take(&path, kind, || make_folder(&folder)).unwrap();
        let first = take(Kind::Alone).unwrap();
        assert!(take(Kind::Alone).is_none() && take(Kind::Shared).is_none());
        // After the folder is moved away and another one made, the first lock is no longer in place.
        fs::rename(&folder, dir.path().join("elsewhere")).unwrap();
        assert!(!first.is_in_place());
        let second = take(Kind::Shared).unwrap();
        assert!(second.is_in_place());
        let third = take(Kind::Shared).unwrap();
        assert!(!third.change(Kind::Alone).unwrap());
        drop(second);
        assert!(third.change(Kind::Alone).unwrap());
        third.remove();
        assert!(!path.exists());
    }
}
