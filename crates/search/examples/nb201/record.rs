//! One run as a line of JSON, in the form in which other programs' runs are recorded.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::Write;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the advisor is told, and what it may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Both goals come from trials; every trial is trained in full.
    Learned,
    /// Latency is known before any training.
    Known,
    /// As `Learned`, and the advisor ends trials after an early look.
    TwoLooks,
    /// As `Known`, and the advisor ends trials after an early look.
    TwoLooksKnown,
}

/// One search with one seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub table: String,
    pub quality: String,
    pub cost: String,
    pub method: String,
    pub seed: u64,
    /// Relative hypervolume after so many trials.
    #[serde(default)]
    pub hypervolume: BTreeMap<usize, f64>,
    /// Relative hypervolume after so many epochs, where trials differ in cost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hypervolume_by_epochs: BTreeMap<usize, f64>,
    /// Trials trained to the end after so many epochs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub full_trials_by_epochs: BTreeMap<usize, usize>,
    /// Relative hypervolume after so many epochs if all that was looked at were trained to the end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub within_looks_by_epochs: BTreeMap<usize, f64>,
    pub duplicates: usize,
    pub seconds: f64,
}

impl Record {
    pub fn is_run(&self, mode: Mode, column: &str, seed: u64) -> bool {
        self.method == mode.to_string() && self.cost == column && self.seed == seed
    }
}

const MODES: [(Mode, &str); 4] = [
    (Mode::Learned, "learned"),
    (Mode::Known, "known"),
    (Mode::TwoLooks, "two-looks"),
    (Mode::TwoLooksKnown, "two-looks-known"),
];

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = MODES.iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        write!(formatter, "autodistillation-{name}")
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = MODES.iter().find(|(_, name)| *name == text).map(|(mode, _)| *mode);
        found.ok_or_else(|| format!("unknown mode {text}"))
    }
}

/// The records of a file; none where it does not exist.
pub fn read(path: &str) -> Result<Vec<Record>, Box<dyn Error>> {
    if !std::path::Path::new(path).exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

pub fn append(path: &str, record: &Record) -> Result<(), Box<dyn Error>> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{}", serde_json::to_string(record)?)?;
    Ok(())
}
