//! The tables of a study store, and the check that a file has them.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::Error;

/// The version of Optuna's schema that is written, as its `version_info` and `alembic_version` state it.
pub(super) const OPTUNA_SCHEMA: i64 = 12;
const OPTUNA_REVISION: &str = "v3.2.0.a";
/// The oldest Optuna release line that creates this schema unchanged; only named in Optuna's messages.
const OPTUNA_RELEASE: &str = "5.0.0";

/// The version of the `autodistillation_` tables.
pub(super) const FORMAT: i64 = 1;

/// The tables that Optuna 3.2 to 5 creates (columns, types, keys and indexes are its interface).
const OPTUNA_TABLES: &str = r#"
CREATE TABLE studies (
    study_id INTEGER NOT NULL PRIMARY KEY,
    study_name VARCHAR(512) NOT NULL
);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE TABLE version_info (
    version_info_id INTEGER NOT NULL PRIMARY KEY CHECK (version_info_id = 1),
    schema_version INTEGER,
    library_version VARCHAR(256)
);
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY
);
CREATE TABLE study_directions (
    study_direction_id INTEGER NOT NULL PRIMARY KEY,
    direction VARCHAR(8) NOT NULL,
    study_id INTEGER NOT NULL REFERENCES studies (study_id),
    objective INTEGER NOT NULL,
    UNIQUE (study_id, objective)
);
CREATE TABLE study_user_attributes (
    study_user_attribute_id INTEGER NOT NULL PRIMARY KEY,
    study_id INTEGER REFERENCES studies (study_id),
    "key" VARCHAR(512),
    value_json TEXT,
    UNIQUE (study_id, "key")
);
CREATE TABLE study_system_attributes (
    study_system_attribute_id INTEGER NOT NULL PRIMARY KEY,
    study_id INTEGER REFERENCES studies (study_id),
    "key" VARCHAR(512),
    value_json TEXT,
    UNIQUE (study_id, "key")
);
CREATE TABLE trials (
    trial_id INTEGER NOT NULL PRIMARY KEY,
    number INTEGER,
    study_id INTEGER REFERENCES studies (study_id),
    state VARCHAR(8) NOT NULL,
    datetime_start DATETIME,
    datetime_complete DATETIME
);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE TABLE trial_user_attributes (
    trial_user_attribute_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER REFERENCES trials (trial_id),
    "key" VARCHAR(512),
    value_json TEXT,
    UNIQUE (trial_id, "key")
);
CREATE TABLE trial_system_attributes (
    trial_system_attribute_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER REFERENCES trials (trial_id),
    "key" VARCHAR(512),
    value_json TEXT,
    UNIQUE (trial_id, "key")
);
CREATE TABLE trial_params (
    param_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER REFERENCES trials (trial_id),
    param_name VARCHAR(512),
    param_value FLOAT,
    distribution_json TEXT,
    UNIQUE (trial_id, param_name)
);
CREATE TABLE trial_values (
    trial_value_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
    objective INTEGER NOT NULL,
    value FLOAT,
    value_type VARCHAR(7) NOT NULL,
    UNIQUE (trial_id, objective)
);
CREATE TABLE trial_intermediate_values (
    trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
    step INTEGER NOT NULL,
    intermediate_value FLOAT,
    intermediate_value_type VARCHAR(7) NOT NULL,
    UNIQUE (trial_id, step)
);
CREATE TABLE trial_heartbeats (
    trial_heartbeat_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER NOT NULL UNIQUE REFERENCES trials (trial_id),
    heartbeat DATETIME NOT NULL
);
"#;

/// What Optuna has no table for. `deadline` is in seconds since 1970.
const OWN_TABLES: &str = r#"
CREATE TABLE autodistillation_studies (
    study_id INTEGER NOT NULL PRIMARY KEY REFERENCES studies (study_id),
    format INTEGER NOT NULL,
    definition_json TEXT NOT NULL,
    constraints_json TEXT NOT NULL
);
CREATE TABLE autodistillation_stages (
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
    stage INTEGER NOT NULL,
    record_json TEXT NOT NULL,
    PRIMARY KEY (trial_id, stage)
);
CREATE TABLE autodistillation_leases (
    trial_id INTEGER NOT NULL PRIMARY KEY REFERENCES trials (trial_id),
    owner TEXT NOT NULL,
    deadline FLOAT NOT NULL
);
"#;

/// Makes the tables that are missing: all of them in an empty file, this program's own in a file that Optuna made.
///
/// Runs within the caller's transaction, so that a file never holds half a schema.
pub(super) fn create_missing(connection: &Connection, path: &Path) -> Result<(), Error> {
    let sql = |source| Error::from_sql(path, source);
    if table_count(connection, path)? == 0 {
        connection.execute_batch(OPTUNA_TABLES).map_err(sql)?;
        let version =
            "INSERT INTO version_info (version_info_id, schema_version, library_version) VALUES (1, ?1, ?2)";
        connection.execute(version, (OPTUNA_SCHEMA, OPTUNA_RELEASE)).map_err(sql)?;
        connection
            .execute("INSERT INTO alembic_version (version_num) VALUES (?1)", [OPTUNA_REVISION])
            .map_err(sql)?;
    }
    check(connection, path)?;
    if !has_table(connection, path, "autodistillation_studies")? {
        connection.execute_batch(OWN_TABLES).map_err(sql)?;
    }
    Ok(())
}

/// Whether the file is a store that this program reads.
///
/// # Errors
/// It is something else, or of another version.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    if !has_table(connection, path, "version_info")? || !has_table(connection, path, "alembic_version")? {
        return Err(Error::NotAStudy {
            path: path.to_owned(),
            found: "it is an SQLite file of another program",
        });
    }
    let schema: Option<i64> = single(connection, path, "SELECT schema_version FROM version_info")?;
    let revision: Option<String> = single(connection, path, "SELECT version_num FROM alembic_version")?;
    if (schema, revision.as_deref()) == (Some(OPTUNA_SCHEMA), Some(OPTUNA_REVISION)) {
        return Ok(());
    }
    let found = format!("{} ({})", schema.unwrap_or_default(), revision.as_deref().unwrap_or("no revision"));
    Err(Error::WrongVersion {
        path: path.to_owned(),
        what: "Optuna schema",
        found,
        expected: format!("{OPTUNA_SCHEMA} ({OPTUNA_REVISION})"),
        remedy: "an older one is brought up to date by `optuna storage upgrade`",
    })
}

/// Whether the file holds the `autodistillation_` tables.
pub(super) fn has_own_tables(connection: &Connection, path: &Path) -> Result<bool, Error> {
    has_table(connection, path, "autodistillation_studies")
}

fn has_table(connection: &Connection, path: &Path, name: &str) -> Result<bool, Error> {
    let query = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
    let count: i64 =
        connection.query_row(query, [name], |row| row.get(0)).map_err(|e| Error::from_sql(path, e))?;
    Ok(count > 0)
}

fn table_count(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let count = connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0));
    count.map_err(|source| Error::from_sql(path, source))
}

fn single<T: rusqlite::types::FromSql>(
    connection: &Connection,
    path: &Path,
    query: &str,
) -> Result<Option<T>, Error> {
    let value = connection.query_row(query, [], |row| row.get(0)).optional();
    value.map(Option::flatten).map_err(|source| Error::from_sql(path, source))
}
