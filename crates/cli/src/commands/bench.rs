//! `bench`: the speed of this machine for a shape.

use anyhow::Result;
use autodistillation::bench::{self, BenchOptions, Speed};
use autodistillation::report::TextTable;

use crate::arguments::{BenchArguments, BenchWork};
use crate::terminal::{show, show_json};

pub fn bench(arguments: &BenchArguments) -> Result<()> {
    let options = options(arguments);
    let speed = match arguments.work {
        BenchWork::Step => bench::step(&options)?,
        BenchWork::Latency => bench::latency(&options)?,
    };
    if arguments.json { show_json(&speed) } else { show(&table(arguments.work, &speed)) }
}

fn options(arguments: &BenchArguments) -> BenchOptions {
    let jobs = arguments.jobs.get();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    BenchOptions {
        hidden: arguments.hidden.get(),
        heads: arguments.heads.get(),
        ffn: arguments.ffn.get(),
        layers: arguments.layers.get(),
        batch: arguments.batch.get(),
        length: arguments.length.get(),
        vocabulary: arguments.vocabulary.get(),
        steps: arguments.steps.get(),
        jobs,
        precision: arguments.precision,
        threads: arguments.threads.map_or((cores / jobs).max(1), usize::from),
    }
}

fn table(work: BenchWork, speed: &Speed) -> String {
    let what = match work {
        BenchWork::Step => "step",
        BenchWork::Latency => "call",
    };
    let BenchOptions { jobs, threads, .. } = speed.options;
    let mut table = TextTable::new(["measure", "value"]);
    table.row([format!("median {what}"), format!("{:.2} ms", speed.median_ms)]);
    table.row([format!("fastest {what}"), format!("{:.2} ms", speed.min_ms)]);
    table.row(["students × threads".to_owned(), format!("{jobs} × {threads}")]);
    table.row(["matrix products, peak".to_owned(), format!("{:.0} GFLOP/s", speed.gemm_gflops_peak)]);
    table.row(["share of it reached".to_owned(), format!("{:.0} %", 100.0 * speed.gemm_share)]);
    table.render()
}
