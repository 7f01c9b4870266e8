//! Whole runs in a folder, for tests of what comes out of them.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use autodistillation::run::{RunOptions, RunResult, run};
use autodistillation::{Error, Plan, RunEvent};

/// One trial at a time, without a cache, into `run` below the folder.
fn options(folder: &Path, config: &str) -> RunOptions {
    RunOptions {
        output: folder.join("run"),
        config_text: config.to_owned(),
        jobs: Some(1),
        threads: None,
        cache: None,
        latency_profile: None,
    }
}

/// The run of a config whose files are in the folder.
pub fn run_config(folder: &Path, config: &str) -> Result<RunResult, Error> {
    let plan = Plan::parse(config, &folder.join("config.yaml"))?;
    run(plan, &options(folder, config), (&|_: &RunEvent| {}, &AtomicBool::new(false)))
}
