//! Configs from text to plan: the design document's examples, every error, and laws.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod errors;
mod examples;
mod laws;
mod losses;
mod sections;

use std::path::{Path, PathBuf};

use autodistillation::Plan;
use autodistillation::config::{ConfigErrors, SearchConfig};

/// A folder with the files that a complete config names.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("teacher")).unwrap();
        for file in ["train.tsv", "dev.tsv"] {
            std::fs::write(folder.path().join(file), "sentence\tlabel\n").unwrap();
        }
        Self { folder }
    }

    pub(crate) fn origin(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    pub(crate) fn plan(&self, text: &str) -> Result<Plan, ConfigErrors> {
        Plan::parse(text, &self.origin())
    }

    /// All problems as shown, without the temporary folder.
    pub(crate) fn problems(&self, text: &str) -> String {
        let shown = self.plan(text).expect_err("the config has problems").to_string();
        shown.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// The sections besides the one under test.
pub(crate) const REST: &str = "
model: {name: student}
teacher: {path: teacher}
student: {family: bert, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64}
data: {train: train.tsv, validation: dev.tsv, text: sentence, label: label}
";

/// A config with this `auto_distillation`, written in one line.
pub(crate) fn searching(section: &str) -> String {
    format!("auto_distillation: {section}{REST}")
}

/// A config with this stage section and a fixed search.
pub(crate) fn distilling(flash_and_regular: &str) -> String {
    searching(&format!("{{search: {{search_space: {{hidden_size: [16, 32]}}}}, {flash_and_regular}}}"))
}

pub(crate) fn search_config(text: &str) -> Result<SearchConfig, ConfigErrors> {
    SearchConfig::parse(text, Path::new("config.yaml"))
}

pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
