//! The hyper-parameters of the surrogate and what is believed of them before any trial.

use super::encoding::Alphabet;
use super::kernel::Look;

/// Where each hyper-parameter's logarithm lies: one length scale and one main-effect variance a
/// feature, the strength of pairs, the variance of the joint effect, the correlation of the two looks
/// (as a logit), the variance of each look's noise, and the variance of each alphabet's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) features: usize,
    pub(crate) alphabets: Vec<Alphabet>,
}

/// Gaussian priors on the logarithms: where each lies and how far it may stray.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prior {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

impl Layout {
    pub(crate) fn len(&self) -> usize {
        self.words(self.alphabets.len())
    }

    pub(crate) fn length_scale(&self, feature: usize) -> usize {
        feature
    }

    pub(crate) fn main_effect(&self, feature: usize) -> usize {
        self.features + feature
    }

    pub(crate) fn pair_strength(&self) -> usize {
        2 * self.features
    }

    pub(crate) fn joint_variance(&self) -> usize {
        2 * self.features + 1
    }

    pub(crate) fn correlation(&self) -> usize {
        2 * self.features + 2
    }

    pub(crate) fn noise(&self, look: Look) -> usize {
        2 * self.features + 3 + look as usize
    }

    pub(crate) fn words(&self, alphabet: usize) -> usize {
        2 * self.features + 5 + alphabet
    }

    /// Log-normal priors: length scales grow with the square root of the number of features, so
    /// that prior correlations do not vanish in many dimensions; main effects share a variance of
    /// one half, and so do the words that several features have in common; pairs are weak unless trials insist (see
    /// `docs/experiments.md`); the noise is small but not excluded; an early look is likely to agree with the final one.
    pub(crate) fn priors(&self) -> Vec<Prior> {
        let count = self.features.max(1) as f64;
        let prior = |mean: f64, deviation: f64| Prior { mean, deviation };
        let mut priors = vec![prior(0.5 * count.ln(), 1.0); self.features];
        priors.extend(vec![prior((0.5 / count).ln(), 1.5); self.features]);
        priors.push(prior(0.01f64.ln(), 0.5));
        priors.push(prior(0.5f64.ln(), 1.0));
        priors.push(prior(1.5, 1.0));
        priors.push(prior(1e-3f64.ln(), 1.5));
        priors.push(prior(1e-2f64.ln(), 1.5));
        let words = |alphabet: &Alphabet| prior((0.5 / alphabet.dimensions as f64).ln(), 1.5);
        priors.extend(self.alphabets.iter().map(words));
        priors
    }
}
