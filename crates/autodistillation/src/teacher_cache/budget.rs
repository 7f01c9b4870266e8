//! How much the cache may take, and what leaves it when there is no room.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::folder::{last_used, remove_unused};

/// Bytes that a process writes at most before it looks again what is on disk: others write too, and an output takes
/// whole pages.
const LOOK_EVERY: u64 = 256 << 20;
/// The same as a share of the limit: one part in so many.
const LOOK_SHARE: u64 = 16;

/// The bytes on disk that all keys together may take.
#[derive(Debug)]
pub(super) struct Budget {
    folder: PathBuf,
    limit: u64,
    /// Bytes at the last look and what this process has written since.
    used: AtomicU64,
    since_look: AtomicU64,
    full: AtomicBool,
    looking: Mutex<()>,
}

impl Budget {
    /// For the keys in `folder`, which need not exist.
    pub(super) fn new(folder: PathBuf, limit: u64) -> Self {
        let used = AtomicU64::new(allocated(&folder));
        Self {
            folder,
            limit,
            used,
            since_look: AtomicU64::new(0),
            full: AtomicBool::new(false),
            looking: Mutex::new(()),
        }
    }

    /// The folder of all keys.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes at most.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether `bytes` more may be written. Keys that nobody uses are removed for them, the least recently used
    /// first; once that does not help, the answer stays no.
    pub(super) fn admit(&self, bytes: u64) -> bool {
        if self.full.load(Ordering::Relaxed) {
            return false;
        }
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let since_look = self.since_look.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used <= self.limit && since_look < LOOK_EVERY.min(self.limit / LOOK_SHARE) {
            return true;
        }
        let room = self.make_room(bytes);
        self.full.store(!room, Ordering::Relaxed);
        room
    }

    fn make_room(&self, bytes: u64) -> bool {
        let _alone = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        self.since_look.store(0, Ordering::Relaxed);
        let mut used = allocated(&self.folder) + bytes;
        for key in self.keys_by_age() {
            if used <= self.limit {
                break;
            }
            let size = allocated(&key);
            if remove_unused(&key) {
                used -= size.min(used);
            }
        }
        self.used.store(used, Ordering::Relaxed);
        used <= self.limit
    }

    /// The folders of keys, the least recently used first.
    fn keys_by_age(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut keys: Vec<_> =
            entries.filter_map(|entry| Some((last_used(&entry.path())?, entry.path()))).collect();
        keys.sort();
        keys.into_iter().map(|(_, path)| path).collect()
    }
}

/// Bytes that the files below `folder` take on disk.
pub(super) fn allocated(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => allocated(&entry.path()),
            Ok(metadata) => on_disk(&metadata),
            Err(_) => 0, // Removed a moment ago.
        })
        .sum()
}

#[cfg(unix)]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    512 * std::os::unix::fs::MetadataExt::blocks(metadata)
}

#[cfg(not(unix))]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}
