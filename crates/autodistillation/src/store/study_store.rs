//! Opening and creating the file of one study.

use std::path::{Path, PathBuf};
use std::time::Duration;

use autodistillation_search::{Constraint, Direction};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::{Error, StudyDefinition, schema};

/// How long a write waits for another program that has locked the file.
pub(super) const BUSY_SECONDS: u64 = 30;

/// One study in an SQLite file.
#[derive(Debug)]
pub struct StudyStore {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    pub(super) study_id: i64,
    pub(super) definition: StudyDefinition,
}

impl StudyStore {
    /// Creates the study, or opens it again where the file holds it already.
    ///
    /// An existing study gets the constraints of `definition`; everything else has to be the same.
    ///
    /// # Errors
    /// A file that cannot be created or written, that is no study or of another version, or whose study was
    /// made with other settings: the message lists every one.
    pub fn open(path: &Path, definition: &StudyDefinition) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = connect(path, flags)?;
        let transaction = begin(&mut connection, path)?;
        schema::create_missing(&transaction, path)?;
        let study_id = match find(&transaction, path)? {
            Some(stored) => {
                let differences = stored.definition.differences(definition);
                if !differences.is_empty() {
                    return Err(Error::Different { path: path.to_owned(), differences });
                }
                stored.study_id
            }
            None => insert(&transaction, path, definition)?,
        };
        write_constraints(&transaction, path, study_id, definition)?;
        transaction.commit().map_err(|source| Error::from_sql(path, source))?;
        keep_a_log(&connection, path)?;
        Ok(Self { path: path.to_owned(), connection, study_id, definition: definition.clone() })
    }

    /// Opens the study of an earlier run with the definition stored in it.
    ///
    /// # Errors
    /// A file that is missing, cannot be read, is no study or is of another version.
    pub fn open_existing(path: &Path) -> Result<Self, Error> {
        if !path.is_file() {
            return Err(Error::NoStudy { path: path.to_owned() });
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        schema::check(&connection, path)?;
        let stored = if schema::has_own_tables(&connection, path)? { find(&connection, path)? } else { None };
        let stored = stored.ok_or_else(|| Error::NoStudy { path: path.to_owned() })?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            study_id: stored.study_id,
            definition: stored.definition,
        })
    }

    /// What makes this study the study it is.
    pub fn definition(&self) -> &StudyDefinition {
        &self.definition
    }

    /// Runs `write` in a transaction that is on disk when this returns, or leaves no trace.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&Rows<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = begin(&mut self.connection, &self.path)?;
        let rows = Rows {
            connection: &transaction,
            path: &self.path,
            study_id: self.study_id,
            definition: &self.definition,
        };
        let result = write(&rows)?;
        transaction.commit().map_err(|source| Error::from_sql(&self.path, source))?;
        Ok(result)
    }

    /// The rows of this study, outside of a transaction.
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows {
            connection: &self.connection,
            path: &self.path,
            study_id: self.study_id,
            definition: &self.definition,
        }
    }
}

/// A clean end leaves one plain file that can be copied and read anywhere.
impl Drop for StudyStore {
    fn drop(&mut self) {
        // Refused while another program reads, and then the log simply stays: nothing is lost either way.
        let _ = self.connection.busy_timeout(Duration::ZERO);
        let _ = self.connection.pragma_update(None, "journal_mode", "DELETE");
    }
}

/// The rows of one study, through a connection or a transaction.
pub(super) struct Rows<'a> {
    pub connection: &'a Connection,
    pub path: &'a Path,
    pub study_id: i64,
    pub definition: &'a StudyDefinition,
}

impl Rows<'_> {
    pub fn sql(&self, source: rusqlite::Error) -> Error {
        Error::from_sql(self.path, source)
    }

    pub fn execute(&self, statement: &str, parameters: impl rusqlite::Params) -> Result<usize, Error> {
        let done =
            self.connection.prepare_cached(statement).and_then(|mut statement| statement.execute(parameters));
        done.map_err(|source| self.sql(source))
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let sql = |source| Error::from_sql(path, source);
    let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS)).map_err(sql)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sql)?;
    // Each commit waits for the disk, so that even a power cut loses no finished trial.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
    Ok(connection)
}

/// Switches to a write-ahead log, with which other programs read while this one writes.
///
/// File systems without shared memory refuse, and then the rollback journal does as well.
fn keep_a_log(connection: &Connection, path: &Path) -> Result<(), Error> {
    let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
    match mode.map_err(|source| Error::from_sql(path, source)) {
        Ok(_) | Err(Error::Busy { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Begins a transaction that holds the write lock from the start, so that it cannot fail half-way for want of it.
fn begin<'a>(connection: &'a mut Connection, path: &Path) -> Result<Transaction<'a>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    transaction.map_err(|source| Error::from_sql(path, source))
}

struct Stored {
    study_id: i64,
    definition: StudyDefinition,
}

/// The study that this program keeps in the file; there is at most one.
fn find(connection: &Connection, path: &Path) -> Result<Option<Stored>, Error> {
    let query = "SELECT study_id, format, definition_json, constraints_json FROM autodistillation_studies";
    let row = connection.query_row(query, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    });
    let Some((study_id, format, definition, constraints)) =
        row.optional().map_err(|source| Error::from_sql(path, source))?
    else {
        return Ok(None);
    };
    if format != schema::FORMAT {
        return Err(Error::WrongVersion {
            path: path.to_owned(),
            what: "format",
            found: format.to_string(),
            expected: schema::FORMAT.to_string(),
            remedy: "use the program version that made it",
        });
    }
    let unexpected = |found: &str, expected| Error::Unexpected {
        path: path.to_owned(),
        place: "table autodistillation_studies".to_owned(),
        found: found.to_owned(),
        expected,
    };
    let parsed: Option<StudyDefinition> = serde_json::from_str(&definition).ok();
    let constraints: Option<Vec<Constraint>> = serde_json::from_str(&constraints).ok();
    match (parsed, constraints) {
        (Some(parsed), Some(constraints)) => {
            Ok(Some(Stored { study_id, definition: StudyDefinition { constraints, ..parsed } }))
        }
        _ => Err(unexpected(&definition, "a study definition")),
    }
}

/// Writes a study without trials, as Optuna's `create_study` would, and its definition.
fn insert(connection: &Connection, path: &Path, definition: &StudyDefinition) -> Result<i64, Error> {
    let sql = |source| Error::from_sql(path, source);
    let taken = "SELECT COUNT(*) FROM studies WHERE study_name = ?1";
    if connection.query_row(taken, [&definition.name], |row| row.get::<_, i64>(0)).map_err(sql)? > 0 {
        return Err(Error::NameTaken { path: path.to_owned(), name: definition.name.clone() });
    }
    let study = "INSERT INTO studies (study_name) VALUES (?1) RETURNING study_id";
    let study_id: i64 = connection.query_row(study, [&definition.name], |row| row.get(0)).map_err(sql)?;
    let direction = "INSERT INTO study_directions (study_id, objective, direction) VALUES (?1, ?2, ?3)";
    for (objective, goal) in definition.goals.iter().enumerate() {
        let name = match goal.direction {
            Direction::Maximize => "MAXIMIZE",
            Direction::Minimize => "MINIMIZE",
        };
        connection.execute(direction, (study_id, objective as i64, name)).map_err(sql)?;
    }
    let names: Vec<&str> = definition.goals.iter().map(|goal| goal.metric.as_str()).collect();
    let attribute = r#"INSERT INTO study_system_attributes (study_id, "key", value_json) VALUES (?1, 'study:metric_names', ?2)"#;
    connection.execute(attribute, (study_id, serde_json::json!(names).to_string())).map_err(sql)?;
    let attribute =
        r#"INSERT INTO study_user_attributes (study_id, "key", value_json) VALUES (?1, 'seed', ?2)"#;
    connection.execute(attribute, (study_id, definition.seed.to_string())).map_err(sql)?;
    let own = "INSERT INTO autodistillation_studies (study_id, format, definition_json, constraints_json) VALUES (?1, ?2, ?3, '[]')";
    let json = serde_json::to_string(definition)
        .map_err(|source| sql(rusqlite::Error::ToSqlConversionFailure(source.into())))?;
    connection.execute(own, (study_id, schema::FORMAT, json)).map_err(sql)?;
    Ok(study_id)
}

fn write_constraints(
    connection: &Connection,
    path: &Path,
    study_id: i64,
    definition: &StudyDefinition,
) -> Result<(), Error> {
    let sql = |source| Error::from_sql(path, source);
    let json = serde_json::to_string(&definition.constraints)
        .map_err(|source| sql(rusqlite::Error::ToSqlConversionFailure(source.into())))?;
    let update = "UPDATE autodistillation_studies SET constraints_json = ?2 WHERE study_id = ?1";
    connection.execute(update, (study_id, json)).map_err(sql)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::example::{apply, definition, expected, folder, shown, steps};
    use super::*;
    use autodistillation_search::Goal;

    fn open_error(path: &Path) -> String {
        StudyStore::open(path, &definition()).unwrap_err().to_string()
    }

    #[test]
    fn a_study_comes_back_in_a_fresh_store() {
        let (_folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        steps().iter().for_each(|step| apply(&mut store, step));
        drop(store);
        let expected = shown(&expected(&steps()));
        assert_eq!(shown(&StudyStore::open(&path, &definition()).unwrap().load().unwrap()), expected);
        let existing = StudyStore::open_existing(&path).unwrap();
        assert_eq!(shown(&existing.load().unwrap()), expected);
        assert_eq!(existing.definition(), &definition());
    }

    #[test]
    fn a_clean_end_leaves_one_plain_file() {
        let (folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        apply(&mut store, &steps()[0]);
        assert!(folder.path().join("study.db-wal").exists());
        drop(store);
        let names: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["study.db"]);
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&path, permissions).unwrap();
        assert_eq!(StudyStore::open_existing(&path).unwrap().load().unwrap().trials.len(), 1);
    }

    #[test]
    fn other_settings_are_refused_and_change_nothing() {
        let (_folder, path) = folder();
        drop(StudyStore::open(&path, &definition()).unwrap());
        let goals = vec![Goal::maximize("accuracy"), Goal::maximize("latency")];
        let other = StudyDefinition { seed: 1, goals, ..definition() };
        let error = StudyStore::open(&path, &other).unwrap_err().to_string();
        let (first, rest) = error.split_once('\n').unwrap();
        assert!(first.ends_with("study.db: the study was made with other settings:"), "{first}");
        let expected = "  metrics: [\"maximize accuracy\",\"minimize latency\"] in the study, [\"maximize accuracy\",\"maximize latency\"] now
  seed: 18446744073709551615 in the study, 1 now
restore them, or choose another output folder (only the number of trials, jobs and constraints may change)";
        assert_eq!(rest, expected);
        assert!(StudyStore::open(&path, &definition()).is_ok());
    }

    #[test]
    fn constraints_may_change_between_runs() {
        let (_folder, path) = folder();
        drop(StudyStore::open(&path, &definition()).unwrap());
        let constraints = vec![Constraint::parse("max_latency_ms", "8").unwrap()];
        let constrained = StudyDefinition { constraints: constraints.clone(), ..definition() };
        assert_eq!(StudyStore::open(&path, &constrained).unwrap().load().unwrap().constraints, constraints);
        assert_eq!(StudyStore::open_existing(&path).unwrap().load().unwrap().constraints, constraints);
    }

    #[test]
    fn files_of_other_programs_are_refused_and_stay_as_they_are() {
        let (folder, path) = folder();
        std::fs::write(&path, "text,label\n".repeat(100)).unwrap();
        assert!(open_error(&path).contains("not a study (it is no SQLite file)"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text,label\n".repeat(100));

        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE photos (id INTEGER)").unwrap();
        let before = std::fs::read(&other).unwrap();
        assert!(open_error(&other).contains("not a study (it is an SQLite file of another program)"));
        assert_eq!(std::fs::read(&other).unwrap(), before);
    }

    #[test]
    fn other_versions_are_refused_with_what_helps() {
        let (_folder, path) = folder();
        drop(StudyStore::open(&path, &definition()).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.execute("UPDATE autodistillation_studies SET format = 2", []).unwrap();
        assert!(
            open_error(&path)
                .contains("format version 2, this program reads 1; use the program version that made it")
        );
        connection.execute("UPDATE alembic_version SET version_num = 'v3.0.0.d'", []).unwrap();
        let error = open_error(&path);
        assert!(
            error.contains("Optuna schema version 12 (v3.0.0.d), this program reads 12 (v3.2.0.a)"),
            "{error}"
        );
        assert!(error.contains("`optuna storage upgrade`"), "{error}");
    }

    #[test]
    fn an_empty_file_becomes_a_study_and_a_missing_folder_is_named() {
        let (folder, path) = folder();
        std::fs::write(&path, "").unwrap();
        assert!(StudyStore::open(&path, &definition()).is_ok());
        assert!(open_error(&folder.path().join("nowhere/study.db")).contains("check that the folder exists"));
        let missing = folder.path().join("missing.db");
        assert!(StudyStore::open_existing(&missing).unwrap_err().to_string().contains("no study there"));
        assert!(!missing.exists());
    }

    #[test]
    fn studies_that_optuna_made_stay_and_keep_their_names() {
        let (_folder, path) = folder();
        drop(
            StudyStore::open(&path, &StudyDefinition { name: "theirs".to_owned(), ..definition() }).unwrap(),
        );
        let own = "DROP TABLE autodistillation_leases; DROP TABLE autodistillation_stages; DROP TABLE autodistillation_studies";
        Connection::open(&path).unwrap().execute_batch(own).unwrap();
        assert!(StudyStore::open_existing(&path).unwrap_err().to_string().contains("no study there"));
        let theirs = StudyDefinition { name: "theirs".to_owned(), ..definition() };
        assert!(
            StudyStore::open(&path, &theirs)
                .unwrap_err()
                .to_string()
                .contains("a study `theirs` that another program made")
        );
        assert_eq!(StudyStore::open(&path, &definition()).unwrap().load().unwrap().trials, []);
    }

    #[test]
    fn a_full_disk_is_named_and_loses_nothing() {
        let (_folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        apply(&mut store, &steps()[0]);
        store.connection.pragma_update(None, "max_page_count", 1).unwrap();
        let long = autodistillation_search::Outcome::Failed("x".repeat(100_000));
        let error = store.finish_trial(0, &long).unwrap_err().to_string();
        assert!(error.contains("the disk is full; free some space"), "{error}");
        drop(store);
        assert_eq!(
            shown(&StudyStore::open(&path, &definition()).unwrap().load().unwrap()),
            shown(&expected(&steps()[..1]))
        );
    }
}
