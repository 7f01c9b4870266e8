//! Paths of a config: relative to its own folder, and checked to exist.

use std::path::{Path, PathBuf};

use super::cursor::Cursor;
use super::problem::Problem;

/// The path of an existing file.
pub(super) fn existing_file(cursor: &Cursor<'_>, base: &Path) -> Option<PathBuf> {
    existing(cursor, base, "file", Path::is_file)
}

/// The path of an existing folder.
pub(super) fn existing_folder(cursor: &Cursor<'_>, base: &Path) -> Option<PathBuf> {
    existing(cursor, base, "folder", Path::is_dir)
}

fn existing(
    cursor: &Cursor<'_>,
    base: &Path,
    kind: &'static str,
    right: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let path = base.join(cursor.text()?);
    if right(&path) {
        return Some(path);
    }
    cursor.problem(match path.exists() {
        true => Problem::WrongPathKind { kind, path },
        false => Problem::NoSuchPath { kind, path },
    });
    None
}
