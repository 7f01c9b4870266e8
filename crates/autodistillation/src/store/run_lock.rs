//! The lock that keeps two runs out of one output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::Error;

/// The file in a run's folder that its process holds.
pub const LOCK_FILE: &str = ".lock";

/// An output folder that belongs to this process until the value is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock {
    // The operating system releases the lock with the file.
    _file: File,
}

impl RunLock {
    /// Makes the folder where it is missing and takes its lock, the file `.lock` in it.
    ///
    /// The file stays when the lock is released: were it removed, a third process could lock a new file of
    /// the same name while a second still waits on the old one.
    ///
    /// # Errors
    /// The folder is in use by another run, or cannot be made or written to.
    pub fn acquire(folder: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::FolderUnusable { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_FILE))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::FolderInUse { folder: folder.to_owned(), owner: owner(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(unusable)?;
        write!(file, "{}", std::process::id()).and_then(|()| file.flush()).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// The process that wrote its id into the lock file.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_in_the_same_folder_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new").join("run");
        let first = RunLock::acquire(&folder).unwrap();
        let error = RunLock::acquire(&folder).unwrap_err().to_string();
        let expected = format!("in use by another run (process {}); wait for it", std::process::id());
        assert!(error.contains(&expected), "{error}");
        assert!(RunLock::acquire(&parent.path().join("other")).is_ok());
        drop(first);
        assert!(RunLock::acquire(&folder).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("file"), "").unwrap();
        let error = RunLock::acquire(&parent.path().join("file/run")).unwrap_err().to_string();
        assert!(error.contains("file/run: the output folder cannot be used"), "{error}");
    }
}
