//! The loop that joins search and experiment: propose, train, evaluate, remember.

mod ask_tell;
mod memory;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use autodistillation_search::{
    Advisor, Architecture, FeasibleSpace, KnownGoals, Metrics, Outcome, Proposal, Study, Trial,
};

use crate::Error;
use crate::event::{RunEvent, RunListener};
use crate::experiment::{Experiment, Patience, Shared, TrialContext, TrialError};
use crate::plan::{Pruning, SearchPlan};
use crate::started_from::Starts;
use crate::store::{StageRecord, StudyStore};
use memory::Memory;

/// The whole pipeline of a search: an advisor proposes, the experiment trains and evaluates, the study remembers.
///
/// ```
/// use autodistillation::{AutoDistillation, MockExperiment, config::SearchConfig};
///
/// let config = "
/// auto_distillation:
///   search: {search_space: {hidden_size: [64, 128], num_hidden_layers: [2, 4]}, search_algorithm: Grid,
///            metrics: [accuracy, latency], higher_is_better: [true, false], max_trials: 4}
/// ";
/// let config = SearchConfig::parse(config, std::path::Path::new("."))?;
/// let mut agent = AutoDistillation::new(config.search, MockExperiment::default());
/// let best = agent.search_loop()?;
/// assert_eq!(best.len(), 4, "every size is a different trade-off in this experiment");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AutoDistillation<E: Experiment> {
    config: SearchPlan,
    experiment: Arc<E>,
    advisor: Box<dyn Advisor>,
    feasible: FeasibleSpace,
    known: KnownGoals,
    memory: Mutex<Memory>,
    options: SearchOptions,
    deadline: Option<Instant>,
}

/// How a search runs; none of it changes what is found with one job.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Students trained side by side.
    pub jobs: usize,
    /// Threads of each student.
    pub threads: usize,
    /// Where trials keep their files, each in a folder of its number.
    pub folder: Option<PathBuf>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { jobs: 1, threads: 1, folder: None }
    }
}

impl<E: Experiment + 'static> AutoDistillation<E> {
    /// The search of `config` over `experiment`, kept in memory, one student at a time.
    pub fn new(config: SearchPlan, experiment: E) -> Self {
        let mut study = Study::new(config.space.clone(), config.goals.clone(), config.seed);
        study.constraints = config.constraints.clone();
        let experiment = Arc::new(experiment);
        let rule = Arc::clone(&experiment);
        let feasible = FeasibleSpace::new(config.space.clone(), move |architecture| rule.check(architecture));
        let known = experiment.known_goals(&feasible);
        let advisor = config.algorithm.advisor();
        let memory = Memory::of(study);
        Self {
            config,
            experiment,
            advisor,
            feasible,
            known,
            memory: Mutex::new(memory),
            options: SearchOptions::default(),
            deadline: None,
        }
    }
}

impl<E: Experiment> AutoDistillation<E> {
    /// The same search with another advisor.
    #[must_use]
    pub fn with_advisor(mut self, advisor: Box<dyn Advisor>) -> Self {
        self.advisor = advisor;
        self
    }

    /// The same search with other options.
    #[must_use]
    pub fn with_options(mut self, options: SearchOptions) -> Self {
        self.options = options;
        self
    }

    /// The same search, remembered in `store`: finished trials are taken over, interrupted ones run again first.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot be read.
    pub fn with_store(mut self, store: StudyStore) -> Result<Self, Error> {
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut study = store.load()?;
        study.constraints = self.config.constraints.clone();
        if self.config.pruning == Pruning::Auto && self.experiment.looks_early() {
            wait_again(&mut study);
        }
        memory.interrupted = study.trials.iter().filter(|trial| trial.is_pending()).cloned().collect();
        memory.study = study;
        memory.starts = store.starts()?;
        memory.store = Some(store);
        Ok(self)
    }

    /// Every feasible point of the search space.
    pub fn search_space(&self) -> &FeasibleSpace {
        &self.feasible
    }

    /// The search algorithm.
    pub fn advisor(&self) -> &dyn Advisor {
        self.advisor.as_ref()
    }

    /// The search's part of the config.
    pub fn config(&self) -> &SearchPlan {
        &self.config
    }

    /// The experiment: `model_builder`, `train_func` and `eval_func`.
    pub fn experiment(&self) -> &E {
        &self.experiment
    }

    /// Goals that are known before training.
    pub fn known_goals(&self) -> &KnownGoals {
        &self.known
    }

    /// Every trial so far.
    pub fn search_result(&self) -> Study {
        self.memory().study.clone()
    }

    /// What the trials' students started from.
    pub fn starts(&self) -> Starts {
        self.memory().starts.clone()
    }

    /// The architectures on the Pareto front so far, in order of evaluation.
    pub fn best_model_arch(&self) -> Vec<Architecture> {
        self.memory().study.pareto_front().into_iter().map(|trial| trial.architecture.clone()).collect()
    }

    /// Runs trials until `max_trials` are finished or every feasible architecture was tried; returns the
    /// architectures on the Pareto front.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the study cannot be written, [`Error::NoFeasiblePoint`] for an empty space. A trial
    /// that fails is no error: the study keeps the reason.
    pub fn search_loop(&mut self) -> Result<Vec<Architecture>, Error> {
        self.search_with(&|_: &RunEvent| {}, &AtomicBool::new(false))
    }

    /// [`search_loop`](Self::search_loop) with a listener, and with a flag that stops it after saving.
    ///
    /// # Errors
    ///
    /// As [`search_loop`](Self::search_loop).
    pub fn search_with(
        &mut self,
        listener: &dyn RunListener,
        stop: &AtomicBool,
    ) -> Result<Vec<Architecture>, Error> {
        if self.feasible.is_empty() {
            return Err(Error::NoFeasiblePoint { rejections: self.feasible.rejections().clone() });
        }
        self.start_clock();
        let threads = self.options.jobs.max(1) * self.options.threads.max(1);
        let shared = Shared::new((listener, stop), threads).with_log(self);
        self.announce(listener);
        let results = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.options.jobs.max(1)).map(|_| scope.spawn(|| self.work(&shared))).collect();
            workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
        });
        for result in results {
            result.unwrap_or(Err(Error::WorkerPanicked))?;
        }
        if !stop.load(Ordering::Relaxed) {
            self.end_waiting(listener)?;
        }
        Ok(self.best_model_arch())
    }

    /// One worker: takes trials until there are none.
    fn work(&self, shared: &Shared<'_>) -> Result<(), Error> {
        let threads = self.options.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|source| Error::Threads { threads, source })?;
        while !shared.stop.load(Ordering::Relaxed) {
            let Some(trial) = self.model_arch_proposition()? else {
                if let Some(reason) = self.memory().ended.take() {
                    shared.listener.hear(&RunEvent::Note(reason));
                }
                break;
            };
            let outcome = pool.install(|| self.train_evaluate(&trial, shared))?;
            let Some(outcome) = outcome else { break };
            if let Outcome::Pruned(early) = outcome {
                self.wait(trial.number, early.clone())?;
                shared.listener.hear(&RunEvent::TrialWaiting { number: trial.number, early });
                continue;
            }
            self.finish(trial.number, outcome.clone())?;
            shared.listener.hear(&RunEvent::TrialFinished { number: trial.number, outcome });
        }
        if !shared.stop.load(Ordering::Relaxed) && !shared.had_a_worker_to_spare.swap(true, Ordering::Relaxed)
        {
            pool.install(|| self.experiment.meanwhile(shared));
        }
        Ok(())
    }

    /// The next trial: an interrupted one, one that was looked at early and is worth its training, or a new proposal,
    /// already written to the store. `None` when the search is over.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when it cannot be written, [`Error::Search`] when the advisor cannot propose.
    pub fn model_arch_proposition(&self) -> Result<Option<Trial>, Error> {
        let mut memory = self.memory();
        if let Some(trial) = memory.interrupted.pop_front() {
            return Ok(Some(trial));
        }
        if memory.is_over(self)? {
            return Ok(None);
        }
        let remaining = self.config.max_trials.saturating_sub(memory.study.trials.len() as u32);
        let number = memory.study.next_number();
        let request = Proposal { study: &memory.study, feasible: &self.feasible, known: &self.known };
        if let Some(promoted) = self.advisor.promote(&request, remaining, &mut memory.study.rng(number))? {
            return memory.revive(promoted);
        }
        if remaining == 0 {
            return Ok(None);
        }
        let request = Proposal { study: &memory.study, feasible: &self.feasible, known: &self.known };
        let proposal = self.advisor.propose(&request, &mut memory.study.rng(number))?;
        let Some(architecture) = proposal else { return Ok(None) };
        let trial = Trial::pending(number, architecture);
        if let Some(store) = &mut memory.store {
            store.begin_trial(&trial)?;
        }
        memory.study.trials.push(trial.clone());
        Ok(Some(trial))
    }

    /// Builds, trains and evaluates the student of one trial. Whatever goes wrong in it is its outcome, a look before
    /// its expensive part is [`Outcome::Pruned`] for now; `None` when the user stopped it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsaved`] when the disk is full: the trial stays unfinished and continues with the next run.
    pub fn train_evaluate(&self, trial: &Trial, shared: &Shared<'_>) -> Result<Option<Outcome>, Error> {
        let folder = self.options.folder.as_ref().map(|folder| folder.join(format!("{:04}", trial.number)));
        let context = TrialContext {
            number: trial.number,
            architecture: &trial.architecture,
            patience: self.patience(trial),
            seed: trial_seed(self.config.seed, trial.number),
            folder: folder.as_ref(),
            shared,
        };
        let result = catch_unwind(AssertUnwindSafe(|| self.measure(&context)));
        Ok(match result {
            Ok(Ok(metrics)) => Some(self.judge(metrics)),
            Ok(Err(TrialError::Stopped)) => None,
            Ok(Err(TrialError::Waiting(early))) => Some(looked_at(early, context.patience)),
            Ok(Err(failure)) if failure.is_full_disk() => {
                return Err(Error::Unsaved { number: trial.number, source: failure.into_cause() });
            }
            Ok(Err(failure)) => Some(Outcome::Failed(failure.reason())),
            Err(panic) => Some(Outcome::Failed(format!("panicked: {}", panic_text(panic.as_ref())))),
        })
    }

    fn measure(&self, context: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        let student = self.experiment.build(context)?;
        let student = self.experiment.train(student, context)?;
        self.experiment.evaluate(student, context)
    }

    /// A trial waits once, where a folder keeps its student meanwhile.
    fn patience(&self, trial: &Trial) -> Patience {
        let may_wait = self.config.pruning == Pruning::Auto
            && self.experiment.looks_early()
            && self.options.folder.is_some();
        if may_wait && trial.intermediate.is_empty() { Patience::LooksEarly } else { Patience::Finishes }
    }

    /// Remembers an early look; the trial counts as pruned until it is trained to the end.
    fn wait(&self, number: u32, early: Metrics) -> Result<(), Error> {
        let mut memory = self.memory();
        if let Some(store) = &mut memory.store {
            let look =
                StageRecord { stage: 0, name: "flash".to_owned(), seconds: 0.0, metrics: early.clone() };
            store.record_stage(number, &look)?;
        }
        if let Some(trial) = memory.study.trials.iter_mut().find(|trial| trial.number == number) {
            trial.intermediate = early.clone();
            trial.outcome = Some(Outcome::Pruned(early));
        }
        Ok(())
    }

    /// Ends the trials that nobody trained after their early look.
    fn end_waiting(&self, listener: &dyn RunListener) -> Result<(), Error> {
        let pruned: Vec<(u32, Outcome)> = self
            .memory()
            .study
            .pruned()
            .filter_map(|trial| Some((trial.number, trial.outcome.clone()?)))
            .collect();
        for (number, outcome) in pruned {
            let ended = self.memory().store.as_ref().map_or(Ok(false), |store| store.is_ended(number))?;
            if !ended {
                self.finish(number, outcome.clone())?;
                listener.hear(&RunEvent::TrialFinished { number, outcome });
            }
        }
        Ok(())
    }

    /// Metrics that lack a goal, or have one that is no number, are a failure.
    fn judge(&self, metrics: Metrics) -> Outcome {
        for goal in &self.config.goals {
            match metrics.get(&goal.metric) {
                Some(value) if value.is_finite() => {}
                Some(value) => return Outcome::Failed(format!("metric `{}` is {value}", goal.metric)),
                None => {
                    return Outcome::Failed(format!("the evaluation returned no metric `{}`", goal.metric));
                }
            }
        }
        Outcome::Completed(metrics)
    }

    fn finish(&self, number: u32, outcome: Outcome) -> Result<(), Error> {
        let mut memory = self.memory();
        if let Some(store) = &mut memory.store {
            store.finish_trial(number, &outcome)?;
        }
        if let Some(trial) = memory.study.trials.iter_mut().find(|trial| trial.number == number) {
            trial.outcome = Some(outcome);
        }
        Ok(())
    }

    fn announce(&self, listener: &dyn RunListener) {
        let memory = self.memory();
        let finished = memory.study.trials.iter().filter(|trial| !trial.is_pending()).count() as u32;
        listener.hear(&RunEvent::SearchStarted {
            trials: self.config.max_trials,
            finished,
            jobs: self.options.jobs,
        });
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look that was asked for and showed something; anything else would be asked for without end.
fn looked_at(early: Metrics, patience: Patience) -> Outcome {
    match patience {
        Patience::LooksEarly if !early.is_empty() => Outcome::Pruned(early),
        Patience::LooksEarly => Outcome::Failed("the early look returned no metrics".to_owned()),
        Patience::Finishes => Outcome::Failed("it waits where it has to train to the end".to_owned()),
    }
}

/// Running trials that were looked at early wait again for the advisor's decision.
fn wait_again(study: &mut Study) {
    let looked_at = |trial: &&mut Trial| trial.is_pending() && !trial.intermediate.is_empty();
    for trial in study.trials.iter_mut().filter(looked_at) {
        trial.outcome = Some(Outcome::Pruned(trial.intermediate.clone()));
    }
}

/// The seed of a trial's own random choices: a mix of the study's seed and the trial's number (SplitMix64).
fn trial_seed(seed: u64, number: u32) -> u64 {
    let mut state = seed.wrapping_add((u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod early_look_tests;
#[cfg(test)]
mod tests;
