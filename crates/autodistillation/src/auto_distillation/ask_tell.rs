//! Ask and tell: trials that somebody else builds, trains and measures, outside of the loop.

use std::time::{Duration, Instant};

use autodistillation_search::{Metrics, Outcome};

use super::AutoDistillation;
use crate::Error;
use crate::experiment::Experiment;

impl<E: Experiment> AutoDistillation<E> {
    /// Starts the clock of `max_hours`, which counts from here.
    pub fn start_clock(&mut self) {
        let hours = self.config.stop.max_hours;
        let limit = hours.and_then(|hours| Duration::try_from_secs_f64(3600.0 * hours).ok());
        self.deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    }

    /// Ends a trial of [`model_arch_proposition`](Self::model_arch_proposition) with what was measured, or with the
    /// reason why nothing was. Metrics that lack a goal, or have one that is no number, are a failure.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] for a trial that nobody asked for or that has ended, [`Error::Store`] when the study
    /// cannot be written.
    pub fn tell(&self, number: u32, measured: Result<Metrics, String>) -> Result<Outcome, Error> {
        self.require_running(number)?;
        let outcome = match measured {
            Ok(metrics) => self.judge(metrics),
            Err(reason) => Outcome::Failed(reason),
        };
        self.finish(number, outcome.clone())?;
        Ok(outcome)
    }

    /// Gives back a trial whose work was interrupted: the next proposal is this trial again.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] for a trial that nobody asked for or that has ended.
    pub fn give_back(&self, number: u32) -> Result<(), Error> {
        self.require_running(number)?;
        let mut memory = self.memory();
        let trial = memory.study.trials.iter().find(|trial| trial.number == number).cloned();
        if !memory.interrupted.iter().any(|trial| trial.number == number) {
            memory.interrupted.extend(trial);
        }
        Ok(())
    }

    fn require_running(&self, number: u32) -> Result<(), Error> {
        let memory = self.memory();
        let is_running =
            |trial: &&autodistillation_search::Trial| trial.number == number && trial.is_pending();
        if memory.study.trials.iter().any(|trial| is_running(&trial)) {
            return Ok(());
        }
        Err(Error::NotRunning { number })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::SearchConfig;
    use crate::experiment::Elsewhere;
    use crate::store::StudyStore;
    use crate::{AutoDistillation, MockExperiment};
    use autodistillation_search::{Architecture, Metrics, Outcome};
    use std::path::Path;

    const CONFIG: &str = "
        auto_distillation:
          search: {search_space: {width: [1, 2, 3, 4], depth: [1, 2, 3]}, metrics: [accuracy, latency],
                   higher_is_better: [true, false], max_trials: 8, seed: 3}";

    fn config() -> SearchConfig {
        SearchConfig::parse(CONFIG, Path::new("c.yaml")).unwrap()
    }

    fn measured(architecture: &Architecture) -> Metrics {
        let of = |name| architecture.integer(name).unwrap() as f64;
        [("accuracy", of("width") * of("depth")), ("latency", of("depth"))].into_iter().collect()
    }

    #[test]
    fn asked_trials_are_those_of_the_loop() {
        let agent = AutoDistillation::new(config().search, Elsewhere);
        while let Some(trial) = agent.model_arch_proposition().unwrap() {
            agent.tell(trial.number, Ok(measured(&trial.architecture))).unwrap();
        }
        let closures = crate::Closures::new(
            |architecture: &Architecture| Ok(architecture.clone()),
            Ok,
            |architecture: &Architecture| Ok(measured(architecture)),
        );
        let mut looped = AutoDistillation::new(config().search, closures);
        looped.search_loop().unwrap();
        assert_eq!(agent.search_result(), looped.search_result());
        assert_eq!(agent.search_result().trials.len(), 8);
    }

    #[test]
    fn what_is_told_is_judged_and_a_trial_ends_once() {
        let agent = AutoDistillation::new(config().search, MockExperiment::default());
        let number = agent.model_arch_proposition().unwrap().unwrap().number;
        let told = agent.tell(number, Ok([("accuracy", 0.5)].into_iter().collect())).unwrap();
        assert_eq!(told, Outcome::Failed("the evaluation returned no metric `latency`".to_owned()));
        let again = agent.tell(number, Err("x".to_owned())).unwrap_err().to_string();
        assert!(again.starts_with("trial 0 is not running"), "{again}");
        assert!(agent.give_back(number).is_err() && agent.tell(7, Err("x".to_owned())).is_err());
    }

    #[test]
    fn a_trial_given_back_is_proposed_again_once() {
        let agent = AutoDistillation::new(config().search, Elsewhere);
        let first = agent.model_arch_proposition().unwrap().unwrap();
        agent.give_back(first.number).unwrap();
        agent.give_back(first.number).unwrap();
        assert_eq!(agent.model_arch_proposition().unwrap().unwrap(), first);
        assert_eq!(agent.model_arch_proposition().unwrap().unwrap().number, 1);
    }

    #[test]
    fn a_search_outside_of_the_loop_goes_on_from_its_store() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let config = config();
            let store = StudyStore::open(&folder.path().join("study.db"), &config.definition()).unwrap();
            AutoDistillation::new(config.search, Elsewhere).with_store(store).unwrap()
        };
        let agent = open();
        let done = agent.model_arch_proposition().unwrap().unwrap();
        agent.tell(done.number, Ok(measured(&done.architecture))).unwrap();
        let interrupted = agent.model_arch_proposition().unwrap().unwrap();
        drop(agent);
        let agent = open();
        assert_eq!(agent.search_result().trials[0].metrics(), Some(&measured(&done.architecture)));
        assert_eq!(agent.model_arch_proposition().unwrap().unwrap(), interrupted);
    }
}
