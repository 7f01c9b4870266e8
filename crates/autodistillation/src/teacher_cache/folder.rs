//! The folder of one key: who uses it, since when, and who may remove it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::layer_file::{LayerFile, Layout};

const IN_USE: &str = ".in-use";
const MAKING: &str = ".making";
/// How often a folder is made again that another process removes at the same moment.
const ATTEMPTS: usize = 5;

/// A folder that no other process removes while this value lives.
#[derive(Debug)]
pub(super) struct KeyFolder {
    path: PathBuf,
    // Shared by all users; the operating system gives the lock back with the file.
    _in_use: File,
}

impl KeyFolder {
    /// Makes the folder where it is missing, marks it as used and holds it. A folder that cannot be written is held
    /// for reading.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let in_use = match make(path) {
                Ok(file) => file,
                Err(error) => File::open(path.join(IN_USE)).map_err(|_| error)?,
            };
            in_use.lock_shared()?;
            let _ = in_use.set_modified(SystemTime::now()); // Reading alone does not count as use.
            if path.join(IN_USE).is_file() {
                return Ok(Self { path: path.to_owned(), _in_use: in_use });
            }
        }
        Err(io::Error::other("another process keeps removing it"))
    }

    /// The file of this name, if it is there and of this layout.
    pub(super) fn find(&self, name: &str, layout: &Layout) -> io::Result<Option<LayerFile>> {
        LayerFile::open(&self.path.join(name), layout)
    }

    /// The file of this name, made if it is missing, and whether a foreign or damaged one had to give way.
    pub(super) fn find_or_make(&self, name: &str, layout: &Layout) -> io::Result<(LayerFile, Replaced)> {
        let path = self.path.join(name);
        let making =
            OpenOptions::new().write(true).create(true).truncate(false).open(self.path.join(MAKING))?;
        making.lock()?;
        let found = LayerFile::open(&path, layout);
        if let Ok(Some(file)) = found {
            return Ok((file, Replaced::Nothing));
        }
        let replaced = if path.exists() { Replaced::Foreign } else { Replaced::Nothing };
        Ok((LayerFile::create(&path, layout)?, replaced))
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What had to give way to a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    Nothing,
    Foreign,
}

fn make(path: &Path) -> io::Result<File> {
    fs::create_dir_all(path)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(IN_USE))
}

/// When the folder at `path` was used last; `None` for something that is no folder of a key.
pub(super) fn last_used(path: &Path) -> Option<SystemTime> {
    fs::metadata(path.join(IN_USE)).ok()?.modified().ok()
}

/// Removes the folder at `path` unless somebody uses it; whether it is gone.
pub(super) fn remove_unused(path: &Path) -> bool {
    let Ok(in_use) = File::open(path.join(IN_USE)) else { return false };
    in_use.try_lock().is_ok() && fs::remove_dir_all(path).is_ok()
}
