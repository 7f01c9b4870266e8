//! How much of NAS-Bench-201's Pareto front does each advisor reach in 20, 50 and 100 trials?
//!
//! Accuracy after 200 epochs is maximised against a measured latency over all 15,625 networks; the
//! table answers every trial. Printed is the hypervolume relative to the table's whole front, with
//! the reference at the lowest accuracy and the highest latency of the table, as a mean over seeds.
//!
//! ```text
//! cargo run --release -p autodistillation-search --example nb201 -- nb201.csv [--seeds 5]
//!     [--trials 100] [--advisor BO] [--columns lat_ms_1080ti_1,lat_ms_fpga] [--latency-known]
//! ```
#![expect(clippy::disallowed_methods, reason = "a benchmark reads a table, its arguments and a clock")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use autodistillation_search::{
    Advisor, Algorithm, Architecture, Choice, Dimension, FeasibleSpace, Goal, KnownGoals, Metrics, Proposal,
    SearchSpace, Study, Trial, hypervolume::hypervolume,
};

const QUALITY: &str = "cifar100_val_200ep_mean";
const LATENCIES: [&str; 3] = ["lat_ms_1080ti_1", "lat_ms_fpga", "lat_ms_pixel3"];
const CHECKPOINTS: [usize; 3] = [20, 50, 100];

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::read()? else {
        eprintln!(
            "usage: nb201 TABLE [--seeds N] [--trials N] [--advisor BO|Random|Grid] [--columns A,B] [--latency-known]"
        );
        return Ok(());
    };
    let table = Table::read(&options.table)?;
    let advisor = options.algorithm.advisor();
    println!("{:18} {:>8} {:>8} {:>8} {:>12}", "column", 20, 50, 100, "ms/proposal");
    for column in &options.columns {
        let latency = table.column(column)?;
        let mut sums = [0.0; CHECKPOINTS.len()];
        let started = Instant::now();
        for seed in 0..options.seeds {
            let reached = run(&table, latency, advisor.as_ref(), &options, seed)?;
            sums.iter_mut().zip(reached).for_each(|(sum, value)| *sum += value);
        }
        let proposals = (options.seeds * options.trials as u64) as f64;
        let [at_20, at_50, at_100] = sums.map(|sum| sum / options.seeds as f64);
        let pace = started.elapsed().as_secs_f64() * 1000.0 / proposals;
        println!("{column:18} {at_20:8.4} {at_50:8.4} {at_100:8.4} {pace:12.1}");
    }
    Ok(())
}

/// One search; the relative hypervolume at each checkpoint, 0 at those it does not reach.
fn run(
    table: &Table,
    latency: &[f64],
    advisor: &dyn Advisor,
    options: &Options,
    seed: u64,
) -> Result<[f64; CHECKPOINTS.len()], Box<dyn Error>> {
    let quality = table.column(QUALITY)?;
    let feasible = FeasibleSpace::unrestricted(table.space.clone());
    let goals = vec![Goal::maximize("accuracy"), Goal::minimize("latency")];
    let mut study = Study::new(table.space.clone(), goals, seed);
    let known = if options.latency_known { table.known(latency, &feasible) } else { KnownGoals::none() };
    while study.trials.len() < options.trials {
        let request = Proposal { study: &study, feasible: &feasible, known: &known };
        let number = study.next_number();
        let Some(architecture) = advisor.propose(&request, &mut study.rng(number))? else { break };
        let row = table.row(&architecture)?;
        let metrics: Metrics = [("accuracy", quality[row]), ("latency", latency[row])].into_iter().collect();
        study.trials.push(Trial::completed(number, architecture, metrics));
    }
    let worst =
        [quality.iter().copied().fold(f64::INFINITY, f64::min), latency.iter().copied().fold(0.0, f64::max)];
    let whole: Vec<[f64; 2]> = quality.iter().zip(latency).map(|(q, l)| [*q, -l]).collect();
    let full = hypervolume(&whole, &[worst[0], -worst[1]]);
    Ok(CHECKPOINTS.map(|count| {
        if count > options.trials {
            return 0.0;
        }
        let trials = study.trials.iter().take(count).cloned().collect();
        Study { trials, ..study.clone() }.hypervolume(&worst) / full
    }))
}

struct Options {
    table: String,
    seeds: u64,
    trials: usize,
    algorithm: Algorithm,
    columns: Vec<String>,
    latency_known: bool,
}

impl Options {
    fn read() -> Result<Option<Self>, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let Some(table) = arguments.next() else { return Ok(None) };
        let columns = LATENCIES.map(str::to_owned).to_vec();
        let algorithm = Algorithm::Bayesian;
        let mut options = Self { table, seeds: 5, trials: 100, algorithm, columns, latency_known: false };
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--seeds" => options.seeds = value()?.parse()?,
                "--trials" => options.trials = value()?.parse()?,
                "--advisor" => options.algorithm = value()?.parse()?,
                "--columns" => options.columns = value()?.split(',').map(str::to_owned).collect(),
                "--latency-known" => options.latency_known = true,
                _ => return Err(format!("unknown flag {flag}").into()),
            }
        }
        Ok(Some(options))
    }
}

/// The table by grid number.
struct Table {
    space: SearchSpace,
    columns: BTreeMap<String, Arc<[f64]>>,
}

impl Table {
    fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let text = std::fs::read_to_string(path)?;
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().ok_or("the table is empty")?;
        let rows: Vec<Vec<&str>> = lines.collect();
        let searched = header.iter().filter(|name| name.starts_with("op")).count();
        let dimension = |at: usize| {
            let mut choices: Vec<&str> = rows.iter().map(|row| row[at]).collect();
            choices.sort_unstable();
            choices.dedup();
            Dimension::new(header[at], choices)
        };
        let space = SearchSpace::new((0..searched).map(dimension).collect())?;
        let mut columns = vec![vec![f64::NAN; rows.len()]; header.len() - searched];
        for row in &rows {
            let choices = header.iter().zip(row).take(searched);
            let architecture: Architecture =
                choices.map(|(name, value)| (*name, Choice::from(*value))).collect();
            let index = space.index_of(&architecture).ok_or("a row is outside the grid")? as usize;
            for (column, value) in columns.iter_mut().zip(&row[searched..]) {
                column[index] = value.parse()?;
            }
        }
        let named = header[searched..].iter().map(|name| (*name).to_owned());
        Ok(Self { space, columns: named.zip(columns.into_iter().map(Into::into)).collect() })
    }

    fn column(&self, name: &str) -> Result<&[f64], Box<dyn Error>> {
        Ok(self.columns.get(name).ok_or_else(|| format!("the table has no column {name}"))?)
    }

    fn row(&self, architecture: &Architecture) -> Result<usize, Box<dyn Error>> {
        Ok(self.space.index_of(architecture).ok_or("an architecture outside the grid")? as usize)
    }

    fn known(&self, latency: &[f64], feasible: &FeasibleSpace) -> KnownGoals {
        let (space, latency) = (self.space.clone(), latency.to_vec());
        KnownGoals::none().with("latency", feasible, move |architecture| {
            space.index_of(architecture).map_or(f64::NAN, |index| latency[index as usize])
        })
    }
}
