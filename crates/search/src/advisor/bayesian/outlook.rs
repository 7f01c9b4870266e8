//! What is believed of the untried architectures and what trying each is worth.

use rand_chacha::ChaCha8Rng;

use super::evidence::{self, Signed};
use super::learned::Learned;
use crate::acquisition::{Improvement, Marginal, cumulative};
use crate::hypervolume::hypervolume;
use crate::surrogate::{Belief, Codes, Encoding, GaussianProcess, Look, Observations, Warp};
use crate::{Bound, Error, Outcome, Proposal, Trial, pareto};

/// The variance of an outcome's label that no architecture explains.
const VIABILITY_NOISE: f64 = 0.05;
/// How many boxes are summed in one scoring at most; beyond that a thinned front screens first.
const MOST_SUMMANDS: usize = 200_000_000;
/// How many points of the front the screening keeps.
const SCREENING_FRONT: usize = 12;
/// The share of the observed range that is added below the worst value to get the reference.
const REFERENCE_MARGIN: f64 = 0.1;

/// What the front to improve on is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// What was trained to the end, or is being trained.
    Trained,
    /// The same, and what was looked at early, as if it were trained to its expected values.
    LookedAt,
}

/// Where the values of a goal or of a constraint's metric come from.
#[derive(Clone, Copy)]
enum Source {
    Known,
    /// A position among the learned metrics.
    Learned(usize),
    /// Nothing has been seen of it.
    Unknown,
}

/// The beliefs after the trials so far.
pub(super) struct Outlook<'a> {
    request: &'a Proposal<'a>,
    encoding: Encoding,
    learned: Vec<Learned>,
    goals: Vec<(Signed, Source)>,
    improvement: Improvement,
    /// The same over a thinned front, for a first look where the exact one is expensive.
    screening: Improvement,
    front: Vec<u64>,
    /// The hypervolume of the believed front above the reference.
    volume: f64,
    /// What decides whether a trial works (+1) or does not (−1); absent while all have worked.
    viability: Option<GaussianProcess>,
}

impl<'a> Outlook<'a> {
    /// Fits what has to be learned; `None` where fewer than two trials tell anything about some goal.
    pub(super) fn new(
        request: &'a Proposal<'a>,
        front: Front,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Self>, Error> {
        let encoding = Encoding::new(request.feasible.space());
        let encoding = if evidence::knows_a_goal(request) { encoding } else { encoding.without_alphabets() };
        let mut learned = Vec::new();
        for signed in signed_metrics(request) {
            let fitted = Learned::fit(request, &encoding, signed, rng)?;
            learned.extend(fitted);
        }
        let sources = |signed: Signed| (source(request, &learned, &signed), signed);
        let goals: Vec<(Signed, Source)> =
            goals(request).map(sources).map(|(source, signed)| (signed, source)).collect();
        if goals.iter().any(|(_, source)| matches!(source, Source::Unknown)) {
            return Ok(None);
        }
        let mut outlook = Self {
            improvement: Improvement::new(&[], &[], &[]),
            screening: Improvement::new(&[], &[], &[]),
            viability: viability(request, &encoding, rng),
            front: Vec::new(),
            volume: 0.0,
            request,
            encoding,
            learned,
            goals,
        };
        outlook.survey(front);
        Ok(Some(outlook))
    }

    /// The grid numbers of the architectures on the believed front.
    pub(super) fn front(&self) -> &[u64] {
        &self.front
    }

    /// The hypervolume of the believed front, in the product of the goals' units.
    pub(super) fn volume(&self) -> f64 {
        self.volume
    }

    /// The expected improvement of trying each point, discounted by what may go wrong.
    ///
    /// Exact wherever it matters: with four goals and more, where the boxes are very many, points
    /// that a thinned front ranks low score zero.
    pub(super) fn scores(&self, indices: &[u64]) -> Vec<f64> {
        let affordable = (MOST_SUMMANDS / self.improvement.boxes().max(1)).max(1);
        if indices.len() <= affordable {
            return self.scores_with(&self.improvement, indices);
        }
        let screened = self.scores_with(&self.screening, indices);
        let mut order: Vec<usize> = (0..indices.len()).collect();
        order.sort_by(|&a, &b| screened[b].total_cmp(&screened[a]));
        order.truncate(affordable);
        let promising: Vec<u64> = order.iter().map(|&at| indices[at]).collect();
        let mut scores = vec![0.0; indices.len()];
        for (at, score) in order.into_iter().zip(self.scores_with(&self.improvement, &promising)) {
            scores[at] = score;
        }
        scores
    }

    fn scores_with(&self, improvement: &Improvement, indices: &[u64]) -> Vec<f64> {
        let codes = self.encoding.codes(self.request.feasible.space(), indices);
        let beliefs: Vec<Vec<Belief>> =
            self.learned.iter().map(|learned| learned.predict(indices, &codes)).collect();
        let viable = self.viable(&codes);
        let mut improvement = improvement.clone();
        let mut marginals = Vec::with_capacity(self.goals.len());
        let score = |at: usize| {
            marginals.clear();
            marginals.extend(self.goals.iter().map(|(signed, source)| match source {
                Source::Learned(which) => Marginal::Learned(beliefs[*which][at]),
                _ => Marginal::Known(self.known_value(signed, indices[at])),
            }));
            let gain = improvement.expected(&marginals);
            if gain > 0.0 { gain * viable[at] * self.keeping(|which| beliefs[which][at]) } else { 0.0 }
        };
        (0..indices.len()).map(score).collect()
    }

    /// The front to improve on, pending trials included at their expected values, and the reference.
    fn survey(&mut self, front: Front) {
        let trials = self.request.study.trials.iter();
        let valued: Vec<(u64, Vec<f64>, bool)> =
            trials.filter_map(|trial| self.standing(trial, front)).collect();
        let reference: Vec<f64> = (0..self.goals.len()).map(|goal| self.reference(goal, &valued)).collect();
        let (indices, points): (Vec<u64>, Vec<Vec<f64>>) =
            valued.into_iter().filter(|standing| standing.2).map(|(index, point, _)| (index, point)).unzip();
        let on_front = pareto::non_dominated(&points);
        let front: Vec<Vec<f64>> = on_front.iter().map(|&at| points[at].clone()).collect();
        let warps: Vec<Option<&Warp>> = self
            .goals
            .iter()
            .map(|(_, source)| match source {
                Source::Learned(which) => Some(&self.learned[*which].warp),
                _ => None,
            })
            .collect();
        let stride = front.len().div_ceil(SCREENING_FRONT).max(1);
        let thinned: Vec<Vec<f64>> = front.iter().step_by(stride).cloned().collect();
        self.volume = hypervolume(&front, &reference);
        self.screening = Improvement::new(&thinned, &reference, &warps);
        self.improvement = Improvement::new(&front, &reference, &warps);
        self.front = on_front.into_iter().map(|at| indices[at]).collect();
    }

    /// The point of a trial that counts for the front, its signed goals, and whether it keeps the constraints.
    fn standing(&self, trial: &Trial, front: Front) -> Option<(u64, Vec<f64>, bool)> {
        let counts = match trial.outcome {
            Some(Outcome::Completed(_)) | None => true,
            Some(Outcome::Pruned(_)) => front == Front::LookedAt,
            Some(Outcome::Failed(_)) => false,
        };
        if !counts {
            return None;
        }
        let index = self.request.feasible.space().index_of(&trial.architecture)?;
        let values: Vec<f64> = self
            .goals
            .iter()
            .map(|(signed, source)| self.trial_value(trial, index, signed, *source))
            .collect::<Option<_>>()?;
        let keeps = self.request.study.constraints.iter().all(|constraint| {
            let signed = Signed { metric: constraint.metric.clone(), sign: sign_of(constraint.bound) };
            let source = source(self.request, &self.learned, &signed);
            let value = self.trial_value(trial, index, &signed, source);
            value.map_or(trial.metrics().is_none(), |value| constraint.bound.is_met_by(signed.sign * value))
        });
        Some((index, values, keeps))
    }

    fn trial_value(&self, trial: &Trial, index: u64, signed: &Signed, source: Source) -> Option<f64> {
        match (source, trial.metrics()) {
            (Source::Known, _) => Some(self.known_value(signed, index)),
            (_, Some(metrics)) => metrics.finite(&signed.metric).map(|value| signed.sign * value),
            (Source::Learned(which), None) => {
                let learned = &self.learned[which];
                let code = self.encoding.codes(self.request.feasible.space(), &[index]);
                Some(learned.warp.backward(learned.predict(&[index], &code)[0].mean))
            }
            (Source::Unknown, None) => None,
        }
        .filter(|value| value.is_finite())
    }

    /// A little below the worst value seen, or for a known goal the worst there is.
    fn reference(&self, goal: usize, valued: &[(u64, Vec<f64>, bool)]) -> f64 {
        let (signed, source) = &self.goals[goal];
        let mut values: Vec<f64> = valued.iter().map(|standing| standing.1[goal]).collect();
        if matches!(source, Source::Known) {
            let candidates = self.request.feasible.candidates().iter();
            values.extend(candidates.map(|&index| self.known_value(signed, index)).filter(|v| v.is_finite()));
        }
        let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let span = if best > worst { best - worst } else { worst.abs().max(1.0) };
        worst - REFERENCE_MARGIN * span
    }

    fn known_value(&self, signed: &Signed, index: u64) -> f64 {
        let value = self.request.known.at(&signed.metric, self.request.feasible, index);
        value.map_or(f64::NAN, |value| signed.sign * value)
    }

    /// The probability of keeping every learned constraint.
    fn keeping(&self, belief: impl Fn(usize) -> Belief) -> f64 {
        let keeping = self.request.study.constraints.iter().filter_map(|constraint| {
            let signed = Signed { metric: constraint.metric.clone(), sign: sign_of(constraint.bound) };
            let Source::Learned(which) = source(self.request, &self.learned, &signed) else { return None };
            let (Bound::AtMost(limit) | Bound::AtLeast(limit)) = constraint.bound;
            let learned = &self.learned[which];
            let warped = learned.warp.forward(learned.signed.sign * limit);
            // The surrogate may have been learned for a goal of the opposite sign.
            let side = signed.sign * learned.signed.sign;
            Some(cumulative(side * (belief(which).mean - warped) / belief(which).deviation))
        });
        keeping.product()
    }

    /// The probability of working, by regression on the outcomes; never quite zero, so that a
    /// search among failures goes on.
    fn viable(&self, codes: &Codes) -> Vec<f64> {
        let Some(viability) = &self.viability else { return vec![1.0; codes.points] };
        let probability =
            |belief: Belief| cumulative(belief.mean / (belief.deviation.powi(2) + VIABILITY_NOISE).sqrt());
        viability.predict(codes).into_iter().map(|belief| probability(belief).max(1e-6)).collect()
    }
}

fn goals<'a>(request: &'a Proposal<'_>) -> impl Iterator<Item = Signed> + 'a {
    request.study.goals.iter().map(|goal| Signed { metric: goal.metric.clone(), sign: goal.signed(1.0) })
}

fn sign_of(bound: Bound) -> f64 {
    match bound {
        Bound::AtLeast(_) => 1.0,
        Bound::AtMost(_) => -1.0,
    }
}

/// The metrics that have to be learned: of goals first, then of constraints that are no goal.
fn signed_metrics(request: &Proposal<'_>) -> Vec<Signed> {
    let constrained = request
        .study
        .constraints
        .iter()
        .map(|constraint| Signed { metric: constraint.metric.clone(), sign: sign_of(constraint.bound) });
    let mut found: Vec<Signed> = Vec::new();
    for signed in goals(request).chain(constrained) {
        if !request.known.contains(&signed.metric) && found.iter().all(|other| other.metric != signed.metric)
        {
            found.push(signed);
        }
    }
    found
}

fn source(request: &Proposal<'_>, learned: &[Learned], signed: &Signed) -> Source {
    if request.known.contains(&signed.metric) {
        return Source::Known;
    }
    let which = learned.iter().position(|learned| learned.signed.metric == signed.metric);
    which.map_or(Source::Unknown, Source::Learned)
}

/// A process over what worked and what did not; `None` while everything did.
fn viability(request: &Proposal<'_>, encoding: &Encoding, rng: &mut ChaCha8Rng) -> Option<GaussianProcess> {
    let space = request.feasible.space();
    let ended = request.study.trials.iter().filter(|trial| !trial.is_pending());
    let metrics = signed_metrics(request);
    let limits: Vec<_> = metrics.iter().filter_map(|signed| evidence::limit(request, signed)).collect();
    let mut observations = Observations::default();
    for trial in ended {
        if let Some(index) = space.index_of(&trial.architecture) {
            let below = limits.iter().any(|limit| limit.rules_out(trial));
            let label = if below || evidence::is_broken(request, trial) { -1.0 } else { 1.0 };
            observations.push(encoding.point(space, index), Look::Final, label);
        }
    }
    let any_broken = observations.values.iter().any(|&label| label < 0.0);
    any_broken.then(|| GaussianProcess::fit(encoding, observations, rng)).flatten()
}
