//! The results of a run for people and programs: page, text, tables, model cards, environment.
//!
//! Everything is made from one [`RunSummary`], so that a report can be written again at any time;
//! every file is replaced as a whole or not at all.

mod atomic_file;
mod digits;
mod environment;
mod error;
#[cfg(test)]
mod example_run;
mod machine;
mod model_card;
mod page;
mod pareto_files;
mod plain_text;
mod quantity;
mod status;
mod summary;
mod text_table;
mod yaml_text;

use std::path::Path;

use autodistillation_search::Trial;

pub use environment::{Environment, LatencySettings};
pub use error::Error;
pub use machine::Machine;
pub use model_card::{CardFormat, model_card};
pub use page::page;
pub use pareto_files::{ParetoFile, ParetoTrial};
pub use plain_text::{final_results, trial_results};
pub(crate) use quantity::is_cost;
pub use summary::{
    CurvePoint, Dataset, LatencyPercentiles, Measured, Recipe, RecipeStage, RunSummary, StageRecord, Teacher,
    TimeShare, TrialRecord,
};
pub use text_table::TextTable;

/// A metric's value with its unit: `82.22 %`, `2.63 ms`, `4.78 M`.
pub fn shown_metric(metric: &str, value: f64) -> String {
    quantity::Quantity::of(metric).show(value)
}

/// Seconds as `350 ms`, `12.3 s`, `3 min 12 s` or `1 h 04 min`.
pub fn shown_duration(seconds: f64) -> String {
    digits::duration(seconds)
}

/// Writes `report.html`, `pareto.json`, `pareto.csv`, `Final_results.txt` and `environment.json` into a run's folder.
///
/// # Errors
/// The first file that cannot be written; it and those after it keep their former content.
pub fn write(folder: &Path, run: &RunSummary) -> Result<(), Error> {
    let front = ParetoFile::of(run);
    atomic_file::write_json(&folder.join("environment.json"), &run.environment)?;
    atomic_file::write_json(&folder.join("pareto.json"), &front)?;
    atomic_file::write(&folder.join("pareto.csv"), &front.to_csv())?;
    atomic_file::write(&folder.join("Final_results.txt"), &final_results(run))?;
    atomic_file::write(&folder.join("report.html"), &page(run))
}

/// Writes only `report.html` into a run's folder.
///
/// # Errors
/// A file system that refuses.
pub fn write_page(folder: &Path, run: &RunSummary) -> Result<(), Error> {
    atomic_file::write(&folder.join("report.html"), &page(run))
}

/// Writes `Trial_{number}_results.txt` into a folder.
///
/// # Errors
/// A number that is not in the study, or a file system that refuses.
pub fn write_trial_results(folder: &Path, run: &RunSummary, number: u32) -> Result<(), Error> {
    let text = trial_results(run, find(run, number)?);
    atomic_file::write(&folder.join(format!("Trial_{number}_results.txt")), &text)
}

/// Writes the model card `README.md` into a student's folder.
///
/// # Errors
/// A number that is not in the study, or a file system that refuses.
pub fn write_model_card(
    student: &Path,
    run: &RunSummary,
    (number, format): (u32, CardFormat),
) -> Result<(), Error> {
    atomic_file::write(&student.join("README.md"), &model_card(run, find(run, number)?, format))
}

fn find(run: &RunSummary, number: u32) -> Result<&Trial, Error> {
    run.trial(number).ok_or_else(|| {
        let known: Vec<String> = run.study.trials.iter().map(|trial| trial.number.to_string()).collect();
        let known = if known.is_empty() { "no trials".to_owned() } else { known.join(", ") };
        Error::UnknownTrial { number, run: run.name.clone(), known }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_leaves_its_five_documents() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &example_run::sst2()).unwrap();
        for name in ["environment.json", "pareto.json", "pareto.csv", "Final_results.txt", "report.html"] {
            assert!(folder.path().join(name).metadata().unwrap().len() > 100, "{name}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 5);
    }

    #[test]
    fn documents_of_a_trial_are_written_where_they_belong() {
        let folder = tempfile::tempdir().unwrap();
        let run = example_run::sst2();
        write_trial_results(folder.path(), &run, 5).unwrap();
        write_model_card(&folder.path().join("students/0005"), &run, (5, CardFormat::HuggingFace)).unwrap();
        assert!(folder.path().join("Trial_5_results.txt").is_file());
        assert!(folder.path().join("students/0005/README.md").is_file());
    }

    #[test]
    fn an_unknown_trial_is_answered_with_the_known_ones() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_model_card(folder.path(), &example_run::two_trials(), (7, CardFormat::HuggingFace))
            .unwrap_err();
        assert!(error.to_string().starts_with("trial 7 is not in the run `demo` (it has 0, 1)"), "{error}");
    }
}
