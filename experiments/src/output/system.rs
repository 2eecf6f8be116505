//! File system calls that the standard library lacks: the identity of a file, opening without following a link, and
//! renaming without replacing.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// Identity of a file or folder: device and inode.
pub(super) type Identity = (u64, u64);

/// Returns the identity of the file or folder that the metadata describes.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// The time of creation replaces the inode on systems without one.
#[cfg(not(unix))]
pub(super) fn identity(metadata: &Metadata) -> Identity {
    let created = metadata.created().ok();
    let since = created.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    (0, since.map_or(0, |time| time.as_nanos() as u64))
}

/// Returns the folder that a path lies in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Opens the file `path`, or creates it if it is missing. Does not truncate it and does not follow a link.
pub(super) fn open_in_place(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        // Without `NONBLOCK`, a pipe of this name would block the caller.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(flags.bits() as i32);
    }
    options.open(path)
}

/// Renames the folder `from` to `to`, which must not exist.
///
/// # Errors
///
/// `AlreadyExists` if `to` exists, a broken link included.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems, such as NFS, do not support the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
    }
    rename_looking(from, to)
}

/// Does what [`rename_new`] does without an atomic call. A file or folder that appears at `to` after the check is still
/// safe, because renaming a folder replaces nothing but an empty folder.
fn rename_looking(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        renamed => renamed,
    }
}

/// Syncs a folder, so that the names of its entries are on the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_replaces_nothing() {
        for rename in [rename_new, rename_looking] {
            let dir = tempfile::tempdir().unwrap();
            let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
            fs::create_dir(&from).unwrap();
            fs::create_dir(&to).unwrap();
            let refused = rename(&from, &to).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            fs::remove_dir(&to).unwrap();
            #[cfg(unix)]
            {
                std::os::unix::fs::symlink("nowhere", &to).unwrap();
                let refused = rename(&from, &to).unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
                fs::remove_file(&to).unwrap();
            }
            rename(&from, &to).unwrap();
            assert!(to.is_dir() && !from.exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_opened_and_a_file_not_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
        fs::write(&file, "precious").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_in_place(&link).is_err());
        open_in_place(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    }
}
