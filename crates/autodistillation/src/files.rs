//! Small files of a run: JSON written whole or not at all, and lines appended.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Writes `value` to a temporary file beside `path` and renames it; makes the folder if needed.
///
/// # Errors
///
/// A folder that cannot be written.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::Json { path: path.to_owned(), source })?;
    write(path, (text + "\n").as_bytes())
}

/// Writes `bytes` to a temporary file beside `path`, syncs it and renames it; makes the folder if needed.
///
/// # Errors
///
/// A folder that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let temporary = path.with_extension("part");
    let mut file = fs::File::create(&temporary).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

/// Reads what [`write_json`] wrote.
///
/// # Errors
///
/// A file that cannot be read or understood.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text =
        fs::read(path).map_err(|source| Error::File { action: "read", path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// Appends each value as one line of JSON.
///
/// # Errors
///
/// A file that cannot be written.
pub fn append_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), Error> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    let mut text = String::new();
    for value in values {
        let line =
            serde_json::to_string(value).map_err(|source| Error::Json { path: path.to_owned(), source })?;
        text.push_str(&line);
        text.push('\n');
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Reads lines of JSON; lines that a crash cut short are left out.
///
/// # Errors
///
/// A file that is there but cannot be read.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::File { action: "read", path: path.to_owned(), source }),
    }
}

/// Refuses a folder that already holds something; one that does not exist yet is welcome.
///
/// # Errors
///
/// [`Error::NotEmpty`], or a path that is no folder.
pub fn require_empty(folder: &Path) -> Result<(), Error> {
    require_only(folder, &[])
}

/// Refuses a folder that holds anything but `own`, the names of what an interrupted command left there.
///
/// # Errors
///
/// [`Error::NotEmpty`], or a path that is no folder.
pub fn require_only(folder: &Path, own: &[&str]) -> Result<(), Error> {
    let is_own = |entry: fs::DirEntry| own.iter().any(|name| entry.file_name() == *name);
    match fs::read_dir(folder).map(|entries| entries.flatten().all(is_own)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::NotEmpty { path: folder.to_owned() }),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::File { action: "use as a folder", path: folder.to_owned(), source }),
    }
}

/// Copies every file of `from`, without folders, into `to`.
///
/// # Errors
///
/// A folder that cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { action: "copy to", path: to.to_owned(), source };
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}
