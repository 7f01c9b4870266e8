//! One search over the table.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Instant;

use autodistillation_search::{
    Advisor, BayesianAdvisor, FeasibleSpace, Goal, KnownGoals, Metrics, Outcome, Proposal, Study, Trial,
};

use crate::record::{Mode, Record};
use crate::table::{Ruler, Table};

const QUALITY: &str = "cifar100_val_200ep_mean";
const EARLY_QUALITY: &str = "cifar100_val_12ep";
const CHECKPOINTS: [usize; 4] = [20, 49, 50, 100];
/// What an early look and the training from there to the end cost.
const EPOCHS: [usize; 2] = [12, 200];
const EPOCH_CHECKPOINTS: [usize; 3] = [2_000, 4_000, 6_700];

/// Runs 100 trials, or 6,700 epochs where the advisor decides who is trained to the end.
pub fn run(table: &Table, mode: Mode, column: &str, seed: u64) -> Result<Record, Box<dyn Error>> {
    let started = Instant::now();
    let mut search = Search::new(table, mode, column, seed)?;
    let mut record = Record {
        table: "nb201.csv".to_owned(),
        quality: QUALITY.to_owned(),
        cost: column.to_owned(),
        method: mode.to_string(),
        seed,
        hypervolume: BTreeMap::new(),
        hypervolume_by_epochs: BTreeMap::new(),
        full_trials_by_epochs: BTreeMap::new(),
        within_looks_by_epochs: BTreeMap::new(),
        duplicates: 0,
        seconds: 0.0,
    };
    match mode {
        Mode::Learned | Mode::Known => {
            while search.study.trials.len() < 100 && search.step()? {
                let count = search.study.trials.len();
                if CHECKPOINTS.contains(&count) {
                    record.hypervolume.insert(count, search.reached());
                }
            }
        }
        Mode::TwoLooks | Mode::TwoLooksKnown => {
            for limit in EPOCH_CHECKPOINTS {
                while search.epochs + EPOCHS[0] + EPOCHS[1] <= limit && search.step_with_looks()? {}
                record.hypervolume_by_epochs.insert(limit, search.reached());
                record.full_trials_by_epochs.insert(limit, search.study.completed().count());
                record.within_looks_by_epochs.insert(limit, search.within_looks()?);
            }
        }
    }
    record.duplicates = search.duplicates();
    record.seconds = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    Ok(record)
}

struct Search<'a> {
    table: &'a Table,
    quality: &'a [f64],
    early_quality: &'a [f64],
    latency: &'a [f64],
    feasible: FeasibleSpace,
    known: KnownGoals,
    ruler: Ruler,
    study: Study,
    epochs: usize,
}

impl<'a> Search<'a> {
    fn new(table: &'a Table, mode: Mode, column: &str, seed: u64) -> Result<Self, Box<dyn Error>> {
        let (quality, latency) = (table.column(QUALITY)?, table.column(column)?);
        let feasible = FeasibleSpace::unrestricted(table.space.clone());
        let goals = vec![Goal::maximize("accuracy"), Goal::minimize("latency")];
        let known = match mode {
            Mode::Known | Mode::TwoLooksKnown => table.known(latency, &feasible),
            Mode::Learned | Mode::TwoLooks => KnownGoals::none(),
        };
        Ok(Self {
            table,
            quality,
            early_quality: table.column(EARLY_QUALITY)?,
            latency,
            ruler: Ruler::new(quality, latency),
            study: Study::new(table.space.clone(), goals, seed),
            feasible,
            known,
            epochs: 0,
        })
    }

    /// One trial in full; `false` once the space is exhausted.
    fn step(&mut self) -> Result<bool, Box<dyn Error>> {
        let Some(trial) = self.proposed()? else { return Ok(false) };
        let outcome = Outcome::Completed(self.measured(&trial, self.quality)?);
        self.study.trials.push(Trial { outcome: Some(outcome), ..trial });
        Ok(true)
    }

    /// An early look at a new architecture, or the rest of a trial that was looked at.
    fn step_with_looks(&mut self) -> Result<bool, Box<dyn Error>> {
        let number = self.study.next_number();
        let request = Proposal { study: &self.study, feasible: &self.feasible, known: &self.known };
        let chosen = BayesianAdvisor::default().promote(&request, u32::MAX, &mut self.study.rng(number))?;
        if let Some(number) = chosen {
            self.epochs += EPOCHS[1];
            let metrics = self.measured(&self.study.trials[number as usize], self.quality)?;
            self.study.trials[number as usize].outcome = Some(Outcome::Completed(metrics));
            return Ok(true);
        }
        let Some(trial) = self.proposed()? else { return Ok(false) };
        self.epochs += EPOCHS[0];
        let early = self.measured(&trial, self.early_quality)?;
        let outcome = Some(Outcome::Pruned(early.clone()));
        self.study.trials.push(Trial { intermediate: early, outcome, ..trial });
        Ok(true)
    }

    fn proposed(&self) -> Result<Option<Trial>, Box<dyn Error>> {
        let number = self.study.next_number();
        let request = Proposal { study: &self.study, feasible: &self.feasible, known: &self.known };
        let architecture = BayesianAdvisor::default().propose(&request, &mut self.study.rng(number))?;
        Ok(architecture.map(|architecture| Trial::pending(number, architecture)))
    }

    fn measured(&self, trial: &Trial, quality: &[f64]) -> Result<Metrics, Box<dyn Error>> {
        let row = self.table.row(&trial.architecture)?;
        Ok([("accuracy", quality[row]), ("latency", self.latency[row])].into_iter().collect())
    }

    fn reached(&self) -> f64 {
        self.share(&self.study)
    }

    /// What would be reached if everything looked at were trained to the end.
    fn within_looks(&self) -> Result<f64, Box<dyn Error>> {
        let mut study = self.study.clone();
        for trial in &mut study.trials {
            trial.outcome = Some(Outcome::Completed(self.measured(trial, self.quality)?));
        }
        Ok(self.share(&study))
    }

    fn share(&self, study: &Study) -> f64 {
        let share = self.ruler.relative(study.hypervolume(&self.ruler.reference));
        (share * 1e5).round() / 1e5
    }

    fn duplicates(&self) -> usize {
        let distinct: BTreeSet<_> = self.study.trials.iter().map(|trial| &trial.architecture).collect();
        self.study.trials.len() - distinct.len()
    }
}
