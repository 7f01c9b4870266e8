//! Where the teacher cache is and how large it may become.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::budget::allocated;

/// The share of the free disk that the cache takes unless told otherwise: one part in so many.
const SHARE: u64 = 10;

/// Where the teacher cache is and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// The application's cache folder; it need not exist.
    pub folder: PathBuf,
    /// Bytes on disk at most; absent = a tenth of the disk's free space.
    pub size: Option<u64>,
}

impl CacheSettings {
    /// The user's cache folder (`$XDG_CACHE_HOME`, `~/.cache` or what the platform has in its place) and `size` bytes;
    /// `None` for a user without a home folder.
    pub fn of_user(size: Option<u64>) -> Option<Self> {
        let folder = etcetera::choose_base_strategy().ok()?.cache_dir().join("autodistillation");
        Some(Self { folder, size })
    }

    /// The folder of the outputs.
    pub fn outputs_folder(&self) -> PathBuf {
        self.folder.join("teacher-outputs")
    }

    /// Bytes that the cache may take. `None` when the disk does not say how much is free.
    pub fn limit(&self) -> Option<u64> {
        self.size.or_else(|| {
            let free = fs4::available_space(nearest_existing(&self.folder)).ok()?;
            Some((free + allocated(&self.outputs_folder())) / SHARE)
        })
    }
}

fn nearest_existing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."))
}
