//! What can go wrong while results are written.

use std::io;
use std::path::{Path, PathBuf};

/// A result that could not be written; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot write `{}`: {remedy}", path.display())]
    Write {
        /// The file that was to be written; what it held before is still there.
        path: PathBuf,
        /// What the user can do.
        remedy: &'static str,
        /// The file system's answer.
        source: io::Error,
    },
    /// A value has no JSON form.
    #[error("cannot write `{}`: a value in it has no JSON form; please report this as a bug", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// The encoder's answer.
        source: serde_json::Error,
    },
    /// A document was asked for a trial that the study does not have.
    #[error(
        "trial {number} is not in the run `{run}` (it has {known}); give the number of one of its trials"
    )]
    UnknownTrial {
        /// The number asked for.
        number: u32,
        /// The run's name.
        run: String,
        /// The numbers there are, as text.
        known: String,
    },
}

impl Error {
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), remedy: remedy(source.kind()), source }
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::StorageFull | Kind::QuotaExceeded => {
            "the disk is full: free some space and run `autodistillation report` on the run again"
        }
        Kind::PermissionDenied => "no permission: make the folder writable, or give another output folder",
        Kind::ReadOnlyFilesystem => "the file system is read-only: give an output folder elsewhere",
        Kind::NotFound => "its folder does not exist and could not be made: check the path",
        Kind::NotADirectory => {
            "a part of the path is a file: give an output folder that is not inside a file"
        }
        Kind::IsADirectory => "a folder of that name is in the way: move it away",
        _ => "the file system refused: see the cause below",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_missing_permission_have_their_own_remedies() {
        let message =
            |kind: io::ErrorKind| Error::write(Path::new("run/pareto.json"), kind.into()).to_string();
        assert!(message(io::ErrorKind::StorageFull).contains("`run/pareto.json`: the disk is full"));
        assert!(message(io::ErrorKind::PermissionDenied).contains("no permission"));
        assert!(message(io::ErrorKind::Other).contains("see the cause"));
    }
}
