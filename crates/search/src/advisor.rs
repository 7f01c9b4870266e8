//! The contract between a study and the algorithms that decide what to try next.

mod algorithm;
mod bayesian;
mod grid;
mod random;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

pub use algorithm::Algorithm;
pub use bayesian::BayesianAdvisor;
pub use grid::GridAdvisor;
pub use random::RandomAdvisor;

use crate::{Architecture, Constraint, Error, FeasibleSpace, Study};

/// Decides which architecture to try next: a pure function of what it is shown.
///
/// An advisor keeps no state, so resuming a search is re-reading its study. It never proposes an
/// infeasible architecture, nor one that some trial already has, whatever became of that trial, nor
/// one whose known metrics break a constraint.
/// [`contract::check_advisor`](crate::contract::check_advisor) tests all of this.
pub trait Advisor: Send + Sync {
    /// The algorithm's name, as a report shows it.
    fn name(&self) -> &str;

    /// The architecture to try next, or `None` once every feasible one has a trial.
    ///
    /// `rng` is the study's generator for the trial's number: [`Study::rng`].
    ///
    /// # Errors
    /// A study that the algorithm cannot work on, such as one without goals.
    fn propose(&self, request: &Proposal<'_>, rng: &mut ChaCha8Rng) -> Result<Option<Architecture>, Error>;

    /// The pruned trial that should be trained to the end next, by its number; `None` where trying
    /// another architecture (or, once `remaining` is 0, stopping) is worth more.
    ///
    /// A search in which trials are looked at early asks this before every proposal; `remaining` is
    /// how many more architectures it may try. By default every trial is trained to the end at once.
    ///
    /// # Errors
    /// A study that the algorithm cannot work on.
    fn promote(
        &self,
        request: &Proposal<'_>,
        _remaining: u32,
        _rng: &mut ChaCha8Rng,
    ) -> Result<Option<u32>, Error> {
        Ok(request.study.pruned().next().map(|trial| trial.number))
    }

    /// The share by which the best further trial is expected to enlarge the hypervolume; `None` where the algorithm
    /// expects nothing, or nothing yet. A search may end once it is small.
    ///
    /// # Errors
    /// A study that the algorithm cannot work on.
    fn expected_gain(&self, _request: &Proposal<'_>, _rng: &mut ChaCha8Rng) -> Result<Option<f64>, Error> {
        Ok(None)
    }
}

/// What an advisor is shown.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The search so far.
    pub study: &'a Study,
    /// What can be built, listed from the same space as the study's.
    pub feasible: &'a FeasibleSpace,
    /// What is known before any training.
    pub known: &'a KnownGoals,
}

impl Proposal<'_> {
    /// Refuses a study whose space is not the one that the feasible points were listed from, and
    /// constraints that exclude each other.
    pub(crate) fn check(&self) -> Result<(), Error> {
        Constraint::check_all(&self.study.constraints)?;
        if self.study.space == *self.feasible.space() { Ok(()) } else { Err(Error::SpaceMismatch) }
    }

    /// The numbers, in grid order, of every architecture that has a trial.
    pub fn tried(&self) -> BTreeSet<u64> {
        let space = self.feasible.space();
        self.study.trials.iter().filter_map(|trial| space.index_of(&trial.architecture)).collect()
    }

    /// The listed points that may be proposed, ascending: feasible, without a trial, and within
    /// every bound on a known metric.
    pub fn untried(&self) -> Vec<u64> {
        let tried = self.tried();
        let candidates = self.feasible.candidates().iter().copied();
        candidates.filter(|index| !tried.contains(index) && self.is_allowed(*index)).collect()
    }

    /// Whether a point's known metrics keep the constraints on them and are finite where they are
    /// goals; training it could not change that.
    pub(crate) fn is_allowed(&self, index: u64) -> bool {
        let value = |metric: &str| self.known.at(metric, self.feasible, index);
        let keeps = |constraint: &Constraint| {
            value(&constraint.metric).is_none_or(|known| constraint.bound.is_met_by(known))
        };
        self.study.constraints.iter().all(keeps)
            && self.study.goals.iter().all(|goal| value(&goal.metric).is_none_or(f64::is_finite))
    }
}

/// Metrics that do not depend on the weights, such as parameters, FLOPs or a measured latency.
///
/// Each is a function of the architecture; its values at the listed points are computed once.
#[derive(Clone, Default)]
pub struct KnownGoals {
    metrics: Vec<KnownMetric>,
}

#[derive(Clone)]
struct KnownMetric {
    metric: String,
    evaluate: Arc<dyn Fn(&Architecture) -> f64 + Send + Sync>,
    /// In the order of the feasible space's candidates.
    values: Arc<[f64]>,
}

impl KnownGoals {
    /// Nothing is known: every metric is learned from trials.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a metric, in its own unit; it replaces an earlier one of the same name.
    ///
    /// A point whose value is not finite is taken as unfit for proposal.
    #[must_use]
    pub fn with(
        mut self,
        metric: impl Into<String>,
        feasible: &FeasibleSpace,
        evaluate: impl Fn(&Architecture) -> f64 + Send + Sync + 'static,
    ) -> Self {
        let metric = metric.into();
        let values = feasible.architectures().map(|architecture| evaluate(&architecture)).collect();
        self.metrics.retain(|known| known.metric != metric);
        self.metrics.push(KnownMetric { metric, evaluate: Arc::new(evaluate), values });
        self
    }

    /// Whether a metric is known.
    pub fn contains(&self, metric: &str) -> bool {
        self.find(metric).is_some()
    }

    /// The known value of a metric for one architecture.
    pub fn value(&self, metric: &str, architecture: &Architecture) -> Option<f64> {
        self.find(metric).map(|known| (known.evaluate)(architecture))
    }

    /// The known values of a metric at the feasible space's candidates, in their order.
    pub fn values(&self, metric: &str) -> Option<&[f64]> {
        self.find(metric).map(|known| &*known.values)
    }

    /// The known value of a metric at a point by its number, from the list where it is there.
    pub(crate) fn at(&self, metric: &str, feasible: &FeasibleSpace, index: u64) -> Option<f64> {
        let known = self.find(metric)?;
        match feasible.candidates().binary_search(&index) {
            Ok(place) => known.values.get(place).copied(),
            Err(_) => {
                feasible.space().architecture_at(index).map(|architecture| (known.evaluate)(&architecture))
            }
        }
    }

    fn find(&self, metric: &str) -> Option<&KnownMetric> {
        self.metrics.iter().find(|known| known.metric == metric)
    }
}

impl fmt::Debug for KnownGoals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.metrics.iter().map(|known| &known.metric)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, SearchSpace};

    #[test]
    fn known_values_follow_the_candidates_and_the_latest_definition() {
        let space = SearchSpace::new(vec![Dimension::new("width", [64, 128])]).unwrap();
        let feasible = FeasibleSpace::unrestricted(space);
        let width = |architecture: &Architecture| architecture.integer("width").unwrap_or(0) as f64;
        let known =
            KnownGoals::none().with("parameters", &feasible, |_| 0.0).with("parameters", &feasible, width);
        assert_eq!(known.values("parameters"), Some([64.0, 128.0].as_slice()));
        assert_eq!(known.value("parameters", &feasible.space().architecture_at(1).unwrap()), Some(128.0));
        assert!(!known.contains("accuracy") && known.values("accuracy").is_none());
    }
}
