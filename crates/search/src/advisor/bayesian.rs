//! Gaussian processes over the grid and the expected growth of the front.

mod design;
mod evidence;
mod learned;
mod outlook;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::random::draw;
use super::{Advisor, Proposal};
use crate::{Architecture, Error, Study};
use outlook::{Front, Outlook};

/// How many untried points are scored at most; from more, as many are drawn and then climbed from.
const SCORED: usize = 1_000_000;
/// Once no architecture may be tried any more, a trial is trained to the end only where that is
/// expected to enlarge the hypervolume by this share.
const LEAST_GROWTH: f64 = 5e-3;
/// Once the spread trials have been looked at, this many are trained to the end to learn how early
/// and final values go together.
const FIRST_TRAININGS: usize = 4;
/// How many further early looks each further training to the end waits for.
const LOOKS_A_TRAINING: usize = 6;
/// How many of the best points a local search starts from, where a space is too large to list.
const LOCAL_STARTS: usize = 8;
/// How many improving steps each local search may take.
const LOCAL_STEPS: usize = 12;

/// Proposes the feasible untried architecture with the largest expected hypervolume improvement.
///
/// Each metric that has to be learned gets a Gaussian process; known metrics are taken as exact.
/// The improvement is exact for any number of goals (plain expected improvement for one) and
/// evaluated at *every* untried point, up to a million; in a larger space at the listed sample and along
/// climbs from the best of them and from the front, one dimension at a time. It is multiplied by
/// the probability of keeping the constraints and of working, the latter from a Gaussian process
/// over what worked and what did not: trials that failed, and, where some goal is known, those with
/// a value far below all others, such as the accuracy of chance, which the goals' own processes
/// leave out. Pending trials count as having their expected values (kriging believer).
///
/// Early values, such as those of a pruned trial, have a process of their own, which the final
/// values follow up to a residual (Kennedy and O'Hagan's autoregressive co-kriging). A proposal has
/// to improve on everything looked at as if it were trained to its expected values; a trial is
/// trained to the end for what that adds to what is trained, one for every six looks.
///
/// The first trials are spread over the space instead: each is, among random points, the one
/// farthest from all others (Mitchell's best candidate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BayesianAdvisor {
    /// How many trials are spread over the space first; by default one more than there are
    /// dimensions, and at least five.
    pub initial_trials: Option<u32>,
}

impl BayesianAdvisor {
    /// Spends at most a third of a small budget on the first, spread trials.
    pub fn for_budget(max_trials: u32, dimensions: usize) -> Self {
        let usual = default_initial_trials(dimensions);
        Self { initial_trials: Some(usual.min(max_trials.div_ceil(3)).max(2)) }
    }

    fn initial(&self, request: &Proposal<'_>) -> usize {
        let dimensions = request.feasible.space().dimensions().len();
        self.initial_trials.unwrap_or_else(|| default_initial_trials(dimensions)) as usize
    }

    /// How many trials may have been trained to the end by now.
    fn due(&self, request: &Proposal<'_>) -> usize {
        let (looks, initial) = (request.study.trials.len(), self.initial(request));
        match looks.checked_sub(initial) {
            Some(further) => FIRST_TRAININGS + further / LOOKS_A_TRAINING,
            None => 0,
        }
    }
}

impl Advisor for BayesianAdvisor {
    fn name(&self) -> &str {
        "BO"
    }

    fn propose(&self, request: &Proposal<'_>, rng: &mut ChaCha8Rng) -> Result<Option<Architecture>, Error> {
        request.check()?;
        if request.study.goals.is_empty() {
            return Err(Error::NoGoals);
        }
        let untried = request.untried();
        let chosen = if untried.is_empty() {
            draw(request, rng)
        } else if request.study.trials.len() < self.initial(request) {
            Some(design::spread(request, &untried, rng))
        } else {
            match Outlook::new(request, Front::LookedAt, rng)? {
                Some(outlook) => Some(best(request, &outlook, untried, rng)),
                None => Some(design::spread(request, &untried, rng)),
            }
        };
        Ok(chosen.and_then(|index| request.feasible.space().architecture_at(index)))
    }

    /// The pruned trial with the largest expected improvement of what is trained to the end: one
    /// for every few early looks, and once no architecture may be tried any more, while that is
    /// expected to enlarge the hypervolume noticeably.
    fn promote(
        &self,
        request: &Proposal<'_>,
        remaining: u32,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<u32>, Error> {
        request.check()?;
        let pruned: Vec<(u32, u64)> = request
            .study
            .pruned()
            .filter_map(|trial| Some((trial.number, request.feasible.space().index_of(&trial.architecture)?)))
            .collect();
        let Some(&(oldest, _)) = pruned.first() else { return Ok(None) };
        let trained = trained_to_the_end(request.study);
        if remaining > 0 && trained >= self.due(request) {
            return Ok(None);
        }
        if trained < FIRST_TRAININGS {
            return Ok(Some(oldest));
        }
        let Some(outlook) = Outlook::new(request, Front::Trained, rng)? else { return Ok(Some(oldest)) };
        let indices: Vec<u64> = pruned.iter().map(|(_, index)| *index).collect();
        let scores = outlook.scores(&indices);
        let threshold = if remaining == 0 { LEAST_GROWTH * outlook.volume() } else { 0.0 };
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        Ok(best.filter(|&at| scores[at] > 0.0 && scores[at] >= threshold).map(|at| pruned[at].0))
    }

    fn expected_gain(&self, request: &Proposal<'_>, rng: &mut ChaCha8Rng) -> Result<Option<f64>, Error> {
        request.check()?;
        if request.study.trials.len() < self.initial(request) {
            return Ok(None);
        }
        let untried = request.untried();
        if untried.is_empty() {
            return Ok(Some(0.0));
        }
        let outlook = Outlook::new(request, Front::LookedAt, rng)?.filter(|outlook| outlook.volume() > 0.0);
        Ok(outlook.map(|outlook| {
            let best = best(request, &outlook, untried, rng);
            outlook.scores(&[best])[0] / outlook.volume()
        }))
    }
}

/// How many trials were trained to the end or are being trained after their early look.
fn trained_to_the_end(study: &Study) -> usize {
    let training = study.pending().filter(|trial| !trial.intermediate.is_empty());
    study.completed().count() + training.count()
}

fn default_initial_trials(dimensions: usize) -> u32 {
    u32::try_from(dimensions + 1).unwrap_or(u32::MAX).max(5)
}

/// The most promising untried point.
fn best(request: &Proposal<'_>, outlook: &Outlook<'_>, mut points: Vec<u64>, rng: &mut ChaCha8Rng) -> u64 {
    let scores_all = request.feasible.is_complete() && points.len() <= SCORED;
    if points.len() > SCORED {
        points = points.partial_shuffle(rng, SCORED).0.to_vec();
    }
    let mut scores = outlook.scores(&points);
    if !scores_all {
        extend_locally(request, outlook, &mut points, &mut scores);
    }
    // Where nothing promises any improvement, every score is zero and the draw decides.
    let start = rng.random_range(0..points.len());
    let order = (start..points.len()).chain(0..start);
    let better = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
    points[order.reduce(better).unwrap_or(start)]
}

/// Climbs from the best listed points through changes of one dimension; what is met joins the list.
fn extend_locally(
    request: &Proposal<'_>,
    outlook: &Outlook<'_>,
    points: &mut Vec<u64>,
    scores: &mut Vec<f64>,
) {
    let mut seen = request.tried();
    seen.extend(points.iter().copied());
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut starts: Vec<u64> = order.into_iter().take(LOCAL_STARTS).map(|at| points[at]).collect();
    starts.extend(outlook.front().iter().copied());
    for mut current in starts {
        let mut height = f64::NEG_INFINITY;
        for _ in 0..LOCAL_STEPS {
            let mut around = request.feasible.neighbours(current);
            around.retain(|&point| seen.insert(point) && request.is_allowed(point));
            let found = outlook.scores(&around);
            let step = around.iter().zip(&found).max_by(|a, b| a.1.total_cmp(b.1)).map(|(&p, &s)| (p, s));
            points.extend_from_slice(&around);
            scores.extend_from_slice(&found);
            match step {
                Some((point, score)) if score > height => (current, height) = (point, score),
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Choice, Dimension, FeasibleSpace, Goal, GridAdvisor, KnownGoals, Metrics, RandomAdvisor, SearchSpace,
        Study, Trial,
    };

    /// Runs a search; `measure` gives the metrics of an architecture, `None` where it fails.
    fn search(
        advisor: &dyn Advisor,
        mut study: Study,
        trials: usize,
        measure: impl Fn(&Architecture) -> Option<Metrics>,
    ) -> Study {
        let feasible = FeasibleSpace::unrestricted(study.space.clone());
        let known = KnownGoals::none();
        while study.trials.len() < trials {
            let request = Proposal { study: &study, feasible: &feasible, known: &known };
            let number = study.next_number();
            let architecture = advisor.propose(&request, &mut study.rng(number)).unwrap().unwrap();
            study.trials.push(match measure(&architecture) {
                Some(metrics) => Trial::completed(number, architecture, metrics),
                None => Trial::failed(number, architecture, "diverged"),
            });
        }
        study
    }

    fn study(seed: u64) -> Study {
        let dimensions = vec![
            Dimension::new("width", [64, 96, 128, 192, 256, 384]),
            Dimension::new("layers", [2, 3, 4, 6, 8, 12]),
            Dimension::new("activation", ["gelu", "relu", "silu"]),
            Dimension::new("bottleneck", [true, false]),
        ];
        let goals = vec![Goal::maximize("accuracy"), Goal::minimize("latency")];
        Study::new(SearchSpace::new(dimensions).unwrap(), goals, seed)
    }

    fn measure(architecture: &Architecture) -> Metrics {
        let (width, layers) =
            (architecture.integer("width").unwrap(), architecture.integer("layers").unwrap());
        let narrow = architecture.get("bottleneck") == Some(&Choice::from(true));
        let penalty = if architecture.get("activation") == Some(&Choice::from("gelu")) { 0.0 } else { 0.05 };
        let cost = (width * layers) as f64 * if narrow { 0.5 } else { 1.0 };
        let accuracy = 0.95 - 3.0 / (width as f64).sqrt() / (layers as f64).powf(0.3) - penalty;
        [("accuracy", accuracy - if narrow { 0.02 } else { 0.0 }), ("latency", cost / 100.0)]
            .into_iter()
            .collect()
    }

    #[test]
    fn misses_less_of_the_front_than_random_in_as_many_trials() {
        let volume = |study: Study| study.hypervolume(&[0.4, 50.0]);
        let whole = volume(search(&GridAdvisor, study(0), 216, |a| Some(measure(a))));
        let missed = |advisor: &dyn Advisor| -> f64 {
            (0..3).map(|seed| whole - volume(search(advisor, study(seed), 25, |a| Some(measure(a))))).sum()
        };
        let (bayesian, random) = (missed(&BayesianAdvisor::default()), missed(&RandomAdvisor));
        assert!(bayesian < 0.4 * random, "{bayesian} against {random}");
    }

    #[test]
    fn learns_to_avoid_what_fails() {
        let fails = |architecture: &Architecture| architecture.integer("width") >= Some(256);
        let run = search(&BayesianAdvisor::default(), study(3), 40, |a| (!fails(a)).then(|| measure(a)));
        let failures = run.trials[20..].iter().filter(|trial| fails(&trial.architecture)).count();
        assert!(failures <= 5, "{failures} of the last 20 trials, where a third of the space fails");
    }

    #[test]
    fn keeps_a_learned_constraint_in_mind() {
        let mut constrained = study(5);
        constrained.constraints = vec![crate::Constraint::parse("max_latency_ms", "8").unwrap()];
        let run = search(&BayesianAdvisor::default(), constrained, 30, |a| Some(measure(a)));
        let kept =
            run.trials[10..].iter().filter(|trial| run.constraints[0].is_met_by(trial.metrics().unwrap()));
        assert!(kept.count() >= 15, "most proposals keep the bound once it is learned");
    }

    #[test]
    fn climbs_beyond_the_sample_of_a_space_too_large_to_list() {
        let dimensions = (0..11).map(|d| Dimension::new(format!("layer{d}"), [1, 2, 4, 8])).collect();
        let space = SearchSpace::new(dimensions).unwrap();
        let feasible = FeasibleSpace::unrestricted(space.clone());
        let study = Study::new(space.clone(), vec![Goal::maximize("sum")], 1);
        let total = |a: &Architecture| a.iter().filter_map(|(_, choice)| choice.number()).sum::<f64>();
        let run = search(&BayesianAdvisor::default(), study, 20, |a| {
            Some([("sum", total(a))].into_iter().collect())
        });
        let best = run.trials.iter().map(|trial| total(&trial.architecture)).fold(0.0, f64::max);
        let sampled = feasible.architectures().map(|architecture| total(&architecture)).fold(0.0, f64::max);
        assert!(best > sampled, "{best} among all against {sampled} among the listed");
    }

    #[test]
    fn a_study_without_goals_is_refused() {
        let study = Study { goals: Vec::new(), ..study(0) };
        let feasible = FeasibleSpace::unrestricted(study.space.clone());
        let request = Proposal { study: &study, feasible: &feasible, known: &KnownGoals::none() };
        let answer = BayesianAdvisor::default().propose(&request, &mut study.rng(0));
        assert_eq!(answer, Err(Error::NoGoals));
    }

    #[test]
    fn a_small_budget_is_not_spent_on_the_first_spread_trials() {
        assert_eq!(BayesianAdvisor::for_budget(10, 3).initial_trials, Some(4));
        assert_eq!(BayesianAdvisor::for_budget(100, 6).initial_trials, Some(7));
        assert_eq!(BayesianAdvisor::for_budget(1, 6).initial_trials, Some(2));
    }
}
