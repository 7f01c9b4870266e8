//! What an interrupted trial leaves behind: the student after its last finished stage.

use std::path::{Path, PathBuf};

use autodistillation_distillation::{FeatureMatcher, MatcherValues, Matchers, Parameters};
use autodistillation_models::{Precision, Transformer, TransformerConfig, save};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::experiment::built_in::Pupil;
use crate::report::StageRecord;
use crate::started_from::StartedFrom;

/// The student, its matchers and its finished stages, in a folder per number of finished stages.
pub struct Checkpoint;

/// Written last, by renaming: a folder without it is half-written and ignored.
const STATE: &str = "state.json";

#[derive(Serialize, Deserialize)]
struct State {
    started_from: StartedFrom,
    finished: Vec<StageRecord>,
    matchers: Vec<Matcher>,
}

#[derive(Serialize, Deserialize)]
struct Matcher {
    mapping: String,
    student: usize,
    teacher: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Checkpoint {
    /// Writes the state after the last finished stage, then removes the one before.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written.
    pub fn save(folder: &Path, pupil: &Pupil) -> Result<(), Error> {
        let stages = pupil.finished.len();
        let path = place(folder, stages);
        save(&path, &pupil.network, Precision::F32)?;
        let matchers = pupil.matchers.iter().filter_map(|(mapping, matcher)| {
            let MatcherValues { student, teacher, weight, bias } = matcher.values()?;
            Some(Matcher { mapping: mapping.clone(), student, teacher, weight, bias })
        });
        let (started_from, finished) = (pupil.started_from.clone(), pupil.finished.clone());
        let state = State { started_from, finished, matchers: matchers.collect() };
        crate::files::write_json(&path.join(STATE), &state)?;
        if stages > 1 {
            let _ = std::fs::remove_dir_all(place(folder, stages - 1)); // Left over at worst; the newest wins.
        }
        Ok(())
    }

    /// The state of the trial in `folder`, if an earlier run left one.
    ///
    /// # Errors
    ///
    /// A checkpoint that is there but cannot be read.
    pub fn load(folder: &Path, config: &TransformerConfig, device: &Device) -> Result<Option<Pupil>, Error> {
        let Some(path) = newest(folder) else { return Ok(None) };
        let state: State = crate::files::read_json(&path.join(STATE))?;
        let network = Transformer::load_as(&path, config.clone(), 0, device)?.network.frozen();
        let matchers: Matchers = state
            .matchers
            .into_iter()
            .map(|matcher| {
                let Matcher { mapping, student, teacher, weight, bias } = matcher;
                let values = MatcherValues { student, teacher, weight, bias };
                (mapping, FeatureMatcher::from_values(&values, device))
            })
            .collect();
        let State { started_from, finished, .. } = state;
        Ok(Some(Pupil { network, started_from, matchers, finished }))
    }

    /// Removes all checkpoints of a finished trial.
    pub fn remove(folder: &Path) {
        let _ = std::fs::remove_dir_all(folder.join("checkpoints")); // A finished trial never reads them again.
    }
}

fn place(folder: &Path, stages: usize) -> PathBuf {
    folder.join("checkpoints").join(format!("{stages:03}"))
}

/// The complete checkpoint with the most finished stages.
fn newest(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder.join("checkpoints")).ok()?;
    let complete = entries.flatten().map(|entry| entry.path()).filter(|path| path.join(STATE).is_file());
    complete.max()
}
