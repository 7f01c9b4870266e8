//! `kill -9`: at any moment, and the same command goes on as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::workplace::Workplace;

/// Lines of progress after which each process is killed: before the search, within stages, between trials.
const MOMENTS: [usize; 10] = [3, 1, 5, 4, 2, 6, 3, 5, 4, 3];

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "hidden_size: [8, 12]", "hidden_size: [4, 8, 12]");
    workplace.edit("config.yaml", "search_algorithm: Grid", "search_algorithm: BO");
    workplace.edit("config.yaml", "max_trials: 3", "max_trials: 6");
    workplace.edit("config.yaml", "train_steps: 2", "train_steps: 30");
    workplace.edit("config.yaml", "train_steps: [3]", "train_steps: [60]");
    workplace
}

const RUN: [&str; 6] = ["run", "config.yaml", "--output", "out", "--jobs", "1"];

/// Runs until `lines` lines of progress were read, then kills the process; returns those lines.
fn killed(workplace: &Workplace, lines: usize) -> Vec<String> {
    let mut child = workplace.command(&RUN).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let seen = BufReader::new(child.stderr.take().unwrap()).lines().take(lines).map(Result::unwrap).collect();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the search ended before it was killed: {seen:?}");
    seen
}

/// What each trial left behind, without what the clock says: metrics and weights.
fn trials(workplace: &Workplace) -> BTreeMap<String, (BTreeMap<String, Value>, Vec<u8>)> {
    let trial = |path: std::path::PathBuf| {
        let metrics = fs::read_to_string(path.join("metrics.json")).unwrap();
        let mut metrics: BTreeMap<String, Value> = serde_json::from_str(&metrics).unwrap();
        metrics.retain(|name, _| !name.starts_with("latency"));
        let weights = fs::read(path.join("student/model.safetensors")).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), (metrics, weights))
    };
    fs::read_dir(workplace.path("out/trials")).unwrap().map(|entry| trial(entry.unwrap().path())).collect()
}

/// `trial 3` of a line about a trial.
fn trial_of<'l>(line: &'l str, sign: &str) -> Option<&'l str> {
    line.starts_with("trial ").then(|| line.split_once(sign).map(|(trial, _)| trial)).flatten()
}

#[test]
fn a_search_killed_ten_times_finds_what_an_undisturbed_one_finds() {
    let (whole, pieces) = (workplace(), workplace());
    whole.succeed(&RUN);
    let mut completed = BTreeSet::new();
    for lines in MOMENTS {
        for line in killed(&pieces, lines) {
            let started = trial_of(&line, ": hidden_size=");
            assert!(started.is_none_or(|trial| !completed.contains(trial)), "repeated: {line}");
            completed.extend(trial_of(&line, " completed").map(str::to_owned));
        }
    }
    assert!(!completed.is_empty(), "no trial ended between the kills");
    pieces.succeed(&RUN);
    assert_eq!(trials(&pieces), trials(&whole));
    let front = |workplace: &Workplace| {
        let front: Value = serde_json::from_str(&workplace.read("out/pareto.json")).unwrap();
        let numbers = front["trials"].as_array().unwrap().iter();
        numbers.map(|trial| (trial["number"].clone(), trial["architecture"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(front(&pieces), front(&whole));
}
