//! What the workers of a search share and change, and whether the search is over.

use std::collections::VecDeque;
use std::time::Instant;

use autodistillation_search::{Proposal, Study, Trial};

use super::AutoDistillation;
use crate::Error;
use crate::experiment::{Experiment, TrialLog};
use crate::started_from::{StartedFrom, Starts};
use crate::store::StudyStore;

/// The study and how far it has come.
pub(super) struct Memory {
    pub(super) study: Study,
    pub(super) store: Option<StudyStore>,
    /// What students started from.
    pub(super) starts: Starts,
    pub(super) interrupted: VecDeque<Trial>,
    /// Whether a stop rule has ended the search.
    is_over: bool,
    /// Why, until a worker has told it.
    pub(super) ended: Option<String>,
}

impl Memory {
    pub(super) fn of(study: Study) -> Self {
        Self {
            study,
            store: None,
            starts: Starts::new(),
            interrupted: VecDeque::new(),
            is_over: false,
            ended: None,
        }
    }

    /// Whether a stop rule of `search` has ended it.
    pub(super) fn is_over<E: Experiment>(&mut self, search: &AutoDistillation<E>) -> Result<bool, Error> {
        let rules = search.config.stop;
        if let Some(hours) = rules.max_hours
            && search.deadline.is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.end(format!("the search ends after {hours} hours, as `max_hours` says"));
        }
        if let Some(least) = rules.min_expected_gain.filter(|_| !self.is_over) {
            let request = Proposal { study: &self.study, feasible: &search.feasible, known: &search.known };
            let mut rng = self.study.rng(self.study.next_number());
            let gain = search.advisor.expected_gain(&request, &mut rng)?;
            if let Some(gain) = gain.filter(|gain| *gain < least) {
                let [gain, least] = [gain, least].map(|share| 100.0 * share);
                self.end(format!(
                    "the search ends: a further student is expected to enlarge the hypervolume by {gain:.3} % at best, less \
                     than `min_expected_gain` ({least:.3} %)"
                ));
            }
        }
        Ok(self.is_over)
    }

    fn end(&mut self, reason: String) {
        if !self.is_over {
            self.ended = Some(reason);
        }
        self.is_over = true;
    }

    /// A pruned trial as one that goes on.
    pub(super) fn revive(&mut self, number: u32) -> Result<Option<Trial>, Error> {
        if let Some(store) = &mut self.store {
            store.reopen_trial(number)?;
        }
        let trial = self.study.trials.iter_mut().find(|trial| trial.number == number);
        Ok(trial.map(|trial| {
            trial.outcome = None;
            trial.clone()
        }))
    }
}

impl<E: Experiment> TrialLog for AutoDistillation<E> {
    fn study(&self) -> Study {
        self.search_result()
    }

    fn started_from(&self, number: u32) -> Option<StartedFrom> {
        self.memory().starts.get(&number).cloned()
    }

    fn record_start(&self, number: u32, start: &StartedFrom) -> Result<(), Error> {
        let mut memory = self.memory();
        if let Some(store) = &mut memory.store {
            store.record_start(number, start)?;
        }
        memory.starts.insert(number, start.clone());
        Ok(())
    }
}
