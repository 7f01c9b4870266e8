//! `profile`: latencies of a search space on this machine.

use anyhow::Result;
use autodistillation::config::PlanOverrides;
use autodistillation::report::TextTable;
use autodistillation::{LatencyProfile, Plan, latency_profile};

use crate::arguments::ProfileArguments;
use crate::interrupt;
use crate::progress::Progress;
use crate::terminal::{show, show_json};

pub fn profile(arguments: &ProfileArguments) -> Result<()> {
    let overrides = PlanOverrides { device: Some(arguments.device), ..PlanOverrides::default() };
    let plan = Plan::load(&arguments.config)?.overridden_by(&overrides);
    let progress = Progress::new(&arguments.progress, Vec::new());
    let profile = latency_profile::profile(plan, &arguments.output, (&progress, interrupt::listen()?));
    progress.finish();
    let profile = profile?;
    if arguments.json { show_json(&profile) } else { show(&table(&profile)) }
}

fn table(profile: &LatencyProfile) -> String {
    let mut table = TextTable::new(["network", "p50 ms", "p90 ms", "p99 ms"]);
    let mut rows: Vec<_> = profile.latencies.iter().collect();
    rows.sort_by(|a, b| a.1.p50.total_cmp(&b.1.p50));
    for (shape, latency) in rows {
        let number = |value: f64| format!("{value:.3}");
        table.row([shape.clone(), number(latency.p50), number(latency.p90), number(latency.p99)]);
    }
    format!("{}\n{}, {}; {}\n", table.render(), profile.machine, profile.device, profile.settings.describe())
}
