//! What is written while trials run: their start, their stages, their end.

use autodistillation_search::{Architecture, Choice, Metrics, Outcome, Trial};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::study_store::Rows;
use super::{Error, StudyStore};
use crate::started_from::StartedFrom;

/// One finished stage of one trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage's position in the scheduler, from 0.
    pub stage: u32,
    /// What it is called in reports.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// What was measured after it, such as the score after flash distillation.
    #[serde(default)]
    pub metrics: Metrics,
}

/// The names of the user attributes that are written.
pub(super) mod attribute {
    pub const ARCHITECTURE: &str = "architecture";
    pub const INTERMEDIATE: &str = "intermediate";
    pub const METRICS: &str = "metrics";
    pub const STAGES: &str = "stages";
    pub const FAILURE: &str = "failure_reason";
    pub const UNDEFINED: &str = "undefined_goals";
    pub const START: &str = "started_from";
}

impl StudyStore {
    /// Writes that a trial has started, with the values known before it trains ([`Trial::intermediate`]).
    ///
    /// A trial that was interrupted may begin again with the same architecture.
    ///
    /// # Errors
    /// An architecture outside the study's space, a number that another architecture has, a trial that has
    /// ended, or a store that cannot be written.
    pub fn begin_trial(&mut self, trial: &Trial) -> Result<(), Error> {
        self.write(|rows| match rows.find_trial(trial.number)? {
            None => rows.insert_trial(trial),
            Some(row) => rows.check_same(&row, trial),
        })
    }

    /// Writes what the student of a running trial starts from.
    ///
    /// # Errors
    /// A trial that was never begun or that has ended, or a store that cannot be written.
    pub fn record_start(&mut self, number: u32, start: &StartedFrom) -> Result<(), Error> {
        self.write(|rows| {
            let trial_id = rows.running_trial(number)?;
            rows.set_attribute(trial_id, attribute::START, &json!(start))
        })
    }

    /// Writes that a stage of a running trial is done; its metrics join the trial's intermediate values.
    ///
    /// A stage that is repeated after an interruption replaces its earlier record.
    ///
    /// # Errors
    /// A trial that was never begun or that has ended, or a store that cannot be written.
    pub fn record_stage(&mut self, number: u32, record: &StageRecord) -> Result<(), Error> {
        self.write(|rows| {
            let trial_id = rows.running_trial(number)?;
            let upsert =
                "INSERT INTO autodistillation_stages (trial_id, stage, record_json) VALUES (?1, ?2, ?3)
                ON CONFLICT (trial_id, stage) DO UPDATE SET record_json = excluded.record_json";
            rows.execute(upsert, (trial_id, record.stage, json!(record).to_string()))?;
            rows.set_attribute(trial_id, attribute::STAGES, &json!(rows.stages(trial_id)?))?;
            let mut intermediate = rows.metrics(trial_id, attribute::INTERMEDIATE)?;
            intermediate.extend(record.metrics.iter());
            rows.set_attribute(trial_id, attribute::INTERMEDIATE, &json!(intermediate))?;
            rows.write_intermediate_value(trial_id, record)
        })
    }

    /// Whether a trial's end is written.
    ///
    /// # Errors
    /// A trial that was never begun, or a store that cannot be read.
    pub fn is_ended(&self, number: u32) -> Result<bool, Error> {
        let row = self.rows().find_trial(number)?;
        let row = row.ok_or_else(|| Error::UnknownTrial { path: self.rows().path.to_owned(), number })?;
        Ok(row.state != "RUNNING")
    }

    /// Has a pruned trial go on; nothing happens to one that runs.
    ///
    /// # Errors
    /// A trial that was never begun or that ended otherwise, or a store that cannot be written.
    pub fn reopen_trial(&mut self, number: u32) -> Result<(), Error> {
        self.write(|rows| match rows.find_trial(number)? {
            Some(row) if row.state == "PRUNED" => {
                let reopen =
                    "UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE trial_id = ?1";
                rows.execute(reopen, [row.trial_id]).map(|_| ())
            }
            _ => rows.running_trial(number).map(|_| ()),
        })
    }

    /// Writes how a trial ended. When this returns, no crash loses it.
    ///
    /// Optuna knows no undefined objective: for it, a completed trial in which a goal is missing or NaN has
    /// failed. [`load`](Self::load) gives back the outcome as it is given here.
    ///
    /// # Errors
    /// A trial that was never begun or that has ended already, or a store that cannot be written.
    pub fn finish_trial(&mut self, number: u32, outcome: &Outcome) -> Result<(), Error> {
        self.write(|rows| {
            let trial_id = rows.running_trial(number)?;
            let state = match outcome {
                Outcome::Completed(metrics) => rows.write_values(trial_id, metrics)?,
                Outcome::Pruned(metrics) => {
                    rows.set_attribute(trial_id, attribute::METRICS, &json!(metrics))?;
                    "PRUNED"
                }
                Outcome::Failed(reason) => {
                    rows.set_attribute(trial_id, attribute::FAILURE, &json!(reason))?;
                    "FAIL"
                }
            };
            let end = format!("UPDATE trials SET state = ?2, datetime_complete = {NOW} WHERE trial_id = ?1");
            rows.execute(&end, (trial_id, state))?;
            rows.execute("DELETE FROM autodistillation_leases WHERE trial_id = ?1", [trial_id])?;
            Ok(())
        })
    }
}

/// The local time as Optuna writes it, to the microsecond (SQLite knows milliseconds).
const NOW: &str = "strftime('%Y-%m-%d %H:%M:%f000', 'now', 'localtime')";

/// A trial as its row in `trials` says.
pub(super) struct TrialRow {
    pub trial_id: i64,
    pub state: String,
}

impl Rows<'_> {
    pub fn find_trial(&self, number: u32) -> Result<Option<TrialRow>, Error> {
        let query = "SELECT trial_id, state FROM trials WHERE study_id = ?1 AND number = ?2";
        let row = self.connection.query_row(query, (self.study_id, number), |row| {
            Ok(TrialRow { trial_id: row.get(0)?, state: row.get(1)? })
        });
        row.optional().map_err(|source| self.sql(source))
    }

    pub fn running_trial(&self, number: u32) -> Result<i64, Error> {
        match self.find_trial(number)? {
            None => Err(Error::UnknownTrial { path: self.path.to_owned(), number }),
            Some(row) if row.state == "RUNNING" => Ok(row.trial_id),
            Some(_) => Err(Error::TrialEnded { path: self.path.to_owned(), number }),
        }
    }

    fn insert_trial(&self, trial: &Trial) -> Result<(), Error> {
        let insert = format!(
            "INSERT INTO trials (number, study_id, state, datetime_start) VALUES (?1, ?2, 'RUNNING', {NOW}) RETURNING trial_id"
        );
        let trial_id: i64 = self
            .connection
            .query_row(&insert, (trial.number, self.study_id), |row| row.get(0))
            .map_err(|source| self.sql(source))?;
        self.insert_parameters(trial_id, trial)?;
        self.set_attribute(trial_id, attribute::ARCHITECTURE, &json!(trial.architecture))?;
        self.set_attribute(trial_id, attribute::INTERMEDIATE, &json!(trial.intermediate))
    }

    /// Each choice as Optuna's categorical parameter: the distribution as JSON, the value as an index.
    fn insert_parameters(&self, trial_id: i64, trial: &Trial) -> Result<(), Error> {
        let outside = || Error::OutsideSpace {
            path: self.path.to_owned(),
            number: trial.number,
            architecture: trial.architecture.to_string(),
        };
        let space = &self.definition.space;
        space.index_of(&trial.architecture).ok_or_else(outside)?;
        for dimension in space.dimensions() {
            let choice = trial.architecture.get(&dimension.name);
            let index =
                dimension.choices.iter().position(|known| Some(known) == choice).ok_or_else(outside)?;
            let insert = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?1, ?2, ?3, ?4)";
            self.execute(
                insert,
                (trial_id, &dimension.name, index as f64, distribution(&dimension.choices)),
            )?;
        }
        Ok(())
    }

    /// That a trial that begins again has not ended and has the architecture it began with.
    fn check_same(&self, row: &TrialRow, trial: &Trial) -> Result<(), Error> {
        if row.state != "RUNNING" {
            return Err(Error::TrialEnded { path: self.path.to_owned(), number: trial.number });
        }
        let stored: Architecture = self.architecture(row.trial_id, trial.number)?;
        let index = |architecture| self.definition.space.index_of(architecture);
        if index(&stored) != index(&trial.architecture) {
            let (stored, requested) = (stored.to_string(), trial.architecture.to_string());
            return Err(Error::TrialTaken {
                path: self.path.to_owned(),
                number: trial.number,
                stored,
                requested,
            });
        }
        let mut intermediate = self.metrics(row.trial_id, attribute::INTERMEDIATE)?;
        intermediate.extend(trial.intermediate.iter());
        self.set_attribute(row.trial_id, attribute::INTERMEDIATE, &json!(intermediate))
    }

    /// The goals as objective values and all other metrics as an attribute; returns the state for Optuna.
    fn write_values(&self, trial_id: i64, metrics: &Metrics) -> Result<&'static str, Error> {
        let defined = |name: &str| metrics.get(name).filter(|value| !value.is_nan());
        let goals = &self.definition.goals;
        let undefined: Vec<&str> =
            goals.iter().map(|goal| goal.metric.as_str()).filter(|name| defined(name).is_none()).collect();
        if !undefined.is_empty() {
            self.set_attribute(trial_id, attribute::METRICS, &json!(metrics))?;
            self.set_attribute(trial_id, attribute::UNDEFINED, &json!(undefined))?;
            return Ok("FAIL");
        }
        let insert =
            "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, ?2, ?3, ?4)";
        for (objective, goal) in goals.iter().enumerate() {
            let (value, kind) = match defined(&goal.metric) {
                Some(f64::INFINITY) => (None, "INF_POS"),
                Some(f64::NEG_INFINITY) => (None, "INF_NEG"),
                finite => (finite, "FINITE"),
            };
            self.execute(insert, (trial_id, objective as i64, value, kind))?;
        }
        let is_goal = |name: &str| goals.iter().any(|goal| goal.metric == name);
        let rest: Metrics = metrics.iter().filter(|(name, _)| !is_goal(name)).collect();
        self.set_attribute(trial_id, attribute::METRICS, &json!(rest))?;
        Ok("COMPLETE")
    }

    /// The first goal that a stage has a finite value of, as Optuna's intermediate value at that step.
    fn write_intermediate_value(&self, trial_id: i64, record: &StageRecord) -> Result<(), Error> {
        let value = self.definition.goals.iter().find_map(|goal| record.metrics.finite(&goal.metric));
        let Some(value) = value else { return Ok(()) };
        let upsert = "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
            VALUES (?1, ?2, ?3, 'FINITE')
            ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value";
        self.execute(upsert, (trial_id, record.stage, value))?;
        Ok(())
    }

    pub fn set_attribute(&self, trial_id: i64, key: &str, value: &Value) -> Result<(), Error> {
        let upsert = r#"INSERT INTO trial_user_attributes (trial_id, "key", value_json) VALUES (?1, ?2, ?3)
            ON CONFLICT (trial_id, "key") DO UPDATE SET value_json = excluded.value_json"#;
        self.execute(upsert, (trial_id, key, value.to_string()))?;
        Ok(())
    }
}

/// Optuna's JSON of a categorical distribution, with the spaces that Python writes.
fn distribution(choices: &[Choice]) -> String {
    let choices: Vec<String> = choices.iter().map(|choice| json!(choice).to_string()).collect();
    format!(r#"{{"name": "CategoricalDistribution", "attributes": {{"choices": [{}]}}}}"#, choices.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::example::{definition, folder, pending, stage};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distributions_are_written_as_optuna_writes_them() {
        let choices =
            [Choice::Integer(64), Choice::Real(1.0), Choice::Text("a\"b".to_owned()), Choice::Boolean(true)];
        let expected =
            r#"{"name": "CategoricalDistribution", "attributes": {"choices": [64, 1.0, "a\"b", true]}}"#;
        assert_eq!(distribution(&choices), expected);
    }

    fn error(result: Result<(), Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_trial_ends_once_and_only_after_it_began() {
        let (_folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        assert!(
            error(store.finish_trial(0, &Outcome::Pruned(Metrics::new())))
                .contains("trial 0 was never begun")
        );
        assert!(error(store.record_stage(0, &stage(0, 0.5))).contains("trial 0 was never begun"));
        store.begin_trial(&pending(0, 3)).unwrap();
        store.finish_trial(0, &Outcome::Failed("diverged".to_owned())).unwrap();
        assert!(
            error(store.finish_trial(0, &Outcome::Pruned(Metrics::new())))
                .contains("trial 0 has ended already")
        );
        assert!(error(store.record_stage(0, &stage(0, 0.5))).contains("trial 0 has ended already"));
        assert!(error(store.begin_trial(&pending(0, 3))).contains("trial 0 has ended already"));
        assert_eq!(store.load().unwrap().trials[0].outcome, Some(Outcome::Failed("diverged".to_owned())));
    }

    #[test]
    fn an_interrupted_trial_begins_again_with_its_stages() {
        let (_folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        store.begin_trial(&pending(0, 3)).unwrap();
        store.record_stage(0, &stage(0, 0.5)).unwrap();
        store.begin_trial(&pending(0, 3)).unwrap();
        store.record_stage(0, &stage(1, 0.7)).unwrap();
        let repeated = StageRecord { seconds: 9.0, ..stage(1, 0.8) };
        store.record_stage(0, &repeated).unwrap();
        assert_eq!(store.stages(0).unwrap(), [stage(0, 0.5), repeated]);
        assert_eq!(store.stages(1).unwrap(), []);
        let study = store.load().unwrap();
        assert_eq!(study.trials.len(), 1);
        let intermediate: Vec<(&str, f64)> = study.trials[0].intermediate.iter().collect();
        assert_eq!(intermediate, [("flash_accuracy", 0.8), ("parameters", 1_000_003.0)]);
        let error = error(store.begin_trial(&pending(0, 4)));
        assert!(error.contains("trial 0 is there with hidden_size=64, activation=relu, dropout=0.1, not hidden_size=64, activation=relu, dropout=2.0"), "{error}");
    }

    #[test]
    fn an_architecture_outside_the_space_leaves_no_trace() {
        let (_folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        let trial = Trial::pending(0, [("hidden_size", 65)].into_iter().collect());
        assert!(
            error(store.begin_trial(&trial))
                .contains("trial 0 (hidden_size=65) is not in the study's search space")
        );
        assert_eq!(store.load().unwrap().trials, []);
    }

    /// SQLite keeps no sign of zero, and JSON no payload of NaN.
    fn bits(metrics: &Metrics, name: &str) -> Option<u64> {
        metrics
            .get(name)
            .map(|value| if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]
        #[test]
        fn any_metrics_come_back_to_the_last_bit(rows in prop::collection::vec(prop::array::uniform4(prop::num::f64::ANY), 24)) {
            let (_folder, path) = folder();
            let mut store = StudyStore::open(&path, &definition()).unwrap();
            let names = ["accuracy", "latency", "loss", "flops"];
            let given: Vec<Metrics> = rows.into_iter().map(|values| names.into_iter().zip(values).collect()).collect();
            for (number, metrics) in (0..).zip(&given) {
                store.begin_trial(&pending(number, u64::from(number))).unwrap();
                store.finish_trial(number, &Outcome::Completed(metrics.clone())).unwrap();
            }
            for (trial, metrics) in store.load().unwrap().trials.iter().zip(&given) {
                let found = trial.metrics().unwrap();
                prop_assert!(names.into_iter().all(|name| bits(found, name) == bits(metrics, name)), "{found} for {metrics}");
            }
        }
    }
}
