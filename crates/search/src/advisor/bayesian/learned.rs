//! What trials have revealed about one metric.

use rand_chacha::ChaCha8Rng;

use super::evidence::{self, Signed};
use crate::surrogate::{
    Belief, Codes, Encoding, GaussianProcess, Look, Observations, Sample, TwoLooks, Warp,
};
use crate::{Error, Proposal, Trial};

/// A metric that trials have to reveal, with its surrogate.
pub(super) struct Learned {
    pub(super) signed: Signed,
    /// From the metric's unit to the surrogate's.
    pub(super) warp: Warp,
    surrogate: Surrogate,
}

enum Surrogate {
    /// Over final values alone.
    OneLook(Box<GaussianProcess>),
    /// Over early values, and over what they leave open of the final ones.
    TwoLooks(Box<TwoLooks>),
}

impl Learned {
    /// Fits a metric's surrogate and lets it believe its mean at the pending trials; `None` where
    /// fewer than two trials have a final value.
    pub(super) fn fit(
        request: &Proposal<'_>,
        encoding: &Encoding,
        signed: Signed,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Self>, Error> {
        let mut finals = evidence::final_values(request.study, &signed);
        // Whether a trial works is learned apart: its value says little about those that do.
        if let Some(limit) = evidence::limit(request, &signed) {
            finals.retain(|(trial, _)| !limit.rules_out(trial));
        }
        if finals.len() < 2 {
            return Ok(None);
        }
        let early = evidence::early_values(request.study, &signed);
        let trials = finals.len() + early.len();
        let warp = warp_of(&finals);
        let last = sample(request, encoding, (&finals, &warp, Look::Final));
        let pending = pending(request);
        let surrogate = if early.len() < 2 {
            one_look(request, encoding, (last.observations, &pending), rng)
                .map(|process| Surrogate::OneLook(Box::new(process)))
        } else {
            let grid = (encoding, request.feasible.space());
            let early = sample(request, encoding, (&early, &warp_of(&early), Look::Early));
            TwoLooks::fit(grid, early, last, rng)
                .and_then(|looks| looks.believe(grid, &pending))
                .map(|looks| Surrogate::TwoLooks(Box::new(looks)))
        };
        surrogate
            .map(|surrogate| Some(Self { warp, surrogate, signed: signed.clone() }))
            .ok_or(Error::SurrogateNotFitted { metric: signed.metric, trials })
    }

    /// The distribution of the final value, in the surrogate's unit, at points given by their
    /// numbers in grid order and by the codes of the same points.
    pub(super) fn predict(&self, indices: &[u64], codes: &Codes) -> Vec<Belief> {
        match &self.surrogate {
            Surrogate::OneLook(process) => process.predict(codes),
            Surrogate::TwoLooks(looks) => looks.predict(indices, codes),
        }
    }
}

fn one_look(
    request: &Proposal<'_>,
    encoding: &Encoding,
    (finals, pending): (Observations, &[u64]),
    rng: &mut ChaCha8Rng,
) -> Option<GaussianProcess> {
    let space = request.feasible.space();
    let points: Vec<Vec<usize>> = pending.iter().map(|&index| encoding.point(space, index)).collect();
    GaussianProcess::fit(encoding, finals, rng)?.believe(&points, &encoding.codes(space, pending))
}

/// The grid numbers of the trials that have not ended.
fn pending(request: &Proposal<'_>) -> Vec<u64> {
    let space = request.feasible.space();
    request.study.pending().filter_map(|trial| space.index_of(&trial.architecture)).collect()
}

fn warp_of(values: &[(&Trial, f64)]) -> Warp {
    Warp::learn(&values.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

/// The values in the surrogate's unit.
fn sample(
    request: &Proposal<'_>,
    encoding: &Encoding,
    (values, warp, look): (&[(&Trial, f64)], &Warp, Look),
) -> Sample {
    let space = request.feasible.space();
    let mut sample = Sample::default();
    for (trial, value) in values {
        if let Some(index) = space.index_of(&trial.architecture) {
            sample.indices.push(index);
            sample.observations.push(encoding.point(space, index), look, warp.forward(*value));
        }
    }
    sample
}
