//! What can go wrong with a study store or an output folder.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::Difference;

/// Why a study could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or created.
    #[error("{path}: the study cannot be opened; check that the folder exists and that you may write to it")]
    CannotOpen {
        /// The study's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// There is no study to read.
    #[error("{path}: no study there; name the output folder of a run")]
    NoStudy {
        /// The study's file.
        path: PathBuf,
    },
    /// The file or its folder is write-protected.
    #[error(
        "{path}: the study is read-only; give yourself write permission, or choose another output folder"
    )]
    ReadOnly {
        /// The study's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// No space is left.
    #[error(
        "{path}: the disk is full; free some space and run the same command again, finished trials are kept"
    )]
    DiskFull {
        /// The study's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another program kept the file locked for too long.
    #[error(
        "{path}: another program has locked the study for over {seconds} s; close it and run the same command again"
    )]
    Busy {
        /// The study's file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file is something else.
    #[error("{path}: not a study ({found}); move the file away or choose another output folder")]
    NotAStudy {
        /// The study's file.
        path: PathBuf,
        /// What it seems to be.
        found: &'static str,
    },
    /// The file is a study of another version.
    #[error("{path}: the study has {what} version {found}, this program reads {expected}; {remedy}")]
    WrongVersion {
        /// The study's file.
        path: PathBuf,
        /// Which version: Optuna's schema, or this program's own format.
        what: &'static str,
        /// The version found.
        found: String,
        /// The version that is read.
        expected: String,
        /// What helps.
        remedy: &'static str,
    },
    /// The file is damaged.
    #[error("{path}: the study is damaged; restore it from a copy, or move it away and start again")]
    Damaged {
        /// The study's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A row that this program cannot have written.
    #[error(
        "{path}: {place} holds `{found}`; expected {expected}: the study was changed by another program, restore it from a copy"
    )]
    Unexpected {
        /// The study's file.
        path: PathBuf,
        /// Where it stands.
        place: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A study that another program made has the name.
    #[error(
        "{path}: a study `{name}` that another program made is in the file; change `model.name` or choose another output folder"
    )]
    NameTaken {
        /// The study's file.
        path: PathBuf,
        /// The study's name.
        name: String,
    },
    /// The study was made with other settings.
    #[error("{path}: the study was made with other settings:{}\nrestore them, or choose another output folder (only the number of trials, jobs and constraints may change)", listed(.differences))]
    Different {
        /// The study's file.
        path: PathBuf,
        /// Everything that differs, at least one.
        differences: Vec<Difference>,
    },
    /// A trial that was never begun.
    #[error("{path}: trial {number} was never begun; begin it before its stages or its end are written")]
    UnknownTrial {
        /// The study's file.
        path: PathBuf,
        /// The trial.
        number: u32,
    },
    /// A trial whose end is already written.
    #[error("{path}: trial {number} has ended already; a trial ends once")]
    TrialEnded {
        /// The study's file.
        path: PathBuf,
        /// The trial.
        number: u32,
    },
    /// Two architectures for one trial number.
    #[error(
        "{path}: trial {number} is there with {stored}, not {requested}; give the trial a number of its own"
    )]
    TrialTaken {
        /// The study's file.
        path: PathBuf,
        /// The trial.
        number: u32,
        /// The architecture in the store.
        stored: String,
        /// The architecture that should be begun.
        requested: String,
    },
    /// An architecture that is no point of the study's space.
    #[error(
        "{path}: trial {number} ({architecture}) is not in the study's search space; propose architectures from it"
    )]
    OutsideSpace {
        /// The study's file.
        path: PathBuf,
        /// The trial.
        number: u32,
        /// Its architecture.
        architecture: String,
    },
    /// Anything else that SQLite refuses.
    #[error("{path}: the study cannot be read or written; check the disk and its free space")]
    Sql {
        /// The study's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another run works in the output folder.
    #[error("{folder}: the output folder is in use by another run{owner}; wait for it, stop it, or choose another output folder", owner = process(.owner))]
    FolderInUse {
        /// The output folder.
        folder: PathBuf,
        /// The other run's process id, where it could be read.
        owner: Option<u32>,
    },
    /// The output folder cannot be made or locked.
    #[error(
        "{folder}: the output folder cannot be used; check that it can be created and written to, and that its disk is not full"
    )]
    FolderUnusable {
        /// The output folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    /// Names the cause and the remedy of an SQLite error.
    pub(super) fn from_sql(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Error::CannotOpen { path, source },
            Some(ErrorCode::ReadOnly) => Error::ReadOnly { path, source },
            Some(ErrorCode::DiskFull) => Error::DiskFull { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Busy { path, seconds: super::study_store::BUSY_SECONDS, source }
            }
            Some(ErrorCode::NotADatabase) => Error::NotAStudy { path, found: "it is no SQLite file" },
            Some(ErrorCode::DatabaseCorrupt) => Error::Damaged { path, source },
            _ => Error::Sql { path, source },
        }
    }
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n  {difference}")).collect()
}

fn process(owner: &Option<u32>) -> String {
    owner.map(|id| format!(" (process {id})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes_become_causes_with_remedies() {
        let message = |code| {
            let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            Error::from_sql(Path::new("run/study.db"), source).to_string()
        };
        assert!(
            message(rusqlite::ffi::SQLITE_FULL)
                .starts_with("run/study.db: the disk is full; free some space")
        );
        assert!(
            message(rusqlite::ffi::SQLITE_READONLY).contains("is read-only; give yourself write permission")
        );
        assert!(message(rusqlite::ffi::SQLITE_BUSY).contains("locked the study for over 30 s"));
        assert!(message(rusqlite::ffi::SQLITE_CORRUPT).contains("is damaged; restore it from a copy"));
        assert!(message(rusqlite::ffi::SQLITE_NOTADB).contains("not a study (it is no SQLite file)"));
        assert!(message(rusqlite::ffi::SQLITE_CANTOPEN).contains("check that the folder exists"));
    }
}
