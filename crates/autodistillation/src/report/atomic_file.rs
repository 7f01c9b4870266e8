//! Files that are either the old ones or the complete new ones, whatever happens in between.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Error;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Writes a whole file: to a temporary file beside it, flushed to the disk, then renamed over it.
///
/// # Errors
/// [`Error::Write`]; the file then still holds what it held before.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), Error> {
    let temporary = temporary_beside(path);
    let written = write_and_rename(path, &temporary, content);
    if written.is_err() {
        // The first failure is the one to report; a leftover is harmless and its name says what it is.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|source| Error::write(path, source))
}

/// Writes a value as indented JSON with a final newline.
///
/// # Errors
/// As [`write`], and [`Error::Encode`].
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|source| Error::Encode { path: path.to_owned(), source })?;
    write(path, &(json + "\n"))
}

fn write_and_rename(path: &Path, temporary: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(temporary)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// A name in the same folder, so that the rename stays within one file system; hidden, and unique
/// to the process and the call, so that two writers never share it.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{serial}.part", process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/results.txt");
        write(&path, "a long first version").unwrap();
        write(&path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(names(path.parent().unwrap()), ["results.txt"]);
    }

    #[test]
    fn a_refused_write_names_the_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("results.txt");
        fs::create_dir_all(blocked.join("occupied")).unwrap();
        let error = write(&blocked, "text").unwrap_err();
        assert!(error.to_string().contains("results.txt"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(names(folder.path()), ["results.txt"]);
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run"), "").unwrap();
        let error = write(&folder.path().join("run/pareto.json"), "{}").unwrap_err();
        assert!(error.to_string().contains("pareto.json"), "{error}");
    }
}
