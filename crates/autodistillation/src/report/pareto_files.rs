//! `pareto.json` and `pareto.csv`: the chosen students for programs and spreadsheets.

use autodistillation_search::{Architecture, Goal, Metrics, Trial};
use serde::{Deserialize, Serialize};

use super::RunSummary;
use crate::started_from::StartedFrom;

/// The content of `pareto.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParetoFile {
    /// What was wanted, in the config's order.
    pub goals: Vec<Goal>,
    /// The best architectures, in order of evaluation.
    pub trials: Vec<ParetoTrial>,
}

/// One trial of the front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParetoTrial {
    /// Its number in the study.
    pub number: u32,
    /// Exactly the searched dimensions.
    pub architecture: Architecture,
    /// At least the goals.
    pub metrics: Metrics,
    /// The student's folder within the run.
    pub student: String,
    /// The trained student that it went on from; absent where it started from the teacher or at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<StartedFrom>,
}

impl ParetoFile {
    /// The front of a run.
    pub fn of(run: &RunSummary) -> Self {
        let trials = run.study.pareto_front().into_iter().map(|trial| ParetoTrial::of(run, trial)).collect();
        Self { goals: run.study.goals.clone(), trials }
    }

    /// The trials as comma-separated values (RFC 4180): number, dimensions, metrics with the goals first, student.
    ///
    /// A value that a trial lacks is empty.
    pub fn to_csv(&self) -> String {
        let dimensions =
            ordered(self.trials.iter().flat_map(|trial| trial.architecture.iter().map(|(name, _)| name)));
        let goals = self.goals.iter().map(|goal| goal.metric.as_str());
        let others = self.trials.iter().flat_map(|trial| trial.metrics.iter().map(|(name, _)| name));
        let metrics = ordered(goals.chain(others));
        let names = dimensions.iter().chain(&metrics).map(|name| (*name).to_owned());
        let header: Vec<String> =
            std::iter::once("number".to_owned()).chain(names).chain(["student".to_owned()]).collect();
        let rows = self.trials.iter().map(|trial| trial.csv_row(&dimensions, &metrics));
        std::iter::once(header).chain(rows).map(|row| csv_line(&row)).collect()
    }
}

impl ParetoTrial {
    fn of(run: &RunSummary, trial: &Trial) -> Self {
        let mut metrics =
            run.record(trial.number).map(|record| record.measured.metrics.clone()).unwrap_or_default();
        metrics.extend(trial.metrics().into_iter().flat_map(Metrics::iter));
        Self {
            number: trial.number,
            architecture: trial.architecture.clone(),
            metrics,
            student: run.student_folder(trial.number),
            started_from: run.warm_start(trial.number).cloned(),
        }
    }

    fn csv_row(&self, dimensions: &[&str], metrics: &[&str]) -> Vec<String> {
        let choice = |name: &&str| self.architecture.get(name).map(ToString::to_string).unwrap_or_default();
        let metric = |name: &&str| self.metrics.get(name).map(|value| value.to_string()).unwrap_or_default();
        let mut row = vec![self.number.to_string()];
        row.extend(dimensions.iter().map(choice));
        row.extend(metrics.iter().map(metric));
        row.push(self.student.clone());
        row
    }
}

/// Names without repeats, in the order of their first appearance.
pub(crate) fn ordered<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn csv_line(fields: &[String]) -> String {
    let quoted: Vec<String> = fields.iter().map(|field| csv_field(field)).collect();
    quoted.join(",") + "\r\n"
}

fn csv_field(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn the_json_is_the_documented_interface() {
        let run = example_run::two_trials();
        insta::assert_snapshot!(serde_json::to_string_pretty(&ParetoFile::of(&run)).unwrap());
    }

    #[test]
    fn the_csv_lists_goals_before_other_metrics() {
        let csv = ParetoFile::of(&example_run::two_trials()).to_csv();
        insta::assert_snapshot!(csv.replace("\r\n", "\n"));
    }

    #[test]
    fn a_spreadsheet_reads_back_any_text() {
        let mut file = ParetoFile::of(&example_run::two_trials());
        file.trials[0].student = "a \"quoted\", two-line\nname".to_owned();
        let csv = file.to_csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let student = reader.headers().unwrap().iter().position(|name| name == "student").unwrap();
        assert_eq!(
            reader.records().next().unwrap().unwrap().get(student),
            Some(file.trials[0].student.as_str())
        );
    }

    #[test]
    fn an_empty_front_still_has_goals_and_a_header() {
        let mut run = example_run::two_trials();
        run.study.trials.clear();
        let file = ParetoFile::of(&run);
        assert_eq!(file.to_csv(), "number,accuracy,latency,student\r\n");
        assert_eq!(file.goals.len(), 2);
    }
}
