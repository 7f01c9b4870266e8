//! What a study file says: the study with its trials, and the stages of a trial.

use std::collections::HashMap;

use autodistillation_search::{Architecture, Metrics, Outcome, Study, Trial};
use rusqlite::{OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::study_store::Rows;
use super::writing::attribute;
use super::{Error, StageRecord, StudyStore};
use crate::started_from::{StartedFrom, Starts};

impl StudyStore {
    /// The study as it is on disk, its trials in the order of their numbers; running ones are pending.
    ///
    /// # Errors
    /// A store that cannot be read, or that another program has changed.
    pub fn load(&self) -> Result<Study, Error> {
        let rows = self.rows();
        // One snapshot, whatever other processes write meanwhile.
        let _snapshot = self.connection.unchecked_transaction().map_err(|source| rows.sql(source))?;
        let trials = rows.trials()?.into_iter().map(|row| rows.trial(row)).collect::<Result<_, _>>()?;
        Ok(Study {
            space: self.definition.space.clone(),
            goals: self.definition.goals.clone(),
            seed: self.definition.seed,
            trials,
            constraints: self.definition.constraints.clone(),
        })
    }

    /// What the trials' students started from; those that have not begun, or were trained elsewhere, are missing.
    ///
    /// # Errors
    /// A store that cannot be read, or that another program has changed.
    pub fn starts(&self) -> Result<Starts, Error> {
        let rows = self.rows();
        let start = |row: NumberedRow| -> Result<_, Error> {
            let start: Option<StartedFrom> = rows.attribute(row.trial_id, attribute::START)?;
            Ok(start.map(|start| (row.number, start)))
        };
        rows.trials()?.into_iter().filter_map(|row| start(row).transpose()).collect()
    }

    /// The finished stages of a trial, in order; none for a trial that was never begun.
    ///
    /// # Errors
    /// A store that cannot be read, or that another program has changed.
    pub fn stages(&self, number: u32) -> Result<Vec<StageRecord>, Error> {
        let rows = self.rows();
        rows.find_trial(number)?.map_or(Ok(Vec::new()), |row| rows.stages(row.trial_id))
    }
}

/// A row of `trials` with its number.
struct NumberedRow {
    trial_id: i64,
    number: u32,
    state: String,
}

impl Rows<'_> {
    fn trials(&self) -> Result<Vec<NumberedRow>, Error> {
        let query =
            "SELECT trial_id, number, state FROM trials WHERE study_id = ?1 ORDER BY number, trial_id";
        self.list(query, self.study_id, |row| {
            Ok(NumberedRow { trial_id: row.get(0)?, number: row.get(1)?, state: row.get(2)? })
        })
    }

    fn trial(&self, row: NumberedRow) -> Result<Trial, Error> {
        let NumberedRow { trial_id, number, state } = row;
        let outcome = match state.as_str() {
            "RUNNING" => None,
            "COMPLETE" => Some(Outcome::Completed(self.completed(trial_id)?)),
            "PRUNED" => Some(Outcome::Pruned(self.metrics(trial_id, attribute::METRICS)?)),
            "FAIL" => Some(self.failed(trial_id)?),
            other => {
                return Err(self.unexpected(
                    trial_id,
                    "the state",
                    other,
                    "RUNNING, COMPLETE, PRUNED or FAIL",
                ));
            }
        };
        let architecture = self.architecture(trial_id, number)?;
        Ok(Trial {
            number,
            architecture,
            outcome,
            intermediate: self.metrics(trial_id, attribute::INTERMEDIATE)?,
        })
    }

    fn completed(&self, trial_id: i64) -> Result<Metrics, Error> {
        let mut metrics = self.metrics(trial_id, attribute::METRICS)?;
        let query = "SELECT objective, value, value_type FROM trial_values WHERE trial_id = ?1";
        let values: Vec<(usize, Option<f64>, String)> =
            self.list(query, trial_id, |row| Ok((row.get::<_, u32>(0)? as usize, row.get(1)?, row.get(2)?)))?;
        for (objective, value, kind) in values {
            let value = match (kind.as_str(), value) {
                ("INF_POS", _) => f64::INFINITY,
                ("INF_NEG", _) => f64::NEG_INFINITY,
                (_, Some(value)) => value,
                (kind, None) => {
                    return Err(self.unexpected(trial_id, "a value", kind, "INF_POS, INF_NEG or a number"));
                }
            };
            if let Some(goal) = self.definition.goals.get(objective) {
                metrics.insert(goal.metric.clone(), value);
            }
        }
        Ok(metrics)
    }

    /// A failure, or a completed trial in which a goal is undefined.
    fn failed(&self, trial_id: i64) -> Result<Outcome, Error> {
        if self.attribute::<Vec<String>>(trial_id, attribute::UNDEFINED)?.is_some() {
            return Ok(Outcome::Completed(self.metrics(trial_id, attribute::METRICS)?));
        }
        let reason = self.attribute(trial_id, attribute::FAILURE)?;
        Ok(Outcome::Failed(reason.unwrap_or_else(|| "no reason was recorded".to_owned())))
    }

    /// The choice of every dimension, from the indices that Optuna reads too.
    pub fn architecture(&self, trial_id: i64, number: u32) -> Result<Architecture, Error> {
        let query = "SELECT param_name, param_value FROM trial_params WHERE trial_id = ?1";
        let indices: HashMap<String, f64> =
            self.list(query, trial_id, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
        let choices = self.definition.space.dimensions().iter().map(|dimension| {
            let index = indices.get(&dimension.name).copied().unwrap_or(-1.0);
            let choice = (0u32..).zip(&dimension.choices).find(|(position, _)| f64::from(*position) == index);
            let place = || format!("parameter `{}` of trial {number}", dimension.name);
            let choice = choice.ok_or_else(|| Error::Unexpected {
                path: self.path.to_owned(),
                place: place(),
                found: index.to_string(),
                expected: "the position of a choice",
            })?;
            Ok((dimension.name.clone(), choice.1.clone()))
        });
        choices.collect()
    }

    pub fn stages(&self, trial_id: i64) -> Result<Vec<StageRecord>, Error> {
        let query = "SELECT record_json FROM autodistillation_stages WHERE trial_id = ?1 ORDER BY stage";
        let records: Vec<String> = self.list(query, trial_id, |row| row.get(0))?;
        records.iter().map(|json| self.parse(trial_id, "a stage", json)).collect()
    }

    /// A user attribute that holds metrics; none where it is absent.
    pub fn metrics(&self, trial_id: i64, key: &'static str) -> Result<Metrics, Error> {
        Ok(self.attribute(trial_id, key)?.unwrap_or_default())
    }

    fn attribute<T: DeserializeOwned>(&self, trial_id: i64, key: &'static str) -> Result<Option<T>, Error> {
        let query = r#"SELECT value_json FROM trial_user_attributes WHERE trial_id = ?1 AND "key" = ?2"#;
        let json: Option<String> = self
            .connection
            .prepare_cached(query)
            .and_then(|mut statement| statement.query_row((trial_id, key), |row| row.get(0)).optional())
            .map_err(|source| self.sql(source))?;
        json.map(|json| self.parse(trial_id, key, &json)).transpose()
    }

    fn parse<T: DeserializeOwned>(&self, trial_id: i64, what: &str, json: &str) -> Result<T, Error> {
        serde_json::from_str(json)
            .map_err(|_| self.unexpected(trial_id, what, json, "what this program writes there"))
    }

    fn list<T>(
        &self,
        query: &str,
        id: i64,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.connection.prepare_cached(query).and_then(|mut statement| {
            let rows = statement.query_map([id], read)?;
            rows.collect()
        });
        rows.map_err(|source| self.sql(source))
    }

    fn unexpected(&self, trial_id: i64, what: &str, found: &str, expected: &'static str) -> Error {
        let place = format!("{what} of the trial with id {trial_id}");
        Error::Unexpected { path: self.path.to_owned(), place, found: found.to_owned(), expected }
    }
}
